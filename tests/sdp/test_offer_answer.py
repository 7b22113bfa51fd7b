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
    answer_to,
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


@pytest.mark.parametrize(
    ("offered", "expected"), [("sendrecv", "recvonly"), ("recvonly", "inactive"), ("sendonly", "recvonly")]
)
def test_the_null_address_is_sent_nothing(offered: str, expected: str) -> None:
    (audio,) = answer(f"m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na={offered}\r\n").media
    assert audio.direction == expected
    assert audio.port == 4000


@pytest.mark.parametrize(
    "media",
    [
        "m=video 9 RTP/AVP 34\r\n",
        "m=audio 9 RTP/SAVP 0\r\n",
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


codecs = st.lists(st.sampled_from([0, 3, 8, 9, 18, 101, 111]), min_size=1, max_size=6, unique=True)
offered_media = st.tuples(
    st.sampled_from(["audio", "video"]),
    st.sampled_from([0, 9]),
    codecs,
    st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]),
)


@given(st.lists(offered_media, max_size=5))
def test_every_answer_fits_its_offer(media: list[tuple[str, int, list[int], str]]) -> None:
    text = "".join(
        f"m={kind} {port} RTP/AVP {' '.join(map(str, numbers))}\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        for kind, port, numbers, direction in media
    )
    offered = SessionDescription.parse(HEAD + text)
    built = SessionDescription.parse(bytes(answer(text)))
    assert built.times == offered.times
    assert [one.type for one in built.media] == [one.type for one in offered.media]
    allowed = {
        "sendrecv": {"sendrecv", "sendonly", "recvonly", "inactive"},
        "sendonly": {"recvonly", "inactive"},
        "recvonly": {"sendonly", "inactive"},
        "inactive": {"inactive"},
    }
    for mine, theirs in zip(built.media, offered.media, strict=True):
        assert set(mine.formats) <= set(theirs.formats)
        assert not (theirs.is_rejected and not mine.is_rejected)
        if not mine.is_rejected:
            assert mine.direction in allowed[offered.direction_of(theirs)]
