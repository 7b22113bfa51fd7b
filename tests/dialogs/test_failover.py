"""The next target of a request, when one does not serve it (RFC 3263 section 4.3)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    ClientInviteState,
    InviteFailed,
    InviteProgress,
    InviteReceived,
    OutOfDialogRequest,
    RequestFailed,
    ResponseReceived,
    TargetFailed,
    UsageEnded,
)
from sipstack.message import Limits
from sipstack.transactions import Flow

from .wire import SDP, SDP_TYPE, Wire, assert_idle, make_invite, make_request


def lossy_wire(**options) -> Wire:
    wire = Wire(**options)
    wire.loss = 1.0
    return wire


def branches(wire: Wire, what: str) -> list[str]:
    return list(dict.fromkeys(str(each.message.top_via.branch) for each in wire.passages if str(each) == what))


@pytest.mark.rfc("R3263-4.3-1", "R3263-4.2-2", "R3263-4-2")
def test_silent_target_is_left_for_the_next_under_a_new_branch() -> None:
    wire = lossy_wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    outgoing.targets = ("first", "second")
    wire.run(31.9)
    assert len(branches(wire, "a OPTIONS")) == 1  # every retransmission is one transaction, to one target
    wire.loss = 0.0
    wire.run(1)
    wire.b.layer.respond_request(wire.b.one(OutOfDialogRequest).transaction, 200, wire.now)
    wire.run(0.1)
    assert wire.a.one(ResponseReceived).response.code == 200
    failed = wire.a.one(TargetFailed)
    assert (failed.outgoing, failed.target, failed.retry_after) == (outgoing, "first", None)
    assert "32 s (Timer F)" in failed.detail
    assert outgoing.targets == ("second",)
    assert not wire.a.of(RequestFailed)
    first, second = (each.message for each in wire.passages if str(each) == "a OPTIONS" and each.time in (0.0, 32.0))
    assert first.top_via.branch != second.top_via.branch
    first.headers.remove("Via")
    second.headers.remove("Via")
    assert first.serialise() == second.serialise()
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3263-4.3-1")
def test_transport_error_goes_to_the_next_target_at_once() -> None:
    wire = lossy_wire()
    invite = wire.a.layer.invite(make_invite())
    invite.outgoing.targets = ("first", "second")
    wire.flush()
    wire.loss = 0.0
    wire.a.layer.transport_failed(invite.outgoing.transaction, "port unreachable", wire.now)
    wire.run(0.1)
    assert wire.a.one(TargetFailed).detail == "port unreachable"
    assert wire.b.one(InviteReceived)
    assert invite.state is ClientInviteState.CALLING


def test_the_last_target_that_fails_fails_the_request() -> None:
    wire = lossy_wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    outgoing.targets = ("first", "second")
    wire.run(65)
    assert [each.target for each in wire.a.of(TargetFailed)] == ["first", "second"]
    assert wire.a.one(RequestFailed).kind == "timeout"
    assert len(branches(wire, "a OPTIONS")) == 2
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3263-4.3-1")
def test_503_goes_to_the_next_target_and_says_for_how_long() -> None:
    wire = Wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    outgoing.targets = ("first", "second", "third")
    wire.run(0.1)
    first = wire.b.one(OutOfDialogRequest).transaction
    wire.b.layer.respond_request(first, 503, wire.now, headers=[("Retry-After", "120 (maintenance)")])
    wire.run(1)
    failed = wire.a.one(TargetFailed)
    assert (failed.target, failed.detail, failed.retry_after) == ("first", "503 Service Unavailable", 120.0)
    assert len(branches(wire, "a OPTIONS")) == 2
    # Both targets are one user agent here, which finds the same request merged: any final answer but 503 is the answer.
    assert wire.a.one(ResponseReceived).response.code == 482
    assert outgoing.targets == ("second", "third")
    wire.drain()
    assert_idle(wire)


@pytest.mark.parametrize("value", ["soon", "99999999999999"])
def test_503_with_a_retry_after_that_says_nothing(value) -> None:
    wire = Wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    outgoing.targets = ("first", "second")
    wire.run(0.1)
    wire.b.layer.respond_request(
        wire.b.one(OutOfDialogRequest).transaction, 503, wire.now, headers=[("Retry-After", value)]
    )
    wire.run(1)
    assert wire.a.one(TargetFailed).retry_after == 0.0


def test_503_of_the_only_target_is_the_answer() -> None:
    wire = Wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    outgoing.targets = ("only",)
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(OutOfDialogRequest).transaction, 503, wire.now)
    wire.run(1)
    assert wire.a.one(TargetFailed).target == "only"
    assert wire.a.one(ResponseReceived).response.code == 503
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3263-4-2", "R3263-4.4-1", "R3261-17.1.1.3-4")
def test_503_to_an_invite_is_acknowledged_where_it_came_from_and_ends_early_legs() -> None:
    wire = Wire()
    invite = wire.a.layer.invite(make_invite())
    invite.outgoing.targets = ("first", "second")
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.b.layer.respond(received, 180, wire.now)
    wire.run(0.1)
    assert wire.a.one(InviteProgress).usage is not None
    first = invite.outgoing.transaction
    wire.b.layer.respond(received, 503, wire.now)
    wire.run(0.015)
    assert wire.a.one(UsageEnded).cause == "rejected"
    assert invite.legs == {}
    assert invite.state is ClientInviteState.CALLING
    assert invite.outgoing.transaction is not first
    ack = wire.last("a ACK")
    assert ack.top_via.branch == first.branch
    assert len(branches(wire, "a INVITE")) == 2
    # As above, the second target is the first: merged.
    wire.run(1)
    assert wire.a.one(InviteFailed).response.code == 482
    wire.drain()
    assert_idle(wire)


@pytest.mark.parametrize("failure", ["timeout", "transport"])
def test_after_a_provisional_response_the_target_is_kept(failure) -> None:
    wire = lossy_wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    outgoing.targets = ("first", "second")
    wire.run(0.1)
    wire.inject(wire.a, outgoing.transaction.request.create_response(100).serialise())
    if failure == "transport":
        wire.a.layer.transport_failed(outgoing.transaction, "reset", wire.now)
    wire.run(40)
    assert wire.a.one(RequestFailed).kind == failure
    assert not wire.a.of(TargetFailed)
    assert len(branches(wire, "a OPTIONS")) == 1


@pytest.mark.rfc("R3263-4-3", "R3263-4.4-1")
def test_cancelled_invite_looks_for_no_other_target() -> None:
    wire = lossy_wire()
    invite = wire.a.layer.invite(make_invite())
    invite.outgoing.targets = ("first", "second")
    wire.run(1)
    wire.a.layer.cancel(invite, wire.now)
    wire.run(40)
    assert wire.a.one(InviteFailed).kind == "cancelled"
    assert len(branches(wire, "a INVITE")) == 1
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3263-4-3", "R3263-4.4-1")
def test_cancel_goes_where_the_invite_in_use_went() -> None:
    wire = lossy_wire()
    invite = wire.a.layer.invite(make_invite())
    invite.outgoing.targets = ("first", "second")
    wire.run(31.9)
    wire.loss = 0.0
    wire.run(0.3)
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 180, wire.now)
    wire.run(0.1)
    wire.a.layer.cancel(invite, wire.now)
    wire.run(0.1)
    assert wire.last("a CANCEL").top_via.branch == branches(wire, "a INVITE")[1]
    assert wire.a.one(InviteFailed).kind == "cancelled"


def test_invite_is_cancelled_between_two_targets() -> None:
    wire = lossy_wire()
    invite = wire.a.layer.invite(make_invite())
    invite.outgoing.targets = ("first", "second")
    wire.run(1)
    wire.a.is_routing = False
    wire.run(35)
    assert invite.state is ClientInviteState.ROUTING
    wire.a.layer.cancel(invite, wire.now)
    wire.run(1)
    assert wire.a.one(InviteFailed).kind == "cancelled"
    wire.a.layer.routed(invite.outgoing, wire.a.flow_to(wire.b), wire.now)
    wire.drain()
    assert len(branches(wire, "a INVITE")) == 1
    assert_idle(wire)


def test_contact_is_made_anew_for_another_transport() -> None:
    wire = lossy_wire()
    invite = wire.a.layer.invite(make_invite())
    invite.outgoing.targets = ("first", "second")
    wire.run(1)
    wire.a.is_routing = False
    wire.run(35)
    wire.a.layer.routed(invite.outgoing, Flow("TCP", ("192.0.2.1", 9), ("192.0.2.2", 5060), "192.0.2.1:5060"), wire.now)
    wire.flush()
    assert wire.last("a INVITE").headers.getlist("Contact") == ["<sip:alice@192.0.2.1:5060;transport=tcp>"]


def test_contact_of_the_user_is_kept() -> None:
    wire = lossy_wire()
    invite = wire.a.layer.invite(make_invite(headers=(("Contact", "<sip:me@198.51.100.1>"),)))
    invite.outgoing.targets = ("first", "second")
    wire.run(33)
    assert len(branches(wire, "a INVITE")) == 2
    assert wire.last("a INVITE").headers.getlist("Contact") == ["<sip:me@198.51.100.1>"]


def test_overload_of_our_own_is_no_targets_fault() -> None:
    wire = lossy_wire(limits=Limits(transactions=1))
    wire.a.layer.request(make_request("OPTIONS"))
    wire.flush()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    outgoing.targets = ("first", "second")
    wire.run(0.1)
    assert wire.a.one(RequestFailed).kind == "transport"
    assert not wire.a.of(TargetFailed)


def test_challenged_request_goes_back_to_its_server_unless_its_hop_changes() -> None:
    wire = Wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    outgoing.targets = ("first", "second")
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(OutOfDialogRequest).transaction, 401, wire.now)
    wire.run(0.1)
    assert not wire.a.of(TargetFailed)
    wire.a.layer.resend(outgoing, outgoing.request.copy())
    assert outgoing.targets == ("first", "second")
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.of(OutOfDialogRequest)[1].transaction, 302, wire.now)
    wire.run(0.1)
    moved = outgoing.request.copy()
    moved.uri = make_request("OPTIONS", uri="sip:elsewhere.example").uri
    wire.a.layer.resend(outgoing, moved)
    assert outgoing.targets == ()


@pytest.mark.rfc("R3261-8.1.2-9")
def test_requests_of_a_dialog_go_to_the_next_target_too() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    outgoing = wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    outgoing.targets = ("first", "second")
    wire.loss = 1.0
    wire.run(31.9)
    wire.loss = 0.0
    wire.run(0.5)
    wire.b.layer.respond_request(wire.reinvited(wire.b).transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.5)
    assert wire.a.of(ResponseReceived)[-1].response.code == 200
    assert not wire.a.of(UsageEnded)
    assert usage.reinvite is None
    wire.a.layer.bye(usage, wire.now)
    usage.bye.targets = ("first", "second")
    wire.run(0.1)
    wire.drain()
    assert_idle(wire)
