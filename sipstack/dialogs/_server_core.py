"""The server half of the user agent core.

:rfc:`3261#section-8.2`, 9.2, 12.2.2, 13.3, 14.2, 15.1.2; :rfc:`3311#section-5.2`.
"""

from __future__ import annotations

from sipstack.message import (
    SDP,
    Address,
    LocalProtocolError,
    MalformedMessage,
    Request,
    Response,
    session_body,
)
from sipstack.transactions import AckReceived as AckArrived
from sipstack.transactions import CancelReceived, RequestReceived, ServerTransaction

from ._answer_core import AnswerCore
from ._dialog import TARGET_REFRESH_METHODS, Dialog, check_own_contact, check_own_contact_uri, contact_uri
from ._inspection import inspect
from ._invite_usage import InviteUsage, UsageInput, UsageState
from ._outputs import (
    AckReceived,
    DialogRequest,
    InviteCancelled,
    InviteReceived,
    OutOfDialogRequest,
    SessionRefreshed,
    UsageEnded,
)
from ._reliable import ReliableState
from ._server_invite import (
    TRANSITIONS,
    ServerInvite,
    ServerInviteAction,
    ServerInviteInput,
    ServerInviteState,
)
from ._session_core import own_session
from ._usage_core import DialogTimer, HeaderFields, _set_body

__all__ = ["ONLY_IN_DIALOGS", "ServerCore"]

REFRESH_SECONDS = 60.0
"How often a provisional is sent again, so that no proxy cancels the call (:rfc:`3261#section-13.3.1.1`)."

RETRY_AFTER_LIMIT = 10
"The most seconds a peer is told to wait (:rfc:`3261#section-14.2`)."

ONLY_IN_DIALOGS = frozenset(["BYE", "PRACK", "UPDATE", "INFO"])
_GOING = frozenset([UsageState.LEAVING, UsageState.ENDING])
_WAIT_FOR_ACK = frozenset([ServerInviteState.ACCEPTED, ServerInviteState.OUTLIVED])


# Looking a member up in its class costs as much as a small action; these are on the path of every call.
_SEND = ServerInviteAction.SEND
_RESEND = ServerInviteAction.RESEND
_SEND_487 = ServerInviteAction.SEND_487
_ACCEPT = ServerInviteAction.ACCEPT
_REFUSE = ServerInviteAction.REFUSE
_START_REFRESH = ServerInviteAction.START_REFRESH
_START_RETRANSMIT = ServerInviteAction.START_RETRANSMIT
_RESTART_RETRANSMIT = ServerInviteAction.RESTART_RETRANSMIT
_START_GIVE_UP = ServerInviteAction.START_GIVE_UP
_STOP_TIMERS = ServerInviteAction.STOP_TIMERS
_TELL_ACK = ServerInviteAction.TELL_ACK
_TELL_CANCELLED = ServerInviteAction.TELL_CANCELLED
_TELL_UNACKNOWLEDGED = ServerInviteAction.TELL_UNACKNOWLEDGED
_FORGET = ServerInviteAction.FORGET


class ServerCore(AnswerCore):
    """Receive requests, and run the INVITEs among them."""

    # What the transactions deliver.

    def _on_request(self, output: RequestReceived, now: float) -> None:
        transaction, request = output.transaction, output.request
        try:
            to_tag = request.to_tag
            if to_tag is None:
                self._receive_outside(transaction, request, now)
                return
            method = request.method
            dialog_id = (request.call_id, to_tag, request.from_tag or "")
            usage = self.dialogs.get(dialog_id)
            if usage is None and method == "PRACK":
                usage = self.superseded.get(dialog_id)
            if usage is None or (usage.state in _GOING and method not in ("BYE", "PRACK")):
                self.counters["requests without a dialog"] += 1
                self._answer(transaction, 481, now)
                return
            self._receive_inside(usage, transaction, request, now)
        except MalformedMessage as error:
            self.counters["requests malformed"] += 1
            self._answer(transaction, error.status_hint, now, phrase=error.phrase)

    def _on_ack(self, output: AckArrived, now: float) -> None:
        request = output.request
        dialog_id = (request.call_id, request.to_tag or "", request.from_tag or "")
        usage = self.dialogs.get(dialog_id) or self.superseded.get(dialog_id)
        invite = None if usage is None else usage.unacknowledged.pop(request.cseq.sequence, None)
        if invite is None:
            self.counters["acks dropped"] += 1
            return
        self._step_server_invite(invite, ServerInviteInput.ACK, now, request)

    def _on_cancel(self, output: CancelReceived, now: float) -> None:
        # 9.2: the CANCEL itself is answered 200 whatever becomes of its INVITE, with the same tag.
        invite = self.invites.get(output.invite)
        tag = self._tokens.tag() if invite is None else invite.usage.dialog.local_tag
        response = output.request.create_response(200, to_tag=tag)
        self._add_server(response)
        self.transactions.respond(output.transaction, response, now)
        if invite is not None:
            self._step_server_invite(invite, ServerInviteInput.CANCEL, now, output.request)

    def _receive_outside(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        refusal = inspect(request, self.capabilities)
        if refusal is not None:
            self._answer(transaction, refusal[0], now, refusal[1])
        elif request.method == "INVITE":
            self._receive_invite(transaction, request, now)
        elif request.method in ONLY_IN_DIALOGS:
            self.counters["requests without a dialog"] += 1
            self._answer(transaction, 481, now)
        else:
            self.unanswered[transaction] = None
            self.outputs.append(OutOfDialogRequest(transaction, request))

    def _receive_invite(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        if len(self.dialogs) >= self.limits.dialogs:
            self.counters["dialogs refused"] += 1
            self._answer(transaction, 503, now, (("Retry-After", self._retry_after()),))
            return
        if self._refuses_interval(request):
            self._answer_too_small(transaction, now)
            return
        offer = session_body(request) if request.body else None
        flow = transaction.flow
        dialog = Dialog.from_request(request, self._tokens.tag(), is_secure_transport=flow.is_secure)
        usage = InviteUsage(dialog, is_caller=False, flow=flow)
        self._note_least(usage, request)
        invite = ServerInvite(transaction, usage)
        usage.server_invite = invite
        if offer is not None:
            usage.session.receive_offer(offer, invite.carrier)
            invite.is_negotiated = True
        self.dialogs[dialog.id] = usage
        self.invites[transaction] = invite
        self._start_expires(invite, request, now)
        self.outputs.append(InviteReceived(invite))

    def _receive_inside(self, usage: InviteUsage, transaction: ServerTransaction, request: Request, now: float) -> None:
        refusal = inspect(request, self.capabilities)
        if refusal is not None:
            self._answer(transaction, refusal[0], now, refusal[1])
            return
        method = request.method
        if method in TARGET_REFRESH_METHODS:
            contact_uri(request)  # a Contact that cannot be read is refused now, not when the request is accepted
        if not usage.dialog.accept_request(request):
            self.counters["requests out of order"] += 1
            self._answer(transaction, 500, now)
            return
        usage.flow = transaction.flow
        if method == "BYE":
            self._answer(transaction, 200, now)
            self._step_usage(usage, UsageInput.BYE, now, "remote", request)
        elif method == "INVITE":
            self._receive_reinvite(usage, transaction, request, now)
        elif method == "UPDATE":
            self._receive_update(usage, transaction, request, now)
        elif method == "PRACK":
            self._receive_prack(usage, transaction, request, now)
        else:
            self._await_answer(usage, transaction, request)

    def _receive_reinvite(
        self, usage: InviteUsage, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        session = usage.session
        self._note_least(usage, request)
        # 14.2: an INVITE of ours is under way, or an offer of ours; one of theirs is not answered yet.
        if (
            usage.reinvite is not None
            or usage.to_acknowledge is not None
            or (usage.state is UsageState.EARLY and usage.is_caller)
            or session.has_local_offer
        ):
            self._refuse_glare(transaction, now)
        elif usage.server_invite is not None or session.has_remote_offer:
            self._refuse_overlap(transaction, now)
        elif self._refuses_interval(request):
            self._answer_too_small(transaction, now)
        else:
            offer = session_body(request) if request.body else None
            invite = ServerInvite(transaction, usage, is_reinvite=True)
            usage.server_invite = invite
            if offer is not None:
                session.receive_offer(offer, invite.carrier)
                invite.is_negotiated = True
            self.invites[transaction] = invite
            self._start_expires(invite, request, now)
            self.outputs.append(DialogRequest(usage, transaction, request))

    def _receive_update(self, usage: InviteUsage, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Take an UPDATE; one without an offer is answered here, since it asks our user nothing."""
        session = usage.session
        self._note_least(usage, request)
        offer = session_body(request) if request.body else None
        if usage.server_update is not None or (offer is not None and session.has_remote_offer):
            self._refuse_overlap(transaction, now)
        elif offer is not None and session.has_local_offer:
            self._refuse_glare(transaction, now)
        elif self._refuses_interval(request):
            self._answer_too_small(transaction, now)
        elif offer is None:
            self._respond_request(transaction, 200, now, None, b"", None, (), None)
            self.outputs.append(SessionRefreshed(usage, request))
        else:
            session.receive_offer(offer, ("UPDATE", request.cseq.sequence, False))
            usage.server_update = transaction
            self._await_answer(usage, transaction, request)

    def _refuse_glare(self, transaction: ServerTransaction, now: float) -> None:
        self.counters["requests refused 491"] += 1
        self._answer(transaction, 491, now)

    def _refuse_overlap(self, transaction: ServerTransaction, now: float) -> None:
        self.counters["requests refused 500"] += 1
        self._answer(transaction, 500, now, (("Retry-After", self._retry_after()),))

    def _answer_too_small(self, transaction: ServerTransaction, now: float) -> None:
        self.counters["session intervals refused 422"] += 1
        self._answer(transaction, 422, now, (("Min-SE", str(self.session_timer.least)),))

    def _retry_after(self) -> str:
        return str(self._tokens.number(32) % (RETRY_AFTER_LIMIT + 1))

    # The machine of a received INVITE.

    def _step_server_invite(
        self, invite: ServerInvite, event: ServerInviteInput, now: float, message: Request | None = None
    ) -> None:
        transition = TRANSITIONS.get((invite.state, event))
        if transition is None:
            self.counters["server invite inputs absorbed"] += 1
            return
        actions, invite.state = transition
        queue = self._queue
        for action in actions:
            if action is _SEND:
                if invite.response is not None:
                    self.transactions.respond(invite.transaction, invite.response, now)
            elif action is _RESEND:
                self._repeat_response(invite, now)
            elif action is _SEND_487:
                self._send_487(invite, now)
            elif action is _ACCEPT:
                self._accept(invite, now)
            elif action is _REFUSE:
                self._refuse(invite, now)
            elif action is _START_REFRESH:
                if not invite.reliables:
                    queue.start(invite, DialogTimer.REFRESH, now + REFRESH_SECONDS)
            elif action is _START_RETRANSMIT:
                # On every transport: the hops beyond the first may be unreliable (13.3.1.4).
                invite.interval = self.timers.t1
                queue.start(invite, DialogTimer.RETRANSMIT, now + invite.interval)
            elif action is _RESTART_RETRANSMIT:
                invite.interval = min(2 * invite.interval, self.timers.t2)
                queue.start(invite, DialogTimer.RETRANSMIT, now + invite.interval)
            elif action is _START_GIVE_UP:
                queue.start(invite, DialogTimer.GIVE_UP, now + 64 * self.timers.t1)
            elif action is _STOP_TIMERS:
                queue.stop_all(invite)
                if invite.reliables:
                    self._supersede_reliables(invite, now)
            elif action is _TELL_ACK:
                if message is not None:
                    self._tell_ack(invite, message, now)
            elif action is _TELL_CANCELLED:
                self._tell_cancelled(invite, message, now)
            elif action is _TELL_UNACKNOWLEDGED:
                self._tell_unacknowledged(invite, now)
            elif action is _FORGET:
                self._forget_outlived(invite)

    def _accept(self, invite: ServerInvite, now: float) -> None:
        """Take note that our 2xx went out."""
        usage, request = invite.usage, invite.transaction.request
        usage.server_invite = None
        usage.unacknowledged[request.cseq.sequence] = invite
        if invite.is_reinvite:
            usage.dialog.refresh_target(request, "INVITE")
        else:
            self._step_usage(usage, UsageInput.ACCEPT, now)

    def _refuse(self, invite: ServerInvite, now: float) -> None:
        """Take note that our refusal went out: the session is as it was."""
        usage = invite.usage
        usage.server_invite = None
        usage.session.withdraw(invite.carrier)
        if not invite.is_reinvite:
            self._end_unanswered(usage, now)

    def _give_up_invite(self, invite: ServerInvite, now: float) -> None:
        usage = invite.usage
        invite.response = invite.transaction.request.create_response(
            500, "Provisional Response Not Acknowledged", to_tag=usage.dialog.local_tag
        )
        self._add_server(invite.response)
        if invite.is_reinvite:
            self.outputs.append(InviteCancelled(invite, None))
        else:
            self.outputs.append(UsageEnded(usage, "unacknowledged", None))
        self._step_server_invite(invite, ServerInviteInput.FAILURE, now)

    def _repeat_response(self, invite: ServerInvite, now: float) -> None:
        """Send the last response again; a provisional one that is sent reliably under a new number."""
        if invite.response is None:
            return
        if invite.state is not ServerInviteState.PROCEEDING or not invite.reliables:
            self.transactions.respond(invite.transaction, invite.response, now)
        elif invite.reliables[-1].state is ReliableState.ACKNOWLEDGED:
            response = invite.response.copy()
            response.body = b""
            for name in ("Content-Type", "RSeq"):
                response.headers.remove(name)
            self._respond_reliably(invite, response, now, has_session=False)

    def _send_487(self, invite: ServerInvite, now: float) -> None:
        invite.response = invite.transaction.request.create_response(487, to_tag=invite.usage.dialog.local_tag)
        self._add_server(invite.response)
        self.transactions.respond(invite.transaction, invite.response, now)

    def _tell_ack(self, invite: ServerInvite, message: Request, now: float) -> None:
        self.outputs.append(AckReceived(invite.usage, message))
        # Nothing of the INVITE is needed any more, and its transaction lives on for 64*T1.
        self.invites.pop(invite.transaction, None)
        self._take_session_in_ack(invite, message)
        if all(one.state is ReliableState.ACKNOWLEDGED for one in invite.reliables):
            invite.usage.reliables = None
        invite.response = None
        invite.transaction.let_go()
        if not invite.is_reinvite:
            self._step_usage(invite.usage, UsageInput.ACK, now)

    def _take_session_in_ack(self, invite: ServerInvite, ack: Request) -> None:
        """Take the answer to the offer that our 2xx made; without one the session is as it was."""
        session, carrier = invite.usage.session, invite.carrier
        if session.waits(carrier):
            answer = self._session_in(ack)
            if answer is None:
                session.withdraw(carrier)
            else:
                session.receive_answer(answer)

    def _tell_cancelled(self, invite: ServerInvite, message: Request | None, now: float) -> None:
        usage = invite.usage
        usage.server_invite = None
        usage.session.withdraw(invite.carrier)
        self.outputs.append(InviteCancelled(invite, message))
        if usage.state is UsageState.EARLY:
            self._end_unanswered(usage, now)

    def _tell_unacknowledged(self, invite: ServerInvite, now: float) -> None:
        usage = invite.usage
        usage.unacknowledged.pop(invite.transaction.request.cseq.sequence, None)
        usage.session.withdraw(invite.carrier)
        self._step_usage(usage, UsageInput.NOT_ACKNOWLEDGED, now, "unacknowledged")

    def _forget_outlived(self, invite: ServerInvite) -> None:
        """Let go a 2xx whose dialog has ended, and the dialog with the last of them."""
        usage = invite.usage
        usage.unacknowledged.pop(invite.transaction.request.cseq.sequence, None)
        self.invites.pop(invite.transaction, None)
        if not usage.unacknowledged:
            self.superseded.pop(usage.dialog.id, None)

    def _start_expires(self, invite: ServerInvite, request: Request, now: float) -> None:
        expires = expiry_of(request)
        if expires is not None:
            self._queue.start(invite, DialogTimer.EXPIRES, now + expires)

    def _on_server_timer(self, invite: ServerInvite, timer: DialogTimer, now: float) -> None:
        self._step_server_invite(invite, _TIMER_INPUTS[timer], now)

    def _on_server_transaction_ended(self, transaction: ServerTransaction) -> None:
        self._settle(transaction)
        invite = self.invites.pop(transaction, None)
        if invite is not None and invite.reliables:
            self.superseded.pop(invite.usage.dialog.id, None)
        if invite is not None and invite.state in _WAIT_FOR_ACK:
            # Timer L and our own limit are both 64*T1: nothing more can be sent, and the limit is about to strike.
            self._queue.stop(invite, DialogTimer.RETRANSMIT)


_TIMER_INPUTS = {
    DialogTimer.RETRANSMIT: ServerInviteInput.RETRANSMIT_DUE,
    DialogTimer.GIVE_UP: ServerInviteInput.GIVE_UP_DUE,
    DialogTimer.REFRESH: ServerInviteInput.REFRESH_DUE,
    DialogTimer.EXPIRES: ServerInviteInput.EXPIRED,
}


def expiry_of(request: Request) -> int | None:
    """Return how many seconds an INVITE is good for; what cannot be read does not count (:rfc:`3261#section-8.2.2`)."""
    if "Expires" not in request.headers:
        return None
    try:
        return request.expires
    except MalformedMessage:
        return None
