"""The Contact that a user gives, and requests that only dialogs have (RFC 3261, 8.1.1.8, 12.1.1, 12.2.1.1, 15)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import DialogRequest, InviteAnswered, InviteReceived
from sipstack.message import Address, LocalProtocolError

from .wire import SDP, SDP_TYPE, Wire, assert_idle, make_invite, make_request

BAD = ["<mailto:bob@example.com>", "<tel:+15551234>", "<sip:a@a>, <sip:b@b>", "*"]


@pytest.mark.rfc("R3261-12.1.1-3")
@pytest.mark.parametrize("contact", BAD)
def test_a_response_that_makes_a_dialog_has_one_sip_contact(contact) -> None:
    wire = Wire()
    wire.invite()
    wire.run(0.1)
    invite = wire.b.one(InviteReceived).invite
    for code in (180, 200):
        with pytest.raises(LocalProtocolError, match="Contact"):
            wire.b.layer.respond(invite, code, wire.now, headers=[("Contact", contact)])
    if contact.startswith(("<mailto", "<tel")):
        with pytest.raises(LocalProtocolError, match="Contact"):
            wire.b.layer.respond(invite, 200, wire.now, contact=Address.parse(contact))
    wire.b.layer.respond(
        invite, 200, wire.now, body=SDP, content_type=SDP_TYPE, headers=[("Contact", "<sip:bob@192.0.2.2>")]
    )
    wire.run(0.1)
    assert str(wire.a.one(InviteAnswered).usage.dialog.remote_target) == "sip:bob@192.0.2.2"


@pytest.mark.parametrize("contact", BAD)
def test_requests_that_change_the_target_name_a_sip_contact(contact) -> None:
    wire = Wire()
    usage, _ = wire.answer()
    for send in (wire.a.layer.reinvite, wire.a.layer.update):
        with pytest.raises(LocalProtocolError, match="Contact"):
            send(usage, wire.now, headers=[("Contact", contact)])
    assert usage.dialog.local_sequence == 1, "what is not sent costs no number"
    wire.a.layer.reinvite(usage, wire.now)
    wire.run(0.1)
    with pytest.raises(LocalProtocolError, match="Contact"):
        wire.b.layer.respond_request(
            wire.b.one(DialogRequest).transaction, 200, wire.now, headers=[("Contact", contact)]
        )


def test_an_answer_that_could_not_be_sent_so_is_still_to_be_given() -> None:
    wire = Wire()
    usage, other = wire.answer()
    wire.a.layer.update(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    transaction = wire.b.one(DialogRequest).transaction
    with pytest.raises(LocalProtocolError, match="Contact"):
        wire.b.layer.respond_request(
            transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE, headers=[("Contact", "<mailto:b@b>")]
        )
    assert other.session.has_remote_offer
    wire.b.layer.respond_request(transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    assert other.session.is_settled


@pytest.mark.rfc("R3261-12.2.1.1-18", "R3261-12.1.1-4")
def test_the_contact_of_a_secure_dialog_is_sips() -> None:
    wire = Wire(transport="TLS")
    wire.a.layer.invite(make_invite(uri="sips:bob@192.0.2.2"))
    wire.run(0.1)
    invite = wire.b.one(InviteReceived).invite
    insecure = [("Contact", "<sip:bob@192.0.2.2;transport=tls>")]
    with pytest.raises(LocalProtocolError, match="SIPS"):
        wire.b.layer.respond(invite, 200, wire.now, headers=insecure)
    wire.b.layer.respond(invite, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    usage = wire.a.one(InviteAnswered).usage
    assert usage.dialog.is_secure
    for peer, leg in ((wire.a, usage), (wire.b, invite.usage)):
        assert leg.local_contact.startswith("<sips:")
        for send in (peer.layer.reinvite, peer.layer.update):
            with pytest.raises(LocalProtocolError, match="SIPS"):
                send(leg, wire.now, headers=insecure)
    wire.a.layer.reinvite(usage, wire.now, headers=[("Contact", "<sips:alice@192.0.2.1:5071>")])
    wire.run(0.1)
    assert str(invite.usage.dialog.remote_target).startswith("sips:alice@192.0.2.1")


@pytest.mark.rfc("R3261-15-2")
@pytest.mark.parametrize("method", ["BYE", "PRACK", "UPDATE", "INFO"])
def test_requests_of_dialogs_are_not_sent_outside_of_one(method) -> None:
    wire = Wire()
    with pytest.raises(LocalProtocolError, match="outside of a dialog"):
        wire.a.layer.request(make_request(method))
    wire.run(0.1)
    assert not wire.sent()
    assert_idle(wire)
