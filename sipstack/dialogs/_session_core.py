"""What INVITE, UPDATE and PRACK share on both sides: sessions, their timers, and requests that cross.

:rfc:`3264`, :rfc:`3311`, :rfc:`4028`, :rfc:`3261#section-14.1`.
"""

from __future__ import annotations

from sipstack.message import (
    SDP,
    Limits,
    LocalProtocolError,
    MalformedMessage,
    Request,
    Response,
    SessionExpires,
    Tokens,
    session_body,
)
from sipstack.timers import TimerValues
from sipstack.transactions import TransactionLayer

from ._capabilities import Capabilities
from ._dialog import TARGET_REFRESH_METHODS
from ._invite_usage import InviteUsage, UsageInput, UsageState
from ._outgoing import Outgoing
from ._retry import glare_delay, retry_request
from ._session_timer import (
    LEAST_INTERVAL,
    TRANSITIONS,
    SessionTimer,
    SessionTimerAction,
    SessionTimerInput,
    SessionTimerPolicy,
    SessionTimerState,
)
from ._usage_core import DialogTimer, HeaderFields, UsageCore

__all__ = ["SessionCore", "own_session"]

_BUSY_SECONDS = 1.0
"How long a request waits that must not cross another one; the other one ends by itself."

_RETRIES = 5
"How often a request is sent again after glare: two that wait by RFC 3261's timers cross once, not for ever."

_EXPIRED = (("Reason", 'SIP;cause=408;text="Session expired"'),)
_SETTLED = frozenset([UsageState.CONFIRMED])
_OFFERING = frozenset(["INVITE", "UPDATE"])
_LIVE = frozenset([UsageState.EARLY, UsageState.UNACKNOWLEDGED, UsageState.CONFIRMED])


def own_session(message: Request | Response) -> bytes | None:
    """Return the session description in a message of ours.

    :raises LocalProtocolError: its body cannot be read.
    """
    if not message.body:
        return None
    try:
        return session_body(message)
    except MalformedMessage as error:
        raise LocalProtocolError(f"the body cannot be sent so: {error.reason}") from None


class SessionCore(UsageCore):
    """Keep the sessions of dialogs: who offered what, and how long it lasts."""

    def __init__(
        self,
        transactions: TransactionLayer,
        *,
        tokens: Tokens,
        capabilities: Capabilities,
        timers: TimerValues,
        limits: Limits,
        session_timer: SessionTimerPolicy,
    ) -> None:
        super().__init__(transactions, tokens=tokens, capabilities=capabilities, timers=timers, limits=limits)
        self.session_timer = session_timer

    # Offers and answers.

    def _session_in(self, message: Request | Response) -> bytes | None:
        """Return the description in what a peer sent; one that cannot be read is none, and counted."""
        if not message.body:
            return None
        try:
            return session_body(message)
        except MalformedMessage:
            self.counters["bodies malformed"] += 1
            return None

    def _begin_offer(self, usage: InviteUsage, outgoing: Outgoing) -> None:
        """Note the offer of a request of ours within a dialog; to be called before it is sent.

        :raises LocalProtocolError: another offer waits for its answer.
        """
        if outgoing.offer is not None:
            usage.session.send_offer(outgoing.offer, outgoing.carrier)
        if outgoing.request.method == "INVITE":
            usage.negotiated = None if outgoing.offer is None else outgoing.request.cseq.sequence

    def _take_description(self, usage: InviteUsage, request: Request, response: Response) -> bool:
        """Take the description in a reliable response to our INVITE; True when it is an offer to be answered.

        What can be neither offer nor answer is ignored (:rfc:`3261#section-13.2.1`).
        """
        session = usage.session
        sequence = request.cseq.sequence
        carrier = ("INVITE", sequence, True)
        description = self._session_in(response)
        if description is None:
            return False
        if session.waits(carrier):
            session.receive_answer(description)
        elif usage.negotiated != sequence and session.receive_offer(description, carrier):
            usage.negotiated = sequence
            return True
        return False

    def _conclude_offer(self, usage: InviteUsage, outgoing: Outgoing, response: Response | None) -> None:
        """Take the final response to our UPDATE or PRACK, or its absence, for the offer it carried."""
        carrier = outgoing.carrier
        if not usage.session.waits(carrier):
            return
        answer = self._session_in(response) if response is not None and response.is_success else None
        if answer is None:
            usage.session.withdraw(carrier)
        else:
            usage.session.receive_answer(answer)

    # UPDATE.

    def _send_update(
        self, usage: InviteUsage, body: bytes = b"", content_type: str | None = None, headers: HeaderFields = ()
    ) -> Outgoing:
        outgoing = self._send_offering(usage, "UPDATE", body, content_type, headers)
        usage.update = outgoing
        return outgoing

    def _send_reinvite(
        self, usage: InviteUsage, body: bytes = b"", content_type: str | None = None, headers: HeaderFields = ()
    ) -> Outgoing:
        outgoing = self._send_offering(usage, "INVITE", body, content_type, headers)
        self._add_invite_fields(outgoing.request)
        usage.reinvite = outgoing
        return outgoing

    def _send_offering(
        self, usage: InviteUsage, method: str, body: bytes, content_type: str | None, headers: HeaderFields
    ) -> Outgoing:
        outgoing = self._create_in_dialog(usage, method, body=body, content_type=content_type, headers=headers)
        try:
            outgoing.offer = own_session(outgoing.request)
            self._begin_offer(usage, outgoing)
        except LocalProtocolError:
            self._take_back(usage)
            raise
        self._add_session_timer_fields(usage, outgoing.request)
        self._route(outgoing)
        return outgoing

    def _add_invite_fields(self, request: Request) -> None:
        if "Allow" not in request.headers:
            request.headers.add("Allow", self.capabilities.allow_text)
        if self.capabilities.info_packages and "Recv-Info" not in request.headers:
            request.headers.add("Recv-Info", ", ".join(self.capabilities.info_packages))

    # Glare, and other refusals that a request of ours survives.

    def _is_retried(self, usage: InviteUsage, outgoing: Outgoing, response: Response, now: float) -> bool:
        """Send a refused re-INVITE or UPDATE again, now or in a while, where its refusal says how."""
        if outgoing.retries >= _RETRIES or usage.state not in _LIVE or outgoing.request.method not in _OFFERING:
            return False
        if response.code == 422:
            request = retry_request(outgoing.request, response)
            if request is None:
                return False
            self._note_least(usage, request)
            outgoing.retries += 1
            self._send_again(usage, outgoing, request)
            return True
        delay = glare_delay(response, is_owner=usage.is_caller, fraction=self._tokens.fraction())
        if delay is None:
            return False
        outgoing.retries += 1
        outgoing.is_deferred = True
        usage.deferred = outgoing
        self._queue.start(outgoing, DialogTimer.GLARE, now + delay)
        return True

    def _resume(self, outgoing: Outgoing, now: float) -> None:
        """Send a deferred request, unless another one is still under way."""
        usage = outgoing.usage
        if usage is None or usage.state not in _LIVE:
            return
        if self._is_busy(usage, outgoing.request.method):
            self._queue.start(outgoing, DialogTimer.GLARE, now + _BUSY_SECONDS)
            return
        outgoing.is_deferred = False
        usage.deferred = None
        self._send_again(usage, outgoing, outgoing.request.copy())

    def _send_again(self, usage: InviteUsage, outgoing: Outgoing, request: Request) -> None:
        request.headers.remove("Via")
        request.headers.set("CSeq", f"{usage.dialog.next_sequence()} {request.method}")
        self._restart(outgoing, request)
        self._begin_offer(usage, outgoing)
        if request.method == "INVITE":
            usage.reinvite = outgoing
        else:
            usage.update = outgoing
        self._route(outgoing)

    def _drop_deferred(self, usage: InviteUsage) -> None:
        outgoing = usage.deferred
        if outgoing is not None:
            usage.deferred = None
            outgoing.is_deferred = False
            self._queue.stop(outgoing, DialogTimer.GLARE)

    @staticmethod
    def _is_busy(usage: InviteUsage, method: str = "INVITE") -> bool:
        """Whether a request is under way that another offer, or another INVITE, must not cross."""
        if usage.update is not None or usage.server_update is not None or not usage.session.is_settled:
            return True
        return method == "INVITE" and (
            usage.reinvite is not None
            or usage.to_acknowledge is not None
            or usage.server_invite is not None
            or bool(usage.unacknowledged)
        )

    # The session timer.

    def _note_least(self, usage: InviteUsage, request: Request) -> None:
        """Remember the Min-SE of a session refresh request (:rfc:`4028#section-7.4`)."""
        if "Min-SE" in request.headers:
            least = self._least_asked(request)
            if least is not None:
                timer = self._timer_of(usage)
                timer.least = max(timer.least, least)

    @staticmethod
    def _timer_of(usage: InviteUsage) -> SessionTimer:
        timer = usage.timer
        if timer is None:
            timer = usage.timer = SessionTimer(usage)
        return timer

    def _add_session_timer_fields(self, usage: InviteUsage, request: Request) -> None:
        """Add what a session refresh request carries where there is a timer (:rfc:`4028#section-7.4`)."""
        timer = usage.timer
        if timer is None:
            return
        fields = request.headers
        if timer.least and "Min-SE" not in fields:
            fields.add("Min-SE", str(timer.least))
        if timer.state is not SessionTimerState.OFF and "Session-Expires" not in fields:
            refresher = "uac" if timer.state is SessionTimerState.REFRESHING else "uas"
            interval = max(timer.interval, timer.least, LEAST_INTERVAL)
            fields.add("Session-Expires", f"{interval};refresher={refresher}")

    def _agree_as_uac(self, usage: InviteUsage, response: Response, now: float) -> None:
        """Take what a 2xx to our session refresh request says of the timer (:rfc:`4028#section-7.2`)."""
        if "Session-Expires" not in response.headers:
            if usage.timer is not None:
                self._step_session_timer(usage.timer, SessionTimerInput.AGREE_NONE, now)
            return
        try:
            agreed = response.session_expires
        except MalformedMessage:
            self.counters["session intervals malformed"] += 1
            return
        if agreed is not None:
            self._agree(usage, agreed, response, now, is_local=agreed.refresher != "uas")

    def _agree_as_uas(self, usage: InviteUsage, request: Request, response: Response, now: float) -> None:
        """Put into our 2xx what becomes of the timer, and keep it (:rfc:`4028#section-9`)."""
        wants = self.session_timer.interval
        asks = "Session-Expires" in request.headers
        if not asks and wants is None and usage.timer is None and "Session-Expires" not in response.headers:
            return
        self._note_least(usage, request)
        fields = response.headers
        if "Session-Expires" in fields:
            agreed = response.session_expires
        else:
            agreed = self._answer_interval(request)
            if agreed is not None:
                fields.add("Session-Expires", str(agreed))
        if agreed is None:
            if usage.timer is not None:
                self._step_session_timer(usage.timer, SessionTimerInput.AGREE_NONE, now)
            return
        if "timer" in request.supported and "timer" not in response.require:
            fields.add("Require", "timer")
        self._agree(usage, agreed, request, now, is_local=agreed.refresher == "uas")

    def _answer_interval(self, request: Request) -> SessionExpires | None:
        asked = self._interval_asked(request)
        least = max(self._least_asked(request) or 0, LEAST_INTERVAL)
        interval = self.session_timer.interval
        if asked is not None:
            # Never longer than was asked for, and never shorter than the way there allows.
            interval = asked.seconds if interval is None else min(asked.seconds, max(interval, least))
        elif interval is not None:
            interval = max(interval, least)
        if interval is None:
            return None
        refresher = asked.refresher if asked is not None else None
        if refresher is None:
            refresher = self.session_timer.refresher if "timer" in request.supported else "uas"
        return SessionExpires.parse(f"{max(interval, LEAST_INTERVAL)};refresher={refresher}")

    def _agree(
        self, usage: InviteUsage, agreed: SessionExpires, message: Request | Response, now: float, *, is_local: bool
    ) -> None:
        timer = self._timer_of(usage)
        timer.interval = max(agreed.seconds, LEAST_INTERVAL)
        if "Allow" in message.headers:
            timer.uses_update = "UPDATE" in message.allow
        self._step_session_timer(
            timer, SessionTimerInput.AGREE_LOCAL if is_local else SessionTimerInput.AGREE_REMOTE, now
        )

    def _refuses_interval(self, request: Request) -> bool:
        """Whether a session refresh request asks for a shorter interval than we take (:rfc:`4028#section-9`)."""
        headers = request.headers
        if "Session-Expires" not in headers or "timer" not in request.supported:
            return False
        asked = self._interval_asked(request)
        return asked is not None and asked.seconds < self.session_timer.least

    def _interval_asked(self, request: Request) -> SessionExpires | None:
        """Return the Session-Expires of a request; what cannot be read counts for nothing, as any field of no need."""
        try:
            return request.session_expires
        except MalformedMessage:
            self.counters["session intervals malformed"] += 1
            return None

    def _least_asked(self, request: Request) -> int | None:
        try:
            return request.min_se
        except MalformedMessage:
            self.counters["session intervals malformed"] += 1
            return None

    def _step_session_timer(self, timer: SessionTimer, event: SessionTimerInput, now: float) -> None:
        transition = TRANSITIONS.get((timer.state, event))
        if transition is None:
            self.counters["session timer inputs absorbed"] += 1
            return
        actions, timer.state = transition
        for action in actions:
            if action is SessionTimerAction.STOP_TIMERS:
                self._queue.stop_all(timer)
            elif action is SessionTimerAction.START_REFRESH:
                self._queue.start(timer, DialogTimer.SESSION_REFRESH, now + timer.refresh_after)
            elif action is SessionTimerAction.START_EXPIRY:
                self._queue.start(timer, DialogTimer.SESSION_EXPIRY, now + timer.expires_after)
            elif action is SessionTimerAction.SEND_REFRESH:
                self._refresh_session(timer, now)
            elif action is SessionTimerAction.HANG_UP:
                timer.usage.bye_headers = _EXPIRED
                self._step_usage(timer.usage, UsageInput.UNREACHABLE, now, "expired")

    def _on_session_timer(self, timer: SessionTimer, name: DialogTimer, now: float) -> None:
        event = (
            SessionTimerInput.REFRESH_DUE if name is DialogTimer.SESSION_REFRESH else SessionTimerInput.EXPIRY_DUE
        )
        self._step_session_timer(timer, event, now)

    def _refresh_session(self, timer: SessionTimer, now: float) -> None:
        usage = timer.usage
        if usage.state not in _SETTLED or usage.deferred is not None or self._is_busy(usage):
            # What is under way may refresh the session too; if it does, this timer is started anew.
            self._queue.start(timer, DialogTimer.SESSION_REFRESH, now + _BUSY_SECONDS)
            return
        local = usage.session.local
        if timer.uses_update:
            outgoing = self._send_update(usage)
        else:
            # The same description under the same version says that nothing has changed.
            outgoing = self._send_reinvite(usage, local or b"", None if local is None else SDP)
        outgoing.is_refresh = True

    def _end_session(self, usage: InviteUsage, now: float) -> None:
        self._drop_deferred(usage)
        if usage.timer is not None:
            self._step_session_timer(usage.timer, SessionTimerInput.END, now)

    def _refresh_target(self, usage: InviteUsage, response: Response, method: str) -> None:
        if method not in TARGET_REFRESH_METHODS:
            return
        try:
            usage.dialog.refresh_target(response, method)
        except MalformedMessage:
            # The request was accepted all the same; the target we know is the best there is.
            self.counters["contacts malformed"] += 1
