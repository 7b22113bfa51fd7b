"""What an INVITE and its responses may and must have (RFC 3261 sections 13, 14)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    Capabilities,
    DialogRequest,
    InviteCancelled,
    InviteFailed,
    InviteReceived,
    ResponseReceived,
    UsageState,
)

from .wire import METHODS, SDP, SDP_TYPE, Wire, assert_idle, make_invite


@pytest.mark.rfc("R3261-13.1-1", "R3261-13.2.1-2", "R3261-20.5-1")
@pytest.mark.parametrize("capabilities", [Capabilities(), Capabilities(methods=METHODS)], ids=["default", "more"])
def test_allow_lists_each_method_that_is_taken(capabilities: Capabilities) -> None:
    wire = Wire(capabilities=capabilities)
    usage, _ = wire.answer()
    for message in ("a INVITE", "b 200 INVITE"):
        allowed = wire.last(message).headers["Allow"].split(", ")
        assert allowed == list(capabilities.methods)
        assert {"INVITE", "ACK", "CANCEL", "BYE"} <= set(allowed)
    for method in ("INFO", "MESSAGE", "UPDATE", "PUBLISH"):
        if method == "UPDATE":
            wire.a.layer.update(usage, wire.now)
        else:
            wire.a.layer.dialog_request(usage, method, wire.now)
        wire.run(0.1)
        is_taken = method in wire.last("b 200 INVITE").headers["Allow"].split(", ")
        assert (wire.sent()[-1] == f"b 405 {method}") is not is_taken


@pytest.mark.rfc("R3261-13.2.1-4", "R3261-13.2.1-5", "R3261-13.2.1-7", "R3261-13.2.1-8", "R3261-8.1.1.10-1")
def test_fields_and_body_of_the_user_go_out_as_given() -> None:
    fields = (
        ("Accept", "application/sdp, text/plain"),
        ("Expires", "90"),
        ("Subject", "lunch"),
        ("Organization", "Example Ltd"),
        ("User-Agent", "their own"),
    )
    wire = Wire()
    wire.a.layer.invite(make_invite(headers=fields))
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite.request
    assert [(name, received.headers[name]) for name, _ in fields] == list(fields)
    assert (received.body, received.headers["Content-Type"]) == (SDP, SDP_TYPE)


@pytest.mark.rfc("R3261-13.2.2.3-1")
def test_final_responses_after_a_failure_are_ignored() -> None:
    wire = Wire(loss=1.0)
    invite = wire.invite()
    wire.flush()
    request = invite.outgoing.transaction.request
    for code, tag in ((486, "x"), (603, "y"), (486, "x")):
        wire.inject(wire.a, bytes(request.create_response(code, to_tag=tag)))
    failed = wire.a.one(InviteFailed)
    assert (failed.kind, failed.response.code) == ("rejected", 486)
    assert wire.sent() == ["a INVITE", "a ACK", "a ACK", "a ACK"]


@pytest.mark.rfc("R3261-13.2.1-6")
def test_expiry_sends_a_cancel() -> None:
    wire = Wire()
    wire.a.layer.invite(make_invite(headers=(("Expires", "5"),)))
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    # The callee's clock is not asked: what it sees is the caller's CANCEL.
    received.request.headers.remove("Expires")
    wire.b.layer.respond(received, 180, wire.now)
    wire.run(4.5)
    assert "a CANCEL" not in wire.sent()
    wire.run(1)
    assert [each.time for each in wire.passages if str(each) == "a CANCEL"] == [pytest.approx(5.0, abs=0.2)]
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-14.1-3", "R3261-14.2-7", "R3261-14.2-8")
def test_reinvite_alerts_nobody() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    before = len(wire.passages)
    wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    passages = wire.passages[before:]
    assert [str(each) for each in passages] == ["a INVITE", "b 200 INVITE", "a ACK"]
    for each in passages:
        assert "Alert-Info" not in each.message.headers
        assert "Content-Disposition" not in each.message.headers


@pytest.mark.rfc("R3261-14.1-7")
@pytest.mark.parametrize("sender", ["a", "b"])
def test_request_during_a_reinvite(sender: str) -> None:
    wire = Wire()
    usage, other = wire.answer()
    reinvite = wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    pending = wire.b.one(DialogRequest)
    peer = wire.peers[sender]
    info = peer.layer.dialog_request(usage if sender == "a" else other, "INFO", wire.now)
    wire.run(0.1)
    target = wire.other(peer)
    target.layer.respond_request(wire.reinvited(target).transaction, 200, wire.now)
    wire.run(0.1)
    assert [event.outgoing for event in peer.of(ResponseReceived) if event.response.code == 200] == [info]
    wire.b.layer.respond_request(pending.transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    assert wire.a.of(ResponseReceived)[-1].outgoing is reinvite
    assert wire.sent()[-1] == "a ACK"


@pytest.mark.rfc("R3261-14.1-8")
def test_reinvite_during_a_request() -> None:
    wire = Wire()
    usage, _ = wire.answer()
    info = wire.a.layer.dialog_request(usage, "INFO", wire.now)
    wire.run(0.1)
    pending = wire.b.one(DialogRequest)
    wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    wire.b.layer.respond_request(wire.reinvited(wire.b).transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    assert wire.sent()[-1] == "a ACK"
    wire.b.layer.respond_request(pending.transaction, 200, wire.now)
    wire.run(0.1)
    assert wire.a.of(ResponseReceived)[-1].outgoing is info
    assert not wire.b.of(InviteCancelled)
    assert usage.state is UsageState.CONFIRMED


@pytest.mark.rfc("R3261-13.3.1.3-1", "R3261-13.3.1.3-2", "R3261-13.3.1.3-3")
@pytest.mark.parametrize(
    ("code", "fields"), [(486, []), (600, []), (488, [("Warning", '305 192.0.2.2 "no codec of these"')])]
)
def test_refusals_reach_the_caller(code: int, fields: list[tuple[str, str]]) -> None:
    wire = Wire()
    wire.invite()
    wire.run(0.1)
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, code, wire.now, headers=fields)
    wire.run(0.1)
    failed = wire.a.one(InviteFailed)
    assert (failed.kind, failed.response.code) == ("rejected", code)
    assert [(name, failed.response.headers[name]) for name, _ in fields] == fields
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3261-14.2-1")
def test_retry_after_of_overlapping_reinvites_is_chance() -> None:
    seen = set()
    for seed in range(40):
        wire = Wire(seed)
        usage, _ = wire.answer()
        wire.a.layer.reinvite(usage, wire.now)
        wire.run(0.1)
        second = usage.dialog.create_request("INVITE")
        second.headers.add("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsecond")
        wire.inject(wire.b, bytes(second))
        seen.add(int(wire.last("b 500 INVITE").headers["Retry-After"]))
    assert seen <= set(range(11))
    assert len(seen) > 5
