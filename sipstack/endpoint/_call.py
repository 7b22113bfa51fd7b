"""Calls as users hold them: one leg of an INVITE usage each (:rfc:`3261#section-13` to 15).

The stack answers BYE, CANCEL and ACK, retransmits and acknowledges by itself; a call's user says what only a user can:
ring, answer, change, hang up.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import trio

from sipstack.auth import Authenticator
from sipstack.dialogs import AckReceived as CoreAckReceived
from sipstack.dialogs import (
    DialogRequest,
    DialogSnapshot,
    InviteUsage,
    ServerInvite,
    ServerInviteState,
    UsageState,
)
from sipstack.dialogs import SessionRefreshed as CoreSessionRefreshed
from sipstack.message import SDP, Address, LocalProtocolError, Request, Response, session_body
from sipstack.sdp import SessionDescription, hold, next_version, resume

from ._dialog_user import DialogUser
from ._errors import CallEnded
from ._event_queue import EventQueue
from ._events import (
    AckReceived,
    ByeReceived,
    CallLost,
    CancelReceived,
    Dtmf,
    Event,
    InfoReceived,
    MessageReceived,
    NotifyReceived,
    OptionsReceived,
    PrackReceived,
    ReinviteReceived,
    RequestReceived,
    SessionRefreshed,
    UpdateReceived,
)

if TYPE_CHECKING:
    from sipstack.dialogs import UsageEnded
    from sipstack.message import Reason

    from ._endpoint import Endpoint

__all__ = ["DIALOG_EVENTS", "Call", "IncomingCall", "reason_field"]

DIALOG_EVENTS: dict[str, type[RequestReceived]] = {
    "INVITE": ReinviteReceived,
    "UPDATE": UpdateReceived,
    "PRACK": PrackReceived,
    "INFO": InfoReceived,
    "NOTIFY": NotifyReceived,
    "MESSAGE": MessageReceived,
    "OPTIONS": OptionsReceived,
}


_UNANSWERED = frozenset([ServerInviteState.PROCEEDING, ServerInviteState.HELD])


def reason_field(reason: Reason | str | None) -> tuple[tuple[str, str], ...]:
    """Return the Reason header field that tells a peer why a call ends (:rfc:`3326`)."""
    return () if reason is None else (("Reason", str(reason)),)


class Call(DialogUser):
    """Hold one call; as a context manager, hang it up on leaving.

    :ivar usage: the core's own view of the call.
    """

    __slots__ = (
        "_before_hold",
        "_core",
        "_end_event",
        "_left_at",
        "_queue",
        "end_reason",
    )

    def __init__(self, endpoint: Endpoint, usage: InviteUsage, authenticator: Authenticator) -> None:
        super().__init__(endpoint, usage, authenticator)
        self._core = endpoint._core
        self._queue: EventQueue[Event] = EventQueue(endpoint.limits.call_queue)
        self._end_event: trio.Event | None = None
        self._left_at: float | None = None
        self._before_hold: tuple[SessionDescription, SessionDescription | None] | None = None
        self.end_reason: str | None = None

    @property
    def local_sdp(self) -> bytes | None:
        """Our description in force; before the first agreement, our offer, or the answer we told ahead."""
        session = self.session
        if session.local is not None:
            return session.local
        return session.offer if session.has_local_offer else session.preview

    @property
    def remote_sdp(self) -> bytes | None:
        """The peer's description in force; before the first agreement, its offer, or the answer it told ahead."""
        session = self.session
        if session.remote is not None:
            return session.remote
        return session.offer if session.has_remote_offer else session.preview

    @property
    def is_ended(self) -> bool:
        """Whether the call is over."""
        return self.end_reason is not None

    def events(self) -> EventQueue[Event]:
        """Iterate over what happens in this call; the iteration ends when the call does."""
        return self._queue

    async def acknowledge(self, answer: bytes) -> None:
        """Answer the offer that the peer's 2xx made, where our INVITE made none (:rfc:`3261#section-13.2.2.4`).

        :raises LocalProtocolError: no 2xx with an offer waits for its ACK.
        :raises CallEnded: the call is over.
        """
        self._check()
        self._core.acknowledge(self.usage, trio.current_time(), body=answer, content_type=SDP)
        await self._endpoint._step()

    async def reinvite(
        self, offer: bytes | None = None, *, content_type: str = SDP, headers: Iterable[tuple[str, str]] = ()
    ) -> Response:
        """Offer another session within the call and return the final response (:rfc:`3261#section-14.1`).

        One that crosses the peer's own (491) is sent again after a while. A refusal leaves the session as it was.

        :param offer: the new SDP; without it the peer makes the offer, and `acknowledge` answers.
        :raises LocalProtocolError: another INVITE of this call, or another offer, is under way.
        :raises CallEnded: the call is over, or ends meanwhile.
        """
        self._check()
        outgoing = self._core.reinvite(
            self.usage,
            trio.current_time(),
            body=offer or b"",
            content_type=content_type if offer else None,
            headers=tuple(headers),
        )
        return await self._exchange(outgoing)

    async def hold(self) -> Response:
        """Ask the peer by re-INVITE to send no media (:rfc:`3264#section-8.4`).

        :raises LocalProtocolError: there is no session, or it is on hold already.
        """
        if self._before_hold is not None:
            raise LocalProtocolError("the call is on hold already; resume() takes the peer off it")
        before, offer = self._descriptions()
        response = await self.reinvite(bytes(next_version(before, hold(before, offer=offer))))
        if response.is_success:
            self._before_hold = before, offer
        return response

    async def resume(self) -> Response:
        """Take the peer off hold by re-INVITE: media flow as they did before (:rfc:`6337#section-5.3`).

        :raises LocalProtocolError: we have not put it on hold.
        """
        if self._before_hold is None:
            raise LocalProtocolError("the call is not on hold by us")
        before, offer = self._before_hold
        held, _ = self._descriptions()
        response = await self.reinvite(bytes(next_version(held, resume(held, before, offer=offer))))
        if response.is_success:
            self._before_hold = None
        return response

    def _descriptions(self) -> tuple[SessionDescription, SessionDescription | None]:
        """Return our description in force, and the peer's offer that it answered, if it was an answer."""
        session = self.session
        if session.local is None:
            raise LocalProtocolError("no session has been agreed in this call, so that there is nothing to hold")
        offer = SessionDescription.parse(session.remote) if session.has_answered and session.remote else None
        return SessionDescription.parse(session.local), offer

    async def send_dtmf(self, digits: str, *, duration: int = 160) -> None:
        """Send keys of a telephone by INFO, one after the other.

        :param duration: milliseconds for each.
        :raises CallEnded: the call is over, or ends meanwhile.
        """
        for digit in digits:
            await self.info(bytes(Dtmf(digit, duration)), "application/dtmf-relay")

    def snapshot(self) -> DialogSnapshot:
        """Return what another process needs to go on with this call: see `Endpoint.restore`.

        :raises LocalProtocolError: a request is under way in the call, or it is early or ending.
        :raises CallEnded: the call is over.
        """
        self._check()
        snapshot = self._core.snapshot(self.usage, trio.current_time())
        return snapshot.with_realms(self._authenticator.realms(self.dialog.call_id))

    async def hangup(self, *, reason: Reason | str | None = None, headers: Iterable[tuple[str, str]] = ()) -> None:
        """End the call and wait until the peer knows, or the endpoint's grace time is over.

        :param reason: what the peer is told (:rfc:`3326`): ``SIP;cause=200;text="Call completed elsewhere"``.
        """
        self._leave((*reason_field(reason), *headers))
        left_at = trio.current_time() if self._left_at is None else self._left_at
        with trio.move_on_at(left_at + self._endpoint.grace):
            await self.wait_ended()

    async def wait_ended(self) -> str:
        """Wait until the call is over and return how it ended."""
        if self.end_reason is None:
            if self._end_event is None:
                self._end_event = trio.Event()
            await self._end_event.wait()
            assert self.end_reason is not None
        else:
            await trio.lowlevel.checkpoint()
        return self.end_reason

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self.end_reason is None:
            with trio.CancelScope(shield=True):
                await self.hangup()
        elif kind is None:
            await trio.lowlevel.checkpoint_if_cancelled()
        return False

    def _check(self) -> None:
        if self.end_reason is not None:
            raise CallEnded(self.end_reason, self)

    def _leave(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send what ends the call in the state it is in; nothing the second time."""
        if self.end_reason is None and self._left_at is None:
            self._left_at = trio.current_time()
            self._core.bye(self.usage, self._left_at, headers=tuple(headers))
            if self.usage.bye is not None:  # else it waits for the ACK to our 2xx
                self._endpoint._follow(self.usage.bye, self._authenticator)
            self._endpoint._flush()

    # What the endpoint passes on from the core.

    def _on_request(self, output: DialogRequest) -> None:
        request = output.request
        event = DIALOG_EVENTS.get(request.method, RequestReceived)(request, self._endpoint, output.transaction, self)
        if not self._queue.put(event):
            self._endpoint._shed(output.transaction)

    def _on_refreshed(self, output: CoreSessionRefreshed) -> None:
        # What nobody reads of these is worth nothing later: a full queue drops it.
        self._queue.put(SessionRefreshed(output.request))

    def _on_ack(self, output: CoreAckReceived) -> None:
        # There is one for each 2xx of ours, so that nobody but our own user can make them many.
        self._queue.put(AckReceived(output.request.body), beyond_limit=True)

    def _on_reinvite_cancelled(self, request: Request | None) -> None:
        self._queue.put(CancelReceived(request), beyond_limit=True)

    def _on_ended(self, output: UsageEnded) -> None:
        cause, message = output.cause, output.message
        if cause == "remote":
            assert isinstance(message, Request)
            self._finish(cause, ByeReceived(message))
        elif cause == "local":
            self._finish(cause, None)
        else:
            self._finish(cause, CallLost(cause, message if isinstance(message, Response) else None))

    def _finish(self, reason: str, event: Event | None) -> None:
        if self.end_reason is None:
            self.end_reason = reason
            for exchange in self._exchanges:
                self._endpoint._drop(exchange, CallEnded(reason, self))
            if event is not None:
                self._queue.put(event, beyond_limit=True)
            self._queue.close()
            if self._end_event is not None:
                self._end_event.set()


class IncomingCall(Call):
    """Hold a call that came in; what is left unanswered is answered 480.

    Its block also ends quietly when the call ends under it: a `CallEnded` of this call does not leave it.

    :ivar invite: the INVITE; a header field that the call itself does not need is read, and may prove malformed, only
        when it is asked for.
    """

    __slots__ = ("_contact", "_invite", "_is_answered", "_rings", "invite")

    def __init__(self, endpoint: Endpoint, invite: ServerInvite) -> None:
        super().__init__(endpoint, invite.usage, endpoint._no_credentials)
        self._invite = invite
        self.invite: Request = invite.request
        self._is_answered = False
        self._rings: dict[int, trio.Event] = {}
        self._contact: Address = endpoint._originator.contact(
            invite.transaction.flow, invite.request.uri, is_secure=invite.wants_secure_contact
        )

    @property
    def offer(self) -> bytes | None:
        """The caller's SDP, or None where we are to make the offer (:rfc:`3261#section-13.2.1`)."""
        return session_body(self.invite)

    @property
    def can_ring_reliably(self) -> bool:
        """Whether the caller takes reliable provisional responses (:rfc:`3262`)."""
        return self._invite.takes_reliable

    async def ring(
        self,
        code: int = 180,
        *,
        reliable: bool | None = None,
        answer: bytes | None = None,
        phrase: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Send a provisional response (:rfc:`3261#section-13.3.1.1`); a reliable one: until its PRACK comes.

        :param code: 101 to 199.
        :param reliable: whether to return only once the caller has acknowledged it (:rfc:`3262#section-3`), or the
            answer is out, which ends the wait for PRACKs; by default where the caller requires it. If no PRACK comes
            for 64*T1, the call is refused with 500.
        :param answer: SDP, for early media. In a reliable response it is the answer to the caller's offer, or our
            offer, which the PRACK answers; in another one it tells the answer ahead of time.
        :raises LocalProtocolError: the call is answered, the code is not provisional, the caller does not support
            100rel or requires it, or the SDP comes at the wrong time.
        :raises CallEnded: the caller gave up, or never acknowledged.
        """
        if not 100 < code < 200:
            raise LocalProtocolError(f"{code} does not ring: use 101 to 199, or answer() and reject()")
        response = self._respond(code, phrase, answer, headers, reliable)
        await self._endpoint._step()
        rseq = response.rseq
        if rseq is not None:
            acknowledged = self._rings[rseq] = trio.Event()
            try:
                await acknowledged.wait()
            finally:
                del self._rings[rseq]
            self._check()

    async def answer(self, sdp: bytes | None = None, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Accept the call with 200 (:rfc:`3261#section-13.3.1.4`); the stack repeats it until the ACK comes.

        Where a reliable response with SDP waits for its PRACK, the 200 waits too (:rfc:`3262#section-5`).

        :param sdp: the answer to the caller's offer, or our offer when there was none; not needed where `ring` gave it.
        :raises LocalProtocolError: the call is answered already, or the caller's offer would be left without answer.
        :raises CallEnded: the caller gave up.
        """
        self._respond(200, None, sdp, headers)
        self._is_answered = True
        self._end_rings()
        await self._endpoint._step()

    async def reject(
        self, code: int = 486, phrase: str | None = None, *, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Refuse the call (:rfc:`3261#section-13.3.1.3`).

        :param code: 300 to 699.
        :raises LocalProtocolError: the call is answered already, or the code refuses nothing.
        :raises CallEnded: the caller gave up.
        """
        if code < 300:
            raise LocalProtocolError(f"{code} does not refuse: use 300 to 699")
        self._respond(code, phrase, None, headers)
        self._end_refused()
        await self._endpoint._step()

    async def redirect(self, *uris: str) -> None:
        """Send the caller elsewhere with 302 (:rfc:`3261#section-8.3`).

        :param uris: where to, best first.
        """
        await self.reject(302, headers=[("Contact", f"<{uri}>") for uri in uris])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        await super().__aexit__(kind, error, traceback)
        # The caller may give up at any moment; that is no error of who serves the call.
        return isinstance(error, CallEnded) and error.call is self

    def _respond(
        self,
        code: int,
        phrase: str | None,
        sdp: bytes | None,
        headers: Iterable[tuple[str, str]],
        reliable: bool | None = None,
    ) -> Response:
        self._check()
        return self._core.respond(
            self._invite,
            code,
            trio.current_time(),
            phrase=phrase,
            body=sdp or b"",
            content_type=SDP if sdp else None,
            headers=headers,
            contact=self._contact if code < 300 and self.usage.local_contact is None else None,
            reliable=reliable,
        )

    def _end_refused(self) -> None:
        self._endpoint._forget(self)
        self._finish("refused", None)

    def _leave(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        if self.end_reason is not None or (self._is_answered and self.usage.state is not UsageState.EARLY):
            super()._leave(headers)
        else:
            self._respond(480, None, None, headers)
            self._end_refused()
            self._endpoint._flush()

    def _on_cancelled(self, request: Request | None) -> None:
        self._finish("cancelled", CancelReceived(request))

    def _on_prack(self, rseq: int) -> None:
        ring = self._rings.get(rseq)
        if ring is not None:
            ring.set()
        self._end_rings()

    def _end_rings(self) -> None:
        """Let nobody wait for PRACKs once the 2xx is out: what waited its turn is not sent, the rest not repeated."""
        if self._invite.state not in _UNANSWERED:
            for ring in self._rings.values():
                ring.set()

    def _finish(self, reason: str, event: Event | None) -> None:
        super()._finish(reason, event)
        for ring in self._rings.values():
            ring.set()
