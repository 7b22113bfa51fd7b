import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message import LocalProtocolError
from sipstack.sdp import (
    Attribute,
    Capabilities,
    Codec,
    Direction,
    MediaCapability,
    SessionDescription,
    Timing,
    answer_to,
    check_answer,
    offer,
)

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
AUDIO = Capabilities.audio(4000)


def answer(media: str, capabilities: Capabilities = AUDIO, head: str = HEAD) -> SessionDescription:
    offered = SessionDescription.parse(head + media)
    return answer_to(offered, capabilities, address="192.0.2.1", session_id=7)


def test_an_offer_lists_everything() -> None:
    capabilities = Capabilities(
        (
            MediaCapability(
                "audio", 4000, ("opus", "PCMU", "G722", "telephone-event"), attributes=(Attribute("ptime", "20"),)
            ),
            MediaCapability("video", 4002, (Codec("VP8", 90_000),), direction="recvonly", protocols=("RTP/AVPF",)),
        )
    )
    built = offer(capabilities, address="2001:db8::1", session_id=5, version=3, name="x")
    assert bytes(built).decode().split("\r\n") == [
        "v=0",
        "o=- 5 3 IN IP6 2001:db8::1",
        "s=x",
        "c=IN IP6 2001:db8::1",
        "t=0 0",
        "m=audio 4000 RTP/AVP 96 0 9 101",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "m=video 4002 RTP/AVPF 96",
        "a=rtpmap:96 VP8/90000",
        "a=recvonly",
        "",
    ]


def test_dynamic_numbers_avoid_those_taken() -> None:
    codecs = [Codec("a", payload_type=97), Codec("b"), Codec("c"), Codec("PCMA")]
    built = offer(Capabilities.audio(1, codecs), address="192.0.2.1", session_id=1)
    assert built.media[0].formats == ("97", "96", "98", "8")


def test_one_number_for_two_codecs_is_refused() -> None:
    codecs = [Codec("a", payload_type=97), Codec("b", payload_type=97)]
    with pytest.raises(LocalProtocolError, match="payload type 97"):
        offer(Capabilities.audio(1, codecs), address="192.0.2.1", session_id=1)


def test_too_many_dynamic_codecs_are_refused() -> None:
    with pytest.raises(LocalProtocolError, match="at most 32"):
        offer(Capabilities.audio(1, [Codec(f"c{i}") for i in range(33)]), address="192.0.2.1", session_id=1)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="'silk' is not known"):
        Capabilities.audio(1, ["silk"])


def test_codecs_keep_the_order_and_numbers_of_the_offer() -> None:
    built = answer(
        "m=audio 9 RTP/AVP 18 8 110 0\r\na=rtpmap:110 Telephone-Event/8000\r\n"
        "a=rtpmap:18 G729/8000\r\na=fmtp:110 0-16\r\n"
    )
    (audio,) = built.media
    assert audio.formats == ("8", "110", "0")
    assert audio.port == 4000
    assert audio.rtpmap(110) == Codec("Telephone-Event", payload_type=110)
    assert audio.fmtp(110) == "0-15"


@pytest.mark.parametrize(
    ("offered", "willing", "expected"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendrecv", "inactive", "inactive"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "recvonly", "inactive"),
        ("sendonly", "recvonly", "recvonly"),
        ("recvonly", "sendonly", "sendonly"),
    ],
)
def test_directions_are_mirrored(offered: Direction, willing: Direction, expected: Direction) -> None:
    capabilities = Capabilities((MediaCapability("audio", 1, direction=willing),))
    for text in (HEAD + f"m=audio 9 RTP/AVP 0\r\na={offered}\r\n", HEAD + f"a={offered}\r\nm=audio 9 RTP/AVP 0\r\n"):
        (audio,) = answer("", capabilities, text).media
        assert audio.direction == expected


@pytest.mark.rfc("R3264-8.4-1", "R3264-8.4-3")
@pytest.mark.parametrize("null", ["IN IP4 0.0.0.0", "IN IP6 ::"])
@pytest.mark.parametrize(
    ("offered", "expected"), [("sendrecv", "sendrecv"), ("recvonly", "sendonly"), ("sendonly", "recvonly")]
)
def test_the_null_address_changes_no_direction(null: str, offered: str, expected: str) -> None:
    # RFC 6337, section 5.4: an answer that says less would leave a call of three parties one-way.
    text = f"m=audio 9 RTP/AVP 0\r\nc={null}\r\na={offered}\r\n"
    (audio,) = answer(text).media
    assert audio.direction == expected
    assert audio.port == 4000
    session = SessionDescription.parse(HEAD + text)
    assert session.is_held(session.media[0])


@pytest.mark.parametrize(
    "media",
    [
        "m=video 9 RTP/AVP 34\r\n",
        "m=audio 9 RTP/SAVP 0\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
        "m=hologram 9 RTP/AVP 0\r\n",
        "m=audio 9 CARRIER/PIGEON grain seed\r\n",
        "m=audio 9 RTP/AVP 3 4\r\n",
        "m=audio 9 RTP/AVP 101 13\r\na=rtpmap:101 telephone-event/8000\r\n",
        "m=audio 0 RTP/AVP 0\r\n",
        "m=image 9 udptl t38\r\n",
        "m=audio 9 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n",
        "m=audio 9 RTP/AVP 0\r\nc=IN IP6 FF15::101\r\n",
    ],
)
def test_what_we_cannot_do_is_refused_in_its_place(media: str) -> None:
    built = answer(f"{media}m=audio 9 RTP/AVP 0\r\n")
    first, second = built.media
    offered = SessionDescription.parse(HEAD + media).media[0]
    assert (first.type, first.port, first.protocol, first.formats) == (
        offered.type,
        0,
        offered.protocol,
        offered.formats,
    )
    assert second.port == 4000
    assert not built.is_rejected
    assert answer(media).is_rejected


def test_media_without_an_address_is_refused() -> None:
    assert answer("m=audio 9 RTP/AVP 0\r\n", head=HEAD.replace("c=IN IP4 192.0.2.9\r\n", "")).is_rejected


def test_a_capability_is_taken_once() -> None:
    built = answer("m=audio 9 RTP/AVP 0\r\nm=audio 11 RTP/AVP 0\r\n")
    assert [media.port for media in built.media] == [4000, 0]
    both = Capabilities((MediaCapability("audio", 1), MediaCapability("audio", 2)))
    assert [m.port for m in answer("m=audio 9 RTP/AVP 0\r\nm=audio 11 RTP/AVP 0\r\n", both).media] == [1, 2]


def test_no_media_is_answered_with_none() -> None:
    built = answer("")
    assert built.media == ()
    assert not built.is_rejected


def test_the_time_is_that_of_the_offer() -> None:
    head = HEAD.replace("t=0 0", "t=5 6\r\nr=7d 1h 0")
    built = answer("m=audio 9 RTP/AVP 0\r\n", head=head)
    assert str(built).split("\r\n")[4:6] == ["t=5 6", "r=7d 1h 0"]


def test_a_codec_offered_twice_is_answered_once() -> None:
    (audio,) = answer("m=audio 9 RTP/AVP 0 96\r\na=rtpmap:96 PCMU/8000\r\n").media
    assert audio.formats == ("0",)


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP", "RTP/AVPF", "UDP/TLS/RTP/SAVPF"])
def test_a_protocol_is_never_changed(protocol: str) -> None:
    text = f"m=audio 9 {protocol} 0\r\n"
    for known in (("RTP/AVP",), ("RTP/SAVP",), ("RTP/AVPF", "RTP/SAVP"), ("UDP/TLS/RTP/SAVPF", "RTP/AVP")):
        capabilities = Capabilities((MediaCapability("audio", 4000, protocols=known),))
        (audio,) = answer(text, capabilities).media
        assert (audio.protocol, audio.port) == (protocol, 4000 if protocol in known else 0)


@pytest.mark.parametrize("name", ["rtcp-mux", "rtcp-rsize"])
def test_what_must_be_offered_is_not_answered_without(name: str) -> None:
    text = "m=audio 9 RTP/AVP 0\r\n"
    ours = Capabilities((MediaCapability("audio", 4000, attributes=(Attribute(name), Attribute("ptime", "30"))),))
    assert not answer(text, ours).media[0].attributes.has(name)
    assert answer(f"{text}a={name}\r\n", ours).media[0].attributes.has(name)
    assert not answer(f"{text}a={name}\r\n").media[0].attributes.has(name)
    assert offer(ours, address="192.0.2.1", session_id=1).media[0].attributes.has(name)
    assert answer(f"{text}a=ptime:20\r\n", ours).media[0].attributes.get("ptime") == "30"


def test_capability_negotiation_is_kept_and_not_answered() -> None:
    text = (
        "m=audio 9 RTP/AVP 0\r\na=tcap:1 RTP/SAVP\r\na=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0\r\n"
        "a=pcfg:1 t=1 a=1\r\na=csup:cap-v0\r\n"
    )
    assert SessionDescription.parse(HEAD + text).media[0].attributes.get("pcfg") == "1 t=1 a=1"
    (audio,) = answer(text).media
    assert (audio.protocol, audio.port) == ("RTP/AVP", 4000)
    assert [attribute.name for attribute in audio.attributes] == ["rtpmap", "sendrecv"]


def test_numbers_that_do_not_fit_are_refused() -> None:
    for numbers in ({"session_id": 2**63}, {"session_id": -1}, {"session_id": 1, "version": 2**63}):
        with pytest.raises(LocalProtocolError, match="2\\*\\*63-1"):
            offer(AUDIO, address="192.0.2.1", **numbers)
    for number in (0, 2**63 - 1):
        built = offer(AUDIO, address="192.0.2.1", session_id=number, version=number)
        assert (built.origin.session_id, built.origin.version) == (number, number)


def test_a_missing_time_is_always() -> None:
    built = answer("m=audio 9 RTP/AVP 0\r\n", head=HEAD.replace("t=0 0\r\n", ""))
    assert built.times == (Timing(),)


numbers = st.lists(st.sampled_from(["0", "3", "8", "9", "18", "96", "97", "101", "111", "127"]), min_size=1, max_size=6)
maps = st.dictionaries(
    st.sampled_from(["0", "8", "96", "97", "101", "111"]),
    st.sampled_from(["PCMU/8000", "PCMA/8000", "opus/48000/2", "telephone-event/8000", "x/1", "broken"]),
)
directions = st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"])
lines = st.lists(
    st.sampled_from(
        [
            "c=IN IP4 0.0.0.0",
            "c=IN IP4 224.2.1.1/127",
            "c=IN IP6 2001:db8::9",
            "a=rtcp-mux",
            "a=ptime:20",
            "a=mid:1",
            "a=rtcp:9 IN IP4 192.0.2.3",
            "b=AS:64",
        ]
    ),
    max_size=3,
    unique_by=lambda line: line[:4],
).map(sorted)
offered_media = st.builds(
    lambda kind, port, protocol, formats, codecs, direction, more: "\r\n".join(
        [
            f"m={kind} {port} {protocol} {' '.join(formats)}",
            *sorted(more, key=lambda line: "cba".index(line[0])),
            *(f"a=rtpmap:{number} {codec}" for number, codec in codecs.items()),
            *([f"a={direction}"] if direction else []),
            "",
        ]
    ),
    st.sampled_from(["audio", "Audio", "video", "image"]),
    st.sampled_from(["0", "9", "9/2"]),
    st.sampled_from(["RTP/AVP", "RTP/SAVP", "udptl"]),
    numbers,
    maps,
    st.none() | directions,
    lines,
)
capability = st.builds(
    MediaCapability,
    st.sampled_from(["audio", "video"]),
    st.just(4000),
    st.lists(st.sampled_from(["PCMU", "PCMA", "opus", "telephone-event", "CN", "H261"]), min_size=1, unique=True),
    direction=directions,
    protocols=st.sampled_from([("RTP/AVP",), ("RTP/SAVP",), ("RTP/AVP", "RTP/SAVP")]),
    attributes=st.sampled_from([(), (Attribute("rtcp-mux"),), (Attribute("ptime", "20"), Attribute("rtcp-mux"))]),
)


@pytest.mark.rfc(
    *("R3264-6-1", "R3264-6-2", "R3264-6-3", "R3264-6-4", "R3264-6-5", "R3264-6-8", "R3264-6-9"),
    *("R3264-6.1-1", "R3264-6.1-2", "R3264-6.1-3", "R3264-6.1-4", "R3264-6.1-6", "R3264-6.1-12", "R3264-6.1-14"),
    *("R3264-6.1-24", "R3264-8.2-2"),
)
@given(
    st.sampled_from(["", "a=sendonly\r\n", "r=7d 1h 0\r\n"]),
    st.lists(offered_media, max_size=5),
    st.lists(capability, max_size=3).map(tuple),
)
def test_every_answer_fits_its_offer(head: str, media: list[str], ours: tuple[MediaCapability, ...]) -> None:
    offered = SessionDescription.parse(HEAD + head + "".join(media))
    built = answer_to(offered, Capabilities(ours), address="192.0.2.1", session_id=7)
    assert check_answer(offered, built) == []
    assert check_answer(offered, SessionDescription.parse(bytes(built))) == []
    # Codecs and directions are ours too, and each capability is used once.
    taken = [one for one in built.media if not one.is_rejected]
    assert len(taken) <= len(ours)
    for one in taken:
        assert any(
            {codec.name.lower() for codec in one.codecs} <= {codec.name.lower() for codec in mine.codecs}
            and one.protocol in mine.protocols
            for mine in ours
        )
