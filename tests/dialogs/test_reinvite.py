"""Requests within a dialog, re-INVITE above all (RFC 3261 sections 12.2, 14)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    AckReceived,
    DialogRequest,
    InviteCancelled,
    InviteReceived,
    RequestFailed,
    ResponseReceived,
    UsageEnded,
    UsageState,
)
from sipstack.message import Address, LocalProtocolError

from .wire import SDP, SDP_TYPE, Wire, assert_idle


@pytest.mark.rfc("R3261-12.2.1.2-1", "R3261-12.2.2-7", "R3261-12.2.1.1-17", "R3261-12.2.1.1-7", "R3261-12.2.1.1-8")
def test_reinvite_refreshes_both_targets() -> None:
    wire = Wire()
    usage, other = wire.answer()
    headers = [("Contact", "<sip:new@192.0.2.1:5070>")]
    outgoing = wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE, headers=headers)
    wire.run(0.1)
    request = wire.b.one(DialogRequest)
    assert request.usage is other
    assert request.request.headers["CSeq"] == "2 INVITE"
    assert str(other.dialog.remote_target) == "sip:alice@192.0.2.1:5060"
    contact = Address.parse("<sip:moved@192.0.2.2>")
    wire.b.layer.respond_request(request.transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE, contact=contact)
    assert str(other.dialog.remote_target) == "sip:new@192.0.2.1:5070"
    wire.run(0.1)
    assert wire.a.one(ResponseReceived).outgoing is outgoing
    assert str(usage.dialog.remote_target) == "sip:moved@192.0.2.2"
    assert wire.sent()[-1] == "a ACK"
    assert len(wire.b.of(AckReceived)) == 2
    wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert_idle(wire)


def test_reinvite_refused_changes_nothing() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.a.layer.reinvite(usage, wire.now, headers=[("Contact", "<sip:new@192.0.2.1>")])
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 488, wire.now)
    wire.run(0.1)
    assert str(other.dialog.remote_target) == "sip:alice@192.0.2.1:5060"
    assert (usage.state, other.state) == (UsageState.CONFIRMED, UsageState.CONFIRMED)
    wire.a.layer.reinvite(usage, wire.now)


def test_reinvite_2xx_is_repeated_until_acknowledged() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    wire.drop_next = ["a ACK", "b 200 INVITE"]
    wire.passages.clear()
    wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    transaction = wire.b.one(DialogRequest).transaction
    wire.b.layer.respond_request(transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(5)
    assert wire.times("b 200 INVITE") == [0, 0.5, 1.5]
    assert len(wire.a.of(ResponseReceived)) == 1


@pytest.mark.rfc("R3261-14.2-6")
def test_reinvite_2xx_without_ack_ends_the_call() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.drop_next = ["a ACK"] * 20
    wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 200, wire.now)
    wire.run(33)
    assert wire.b.one(UsageEnded).cause == "unacknowledged"
    assert wire.a.one(UsageEnded).cause == "remote"
    assert other.state is UsageState.ENDED
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-14.2-2")
def test_reinvite_glare_is_refused_491() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.a.layer.reinvite(usage, wire.now)
    wire.b.layer.reinvite(other, wire.now)
    wire.run(0.1)
    assert wire.a.layer.counters["requests refused 491"] == wire.b.layer.counters["requests refused 491"] == 1
    assert (usage.reinvite, other.reinvite) == (None, None)
    wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-14.2-1")
def test_second_reinvite_before_the_answer_is_refused_500() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    second = usage.dialog.create_request("INVITE")
    second.headers.add("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsecond")
    wire.inject(wire.b, bytes(second))
    refusal = wire.last("b 500 INVITE")
    assert 0 <= int(refusal.headers["Retry-After"]) <= 10
    assert other.server_invite is not None


@pytest.mark.rfc("R3261-14.1-4", "R3261-14.1-5", "R3261-14.1-6")
def test_reinvite_waits_for_the_one_under_way() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.drop_next = ["a ACK"]
    wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    with pytest.raises(LocalProtocolError):
        wire.a.layer.reinvite(usage, wire.now)
    with pytest.raises(LocalProtocolError):
        wire.b.layer.reinvite(other, wire.now)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 200, wire.now)
    wire.run(0.1)
    with pytest.raises(LocalProtocolError):
        wire.b.layer.reinvite(other, wire.now)
    wire.run(1)
    wire.b.layer.reinvite(other, wire.now)


@pytest.mark.rfc("R3261-14.1-4")
def test_reinvite_of_an_early_dialog_is_refused() -> None:
    wire = Wire()
    invite, received = wire.ring()
    leg = next(iter(invite.legs.values()))
    with pytest.raises(LocalProtocolError):
        wire.a.layer.reinvite(leg, wire.now)
    for peer, dialog, code in ((wire.a, received.usage.dialog, 491), (wire.b, leg.dialog, 500)):
        request = dialog.create_request("INVITE")
        request.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx")
        peer.layer.receive(bytes(request), peer.flow_to(wire.other(peer)), wire.now)
        wire.flush()
        assert wire.sent()[-1] == f"{peer.name} {code} INVITE"


@pytest.mark.rfc("R3261-12.2.1.2-2")
@pytest.mark.parametrize(
    ("method", "code", "cause"),
    [("INVITE", 481, "rejected"), ("INVITE", 408, "timeout"), ("INFO", 481, "rejected")],
)
def test_request_refused_ends_the_dialog(method: str, code: int, cause: str) -> None:
    wire = Wire()
    usage, _ = wire.answer()
    if method == "INVITE":
        wire.a.layer.reinvite(usage, wire.now)
    else:
        wire.a.layer.dialog_request(usage, method, wire.now)
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, code, wire.now)
    wire.run()
    assert wire.a.one(UsageEnded).cause == cause
    assert wire.a.one(UsageEnded).message.code == code
    assert "a BYE" in wire.sent()


@pytest.mark.parametrize("is_leaving", [False, True])
def test_request_that_overtakes_the_2xx_does_not_end_the_dialog(is_leaving: bool) -> None:
    """The caller knows no dialog yet, and says so: the ACK is what tells."""
    wire = Wire()
    wire.drop_next = ["b 180 INVITE", "b 200 INVITE"]
    wire.invite()
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.b.layer.respond(received, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.b.layer.dialog_request(received.usage, "INFO", wire.now)
    if is_leaving:
        wire.b.layer.bye(received.usage, wire.now)
    wire.run(0.1)
    assert wire.sent()[-1] == "a 481 INFO"
    assert not wire.b.of(UsageEnded)
    wire.run(1)
    assert ("b BYE" in wire.sent()) is is_leaving
    assert received.usage.state is (UsageState.ENDED if is_leaving else UsageState.CONFIRMED)


@pytest.mark.rfc("R3261-12.2.1.2-3")
def test_request_without_response_ends_the_dialog() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    wire.a.layer.dialog_request(usage, "INFO", wire.now)
    wire.loss = 1.0
    wire.run(33)
    assert wire.a.one(RequestFailed).kind == "timeout"
    assert wire.a.one(UsageEnded).cause == "timeout"
    assert usage.state is UsageState.ENDING
    wire.run(33)
    assert usage.state is UsageState.ENDED
    assert len(wire.a.of(UsageEnded)) == 1


def test_request_unroutable_leaves_the_dialog() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    wire.a.is_routing = False
    outgoing = wire.a.layer.dialog_request(usage, "INFO", wire.now)
    wire.flush()
    wire.a.layer.unroutable(outgoing, "no such host", wire.now)
    wire.flush()
    assert wire.a.one(RequestFailed).kind == "unroutable"
    assert usage.state is UsageState.CONFIRMED


def test_ack_unroutable_ends_the_dialog() -> None:
    wire = Wire()
    usage, _ = wire.answer(body=b"")
    wire.a.is_routing = False
    wire.a.layer.acknowledge(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.a.layer.unroutable(usage.acknowledgements[1].outgoing, "no such host", wire.now)
    wire.flush()
    assert wire.a.one(UsageEnded).cause == "transport"


@pytest.mark.rfc("R3261-12.2.2-3", "R3261-12.2.2-4", "R3261-12.2.2-5", "R3261-12.2.2-6")
def test_request_out_of_order_is_refused_500() -> None:
    wire = Wire()
    usage, other = wire.answer()
    late, timely = (usage.dialog.create_request("INFO") for _ in range(2))
    for number, request in enumerate((timely, late)):
        request.headers.prepend("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number}")
        wire.inject(wire.b, bytes(request))
    assert wire.b.one(DialogRequest).request.cseq.sequence == 3
    assert wire.sent()[-1] == "b 500 INFO"
    assert other.dialog.remote_sequence == 3
    assert usage.dialog.remote_sequence is None
    wire.b.layer.dialog_request(other, "INFO", wire.now)
    wire.run(0.1)
    assert usage.dialog.remote_sequence == 1


@pytest.mark.rfc("R3261-12.2.2-1")
@pytest.mark.rfc("R3261-12.2.2-2", "R3261-15.1.2-1")
@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS"])
def test_request_without_a_dialog_is_refused_481(method: str) -> None:
    wire = Wire()
    usage, _ = wire.answer()
    request = usage.dialog.create_request(method)
    request.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx")
    request.headers.set("To", "<sip:bob@192.0.2.2>;tag=other")
    wire.inject(wire.b, bytes(request))
    assert wire.sent()[-1] == f"b 481 {method}"
    request.headers.set("To", "<sip:bob@192.0.2.2>")
    request.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKy")
    if method not in ("INVITE", "OPTIONS"):
        wire.inject(wire.b, bytes(request))
        assert wire.sent()[-2:] == [f"b 481 {method}"] * 2


def test_ack_without_a_dialog_is_dropped() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    request = usage.dialog.create_request("ACK", sequence=77)
    request.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx")
    before = len(wire.passages)
    wire.inject(wire.b, bytes(request))
    assert len(wire.passages) == before
    assert wire.b.layer.counters["acks dropped"] == 1


@pytest.mark.rfc("R3261-15.1.2-4")
def test_crossing_byes_are_both_answered_200() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.a.layer.bye(usage, wire.now)
    wire.b.layer.bye(other, wire.now)
    wire.run()
    assert wire.sent()[-2:] in (["a 200 BYE", "b 200 BYE"], ["b 200 BYE", "a 200 BYE"])
    assert (wire.a.one(UsageEnded).cause, wire.b.one(UsageEnded).cause) == ("local", "local")
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-15.1.2-5", "R3261-15.1.2-6")
def test_bye_ends_a_pending_reinvite_with_487() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    outgoing = wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    wire.a.layer.bye(usage, wire.now)
    wire.run()
    assert {"b 200 BYE", "b 487 INVITE"} <= set(wire.sent())
    assert wire.b.one(InviteCancelled).invite.is_reinvite
    assert [event.response.code for event in wire.a.of(ResponseReceived) if event.outgoing is outgoing][-1] == 487
    wire.drain()
    assert_idle(wire)


def test_request_while_leaving_is_refused_481() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.a.is_routing = False
    wire.a.layer.bye(usage, wire.now)
    wire.b.layer.dialog_request(other, "INFO", wire.now)
    wire.run(0.1)
    assert wire.sent()[-3:] == ["a 481 INFO", "b BYE", "a 200 BYE"]
    with pytest.raises(LocalProtocolError):
        wire.a.layer.dialog_request(usage, "INFO", wire.now)


@pytest.mark.parametrize("method", ["INVITE", "ACK", "BYE", "CANCEL"])
def test_dialog_request_has_no_use_for(method: str) -> None:
    wire = Wire()
    usage, _ = wire.answer()
    with pytest.raises(LocalProtocolError):
        wire.a.layer.dialog_request(usage, method, wire.now)


def test_reinvite_with_a_bad_contact_is_refused_400() -> None:
    wire = Wire()
    usage, other = wire.answer()
    reinvite = usage.dialog.create_request("INVITE")
    reinvite.headers.add("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKbad")
    reinvite.headers.add("Contact", "<mailto:alice@example.com>")
    wire.inject(wire.b, bytes(reinvite))
    assert wire.last("b 400 INVITE").cseq.sequence == 2
    assert not wire.b.of(DialogRequest)
    assert other.dialog.remote_sequence == 1


def test_reinvite_with_a_bad_contact_in_the_2xx_keeps_the_target() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    before = usage.dialog.remote_target
    wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    wire.drop_next = ["b 200 INVITE"]
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 200, wire.now)
    wire.flush()
    answer = wire.last("b 200 INVITE")
    answer.headers.set("Contact", "<mailto:bob@example.com>")
    wire.inject(wire.a, bytes(answer))
    wire.run(0.1)
    assert usage.dialog.remote_target == before
    assert len(wire.b.of(AckReceived)) == 2


def test_reinvite_challenged_is_sent_again() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    outgoing = wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 401, wire.now)
    wire.run(0.1)
    wire.a.layer.resend(outgoing, outgoing.request.copy())
    with pytest.raises(LocalProtocolError):
        wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    assert wire.last("a INVITE").headers["CSeq"] == "3 INVITE"
    wire.b.layer.respond_request(wire.b.of(DialogRequest)[-1].transaction, 200, wire.now)
    wire.run(0.1)
    assert wire.a.of(ResponseReceived)[-1].response.code == 200
    assert len(wire.b.of(InviteReceived)) == 1


@pytest.mark.rfc("R3261-15.1.2-5", "R3261-15.1.2-6")
def test_unanswered_request_gets_487_when_the_dialog_ends() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.a.layer.dialog_request(usage, "INFO", wire.now)
    wire.run(0.1)
    request = wire.b.one(DialogRequest)
    assert wire.b.layer.awaits_answer(request.transaction)
    wire.a.layer.bye(usage, wire.now)
    wire.run(0.1)
    assert not wire.b.layer.awaits_answer(request.transaction)
    assert not wire.b.layer.unanswered
    assert not other.unanswered
    assert wire.last("b 487 INFO")


@pytest.mark.parametrize("has_provisional", [True, False])
def test_reinvite_that_a_peer_leaves_unanswered_ends_after_the_call(has_provisional) -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    reinvite = wire.last("a INVITE")
    wire.b.layer.close()
    if has_provisional:
        wire.inject(wire.a, bytes(reinvite.create_response(100)))
    bye = other.dialog.create_request("BYE")
    bye.headers.add("Via", "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKbye")
    wire.inject(wire.a, bytes(bye))
    wire.drop_next = ["b 481 INVITE"] * 20
    wire.drain()
    assert wire.a.one(UsageEnded).cause == "remote"
    assert_idle(wire)
    assert "a CANCEL" not in wire.sent()


def test_updates_of_one_number_are_two() -> None:
    """Each side counts its own requests: what becomes of the peer's says nothing of the offer in ours."""
    wire = Wire()
    usage, received = wire.answer()
    wire.a.layer.update(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    received.dialog.local_sequence = usage.dialog.local_sequence - 1
    wire.b.layer.update(received, wire.now)
    wire.run(0.1)
    assert wire.last("a UPDATE").cseq == wire.last("b UPDATE").cseq
    assert wire.sent()[-1] == "a 200 UPDATE"
    assert usage.session.has_local_offer
    assert received.session.has_remote_offer
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    assert usage.session.is_settled
