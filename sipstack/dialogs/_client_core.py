"""The client half of the user agent core.

:rfc:`3261#section-8.1`, 9.1, 12.2.1, 13.2, 14.1, 15.1.1; :rfc:`3262#section-4`; :rfc:`6228`.
"""

from __future__ import annotations

from sipstack.message import URI, LocalProtocolError, MalformedMessage, RAck, Request, Response
from sipstack.transactions import ClientTransaction, Flow, TransactionFailed
from sipstack.transactions import ResponseReceived as ResponseArrived

from ._client_invite import (
    TRANSITIONS,
    ClientInvite,
    ClientInviteAction,
    ClientInviteInput,
    ClientInviteState,
)
from ._contact import contact_of
from ._dialog import Dialog, apply_route_set, secure_next_hop
from ._invite_usage import EndCause, InviteUsage, UsageInput, UsageState
from ._outgoing import Outgoing
from ._outputs import (
    FailureKind,
    InviteAnswered,
    InviteFailed,
    InviteFailureKind,
    InviteOver,
    InviteProgress,
    RequestFailed,
    ResponseReceived,
    Route,
    SessionRefreshed,
    TargetFailed,
)
from ._server_core import expiry_of
from ._session_core import SessionCore
from ._session_timer import LEAST_INTERVAL
from ._usage_core import DialogTimer, HeaderFields

__all__ = ["MAKES_DIALOG", "ClientCore"]

MAKES_DIALOG = frozenset(["INVITE", "SUBSCRIBE", "REFER"])

_UNPRACKED = 16
"The most reliable responses of one leg that wait for our user's PRACK."

_EARLY_DIALOG_TERMINATED = 199  # RFC 6228


# Looking a member up in its class costs as much as a small action; these are on the path of every call.
_ROUTE = ClientInviteAction.ROUTE
_SEND = ClientInviteAction.SEND
_SEND_CANCEL = ClientInviteAction.SEND_CANCEL
_TELL_PROGRESS = ClientInviteAction.TELL_PROGRESS
_TAKE_ANSWER = ClientInviteAction.TAKE_ANSWER
_REFUSE_ANSWER = ClientInviteAction.REFUSE_ANSWER
_TELL_FAILED = ClientInviteAction.TELL_FAILED
_END_EARLY_LEGS = ClientInviteAction.END_EARLY_LEGS
_TELL_OVER = ClientInviteAction.TELL_OVER


class ClientCore(SessionCore):
    """Send requests and take their responses."""

    # What our user asks for.

    def _complete(self, request: Request) -> None:
        """Add what every request outside of a dialog has, where the user gave none (:rfc:`3261#section-8.1.1`)."""
        fields = request.headers
        if "From" not in fields:
            raise LocalProtocolError(f"the {request.method} has no From: say on whose behalf it is sent")
        if "To" not in fields:
            fields.add("To", f"<{request.uri}>")
        elif request.to_tag is not None:
            raise LocalProtocolError(f"the {request.method} has a To tag: that names a dialog, use dialog_request()")
        if request.from_tag is None:
            fields.set("From", f"{fields['From']};tag={self._tokens.tag()}")
        if "Call-ID" not in fields:
            fields.add("Call-ID", self._tokens.call_id())
        if "CSeq" not in fields:
            fields.add("CSeq", f"1 {request.method}")
        elif request.cseq.method != request.method:
            raise LocalProtocolError(f"the CSeq says {request.cseq.method}, the request is {request.method}")
        if "Max-Forwards" not in fields:
            fields.add("Max-Forwards", "70")
        if request.method == "INVITE":
            self._add_invite_fields(request)
            self._ask_for_session_timer(request)
        self._add_supported(request)
        self._add_user_agent(request)

    def _ask_for_session_timer(self, request: Request) -> None:
        """Ask for the session interval that our user wants (:rfc:`4028#section-7.1`).

        :raises LocalProtocolError: it is shorter than there may be.
        """
        fields = request.headers
        interval = self.session_timer.interval
        if interval is None and "Session-Expires" not in fields and "Min-SE" not in fields:
            return
        try:
            asked, least = request.session_expires, request.min_se
        except MalformedMessage as error:
            raise LocalProtocolError(f"the INVITE cannot be sent so: {error.reason}") from None
        if least is not None and least < LEAST_INTERVAL:
            raise LocalProtocolError(f"Min-SE is {least}: no session timer runs below {LEAST_INTERVAL} seconds")
        least = least or LEAST_INTERVAL
        if asked is not None and asked.seconds < least:
            raise LocalProtocolError(f"Session-Expires is {asked.seconds}: {least} seconds is the least there may be")
        if asked is None and interval is not None:
            fields.add("Session-Expires", str(max(interval, least)))

    def _first_hop(self, request: Request, next_hop: URI | None) -> URI:
        found = apply_route_set(request, request.uri, request.route) if "Route" in request.headers else request.uri
        return secure_next_hop(next_hop, request.uri) if next_hop is not None else found

    def _resend_request(self, outgoing: Outgoing, request: Request, next_hop: URI | None) -> None:
        if not outgoing.is_finished:
            raise LocalProtocolError(f"the {outgoing.request.method} is still under way; wait for how it ends")
        before, hop_before = outgoing.request, outgoing.next_hop
        if request.method != before.method:
            raise LocalProtocolError(f"the {before.method} cannot be sent again as {request.method}")
        if request.call_id != before.call_id or request.from_tag != before.from_tag:
            raise LocalProtocolError("a request sent again keeps its Call-ID and From tag; copy them from the first")
        fields = request.headers
        fields.remove("Via")
        if outgoing.usage is not None:
            fields.set("CSeq", f"{outgoing.usage.dialog.next_sequence()} {request.method}")
        elif request.cseq.sequence <= before.cseq.sequence:
            fields.set("CSeq", f"{before.cseq.sequence + 1} {request.method}")
        if outgoing.usage is None:
            if next_hop is not None:
                outgoing.next_hop = secure_next_hop(next_hop, request.uri)
            elif request.uri != before.uri or fields.getlist("Route") != before.headers.getlist("Route"):
                # Not when it is the same: what went to a strict router must not be rewritten twice.
                outgoing.next_hop = self._first_hop(request, None)
        elif next_hop is not None:
            outgoing.next_hop = next_hop
        if outgoing.next_hop != hop_before:
            # To the same hop it goes the way it went: the server that asked for credentials knows its own nonce.
            outgoing.targets = ()
        self._restart(outgoing, request)

    def _send_routed(self, outgoing: Outgoing, flow: Flow, now: float) -> None:
        request = outgoing.request
        usage = outgoing.usage
        if usage is not None and request.method == "ACK":
            acknowledgement = usage.acknowledgements.get(request.cseq.sequence)
            data = self.transactions.send_ack(request, flow, now)
            if acknowledgement is not None:
                acknowledgement.data, acknowledgement.flow = data, flow
            return
        if usage is not None:
            usage.flow = flow
        elif outgoing.wants_contact and "Contact" not in request.headers:
            is_secure = request.uri.is_secure or outgoing.next_hop.is_secure
            user = request.from_address.uri.user
            request.headers.add("Contact", contact_of(flow, outgoing.next_hop, user=user, is_secure=is_secure))
            outgoing.has_made_contact = True
        transaction = self.transactions.send_request(request, flow, now)
        outgoing.transaction = transaction
        self.requests[transaction] = outgoing

    # What the transactions deliver.

    def _on_response(self, output: ResponseArrived, now: float) -> None:
        outgoing = self.requests.get(output.transaction)
        if outgoing is None:
            self.counters["responses of earlier attempts"] += 1
            return
        response = output.response
        invite = outgoing.invite
        outgoing.has_response = True
        is_left = response.code == 503 and self._leave_target(
            outgoing, output.transaction, f"503 {response.phrase}".rstrip(), _retry_after(response)
        )
        if invite is None:
            if is_left:
                self._route(outgoing)
            else:
                self._take_response(outgoing, output.transaction, response, now)
            return
        event = (
            ClientInviteInput.NEXT_TARGET
            if is_left
            else ClientInviteInput.PROVISIONAL
            if response.code < 200
            else ClientInviteInput.SUCCESS
            if response.code < 300
            else ClientInviteInput.FAILURE
        )
        self._step_client_invite(invite, event, now, response)

    def _on_failure(self, output: TransactionFailed, now: float) -> None:
        transaction = output.transaction
        if not isinstance(transaction, ClientTransaction):
            # Nothing is lost yet: a 2xx is sent again, and other responses are the transaction's own care (RFC 6026).
            self.counters["responses not delivered"] += 1
            return
        outgoing = self.requests.get(transaction)
        if outgoing is None:
            return
        # After a response of any kind the request has arrived, and may be acted on: sent elsewhere it could ring twice.
        if not outgoing.has_response and self._leave_target(outgoing, transaction, output.detail):
            if outgoing.invite is None:
                self._route(outgoing)
            else:
                self._step_client_invite(outgoing.invite, ClientInviteInput.NEXT_TARGET, now, None, output.kind)
        elif outgoing.invite is not None:
            self._step_client_invite(
                outgoing.invite, ClientInviteInput.TRANSACTION_FAILED, now, None, output.kind, output.detail
            )
        else:
            del self.requests[transaction]
            self._fail_request(outgoing, output.kind, output.detail, now)

    def _leave_target(
        self, outgoing: Outgoing, transaction: ClientTransaction, detail: str, retry_after: float | None = None
    ) -> bool:
        """Let go of a target that did not serve a request (:rfc:`3263#section-4.3`).

        Return whether the request is to be routed again, unchanged: it has a target left, and nobody cancelled it.
        """
        if not outgoing.targets or len(self.transactions) >= self.limits.transactions:
            return False  # with too many transactions the fault is ours, and no other target mends it
        self.outputs.append(TargetFailed(outgoing, outgoing.targets[0], detail, retry_after))
        outgoing.targets = outgoing.targets[1:]
        if not outgoing.targets or outgoing.is_cancelled:
            return False
        del self.requests[transaction]
        outgoing.transaction = None
        outgoing.has_response = False
        outgoing.is_waiting = True
        if outgoing.has_made_contact:
            outgoing.request.headers.remove("Contact")
        return True

    def _on_client_transaction_ended(self, transaction: ClientTransaction, now: float) -> None:
        outgoing = self.requests.pop(transaction, None)
        if outgoing is None:
            return
        sequence = outgoing.request.cseq.sequence
        if outgoing.invite is not None:
            self._step_client_invite(outgoing.invite, ClientInviteInput.TRANSACTION_ENDED, now, None, "timeout")
            for leg in outgoing.invite.legs.values():
                leg.acknowledgements.pop(sequence, None)
        elif outgoing.usage is not None:
            outgoing.usage.acknowledgements.pop(sequence, None)

    def _take_response(
        self, outgoing: Outgoing, transaction: ClientTransaction, response: Response, now: float
    ) -> None:
        code = response.code
        request = outgoing.request
        usage = outgoing.usage
        method = request.method
        if code < 200:
            if usage is None or method != "INVITE" or self._take_provisional(usage, request, response):
                self.outputs.append(ResponseReceived(outgoing, response))
            return
        if usage is not None and method == "INVITE":
            if 200 <= code < 300:
                self._take_reinvite_answer(usage, outgoing, response, now)
                return
            usage.reinvite = None
            usage.session.withdraw(outgoing.carrier)
        del self.requests[transaction]
        outgoing.is_finished = True
        if usage is not None:
            if method in ("UPDATE", "PRACK"):
                self._take_update_or_prack(usage, outgoing, response, now)
            if code < 300:
                self._refresh_target(usage, request, response)
            elif self._is_retried(usage, outgoing, response, now):
                return
        self.outputs.append(ResponseReceived(outgoing, response))
        if usage is None:
            return
        if method == "BYE":
            self._step_usage(usage, UsageInput.BYE_DONE, now, "local", response)
        elif code == 481:
            self._step_usage(usage, UsageInput.GONE, now, "rejected", response)
        elif code == 408:
            self._step_usage(usage, UsageInput.UNREACHABLE, now, "timeout", response)
        elif code >= 300:
            self._refuse_refresh(usage, outgoing, response, now)

    def _take_update_or_prack(
        self, usage: InviteUsage, outgoing: Outgoing, response: Response | None, now: float
    ) -> None:
        """Take how our UPDATE or PRACK ended: what becomes of its offer, and of the session timer."""
        self._conclude_offer(usage, outgoing, response)
        if outgoing.request.method == "UPDATE":
            usage.update = None
            if response is not None and response.is_success:
                self._agree_as_uac(usage, response, now)

    def _take_reinvite_answer(self, usage: InviteUsage, outgoing: Outgoing, response: Response, now: float) -> None:
        if outgoing.is_finished:
            self._acknowledge_again(usage, outgoing.request.cseq.sequence)
            return
        outgoing.is_finished = True
        usage.reinvite = None
        self._refresh_target(usage, outgoing.request, response)
        before = usage.session.remote
        self._acknowledge_or_wait(usage, outgoing.request, response)
        self._agree_as_uac(usage, response, now)
        if outgoing.is_refresh and usage.session.remote != before:
            self.outputs.append(SessionRefreshed(usage, outgoing.request))
        self.outputs.append(ResponseReceived(outgoing, response))

    def _acknowledge_or_wait(self, usage: InviteUsage, request: Request, response: Response) -> None:
        """Send the ACK at once, unless the 2xx carries an offer: its answer, in the ACK, is the user's to give."""
        session = usage.session
        carrier = ("INVITE", request.cseq.sequence, True)
        if usage.to_prack:
            # Nobody waits for these PRACKs any more, nor for the answer to an offer that one of them was to bring.
            usage.to_prack = None
            if session.has_remote_offer and session.carrier == carrier:
                session.withdraw(carrier)
                usage.negotiated = None
        if self._take_description(usage, request, response):
            usage.to_acknowledge = request
            return
        if session.waits(carrier) and session.has_local_offer:
            # The 2xx owes us the answer; one that was told ahead of time is as good.
            if session.preview is None:
                session.withdraw(carrier)
            else:
                session.receive_answer(session.preview)
        self._acknowledge(usage, request)

    # Reliable provisional responses.

    def _take_provisional(self, usage: InviteUsage, request: Request, response: Response) -> bool:
        """Take a provisional response to our INVITE within a dialog; False when it is a copy, or out of order.

        One that was sent reliably is acknowledged here, unless that is for our user to do: always where it carries an
        offer, and otherwise where the invitation says so.
        """
        try:
            rseq = self._rseq_of(response)
        except MalformedMessage:
            # What cannot be acknowledged must not be taken either: its sender will give the call up.
            self.counters["responses malformed"] += 1
            return False
        if rseq is None:
            description = self._session_in(response)
            session = usage.session
            if (
                description is not None
                and session.has_local_offer
                and session.carrier == ("INVITE", request.cseq.sequence, True)
            ):
                session.preview = session.preview or description
            return True
        sequence = request.cseq.sequence
        last = usage.rseq
        if last is not None and last[0] == sequence and rseq != last[1] + 1:
            self.counters["reliable responses out of order"] += 1
            return False
        waiting = usage.to_prack
        if waiting is not None and len(waiting) >= _UNPRACKED:
            self.counters["reliable responses refused"] += 1
            return False
        usage.rseq = (sequence, rseq)
        if usage.state is not UsageState.EARLY:
            self._refresh_target(usage, request, response)  # RFC 6141, section 4.7
        rack = RAck(rseq, sequence, "INVITE")
        has_offer = self._take_description(usage, request, response)
        is_for_user = has_offer or waiting or usage.pracks_by_hand
        if is_for_user and response.code != _EARLY_DIALOG_TERMINATED:  # which leaves our user no leg to act in
            if waiting is None:
                waiting = usage.to_prack = []
            waiting.append(rack)
        else:
            self._send_prack(usage, rack)
        return True

    @staticmethod
    def _rseq_of(response: Response) -> int | None:
        """Return the number of a provisional response that was sent reliably; None for another one."""
        headers = response.headers
        if "RSeq" not in headers or "Require" not in headers or "100rel" not in response.require:
            return None
        return response.rseq

    def _send_prack(
        self,
        usage: InviteUsage,
        rack: RAck,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
    ) -> Outgoing:
        outgoing = self._create_in_dialog(
            usage, "PRACK", body=body, content_type=content_type, headers=(("RAck", str(rack)), *headers)
        )
        self._route(outgoing)
        return outgoing

    def _fail_request(self, outgoing: Outgoing, kind: FailureKind, detail: str, now: float) -> None:
        outgoing.is_finished = True
        usage = outgoing.usage
        method = outgoing.request.method
        if usage is None:
            self.outputs.append(RequestFailed(outgoing, kind, detail))
            return
        if method == "ACK":
            # Without a way for the ACK the peer gives the call up, and a BYE of ours would not reach it either.
            self.counters["acks not sent"] += 1
            usage.acknowledgements.pop(outgoing.request.cseq.sequence, None)
            self._step_usage(usage, UsageInput.NO_WAY, now, "transport")
            return
        if method == "INVITE":
            usage.reinvite = None
            usage.session.withdraw(outgoing.carrier)
        elif method in ("UPDATE", "PRACK"):
            self._take_update_or_prack(usage, outgoing, None, now)
        self.outputs.append(RequestFailed(outgoing, kind, detail))
        if method == "BYE":
            self._step_usage(usage, UsageInput.BYE_DONE, now, "local")
        elif kind == "timeout":
            self._step_usage(usage, UsageInput.UNREACHABLE, now, "timeout")

    # The machine of an INVITE we send.

    def _step_client_invite(
        self,
        invite: ClientInvite,
        event: ClientInviteInput,
        now: float,
        response: Response | None = None,
        kind: InviteFailureKind = "rejected",
        detail: str = "",
    ) -> None:
        transition = TRANSITIONS.get((invite.state, event))
        if transition is None:
            self.counters["client invite inputs absorbed"] += 1
            return
        actions, invite.state = transition
        for action in actions:
            if action is _ROUTE:
                invite.legs = {}
                self.outputs.append(Route(invite.outgoing))
            elif action is _SEND:
                expires = expiry_of(invite.request)
                if expires is not None:
                    self._queue.start(invite, DialogTimer.EXPIRES, now + expires)
            elif action is _SEND_CANCEL:
                self._send_cancel(invite, now, detail)
            elif action is _TELL_PROGRESS:
                if response is not None:
                    self._tell_progress(invite, response, now)
            elif action is _TAKE_ANSWER:
                if response is not None:
                    self._take_answer(invite, response, now)
            elif action is _REFUSE_ANSWER:
                if response is not None:
                    self._refuse_answer(invite, response, now)
            elif action is _TELL_FAILED:
                self._tell_failed(invite, response, kind, detail)
            elif action is _END_EARLY_LEGS:
                self._end_early_legs(invite, now, response, kind)
            elif action is _TELL_OVER:
                self.outputs.append(InviteOver(invite))

    def _send_cancel(self, invite: ClientInvite, now: float, reason: str) -> None:
        invite.is_cancelled = invite.outgoing.is_cancelled = True
        self._queue.stop(invite, DialogTimer.EXPIRES)
        if invite.outgoing.transaction is not None:
            self.transactions.cancel(invite.outgoing.transaction, now, reason=reason or None)

    def _tell_progress(self, invite: ClientInvite, response: Response, now: float) -> None:
        leg = None
        tag = response.to_tag
        code = response.code
        is_reliable = False
        if code > 100 and tag is not None:
            leg = invite.legs.get(tag)
            # RFC 6228, section 4: a 199 that makes a dialog is nothing to tell, but one sent reliably must be acknowledged.
            if leg is None and (code != _EARLY_DIALOG_TERMINATED or "RSeq" in response.headers):
                leg = self._grow_leg(invite, response)
            if leg is not None:
                if leg.state is not UsageState.EARLY:
                    # We have left it: a PRACK has a higher number than our BYE, which would be refused if it came second.
                    self.counters["responses of legs left"] += 1
                    return
                before = leg.rseq
                if not self._take_provisional(leg, invite.request, response):
                    return
                is_reliable = leg.rseq != before
        self.outputs.append(InviteProgress(invite, leg, response, is_reliable))
        if code == _EARLY_DIALOG_TERMINATED and leg is not None and leg.state is UsageState.EARLY:
            # The leg is over, the INVITE is not; an answer of the same tag would make a new one.
            del invite.legs[leg.dialog.remote_tag]
            self._step_usage(leg, UsageInput.REFUSE, now, "rejected", response)

    def _grow_leg(self, invite: ClientInvite, response: Response) -> InviteUsage | None:
        """Make the leg a response begins; None when there are too many, or the response is not fit to make one."""
        if len(self.dialogs) >= self.limits.dialogs:
            self.counters["dialogs refused"] += 1
            return None
        transaction = invite.outgoing.transaction
        if transaction is None:
            return None
        flow = transaction.flow
        request = invite.request
        try:
            dialog = Dialog.from_response(request, response, is_secure_transport=flow.is_secure)
        except MalformedMessage:
            self.counters["responses malformed"] += 1
            return None
        leg = InviteUsage(dialog, is_caller=True, flow=flow)
        leg.local_contact = request.headers.get("Contact")
        leg.required, leg.proxy_required = tuple(request.require), tuple(request.proxy_require)
        leg.pracks_by_hand = invite.pracks_by_hand
        outgoing = invite.outgoing
        if outgoing.offer is not None:
            leg.session.send_offer(outgoing.offer, outgoing.carrier)
            leg.negotiated = request.cseq.sequence
        self.dialogs[dialog.id] = leg
        invite.legs[dialog.remote_tag] = leg
        return leg

    def _answered_leg(self, invite: ClientInvite, response: Response, now: float) -> InviteUsage | None:
        """Return the leg whose first 2xx this is, confirmed; None for a copy, which is acknowledged here."""
        request = invite.request
        leg = invite.legs.get(response.to_tag or "")
        if leg is None:
            leg = self._grow_leg(invite, response)
            if leg is None:
                return None
        elif leg.state is not UsageState.EARLY:
            sequence = request.cseq.sequence
            if sequence in leg.acknowledgements or leg.to_acknowledge is not None:
                self._acknowledge_again(leg, sequence)
            else:
                # Our BYE on the early dialog and the 2xx have crossed; every 2xx is acknowledged all the same.
                self._acknowledge(leg, request)
            return None
        try:
            self._step_usage(leg, UsageInput.ANSWER, now, "local", response)
        except MalformedMessage:
            # The early response was in order, so the dialog has a target and a route to go on with.
            self.counters["responses malformed"] += 1
            leg.dialog.confirm()
        return leg

    def _take_answer(self, invite: ClientInvite, response: Response, now: float) -> None:
        self._queue.stop(invite, DialogTimer.EXPIRES)
        invite.outgoing.is_finished = True
        leg = self._answered_leg(invite, response, now)
        if leg is not None:
            self._acknowledge_or_wait(leg, invite.request, response)
            self._agree_as_uac(leg, response, now)
            self.outputs.append(InviteAnswered(invite, leg, response))
        elif not invite.legs:
            self._tell_failed(invite, response, "malformed", "the 2xx is not fit to make a dialog")

    def _refuse_answer(self, invite: ClientInvite, response: Response, now: float) -> None:
        invite.outgoing.is_finished = True
        leg = self._answered_leg(invite, response, now)
        if leg is not None:
            self.counters["late answers refused"] += 1
            offer = None if leg.negotiated == invite.request.cseq.sequence else self._session_in(response)
            self._acknowledge_refusing(leg, invite.request, offer)
            self._step_usage(leg, UsageInput.LEAVE, now, "local", response)

    def _tell_failed(
        self, invite: ClientInvite, response: Response | None, kind: InviteFailureKind, detail: str
    ) -> None:
        self._queue.stop_all(invite)
        outgoing = invite.outgoing
        outgoing.is_finished = True
        transaction = outgoing.transaction
        if transaction is not None and invite.state is ClientInviteState.FAILED:
            self.requests.pop(transaction, None)
        if invite.is_told:
            return
        invite.is_told = True
        if invite.is_cancelled and (response is None or response.code == 487 or response.is_success):
            kind = "cancelled"
        if not detail and response is not None:
            detail = f"{response.code} {response.phrase}"
        self.outputs.append(InviteFailed(invite, response, kind, detail))

    def _end_early_legs(
        self, invite: ClientInvite, now: float, response: Response | None, kind: InviteFailureKind
    ) -> None:
        cause: EndCause = "timeout" if kind == "timeout" else "transport" if kind == "transport" else "rejected"
        for leg in list(invite.legs.values()):
            if leg.state is UsageState.EARLY:
                self._step_usage(leg, UsageInput.REFUSE, now, cause, response)


def _retry_after(response: Response) -> float:
    """Return for how many seconds a server wants no requests; a 503 that does not say counts as a 500 (21.5.4)."""
    try:
        value = response.retry_after
    except MalformedMessage:
        value = None
    return 0.0 if value is None else float(value.seconds)
