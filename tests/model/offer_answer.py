"""The second model: offers that cross in one call, by INVITE, UPDATE and reliable provisional responses."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from sipstack.dialogs import OfferAnswerState, ServerInviteState, UsageState
from sipstack.message import LocalProtocolError, Request

from .explorer import SDP_TYPE, Model, Side

OFFER, ANSWER = b"v=0 offer", b"v=0 answer"


@attrs.frozen
class Facts:
    state: UsageState | None
    session: OfferAnswerState | None
    local: bytes | None
    remote: bytes | None
    is_busy: bool
    has_given_up: bool


def carry(a: Side, b: Side) -> None:
    """Deliver all there is until there is no more."""
    waiting = [("b", data) for data in a.flush()] + [("a", data) for data in b.flush()]
    while waiting:
        target, data = waiting.pop(0)
        side, other = (a, "b") if target == "a" else (b, "a")
        side.layer.receive(data, side.flow, 0.0)
        waiting += [(other, each) for each in side.flush()]


class OfferAnswerModel(Model):
    """A call that stands; each side may offer by UPDATE and re-INVITE, without an offer too, accept, refuse, hang up.

    :param commands: what each user may begin, each once: "update", "reinvite", "offerless", "hang up".
    """

    def __init__(self, a: tuple[str, ...], b: tuple[str, ...], *, copies: int = 0, losses: int = 0) -> None:
        self.may = {"a": a, "b": b}
        self.copies, self.losses = copies, losses

    def begin(self) -> tuple[Side, Side, list[bytes]]:
        a, b = Side("a"), Side("b")
        a.invite = invite_of(a)
        carry(a, b)
        assert b.received is not None
        b.layer.respond(b.received, 200, 0.0, body=ANSWER, content_type=SDP_TYPE)
        carry(a, b)
        for side in (a, b):
            while timers := side.timers():
                side.fire(next(iter(timers)))
                carry(a, b)
            side.invite = side.received = None
            side.done = Counter()
        return a, b, []

    def commands(self, side: Side) -> list[str]:
        usage, layer = side.usage, side.layer
        if usage is None:
            return []
        may = []
        if side.asked and self.can_accept(side):
            may += ["accept", "refuse"]
        if usage.to_acknowledge is not None:
            may.append("acknowledge")
        for command in self.may[side.name]:
            if side.done[command]:
                continue
            if command == "hang up":
                if usage.state in (UsageState.CONFIRMED, UsageState.UNACKNOWLEDGED):
                    may.append(command)
            elif usage.state is UsageState.CONFIRMED and usage.deferred is None:
                if command == "update":
                    is_free = usage.update is None and usage.session.is_settled
                else:
                    is_free = not layer._is_busy(usage)
                if is_free:
                    may.append(command)
        return may

    @staticmethod
    def can_accept(side: Side) -> bool:
        """Whether the oldest request can be answered: one without an offer not while an offer of our own waits."""
        assert side.usage is not None
        return bool(side.asked[0].request.body) or side.usage.session.is_settled

    def perform(self, side: Side, command: str) -> None:
        usage, layer = side.usage, side.layer
        assert usage is not None
        body = f"v=0 {side.name} {command}".encode()
        match command:
            case "update":
                layer.update(usage, 0.0, body=body, content_type=SDP_TYPE)
            case "reinvite":
                layer.reinvite(usage, 0.0, body=body, content_type=SDP_TYPE)
            case "offerless":
                layer.reinvite(usage, 0.0)
            case "acknowledge":
                layer.acknowledge(usage, 0.0, body=body, content_type=SDP_TYPE)
            case "hang up":
                layer.bye(usage, 0.0)
            case "accept":
                asked = side.asked.pop(0)
                body += str(asked.request.cseq).encode()
                layer.respond_request(asked, 200, 0.0, body=body, content_type=SDP_TYPE)
            case "refuse":
                layer.respond_request(side.asked.pop(0), 488, 0.0)

    def facts(self, side: Side) -> Facts:
        usage, layer = side.usage, side.layer
        if usage is None:
            return Facts(None, None, None, None, is_busy=False, has_given_up=side.has_given_up)
        session = usage.session
        is_busy = bool(
            side.asked
            or usage.deferred
            or layer._is_busy(usage)
            or any(not outgoing.is_finished for outgoing in layer.requests.values())
        )
        return Facts(usage.state, session.state, session.local, session.remote, is_busy, side.has_given_up)

    def is_over(self, a: Any, b: Any) -> bool:
        return a.state is b.state and not (a.is_busy or b.is_busy)

    def check(self, a: Any, b: Any, is_quiet: bool) -> str | None:
        if not (a.state is b.state is UsageState.CONFIRMED):
            return None
        if a.session is b.session is OfferAnswerState.REOFFERED:
            return "each side has taken the other's offer"
        if is_quiet and not (a.is_busy or b.is_busy or a.has_given_up or b.has_given_up):
            if a.session is not OfferAnswerState.AGREED or b.session is not OfferAnswerState.AGREED:
                return "nothing is under way, and an offer waits for its answer"
            if (a.local, a.remote) != (b.remote, b.local):
                return f"the sessions differ: {a.local!r} {a.remote!r}, {b.remote!r} {b.local!r}"
        return None


class EarlyModel(OfferAnswerModel):
    """A call that comes in: b answers the offer in a reliable 183, and in a 2xx; both may send UPDATEs meanwhile."""

    def begin(self) -> tuple[Side, Side, list[bytes]]:
        a, b = Side("a"), Side("b")
        a.invite = invite_of(a)
        return a, b, a.flush()

    def commands(self, side: Side) -> list[str]:
        may = []
        if side.name == "a" and side.usage is None and side.invite is not None and side.invite.legs:
            (side.usage,) = side.invite.legs.values()
        usage = side.usage
        if usage is None:
            return []
        received = side.received
        if received is not None and received.state is ServerInviteState.PROCEEDING:
            if not side.done["ring"]:
                may.append("ring")
            if usage.session.local is not None or not side.done["ring"]:
                may.append("answer")
        is_early = usage.state is UsageState.EARLY and usage.session.local is not None and usage.session.is_settled
        is_held = received is not None and received.is_held_back
        is_free = not is_held and usage.update is None and usage.deferred is None and usage.server_update is None
        if is_early and is_free and "update" in self.may[side.name] and not side.done["update"]:
            may.append("update")
        if usage.state is UsageState.EARLY:
            return may + (["accept", "refuse"] if side.asked else [])
        return may + [command for command in super().commands(side) if command not in may]

    def perform(self, side: Side, command: str) -> None:
        received, layer = side.received, side.layer
        if command == "ring":
            assert received is not None
            layer.respond(received, 183, 0.0, body=ANSWER, content_type=SDP_TYPE, reliable=True)
        elif command == "answer":
            assert received is not None
            has_answered = received.usage.session.local is not None
            body, kind = (b"", None) if has_answered else (ANSWER, SDP_TYPE)
            try:
                layer.respond(received, 200, 0.0, body=body, content_type=kind)
            except LocalProtocolError:
                assert not received.usage.session.is_settled  # an UPDATE of ours, or of theirs, must end first
        else:
            super().perform(side, command)


def invite_of(side: Side) -> Any:
    fields = [("From", "<sip:a@192.0.2.1>"), ("Content-Type", SDP_TYPE)]
    return side.layer.invite(Request("INVITE", "sip:b@192.0.2.2", OFFER, fields))
