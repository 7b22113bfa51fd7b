import time

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message import LocalProtocolError, RemoteProtocolError
from sipstack.sdp import (
    Attribute,
    Attributes,
    Bandwidth,
    Codec,
    Connection,
    Media,
    Origin,
    SdpError,
    SessionDescription,
    Timing,
)

FULL = b"""v=0\r
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r
s=Call to John Smith\r
i=SDP Offer #1\r
u=http://www.jdoe.example.com/home.html\r
e=Jane Doe <jane@jdoe.example.com>\r
p=+1 617 555-6011\r
c=IN IP4 198.51.100.1\r
b=AS:128\r
t=0 0\r
t=3724394400 3724398000\r
r=604800 3600 0 90000\r
z=3730928400 -1h\r
k=prompt\r
a=recvonly\r
a=tool:x y\r
Q=what is this\r
m=audio 49170/2 RTP/AVP 0 96 97\r
i=voice\r
c=IN IP4 224.2.1.1/127/3\r
c=IN IP4 224.2.1.4/127/3\r
b=TIAS:64000\r
k=clear:abc\r
a=rtpmap:96  opus/48000/2\r
a=fmtp:96 useinbandfec=1; x=y\r
a=rtpmap:97 broken\r
a=sendonly\r
m=video 0 RTP/SAVPF 99\r
a=rtpmap:99 h263-1998/90000\r
"""
SMALL = b"v=0\no=- 1 2 IN IP4 192.0.2.1\ns=-\n"


def parse(extra: str = "", base: bytes = SMALL) -> SessionDescription:
    return SessionDescription.parse(base + extra.encode())


def test_every_line_is_read() -> None:
    session = SessionDescription.parse(FULL)
    assert session.origin == Origin(3724394400, 3724394405, "198.51.100.1", "jdoe")
    assert session.name == "Call to John Smith"
    assert session.connection == Connection("198.51.100.1")
    assert session.bandwidths == (Bandwidth("AS", 128),)
    repeats = (("r", "604800 3600 0 90000"), ("z", "3730928400 -1h"))
    assert session.times == (Timing(), Timing(3724394400, 3724398000, repeats))
    assert session.attributes == (Attribute("recvonly"), Attribute("tool", "x y"))
    assert "".join(letter for letter, _ in session.other) == "iuepkQ"
    audio, video = session.media
    assert (audio.type, audio.port, audio.port_count, audio.protocol) == ("audio", 49170, 2, "RTP/AVP")
    assert audio.formats == ("0", "96", "97")
    assert audio.connection == Connection("224.2.1.1/127/3")
    assert ("c", "IN IP4 224.2.1.4/127/3") in audio.other
    assert audio.connections == (Connection("224.2.1.1/127/3"), Connection("224.2.1.4/127/3"))
    assert video.connections == ()
    assert audio.bandwidths == (Bandwidth("TIAS", 64000),)
    assert video.is_rejected
    assert not audio.is_rejected


def test_untouched_is_written_as_it_came() -> None:
    assert bytes(SessionDescription.parse(FULL)) == FULL


def test_str_is_parsed_as_bytes_are() -> None:
    assert bytes(SessionDescription.parse(FULL.decode())) == FULL


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r\n\r\n"])
def test_line_ends_are_kept(end: bytes) -> None:
    data = SMALL + b"t=0 0\nm=audio 1 RTP/AVP 0\na=x" + end
    assert bytes(SessionDescription.parse(data)) == data


def test_bytes_that_are_no_utf8_are_kept() -> None:
    data = SMALL + b"a=tool:caf\xe9\r\n"
    session = SessionDescription.parse(data)
    assert bytes(session) == data
    assert bytes(session.replace(name="x")).endswith(b"a=tool:caf\xe9\r\n")
    assert "tool" in str(session)


def test_a_changed_copy_is_written_anew_in_order() -> None:
    session = SessionDescription.parse(FULL).replace(name="new")
    assert bytes(session) == FULL.replace(b"s=Call to John Smith", b"s=new")


def test_a_changed_medium_leaves_the_rest_alone() -> None:
    session = SessionDescription.parse(FULL.replace(b"o=jdoe ", b"o=jdoe  "))
    audio, video = session.media
    changed = session.replace(media=(audio.replace(port=5), video))
    assert bytes(changed) == bytes(session).replace(b"49170/2", b"5/2").replace(b"k=clear:abc", b"k=clear:abc")


def test_media_put_behind_a_last_line_without_end() -> None:
    session = SessionDescription.parse(SMALL + b"m=audio 1 RTP/AVP 0")
    twice = session.replace(media=session.media * 2)
    assert SessionDescription.parse(bytes(twice)).media == session.media * 2
    for head in (SMALL[:-1], SMALL + b"\n\n"):
        longer = SessionDescription.parse(head).replace(media=session.media)
        assert SessionDescription.parse(bytes(longer)).media == session.media


def test_evolve_forgets_the_bytes() -> None:
    session = attrs.evolve(SessionDescription.parse(FULL), name="n")
    assert b"s=n\r\n" in bytes(session)


def test_equality_looks_at_values_not_at_bytes() -> None:
    assert parse("t=0 0\n") == parse("t=0  0\r\n")
    assert hash(parse()) == hash(parse())


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", 0, "empty"),
        (b"\r\n\r\n", 0, "empty"),
        (b"v=0\r\n", 0, "no o="),
        (b"v=1\r\n", 1, "v=0"),
        (b"o=- 1 1 IN IP4 x\r\n", 1, "v=0"),
        (b"v=0\no=- 1 IN IP4 x\n", 2, "six fields"),
        (b"v=0\no=- 1_0 1 IN IP4 x\n", 2, "session id"),
        ("v=0\no=- 1 \u0661 IN IP4 x\n".encode(), 2, "version"),
        (b"v=0\no=- 1 -1 IN IP4 x\n", 2, "version"),
        (b"v=0\no=- " + b"9" * 5000 + b" 1 IN IP4 x\n", 2, "session id"),
        (SMALL + b"v=0", 4, "twice"),
        (SMALL + b"o=- 1 1 IN IP4 x", 4, "twice"),
        (SMALL + b"s=x", 4, "twice"),
        (SMALL + b"c=IN IP4 x\nc=IN IP4 y", 5, "twice"),
        (SMALL + b"c=IN IP4", 4, "three fields"),
        (SMALL + b"m=a 1 b c\nc=IN IP4 x\nc=IN IP4", 6, "three fields"),
        (SMALL + b"m=a 1 b c\nv=0\no=- 1 1 IN IP4 x", 5, "twice"),
        (SMALL + b"t=0", 4, "two fields"),
        (SMALL + b"r=7d 1h 0\nt=0 0", 4, "r= stands before any t="),
        (SMALL + b"z=0 1h", 4, "z= stands before any t="),
        (SMALL + b"t=0 x", 4, "stop"),
        (SMALL + b"b=AS", 4, "colon"),
        (SMALL + b"b=AS:x", 4, "amount"),
        (SMALL + b"a=", 4, "name"),
        (SMALL + b"a=:x", 4, "name"),
        (SMALL + b"m=audio 1 RTP/AVP", 4, "four fields"),
        (SMALL + b"m=audio 65536 RTP/AVP 0", 4, "above 65535"),
        (SMALL + b"m=audio 1/x RTP/AVP 0", 4, "port count"),
        (SMALL + b"\na=x", 4, "letter"),
        (SMALL + b"hello", 4, "letter"),
        (SMALL + b"a =x", 4, "letter"),
        (SMALL + b"a=x\ry\n", 4, "bare CR"),
        (SMALL + b"a=x\0y\n", 4, "bare CR"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(data: bytes, line: int, reason: str) -> None:
    with pytest.raises(SdpError, match=reason) as caught:
        SessionDescription.parse(data)
    assert caught.value.line == line
    assert isinstance(caught.value, RemoteProtocolError | ValueError)
    assert (f"(line {line})" in str(caught.value)) == bool(line)


def test_a_longer_one_than_allowed_is_refused() -> None:
    with pytest.raises(SdpError, match="longer than 10 bytes"):
        SessionDescription.parse(FULL, largest=10)


@pytest.mark.parametrize(
    "extra",
    [
        "a=x\n" * 16_000,
        "t=0 0\n" + "r=1\n" * 16_000,
        "m=a 1 RTP/AVP 0\n" * 4_000,
        "m=audio 1 RTP/AVP" + " 96" * 20_000,
        "\n" * 65_000,
    ],
)
def test_parsing_takes_linear_time(extra: str) -> None:
    begin = time.process_time()
    session = parse(extra)
    for media in session.media:
        assert media.codecs == () or media.formats == ("0",)
    bytes(session.replace(name="x"))
    assert time.process_time() - begin < 3


def test_many_rtpmaps_take_linear_time() -> None:
    begin = time.process_time()
    session = parse("m=audio 1 RTP/AVP" + " 96" * 10_000 + "\n" + "a=rtpmap:97 x/8000\n" * 1_500)
    assert session.media[0].codecs == ()
    assert time.process_time() - begin < 3


def test_a_missing_name_and_time_are_forgiven() -> None:
    session = SessionDescription.parse(b"v=0\no=- 1 1 IN IP4 x\n")
    assert (session.name, session.times) == ("-", ())


@pytest.mark.parametrize("value", ["x\r\na=evil", "x\ny", "x\0"])
def test_a_value_of_two_lines_is_not_written(value: str) -> None:
    session = SessionDescription(Origin(1, 1, "192.0.2.1"), attributes=Attributes((Attribute("a", value),)))
    with pytest.raises(LocalProtocolError, match="CR, LF or NUL"):
        bytes(session)


def test_codecs_by_rtpmap_and_by_static_type() -> None:
    audio, video = SessionDescription.parse(FULL).media
    assert audio.codecs == (
        Codec("PCMU", payload_type=0),
        Codec("opus", 48_000, 2, payload_type=96, fmtp="useinbandfec=1; x=y"),
    )
    assert audio.rtpmap(96) == Codec("opus", 48_000, 2, payload_type=96)
    assert audio.rtpmap("97") is None
    assert audio.rtpmap(18) == Codec("G729", payload_type=18)
    assert audio.rtpmap("t38") is None
    assert audio.fmtp(96) == "useinbandfec=1; x=y"
    assert audio.fmtp(0) is None
    assert str(video.rtpmap(99)) == "h263-1998/90000"


def test_formats_that_are_no_rtp_are_no_codecs() -> None:
    (image,) = parse("m=image 4000 udptl t38\n").media
    assert not image.is_rtp
    assert image.codecs == ()


def test_an_rtpmap_changes_a_static_type() -> None:
    (audio,) = parse("m=audio 1 RTP/AVP 0 1 999\na=rtpmap:0 X/8000\n").media
    assert [codec.name for codec in audio.codecs] == ["X"]


def test_directions() -> None:
    session = SessionDescription.parse(FULL)
    audio, video = session.media
    assert audio.direction == "sendonly"
    assert video.direction is None
    assert session.direction_of(audio) == "sendonly"
    assert session.direction_of(video) == "recvonly"
    (plain,) = parse("m=audio 1 RTP/AVP 0\n").media
    assert parse().direction_of(plain) == "sendrecv"


def test_other_directions() -> None:
    session = parse("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 1 RTP/AVP 0\na=sendrecv\na=ptime:20\nm=video 0 RTP/AVP 34\n")
    held = session.with_directions("sendonly")
    assert held.origin == session.origin
    assert held.media[0].attributes == (Attribute("sendonly"), Attribute("ptime", "20"))
    assert held.media[1] == session.media[1]
    assert held.is_held(held.media[0])
    assert not session.is_held(session.media[0])
    assert bytes(session.with_directions("sendrecv", "inactive")) == bytes(session)
    assert bytes(session.with_directions("recvonly", "inactive").media[0]).endswith(b"a=recvonly\r\na=ptime:20\r\n")
    with pytest.raises(LocalProtocolError, match="2 media"):
        session.with_directions("sendonly", "sendonly", "sendonly")
    assert parse().with_directions() == parse()


def test_two_directions_become_one() -> None:
    attributes = Attributes((Attribute("x"), Attribute("sendonly"), Attribute("y"), Attribute("inactive")))
    assert attributes.with_direction("recvonly") == (Attribute("x"), Attribute("recvonly"), Attribute("y"))
    assert attributes.without_direction() == (Attribute("x"), Attribute("y"))


def test_all_but_the_version_is_compared() -> None:
    session = parse("t=0 0\nm=audio 1 RTP/AVP 0\n")
    newer = session.replace(origin=attrs.evolve(session.origin, version=9))
    assert newer != session
    assert newer.is_same(session)
    assert not newer.replace(name="x").is_same(session)
    assert not session.replace(origin=attrs.evolve(session.origin, session_id=9)).is_same(session)


ICE = b"\r\n".join(
    [
        b"a=group:BUNDLE 0 1",
        b"a=ice-options:trickle",
        b"a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04",
        b"m=audio 54400/2 UDP/TLS/RTP/SAVPF 111",
        b"c=IN IP6 2001:db8::1",
        b"b=AS:64",
        b"a=mid:0",
        b"a=ice-pwd:x9cml/YzichV2+XlhiMu8g",
        b"a=candidate:1  1 UDP 2130706431 2001:db8::1 54400 typ host",
        b"a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998",
        b"a=setup:actpass",
        b"a=rtcp-mux",
        b"a=sendrecv",
        b"a=tcap:1 RTP/SAVPF",
        b"a=acap:1 key-mgmt:mikey AQ",
        b"a=pcfg:1 t=1 a=1",
        b"a=x-caf\xe9 \t",
        b"a=candidate:1  1 UDP 2130706431 2001:db8::1 54400 typ host",
        b"",
    ]
)


def test_lines_that_mean_nothing_here_are_kept_when_others_change() -> None:
    data = SMALL.replace(b"\n", b"\r\n") + b"t=0 0\r\n" + ICE
    session = SessionDescription.parse(data)
    newer = session.replace(origin=attrs.evolve(session.origin, version=3))
    assert bytes(newer) == data.replace(b"o=- 1 2 ", b"o=- 1 3 ")
    assert bytes(session.with_directions("inactive")) == data.replace(b"sendrecv", b"inactive")
    (audio,) = session.media
    assert bytes(newer.replace(media=(audio.replace(port=0),))).endswith(ICE[ICE.index(b"\r\nc=") :])


def test_repeats_stay_with_their_time() -> None:
    data = SMALL.replace(b"\n", b"\r\n") + b"t=1 2\r\nr=7d 1h 0\r\nr=1d 1h 0\r\nt=3 4\r\nz=1 -1h\r\na=x\r\n"
    session = SessionDescription.parse(data)
    assert session.times[0] == Timing(1, 2, (("r", "7d 1h 0"), ("r", "1d 1h 0")))
    assert bytes(session.replace(name="-", bandwidths=())) == data


def test_where_rtcp_goes() -> None:
    session = parse(
        "c=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 0\nm=audio 5000 RTP/AVP 0\na=rtcp:53020\n"
        "m=audio 6000 RTP/AVP 0\na=rtcp:53020 IN IP6 2001:db8::2\nm=audio 7000 RTP/AVP 0\na=rtcp:x\n"
    )
    ours = Connection("192.0.2.1")
    assert [session.rtcp_of(media) for media in session.media] == [
        (ours, 4001),
        (ours, 53020),
        (Connection("2001:db8::2"), 53020),
        (ours, 7001),
    ]
    assert [str(media.rtcp) for media in session.media[1:3]] == ["53020", "53020 IN IP6 2001:db8::2"]


@pytest.mark.parametrize(
    ("address", "host", "is_multicast"),
    [
        ("IN IP4 224.2.1.1/127/3", "224.2.1.1", True),
        ("IN IP4 239.255.255.255", "239.255.255.255", True),
        ("IN IP4 240.0.0.1", "240.0.0.1", False),
        ("IN IP4 224.example.com", "224.example.com", False),
        ("IN IP6 FF15::101/3", "FF15::101", True),
        ("IN IP6 fe80::1", "fe80::1", False),
        ("ATM NSAP 47.0091", "47.0091", False),
    ],
)
def test_addresses_of_groups(address: str, host: str, is_multicast: bool) -> None:
    connection = Connection.parse(address)
    assert (connection.host, connection.is_multicast, str(connection)) == (host, is_multicast, address)


def test_a_format_of_many_digits_is_no_codec() -> None:
    (audio,) = parse(f"m=audio 1 RTP/AVP {'9' * 5_000} 0\n").media
    assert [codec.name for codec in audio.codecs] == ["PCMU"]
    assert audio.rtpmap("9" * 5_000) is None


@pytest.mark.parametrize(
    ("connection", "is_hold"),
    [("IN IP4 0.0.0.0", True), ("IN IP4 192.0.2.1", False), ("IN IP6 ::", True), ("IN IP4 name", False)],
)
def test_the_null_address_is_hold(connection: str, is_hold: bool) -> None:
    session = parse(f"c={connection}\nm=audio 1 RTP/AVP 0\n")
    assert session.is_held(session.media[0]) == is_hold


def test_attributes_are_found_by_name() -> None:
    attributes = Attributes((Attribute("x", "1"), Attribute("x"), Attribute("x", "2")))
    assert attributes.get("x") == "1"
    assert attributes.get("y") is None
    assert attributes.getlist("x") == ["1", "2"]
    assert attributes.has("x")
    assert not attributes.has("X")
    assert Attributes().direction is None


def test_addresses_know_their_family() -> None:
    assert str(Connection("::1")) == "IN IP6 ::1"
    assert str(Origin(1, 2, "192.0.2.1")) == "- 1 2 IN IP4 192.0.2.1"


def test_media_is_text() -> None:
    assert str(Media("audio", 4, ("0",))) == "m=audio 4 RTP/AVP 0\r\n"


words = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters=":/"), min_size=1)
numbers = st.integers(0, 2**64)
attribute_sets = st.lists(st.builds(Attribute, words, st.none() | words), max_size=4).map(Attributes)
connections = st.none() | st.builds(Connection, words, words, words)
bandwidths = st.lists(st.builds(Bandwidth, words, numbers), max_size=2).map(tuple)


def others(letters: str) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    """Make lines in the order in which they are written; c= holds three words."""
    lines = st.tuples(st.sampled_from(letters), st.tuples(words, words, words).map(" ".join))
    ordered = st.lists(lines, max_size=3).map(lambda some: sorted(some, key=lambda line: letters.index(line[0])))
    return ordered.map(tuple)


media = st.builds(
    Media,
    type=words,
    port=st.integers(0, 65535),
    formats=st.lists(words, min_size=1, max_size=3).map(tuple),
    protocol=words,
    port_count=st.integers(0, 65535),
    connection=st.builds(Connection, words, words, words),
    bandwidths=bandwidths,
    attributes=attribute_sets,
    other=others("ickQ"),
)
sessions = st.builds(
    SessionDescription,
    origin=st.builds(Origin, numbers, numbers, words, words, words, words),
    media=st.lists(media, max_size=3).map(tuple),
    name=words,
    connection=connections,
    bandwidths=bandwidths,
    times=st.lists(st.builds(Timing, numbers, numbers, others("rz")), max_size=2).map(tuple),
    attributes=attribute_sets,
    other=others("iuepkQ"),
)


@given(sessions)
def test_what_is_built_reads_back(session: SessionDescription) -> None:
    assert SessionDescription.parse(bytes(session)) == session


lines = st.lists(
    st.sampled_from(
        [b"v=0", b"o=- 1 1 IN IP4 a", b"s=-", b"t=0 0", b"m=audio 1 RTP/AVP 0", b"a=sendonly", b"c=IN IP4 a", b""]
    )
    | st.binary(max_size=20),
    max_size=12,
)


@given(lines, st.sampled_from([b"\n", b"\r\n"]))
def test_any_bytes_are_kept_or_refused(parts: list[bytes], end: bytes) -> None:
    data = b"v=0" + end + b"o=- 1 1 IN IP4 a" + end + end.join(parts)
    try:
        session = SessionDescription.parse(data)
    except SdpError:
        return
    assert bytes(session) == data
    assert SessionDescription.parse(bytes(session.replace(name="x"))).media == session.media
