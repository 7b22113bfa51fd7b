"""The session timer of one dialog: who refreshes the session and when it is over (:rfc:`4028`)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal

import attrs

from sipstack.message import LocalProtocolError

if TYPE_CHECKING:
    from ._invite_usage import InviteUsage

__all__ = [
    "ABSORBED",
    "LEAST_INTERVAL",
    "TRANSITIONS",
    "Refresher",
    "SessionTimer",
    "SessionTimerAction",
    "SessionTimerInput",
    "SessionTimerPolicy",
    "SessionTimerState",
]

LEAST_INTERVAL = 90
"Seconds: no session interval is shorter (:rfc:`4028#section-4`)."

_LONGEST_MARGIN = 32.0  # seconds before the end of the interval at which a UA hangs up, at most (RFC 4028, section 10)

Refresher = Literal["uac", "uas"]
"Who refreshes: the sender or the receiver of the request that the 2xx answers."


def _check_least(_: object, attribute: attrs.Attribute[int], value: int | None) -> None:
    if value is not None and value < LEAST_INTERVAL:
        raise LocalProtocolError(f"{attribute.name} is {value}: no session timer runs below {LEAST_INTERVAL} seconds")


@attrs.frozen(kw_only=True)
class SessionTimerPolicy:
    """Say what a user agent wants of session timers; it keeps those that peers ask for in any case.

    :param interval: the session interval in seconds that it asks for; None: it asks for none.
    :param least: the shortest interval it takes; a shorter one is answered 422.
    :param refresher: who is to refresh where the peer leaves the choice to us.
    """

    interval: int | None = attrs.field(default=None, validator=_check_least)
    least: int = attrs.field(default=LEAST_INTERVAL, validator=_check_least)
    refresher: Refresher = "uac"


class SessionTimerState(enum.Enum):
    """Name the states of a session timer."""

    OFF = "off"
    REFRESHING = "refreshing"
    "We refresh."
    WATCHING = "watching"
    "The peer refreshes."

    __hash__ = object.__hash__  # members are singletons: the default hashes their name every time


class SessionTimerInput(enum.Enum):
    """Name what a session timer reacts to."""

    AGREE_LOCAL = "agreed: we refresh"
    AGREE_REMOTE = "agreed: the peer refreshes"
    AGREE_NONE = "agreed: nobody refreshes"
    REFRESH_DUE = "refresh due"
    EXPIRY_DUE = "expiry due"
    END = "end"
    "The dialog is ending."

    __hash__ = object.__hash__


class SessionTimerAction(enum.Enum):
    """Name what a session timer makes happen."""

    STOP_TIMERS = "stop timers"
    START_REFRESH = "start refresh"
    START_EXPIRY = "start expiry"
    SEND_REFRESH = "send refresh"
    HANG_UP = "hang up"

    __hash__ = object.__hash__


_S, _I, _A = SessionTimerState, SessionTimerInput, SessionTimerAction

TRANSITIONS: dict[
    tuple[SessionTimerState, SessionTimerInput], tuple[tuple[SessionTimerAction, ...], SessionTimerState]
] = {
    (_S.OFF, _I.AGREE_LOCAL): ((_A.START_REFRESH, _A.START_EXPIRY), _S.REFRESHING),
    (_S.OFF, _I.AGREE_REMOTE): ((_A.START_EXPIRY,), _S.WATCHING),
    (_S.REFRESHING, _I.AGREE_LOCAL): ((_A.STOP_TIMERS, _A.START_REFRESH, _A.START_EXPIRY), _S.REFRESHING),
    (_S.REFRESHING, _I.AGREE_REMOTE): ((_A.STOP_TIMERS, _A.START_EXPIRY), _S.WATCHING),
    (_S.REFRESHING, _I.AGREE_NONE): ((_A.STOP_TIMERS,), _S.OFF),
    (_S.REFRESHING, _I.REFRESH_DUE): ((_A.SEND_REFRESH,), _S.REFRESHING),
    (_S.REFRESHING, _I.EXPIRY_DUE): ((_A.STOP_TIMERS, _A.HANG_UP), _S.OFF),
    (_S.REFRESHING, _I.END): ((_A.STOP_TIMERS,), _S.OFF),
    (_S.WATCHING, _I.AGREE_LOCAL): ((_A.STOP_TIMERS, _A.START_REFRESH, _A.START_EXPIRY), _S.REFRESHING),
    (_S.WATCHING, _I.AGREE_REMOTE): ((_A.STOP_TIMERS, _A.START_EXPIRY), _S.WATCHING),
    (_S.WATCHING, _I.AGREE_NONE): ((_A.STOP_TIMERS,), _S.OFF),
    (_S.WATCHING, _I.EXPIRY_DUE): ((_A.STOP_TIMERS, _A.HANG_UP), _S.OFF),
    (_S.WATCHING, _I.END): ((_A.STOP_TIMERS,), _S.OFF),
}
"The machine: what to do and where to go for each input that means something in a state."

ABSORBED = frozenset(
    {
        # Most calls have no session timer, and end.
        (_S.OFF, _I.AGREE_NONE),
        (_S.OFF, _I.END),
        # Timers that were stopped on the way into a state.
        (_S.OFF, _I.REFRESH_DUE),
        (_S.OFF, _I.EXPIRY_DUE),
        (_S.WATCHING, _I.REFRESH_DUE),
    }
)
"Pairs that peers or a late timer may bring about and that mean nothing."


@attrs.define(eq=False)
class SessionTimer:
    """Hold the session timer of one dialog.

    :ivar interval: the session interval in seconds, as last agreed.
    :ivar least: the largest Min-SE heard of in this dialog; it goes with every refresh once there was one.
    :ivar uses_update: whether the peer takes UPDATE, by which it is better refreshed (:rfc:`4028#section-7.4`).
    """

    usage: InviteUsage
    state: SessionTimerState = SessionTimerState.OFF
    interval: int = 0
    least: int = 0
    uses_update: bool = False

    @property
    def refresh_after(self) -> float:
        """Seconds from an agreement to the refresh: half the interval (:rfc:`4028#section-7.2`)."""
        return self.interval / 2

    @property
    def expires_after(self) -> float:
        """Seconds from an agreement until we hang up, slightly before the interval ends (:rfc:`4028#section-10`)."""
        return self.interval - min(_LONGEST_MARGIN, self.interval / 3)
