"""An INVITE of ours and the legs that grow from it (:rfc:`3261#section-13.2`).

A proxy may fork an INVITE: each user agent that answers makes a leg, an early dialog of its own, and more than one may
accept. A policy says which are kept; the stack acknowledges and ends the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeGuard

import trio

from sipstack.auth import Authenticator
from sipstack.dialogs import (
    ClientInvite,
    DialogRequest,
    InviteAnswered,
    InviteFailed,
    InviteProgress,
    InviteUsage,
    UsageEnded,
    UsageState,
    retry_request,
)
from sipstack.dialogs import SessionRefreshed as CoreSessionRefreshed
from sipstack.message import (
    SDP,
    LocalProtocolError,
    MalformedMessage,
    Reason,
    RemoteProtocolError,
    Request,
    Response,
    SipError,
)

from ._call import DIALOG_EVENTS, Call, reason_field
from ._dialog_user import DialogUser
from ._errors import CallEnded, CallFailed
from ._event_queue import EventQueue
from ._events import (
    Answered,
    EarlyDialogEnded,
    Event,
    Failed,
    Progress,
    RequestReceived,
    Retried,
    Ringing,
    SessionRefreshed,
    Trying,
)
from ._forking import FollowRedirects, KeepPolicy, Targets

if TYPE_CHECKING:
    from ._endpoint import Endpoint

__all__ = ["Fork", "Leg", "RetryFunction"]

LOST_FORK = (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)
"What a callee is told whose answer came second (:rfc:`3326#section-3.1`)."

_ATTEMPTS = 20
"How often one INVITE is sent in all: redirections have a limit of their own, and refusals must end."

_TRY_LATER = frozenset([404, 413, 480, 486, 491, 500, 503, 600, 603])
"Refusals that may say when to try again (:rfc:`3261#section-20.33`); 491 always may be (21.4.27)."

_GLARE_SECONDS = 2.0  # what a 491 outside of dialogs, which says no time, is waited for

RetryFunction = Callable[[Request, Response], Request | None]
"Given a copy of a refused request and its response, return what to send instead, or None."


class Leg(DialogUser):
    """Hold one early dialog of a fork.

    :ivar response: the last response of this leg.
    :ivar call: the call it became, if any.
    """

    __slots__ = ("_fork", "call", "is_detached", "response")

    def __init__(self, fork: Fork, usage: InviteUsage) -> None:
        super().__init__(fork._endpoint, usage, fork._authenticator)
        self._fork = fork
        self.response: Response | None = None
        self.call: Call | None = None
        self.is_detached = False

    @property
    def remote_tag(self) -> str:
        """The tag that tells this leg from the others."""
        return self.usage.dialog.remote_tag

    @property
    def rseq(self) -> int | None:
        """The RSeq of the last reliable response in order (:rfc:`3262#section-4`)."""
        return None if self.usage.rseq is None else self.usage.rseq[1]

    @property
    def early_sdp(self) -> bytes | None:
        """The SDP of the callee so far: agreed, offered, or told ahead of the answer."""
        session = self.session
        return session.remote or (session.offer if session.has_remote_offer else session.preview)

    @property
    def is_early(self) -> bool:
        """Whether the leg has neither been answered nor ended."""
        return self.usage.state is UsageState.EARLY

    def detach(self) -> Call:
        """Let the call of this leg live on when the fork's block is left; its own block ends it then.

        :raises LocalProtocolError: the leg has not been answered.
        """
        if self.call is None:
            raise LocalProtocolError("this leg has not been answered: there is no call to keep")
        self.is_detached = True
        return self.call

    async def prack(self, sdp: bytes | None = None, *, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """Acknowledge the oldest reliable response that waits for it (:rfc:`3262#section-4`).

        :param sdp: the answer to the offer in it; or else a further offer, whose answer is in the response.
        :raises LocalProtocolError: none waits, or its offer is not answered.
        :raises CallEnded: the leg is over.
        """
        self._check()
        outgoing = self._endpoint._core.prack(
            self.usage,
            trio.current_time(),
            body=sdp or b"",
            content_type=SDP if sdp else None,
            headers=tuple(headers),
        )
        return await self._exchange(outgoing)

    async def end(self, *, reason: Reason | str | None = None) -> None:
        """End this early dialog by BYE; the others go on (:rfc:`3261#section-15`).

        :raises CallEnded: the leg is over.
        """
        self._check()
        self._endpoint._core.bye(self.usage, trio.current_time(), headers=reason_field(reason))
        await self._endpoint._step()

    def _check(self) -> None:
        if self.usage.state is not UsageState.EARLY:
            raise CallEnded("the early dialog is over" if self.call is None else "answered: use leg.call", self.call)

    # What the endpoint passes on from the core.

    def _on_request(self, output: DialogRequest) -> None:
        request = output.request
        kind = DIALOG_EVENTS.get(request.method, RequestReceived)
        if not self._fork._is_heard:
            self._endpoint._put_off(output)
        elif not self._fork._queue.put(kind(request, self._endpoint, output.transaction, leg=self)):
            self._endpoint._shed(output.transaction)

    def _on_refreshed(self, output: CoreSessionRefreshed) -> None:
        self._fork._queue.put(SessionRefreshed(output.request))

    def _on_ended(self, output: UsageEnded) -> None:
        response = output.message if isinstance(output.message, Response) else None
        for exchange in self._exchanges:
            self._endpoint._drop(exchange, CallEnded("the early dialog is over"))
        self._fork._queue.put(EarlyDialogEnded(self, response))


class Fork:
    """Hold an INVITE under way; as a context manager, cancel it or hang up its calls on leaving.

    :ivar legs: the legs so far, in order of appearance.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        request: Request,
        authenticator: Authenticator,
        *,
        keep: KeepPolicy,
        redirects: FollowRedirects | None,
        retry: RetryFunction | None,
        retries: bool,
        patience: float,
        pracks_by_hand: bool,
    ) -> None:
        self._endpoint = endpoint
        self._core = endpoint._core
        self._request = request
        self._authenticator = authenticator
        self._keep = keep
        self._targets = None if redirects is None else Targets(redirects, request.uri)
        self._retry = retry
        self._retries = retries
        self._patience = patience
        self._pracks_by_hand = pracks_by_hand
        self._attempts = 1
        self._invite: ClientInvite | None = None
        self._queue: EventQueue[Event] = EventQueue(endpoint.limits.call_queue)
        self._settled = trio.Event()
        self._call: Call | None = None
        self._error: SipError | None = None
        self._is_left = False
        self._is_heard = False
        self._later: trio.CancelScope | None = None  # of the task that waits to send the next attempt
        self._in_order: list[Leg] = []  # those that have answered
        self.legs: list[Leg] = []

    def _start(self, next_hop: str | None) -> None:
        self._invite = self._endpoint._invite(self, self._request, next_hop, pracks_by_hand=self._pracks_by_hand)
        self._endpoint._flush()

    @property
    def request(self) -> Request:
        """The INVITE, as it was sent last."""
        return self._invite.request if self._invite is not None else self._request

    def events(self) -> EventQueue[Event]:
        """Iterate over what becomes of the INVITE; the iteration ends when it has its last response.

        Where this is not called, requests of callees in early dialogs are put off: 500 with Retry-After, UPDATE 504.
        """
        self._is_heard = True
        return self._queue

    @property
    def calls(self) -> list[Call]:
        """The calls that were answered, kept, and live."""
        return [leg.call for leg in self._answered()]

    async def answered(self) -> Call:
        """Wait for the first 2xx that is kept and return its call.

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

    async def cancel(self, *, reason: Reason | str | None = None) -> None:
        """Give up the INVITE, if it has no answer yet, and wait until it is over (:rfc:`3261#section-9.1`).

        :param reason: a Reason header field value to send along (:rfc:`3326`).
        """
        if self._settled.is_set():
            return
        assert self._invite is not None
        if self._later is not None:
            self._later.cancel()
            self._later = None
            self._endpoint._forget_fork(self._invite)
            self._give_up(CallEnded("cancelled"), None)
            return
        self._core.cancel(self._invite, trio.current_time(), reason=None if reason is None else str(reason))
        self._endpoint._flush()
        with trio.move_on_after(self._endpoint.grace):
            await self._settled.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_left = True
        with trio.CancelScope(shield=True):
            if not self._settled.is_set():
                await self.cancel()
            ending = [leg.call for leg in self._answered() if not leg.is_detached]
            for call in ending:
                call._leave()
            for call in ending:
                await call.hangup()

    # What the endpoint passes on from the core.

    def _answered(self) -> list[_AnsweredLeg]:
        return [leg for leg in self._in_order if _is_answered(leg)]

    def _leg(self, usage: InviteUsage) -> Leg:
        for leg in self.legs:
            if leg.usage is usage:
                return leg
        leg = Leg(self, usage)
        self.legs.append(leg)
        self._endpoint._watch(leg)
        return leg

    def _on_progress(self, output: InviteProgress) -> None:
        response = output.response
        if response.code == 100:
            self._queue.put(Trying(response))
            return
        leg = self._leg(output.usage) if output.usage is not None else None
        if leg is not None:
            leg.response = response
        kind = Ringing if response.code == 180 else Progress
        self._queue.put(kind(response, leg, output.is_reliable))

    def _on_answered(self, output: InviteAnswered) -> None:
        leg = self._leg(output.usage)
        if leg.call is not None:
            return
        leg.response = output.response
        self._authenticator.accepted(output.invite.request, output.response)
        leg.call = call = self._endpoint._adopt(output.usage, self._authenticator)
        call._exchanges = leg._exchanges  # what is under way goes on in the call, and ends with it
        self._in_order.append(leg)
        answered = self._answered()
        kept = () if self._is_left else self._keep(answered)
        for each in answered:
            if each not in kept and not each.is_detached:
                each.call._leave(LOST_FORK)
        self._queue.put(Answered(output.response, leg, call), beyond_limit=True)
        if not self._settled.is_set() and leg in kept:
            self._call = call
            self._settled.set()

    def _on_failed(self, output: InviteFailed) -> bool:
        """Take the end of an attempt; False when another follows."""
        assert self._invite is not None
        response = output.response
        if self._call is None and not self._invite.is_cancelled and not self._is_left and self._is_followed(response):
            return False
        if not self._settled.is_set():
            self._give_up(self._error_of(output), response)
        self._queue.close()
        return True

    def _give_up(self, error: SipError, response: Response | None) -> None:
        self._error = error
        self._settled.set()
        self._queue.put(Failed(error, response), beyond_limit=True)
        self._queue.close()

    def _is_followed(self, response: Response | None) -> bool:
        """Send the INVITE again where its refusal, or our user, says as what (:rfc:`3261#section-8.1.3`)."""
        assert self._invite is not None
        if self._attempts >= _ATTEMPTS:
            return False
        request, wait = self._next_attempt(self._invite.request, response)
        if request is None:
            return False
        self._attempts += 1
        if wait > 0:
            self._later = trio.CancelScope()
            self._endpoint._nursery.start_soon(self._send_later, self._later, wait, request)
        else:
            try:
                self._core.resend(self._invite, request)
            except LocalProtocolError as error:  # of what our user's function has made
                self._give_up(error, response)
                return False
        if response is not None and response.code not in (401, 407):
            self._queue.put(Retried(response, request, wait))
        return True

    async def _send_later(self, scope: trio.CancelScope, wait: float, request: Request) -> None:
        assert self._invite is not None
        with scope:
            await trio.sleep(wait)
            self._later = None
            self._core.resend(self._invite, request)
            self._endpoint._flush()

    def _next_attempt(self, request: Request, response: Response | None) -> tuple[Request | None, float]:
        targets = self._targets
        if response is None:
            return (None if targets is None else targets.next_request(request)), 0.0
        code = response.code
        if code in (401, 407):
            return self._endpoint._authorized(self._authenticator, request, response), 0.0
        if self._retry is not None:
            changed = self._retry(request.copy(), response)
            if changed is not None:
                return changed, 0.0
        if self._retries:
            changed = retry_request(request, response)
            if changed is not None:
                return changed, 0.0
        wait = _wait_of(response) if self._patience else None
        if wait is not None and wait <= self._patience:
            self._patience -= wait
            return request.copy(), wait
        if targets is not None and code < 600:
            if 300 <= code < 400:
                targets.add(response)
            return targets.next_request(request), 0.0
        return None, 0.0

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
        if self._settled.is_set():
            self._queue.close()
        else:
            self._give_up(CallEnded("not kept"), None)

    def _close(self) -> None:
        if not self._settled.is_set():
            self._error = CallEnded("closed")
            self._settled.set()
        if self._later is not None:
            self._later.cancel()
        self._queue.close()


class _AnsweredLeg(Leg):
    """What the type checker knows of a leg that has a live call."""

    __slots__ = ()
    call: Call


def _is_answered(leg: Leg) -> TypeGuard[_AnsweredLeg]:
    return leg.call is not None and not leg.call.is_ended


def _wait_of(response: Response) -> float | None:
    """Return in how many seconds a refused INVITE may be sent again as it is; None when the refusal does not say."""
    if response.code not in _TRY_LATER:
        return None
    try:
        after = response.retry_after
    except MalformedMessage:
        return None
    if after is not None:
        return max(0.1, float(after.seconds))
    return _GLARE_SECONDS if response.code == 491 else None
