"""UPDATE, requests that cross, and what a refused one leaves (:rfc:`3311`, :rfc:`3261#section-14`, :rfc:`6141`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sipstack.dialogs import (
    DialogRequest,
    InviteCancelled,
    InviteReceived,
    InviteUsage,
    Outgoing,
    ResponseReceived,
    ServerInvite,
    SessionRefreshed,
    UsageState,
)
from sipstack.message import LocalProtocolError, Response

from .wire import RELIABLE, SDP, SDP_TYPE, Peer, Wire, assert_idle

A_1, B_1, A_2, B_2, A_3 = (f"v=0\r\ns={name}\r\n".encode() for name in ("a1", "b1", "a2", "b2", "a3"))


def call(wire: Wire) -> tuple[InviteUsage, InviteUsage]:
    """Bring a call up whose session is A_1 and B_1."""
    wire.invite(body=A_1)
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.b.layer.respond(received, 200, wire.now, body=B_1, content_type=SDP_TYPE)
    wire.run(0.1)
    (usage,) = wire.a.layer.dialogs.values()
    return usage, received.usage


def early(wire: Wire, *, answered: bool = True) -> tuple[InviteUsage, ServerInvite]:
    """Bring a call to an early dialog, by default with a session."""
    wire.invite(body=A_1)
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    body = B_1 if answered else b""
    wire.b.layer.respond(received, 183, wire.now, body=body, content_type=SDP_TYPE if body else None, reliable=True)
    wire.run(0.1)
    (usage,) = wire.a.layer.dialogs.values()
    return usage, received


def update(wire: Wire, peer: Peer, usage: InviteUsage, body: bytes = b"") -> Outgoing:
    return peer.layer.update(usage, wire.now, body=body, content_type=SDP_TYPE if body else None)


def reinvite(wire: Wire, peer: Peer, usage: InviteUsage, body: bytes = b"") -> Outgoing:
    return peer.layer.reinvite(usage, wire.now, body=body, content_type=SDP_TYPE if body else None)


def accept(wire: Wire, peer: Peer, body: bytes, code: int = 200, reliable: bool | None = None) -> Response:
    """Answer the last request that a peer got."""
    transaction = wire.reinvited(peer).transaction
    content_type = SDP_TYPE if body else None
    if reliable:
        invite = peer.layer.invites[transaction]
        return peer.layer.respond(invite, code, wire.now, body=body, content_type=content_type, reliable=True)
    return peer.layer.respond_request(transaction, code, wire.now, body=body, content_type=content_type)


def sessions(*usages: InviteUsage) -> list[tuple[bytes | None, bytes | None]]:
    return [(usage.session.local, usage.session.remote) for usage in usages]


def hang_up(wire: Wire, usage: InviteUsage) -> None:
    wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert_idle(wire)


# UPDATE.


@pytest.mark.rfc("R3311-4-1", "R3311-4-2", "R3311-4-3")
def test_everybody_says_that_update_may_be_sent() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, received = early(wire)
    wire.b.layer.respond(received, 200, wire.now)
    wire.run(0.1)
    for what in ("a INVITE", "b 183 INVITE", "b 200 INVITE"):
        assert "UPDATE" in wire.last(what).allow
    hang_up(wire, usage)


@pytest.mark.rfc("R3311-5.1-1", "R3311-5.2-5", "R6141-4.2-1", "R6141-4.2-2")
@pytest.mark.parametrize("begin", [call, early])
@pytest.mark.parametrize("who", ["a", "b"])
def test_update_changes_the_session(begin: Callable[[Wire], tuple[InviteUsage, object]], who: str) -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = begin(wire)
    callee = other if isinstance(other, InviteUsage) else other.usage
    sender, receiver = (wire.a, wire.b) if who == "a" else (wire.b, wire.a)
    ours, theirs = (usage, callee) if who == "a" else (callee, usage)
    outgoing = update(wire, sender, ours, A_2)
    wire.run(0.1)
    with pytest.raises(LocalProtocolError, match="the offer in the UPDATE has no answer"):
        accept(wire, receiver, b"")
    accept(wire, receiver, B_2)
    wire.run(0.1)
    assert sender.of(ResponseReceived)[-1].outgoing is outgoing
    assert sessions(ours, theirs) == [(A_2, B_2), (B_2, A_2)]
    assert wire.last(f"{receiver.name} 200 UPDATE").contact
    if isinstance(other, ServerInvite):
        wire.b.layer.respond(other, 200, wire.now)
        wire.run(0.1)
    hang_up(wire, usage)


@pytest.mark.rfc("R3311-5.2-6")
@pytest.mark.parametrize("begin", [call, early])
def test_update_without_offer_is_answered_at_once(begin: Callable[[Wire], tuple[InviteUsage, object]]) -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, _ = begin(wire)
    wire.a.layer.update(usage, wire.now, headers=[("Contact", "<sip:new@192.0.2.1:5070>")])
    wire.run(0.1)
    assert wire.sent()[-2:] == ["a UPDATE", "b 200 UPDATE"]
    refreshed = wire.b.one(SessionRefreshed)
    assert str(refreshed.usage.dialog.remote_target) == "sip:new@192.0.2.1:5070"
    assert sessions(usage) == [(A_1, B_1)]


@pytest.mark.rfc("R3311-5.1-3")
def test_update_has_the_fields_that_its_user_adds() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, _ = call(wire)
    wire.a.layer.update(usage, wire.now, headers=[("Subject", "x"), ("Priority", "urgent")])
    wire.flush()
    assert wire.last("a UPDATE").headers["Subject"] == "x"
    assert wire.last("a UPDATE").headers["Priority"] == "urgent"


@pytest.mark.rfc("R3311-5.1-4")
@pytest.mark.parametrize("way", ["request", "response"])
def test_target_that_the_callee_changed_by_update_stands_in_its_2xx(way: str) -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, received = early(wire)
    contact = ("Contact", "<sip:moved@192.0.2.2:5070>")
    if way == "request":
        wire.b.layer.update(received.usage, wire.now, headers=[contact])
    else:
        update(wire, wire.a, usage, A_2)
        wire.run(0.1)
        wire.b.layer.respond_request(
            wire.b.one(DialogRequest).transaction, 200, wire.now, body=B_2, content_type=SDP_TYPE, headers=[contact]
        )
    wire.run(0.1)
    assert str(usage.dialog.remote_target) == "sip:moved@192.0.2.2:5070"
    wire.b.layer.respond(received, 200, wire.now)
    wire.run(0.1)
    assert wire.last("b 200 INVITE").headers["Contact"] == contact[1]
    assert str(usage.dialog.remote_target) == "sip:moved@192.0.2.2:5070"


@pytest.mark.rfc("R3311-5.2-1", "R3311-5.3-2")
def test_update_before_the_last_one_is_answered_is_500() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    update(wire, wire.a, usage, A_2)
    wire.run(0.1)
    second = usage.dialog.create_request("UPDATE")
    second.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsecond")
    wire.inject(wire.b, bytes(second))
    refusal = wire.last("b 500 UPDATE")
    assert 0 <= refusal.retry_after.seconds <= 10
    accept(wire, wire.b, B_2)
    wire.run(0.1)
    assert sessions(usage, other) == [(A_2, B_2), (B_2, A_2)]


def test_retry_after_of_an_overlap_is_by_chance() -> None:
    seconds = set()
    for seed in range(60):
        wire = Wire(seed, capabilities=RELIABLE)
        usage, _ = early(wire, answered=False)
        offered = usage.dialog.create_request("UPDATE")
        offered.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx")
        offered.headers.add("Content-Type", SDP_TYPE)
        offered.body = A_2
        wire.inject(wire.b, bytes(offered))
        seconds.add(wire.last("b 500 UPDATE").retry_after.seconds)
    assert seconds == set(range(11))


@pytest.mark.rfc("R3311-5.2-3", "R3261-13.2.1-14")
def test_update_with_an_offer_while_the_invites_is_unanswered_is_500() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, received = early(wire, answered=False)
    with pytest.raises(LocalProtocolError, match="an offer cannot be made now"):
        update(wire, wire.a, usage, A_2)
    with pytest.raises(LocalProtocolError, match="an offer cannot be made now"):
        update(wire, wire.b, received.usage, B_2)
    request = usage.dialog.create_request("UPDATE")
    request.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx")
    request.headers.add("Content-Type", SDP_TYPE)
    request.body = A_2
    wire.inject(wire.b, bytes(request))
    assert "Retry-After" in wire.last("b 500 UPDATE").headers
    assert received.usage.session.offer == A_1


@pytest.mark.rfc("R3311-5.2-3")
def test_update_with_an_offer_while_that_of_a_prack_is_unanswered_is_500() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, _ = early(wire)
    usage.pracks_by_hand = True
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 180, wire.now, reliable=True)
    wire.run(0.1)
    wire.a.layer.prack(usage, wire.now, body=A_2, content_type=SDP_TYPE)
    wire.run(0.1)
    request = usage.dialog.create_request("UPDATE")
    request.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx")
    request.headers.add("Content-Type", SDP_TYPE)
    request.body = A_3
    wire.inject(wire.b, bytes(request))
    assert "Retry-After" in wire.last("b 500 UPDATE").headers


@pytest.mark.rfc("R3311-5.2-2")
@pytest.mark.parametrize("method", ["UPDATE", "INVITE", "PRACK"])
def test_update_with_an_offer_while_ours_is_unanswered_is_491(method: str) -> None:
    wire = Wire(capabilities=RELIABLE)
    if method == "PRACK":
        usage, received = early(wire)
        other = received.usage
        usage.pracks_by_hand = True
        wire.b.layer.respond(received, 180, wire.now, reliable=True)
        wire.run(0.1)
        wire.a.layer.prack(usage, wire.now, body=A_2, content_type=SDP_TYPE)
    else:
        usage, other = call(wire)
        (update if method == "UPDATE" else reinvite)(wire, wire.a, usage, A_2)
    wire.drop_next = [f"a {method}"]
    update(wire, wire.b, other, B_2)
    wire.run(0.05)
    assert "a 491 UPDATE" in wire.sent()
    assert usage.session.offer == A_2


@pytest.mark.rfc("R3311-5.3-1")
@pytest.mark.parametrize("code", [488, 504, 603])
def test_refused_update_leaves_the_session(code: int) -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    outgoing = update(wire, wire.a, usage, A_2)
    wire.run(0.1)
    accept(wire, wire.b, b"", code)
    wire.run(0.1)
    assert wire.a.one(ResponseReceived).outgoing is outgoing
    assert sessions(usage, other) == [(A_1, B_1), (B_1, A_1)]
    update(wire, wire.b, other, B_2)
    hang_up(wire, usage)


def test_update_whose_2xx_has_no_answer_leaves_the_session() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, _ = call(wire)
    outgoing = update(wire, wire.a, usage, A_2)
    wire.flush()
    wire.inject(wire.a, bytes(outgoing.transaction.request.create_response(200)))
    assert sessions(usage) == [(A_1, B_1)]
    assert usage.session.is_settled


# Requests that cross.


def waits(wire: Wire, what: str) -> float:
    """Return in how many seconds a request was sent again after the 491 that came to it."""
    peer, _, method = what.partition(" ")
    other = "b" if peer == "a" else "a"
    refused = [passage.time for passage in wire.passages if str(passage) == f"{other} 491 {method}"]
    again = [passage.time for passage in wire.passages if str(passage) == what and passage.time > refused[0]]
    return again[0] - refused[0] - wire.delay


def final_codes(peer: Peer) -> list[int]:
    return [event.response.code for event in peer.of(ResponseReceived) if event.response.is_final]


CROSSING = {
    "UPDATE x UPDATE": ("a UPDATE", update, "b UPDATE", update),
    "re-INVITE x re-INVITE": ("a INVITE", reinvite, "b INVITE", reinvite),
    "re-INVITE x UPDATE": ("a INVITE", reinvite, "b UPDATE", update),
    "UPDATE x re-INVITE": ("a UPDATE", update, "b INVITE", reinvite),
}


@pytest.mark.rfc("R3311-5.3-2", "R3311-5.3-3")
@pytest.mark.parametrize("crossing", CROSSING)
@pytest.mark.parametrize("seed", range(6))
def test_requests_that_cross_are_sent_again_at_different_times(crossing: str, seed: int) -> None:
    ours, send_ours, theirs, send_theirs = CROSSING[crossing]
    wire = Wire(seed, capabilities=RELIABLE)
    usage, other = call(wire)
    send_ours(wire, wire.a, usage, A_2)
    send_theirs(wire, wire.b, other, B_2)
    wire.run(0.05)
    # Who chose the Call-ID waits for 2.1 to 4 s, the other side for up to 2 s: it comes first.
    wire.run(2.05)
    accept(wire, wire.a, A_2)
    wire.run(2)
    accept(wire, wire.b, B_2)
    wire.run(0.1)
    for what, least, most in ((ours, 2.1, 4.0), (theirs, 0.0, 2.0)):
        wait = waits(wire, what)
        assert least - 1e-6 <= wait <= most + 1e-6
        assert wait * 100 == pytest.approx(round(wait * 100), abs=1e-6)  # units of ten milliseconds
    assert final_codes(wire.a) == final_codes(wire.b) == [200]
    assert sessions(usage, other) == [(A_2, B_2), (B_2, A_2)]
    hang_up(wire, usage)


def test_request_that_crosses_again_and_again_comes_to_its_user() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, _ = call(wire)
    outgoing = update(wire, wire.a, usage, A_2)
    for _ in range(10):
        wire.run(5)
        for request in wire.b.of(DialogRequest):
            if request.transaction in wire.b.layer.unanswered:
                wire.b.layer.respond_request(request.transaction, 491, wire.now)
    assert final_codes(wire.a) == [491]
    assert wire.a.of(ResponseReceived)[-1].outgoing is outgoing
    assert len({passage.message.cseq for passage in wire.passages if str(passage) == "a UPDATE"}) == 6
    assert sessions(usage) == [(A_1, B_1)]
    hang_up(wire, usage)


def test_overlapping_request_is_sent_again_when_the_peer_said() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    outgoing = update(wire, wire.a, usage, A_2)
    wire.run(0.1)
    request = wire.b.one(DialogRequest)
    wire.b.layer.respond_request(request.transaction, 500, wire.now, headers=[("Retry-After", "3")])
    wire.run(2.9)
    assert wire.sent().count("a UPDATE") == 1
    wire.run(0.2)
    accept(wire, wire.b, B_2)
    wire.run(0.1)
    assert wire.a.one(ResponseReceived).outgoing is outgoing
    assert wire.times("a UPDATE") == [0, 3.11]
    assert sessions(usage, other) == [(A_2, B_2), (B_2, A_2)]


def test_request_that_waits_is_given_up() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    outgoing = update(wire, wire.a, usage, A_2)
    update(wire, wire.b, other, B_2)
    wire.run(0.05)
    with pytest.raises(LocalProtocolError, match="an UPDATE cannot be sent: one is still under way"):
        update(wire, wire.a, usage)
    wire.a.layer.abandon(outgoing, wire.now)
    wire.run(2.05)
    accept(wire, wire.a, A_3)
    wire.run(10)
    assert wire.sent().count("a UPDATE") == 1
    assert sessions(usage, other) == [(A_3, B_2), (B_2, A_3)]
    hang_up(wire, usage)


def test_request_that_waits_ends_with_its_early_dialog() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, received = early(wire)
    update(wire, wire.a, usage, A_2)
    update(wire, wire.b, received.usage, B_2)
    wire.run(0.025)
    wire.b.layer.respond(received, 486, wire.now)
    wire.drain()
    assert wire.sent().count("a UPDATE") == wire.sent().count("b UPDATE") == 1
    assert_idle(wire)


# A re-INVITE that is refused (RFC 6141).


@pytest.mark.rfc("R6141-4.6-4")
def test_refused_reinvite_leaves_session_and_target() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    target = other.dialog.remote_target
    wire.a.layer.reinvite(
        usage, wire.now, body=A_2, content_type=SDP_TYPE, headers=[("Contact", "<sip:new@192.0.2.1:5070>")]
    )
    wire.run(0.1)
    accept(wire, wire.b, b"", 488)
    wire.run(0.1)
    assert sessions(usage, other) == [(A_1, B_1), (B_1, A_1)]
    assert other.dialog.remote_target == target
    hang_up(wire, usage)


def test_update_within_a_reinvite_that_is_refused_counts() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    reinvite(wire, wire.a, usage, A_2)
    wire.run(0.1)
    invited = wire.b.one(DialogRequest).transaction
    accept(wire, wire.b, B_2, 183, reliable=True)
    wire.run(0.1)
    update(wire, wire.b, other, B_1)
    wire.run(0.1)
    accept(wire, wire.a, A_3)
    wire.run(0.1)
    wire.b.layer.respond_request(invited, 488, wire.now)
    wire.run(0.1)
    assert sessions(usage, other) == [(A_3, B_1), (B_1, A_3)]
    assert (usage.state, other.state) == (UsageState.CONFIRMED, UsageState.CONFIRMED)
    hang_up(wire, usage)


@pytest.mark.rfc("R6141-4.6-1", "R6141-4.6-3", "R6141-4.7-1")
def test_reliable_response_to_a_reinvite_refreshes_both_targets() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    wire.a.layer.reinvite(
        usage, wire.now, body=A_2, content_type=SDP_TYPE, headers=[("Contact", "<sip:new@192.0.2.1:5070>")]
    )
    wire.run(0.1)
    invite = wire.b.layer.invites[wire.b.one(DialogRequest).transaction]
    contact = ("Contact", "<sip:moved@192.0.2.2:5070>")
    wire.b.layer.respond(invite, 183, wire.now, headers=[contact], reliable=True)
    assert str(other.dialog.remote_target) == "sip:new@192.0.2.1:5070"
    wire.run(0.1)
    assert str(usage.dialog.remote_target) == "sip:moved@192.0.2.2:5070"
    assert str(wire.last("a PRACK").uri) == "sip:moved@192.0.2.2:5070"
    accept(wire, wire.b, b"", 488)
    wire.run(0.1)
    assert str(other.dialog.remote_target) == "sip:new@192.0.2.1:5070"
    assert sessions(usage, other) == [(A_1, B_1), (B_1, A_1)]


@pytest.mark.rfc("R6141-4.7-2")
def test_unreliable_response_to_a_reinvite_refreshes_no_target() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    target = usage.dialog.remote_target, other.dialog.remote_target
    wire.a.layer.reinvite(
        usage, wire.now, body=A_2, content_type=SDP_TYPE, headers=[("Contact", "<sip:new@192.0.2.1:5070>")]
    )
    wire.run(0.1)
    invite = wire.b.layer.invites[wire.b.one(DialogRequest).transaction]
    wire.b.layer.respond(invite, 180, wire.now, headers=[("Contact", "<sip:moved@192.0.2.2:5070>")], reliable=False)
    wire.run(0.1)
    assert (usage.dialog.remote_target, other.dialog.remote_target) == target


@pytest.mark.rfc("R6141-3.8-1")
def test_cancelled_reinvite_is_487_and_leaves_the_session() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    outgoing = reinvite(wire, wire.a, usage, A_2)
    wire.run(0.1)
    accept(wire, wire.b, b"", 180)
    wire.run(0.1)
    wire.a.layer.abandon(outgoing, wire.now)
    wire.run(0.1)
    assert wire.b.one(InviteCancelled).invite.is_reinvite
    assert wire.a.of(ResponseReceived)[-1].response.code == 487
    assert sessions(usage, other) == [(A_1, B_1), (B_1, A_1)]
    hang_up(wire, usage)


@pytest.mark.rfc("R6141-5.3-2")
def test_ack_to_a_refusal_that_finds_no_way_does_not_end_the_call() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, _ = call(wire)
    outgoing = reinvite(wire, wire.a, usage, A_2)
    wire.run(0.1)
    accept(wire, wire.b, b"", 488)
    wire.run(0.1)
    wire.a.layer.transport_failed(outgoing.transaction, "no way", wire.now)
    wire.flush()
    assert usage.state is UsageState.CONFIRMED
    hang_up(wire, usage)


def test_reinvite_that_nobody_acknowledges_reliably_leaves_the_call() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    reinvite(wire, wire.a, usage, A_2)
    wire.run(0.1)
    accept(wire, wire.b, b"", 180)
    wire.run(0.1)
    wire.drop_next = ["b 183 INVITE"] * 9
    accept(wire, wire.b, B_2, 183, reliable=True)
    wire.run(40)
    assert wire.a.of(ResponseReceived)[-1].response.code == 500
    assert wire.b.one(InviteCancelled).request is None
    assert (usage.state, other.state) == (UsageState.CONFIRMED, UsageState.CONFIRMED)
    # The callee has answered, the caller has not heard: the next exchange sets both right (RFC 6141, 3.4).
    update(wire, wire.b, other, B_1)
    wire.run(0.1)
    accept(wire, wire.a, A_1)
    wire.run(0.1)
    assert sessions(usage, other) == [(A_1, B_1), (B_1, A_1)]
    hang_up(wire, usage)


def test_offerless_reinvite_is_offered_and_answered_in_the_ack() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    reinvite(wire, wire.a, usage)
    wire.run(0.1)
    accept(wire, wire.b, B_2)
    wire.run(0.1)
    assert usage.session.offer == B_2
    with pytest.raises(LocalProtocolError, match="an offer cannot be made now"):
        update(wire, wire.a, usage, A_2)
    wire.a.layer.acknowledge(usage, wire.now, body=A_2, content_type=SDP_TYPE)
    wire.run(0.1)
    assert sessions(usage, other) == [(A_2, B_2), (B_2, A_2)]
    hang_up(wire, usage)


def test_preview_answers_where_the_2xx_does_not() -> None:
    wire = Wire()
    wire.invite(body=A_1)
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.b.layer.respond(received, 183, wire.now, body=B_1, content_type=SDP_TYPE)
    wire.run(0.1)
    (usage,) = wire.a.layer.dialogs.values()
    assert usage.session.preview == B_1
    assert usage.session.remote is None
    with pytest.raises(LocalProtocolError, match="the answer differs from the one that an earlier response gave"):
        wire.b.layer.respond(received, 200, wire.now, body=B_2, content_type=SDP_TYPE)
    wire.b.layer.respond(received, 200, wire.now)
    wire.run(0.1)
    # The answer itself must be in a reliable message (RFC 3261, 13.2.1).
    assert wire.last("b 200 INVITE").body == B_1
    assert sessions(usage, received.usage) == [(A_1, B_1), (B_1, A_1)]
    assert SDP != B_1
    hang_up(wire, usage)


def test_requests_of_both_sides_with_one_cseq_number_are_two() -> None:
    wire = Wire(capabilities=RELIABLE)
    usage, other = call(wire)
    update(wire, wire.b, other)  # the first request of the callee's
    wire.run(0.1)
    outgoing = update(wire, wire.a, usage, A_2)
    update(wire, wire.b, other)
    assert other.dialog.local_sequence == usage.dialog.local_sequence == 2
    wire.run(0.1)
    assert "a 200 UPDATE" in wire.sent()
    assert usage.session.waits(outgoing.carrier)
    accept(wire, wire.b, B_2)
    wire.run(0.1)
    assert sessions(usage, other) == [(A_2, B_2), (B_2, A_2)]
    hang_up(wire, usage)
