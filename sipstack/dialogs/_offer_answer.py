"""The offer/answer machine of one dialog: who may offer when, and what was agreed (:rfc:`3264`, :rfc:`6337`).

INVITE, ACK, PRACK, UPDATE and their responses all carry the descriptions of one session, so all of them share this one
machine. It knows nothing of messages: whoever reads and sends them says what they carry. An exchange that was completed
stays agreed whatever becomes of the request it travelled with (:rfc:`6141#section-3.2`); one that was not leaves the
session as it was.
"""

from __future__ import annotations

import enum

import attrs

from sipstack.message import LocalProtocolError

__all__ = ["ABSORBED", "COMMANDS", "TRANSITIONS", "Carrier", "OfferAnswer", "OfferAnswerInput", "OfferAnswerState"]

Carrier = tuple[str, int, bool]
"""The request whose transaction began an exchange: its method, its CSeq number, and whether it is ours.

Each side counts its own requests, so that there may be one of each with the same number."""


class OfferAnswerState(enum.Enum):
    """Name the states of a session's negotiation."""

    NONE = "nothing agreed"
    OFFERING = "our first offer waits for its answer"
    OFFERED = "the peer's first offer waits for our answer"
    AGREED = "agreed"
    REOFFERING = "our new offer waits for its answer"
    REOFFERED = "the peer's new offer waits for our answer"

    __hash__ = object.__hash__  # members are singletons: the default hashes their name every time


class OfferAnswerInput(enum.Enum):
    """Name what a session's negotiation reacts to."""

    SEND_OFFER = "send offer"
    SEND_ANSWER = "send answer"
    REFUSE = "refuse"
    "We refuse the peer's offer."
    RECEIVE_OFFER = "receive offer"
    RECEIVE_ANSWER = "receive answer"
    REFUSED = "refused"
    "The peer refused our offer, or it came to nothing."

    __hash__ = object.__hash__


_S, _I = OfferAnswerState, OfferAnswerInput

TRANSITIONS: dict[tuple[OfferAnswerState, OfferAnswerInput], OfferAnswerState] = {
    (_S.NONE, _I.SEND_OFFER): _S.OFFERING,
    (_S.NONE, _I.RECEIVE_OFFER): _S.OFFERED,
    (_S.OFFERING, _I.RECEIVE_ANSWER): _S.AGREED,
    (_S.OFFERING, _I.REFUSED): _S.NONE,
    (_S.OFFERED, _I.SEND_ANSWER): _S.AGREED,
    (_S.OFFERED, _I.REFUSE): _S.NONE,
    (_S.AGREED, _I.SEND_OFFER): _S.REOFFERING,
    (_S.AGREED, _I.RECEIVE_OFFER): _S.REOFFERED,
    (_S.REOFFERING, _I.RECEIVE_ANSWER): _S.AGREED,
    (_S.REOFFERING, _I.REFUSED): _S.AGREED,
    (_S.REOFFERED, _I.SEND_ANSWER): _S.AGREED,
    (_S.REOFFERED, _I.REFUSE): _S.AGREED,
}
"The machine: where to go for each input that means something in a state."

COMMANDS = frozenset([_I.SEND_OFFER, _I.SEND_ANSWER, _I.REFUSE])
"Inputs that only our own user gives; where there is no transition for one, the user is told that it was wrong."

ABSORBED = frozenset(
    (state, event)
    for state in _S
    # Glare is refused by whoever reads the request; a description in a response that can be neither offer nor answer
    # is to be ignored (RFC 3261, 13.2.1).
    for event in (_I.RECEIVE_OFFER, _I.RECEIVE_ANSWER, _I.REFUSED)
    if (state, event) not in TRANSITIONS
)
"Pairs that a peer may bring about and that change nothing."

_OURS = frozenset([_S.OFFERING, _S.REOFFERING])
_THEIRS = frozenset([_S.OFFERED, _S.REOFFERED])


@attrs.define(eq=False)
class OfferAnswer:
    """Hold the session of one dialog: what was agreed, and the offer that waits for an answer.

    :ivar local: our description that is in force, None before the first agreement.
    :ivar remote: the peer's.
    :ivar has_answered: whether our description in force is an answer to the peer's.
    :ivar offer: the offer that waits for its answer.
    :ivar carrier: the request whose transaction the offer came or went with.
    :ivar preview: the answer as an unreliable provisional response told it ahead of time (:rfc:`6337#section-3.1.1`).
    """

    state: OfferAnswerState = OfferAnswerState.NONE
    local: bytes | None = None
    remote: bytes | None = None
    has_answered: bool = False
    offer: bytes | None = None
    carrier: Carrier | None = None
    preview: bytes | None = None

    @property
    def has_local_offer(self) -> bool:
        """Whether an offer of ours waits for the peer's answer."""
        return self.state in _OURS

    @property
    def has_remote_offer(self) -> bool:
        """Whether an offer of the peer's waits for our answer."""
        return self.state in _THEIRS

    @property
    def is_settled(self) -> bool:
        """Whether no offer waits."""
        return self.offer is None

    def send_offer(self, offer: bytes, carrier: Carrier) -> None:
        """Note that we offer.

        :raises LocalProtocolError: another offer waits for its answer.
        """
        self._command(OfferAnswerInput.SEND_OFFER, "an offer cannot be made")
        self.offer, self.carrier = offer, carrier

    def receive_offer(self, offer: bytes, carrier: Carrier) -> bool:
        """Take the peer's offer; False when another waits for its answer (glare)."""
        if not self._step(OfferAnswerInput.RECEIVE_OFFER):
            return False
        self.offer, self.carrier = offer, carrier
        return True

    def send_answer(self, answer: bytes) -> None:
        """Note that we answer: the session is agreed.

        :raises LocalProtocolError: no offer of the peer's waits.
        """
        self._command(OfferAnswerInput.SEND_ANSWER, "an answer cannot be given")
        self.local, self.remote = answer, self.offer
        self.has_answered = True
        self._settle()

    def receive_answer(self, answer: bytes) -> bool:
        """Take the peer's answer: the session is agreed; False when no offer of ours waits for one."""
        if not self._step(OfferAnswerInput.RECEIVE_ANSWER):
            return False
        self.local, self.remote = self.offer, answer
        self.has_answered = False
        self._settle()
        return True

    def withdraw(self, carrier: Carrier) -> None:
        """Forget the offer that a request's transaction began: it was refused, or came to nothing."""
        if self.carrier == carrier and self.offer is not None:
            event = OfferAnswerInput.REFUSED if self.has_local_offer else OfferAnswerInput.REFUSE
            self._step(event)
            self._settle()

    def waits(self, carrier: Carrier) -> bool:
        """Tell whether the offer that a request's transaction began waits for its answer."""
        return self.offer is not None and self.carrier == carrier

    def _settle(self) -> None:
        self.offer = self.carrier = self.preview = None

    def _step(self, event: OfferAnswerInput) -> bool:
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return False
        self.state = state
        return True

    def _command(self, event: OfferAnswerInput, what: str) -> None:
        if not self._step(event):
            raise LocalProtocolError(f"{what} now: {self.state.value}")
