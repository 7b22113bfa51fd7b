from __future__ import annotations

import pytest

from sipstack.cli._session import LocalSession, media_address, peer_of
from sipstack.message import Request
from sipstack.sdp import SessionDescription


class OneWay:
    """A machine with one address."""

    def local_host_towards(self, host: str) -> str:
        if host == "203.0.113.9":
            raise OSError("no route")
        return "2001:db8::5" if ":" in host else "192.0.2.5"


OFFER = b"""v=0\r
o=alice 1 1 IN IP4 192.0.2.9\r
s=-\r
c=IN IP4 192.0.2.9\r
t=0 0\r
m=audio 4000 RTP/AVP 8 96\r
a=rtpmap:96 opus/48000/2\r
m=video 4002 RTP/AVP 97\r
a=rtpmap:97 VP8/90000\r
"""


def parsed(sdp: bytes | None) -> SessionDescription:
    assert sdp is not None
    return SessionDescription.parse(sdp)


def test_an_answer_fits_the_offer() -> None:
    answer = parsed(LocalSession("192.0.2.5").answer(OFFER))
    assert [media.type for media in answer.media] == ["audio", "video"]
    assert answer.media[0].formats == ("8", "96")
    assert not answer.media[0].is_rejected
    assert answer.media[1].is_rejected
    assert answer.connection is not None
    assert answer.connection.address == "192.0.2.5"


def test_the_version_goes_up_only_with_a_change() -> None:
    session = LocalSession("192.0.2.5")
    first, second = session.answer(OFFER), session.answer(OFFER)
    assert first == second
    held = parsed(session.answer(OFFER.replace(b"a=rtpmap:96", b"a=sendonly\r\na=rtpmap:96")))
    assert held.origin.version == parsed(first).origin.version + 1
    assert held.origin.session_id == parsed(first).origin.session_id


def test_a_new_offer_keeps_the_media_and_takes_up_what_was_held() -> None:
    session = LocalSession("192.0.2.5")
    session.answer(OFFER.replace(b"a=rtpmap:96", b"a=sendonly\r\na=rtpmap:96"))
    offer = parsed(session.offer())
    assert [media.type for media in offer.media] == ["audio", "video"]
    assert offer.direction_of(offer.media[0]) == "sendrecv"
    assert offer.media[1].is_rejected
    assert offer.origin.version == 2


def test_the_same_offer_again_is_the_same_description() -> None:
    session = LocalSession("192.0.2.5")
    assert session.offer() == session.offer()


def test_an_offer_of_nothing_we_have_is_refused() -> None:
    assert LocalSession("192.0.2.5").answer(OFFER.replace(b"RTP/AVP", b"RTP/SAVP")) is None


def test_an_offer_without_media_is_answered_without_media() -> None:
    assert parsed(LocalSession("192.0.2.5").answer(OFFER[: OFFER.index(b"m=")])).media == ()


@pytest.mark.parametrize(
    ("urls", "peer", "address"),
    [
        (["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"], "192.0.2.9", "192.0.2.5"),
        (["udp://[::]:5060"], "2001:db8::9", "2001:db8::5"),
        (["udp://0.0.0.0:5060", "udp://[::]:5060"], "2001:db8::9", "2001:db8::5"),
        (["udp://192.0.2.77:5060"], "192.0.2.9", "192.0.2.77"),
        (["udp://192.0.2.77:5060", "udp://[2001:db8::77]:5060"], "2001:db8::9", "2001:db8::77"),
        (["udp://192.0.2.77:5060", "udp://127.0.0.1:5060"], "192.0.2.9", "192.0.2.5"),
    ],
)
def test_the_address_named_is_the_one_the_peer_can_reach(urls: list[str], peer: str, address: str) -> None:
    assert media_address(urls, peer, OneWay()) == address


@pytest.mark.parametrize(
    ("via", "peer"),
    [
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1", "192.0.2.9"),
        ("SIP/2.0/UDP pc.example.com;branch=z9hG4bK1;received=192.0.2.9", "192.0.2.9"),
        ("SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK1", "2001:db8::9"),
        ("SIP/2.0/UDP pc.example.com;branch=z9hG4bK1", None),
    ],
)
def test_a_peer_is_where_its_request_came_from(via: str, peer: str | None) -> None:
    assert peer_of(Request("INVITE", "sip:bob@192.0.2.5", headers=[("Via", via)])) == peer


def test_an_offer_that_must_be_answered_is_refused_stream_by_stream() -> None:
    refusal = parsed(LocalSession("192.0.2.5").refuse(OFFER))
    assert [media.port for media in refusal.media] == [0, 0]


def test_the_next_description_follows_the_one_that_was_adopted() -> None:
    session = LocalSession("192.0.2.5")
    session.adopt(session.offer("sendonly").replace(b" 1 IN IP4", b" 7 IN IP4"))
    assert parsed(session.offer("inactive")).origin.version == 8
