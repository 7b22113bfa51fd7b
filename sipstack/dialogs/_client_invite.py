"""The client side of one initial INVITE with all legs that grow from it (:rfc:`3261#section-13.2`).

A proxy may fork an INVITE, and each user agent that answers makes a leg: a usage with a dialog of its own. The INVITE
owns the legs, by the remote tag that tells them apart.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from sipstack.message import Request

from ._outgoing import Outgoing

if TYPE_CHECKING:
    from ._invite_usage import InviteUsage

__all__ = [
    "ABSORBED",
    "COMMANDS",
    "TRANSITIONS",
    "ClientInvite",
    "ClientInviteAction",
    "ClientInviteInput",
    "ClientInviteState",
]


class ClientInviteState(enum.Enum):
    """Name the states of an INVITE we send."""

    ROUTING = "routing"
    "Waits for the driver to say by which flow it goes."
    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    ACCEPTED = "accepted"
    "At least one 2xx came; further legs may still answer."
    WITHDRAWN = "withdrawn"
    "A 2xx came after we had cancelled; each leg is acknowledged and ended."
    FAILED = "failed"
    "This attempt came to nothing; another may follow."
    ENDED = "ended"

    __hash__ = object.__hash__  # members are singletons: the default hashes their name every time


class ClientInviteInput(enum.Enum):
    """Name what an INVITE we send reacts to."""

    RESEND = "resend"
    CANCEL = "cancel"
    ROUTED = "routed"
    UNROUTABLE = "unroutable"
    NEXT_TARGET = "next target"
    "The target in use did not serve it, and there is another (:rfc:`3263#section-4.3`)."
    PROVISIONAL = "provisional"
    SUCCESS = "success"
    FAILURE = "failure"
    EXPIRED = "expired"
    TRANSACTION_FAILED = "transaction failed"
    TRANSACTION_ENDED = "transaction ended"

    __hash__ = object.__hash__


class ClientInviteAction(enum.Enum):
    """Name what an INVITE we send makes happen."""

    ROUTE = "route"
    SEND = "send"
    SEND_CANCEL = "send cancel"
    TELL_PROGRESS = "tell progress"
    TAKE_ANSWER = "take answer"
    REFUSE_ANSWER = "refuse answer"
    TELL_FAILED = "tell failed"
    END_EARLY_LEGS = "end early legs"
    TELL_OVER = "tell over"

    __hash__ = object.__hash__


_S, _I, _A = ClientInviteState, ClientInviteInput, ClientInviteAction

TRANSITIONS: dict[
    tuple[ClientInviteState, ClientInviteInput], tuple[tuple[ClientInviteAction, ...], ClientInviteState]
] = {
    (_S.ROUTING, _I.ROUTED): ((_A.SEND,), _S.CALLING),
    (_S.ROUTING, _I.UNROUTABLE): ((_A.TELL_FAILED,), _S.FAILED),
    (_S.ROUTING, _I.CANCEL): ((_A.TELL_FAILED,), _S.FAILED),
    (_S.CALLING, _I.CANCEL): ((_A.SEND_CANCEL,), _S.CANCELLING),
    (_S.CALLING, _I.EXPIRED): ((_A.SEND_CANCEL,), _S.CANCELLING),
    (_S.CALLING, _I.PROVISIONAL): ((_A.TELL_PROGRESS,), _S.PROCEEDING),
    (_S.CALLING, _I.SUCCESS): ((_A.TAKE_ANSWER,), _S.ACCEPTED),
    (_S.CALLING, _I.FAILURE): ((_A.END_EARLY_LEGS, _A.TELL_FAILED), _S.FAILED),
    (_S.CALLING, _I.NEXT_TARGET): ((_A.ROUTE,), _S.ROUTING),
    (_S.CALLING, _I.TRANSACTION_FAILED): ((_A.END_EARLY_LEGS, _A.TELL_FAILED), _S.FAILED),
    (_S.PROCEEDING, _I.CANCEL): ((_A.SEND_CANCEL,), _S.CANCELLING),
    (_S.PROCEEDING, _I.EXPIRED): ((_A.SEND_CANCEL,), _S.CANCELLING),
    (_S.PROCEEDING, _I.PROVISIONAL): ((_A.TELL_PROGRESS,), _S.PROCEEDING),
    (_S.PROCEEDING, _I.SUCCESS): ((_A.TAKE_ANSWER,), _S.ACCEPTED),
    (_S.PROCEEDING, _I.FAILURE): ((_A.END_EARLY_LEGS, _A.TELL_FAILED), _S.FAILED),
    (_S.PROCEEDING, _I.NEXT_TARGET): ((_A.END_EARLY_LEGS, _A.ROUTE), _S.ROUTING),
    (_S.PROCEEDING, _I.TRANSACTION_FAILED): ((_A.END_EARLY_LEGS, _A.TELL_FAILED), _S.FAILED),
    (_S.CANCELLING, _I.PROVISIONAL): ((_A.TELL_PROGRESS,), _S.CANCELLING),
    (_S.CANCELLING, _I.SUCCESS): ((_A.REFUSE_ANSWER, _A.TELL_FAILED), _S.WITHDRAWN),
    (_S.CANCELLING, _I.FAILURE): ((_A.END_EARLY_LEGS, _A.TELL_FAILED), _S.FAILED),
    (_S.CANCELLING, _I.TRANSACTION_FAILED): ((_A.END_EARLY_LEGS, _A.TELL_FAILED), _S.FAILED),
    (_S.ACCEPTED, _I.SUCCESS): ((_A.TAKE_ANSWER,), _S.ACCEPTED),
    (_S.ACCEPTED, _I.TRANSACTION_ENDED): ((_A.END_EARLY_LEGS, _A.TELL_OVER), _S.ENDED),
    (_S.WITHDRAWN, _I.SUCCESS): ((_A.REFUSE_ANSWER,), _S.WITHDRAWN),
    (_S.WITHDRAWN, _I.TRANSACTION_ENDED): ((_A.END_EARLY_LEGS, _A.TELL_OVER), _S.ENDED),
    (_S.FAILED, _I.RESEND): ((_A.ROUTE,), _S.ROUTING),
}
"The machine: what to do and where to go for each input that means something in a state."

COMMANDS = frozenset([_I.RESEND])
"Inputs that only our own user gives; where there is no transition for one, the user is told that it was wrong."

ABSORBED = frozenset(
    (state, event)
    for state, events in {
        # The transaction of an earlier attempt is no longer ours, and this one has none.
        _S.ROUTING: (
            _I.PROVISIONAL,
            _I.SUCCESS,
            _I.FAILURE,
            _I.EXPIRED,
            _I.NEXT_TARGET,
            _I.TRANSACTION_FAILED,
            _I.TRANSACTION_ENDED,
        ),
        _S.CALLING: (_I.ROUTED, _I.UNROUTABLE, _I.TRANSACTION_ENDED),
        _S.PROCEEDING: (_I.ROUTED, _I.UNROUTABLE, _I.TRANSACTION_ENDED),
        # Cancelling twice is cancelling; so is cancelling what its Expires has cancelled. What is cancelled looks for
        # no other target.
        _S.CANCELLING: (_I.CANCEL, _I.EXPIRED, _I.ROUTED, _I.UNROUTABLE, _I.NEXT_TARGET, _I.TRANSACTION_ENDED),
        # The user's CANCEL and the 2xx may cross within our own queues: it has no effect then (9.1).
        _S.ACCEPTED: (
            _I.CANCEL,
            _I.ROUTED,
            _I.UNROUTABLE,
            _I.NEXT_TARGET,
            _I.PROVISIONAL,
            _I.FAILURE,
            _I.EXPIRED,
            _I.TRANSACTION_FAILED,
        ),
        _S.WITHDRAWN: (
            _I.CANCEL,
            _I.ROUTED,
            _I.UNROUTABLE,
            _I.NEXT_TARGET,
            _I.PROVISIONAL,
            _I.FAILURE,
            _I.EXPIRED,
            _I.TRANSACTION_FAILED,
        ),
        # A driver may answer Route after the user gave up; final responses after the first are ignored (13.2.2.3).
        _S.FAILED: tuple(set(_I) - COMMANDS),
        _S.ENDED: tuple(set(_I) - COMMANDS),
    }.items()
    for event in events
)
"Pairs that peers, the network, the driver or a late timer may bring about and that mean nothing."


@attrs.define(eq=False)
class ClientInvite:
    """Hold one INVITE we send, through all attempts, and its legs by remote tag.

    :ivar outgoing: the current attempt.
    """

    outgoing: Outgoing
    state: ClientInviteState = ClientInviteState.ROUTING
    legs: dict[str, InviteUsage] = attrs.field(factory=dict)
    is_cancelled: bool = False
    is_told: bool = False
    "Whether the user was told how this attempt ended."
    pracks_by_hand: bool = False
    "Whether the user acknowledges reliable provisional responses, not the layer."

    @property
    def request(self) -> Request:
        """The INVITE of the current attempt."""
        return self.outgoing.request
