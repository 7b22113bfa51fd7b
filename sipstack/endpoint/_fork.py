"""An INVITE of ours and the legs that grow from it (:rfc:`3261#section-13.2`).

A proxy may fork an INVITE: each user agent that answers makes a leg, an early dialog of its own, and more than one may
accept. The first that does is kept; the stack acknowledges and ends the others.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

import trio

from sipstack.auth import Authenticator
from sipstack.dialogs import ClientInvite, Dialog, InviteAnswered, InviteFailed, InviteProgress, InviteUsage
from sipstack.message import RemoteProtocolError, Request, Response, SipError

from ._bodies import sdp_of
from ._call import Call
from ._errors import CallEnded, CallFailed
from ._event_queue import EventQueue
from ._events import Answered, Event, Failed, Progress, Ringing, Trying

if TYPE_CHECKING:
    from ._endpoint import Endpoint

__all__ = ["Fork", "Leg"]

LOST_FORK = (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)
"What a callee is told whose answer came second (:rfc:`3326#section-3.1`)."


class Leg:
    """Hold one early dialog of a fork.

    :ivar response: the last provisional response of this leg.
    :ivar early_sdp: the SDP it brought, if any.
    :ivar call: the call it became, if any.
    """

    __slots__ = ("call", "early_sdp", "response", "usage")

    def __init__(self, usage: InviteUsage) -> None:
        self.usage = usage
        self.response: Response | None = None
        self.early_sdp: bytes | None = None
        self.call: Call | None = None

    @property
    def dialog(self) -> Dialog:
        """The dialog of this leg, early or confirmed."""
        return self.usage.dialog

    @property
    def remote_tag(self) -> str:
        """The tag that tells this leg from the others."""
        return self.usage.dialog.remote_tag


class Fork:
    """Hold an INVITE under way; as a context manager, cancel it or hang up its calls on leaving.

    :ivar legs: the legs so far, in order of appearance.
    """

    def __init__(self, endpoint: Endpoint, request: Request, offer: bytes | None, authenticator: Authenticator) -> None:
        self._endpoint = endpoint
        self._core = endpoint._core
        self._request = request
        self._offer = offer
        self._authenticator = authenticator
        self._invite: ClientInvite | None = None
        self._queue: EventQueue[Event] = EventQueue(endpoint.limits.call_queue)
        self._settled = trio.Event()
        self._call: Call | None = None
        self._error: SipError | None = None
        self.legs: list[Leg] = []

    def _start(self, next_hop: str | None) -> None:
        self._invite = self._endpoint._invite(self, self._request, next_hop)

    @property
    def request(self) -> Request:
        """The INVITE, as it was sent last."""
        return self._invite.request if self._invite is not None else self._request

    def events(self) -> EventQueue[Event]:
        """Iterate over what becomes of the INVITE; the iteration ends when it has its last response."""
        return self._queue

    async def answered(self) -> Call:
        """Wait for the first 2xx and return its call.

        :raises CallFailed: the answer was no.
        :raises CallEnded: `cancel` came first.
        :raises TransactionTimeout: there was no answer.
        :raises TransportError: there was no way there.
        :raises ResolveError: the target's name has no address.
        """
        await self._settled.wait()
        if self._error is not None:
            raise self._error
        assert self._call is not None
        return self._call

    async def cancel(self, *, reason: str | None = None) -> None:
        """Give up the INVITE, if it has no answer yet, and wait until it is over (:rfc:`3261#section-9.1`).

        :param reason: a Reason header field value to send along.
        """
        if not self._settled.is_set():
            assert self._invite is not None
            self._core.cancel(self._invite, trio.current_time(), reason=reason)
            self._endpoint._flush()
            with trio.move_on_after(self._endpoint.grace):
                await self._settled.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):
            if not self._settled.is_set():
                await self.cancel()
            elif self._call is not None and not self._call.is_ended:
                await self._call.hangup()

    # What the endpoint passes on from the core.

    def _leg(self, usage: InviteUsage) -> Leg:
        for leg in self.legs:
            if leg.usage is usage:
                return leg
        leg = Leg(usage)
        self.legs.append(leg)
        return leg

    def _on_progress(self, output: InviteProgress) -> None:
        response = output.response
        if response.code == 100:
            self._queue.put(Trying(response))
            return
        leg = self._leg(output.usage) if output.usage is not None else None
        if leg is not None:
            leg.response = response
            leg.early_sdp = sdp_of(response) or leg.early_sdp
        self._queue.put(Ringing(response, leg) if response.code == 180 else Progress(response, leg))

    def _on_answered(self, output: InviteAnswered) -> None:
        leg = self._leg(output.usage)
        if leg.call is not None:
            return
        leg.response = output.response
        self._authenticator.accepted(output.invite.request, output.response)
        leg.call = call = self._endpoint._adopt(output.usage, self._authenticator)
        call.local_sdp = self._offer
        call.remote_sdp = sdp_of(output.response) or leg.early_sdp
        if self._call is None:
            self._call = call
            self._settled.set()
        else:
            call._leave(LOST_FORK)
        self._queue.put(Answered(output.response, leg, call), beyond_limit=True)

    def _on_failed(self, output: InviteFailed) -> bool:
        """Take the end of an attempt; False when another follows."""
        response = output.response
        if response is not None and response.code in (401, 407) and self._call is None:
            assert self._invite is not None
            retry = self._endpoint._authorized(self._authenticator, self._invite.request, response)
            if retry is not None and not self._invite.is_cancelled:
                self._core.resend(self._invite, retry)
                return False
        if self._call is None:
            self._error = error = self._error_of(output)
            self._settled.set()
            self._queue.put(Failed(error, response), beyond_limit=True)
        self._queue.close()
        return True

    def _error_of(self, output: InviteFailed) -> SipError:
        response = output.response
        if output.kind == "malformed":
            return RemoteProtocolError(output.detail)
        if response is not None and not response.is_success:
            return CallFailed(response)
        if output.kind == "cancelled":
            return CallEnded("cancelled")
        return self._endpoint._error_of(output.kind, output.detail)

    def _on_over(self) -> None:
        """Take the news that no further leg can answer."""
        self._queue.close()

    def _close(self) -> None:
        if not self._settled.is_set():
            self._error = CallEnded("closed")
            self._settled.set()
        self._queue.close()
