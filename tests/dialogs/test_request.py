"""Requests outside of dialogs, and retries (RFC 3261 section 8.1)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    InviteAnswered,
    InviteFailed,
    InviteReceived,
    OutOfDialogRequest,
    RequestFailed,
    ResponseReceived,
    Route,
)
from sipstack.message import URI, Address, LocalProtocolError, Request

from .wire import Wire, assert_idle, make_invite, make_request


def test_request_and_response() -> None:
    wire = Wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    wire.run(0.1)
    event = wire.b.one(OutOfDialogRequest)
    wire.b.layer.respond_request(event.transaction, 200, wire.now, headers=[("X", "y")])
    with pytest.raises(LocalProtocolError):
        wire.b.layer.respond_request(event.transaction, 200, wire.now)
    wire.run(0.1)
    response = wire.a.one(ResponseReceived)
    assert response.outgoing is outgoing
    assert response.response.headers["X"] == "y"
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-8.1.3.1-1")
def test_request_without_response() -> None:
    wire = Wire(loss=1)
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    wire.run(33)
    failed = wire.a.one(RequestFailed)
    assert (failed.outgoing, failed.kind) == (outgoing, "timeout")
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-8.1.3.1-2")
def test_request_that_cannot_be_sent() -> None:
    wire = Wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    wire.flush()
    wire.a.layer.transport_failed(outgoing.transaction, "port unreachable", wire.now)
    wire.flush()
    failed = wire.a.one(RequestFailed)
    assert (failed.kind, failed.detail) == ("transport", "port unreachable")


@pytest.mark.rfc("R3261-8.1.3.5-6")
def test_request_is_sent_again_with_the_next_sequence_number() -> None:
    wire = Wire()
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    with pytest.raises(LocalProtocolError):
        wire.a.layer.resend(outgoing, outgoing.request.copy())
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(OutOfDialogRequest).transaction, 401, wire.now)
    wire.run(0.1)
    first = outgoing.request
    again = outgoing.transaction.request.copy()
    again.headers.add("Authorization", 'Digest username="a"')
    for wrong in (make_request("INFO"), make_request("OPTIONS", Call_ID="other")):
        with pytest.raises(LocalProtocolError):
            wire.a.layer.resend(outgoing, wrong)
    wire.a.layer.resend(outgoing, again)
    wire.run(0.1)
    second = wire.last("a OPTIONS")
    assert second.headers["CSeq"] == "2 OPTIONS"
    assert (second.call_id, second.from_tag, second.headers["To"]) == (
        first.call_id,
        first.from_tag,
        first.headers["To"],
    )
    assert len(second.headers.getlist("Via")) == 1
    assert len(wire.b.of(OutOfDialogRequest)) == 2


@pytest.mark.rfc("R3261-8.1.3.5-6")
def test_invite_is_sent_again() -> None:
    wire = Wire()
    invite = wire.invite()
    wire.run(0.1)
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 407, wire.now)
    wire.run(0.1)
    assert wire.a.one(InviteFailed).response.code == 407
    wire.a.layer.resend(invite, invite.request.copy())
    with pytest.raises(LocalProtocolError):
        wire.a.layer.resend(invite, invite.request.copy())
    wire.run(0.1)
    wire.accept(wire.b.of(InviteReceived)[-1].invite)
    wire.run(0.1)
    usage = wire.a.one(InviteAnswered).usage
    assert wire.a.one(InviteAnswered).invite is invite
    assert wire.last("a ACK").headers["CSeq"] == "2 ACK"
    wire.a.layer.bye(usage, wire.now)
    wire.run()
    assert wire.last("a BYE").headers["CSeq"] == "3 BYE"
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-13.2.2.2-1")
def test_redirected_invite_goes_elsewhere() -> None:
    wire = Wire()
    invite = wire.invite()
    wire.run(0.1)
    contact = Address.parse("<sip:carol@192.0.2.2>")
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 302, wire.now, contact=contact)
    wire.run(0.1)
    response = wire.a.one(InviteFailed).response
    again = invite.request.copy()
    again.uri = response.contact[0].uri
    wire.a.layer.resend(invite, again)
    assert invite.outgoing.next_hop == again.uri


@pytest.mark.rfc("R3261-8.1.1.2-4")
def test_request_that_is_wrong() -> None:
    layer = Wire().a.layer
    with pytest.raises(LocalProtocolError):
        layer.request(Request("OPTIONS", "sip:b@x"))
    with pytest.raises(LocalProtocolError):
        layer.request(make_request("OPTIONS", To="<sip:b@x>;tag=1"))
    with pytest.raises(LocalProtocolError):
        layer.request(make_request("OPTIONS", CSeq="1 INFO"))
    with pytest.raises(LocalProtocolError):
        layer.request(make_invite())
    with pytest.raises(LocalProtocolError):
        layer.invite(make_request("OPTIONS"))
    assert not layer.outputs


@pytest.mark.rfc("R3261-8.1.1.1-3", "R3261-8.1.2-7", "R3261-8.1.2-2", "R3261-8.1.2-3")
@pytest.mark.parametrize(
    ("uri", "route", "next_hop", "sent_uri", "sent_route"),
    [
        ("sip:b@x", None, "sip:b@x", "sip:b@x", None),
        ("sip:b@x", "<sip:p;lr>", "sip:p;lr", "sip:b@x", "<sip:p;lr>"),
        ("sip:b@x", "<sip:p>, <sip:q;lr>", "sip:p", "sip:p", "<sip:q;lr>, <sip:b@x>"),
        ("sips:b@x", "<sip:p;lr>", "sips:p;lr", "sips:b@x", "<sip:p;lr>"),
    ],
)
def test_next_hop(uri: str, route: str | None, next_hop: str, sent_uri: str, sent_route: str | None) -> None:
    layer = Wire().a.layer
    outgoing = layer.request(make_request("OPTIONS", uri=uri, **({"Route": route} if route else {})))
    assert layer.outputs.popleft() == Route(outgoing)
    assert (str(outgoing.next_hop), str(outgoing.request.uri)) == (next_hop, sent_uri)
    assert outgoing.request.headers.get("Route") == sent_route


def test_next_hop_of_an_outbound_proxy() -> None:
    layer = Wire().a.layer
    invite = layer.invite(make_invite(), next_hop=URI.parse("sip:proxy"))
    assert str(invite.outgoing.next_hop) == "sip:proxy"


@pytest.mark.rfc("R3261-8.1.1.8-3", "R3261-12.1.2-2", "R3261-12.1.1-4")
def test_contact_is_sips_where_the_request_is() -> None:
    wire = Wire(transport="TLS")
    invite = make_invite(uri="sips:bob@192.0.2.2")
    invite.headers.set("From", "<sips:alice@192.0.2.1>")
    wire.a.layer.invite(invite)
    wire.run(0.1)
    assert wire.last("a INVITE").headers["Contact"] == "<sips:alice@192.0.2.1:5060>"
    received = wire.b.one(InviteReceived).invite
    with pytest.raises(LocalProtocolError):
        wire.accept(received, contact=Address.parse("<sip:bob@192.0.2.2>"))
    wire.accept(received)
    wire.run(0.1)
    assert wire.last("b 200 INVITE").headers["Contact"] == "<sips:bob@192.0.2.2:5060>"
    assert received.usage.dialog.is_secure
    assert wire.a.one(InviteAnswered).usage.dialog.is_secure


@pytest.mark.parametrize(
    ("transport", "contact"),
    [
        ("UDP", "<sip:bob@192.0.2.2:5060>"),
        ("TCP", "<sip:bob@192.0.2.2:5060;transport=tcp>"),
        ("TLS", "<sip:bob@192.0.2.2:5060>"),
        ("WS", "<sip:bob@192.0.2.2:5060;transport=ws>"),
        ("WSS", "<sip:bob@192.0.2.2:5060;transport=ws>"),
    ],
)
def test_contact_names_the_transport(transport: str, contact: str) -> None:
    wire = Wire(transport=transport)
    wire.ring()
    assert wire.last("b 180 INVITE").headers["Contact"] == contact


@pytest.mark.parametrize(
    ("uri", "ours", "theirs"),
    [
        ("sip:bob@192.0.2.2", "<sip:alice@192.0.2.1:5060>", "<sip:bob@192.0.2.2:5060>"),
        ("sip:bob@192.0.2.2;transport=TLS", "<sip:alice@192.0.2.1:5060;transport=tls>", "<sip:bob@192.0.2.2:5060;transport=tls>"),
        ("sips:bob@192.0.2.2;transport=tls", "<sips:alice@192.0.2.1:5060>", "<sips:bob@192.0.2.2:5060>"),
    ],
)
def test_contact_says_tls_to_those_alone_who_say_it(uri: str, ours: str, theirs: str) -> None:
    wire = Wire(transport="TLS")
    invite = make_invite(uri=uri)
    if uri.startswith("sips"):
        invite.headers.set("From", "<sips:alice@192.0.2.1>")
    wire.a.layer.invite(invite)
    wire.run(0.1)
    assert wire.last("a INVITE").headers["Contact"] == ours
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 180, wire.now)
    wire.run(0.1)
    assert wire.last("b 180 INVITE").headers["Contact"] == theirs


def test_body_needs_its_type() -> None:
    wire = Wire()
    _, received = wire.ring()
    with pytest.raises(LocalProtocolError):
        wire.b.layer.respond(received, 200, wire.now, body=b"x")
    with pytest.raises(LocalProtocolError):
        wire.b.layer.respond(received, 200, wire.now, content_type="text/plain")
    wire.b.layer.respond(received, 200, wire.now, body=b"x", headers=[("Content-Type", "text/plain")])


@pytest.mark.parametrize("kind", ["unroutable", "transport"])
def test_request_that_has_no_way_says_of_which_kind(kind) -> None:
    wire = Wire()
    wire.a.is_routing = False
    outgoing = wire.a.layer.request(make_request("OPTIONS"))
    wire.flush()
    wire.a.layer.unroutable(outgoing, "why not", wire.now, kind=kind)
    wire.flush()
    assert wire.a.one(RequestFailed).kind == kind
