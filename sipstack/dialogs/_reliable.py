"""Provisional responses sent reliably: repeated until their PRACK comes (:rfc:`3262#section-3`)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from sipstack.message import Response

if TYPE_CHECKING:
    from ._server_invite import ServerInvite

__all__ = [
    "ABSORBED",
    "COMMANDS",
    "TRANSITIONS",
    "ReliableAction",
    "ReliableInput",
    "ReliableResponse",
    "ReliableState",
]


class ReliableState(enum.Enum):
    """Name the states of a provisional response that is sent reliably."""

    WAITING = "waiting"
    "The first one has not been acknowledged yet, and no second may go out before (:rfc:`3262#section-3`)."
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    SUPERSEDED = "superseded"
    "A final response went out first; a PRACK is still answered."
    ABANDONED = "abandoned"

    __hash__ = object.__hash__  # members are singletons: the default hashes their name every time


class ReliableInput(enum.Enum):
    """Name what a provisional response that is sent reliably reacts to."""

    SEND = "send"
    PRACK = "prack"
    RETRANSMIT_DUE = "retransmit due"
    GIVE_UP_DUE = "give up due"
    FINAL = "final"
    "A final response to the INVITE went out, or its dialog has ended."

    __hash__ = object.__hash__


class ReliableAction(enum.Enum):
    """Name what a provisional response that is sent reliably makes happen."""

    SEND = "send"
    START_TIMERS = "start timers"
    RESTART_RETRANSMIT = "restart retransmit"
    STOP_TIMERS = "stop timers"
    GIVE_UP = "give up"

    __hash__ = object.__hash__


_S, _I, _A = ReliableState, ReliableInput, ReliableAction

TRANSITIONS: dict[tuple[ReliableState, ReliableInput], tuple[tuple[ReliableAction, ...], ReliableState]] = {
    (_S.WAITING, _I.SEND): ((_A.SEND, _A.START_TIMERS), _S.SENT),
    (_S.WAITING, _I.FINAL): ((), _S.ABANDONED),
    (_S.SENT, _I.PRACK): ((_A.STOP_TIMERS,), _S.ACKNOWLEDGED),
    (_S.SENT, _I.RETRANSMIT_DUE): ((_A.SEND, _A.RESTART_RETRANSMIT), _S.SENT),
    (_S.SENT, _I.GIVE_UP_DUE): ((_A.STOP_TIMERS, _A.GIVE_UP), _S.ABANDONED),
    (_S.SENT, _I.FINAL): ((_A.STOP_TIMERS,), _S.SUPERSEDED),
    (_S.SUPERSEDED, _I.PRACK): ((), _S.ACKNOWLEDGED),
}
"The machine: what to do and where to go for each input that means something in a state."

COMMANDS = frozenset([_I.SEND])
"Inputs that only the layer itself gives."

ABSORBED = frozenset(
    (state, event)
    for state, events in {
        # A PRACK for what was never sent matches nothing: it is answered 481 before the machine hears of it.
        _S.WAITING: (_I.PRACK, _I.RETRANSMIT_DUE, _I.GIVE_UP_DUE),
        _S.SENT: (),
        # A second PRACK for the same response matches no unacknowledged one: 481.
        _S.ACKNOWLEDGED: (_I.PRACK, _I.RETRANSMIT_DUE, _I.GIVE_UP_DUE, _I.FINAL),
        _S.SUPERSEDED: (_I.RETRANSMIT_DUE, _I.GIVE_UP_DUE, _I.FINAL),
        _S.ABANDONED: (_I.PRACK, _I.RETRANSMIT_DUE, _I.GIVE_UP_DUE, _I.FINAL),
    }.items()
    for event in events
)
"Pairs that the peer or a late timer may bring about and that mean nothing."


@attrs.define(eq=False)
class ReliableResponse:
    """Hold one provisional response that is sent reliably.

    :ivar rseq: its number among the reliable responses to its INVITE.
    :ivar has_session: whether it carries a session description, without whose PRACK no 2xx may go out.
    :ivar interval: seconds until it is sent again.
    """

    invite: ServerInvite
    response: Response
    rseq: int
    has_session: bool = False
    state: ReliableState = ReliableState.WAITING
    interval: float = 0.0
