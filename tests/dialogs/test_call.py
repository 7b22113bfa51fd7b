"""Whole calls between two layers (RFC 3261 sections 13 to 15)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    AckReceived,
    DialogState,
    InviteAnswered,
    InviteCancelled,
    InviteProgress,
    InviteReceived,
    ResponseReceived,
    UsageEnded,
    UsageState,
)
from sipstack.message import LocalProtocolError

from .wire import SDP, SDP_TYPE, Wire, assert_idle, make_invite


@pytest.mark.rfc("R3261-15.1.1-1", "R3261-15.1.2-4", "R3261-13.2.2.4-3", "R3261-12.1-2")
def test_call_caller_hangs_up() -> None:
    wire = Wire()
    usage, other = wire.answer()
    assert (usage.state, other.state) == (UsageState.CONFIRMED, UsageState.CONFIRMED)
    assert usage.dialog.state is DialogState.CONFIRMED
    assert usage.dialog.id == (other.dialog.call_id, other.dialog.remote_tag, other.dialog.local_tag)
    wire.a.layer.bye(usage, wire.now)
    wire.run()
    assert wire.a.one(UsageEnded).cause == "local"
    assert wire.a.one(UsageEnded).message.code == 200
    assert wire.b.one(UsageEnded).cause == "remote"
    assert wire.sent() == ["a INVITE", "b 180 INVITE", "b 200 INVITE", "a ACK", "a BYE", "b 200 BYE"]
    assert usage.dialog.state is DialogState.TERMINATED
    wire.drain()
    assert_idle(wire)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_call_callee_hangs_up(transport: str) -> None:
    wire = Wire(transport=transport)
    _, usage = wire.answer()
    wire.b.layer.bye(usage, wire.now, headers=[("Reason", "Q.850;cause=16")])
    wire.run()
    assert wire.b.one(UsageEnded).cause == "local"
    assert wire.a.one(UsageEnded).cause == "remote"
    assert wire.last("b BYE").headers["Reason"] == "Q.850;cause=16"
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc(
    "R3261-8.1.1-1",
    "R3261-8.1.1.1-1",
    "R3261-8.1.1.3-2",
    "R3261-8.1.1.6-1",
    "R3261-13.2.1-1",
    "R3261-13.2.1-3",
    "R3261-8.1.1.8-1",
    "R3261-12.1.2-1",
    "R3261-8.1.1.5-1",
    "R3261-8.1.1.7-5",
)
def test_invite_has_what_every_request_has() -> None:
    wire = Wire()
    wire.invite()
    wire.run(0.1)
    invite = wire.last("a INVITE")
    assert str(invite.to_address.uri) == "sip:bob@192.0.2.2"
    assert invite.to_tag is None
    assert invite.from_tag
    assert invite.max_forwards == 70
    assert invite.headers["CSeq"] == "1 INVITE"
    assert invite.headers["Contact"] == "<sip:alice@192.0.2.1:5060>"
    assert "UPDATE" in invite.headers["Allow"]
    assert invite.headers["Supported"] == ""
    assert invite.top_via.branch.startswith("z9hG4bK")
    assert invite.headers["User-Agent"] == "test"


@pytest.mark.rfc(
    "R3261-12.1.1-1",
    "R3261-12.1.1-2",
    "R3261-13.3.1.4-1",
    "R3261-8.2.6.2-1",
    "R3261-8.2.6.2-6",
    "R3261-8.2.6.2-7",
    "R3261-13.3.1.1-2",
)
def test_answer_has_dialog_fields() -> None:
    wire = Wire()
    invite = make_invite(headers=(("Record-Route", "<sip:p2;lr>;x=1, <sip:p1;lr>"), ("Record-Route", "<sip:p0;lr>")))
    wire.a.layer.invite(invite)
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.b.layer.respond(received, 180, wire.now)
    wire.accept(received)
    wire.run(0.1)
    ringing, answer = wire.last("b 180 INVITE"), wire.last("b 200 INVITE")
    for response in (ringing, answer):
        assert response.headers.getlist("Record-Route") == ["<sip:p2;lr>;x=1, <sip:p1;lr>", "<sip:p0;lr>"]
        assert response.headers["Contact"] == "<sip:bob@192.0.2.2:5060>"
        assert response.headers["From"] == invite.headers["From"]
    assert ringing.to_tag == answer.to_tag == received.usage.dialog.local_tag
    assert answer.headers["Allow"]
    assert "Supported" in answer.headers
    assert [str(route.uri) for route in received.usage.dialog.route_set] == ["sip:p2;lr", "sip:p1;lr", "sip:p0;lr"]
    usage = wire.a.one(InviteAnswered).usage
    assert [str(route.uri) for route in usage.dialog.route_set] == ["sip:p0;lr", "sip:p1;lr", "sip:p2;lr"]


@pytest.mark.rfc("R3261-13.2.2.4-6", "R3261-13.2.2.4-4")
def test_offer_in_2xx_is_answered_by_hand() -> None:
    wire = Wire()
    usage, _ = wire.answer(body=b"")
    assert not wire.b.of(AckReceived)
    with pytest.raises(LocalProtocolError):
        wire.a.layer.reinvite(usage, wire.now)
    wire.a.layer.acknowledge(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    ack = wire.b.one(AckReceived).request
    assert ack.body == SDP
    assert ack.headers["CSeq"] == "1 ACK"
    with pytest.raises(LocalProtocolError):
        wire.a.layer.acknowledge(usage, wire.now)


def test_bye_before_the_answer_by_hand_acknowledges_first() -> None:
    wire = Wire()
    usage, _ = wire.answer(body=b"")
    wire.a.layer.bye(usage, wire.now)
    wire.run()
    assert wire.sent()[3:] == ["a ACK", "a BYE", "b 200 BYE"]
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-13.2.2.4-5")
def test_ack_has_the_credentials_of_the_invite() -> None:
    wire = Wire()
    headers = (("Authorization", 'Digest username="a"'), ("Proxy-Authorization", 'Digest username="b"'))
    wire.a.layer.invite(make_invite(headers=headers))
    wire.run(0.1)
    wire.accept(wire.b.one(InviteReceived).invite)
    wire.run(0.1)
    ack = wire.last("a ACK")
    assert ack.headers["Authorization"] == 'Digest username="a"'
    assert ack.headers["Proxy-Authorization"] == 'Digest username="b"'


@pytest.mark.rfc("R3261-13.2.2.4-8")
def test_lost_ack_is_sent_again_with_each_2xx() -> None:
    wire = Wire()
    wire.drop_next = ["a ACK", "a ACK"]
    _, received = wire.ring()
    wire.accept(received)
    wire.run(5)
    assert wire.times("b 200 INVITE") == [0, 0.5, 1.5]
    acks = [passage.message for passage in wire.passages if passage.what == "ACK"]
    assert len(acks) == 3
    assert bytes(acks[0]) == bytes(acks[2])
    assert len(wire.b.of(AckReceived)) == 1
    assert received.usage.state is UsageState.CONFIRMED


@pytest.mark.rfc("R3261-13.3.1.4-4", "R3261-15-4")
def test_no_ack_ends_the_call() -> None:
    wire = Wire()
    wire.drop_next = ["a ACK"] * 20
    _, received = wire.ring()
    wire.accept(received)
    began = wire.now
    wire.run(31)
    assert wire.times("b 200 INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5]
    assert not wire.b.of(UsageEnded)
    wire.run(2)
    assert wire.b.one(UsageEnded).cause == "unacknowledged"
    bye = next(passage for passage in wire.passages if str(passage) == "b BYE")
    assert bye.time == pytest.approx(began + 32)
    assert wire.a.one(UsageEnded).cause == "remote"
    wire.drain()
    assert len(wire.b.of(UsageEnded)) == 1
    assert_idle(wire)


@pytest.mark.rfc("R3261-13.3.1.1-3")
def test_provisional_is_repeated_each_minute() -> None:
    wire = Wire()
    wire.ring()
    wire.run(200)
    assert wire.times("b 180 INVITE") == [0, 60, 120, 180]
    assert len(wire.a.of(InviteProgress)) >= 4


@pytest.mark.rfc("R3261-15-4")
def test_bye_of_the_callee_waits_for_the_ack() -> None:
    wire = Wire()
    wire.drop_next = ["a ACK"]
    _, received = wire.ring()
    wire.accept(received)
    wire.b.layer.bye(received.usage, wire.now)
    assert received.usage.state is UsageState.LEAVING
    with pytest.raises(LocalProtocolError):
        wire.b.layer.bye(received.usage, wire.now)
    wire.run(0.4)
    assert "b BYE" not in wire.sent()
    wire.run(1)
    assert wire.sent()[-4:] == ["b 200 INVITE", "a ACK", "b BYE", "a 200 BYE"]
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-15-4")
def test_bye_of_the_callee_waits_for_the_limit() -> None:
    wire = Wire()
    wire.drop_next = ["a ACK"] * 20
    _, received = wire.ring()
    wire.accept(received)
    wire.b.layer.bye(received.usage, wire.now)
    wire.run(31.9)
    assert "b BYE" not in wire.sent()
    wire.run(1)
    assert wire.b.one(UsageEnded).cause == "local"
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-15-3", "R3261-15.1.2-5", "R3261-15.1.2-6")
def test_bye_on_an_early_dialog() -> None:
    wire = Wire()
    wire.ring()
    usage = wire.a.one(InviteProgress).usage
    received = wire.b.one(InviteReceived).invite
    with pytest.raises(LocalProtocolError):
        wire.b.layer.bye(received.usage, wire.now)
    wire.a.layer.bye(usage, wire.now)
    wire.run()
    assert sorted(wire.sent()[2:]) == ["a ACK", "a BYE", "b 200 BYE", "b 487 INVITE"]
    assert wire.b.one(InviteCancelled).request.method == "BYE"
    assert wire.b.one(UsageEnded).cause == "remote"
    with pytest.raises(LocalProtocolError):
        wire.accept(received)
    wire.drain()
    assert_idle(wire)


def test_bye_without_response_ends_the_call() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    wire.loss = 1.0
    wire.a.layer.bye(usage, wire.now)
    wire.run(31)
    assert not wire.a.of(UsageEnded)
    wire.run(2)
    assert wire.a.one(UsageEnded).cause == "local"
    assert wire.a.one(UsageEnded).message is None


def test_bye_cannot_be_routed() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    wire.a.is_routing = False
    wire.a.layer.bye(usage, wire.now)
    wire.flush()
    wire.a.layer.unroutable(usage.bye, "no such host", wire.now)
    wire.flush()
    assert wire.a.one(UsageEnded).cause == "local"
    assert not wire.a.layer.dialogs


def test_bye_is_challenged_and_sent_again() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    wire.a.layer.bye(usage, wire.now)
    outgoing = usage.bye
    wire.drop_next = ["a BYE"]
    wire.flush()
    challenge = outgoing.transaction.request.create_response(407, to_tag="x")
    wire.inject(wire.a, bytes(challenge))
    assert wire.a.one(ResponseReceived).response.code == 407
    assert wire.a.one(UsageEnded).cause == "local"
    again = outgoing.request.copy()
    again.headers.add("Proxy-Authorization", 'Digest username="a"')
    wire.a.layer.resend(outgoing, again)
    wire.run()
    assert wire.last("a BYE").headers["CSeq"] == "3 BYE"
    assert wire.b.one(UsageEnded).cause == "remote"
    wire.drain()
    assert_idle(wire)
