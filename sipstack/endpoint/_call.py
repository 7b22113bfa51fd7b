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
from sipstack.dialogs import Dialog, DialogRequest, InviteUsage, Outgoing, ServerInvite
from sipstack.message import Address, LocalProtocolError, Request, Response

from ._bodies import SDP, sdp_of
from ._errors import CallEnded
from ._event_queue import EventQueue
from ._events import (
    AckReceived,
    ByeReceived,
    CallLost,
    CancelReceived,
    Event,
    InfoReceived,
    MessageReceived,
    NotifyReceived,
    OptionsReceived,
    ReinviteReceived,
    RequestReceived,
    UpdateReceived,
)

if TYPE_CHECKING:
    from sipstack.dialogs import UsageEnded

    from ._endpoint import Endpoint
    from ._exchange import Exchange

__all__ = ["Call", "IncomingCall"]

_EVENTS: dict[str, type[RequestReceived]] = {
    "INVITE": ReinviteReceived,
    "UPDATE": UpdateReceived,
    "INFO": InfoReceived,
    "NOTIFY": NotifyReceived,
    "MESSAGE": MessageReceived,
    "OPTIONS": OptionsReceived,
}


class Call:
    """Hold one call; as a context manager, hang it up on leaving.

    :ivar usage: the core's own view of the call.
    """

    __slots__ = (
        "_authenticator",
        "_core",
        "_end_event",
        "_endpoint",
        "_exchanges",
        "_left_at",
        "_queue",
        "end_reason",
        "local_sdp",
        "remote_sdp",
        "usage",
    )

    def __init__(self, endpoint: Endpoint, usage: InviteUsage, authenticator: Authenticator) -> None:
        self._endpoint = endpoint
        self._authenticator = authenticator
        self._core = endpoint._core
        self._queue: EventQueue[Event] = EventQueue(endpoint.limits.call_queue)
        self._end_event: trio.Event | None = None
        self._exchanges: dict[Exchange, None] = {}
        self._left_at: float | None = None
        self.usage = usage
        self.end_reason: str | None = None
        self.local_sdp: bytes | None = None
        self.remote_sdp: bytes | None = None

    @property
    def dialog(self) -> Dialog:
        """The dialog of this call (:rfc:`3261#section-12`)."""
        return self.usage.dialog

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
        self.local_sdp = answer
        await self._endpoint._step()

    async def reinvite(
        self, offer: bytes | None = None, *, content_type: str = SDP, headers: Iterable[tuple[str, str]] = ()
    ) -> Response:
        """Offer another session within the call and return the final response (:rfc:`3261#section-14.1`).

        :param offer: the new SDP.
        :raises LocalProtocolError: another INVITE of this call is under way.
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
        response = await self._exchange(outgoing)
        if response.is_success:
            self._on_session_changed(sdp_of(response), offer)
        return response

    async def request(
        self,
        method: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """Send any other request within the call and return its final response (:rfc:`3261#section-12.2.1`).

        :raises CallEnded: the call is over, or ends meanwhile.
        :raises TransactionTimeout: no final response came.
        """
        self._check()
        outgoing = self._core.dialog_request(
            self.usage, method, trio.current_time(), body=body, content_type=content_type, headers=tuple(headers)
        )
        return await self._exchange(outgoing)

    async def _exchange(self, outgoing: Outgoing) -> Response:
        exchange = self._endpoint._follow(outgoing, self._authenticator)
        self._exchanges[exchange] = None
        try:
            self._endpoint._flush()
            return await exchange.wait()
        finally:
            self._exchanges.pop(exchange, None)

    async def hangup(self, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        """End the call and wait until the peer knows, or the endpoint's grace time is over."""
        self._leave(headers)
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
        event = _EVENTS.get(request.method, RequestReceived)(request, self._endpoint, output.transaction, self)
        if not self._queue.put(event):
            self._endpoint._shed(output.transaction)

    def _on_ack(self, output: CoreAckReceived) -> None:
        self.remote_sdp = sdp_of(output.request) or self.remote_sdp
        # There is one for each 2xx of ours, so that nobody but our own user can make them many.
        self._queue.put(AckReceived(output.request.body), beyond_limit=True)

    def _on_session_changed(self, remote: bytes | None, local: bytes | None) -> None:
        self.remote_sdp = remote or self.remote_sdp
        self.local_sdp = local or self.local_sdp

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

    __slots__ = ("_contact", "_invite", "_is_answered", "invite")

    def __init__(self, endpoint: Endpoint, invite: ServerInvite) -> None:
        super().__init__(endpoint, invite.usage, endpoint._no_credentials)
        self._invite = invite
        self.invite: Request = invite.request
        self._is_answered = False
        self._contact: Address = endpoint._originator.contact(
            invite.transaction.flow, is_secure=invite.wants_secure_contact
        )
        self.remote_sdp = self.offer

    @property
    def offer(self) -> bytes | None:
        """The caller's SDP, or None where we are to make the offer (:rfc:`3261#section-13.2.1`)."""
        return sdp_of(self.invite)

    async def ring(
        self,
        code: int = 180,
        *,
        answer: bytes | None = None,
        phrase: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Send a provisional response (:rfc:`3261#section-13.3.1.1`).

        :param code: 101 to 199.
        :param answer: SDP, for early media.
        :raises LocalProtocolError: the call is answered, or the code is not provisional.
        :raises CallEnded: the caller gave up.
        """
        if not 100 < code < 200:
            raise LocalProtocolError(f"{code} does not ring: use 101 to 199, or answer() and reject()")
        self._respond(code, phrase, answer, headers)
        await self._endpoint._step()

    async def answer(self, sdp: bytes | None = None, *, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Accept the call with 200 (:rfc:`3261#section-13.3.1.4`); the stack repeats it until the ACK comes.

        :param sdp: the answer to the caller's offer, or our offer when there was none.
        :raises LocalProtocolError: the call is answered already.
        :raises CallEnded: the caller gave up.
        """
        self._respond(200, None, sdp, headers)
        self._is_answered = True
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

    def _respond(self, code: int, phrase: str | None, sdp: bytes | None, headers: Iterable[tuple[str, str]]) -> None:
        self._check()
        self._core.respond(
            self._invite,
            code,
            trio.current_time(),
            phrase=phrase,
            body=sdp or b"",
            content_type=SDP if sdp else None,
            headers=headers,
            contact=self._contact if code < 300 else None,
        )
        if sdp:
            self.local_sdp = sdp

    def _end_refused(self) -> None:
        self._endpoint._forget(self)
        self._finish("refused", None)

    def _leave(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        if self._is_answered or self.end_reason is not None:
            super()._leave(headers)
        else:
            self._respond(480, None, None, headers)
            self._end_refused()
            self._endpoint._flush()

    def _on_cancelled(self, request: Request | None) -> None:
        self._finish("cancelled", CancelReceived(request))
