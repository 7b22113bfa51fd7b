"""CANCEL and its races (RFC 3261 section 9)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    AckReceived,
    ClientInviteState,
    InviteAnswered,
    InviteCancelled,
    InviteFailed,
    InviteProgress,
    InviteReceived,
    RequestFailed,
    ServerInviteState,
    UsageEnded,
    UsageState,
)
from sipstack.message import LocalProtocolError

from .wire import SDP, SDP_TYPE, Wire, assert_idle, make_invite


@pytest.mark.rfc("R3261-9.2-2", "R3261-9.2-3")
def test_cancel_ringing() -> None:
    wire = Wire()
    invite, received = wire.ring()
    wire.a.layer.cancel(invite, wire.now, reason='SIP;cause=200;text="elsewhere"')
    wire.run()
    cancelled = wire.b.one(InviteCancelled)
    assert cancelled.invite is received
    assert cancelled.request.headers["Reason"] == 'SIP;cause=200;text="elsewhere"'
    failed = wire.a.one(InviteFailed)
    assert (failed.kind, failed.response.code) == ("cancelled", 487)
    assert wire.last("b 200 CANCEL").to_tag == wire.last("b 487 INVITE").to_tag
    assert wire.a.one(UsageEnded).cause == "rejected"
    assert not wire.b.of(UsageEnded)
    with pytest.raises(LocalProtocolError):
        wire.accept(received)
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-9.1-8")
def test_cancel_waits_for_a_provisional() -> None:
    wire = Wire()
    invite = wire.invite()
    wire.flush()
    wire.a.layer.cancel(invite, wire.now)
    wire.flush()
    assert wire.sent() == ["a INVITE"]
    wire.run(1)
    assert wire.sent()[:3] == ["a INVITE", "b 100 INVITE", "a CANCEL"]
    assert wire.a.one(InviteFailed).kind == "cancelled"
    wire.drain()
    assert_idle(wire)


def test_cancel_before_the_route() -> None:
    wire = Wire()
    wire.a.is_routing = False
    invite = wire.invite()
    wire.flush()
    wire.a.layer.cancel(invite, wire.now)
    wire.flush()
    assert wire.a.one(InviteFailed).kind == "cancelled"
    wire.a.layer.routed(invite.outgoing, wire.a.flow_to(wire.b), wire.now)
    wire.drain()
    assert wire.sent() == []
    assert_idle(wire)


@pytest.mark.rfc("R3261-9.1-9")
def test_cancel_after_the_answer_does_nothing() -> None:
    wire = Wire()
    wire.answer()
    wire.a.layer.cancel(wire.a.one(InviteAnswered).invite, wire.now)
    wire.run()
    assert "a CANCEL" not in wire.sent()


@pytest.mark.rfc("R3261-13.2.2.4-3", "R3261-13.2.2.4-9")
def test_cancel_crosses_2xx() -> None:
    wire = Wire()
    invite, received = wire.ring()
    wire.a.layer.cancel(invite, wire.now)
    wire.accept(received)
    wire.run()
    # Nothing to cancel at the callee: 200 to the CANCEL, and the call goes up and down.
    assert not wire.b.of(InviteCancelled)
    assert wire.last("b 200 CANCEL").to_tag == received.usage.dialog.local_tag
    assert not wire.a.of(InviteAnswered)
    failed = wire.a.one(InviteFailed)
    assert (failed.kind, failed.response.code) == ("cancelled", 200)
    assert invite.state is ClientInviteState.WITHDRAWN
    assert [what for what in wire.sent() if "ACK" in what or "BYE" in what] == ["a ACK", "a BYE", "b 200 BYE"]
    assert wire.b.one(UsageEnded).cause == "remote"
    wire.drain()
    assert_idle(wire)


def test_late_2xx_is_acknowledged_each_time() -> None:
    wire = Wire()
    wire.drop_next = ["a ACK"]
    invite, received = wire.ring()
    wire.a.layer.cancel(invite, wire.now)
    wire.accept(received)
    wire.b.is_routing = False
    wire.run(2)
    # The BYE got through though the ACK did not.
    assert wire.times("b 200 INVITE") == [0, 0.5]
    assert received.state is ServerInviteState.CONFIRMED
    assert not wire.b.layer.superseded
    answer = wire.last("b 200 INVITE")
    wire.inject(wire.a, bytes(answer))
    assert wire.sent()[-1] == "a ACK"
    wire.drain()
    assert_idle(wire)


@pytest.mark.parametrize("is_acknowledged", [True, False])
def test_2xx_outlives_an_early_bye(is_acknowledged: bool) -> None:
    """The caller has ended its only early dialog, and its INVITE waits for a final response: the first one got lost."""
    wire = Wire()
    invite, received = wire.ring()
    wire.drop_next = ["b 200 INVITE"]
    (leg,) = invite.legs.values()
    wire.a.layer.bye(leg, wire.now)
    wire.b.layer.respond(received, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    assert wire.b.one(UsageEnded).cause == "remote"
    assert received.state is ServerInviteState.OUTLIVED
    wire.loss = 0.0 if is_acknowledged else 1.0
    wire.run(33)
    assert received.state is (ServerInviteState.CONFIRMED if is_acknowledged else ServerInviteState.ABANDONED)
    assert wire.times("b 200 INVITE")[:4] == [0, 0.5] if is_acknowledged else [0, 0.5, 1.5, 3.5]
    assert not wire.b.of(AckReceived)
    assert not wire.b.layer.superseded
    assert not wire.b.layer.invites
    if is_acknowledged:
        assert wire.sent()[-1] == "a ACK"
        wire.drain()
        assert_idle(wire)


@pytest.mark.rfc("R3261-9.1-11")
def test_cancel_gives_up() -> None:
    wire = Wire()
    invite, _ = wire.ring()
    wire.loss = 1.0
    wire.a.layer.cancel(invite, wire.now)
    wire.run(31)
    assert not wire.a.of(InviteFailed)
    wire.run(2)
    failed = wire.a.one(InviteFailed)
    assert (failed.kind, failed.response) == ("cancelled", None)
    assert wire.a.one(UsageEnded).cause == "timeout"
    assert not wire.a.layer.dialogs


@pytest.mark.rfc("R3261-13.2.1-6")
def test_expires_cancels() -> None:
    wire = Wire()
    wire.a.layer.invite(make_invite(headers=(("Expires", "5"),)))
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.b.layer.respond(received, 180, wire.now)
    wire.drop_next = ["b 487 INVITE"]
    wire.run(10)
    assert wire.b.one(InviteCancelled).invite is received
    assert wire.a.one(InviteFailed).response.code == 487
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-13.3.1-1")
def test_expires_ends_the_invite_at_the_callee() -> None:
    wire = Wire()
    wire.a.layer.invite(make_invite(headers=(("Expires", "5"),)))
    wire.drop_next = ["a CANCEL"] * 20
    wire.run(10)
    assert wire.b.one(InviteCancelled).request is None
    assert wire.a.one(InviteFailed).response.code == 487


def test_expires_that_cannot_be_read_does_not_count() -> None:
    wire = Wire()
    wire.a.layer.invite(make_invite(headers=(("Expires", "soon"),)))
    wire.run(10)
    assert not wire.b.of(InviteCancelled)


def test_cancel_of_a_reinvite() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    outgoing = wire.a.layer.reinvite(usage, wire.now)
    wire.run(1)
    wire.a.layer.cancel(outgoing, wire.now)
    wire.run(1)
    assert wire.b.one(InviteCancelled).invite.is_reinvite
    assert usage.state is UsageState.CONFIRMED
    assert usage.reinvite is None
    assert not wire.a.of(UsageEnded)
    assert not wire.b.of(UsageEnded)


def test_cancel_of_a_reinvite_before_the_route() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    wire.a.is_routing = False
    outgoing = wire.a.layer.reinvite(usage, wire.now)
    wire.a.layer.cancel(outgoing, wire.now)
    wire.flush()
    assert wire.a.one(RequestFailed).outgoing is outgoing
    assert usage.reinvite is None
    bye = wire.a.layer.dialog_request(usage, "INFO", wire.now)
    with pytest.raises(LocalProtocolError):
        wire.a.layer.cancel(bye, wire.now)


def test_refused_invite_ends_its_early_dialog() -> None:
    wire = Wire()
    invite, received = wire.ring()
    assert wire.a.one(InviteProgress).usage.state is UsageState.EARLY
    wire.b.layer.respond(received, 486, wire.now)
    wire.run()
    failed = wire.a.one(InviteFailed)
    assert (failed.invite, failed.kind, failed.response.code) == (invite, "rejected", 486)
    assert wire.a.one(UsageEnded).cause == "rejected"
    assert not wire.a.layer.dialogs
    assert not wire.b.layer.dialogs
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-8.1.3.1-1")
def test_invite_without_response_times_out() -> None:
    wire = Wire(loss=1.0)
    wire.invite()
    wire.run(33)
    assert wire.a.one(InviteFailed).kind == "timeout"
    wire.drain()
    assert_idle(wire)


def test_invite_cannot_be_routed() -> None:
    wire = Wire()
    wire.a.is_routing = False
    invite = wire.invite()
    wire.flush()
    wire.a.layer.unroutable(invite.outgoing, "no such host", wire.now)
    wire.flush()
    failed = wire.a.one(InviteFailed)
    assert (failed.kind, failed.detail) == ("unroutable", "no such host")
    with pytest.raises(LocalProtocolError):
        wire.a.layer.unroutable(invite.outgoing, "again", wire.now)


def test_invite_connection_lost() -> None:
    wire = Wire(transport="TCP")
    wire.ring()
    wire.a.layer.connection_lost(wire.a.flow_to(wire.b, "TCP"), "reset by peer", wire.now)
    wire.flush()
    assert wire.a.one(InviteFailed).kind == "transport"
    assert wire.a.one(UsageEnded).cause == "transport"
