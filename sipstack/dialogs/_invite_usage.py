"""The INVITE usage of a dialog: one leg of a call (:rfc:`3261#section-13` to 15, :rfc:`5057#section-3`)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal

import attrs

from sipstack.message import RAck, Request

from ._dialog import Dialog
from ._offer_answer import OfferAnswer

if TYPE_CHECKING:
    from sipstack.transactions import Flow, ServerTransaction

    from ._client_invite import ClientInvite
    from ._outgoing import Outgoing
    from ._reliable import ReliableResponse
    from ._server_invite import ServerInvite
    from ._session_timer import SessionTimer

__all__ = [
    "ABSORBED",
    "COMMANDS",
    "TRANSITIONS",
    "Acknowledgement",
    "EndCause",
    "InviteUsage",
    "UsageAction",
    "UsageInput",
    "UsageState",
]

EndCause = Literal["local", "remote", "timeout", "transport", "unacknowledged", "rejected", "expired"]
"""Why a usage ended: our BYE, the peer's, no response, no way there, no ACK or PRACK, a response that ends it, or its
session timer."""


class UsageState(enum.Enum):
    """Name the states of a leg."""

    EARLY = "early"
    UNACKNOWLEDGED = "unacknowledged"
    "We answered with 2xx and wait for the ACK."
    CONFIRMED = "confirmed"
    LEAVING = "leaving"
    "A BYE waits for the ACK without which it must not be sent (section 15)."
    ENDING = "ending"
    "Our BYE was sent."
    ENDED = "ended"

    __hash__ = object.__hash__  # members are singletons: the default hashes their name every time


class UsageInput(enum.Enum):
    """Name what a leg reacts to."""

    LEAVE = "leave"
    ACCEPT = "accept"
    ANSWER = "answer"
    ACK = "ack"
    REFUSE = "refuse"
    BYE = "bye"
    BYE_DONE = "bye done"
    NOT_ACKNOWLEDGED = "not acknowledged"
    GONE = "gone"
    "A 481 to a request within the dialog."
    NO_WAY = "no way"
    "There is no way to the peer for the ACK."
    UNREACHABLE = "unreachable"
    "A 408, or no response at all, to a request within the dialog."

    __hash__ = object.__hash__


class UsageAction(enum.Enum):
    """Name what a leg makes happen."""

    CONFIRM = "confirm"
    SEND_BYE = "send bye"
    TELL_ENDED = "tell ended"
    FORGET = "forget"

    __hash__ = object.__hash__


_S, _I, _A = UsageState, UsageInput, UsageAction

TRANSITIONS: dict[tuple[UsageState, UsageInput], tuple[tuple[UsageAction, ...], UsageState]] = {
    (_S.EARLY, _I.ACCEPT): ((_A.CONFIRM,), _S.UNACKNOWLEDGED),
    (_S.EARLY, _I.ANSWER): ((_A.CONFIRM,), _S.CONFIRMED),
    (_S.EARLY, _I.REFUSE): ((_A.FORGET, _A.TELL_ENDED), _S.ENDED),
    (_S.EARLY, _I.BYE): ((_A.FORGET, _A.TELL_ENDED), _S.ENDED),
    (_S.EARLY, _I.LEAVE): ((_A.SEND_BYE,), _S.ENDING),
    (_S.UNACKNOWLEDGED, _I.ACK): ((), _S.CONFIRMED),
    (_S.UNACKNOWLEDGED, _I.LEAVE): ((), _S.LEAVING),
    (_S.UNACKNOWLEDGED, _I.BYE): ((_A.FORGET, _A.TELL_ENDED), _S.ENDED),
    (_S.UNACKNOWLEDGED, _I.NOT_ACKNOWLEDGED): ((_A.TELL_ENDED, _A.SEND_BYE), _S.ENDING),
    (_S.UNACKNOWLEDGED, _I.UNREACHABLE): ((_A.TELL_ENDED,), _S.LEAVING),
    (_S.CONFIRMED, _I.LEAVE): ((_A.SEND_BYE,), _S.ENDING),
    (_S.CONFIRMED, _I.BYE): ((_A.FORGET, _A.TELL_ENDED), _S.ENDED),
    (_S.CONFIRMED, _I.NOT_ACKNOWLEDGED): ((_A.TELL_ENDED, _A.SEND_BYE), _S.ENDING),
    # A request that overtook our 2xx finds no dialog there though there is going to be one: the BYE ends it.
    (_S.CONFIRMED, _I.GONE): ((_A.TELL_ENDED, _A.SEND_BYE), _S.ENDING),
    (_S.CONFIRMED, _I.NO_WAY): ((_A.FORGET, _A.TELL_ENDED), _S.ENDED),
    (_S.CONFIRMED, _I.UNREACHABLE): ((_A.TELL_ENDED, _A.SEND_BYE), _S.ENDING),
    (_S.LEAVING, _I.ACK): ((_A.SEND_BYE,), _S.ENDING),
    (_S.LEAVING, _I.NOT_ACKNOWLEDGED): ((_A.SEND_BYE,), _S.ENDING),
    (_S.LEAVING, _I.BYE): ((_A.FORGET, _A.TELL_ENDED), _S.ENDED),
    (_S.ENDING, _I.BYE_DONE): ((_A.FORGET, _A.TELL_ENDED), _S.ENDED),
}
"The machine: what to do and where to go for each input that means something in a state."

COMMANDS = frozenset([_I.LEAVE, _I.ACCEPT])
"Inputs that only our own user gives; where there is no transition for one, the user is told that it was wrong."

ABSORBED = frozenset(
    (state, event)
    for state, events in {
        # What happens to other requests of an early dialog is not what decides about it: its INVITE is.
        _S.EARLY: (_I.ACK, _I.BYE_DONE, _I.NOT_ACKNOWLEDGED, _I.GONE, _I.NO_WAY, _I.UNREACHABLE),
        # A request of ours may overtake the 2xx that makes the dialog: whether there is one, the ACK tells.
        _S.UNACKNOWLEDGED: (_I.ANSWER, _I.REFUSE, _I.BYE_DONE, _I.GONE, _I.NO_WAY),
        _S.CONFIRMED: (_I.ANSWER, _I.ACK, _I.REFUSE, _I.BYE_DONE),
        _S.LEAVING: (_I.ANSWER, _I.REFUSE, _I.BYE_DONE, _I.GONE, _I.NO_WAY, _I.UNREACHABLE),
        # A BYE that crosses ours is answered 200 and changes nothing; a 2xx that crosses it is acknowledged.
        _S.ENDING: (_I.ANSWER, _I.ACK, _I.REFUSE, _I.BYE, _I.NOT_ACKNOWLEDGED, _I.GONE, _I.NO_WAY, _I.UNREACHABLE),
        _S.ENDED: tuple(set(_I) - COMMANDS),
    }.items()
    for event in events
)
"Pairs that peers, the network or a late timer may bring about and that mean nothing."


@attrs.define(eq=False)
class Acknowledgement:
    """Hold the ACK to a 2xx, to be sent again with every copy of the 2xx (:rfc:`3261#section-13.2.2.4`)."""

    outgoing: Outgoing
    data: bytes = b""
    "Empty until the driver has said by which flow the ACK goes."
    flow: Flow | None = None


@attrs.define(eq=False)
class InviteUsage:
    """Hold one leg: its dialog, and the INVITEs under way in it.

    :ivar is_caller: whether we sent the INVITE that made the leg.
    :ivar flow: the flow by which the peer was last reached or heard.
    :ivar local_contact: our Contact in this dialog, as text.
    :ivar reinvite: our re-INVITE that has no final response yet.
    :ivar server_invite: the peer's INVITE that we have not answered yet.
    :ivar unanswered: the peer's other requests that wait for our answer, in order.
    :ivar unacknowledged: INVITEs we answered with 2xx, by CSeq number, until the ACK comes.
    :ivar acknowledgements: our ACKs by the CSeq number they share with their INVITE, while its transaction lives.
    :ivar to_acknowledge: our INVITE whose 2xx carries an offer, until the user acknowledges it with the answer.
    :ivar required: option tags that our first INVITE required, and so do our session refreshes; ``proxy_required`` too.
    :ivar session: what was offered and agreed.
    :ivar negotiated: CSeq number of our INVITE in whose transaction an offer has gone either way.
    :ivar rseq: CSeq number of our INVITE, and RSeq of its last reliable provisional response in order.
    :ivar pracks_by_hand: whether the user acknowledges every reliable provisional response, not the layer.
    :ivar to_prack: what reliable provisional responses the user has still to acknowledge, in order.
    :ivar reliables: our own reliable provisional responses by CSeq number and RSeq, while PRACKs may come.
    :ivar update: our UPDATE that has no final response yet.
    :ivar server_update: the peer's UPDATE that our user has not answered yet.
    :ivar deferred: our request that waits to be sent again after glare.
    :ivar timer: the session timer, once there was talk of one.
    :ivar owner: whatever the driver wants to find again.
    """

    dialog: Dialog
    is_caller: bool
    flow: Flow
    state: UsageState = UsageState.EARLY
    local_contact: str | None = None
    reinvite: Outgoing | None = None
    server_invite: ServerInvite | None = None
    unanswered: dict[ServerTransaction, None] = attrs.field(factory=dict)
    unacknowledged: dict[int, ServerInvite] = attrs.field(factory=dict)
    acknowledgements: dict[int, Acknowledgement] = attrs.field(factory=dict)
    to_acknowledge: Request | None = None
    bye: Outgoing | None = None
    bye_headers: tuple[tuple[str, str], ...] = ()
    is_told: bool = False
    "Whether the user was told that it ended."
    required: tuple[str, ...] = ()
    proxy_required: tuple[str, ...] = ()
    session: OfferAnswer = attrs.field(factory=OfferAnswer)
    negotiated: int | None = None
    rseq: tuple[int, int] | None = None
    to_prack: list[RAck] | None = None
    pracks_by_hand: bool = False
    reliables: dict[tuple[int, int], ReliableResponse] | None = None
    update: Outgoing | None = None
    server_update: ServerTransaction | None = None
    deferred: Outgoing | None = None
    timer: SessionTimer | None = None
    owner: object = None
