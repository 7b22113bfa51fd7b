"""The user agent core: what stands between the transactions and the endpoint (:rfc:`3261#section-8`, 12 to 15).

Whoever drives it feeds it what comes from the network and how late it is, takes its ``outputs`` in order, sends what
``Send`` says, and answers every ``Route`` with ``routed()`` or ``unroutable()``. It calls nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from sipstack.message import (
    DEFAULT_LIMITS,
    URI,
    Address,
    Limits,
    LocalProtocolError,
    MalformedMessage,
    Request,
    Response,
    Tokens,
)
from sipstack.timers import Timer, TimerQueue, TimerValues
from sipstack.transactions import AckReceived as AckArrived
from sipstack.transactions import (
    CancelReceived,
    ClientTransaction,
    Dropped,
    Flow,
    RequestReceived,
    Send,
    ServerTransaction,
    TransactionEnded,
    TransactionFailed,
    TransactionLayer,
)
from sipstack.transactions import ResponseReceived as ResponseArrived

from ._capabilities import Capabilities
from ._client_core import MAKES_DIALOG, ClientCore
from ._client_invite import TRANSITIONS as CLIENT_TRANSITIONS
from ._client_invite import ClientInvite, ClientInviteInput, ClientInviteState
from ._invite_usage import InviteUsage, UsageInput, UsageState
from ._outgoing import Outgoing
from ._outputs import Route
from ._reliable import ReliableResponse
from ._server_core import ONLY_IN_DIALOGS, ServerCore
from ._server_invite import ServerInvite, ServerInviteState
from ._session_core import own_session
from ._snapshot import DialogSnapshot
from ._session_timer import SessionTimer, SessionTimerPolicy
from ._usage_core import DialogTimer, HeaderFields, require_state

__all__ = ["DialogLayer"]

_WITH_OPERATION = {
    "INVITE": "reinvite",
    "ACK": "acknowledge",
    "BYE": "bye",
    "CANCEL": "cancel",
    "PRACK": "prack",
    "UPDATE": "update",
}


class DialogLayer(ServerCore, ClientCore):
    """Keep the dialogs of one user agent and run its INVITEs.

    It shares the timer queue of the transactions, and pops it for both.

    :ivar outputs: what came out, in order; the driver takes it from the left.
    :ivar dialogs: the legs that live, early ones included.
    :ivar invites: the INVITEs received, while their transactions live.
    :ivar requests: the requests we sent, while their responses are awaited.
    :ivar unanswered: the other requests received that wait for our user's answer, with the leg they came in.
    :ivar superseded: legs that have ended while a PRACK, which is still to be answered 200, or an ACK was awaited.
    :ivar counters: what was refused, absorbed or sent again, by name.
    """

    def __init__(
        self,
        transactions: TransactionLayer,
        *,
        tokens: Tokens,
        capabilities: Capabilities | None = None,
        timers: TimerValues | None = None,
        limits: Limits = DEFAULT_LIMITS,
        session_timer: SessionTimerPolicy | None = None,
    ) -> None:
        super().__init__(
            transactions,
            tokens=tokens,
            capabilities=Capabilities() if capabilities is None else capabilities,
            timers=TimerValues() if timers is None else timers,
            limits=limits,
            session_timer=SessionTimerPolicy() if session_timer is None else session_timer,
        )
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            RequestReceived: self._on_request,
            AckArrived: self._on_ack,
            CancelReceived: self._on_cancel,
            ResponseArrived: self._on_response,
            TransactionFailed: self._on_failure,
            TransactionEnded: self._on_ended,
        }
        self._now = 0.0

    # The driver's side.

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram."""
        self.transactions.receive(data, flow, now)
        self._drain(now)

    def receive_message(self, message: Request | Response, flow: Flow, now: float) -> None:
        """Take one message that a stream's framer has read."""
        self.transactions.receive_message(message, flow, now)
        self._drain(now)

    def reject_malformed(self, error: MalformedMessage, flow: Flow) -> None:
        """Answer what a stream's framer could not read, if it is fit to be answered."""
        self.transactions.reject_malformed(error, flow)
        self._drain(self._now)

    def transport_failed(self, transaction: ClientTransaction | ServerTransaction, detail: str, now: float) -> None:
        """Take note that what a transaction sent could not be sent."""
        self.transactions.transport_failed(transaction, detail, now)
        self._drain(now)

    def connection_lost(self, flow: Flow, detail: str, now: float) -> None:
        """Take note that a stream connection is gone."""
        self.transactions.connection_lost(flow, detail, now)
        self._drain(now)

    def expire(self, now: float) -> None:
        """Fire every timer due at or before ``now``."""
        queue = self._queue
        while (due := queue.pop_due(now)) is not None:
            owner, timer = due
            if isinstance(owner, (ClientTransaction, ServerTransaction)) and isinstance(timer, Timer):
                self.transactions.fire(owner, timer, now)
            elif isinstance(owner, ServerInvite) and isinstance(timer, DialogTimer):
                self._on_server_timer(owner, timer, now)
            elif isinstance(owner, ClientInvite):
                self._step_client_invite(owner, ClientInviteInput.EXPIRED, now)
            elif isinstance(timer, DialogTimer):
                if isinstance(owner, ReliableResponse):
                    self._on_reliable_timer(owner, timer, now)
                elif isinstance(owner, SessionTimer):
                    self._on_session_timer(owner, timer, now)
                elif isinstance(owner, Outgoing):
                    self._resume(owner, now)
            self._drain(now)

    def next_deadline(self) -> float | None:
        """Return when the next timer fires, None when none runs."""
        return self._queue.next_deadline()

    def take_earliest(self) -> float:
        """Return when the earliest timer started since the last call was to fire; infinity when there is none."""
        return self._queue.take_earliest()

    def close(self) -> None:
        """Forget every leg, request, transaction and timer; what peers still send is answered by nobody."""
        self.transactions.close()
        for table in (self.dialogs, self.invites, self.requests, self.unanswered, self.superseded):
            table.clear()
        self._queue = self.transactions.queue = TimerQueue()
        self.outputs.clear()

    @property
    def has_unfinished(self) -> bool:
        """Whether a leg lives, or an INVITE or BYE of ours waits for its final response: a peer should hear the end.

        An early leg of an INVITE of ours lives no longer than that waits; once it is answered, the proxy that forked it
        ends the others, and tells us nothing of that.
        """
        return any(not usage.is_caller or usage.state is not UsageState.EARLY for usage in self.dialogs.values()) or any(
            not outgoing.is_finished and (outgoing.invite is not None or outgoing.request.method == "BYE")
            for outgoing in self.requests.values()
        )

    def awaits_answer(self, transaction: ServerTransaction) -> bool:
        """Tell whether a request was delivered and may still be answered: neither answered, cancelled nor given up."""
        invite = self.invites.get(transaction)
        return transaction in self.unanswered if invite is None else invite.state is ServerInviteState.PROCEEDING

    def routed(self, outgoing: Outgoing, flow: Flow, now: float) -> None:
        """Send a request by a flow: the first answer to ``Route``.

        :raises LocalProtocolError: the request does not wait for a route.
        """
        if not self._stop_waiting(outgoing):
            return
        self._send_routed(outgoing, flow, now)
        if outgoing.invite is not None:
            self._step_client_invite(outgoing.invite, ClientInviteInput.ROUTED, now)
        self._drain(now)

    def unroutable(
        self, outgoing: Outgoing, detail: str, now: float, *, kind: Literal["unroutable", "transport"] = "unroutable"
    ) -> None:
        """Give a request up because there is no way to its next hop: the other answer to ``Route``.

        :param kind: "unroutable" where the next hop has no address, "transport" where none could be reached.
        :raises LocalProtocolError: the request does not wait for a route.
        """
        if not self._stop_waiting(outgoing):
            return
        if outgoing.invite is not None:
            self._step_client_invite(outgoing.invite, ClientInviteInput.UNROUTABLE, now, None, kind, detail)
        else:
            self._fail_request(outgoing, kind, detail, now)
        self._drain(now)

    def _stop_waiting(self, outgoing: Outgoing) -> bool:
        if outgoing.is_cancelled:
            return False
        if not outgoing.is_waiting:
            raise LocalProtocolError(f"the {outgoing.request.method} has been routed already")
        outgoing.is_waiting = False
        return True

    def _drain(self, now: float) -> None:
        self._now = now
        pending = self.transactions.outputs
        handlers = self._handlers
        outputs = self.outputs
        while pending:
            output = pending.popleft()
            if isinstance(output, (Send, Dropped)):
                outputs.append(output)
            else:
                handlers[output.__class__](output, now)

    def _on_ended(self, output: TransactionEnded, now: float) -> None:
        transaction = output.transaction
        if isinstance(transaction, ServerTransaction):
            self._on_server_transaction_ended(transaction)
        else:
            self._on_client_transaction_ended(transaction, now)

    # Requests outside of dialogs.

    def request(self, request: Request, *, next_hop: URI | None = None, with_contact: bool = False) -> Outgoing:
        """Send a request outside of a dialog; what 8.1.1 asks for and is missing is added to it.

        :param next_hop: where it goes instead of its first Route or Request-URI.
        :param with_contact: give it a Contact made from the flow, if it has none: for a REGISTER.
        :raises LocalProtocolError: it is an INVITE, an ACK or a CANCEL, or belongs in a dialog; it has no From, or has
            a To tag.
        """
        if request.method in ("INVITE", "ACK", "CANCEL"):
            raise LocalProtocolError(f"an {request.method} is not sent by request(): use invite() or cancel()")
        if request.method in ONLY_IN_DIALOGS:
            raise LocalProtocolError(f"no {request.method} is sent outside of a dialog")
        self._complete(request)
        outgoing = Outgoing(request, self._first_hop(request, next_hop))
        outgoing.wants_contact = with_contact or request.method in MAKES_DIALOG
        self.outputs.append(Route(outgoing))
        return outgoing

    def invite(self, request: Request, *, next_hop: URI | None = None, pracks_by_hand: bool = False) -> ClientInvite:
        """Send an INVITE outside of a dialog; what 8.1.1 and 13.2.1 ask for and is missing is added to it.

        A Contact may be given, or added by the driver before it calls ``routed()``, or is made from the flow.

        :param next_hop: where it goes instead of its first Route or Request-URI.
        :param pracks_by_hand: whether `prack` is called for every reliable provisional response.
        :raises LocalProtocolError: it is no INVITE, has no From, or has a To tag.
        """
        if request.method != "INVITE":
            raise LocalProtocolError(f"a {request.method} is not sent by invite(): use request()")
        self._complete(request)
        outgoing = Outgoing(request, self._first_hop(request, next_hop), offer=own_session(request))
        invite = ClientInvite(outgoing, pracks_by_hand=pracks_by_hand)
        outgoing.invite = invite
        outgoing.wants_contact = True
        self.outputs.append(Route(outgoing))
        return invite

    def resend(self, what: Outgoing | ClientInvite, request: Request, *, next_hop: URI | None = None) -> None:
        """Send a request again, changed as its final response asked for (:rfc:`3261#section-8.1.3.5`).

        The layer gives it the next CSeq number.

        :param request: with the Call-ID and From tag of the one before; a copy of ``outgoing.request`` will do.
        :raises LocalProtocolError: the one before has not failed, or the new one is not the same request.
        """
        if isinstance(what, ClientInvite):
            if (what.state, ClientInviteInput.RESEND) not in CLIENT_TRANSITIONS:
                raise LocalProtocolError(f"the INVITE cannot be sent again: it is {what.state.value}")
            self._resend_request(what.outgoing, request, next_hop)
            what.outgoing.offer = own_session(request)
            what.is_cancelled = what.is_told = False
            self._step_client_invite(what, ClientInviteInput.RESEND, self._now)
            return
        usage = what.usage
        if usage is not None and request.method == "INVITE":
            self._require_no_invite(usage)
        elif usage is not None and request.method != "BYE":
            require_state(usage, f"a {request.method}")
        self._resend_request(what, request, next_hop)
        if usage is not None:
            if request.method in ("INVITE", "UPDATE", "PRACK"):
                self._begin_offer(usage, what)
            if request.method == "INVITE":
                usage.reinvite = what
            elif request.method == "UPDATE":
                usage.update = what
        self._route(what)

    def cancel(self, what: ClientInvite | Outgoing, now: float, *, reason: str | None = None) -> None:
        """Cancel an INVITE (:rfc:`3261#section-9.1`); nothing happens once it has a final response.

        A 2xx that comes all the same is acknowledged and its leg ended; the INVITE counts as cancelled.

        :param what: an invitation, or a re-INVITE.
        :param reason: value of a Reason header (:rfc:`3326`).
        :raises LocalProtocolError: what is to be cancelled is no INVITE.
        """
        if isinstance(what, ClientInvite):
            if what.state is ClientInviteState.ROUTING:
                what.is_cancelled = what.outgoing.is_cancelled = True
                what.outgoing.is_waiting = False
                reason = "it was cancelled before it was sent"
            self._step_client_invite(what, ClientInviteInput.CANCEL, now, None, "cancelled", reason or "")
        elif what.request.method != "INVITE":
            raise LocalProtocolError(f"a {what.request.method} cannot be cancelled, only an INVITE can")
        elif what.is_waiting:
            what.is_waiting = False
            what.is_cancelled = True
            self._fail_request(what, "unroutable", "it was cancelled before it was sent", now)
        elif what.transaction is not None and not what.is_finished:
            what.is_cancelled = True
            self.transactions.cancel(what.transaction, now, reason=reason)
        self._drain(now)

    # Answers.

    def respond(
        self,
        server_invite: ServerInvite,
        code: int,
        now: float,
        *,
        phrase: str | None = None,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
        contact: Address | None = None,
        reliable: bool | None = None,
    ) -> Response:
        """Answer an INVITE; a 2xx is sent until its ACK comes (:rfc:`3261#section-13.3.1`).

        A 2xx waits until what must be acknowledged before it has been (:rfc:`3262#section-5`).

        :param contact: by default made from the flow the INVITE came by.
        :param reliable: whether a provisional response is sent until its PRACK comes; by default when the caller
            requires it.
        :raises LocalProtocolError: it has a final response already, the Contact must be SIPS and is not, the caller
            does not allow what ``reliable`` says, or the body is an offer or answer at the wrong time.
        """
        response = self._respond(server_invite, code, now, phrase, body, content_type, headers, contact, reliable)
        self._drain(now)
        return response

    def respond_request(
        self,
        transaction: ServerTransaction,
        code: int,
        now: float,
        *,
        phrase: str | None = None,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
        contact: Address | None = None,
    ) -> Response:
        """Answer any request but an initial INVITE; accepting one that refreshes the target does that too.

        :raises LocalProtocolError: it has a final response already.
        """
        invite = self.invites.get(transaction)
        if invite is not None:
            response = self._respond(invite, code, now, phrase, body, content_type, headers, contact)
        else:
            response = self._respond_request(transaction, code, now, phrase, body, content_type, headers, contact)
        self._drain(now)
        return response

    # Within a dialog.

    def acknowledge(
        self, usage: InviteUsage, now: float, *, body: bytes = b"", content_type: str | None = None
    ) -> None:
        """Send the ACK with the answer to the offer of a 2xx; where there is no such offer the layer sends it itself.

        :raises LocalProtocolError: no 2xx waits for an ACK of the user's.
        """
        request = usage.to_acknowledge
        if request is None:
            raise LocalProtocolError("no 2xx waits for its ACK; the layer acknowledges those without an offer itself")
        outgoing = self._acknowledge(usage, request, body, content_type)
        usage.to_acknowledge = None
        answer = own_session(outgoing.request)
        if answer is None:
            usage.session.withdraw(("INVITE", request.cseq.sequence, True))
        else:
            usage.session.send_answer(answer)
        self._drain(now)

    def prack(
        self,
        usage: InviteUsage,
        now: float,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
    ) -> Outgoing:
        """Acknowledge the oldest reliable provisional response that is the user's to acknowledge.

        The body is the answer to the offer in it, or a further offer (:rfc:`3262#section-5`).

        :raises LocalProtocolError: none waits, or its offer is not answered.
        """
        require_state(usage, "a PRACK")
        if not usage.to_prack:
            raise LocalProtocolError("no reliable response waits for its PRACK; the layer acknowledges others itself")
        rack = usage.to_prack[0]
        session = usage.session
        outgoing = self._create_in_dialog(
            usage, "PRACK", body=body, content_type=content_type, headers=(("RAck", str(rack)), *headers)
        )
        try:
            description = own_session(outgoing.request)
            if session.has_remote_offer and session.carrier == ("INVITE", rack.sequence, True):
                if description is None:
                    raise LocalProtocolError("the response made an offer: the PRACK must answer it")
                session.send_answer(description)
            else:
                outgoing.offer = description
                self._begin_offer(usage, outgoing)
        except LocalProtocolError:
            self._take_back(usage)
            raise
        del usage.to_prack[0]
        self._route(outgoing)
        self._drain(now)
        return outgoing

    def bye(self, usage: InviteUsage, now: float, *, headers: HeaderFields = ()) -> None:
        """End a leg (:rfc:`3261#section-15`); ``UsageEnded`` comes with the response, or when none comes.

        Where the ACK to our 2xx has not come, the BYE waits for it, or for 64*T1.

        :raises LocalProtocolError: the leg is ending already, or is early and the peer's: refuse its INVITE instead.
        """
        require_state(usage, "a BYE")
        if usage.state is UsageState.EARLY and not usage.is_caller:
            raise LocalProtocolError("a BYE cannot be sent on an early dialog by who was called: refuse the INVITE")
        usage.bye_headers = tuple(headers)
        if usage.to_acknowledge is not None:
            self._acknowledge_refusing(usage, usage.to_acknowledge, usage.session.offer)
            usage.to_acknowledge = None
        self._step_usage(usage, UsageInput.LEAVE, now)
        self._drain(now)

    def reinvite(
        self,
        usage: InviteUsage,
        now: float,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
    ) -> Outgoing:
        """Send an INVITE within a dialog (:rfc:`3261#section-14.1`).

        :raises LocalProtocolError: another INVITE is under way in the dialog, or it is not confirmed.
        """
        self._yield_refresh(usage, now)
        if usage.state is UsageState.CONFIRMED and self._is_behind_refresh(usage, usage.reinvite):
            outgoing = self._create_offering(usage, "INVITE", body, content_type, headers)
            self._send_behind_refresh(usage, outgoing, now)
        else:
            self._require_no_invite(usage)
            outgoing = self._send_reinvite(usage, body, content_type, headers)
        self._drain(now)
        return outgoing

    def update(
        self,
        usage: InviteUsage,
        now: float,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
    ) -> Outgoing:
        """Send an UPDATE, in an early dialog too (:rfc:`3311#section-5.1`).

        :raises LocalProtocolError: the leg is ending, another UPDATE is under way in it, or it makes an offer while
            another one waits for its answer.
        """
        require_state(usage, "an UPDATE")
        self._yield_refresh(usage, now)
        if self._is_behind_refresh(usage, usage.update):
            outgoing = self._create_offering(usage, "UPDATE", body, content_type, headers)
            self._send_behind_refresh(usage, outgoing, now)
            self._drain(now)
            return outgoing
        if usage.update is not None or usage.deferred is not None:
            raise LocalProtocolError("an UPDATE cannot be sent: one is still under way; wait for how it ends")
        invite = usage.server_invite
        if body and invite is not None and invite.is_held_back:
            raise LocalProtocolError("an UPDATE cannot be sent: a PRACK for our reliable response has yet to come")
        outgoing = self._send_update(usage, body, content_type, headers)
        self._drain(now)
        return outgoing

    def abandon(self, outgoing: Outgoing, now: float) -> None:
        """Care no more for a request within a dialog: an INVITE is cancelled, what was put off is not sent again."""
        usage = outgoing.usage
        if usage is not None and usage.deferred is outgoing:
            self._drop_deferred(usage)
        elif outgoing.request.method == "INVITE":
            self.cancel(outgoing, now)

    def dialog_request(
        self,
        usage: InviteUsage,
        method: str,
        now: float,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
    ) -> Outgoing:
        """Send any other request within a dialog.

        :raises LocalProtocolError: the leg is ending, or the method has an operation of its own.
        """
        if method in _WITH_OPERATION:
            raise LocalProtocolError(f"use {_WITH_OPERATION[method]}() to send the {method}")
        require_state(usage, f"a {method}")
        outgoing = self._send_in_dialog(usage, method, body=body, content_type=content_type, headers=headers)
        self._drain(now)
        return outgoing

    # A call that goes on in another process.

    def snapshot(self, usage: InviteUsage, now: float) -> DialogSnapshot:
        """Return a confirmed leg as a value.

        :raises LocalProtocolError: it is not confirmed, or something is under way in it.
        """
        if usage.state is not UsageState.CONFIRMED:
            raise LocalProtocolError(f"no snapshot can be taken: the call is {usage.state.value}")
        if self._is_busy(usage) or usage.deferred is not None or usage.unanswered or usage.to_prack:
            raise LocalProtocolError(
                "no snapshot can be taken: a request is under way in the call; wait for how it ends"
            )
        timer = usage.timer
        delays = {
            name: None if timer is None or (at := self._queue.deadline(timer, name)) is None else max(0.0, at - now)
            for name in (DialogTimer.SESSION_REFRESH, DialogTimer.SESSION_EXPIRY)
        }
        return DialogSnapshot.of(
            usage,
            refresh_in=delays[DialogTimer.SESSION_REFRESH],
            expires_in=delays[DialogTimer.SESSION_EXPIRY],
        )

    def restore(self, snapshot: DialogSnapshot, now: float, *, elapsed: float = 0.0) -> InviteUsage:
        """Go on with a leg of which another process took the snapshot.

        :param elapsed: seconds since it was taken.
        :raises SnapshotError: the value cannot be restored.
        :raises LocalProtocolError: the leg lives here already, or there are too many.
        """
        usage = snapshot.usage()
        dialog_id = usage.dialog.id
        if dialog_id in self.dialogs:
            raise LocalProtocolError(f"the dialog of call {usage.dialog.call_id} lives here already")
        if len(self.dialogs) >= self.limits.dialogs:
            raise LocalProtocolError(f"{self.limits.dialogs} dialogs live, which is the limit")
        self.dialogs[dialog_id] = usage
        if usage.timer is not None:
            for name, timer in (("refresh", DialogTimer.SESSION_REFRESH), ("expires", DialogTimer.SESSION_EXPIRY)):
                delay = snapshot.timer_delay(name)
                if delay is not None:
                    self._queue.start(usage.timer, timer, now + max(0.0, delay - elapsed))
        return usage

    def _require_no_invite(self, usage: InviteUsage) -> None:
        if usage.state is not UsageState.CONFIRMED:
            raise LocalProtocolError(f"a re-INVITE cannot be sent: the call is {usage.state.value}")
        if usage.reinvite is not None or usage.to_acknowledge is not None or usage.deferred is not None:
            raise LocalProtocolError("a re-INVITE cannot be sent: ours is still under way; wait for how it ends")
        if usage.server_invite is not None or usage.unacknowledged:
            raise LocalProtocolError("a re-INVITE cannot be sent: the peer's is still under way; answer it first")
