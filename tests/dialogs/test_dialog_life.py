"""What holds as long as a dialog lives, and who may send in it (RFC 3261 sections 12.1, 12.2)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    DialogRequest,
    DialogState,
    InviteReceived,
    OutOfDialogRequest,
    ResponseReceived,
    UsageEnded,
    UsageState,
)
from sipstack.message import Request

from .wire import SDP, SDP_TYPE, Peer, Wire, assert_idle, make_invite, make_request

DAY = 86_400.0
ROUTES = ("<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>")


def ask(wire: Wire, peer: Peer, usage) -> Request:
    """Send an INFO within the dialog, answer it, and return it as it arrived."""
    other = wire.other(peer)
    peer.layer.dialog_request(usage, "INFO", wire.now)
    wire.run(0.1)
    event = wire.reinvited(other)
    other.layer.respond_request(event.transaction, 200, wire.now)
    wire.run(0.1)
    assert peer.of(ResponseReceived)[-1].response.code == 200
    return event.request


@pytest.mark.rfc("R3261-12.1.1-6", "R3261-12.1.2-3", "R3261-12.2-1", "R3261-8.1.1.4-1")
def test_both_ends_keep_their_state_for_a_day() -> None:
    wire = Wire()
    wire.a.layer.invite(make_invite(headers=(("Record-Route", ", ".join(ROUTES)),)))
    wire.run(0.1)
    other = wire.b.one(InviteReceived).invite.usage
    wire.accept(wire.b.one(InviteReceived).invite)
    wire.run(0.1)
    usage = next(iter(wire.a.layer.dialogs.values()))
    seen = []
    for _ in range(2):
        seen += [ask(wire, wire.a, usage), ask(wire, wire.b, other)]
        wire.run(DAY)
    assert [request.headers["CSeq"] for request in seen] == ["2 INFO", "1 INFO", "3 INFO", "2 INFO"]
    first, second, *later = seen
    assert first.call_id == second.call_id == usage.dialog.call_id
    for early, late in zip((first, second), later, strict=True):
        for name in ("From", "To", "Call-ID", "Route"):
            assert late.headers.getlist(name) == early.headers.getlist(name)
        assert late.uri == early.uri
    assert first.headers["Route"] == ", ".join(reversed(ROUTES))
    assert second.headers["Route"] == ", ".join(ROUTES)
    assert (usage.state, other.state) == (UsageState.CONFIRMED, UsageState.CONFIRMED)
    wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-12.1.1-5", "R3261-8.1.1.8-2")
def test_contacts_can_be_reached_from_outside_of_the_dialog() -> None:
    wire = Wire()
    usage, other = wire.answer()
    for peer, target in ((wire.a, usage.dialog.remote_target), (wire.b, other.dialog.remote_target)):
        peer.layer.request(make_request("OPTIONS", uri=str(target)))
        wire.run(0.1)
        received = wire.other(peer).one(OutOfDialogRequest)
        assert received.request.uri == target
        wire.other(peer).layer.respond_request(received.transaction, 200, wire.now)
        wire.run(0.1)
        assert peer.one(ResponseReceived).response.code == 200


@pytest.mark.rfc("R3261-12.1.1-3", "R3261-12.1.2-1")
@pytest.mark.parametrize(("transport", "scheme"), [("UDP", "sip"), ("TCP", "sip"), ("TLS", "sips")])
def test_our_contacts_are_sip_or_sips(transport: str, scheme: str) -> None:
    wire = Wire(transport=transport)
    invite = make_invite(uri=f"{scheme}:bob@192.0.2.2")
    wire.a.layer.invite(invite)
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.b.layer.respond(received, 180, wire.now)
    wire.accept(received)
    wire.run(0.1)
    for message in ("a INVITE", "b 180 INVITE", "b 200 INVITE"):
        assert [each.uri.scheme for each in wire.last(message).contact] == [scheme]


@pytest.mark.rfc("R3261-12.2-2")
def test_record_route_and_contact_within_a_dialog_change_no_route_set() -> None:
    wire = Wire()
    usage, other = wire.answer()
    before = (other.dialog.route_set, other.dialog.remote_target)
    headers = [("Record-Route", "<sip:late.example.com;lr>"), ("Contact", "<sip:elsewhere@192.0.2.1>")]
    wire.a.layer.dialog_request(usage, "INFO", wire.now, headers=headers)
    wire.run(0.1)
    event = wire.b.one(DialogRequest)
    assert event.request.headers["Record-Route"] == "<sip:late.example.com;lr>"
    wire.b.layer.respond_request(event.transaction, 200, wire.now)
    wire.run(0.1)
    assert (other.dialog.route_set, other.dialog.remote_target) == before
    assert usage.dialog.route_set == ()


@pytest.mark.rfc("R3261-12.2.1.1-17", "R3261-12.2.1.1-18")
@pytest.mark.parametrize(
    ("transport", "scheme", "contact"),
    [("UDP", "sip", "<sip:alice@192.0.2.1:5060>"), ("TLS", "sips", "<sips:alice@192.0.2.1:5060>")],
)
def test_target_refresh_has_the_contact_it_had_before(transport: str, scheme: str, contact: str) -> None:
    wire = Wire(transport=transport)
    invite = make_invite(uri=f"{scheme}:bob@192.0.2.2")
    invite.headers.set("From", f"<{scheme}:alice@192.0.2.1>")
    wire.a.layer.invite(invite)
    wire.run(0.1)
    wire.accept(wire.b.one(InviteReceived).invite)
    wire.run(0.1)
    usage = next(iter(wire.a.layer.dialogs.values()))
    assert usage.dialog.is_secure is (scheme == "sips")
    wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    contacts = [each.message.headers["Contact"] for each in wire.passages if str(each) == "a INVITE"]
    assert contacts == [contact, contact]


@pytest.mark.rfc("R3261-15.1.2-2")
def test_bye_out_of_order_is_refused_and_the_dialog_lives() -> None:
    wire = Wire()
    usage, other = wire.answer()
    late = usage.dialog.create_request("BYE")
    late.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKlate")
    ask(wire, wire.a, usage)
    wire.inject(wire.b, bytes(late))
    assert wire.sent()[-1] == "b 500 BYE"
    assert other.state is UsageState.CONFIRMED
    assert other.dialog.remote_sequence == 3
    ask(wire, wire.b, other)


@pytest.mark.rfc("R3261-12.1.2-2", "R3261-8.1.1.8-3")
def test_contact_is_sips_where_the_top_route_is() -> None:
    wire = Wire(transport="TLS")
    wire.a.layer.invite(make_invite(headers=(("Route", "<sips:proxy.example.com;lr>, <sip:next.example.com;lr>"),)))
    wire.run(0.1)
    assert [each.uri.scheme for each in wire.last("a INVITE").contact] == ["sips"]


@pytest.mark.rfc("R3261-15.1.1-2")
@pytest.mark.parametrize("code", [481, 408, None])
def test_bye_that_gets_no_2xx_ends_the_dialog(code: int | None) -> None:
    wire = Wire()
    usage, _ = wire.answer()
    wire.loss = 1.0
    wire.a.layer.bye(usage, wire.now)
    wire.flush()
    if code is None:
        wire.run(33)
    else:
        wire.inject(wire.a, bytes(wire.last("a BYE").create_response(code, to_tag=usage.dialog.remote_tag)))
    assert usage.dialog.state is DialogState.TERMINATED
    assert usage.state is UsageState.ENDED
    assert wire.a.one(UsageEnded).cause == "local"
    assert not wire.a.layer.dialogs
