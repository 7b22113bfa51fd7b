"""The offer/answer machine by itself (:rfc:`3264#section-4`): what may be offered and answered when."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sipstack.dialogs import InviteAnswered, InviteReceived, OfferAnswer
from sipstack.dialogs._offer_answer import OfferAnswerState
from sipstack.message import LocalProtocolError
from sipstack.sdp import SessionDescription, check_answer

from .wire import SDP, SDP_TYPE, Wire, assert_idle

INVITE, UPDATE = ("INVITE", 1, True), ("UPDATE", 2, True)


def agreed() -> OfferAnswer:
    session = OfferAnswer()
    session.send_offer(b"ours", INVITE)
    assert session.receive_answer(b"theirs")
    return session


@pytest.mark.rfc("R3264-4-1", "R3264-4-2")
def test_offer_that_is_answered_is_agreed() -> None:
    session = agreed()
    assert (session.local, session.remote, session.has_answered) == (b"ours", b"theirs", False)
    assert session.is_settled
    assert session.receive_offer(b"theirs 2", UPDATE)
    session.send_answer(b"ours 2")
    assert (session.local, session.remote, session.has_answered) == (b"ours 2", b"theirs 2", True)


def test_offer_alone_changes_nothing() -> None:
    session = agreed()
    session.send_offer(b"ours 2", UPDATE)
    assert (session.local, session.remote) == (b"ours", b"theirs")
    assert session.waits(UPDATE)
    assert session.has_local_offer
    assert not session.is_settled


@pytest.mark.rfc("R3264-4-4")
def test_second_offer_of_ours_is_refused_while_the_first_waits() -> None:
    session = OfferAnswer()
    session.send_offer(b"ours", INVITE)
    with pytest.raises(LocalProtocolError, match="an offer cannot be made now: our first offer waits"):
        session.send_offer(b"ours 2", UPDATE)
    assert session.offer == b"ours"


@pytest.mark.rfc("R3264-4-3")
def test_offer_of_ours_is_refused_while_theirs_waits() -> None:
    session = OfferAnswer()
    assert session.receive_offer(b"theirs", INVITE)
    with pytest.raises(LocalProtocolError, match="the peer's first offer waits for our answer"):
        session.send_offer(b"ours", UPDATE)


def test_answer_without_offer_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="an answer cannot be given now: nothing agreed"):
        OfferAnswer().send_answer(b"ours")
    assert not OfferAnswer().receive_answer(b"theirs")


def test_offers_that_cross_leave_the_one_that_was_first() -> None:
    session = agreed()
    session.send_offer(b"ours 2", UPDATE)
    assert not session.receive_offer(b"theirs 2", INVITE)
    assert session.offer == b"ours 2"


@pytest.mark.parametrize("is_ours", [True, False])
def test_refused_offer_leaves_the_session_as_it_was(is_ours: bool) -> None:
    for session, state in ((OfferAnswer(), OfferAnswerState.NONE), (agreed(), OfferAnswerState.AGREED)):
        before = session.local, session.remote
        if is_ours:
            session.send_offer(b"new", UPDATE)
        else:
            session.receive_offer(b"new", UPDATE)
        session.withdraw(("UPDATE", 3, True))
        session.withdraw(("UPDATE", 2, False))
        assert session.waits(UPDATE)
        session.withdraw(UPDATE)
        assert session.state is state
        assert (session.local, session.remote) == before
        assert session.is_settled


def test_withdrawing_takes_the_preview_along() -> None:
    session = OfferAnswer()
    session.send_offer(b"ours", INVITE)
    session.preview = b"theirs"
    session.withdraw(INVITE)
    assert session.preview is None


class OfferAnswerMachine(RuleBasedStateMachine):
    """Two sides whose offers and answers may cross on their way: they agree whenever both are settled.

    A glare is refused, as whoever reads the messages does; the refusal reaches the other side as any message does, in
    order.
    """

    @initialize()
    def begin(self) -> None:
        self.sides = (OfferAnswer(), OfferAnswer())
        self.ways: tuple[list[tuple[str, bytes, tuple[str, int, bool]]], ...] = ([], [])
        self.numbers = itertools.count(1)

    @rule(who=st.integers(0, 1))
    def offer(self, who: int) -> None:
        number = next(self.numbers)
        body, carrier = f"offer {number}".encode(), ("UPDATE", number, True)
        side = self.sides[who]
        was_settled = side.is_settled
        try:
            side.send_offer(body, carrier)
        except LocalProtocolError:
            assert not was_settled
            return
        assert was_settled
        self.ways[who].append(("offer", body, carrier))

    @precondition(lambda self: any(side.has_remote_offer for side in self.sides))
    @rule(accepts=st.booleans())
    def answer(self, accepts: bool) -> None:
        for who, side in enumerate(self.sides):
            if side.has_remote_offer:
                assert side.offer is not None
                assert side.carrier is not None
                carrier = side.carrier
                body = b"answer to " + side.offer
                if accepts:
                    side.send_answer(body)
                else:
                    side.withdraw(carrier)
                self.ways[who].append(("answer" if accepts else "refusal", body, carrier))

    @precondition(lambda self: any(self.ways))
    @rule(who=st.integers(0, 1))
    def deliver(self, who: int) -> None:
        if not self.ways[who]:
            return
        kind, body, carrier = self.ways[who].pop(0)
        side = self.sides[1 - who]
        if kind == "offer":
            if not side.receive_offer(body, carrier):
                self.ways[1 - who].append(("refusal", b"", carrier))
        elif kind == "answer":
            assert side.waits(carrier)
            assert side.receive_answer(body)
        else:
            side.withdraw(carrier)

    @invariant()
    def agree(self) -> None:
        a, b = self.sides
        if a.is_settled and b.is_settled and not any(self.ways):
            assert (a.local, a.remote) == (b.remote, b.local)
            assert a.local is None or a.has_answered != b.has_answered
        for side in self.sides:
            assert (side.offer is None) == (side.state in (OfferAnswerState.NONE, OfferAnswerState.AGREED))
            assert (side.offer is None) == (side.carrier is None)
            assert (side.local is None) == (side.remote is None)
            assert not (side.has_local_offer and side.has_remote_offer)


TestOfferAnswerMachine = OfferAnswerMachine.TestCase
TestOfferAnswerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


# In a 2xx.


@pytest.mark.rfc("R3261-13.3.1.4-2")
def test_2xx_answers_the_offer_of_its_invite() -> None:
    wire = Wire()
    _, received = wire.ring()
    with pytest.raises(LocalProtocolError, match="the 2xx must answer it, so pass the SDP"):
        wire.b.layer.respond(received, 200, wire.now)
    wire.run(0.1)
    assert "b 200 INVITE" not in wire.sent()
    wire.accept(received)
    wire.run(0.1)
    usage = wire.a.one(InviteAnswered).usage
    wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    with pytest.raises(LocalProtocolError, match="the 2xx must answer it, so pass the SDP"):
        wire.b.layer.respond_request(wire.reinvited(wire.b).transaction, 200, wire.now)


OFFER = b"v=0\r\no=- 5 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\nm=video 6002 RTP/AVP 31\r\n"


@pytest.mark.rfc("R3261-13.2.2.4-7")
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_offer_of_a_2xx_to_a_leg_that_is_left_is_refused_in_the_ack(is_cancelled: bool) -> None:
    wire = Wire()
    invite = wire.invite(body=b"")
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.b.layer.respond(received, 180, wire.now)
    wire.run(0.1)
    wire.b.layer.respond(received, 200, wire.now, body=OFFER, content_type=SDP_TYPE)
    if is_cancelled:
        wire.a.layer.cancel(invite, wire.now)
        wire.run(0.1)
    else:
        wire.run(0.1)
        wire.a.layer.bye(wire.a.one(InviteAnswered).usage, wire.now)
        wire.run(0.1)
    assert [what for what in wire.sent() if what in ("a ACK", "a BYE")] == ["a ACK", "a BYE"]
    answer = SessionDescription.parse(wire.last("a ACK").body)
    assert [(media.type, media.port) for media in answer.media] == [("audio", 0), ("video", 0)]
    assert not check_answer(SessionDescription.parse(OFFER), answer)
    assert answer.origin.address == "192.0.2.1"
    wire.drain()
    assert_idle(wire)


def test_offer_of_a_leg_that_is_left_and_cannot_be_read_is_acknowledged_without_answer() -> None:
    wire = Wire()
    _, received = wire.ring(body=b"")
    wire.b.layer.respond(received, 200, wire.now, body=b"no description", content_type=SDP_TYPE)
    wire.run(0.1)
    wire.a.layer.bye(wire.a.one(InviteAnswered).usage, wire.now)
    wire.run(0.1)
    assert wire.last("a ACK").body == b""
    assert wire.a.layer.counters["offers malformed"] == 1
    wire.drain()
    assert_idle(wire)
