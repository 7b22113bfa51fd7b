"""The server side of one INVITE, initial or within a dialog (:rfc:`3261#section-13.3`, :rfc:`3261#section-14.2`)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from sipstack.message import Request, Response

from ._reliable import ReliableResponse, ReliableState

if TYPE_CHECKING:
    from sipstack.transactions import ServerTransaction

    from ._invite_usage import InviteUsage
    from ._offer_answer import Carrier

__all__ = [
    "ABSORBED",
    "COMMANDS",
    "TRANSITIONS",
    "ServerInvite",
    "ServerInviteAction",
    "ServerInviteInput",
    "ServerInviteState",
]


class ServerInviteState(enum.Enum):
    """Name the states of a received INVITE."""

    PROCEEDING = "proceeding"
    HELD = "held"
    "Our 2xx waits for the PRACK without which it must not go out (:rfc:`3262#section-5`)."
    ACCEPTED = "accepted"
    "A 2xx was sent and its ACK has not come."
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    OUTLIVED = "outlived"
    "The dialog has ended before the ACK came: the 2xx is sent all the same, or the caller's INVITE would never end."
    ABANDONED = "abandoned"
    "The 2xx was never acknowledged."

    __hash__ = object.__hash__  # members are singletons: the default hashes their name every time


class ServerInviteInput(enum.Enum):
    """Name what a received INVITE reacts to."""

    PROVISIONAL = "provisional"
    HOLD = "hold"
    "A 2xx that must wait for a PRACK."
    RELEASE = "release"
    "Nothing keeps the 2xx back any longer."
    SUCCESS = "success"
    FAILURE = "failure"
    ACK = "ack"
    CANCEL = "cancel"
    USAGE_ENDED = "usage ended"
    RETRANSMIT_DUE = "retransmit due"
    REFRESH_DUE = "refresh due"
    EXPIRED = "expired"
    GIVE_UP_DUE = "give up due"
    TRANSPORT_ERROR = "transport error"

    __hash__ = object.__hash__


class ServerInviteAction(enum.Enum):
    """Name what a received INVITE makes happen."""

    SEND = "send"
    RESEND = "resend"
    SEND_487 = "send 487"
    ACCEPT = "accept"
    REFUSE = "refuse"
    START_REFRESH = "start refresh"
    START_RETRANSMIT = "start retransmit"
    RESTART_RETRANSMIT = "restart retransmit"
    START_GIVE_UP = "start give up"
    STOP_TIMERS = "stop timers"
    TELL_ACK = "tell ack"
    TELL_CANCELLED = "tell cancelled"
    TELL_UNACKNOWLEDGED = "tell unacknowledged"
    FORGET = "forget"

    __hash__ = object.__hash__


_UNACKNOWLEDGED = frozenset([ReliableState.WAITING, ReliableState.SENT])

_S, _I, _A = ServerInviteState, ServerInviteInput, ServerInviteAction

_ACCEPT = (_A.STOP_TIMERS, _A.SEND, _A.START_RETRANSMIT, _A.START_GIVE_UP, _A.ACCEPT)

TRANSITIONS: dict[
    tuple[ServerInviteState, ServerInviteInput], tuple[tuple[ServerInviteAction, ...], ServerInviteState]
] = {
    (_S.PROCEEDING, _I.PROVISIONAL): ((_A.SEND, _A.START_REFRESH), _S.PROCEEDING),
    (_S.PROCEEDING, _I.REFRESH_DUE): ((_A.RESEND, _A.START_REFRESH), _S.PROCEEDING),
    (_S.PROCEEDING, _I.SUCCESS): (_ACCEPT, _S.ACCEPTED),
    (_S.PROCEEDING, _I.HOLD): ((), _S.HELD),
    (_S.PROCEEDING, _I.FAILURE): ((_A.STOP_TIMERS, _A.SEND, _A.REFUSE), _S.REFUSED),
    (_S.PROCEEDING, _I.CANCEL): ((_A.STOP_TIMERS, _A.SEND_487, _A.TELL_CANCELLED), _S.REFUSED),
    (_S.PROCEEDING, _I.EXPIRED): ((_A.STOP_TIMERS, _A.SEND_487, _A.TELL_CANCELLED), _S.REFUSED),
    (_S.PROCEEDING, _I.USAGE_ENDED): ((_A.STOP_TIMERS, _A.SEND_487, _A.TELL_CANCELLED), _S.REFUSED),
    (_S.HELD, _I.RELEASE): (_ACCEPT, _S.ACCEPTED),
    (_S.HELD, _I.FAILURE): ((_A.STOP_TIMERS, _A.SEND, _A.REFUSE), _S.REFUSED),
    (_S.HELD, _I.CANCEL): ((_A.STOP_TIMERS, _A.SEND_487, _A.TELL_CANCELLED), _S.REFUSED),
    (_S.HELD, _I.EXPIRED): ((_A.STOP_TIMERS, _A.SEND_487, _A.TELL_CANCELLED), _S.REFUSED),
    (_S.HELD, _I.USAGE_ENDED): ((_A.STOP_TIMERS, _A.SEND_487, _A.TELL_CANCELLED), _S.REFUSED),
    (_S.ACCEPTED, _I.RETRANSMIT_DUE): ((_A.RESEND, _A.RESTART_RETRANSMIT), _S.ACCEPTED),
    (_S.ACCEPTED, _I.ACK): ((_A.STOP_TIMERS, _A.TELL_ACK), _S.CONFIRMED),
    (_S.ACCEPTED, _I.GIVE_UP_DUE): ((_A.STOP_TIMERS, _A.TELL_UNACKNOWLEDGED), _S.ABANDONED),
    (_S.ACCEPTED, _I.USAGE_ENDED): ((), _S.OUTLIVED),
    (_S.OUTLIVED, _I.RETRANSMIT_DUE): ((_A.RESEND, _A.RESTART_RETRANSMIT), _S.OUTLIVED),
    (_S.OUTLIVED, _I.ACK): ((_A.STOP_TIMERS, _A.FORGET), _S.CONFIRMED),
    (_S.OUTLIVED, _I.GIVE_UP_DUE): ((_A.STOP_TIMERS, _A.FORGET), _S.ABANDONED),
}
"The machine: what to do and where to go for each input that means something in a state."

COMMANDS = frozenset([_I.PROVISIONAL, _I.SUCCESS, _I.HOLD, _I.FAILURE])
"Inputs that only our own user gives; where there is no transition for one, the user is told that it was wrong."

ABSORBED = frozenset(
    (state, event)
    for state, events in {
        # No timer of a 2xx runs yet, and an ACK cannot have come before the response it acknowledges.
        _S.PROCEEDING: (_I.ACK, _I.RELEASE, _I.RETRANSMIT_DUE, _I.GIVE_UP_DUE, _I.TRANSPORT_ERROR),
        # The reliable provisional that is waited for keeps the transaction alive; it need not be refreshed.
        _S.HELD: (_I.ACK, _I.RETRANSMIT_DUE, _I.GIVE_UP_DUE, _I.REFRESH_DUE, _I.TRANSPORT_ERROR),
        # A CANCEL that crossed the 2xx has no effect (9.2); a lost 2xx is sent again anyhow (RFC 6026 section 7.1).
        _S.ACCEPTED: (_I.CANCEL, _I.RELEASE, _I.REFRESH_DUE, _I.EXPIRED, _I.TRANSPORT_ERROR),
        _S.OUTLIVED: (
            _I.CANCEL,
            _I.RELEASE,
            _I.USAGE_ENDED,
            _I.REFRESH_DUE,
            _I.EXPIRED,
            _I.TRANSPORT_ERROR,
        ),
        _S.CONFIRMED: tuple(set(_I) - COMMANDS),
        _S.REFUSED: tuple(set(_I) - COMMANDS),
        _S.ABANDONED: tuple(set(_I) - COMMANDS),
    }.items()
    for event in events
)
"Pairs that peers, the network or a late timer may bring about and that mean nothing."


@attrs.define(eq=False)
class ServerInvite:
    """Hold one received INVITE: its usage, its last response, how often that was sent.

    :ivar usage: the leg that answering it makes, or for a re-INVITE the usage it came in.
    :ivar is_negotiated: whether an offer has gone either way in its transaction.
    :ivar reliables: its provisional responses that are sent reliably, in order.
    """

    transaction: ServerTransaction
    usage: InviteUsage
    is_reinvite: bool = False
    state: ServerInviteState = ServerInviteState.PROCEEDING
    response: Response | None = None
    "The last response that was sent, 100 excepted."
    interval: float = 0.0
    "Seconds until the 2xx is sent again."
    is_negotiated: bool = False
    reliables: list[ReliableResponse] = attrs.field(factory=list)
    carrier: Carrier = attrs.field(init=False)
    "What an offer in its transaction is known by."

    @carrier.default
    def _(self) -> Carrier:
        return ("INVITE", self.transaction.request.cseq.sequence, False)

    @property
    def request(self) -> Request:
        """The INVITE itself."""
        return self.transaction.request

    @property
    def takes_reliable(self) -> bool:
        """Whether its provisional responses may be sent reliably (:rfc:`3262#section-3`)."""
        headers = self.request.headers
        return "Supported" in headers and "100rel" in self.request.supported or self.requires_reliable

    @property
    def requires_reliable(self) -> bool:
        """Whether its provisional responses must be sent reliably."""
        return "Require" in self.request.headers and "100rel" in self.request.require

    @property
    def is_held_back(self) -> bool:
        """Whether a PRACK must come before a 2xx may go out (:rfc:`3262#section-5`)."""
        return bool(self.reliables) and any(one.has_session and one.state in _UNACKNOWLEDGED for one in self.reliables)

    @property
    def wants_secure_contact(self) -> bool:
        """Whether our Contact must be a SIPS URI (:rfc:`3261#section-12.1.1`)."""
        dialog = self.usage.dialog
        way = dialog.route_set[0].uri if dialog.route_set else dialog.remote_target
        return self.request.uri.is_secure or way.is_secure
