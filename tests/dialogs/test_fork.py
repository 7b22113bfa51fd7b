"""One INVITE with several legs (RFC 3261 sections 12.1, 13.2.2.4)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    ClientInvite,
    ClientInviteState,
    InviteAnswered,
    InviteFailed,
    InviteOver,
    InviteProgress,
    UsageEnded,
    UsageState,
)
from sipstack.message import Limits

from .wire import Wire


def begin(**options: object) -> tuple[Wire, ClientInvite]:
    wire = Wire(loss=1.0, **options)
    invite = wire.invite()
    wire.flush()
    return wire, invite


def answer(wire: Wire, invite: ClientInvite, code: int, tag: str | None, **fields: str) -> None:
    response = invite.outgoing.transaction.request.create_response(code, to_tag=tag)
    for name, value in ({"Contact": f"<sip:{tag}@192.0.2.2>"} | fields).items():
        response.headers.add(name.replace("_", "-"), value)
    wire.inject(wire.a, bytes(response))


@pytest.mark.rfc("R3261-13.2.2.4-2", "R3261-13.2.2.4-3")
def test_two_legs_are_both_answered() -> None:
    wire, invite = begin()
    for tag in ("x", "y"):
        answer(wire, invite, 180, tag, Record_Route=f"<sip:{tag}.example.com;lr>")
    assert set(invite.legs) == {"x", "y"}
    assert len(wire.a.layer.dialogs) == 2
    answer(wire, invite, 200, "y", Record_Route="<sip:y.example.com;lr>")
    answer(wire, invite, 200, "z")
    first, second = wire.a.of(InviteAnswered)
    assert first.usage is invite.legs["y"]
    assert second.usage is invite.legs["z"]
    assert [str(route.uri) for route in first.usage.dialog.route_set] == ["sip:y.example.com;lr"]
    assert second.usage.dialog.route_set == ()
    assert [passage.message.to_tag for passage in wire.passages if passage.what == "ACK"] == ["y", "z"]
    assert invite.legs["x"].state is UsageState.EARLY
    # 64*T1 after the first 2xx the INVITE is over, and early dialogs with it (13.2.2.4).
    wire.run(33)
    assert invite.state is ClientInviteState.ENDED
    assert wire.a.one(UsageEnded).usage is invite.legs["x"]
    assert len(wire.a.layer.dialogs) == 2
    assert not wire.a.layer.requests


def test_copies_of_2xx_are_acknowledged_per_leg() -> None:
    wire, invite = begin()
    for tag in ("x", "y", "x", "y", "y"):
        answer(wire, invite, 200, tag)
    acks = [passage.message for passage in wire.passages if passage.what == "ACK"]
    assert [ack.to_tag for ack in acks] == ["x", "y", "x", "y", "y"]
    assert bytes(acks[1]) == bytes(acks[4])
    assert len(wire.a.of(InviteAnswered)) == 2


def test_2xx_of_a_leg_that_got_a_bye_is_acknowledged() -> None:
    wire, invite = begin()
    answer(wire, invite, 180, "x")
    wire.a.layer.bye(invite.legs["x"], wire.now)
    answer(wire, invite, 200, "x")
    answer(wire, invite, 200, "x")
    assert wire.sent() == ["a INVITE", "a BYE", "a ACK", "a ACK"]
    assert not wire.a.of(InviteAnswered)


def test_2xx_to_a_cancelled_invite_of_several_legs() -> None:
    wire, invite = begin()
    answer(wire, invite, 180, "x")
    wire.a.layer.cancel(invite, wire.now)
    wire.flush()
    answer(wire, invite, 200, "x")
    answer(wire, invite, 200, "y")
    answer(wire, invite, 200, "y")
    assert wire.sent() == ["a INVITE", "a CANCEL", "a ACK", "a BYE", "a ACK", "a BYE", "a ACK"]
    assert wire.a.one(InviteFailed).kind == "cancelled"


@pytest.mark.rfc("R3261-8.1.3.2-2")
def test_provisionals_that_make_no_leg() -> None:
    wire, invite = begin()
    answer(wire, invite, 100, "x")
    answer(wire, invite, 180, None)
    answer(wire, invite, 199, "y", Record_Route="<sip:broken")
    assert [event.usage for event in wire.a.of(InviteProgress)] == [None, None, None]
    answer(wire, invite, 177, "z")
    assert wire.a.of(InviteProgress)[-1].usage is invite.legs["z"]


@pytest.mark.rfc("R3261-12.1.2-11")
def test_2xx_without_a_tag() -> None:
    wire, invite = begin()
    answer(wire, invite, 200, None)
    assert wire.a.one(InviteAnswered).usage.dialog.remote_tag == ""
    assert wire.sent() == ["a INVITE", "a ACK"]


def test_2xx_that_cannot_make_a_dialog() -> None:
    wire, invite = begin()
    answer(wire, invite, 200, "x", Record_Route="<sip:broken")
    answer(wire, invite, 200, "x", Record_Route="<sip:broken")
    assert wire.a.one(InviteFailed).kind == "malformed"
    wire.run(40)
    assert not wire.a.layer.requests
    assert not wire.a.layer.dialogs


def test_2xx_that_cannot_be_read_confirms_the_early_dialog() -> None:
    wire, invite = begin()
    answer(wire, invite, 180, "x")
    answer(wire, invite, 200, "x", Record_Route="<sip:broken")
    assert wire.a.one(InviteAnswered).usage.state is UsageState.CONFIRMED


def test_legs_are_limited() -> None:
    wire, invite = begin(limits=Limits(dialogs=2))
    for tag in ("x", "y", "z"):
        answer(wire, invite, 180, tag)
    assert [event.usage is None for event in wire.a.of(InviteProgress)] == [False, False, True]
    assert wire.a.layer.counters["dialogs refused"] == 1


def test_invite_is_over_when_no_leg_can_answer_any_more() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    assert not wire.a.of(InviteOver)
    wire.run(33)
    assert usage in wire.a.one(InviteOver).invite.legs.values()
