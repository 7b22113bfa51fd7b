"""Reliable provisional responses between two layers (:rfc:`3262`)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    AckReceived,
    Capabilities,
    DialogRequest,
    InviteAnswered,
    InviteCancelled,
    InviteFailed,
    InviteProgress,
    InviteReceived,
    InviteUsage,
    PrackReceived,
    ResponseReceived,
    ServerInvite,
    UsageEnded,
)
from sipstack.message import LocalProtocolError, Request

from .wire import METHODS, RELIABLE, SDP, SDP_TYPE, Wire, assert_idle

ANSWER, ANSWER_2, OFFER_2 = b"v=0\r\ns=answer\r\n", b"v=0\r\ns=answer 2\r\n", b"v=0\r\ns=offer 2\r\n"
REQUIRED = (("Require", "100rel"),)
NOT_SUPPORTED = (("Supported", "timer"),)


def called(wire: Wire, *, body: bytes = SDP, headers: tuple[tuple[str, str], ...] = ()) -> ServerInvite:
    """Bring an INVITE to the callee."""
    wire.invite(body=body, headers=headers)
    wire.run(0.1)
    return wire.b.one(InviteReceived).invite


def ring(wire: Wire, invite: ServerInvite, code: int = 183, *, body: bytes = b"", reliable: bool | None = True) -> None:
    """Send a provisional response, by default reliably."""
    wire.b.layer.respond(invite, code, wire.now, body=body, content_type=SDP_TYPE if body else None, reliable=reliable)


def answer(wire: Wire, invite: ServerInvite, body: bytes = b"") -> None:
    wire.b.layer.respond(invite, 200, wire.now, body=body, content_type=SDP_TYPE if body else None)


def leg(wire: Wire) -> InviteUsage:
    (usage,) = wire.a.layer.dialogs.values()
    return usage


def hang_up(wire: Wire) -> None:
    for usage in list(wire.a.layer.dialogs.values()):
        wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert_idle(wire)


def prack(wire: Wire, rack: str, *, body: bytes = b"", sequence: int = 77) -> Request:
    """Deliver a PRACK of the caller's that its layer did not send."""
    invite = wire.last("b 183 INVITE")
    fields = [
        ("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{sequence}{rack.replace(' ', '')}"),
        ("Max-Forwards", "70"),
        ("From", invite.headers["From"]),
        ("To", invite.headers["To"]),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{sequence} PRACK"),
        ("RAck", rack),
    ]
    if body:
        fields.append(("Content-Type", SDP_TYPE))
    request = Request("PRACK", str(invite.contact[0].uri), body, fields)
    wire.inject(wire.b, bytes(request))
    return request


# The callee.


@pytest.mark.rfc("R3262-3-1", "R3262-3-10", "R3262-3-14", "R3262-4-2", "R3262-4-3", "R3262-4-6", "R3262-3-16")
def test_reliable_response_is_acknowledged() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    assert "100rel" in wire.last("a INVITE").supported
    ring(wire, invite, body=ANSWER)
    wire.run(0.1)
    response = wire.last("b 183 INVITE")
    assert response.require == ["100rel"]
    assert response.body == ANSWER
    request = wire.last("a PRACK")
    assert request.headers["RAck"] == f"{response.rseq} 1 INVITE"
    assert request.headers["CSeq"] == "2 PRACK"
    assert request.to_tag == response.to_tag
    assert wire.sent()[-3:] == ["b 183 INVITE", "a PRACK", "b 200 PRACK"]
    assert wire.b.one(PrackReceived).rseq == response.rseq
    assert wire.a.one(InviteProgress).is_reliable


@pytest.mark.rfc("R3262-3-2")
def test_caller_that_requires_reliable_responses_gets_no_others() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire, headers=REQUIRED)
    with pytest.raises(LocalProtocolError, match="the caller requires 100rel"):
        ring(wire, invite, 180, reliable=False)
    ring(wire, invite, 180, reliable=None)
    wire.run(0.1)
    assert wire.last("b 180 INVITE").rseq is not None
    assert "a PRACK" in wire.sent()


@pytest.mark.rfc("R3262-3-3")
def test_caller_that_requires_what_we_do_not_support_is_refused() -> None:
    wire = Wire()
    wire.invite(headers=REQUIRED)
    wire.run(0.1)
    assert wire.last("b 420 INVITE").unsupported == ["100rel"]
    assert not wire.b.of(InviteReceived)


@pytest.mark.rfc("R3262-3-4")
def test_100_is_not_sent_reliably() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire, headers=REQUIRED)
    with pytest.raises(LocalProtocolError, match="a 100 is not sent reliably"):
        ring(wire, invite, 100)
    ring(wire, invite, 100, reliable=None)
    wire.flush()
    assert "RSeq" not in wire.last("b 100 INVITE").headers


@pytest.mark.rfc("R3262-3-5")
def test_caller_without_support_gets_no_reliable_response() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire, headers=NOT_SUPPORTED)
    before = len(wire.sent())
    with pytest.raises(LocalProtocolError, match="does not support 100rel"):
        ring(wire, invite, 180)
    assert len(wire.sent()) == before
    ring(wire, invite, 180, reliable=None)
    wire.run(0.1)
    assert "RSeq" not in wire.last("b 180 INVITE").headers
    assert "a PRACK" not in wire.sent()


@pytest.mark.rfc("R3262-3-8", "R3262-3-9")
def test_long_ringing_is_kept_alive_every_two_and_a_half_minutes() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    ring(wire, invite, body=ANSWER)
    wire.run(460)
    assert wire.times("b 183 INVITE") == [0, 150, 300, 450]
    responses = [passage.message for passage in wire.passages if passage.what == "183 INVITE"]
    first = responses[0].rseq
    assert [response.rseq - first for response in responses] == [0, 1, 2, 3]
    assert [response.body for response in responses] == [ANSWER, b"", b"", b""]
    assert [response.headers.get("Content-Type") for response in responses] == [SDP_TYPE, None, None, None]
    assert wire.sent().count("a PRACK") == 4
    answer(wire, invite)
    wire.run(0.1)
    hang_up(wire)


@pytest.mark.rfc("R3262-3-11", "R3262-3-12")
def test_first_rseq_is_drawn_from_the_whole_range() -> None:
    quarters = set()
    for seed in range(40):
        wire = Wire(seed, capabilities=RELIABLE)
        ring(wire, called(wire))
        wire.flush()
        rseq = wire.last("b 183 INVITE").rseq
        assert 1 <= rseq < 2**31
        quarters.add(rseq >> 29)
    assert quarters == {0, 1, 2, 3}


def test_first_rseq_is_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    monkeypatch.setattr(type(wire.b.layer._tokens), "number", lambda self, bits: 0)
    ring(wire, invite)
    wire.run(0.1)
    assert wire.last("b 183 INVITE").rseq == 1


@pytest.mark.rfc("R3262-3-23")
def test_rseq_goes_beyond_the_largest_first_one_without_wrapping(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    monkeypatch.setattr(type(wire.b.layer._tokens), "number", lambda self, bits: 2**bits - 1)
    for code in (183, 180):
        ring(wire, invite, code)
        wire.run(0.1)
    assert wire.last("b 183 INVITE").rseq == 2**31 - 1
    assert wire.last("b 180 INVITE").rseq == 2**31
    assert [event.rseq for event in wire.b.of(PrackReceived)] == [2**31 - 1, 2**31]


@pytest.mark.rfc("R3262-3-13")
def test_equal_rseq_of_another_invite_is_another_response(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(capabilities=RELIABLE)
    monkeypatch.setattr(type(wire.b.layer._tokens), "number", lambda self, bits: 7)
    invite = called(wire)
    ring(wire, invite, body=ANSWER)
    wire.run(0.1)
    answer(wire, invite)
    wire.run(0.1)
    wire.a.layer.reinvite(leg(wire), wire.now, body=OFFER_2, content_type=SDP_TYPE)
    wire.run(0.1)
    again = wire.b.layer.invites[wire.b.one(DialogRequest).transaction]
    ring(wire, again, body=ANSWER_2)
    wire.run(0.1)
    assert wire.last("a PRACK").headers["RAck"] == "7 3 INVITE"
    assert [event.rseq for event in wire.b.of(PrackReceived)] == [7, 7]
    answer(wire, again)
    wire.run(0.1)
    assert leg(wire).session.remote == ANSWER_2
    hang_up(wire)


@pytest.mark.rfc("R3262-3-15")
@pytest.mark.parametrize("wrong", ["{other} 1 INVITE", "{rseq} 2 INVITE", "{rseq} 1 OPTIONS"])
def test_prack_for_nothing_is_481(wrong: str) -> None:
    wire = Wire(capabilities=RELIABLE)
    wire.drop_next = ["a PRACK"]
    ring(wire, called(wire))
    wire.run(0.1)
    rseq = wire.last("b 183 INVITE").rseq
    prack(wire, wrong.format(rseq=rseq, other=rseq + 1))
    assert wire.sent()[-1] == "b 481 PRACK"
    assert not wire.b.of(PrackReceived)


@pytest.mark.rfc("R3262-3-15")
def test_prack_outside_of_a_dialog_is_481() -> None:
    wire = Wire(capabilities=RELIABLE)
    ring(wire, called(wire))
    wire.run(0.1)
    request = wire.last("a PRACK").copy()
    request.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKother")
    request.headers.set("Call-ID", "other")
    wire.inject(wire.b, bytes(request))
    assert wire.sent()[-1] == "b 481 PRACK"


@pytest.mark.parametrize("rack", [None, "x", "1 INVITE"])
def test_prack_that_does_not_say_for_what_is_400(rack: str | None) -> None:
    wire = Wire(capabilities=RELIABLE)
    ring(wire, called(wire))
    wire.run(0.1)
    request = wire.last("a PRACK").copy()
    request.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKother")
    request.headers.set("CSeq", "9 PRACK")
    request.headers.remove("RAck")
    if rack is not None:
        request.headers.add("RAck", rack)
    wire.inject(wire.b, bytes(request))
    assert wire.sent()[-1] == "b 400 PRACK"


@pytest.mark.rfc("R3262-3-15", "R3262-3-17")
def test_second_prack_for_the_same_response_is_481() -> None:
    wire = Wire(capabilities=RELIABLE)
    ring(wire, called(wire))
    wire.run(0.1)
    prack(wire, f"{wire.last('b 183 INVITE').rseq} 1 INVITE")
    assert wire.sent()[-1] == "b 481 PRACK"
    assert len(wire.b.of(PrackReceived)) == 1


@pytest.mark.rfc("R3262-3-17")
def test_prack_stops_the_repetition() -> None:
    wire = Wire(capabilities=RELIABLE)
    wire.drop_next = ["a PRACK"] * 2
    ring(wire, called(wire))
    wire.run(60)
    # The PRACK is sent again by its own transaction, at 0.5 and 1.5 s; the third one gets through.
    assert wire.times("b 183 INVITE") == [0, 0.5, 1.5]
    assert wire.sent().count("b 200 PRACK") == 1
    assert len(wire.b.of(PrackReceived)) == 1


@pytest.mark.rfc("R3262-3-18")
def test_response_that_nobody_acknowledges_ends_the_call() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    ring(wire, invite, 180, reliable=None)  # so that the INVITE is not repeated, which would be answered each time
    wire.run(0.1)
    wire.drop_next = ["b 183 INVITE"] * 7
    ring(wire, invite, body=ANSWER)
    wire.run(40)
    # T1, doubled each time without the bound of T2, and 64*T1 in all.
    assert wire.times("b 183 INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert [passage.time for passage in wire.passages if passage.what == "500 INVITE"][0] == pytest.approx(32.2)
    assert wire.b.one(UsageEnded).cause == "unacknowledged"
    assert wire.a.one(InviteFailed).response.code == 500
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3262-3-19", "R3262-3-20", "R3262-3-22")
def test_second_response_waits_for_the_first_prack() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    wire.drop_next = ["a PRACK"]
    ring(wire, invite, 183)
    ring(wire, invite, 180)
    ring(wire, invite, 182)
    wire.run(0.1)
    assert "b 180 INVITE" not in wire.sent()
    wire.run(2)
    # Once the first is acknowledged the others may be in flight together.
    assert [what for what in wire.sent() if "INVITE" in what] == [
        "a INVITE", "b 183 INVITE", "b 183 INVITE", "b 180 INVITE", "b 182 INVITE",
    ]  # fmt: skip
    rseqs = [wire.last(f"b {code} INVITE").rseq for code in (183, 180, 182)]
    assert [rseq - rseqs[0] for rseq in rseqs] == [0, 1, 2]
    assert [event.rseq for event in wire.b.of(PrackReceived)] == rseqs


def test_responses_that_wait_have_a_limit() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    for _ in range(16):
        ring(wire, invite)
    with pytest.raises(LocalProtocolError, match="16 reliable responses wait for their PRACKs"):
        ring(wire, invite)
    wire.run(0.5)
    assert len(wire.b.of(PrackReceived)) == 16
    ring(wire, invite)


@pytest.mark.rfc("R3262-3-24", "R3262-3-26")
@pytest.mark.parametrize("code", [486, 200])
def test_final_response_overtakes_a_prack(code: int) -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    wire.a.is_routing = False  # the PRACK does not find its way yet
    ring(wire, invite)
    wire.run(0.1)
    if code == 200:
        answer(wire, invite, ANSWER)
    else:
        wire.b.layer.respond(invite, code, wire.now)
    wire.run(5)
    assert wire.times("b 183 INVITE") == [0]
    prack(wire, f"{wire.last('b 183 INVITE').rseq} 1 INVITE")
    assert wire.sent()[-1] == "b 200 PRACK"


@pytest.mark.rfc("R3262-3-26", "R3262-3-16")
def test_prack_after_a_cancelled_invite_is_200() -> None:
    wire = Wire(capabilities=RELIABLE)
    client = wire.invite()
    wire.run(0.1)
    wire.drop_next = ["a PRACK"]
    ring(wire, wire.b.one(InviteReceived).invite, body=ANSWER)
    wire.run(0.1)
    wire.a.layer.cancel(client, wire.now)
    wire.run(0.2)
    assert wire.a.one(InviteFailed).kind == "cancelled"
    assert wire.b.of(InviteCancelled)
    assert "b 200 PRACK" not in wire.sent()
    wire.run(1)
    assert wire.sent().count("b 200 PRACK") == 1
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3262-3-27")
def test_no_reliable_response_after_the_final_one() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    wire.drop_next = ["a PRACK"]
    ring(wire, invite, 183)
    ring(wire, invite, 180)
    wire.run(0.1)
    wire.b.layer.respond(invite, 486, wire.now)
    with pytest.raises(LocalProtocolError, match="the INVITE is refused already"):
        ring(wire, invite, 182)
    wire.run(5)
    assert "b 200 PRACK" in wire.sent()
    assert "b 180 INVITE" not in wire.sent()
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R3262-3-25", "R3262-5-7")
def test_2xx_waits_for_the_prack_of_a_response_with_a_description() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    wire.drop_next = ["a PRACK"] * 2
    ring(wire, invite, body=ANSWER)
    wire.run(0.1)
    answer(wire, invite)
    wire.run(0.1)
    assert "b 200 INVITE" not in wire.sent()
    with pytest.raises(LocalProtocolError, match="the INVITE is held already"):
        answer(wire, invite)
    wire.run(2)
    sent = wire.sent()
    assert sent.index("b 200 PRACK") < sent.index("b 200 INVITE")
    assert wire.b.one(AckReceived)
    hang_up(wire)


def test_2xx_held_back_is_overtaken_by_a_cancel() -> None:
    wire = Wire(capabilities=RELIABLE)
    client = wire.invite()
    wire.run(0.1)
    invite = wire.b.one(InviteReceived).invite
    ring(wire, invite, 180, reliable=None)
    wire.run(0.1)
    wire.drop_next = ["b 183 INVITE"]
    ring(wire, invite, body=ANSWER)
    answer(wire, invite)
    wire.a.layer.cancel(client, wire.now)
    wire.run(0.1)
    assert wire.a.one(InviteFailed).kind == "cancelled"
    assert wire.b.one(InviteCancelled).invite is invite
    wire.drain()
    assert "b 200 INVITE" not in wire.sent()
    assert_idle(wire)


def test_2xx_held_back_is_given_up_with_its_response() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    ring(wire, invite, 180, reliable=None)
    wire.run(0.1)
    wire.drop_next = ["b 183 INVITE"] * 9
    ring(wire, invite, body=ANSWER)
    answer(wire, invite)
    wire.run(40)
    assert "b 200 INVITE" not in wire.sent()
    assert wire.a.one(InviteFailed).response.code == 500
    assert wire.b.one(UsageEnded).cause == "unacknowledged"
    wire.drain()
    assert_idle(wire)


def test_2xx_held_back_can_still_become_a_refusal() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    wire.drop_next = ["a PRACK"]
    ring(wire, invite, body=ANSWER)
    answer(wire, invite)
    wire.b.layer.respond(invite, 480, wire.now)
    wire.run(2)
    assert "b 200 INVITE" not in wire.sent()
    assert wire.a.one(InviteFailed).response.code == 480
    wire.drain()
    assert_idle(wire)


def test_bye_in_the_early_dialog_ends_what_waits_for_a_prack() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    ring(wire, invite, 180, reliable=None)
    wire.run(0.1)
    wire.drop_next = ["b 183 INVITE"]
    ring(wire, invite, body=ANSWER)
    answer(wire, invite)
    wire.a.layer.bye(leg(wire), wire.now)
    wire.run(0.1)
    assert "b 487 INVITE" in wire.sent()
    wire.drain()
    assert wire.times("b 183 INVITE") == [0]
    assert_idle(wire)


# The caller.


@pytest.mark.rfc("R3262-4-1")
def test_nothing_but_an_invite_requires_100rel() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire, headers=REQUIRED)
    ring(wire, invite, body=ANSWER)
    wire.run(0.1)
    wire.a.layer.update(leg(wire), wire.now)
    wire.run(0.1)
    answer(wire, invite)
    wire.run(0.1)
    hang_up(wire)
    others = [passage.message for passage in wire.passages if passage.sender == "a" and passage.what != "INVITE"]
    assert {message.method for message in others} == {"PRACK", "UPDATE", "ACK", "BYE"}
    assert not any("Require" in message.headers for message in others)


@pytest.mark.rfc("R3262-4-4")
def test_100_with_an_rseq_is_not_acknowledged() -> None:
    wire = Wire(capabilities=RELIABLE)
    client = wire.invite()
    wire.drop_next = ["a INVITE"]
    wire.flush()
    response = client.outgoing.transaction.request.create_response(100, to_tag="x")
    for name, value in (("Require", "100rel"), ("RSeq", "1"), ("Contact", "<sip:b@192.0.2.2>")):
        response.headers.add(name, value)
    wire.inject(wire.a, bytes(response))
    assert not wire.a.layer.dialogs
    assert "a PRACK" not in wire.sent()
    assert wire.a.one(InviteProgress).usage is None


@pytest.mark.rfc("R3262-4-5")
def test_reliable_response_makes_the_dialog() -> None:
    wire = Wire(capabilities=RELIABLE)
    ring(wire, called(wire))
    assert not wire.a.layer.dialogs
    wire.run(0.1)
    assert leg(wire).dialog.remote_tag == wire.last("b 183 INVITE").to_tag
    assert wire.a.one(InviteProgress).usage is leg(wire)


@pytest.mark.parametrize(("name", "value"), [("RSeq", "x"), ("RSeq", "4294967296"), ("Contact", "<sip:b@")])
def test_reliable_response_that_cannot_be_acknowledged_is_not_taken(name: str, value: str) -> None:
    wire = Wire(capabilities=RELIABLE)
    wire.drop_next = ["b 183 INVITE"]
    ring(wire, called(wire))
    wire.flush()
    response = wire.last("b 183 INVITE").copy()
    response.headers.set(name, value)
    wire.inject(wire.a, bytes(response))
    assert not any(event.is_reliable for event in wire.a.of(InviteProgress))
    assert "a PRACK" not in wire.sent()
    wire.run(1)
    assert "b 200 PRACK" in wire.sent()


@pytest.mark.rfc("R3262-4-8", "R3262-4-9")
def test_repeated_response_is_dropped_and_its_prack_not_sent_again() -> None:
    wire = Wire(capabilities=RELIABLE)
    ring(wire, called(wire), body=ANSWER)
    wire.run(0.1)
    for _ in range(3):
        wire.inject(wire.a, bytes(wire.last("b 183 INVITE")))
    assert wire.sent().count("a PRACK") == 1
    assert wire.a.one(InviteProgress)
    assert wire.a.layer.counters["reliable responses out of order"] == 3


@pytest.mark.rfc("R3262-4-10", "R3262-4-11", "R3262-4-12", "R3262-4-13", "R3262-4-14")
def test_response_out_of_order_is_dropped_until_those_before_have_come() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    ring(wire, invite, 183)
    wire.run(0.1)
    first = wire.last("b 183 INVITE").rseq
    assert leg(wire).rseq == (1, first)
    wire.drop_next = ["b 180 INVITE"]
    ring(wire, invite, 180)
    ring(wire, invite, 182)
    wire.run(0.1)
    assert [event.response.code for event in wire.a.of(InviteProgress)] == [183]
    assert wire.sent().count("a PRACK") == 1
    assert leg(wire).rseq == (1, first)
    wire.run(2)
    assert [event.response.code for event in wire.a.of(InviteProgress)] == [183, 180, 182]
    assert [event.rseq - first for event in wire.b.of(PrackReceived)] == [0, 1, 2]
    assert leg(wire).rseq == (1, first + 2)


@pytest.mark.rfc("R3262-4-15")
def test_reliable_response_after_the_final_one_is_dropped() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    wire.drop_next = ["b 183 INVITE"]
    ring(wire, invite)
    answer(wire, invite, ANSWER)
    wire.run(0.1)
    wire.inject(wire.a, bytes(wire.last("b 183 INVITE")))
    assert "a PRACK" not in wire.sent()
    assert not wire.a.of(InviteProgress)
    hang_up(wire)


@pytest.mark.rfc("R3262-4-7", "R3262-5-4", "R3262-5-5", "R3262-5-6")
def test_prack_makes_a_further_offer() -> None:
    wire = Wire(capabilities=RELIABLE)
    wire.a.layer.invite(make_offer(), pracks_by_hand=True)
    wire.run(0.1)
    invite = wire.b.one(InviteReceived).invite
    ring(wire, invite, body=ANSWER)
    wire.run(0.1)
    usage = leg(wire)
    assert (usage.session.local, usage.session.remote) == (SDP, ANSWER)
    assert (invite.usage.session.local, invite.usage.session.remote) == (ANSWER, SDP)
    outgoing = wire.a.layer.prack(usage, wire.now, body=OFFER_2, content_type=SDP_TYPE)
    wire.run(0.1)
    request = wire.b.one(DialogRequest)
    assert request.request.method == "PRACK"
    assert request.request.body == OFFER_2
    # The response was acknowledged, though the offer has no answer yet.
    assert wire.b.one(PrackReceived)
    with pytest.raises(LocalProtocolError, match="the offer in the PRACK has no answer"):
        wire.b.layer.respond_request(request.transaction, 200, wire.now)
    wire.b.layer.respond_request(request.transaction, 200, wire.now, body=ANSWER_2, content_type=SDP_TYPE)
    wire.run(0.1)
    assert wire.a.one(ResponseReceived).outgoing is outgoing
    assert (usage.session.local, usage.session.remote) == (OFFER_2, ANSWER_2)
    assert (invite.usage.session.local, invite.usage.session.remote) == (ANSWER_2, OFFER_2)
    answer(wire, invite)
    wire.run(0.1)
    hang_up(wire)


def make_offer() -> Request:
    return Request("INVITE", "sip:bob@192.0.2.2", SDP, [("From", "<sip:alice@192.0.2.1>"), ("Content-Type", SDP_TYPE)])


@pytest.mark.rfc("R3262-5-1", "R3261-13.2.1-15")
def test_answer_in_a_reliable_response_is_not_repeated_in_the_2xx() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    ring(wire, invite, body=ANSWER)
    wire.run(0.1)
    with pytest.raises(LocalProtocolError, match="the INVITE's offer has its answer already"):
        answer(wire, invite, ANSWER_2)
    answer(wire, invite, ANSWER)
    wire.run(0.1)
    assert wire.last("b 200 INVITE").body == b""
    assert leg(wire).session.remote == ANSWER
    hang_up(wire)


@pytest.mark.rfc("R3262-5-2", "R3262-5-3", "R3262-5-8")
def test_offer_in_a_reliable_response_is_answered_in_the_prack() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire, body=b"")
    with pytest.raises(LocalProtocolError, match="the first reliable response must make one"):
        ring(wire, invite)
    ring(wire, invite, body=OFFER_2)
    wire.run(0.1)
    usage = leg(wire)
    assert "a PRACK" not in wire.sent()
    assert usage.session.offer == OFFER_2
    with pytest.raises(LocalProtocolError, match="the PRACK must answer it"):
        wire.a.layer.prack(usage, wire.now)
    wire.a.layer.prack(usage, wire.now, body=ANSWER, content_type=SDP_TYPE)
    wire.run(0.1)
    assert wire.last("a PRACK").headers["CSeq"] == "2 PRACK"  # the refused one has cost no number
    assert (usage.session.local, usage.session.remote) == (ANSWER, OFFER_2)
    assert (invite.usage.session.local, invite.usage.session.remote) == (OFFER_2, ANSWER)
    answer(wire, invite)
    wire.run(0.1)
    assert wire.last("a ACK").body == b""
    hang_up(wire)


def test_2xx_after_an_unanswered_offer_does_not_leave_it_open() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire, body=b"")
    ring(wire, invite, body=OFFER_2)
    wire.run(0.1)
    # A callee that does not wait for the PRACK breaks section 5; the call must be of use all the same.
    response = wire.last("b 183 INVITE").copy()
    response.code, response.phrase, response.body = 200, "OK", b""
    for name in ("Require", "RSeq", "Content-Type"):
        response.headers.remove(name)
    wire.inject(wire.a, bytes(response))
    usage = wire.a.one(InviteAnswered).usage
    assert usage.session.is_settled
    assert not usage.to_prack


def test_malformed_reliable_response_to_a_reinvite_is_not_taken() -> None:
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    answer(wire, invite, ANSWER)
    wire.run(0.1)
    outgoing = wire.a.layer.reinvite(leg(wire), wire.now, body=OFFER_2, content_type=SDP_TYPE)
    wire.run(0.1)
    response = outgoing.transaction.request.create_response(183)
    response.headers.add("Require", "100rel")
    response.headers.add("RSeq", "none")
    wire.inject(wire.a, bytes(response))
    assert wire.a.layer.counters["responses malformed"] == 1
    assert not wire.a.of(ResponseReceived)


def test_capabilities_without_prack_refuse_it() -> None:
    wire = Wire(capabilities=Capabilities(methods=METHODS, supported=("100rel",)))
    invite = called(wire)
    ring(wire, invite, 180, reliable=False)
    wire.run(0.1)
    wire.passages[-1].what = "183 INVITE"
    prack(wire, "1 1 INVITE")
    assert wire.sent()[-1] == "b 405 PRACK"


def test_leg_that_was_left_is_asked_for_no_prack() -> None:
    """A PRACK behind our BYE has the higher number: were it to arrive first, the BYE would be refused and forgotten."""
    wire = Wire(capabilities=RELIABLE)
    invite = called(wire)
    ring(wire, invite, 180, reliable=False)
    wire.run(0.1)
    ring(wire, invite)
    wire.a.layer.bye(leg(wire), wire.now)
    wire.run(0.1)
    assert "a PRACK" not in wire.sent()
    assert len(wire.a.of(InviteProgress)) == 1
    wire.drain()
    assert_idle(wire)
