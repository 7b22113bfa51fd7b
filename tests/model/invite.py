"""The first model: one INVITE, its 2xx or refusal, its ACK, a CANCEL, a BYE."""

from __future__ import annotations

from typing import Any

import attrs

from sipstack.dialogs import ServerInviteState, UsageState
from sipstack.message import Request

from .explorer import SDP_TYPE, Model, Side

OFFER, ANSWER = b"v=0 offer", b"v=0 answer"
_ONCE = ("InviteAnswered", "InviteFailed", "InviteReceived", "UsageEnded", "AckReceived", "InviteCancelled")
_MAY_LEAVE = frozenset([UsageState.UNACKNOWLEDGED, UsageState.CONFIRMED])


@attrs.frozen
class Facts:
    state: UsageState | None
    told: tuple[tuple[str, int], ...]
    has_given_up: bool
    is_settled: bool

    def count(self, what: str) -> int:
        return dict(self.told).get(what, 0)


class InviteModel(Model):
    """a may invite, cancel and hang up; b may ring, answer, refuse and hang up."""

    def __init__(self, *, copies: int, losses: int) -> None:
        self.copies, self.losses = copies, losses

    def commands(self, side: Side) -> list[str]:
        done, usage = side.done, side.usage
        may = []
        if side.name == "a":
            if not done["invite"]:
                return ["invite"]
            if not done["cancel"] and not done["InviteAnswered"] and not done["InviteFailed"]:
                may.append("cancel")
        elif side.received is not None and side.received.state is ServerInviteState.PROCEEDING:
            if not done["ring"]:
                may.append("ring")
            may += ["answer", "refuse"]
        if usage is not None and usage.state in _MAY_LEAVE and not done["hang up"]:
            may.append("hang up")
        return may

    def perform(self, side: Side, command: str) -> None:
        layer = side.layer
        match command:
            case "invite":
                fields = [("From", "<sip:a@192.0.2.1>"), ("Content-Type", SDP_TYPE)]
                side.invite = layer.invite(Request("INVITE", "sip:b@192.0.2.2", OFFER, fields))
            case "cancel":
                assert side.invite is not None
                layer.cancel(side.invite, 0.0)
            case "ring":
                assert side.received is not None
                layer.respond(side.received, 180, 0.0)
            case "answer":
                assert side.received is not None
                layer.respond(side.received, 200, 0.0, body=ANSWER, content_type=SDP_TYPE)
            case "refuse":
                assert side.received is not None
                layer.respond(side.received, 486, 0.0)
            case "hang up":
                assert side.usage is not None
                layer.bye(side.usage, 0.0)

    def facts(self, side: Side) -> Facts:
        usage = side.usage
        return Facts(
            None if usage is None else usage.state,
            tuple(sorted(side.done.items())),
            side.has_given_up,
            usage is None or usage.session.is_settled,
        )

    def check(self, a: Any, b: Any, is_quiet: bool) -> str | None:
        for side in (a, b):
            for once in _ONCE:
                if side.count(once) > 1:
                    return f"{once} was told twice"
        if a.count("InviteAnswered") and a.count("InviteFailed"):
            return "the caller was told both that it was answered and that it failed"
        if b.state is UsageState.CONFIRMED and not a.count("ACK sent"):
            return "the callee is confirmed, and the caller has sent no ACK"
        if b.count("AckReceived") and not b.count("answer"):
            return "an ACK was told of without an answer"
        if a.count("InviteAnswered") and not b.count("answer"):
            return "the caller was answered, and the callee did not answer"
        is_one_sided = {a.state, b.state} == {UsageState.CONFIRMED, UsageState.ENDED}
        if is_quiet and is_one_sided and not (a.has_given_up or b.has_given_up):
            return "one side has ended the call, and the other will never hear"
        if a.state is b.state is UsageState.CONFIRMED and not (a.is_settled and b.is_settled):
            return "both are confirmed, and an offer waits"
        return None
