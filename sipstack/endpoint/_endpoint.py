"""The endpoint: one user agent with its listeners, what users open and hold (:rfc:`3261#section-8`).

It turns what the core puts out into calls, registrations and typed events, and what users do into the core's commands.
The transport below drives the core; nothing here waits for the network but its users.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal

import trio

from sipstack.auth import AuthenticationFailed, Authenticator, Credentials, put_credentials
from sipstack.dialogs import (
    AckReceived,
    ClientInvite,
    DialogLayer,
    DialogRequest,
    DialogSnapshot,
    InviteAnswered,
    InviteCancelled,
    InviteFailed,
    InviteOver,
    InviteProgress,
    InviteUsage,
    Outgoing,
    OutOfDialogRequest,
    ResponseReceived,
    UsageEnded,
    UsageState,
)
from sipstack.dialogs import InviteReceived as CoreInviteReceived
from sipstack.dialogs import PrackReceived as CorePrackReceived
from sipstack.dialogs import RequestFailed as CoreRequestFailed
from sipstack.dialogs import SessionRefreshed as CoreSessionRefreshed
from sipstack.message import (
    SDP,
    URI,
    CSeq,
    Limits,
    LocalProtocolError,
    MalformedMessage,
    Request,
    Response,
    SipError,
    Tokens,
)
from sipstack.resolver import ResolveError
from sipstack.transactions import Dropped, ServerTransaction, TransactionTimeout, TransportError
from sipstack.transport import Transport, open_quiet_nursery

from ._call import Call, IncomingCall
from ._event_queue import EventQueue
from ._events import Event, InviteReceived, MessageReceived, OptionsReceived, RegisterReceived, RequestReceived
from ._exchange import Exchange
from ._fork import Fork, Leg, RetryFunction
from ._forking import FollowRedirects, KeepFirst, KeepPolicy
from ._originator import Originator, own_uri
from ._registration import Registration

__all__ = ["Endpoint"]

_HEARING_SECONDS = 1.0  # a user needs some time between opening an endpoint and asking for its events

_BUSY_RETRY = (("Retry-After", "5"),)  # seconds: a user that lags behind has had time to catch up

_UNASKED = (("Warning", '399 sipstack "The user cannot be asked before the call is answered"'),)

_EVENTS: dict[str, type[RequestReceived]] = {
    "OPTIONS": OptionsReceived,
    "REGISTER": RegisterReceived,
    "MESSAGE": MessageReceived,
}


class Endpoint:
    """Hold one user agent; made by `open_endpoint`.

    :ivar limits: the bounds it keeps.
    :ivar grace: seconds that leaving a block waits for peers to take note.
    :ivar counters: how often what was shed or went wrong, by name.
    """

    def __init__(
        self,
        core: DialogLayer,
        *,
        tokens: Tokens,
        limits: Limits,
        grace: float,
    ) -> None:
        self._core = core
        self._transport: Transport
        self._originator: Originator
        self._tokens = tokens
        # A peer that called us gets none: any realm it named would be one it chose (RFC 3261, 22.1).
        self._no_credentials = Authenticator((), tokens)
        self._queue: EventQueue[Event] = EventQueue(limits.event_queue)
        self._is_listening = False
        self._is_unheard = False
        self._is_closing = False
        self._calls: dict[InviteUsage, Call] = {}
        self._legs: dict[InviteUsage, Leg] = {}
        self._nursery: trio.Nursery
        self._forks: dict[ClientInvite, Fork] = {}
        self._exchanges: dict[Outgoing, Exchange] = {}
        self.limits = limits
        self.grace = grace
        self.counters: Counter[str] = Counter()
        self._handlers: dict[type, Callable[..., None]] = {
            CoreInviteReceived: self._on_invite,
            InviteCancelled: self._on_cancelled,
            OutOfDialogRequest: self._on_request,
            DialogRequest: self._on_dialog_request,
            AckReceived: self._on_ack,
            InviteProgress: self._on_progress,
            InviteAnswered: self._on_answered,
            InviteFailed: self._on_invite_failed,
            InviteOver: self._on_invite_over,
            ResponseReceived: self._on_response,
            CoreRequestFailed: self._on_request_failed,
            CorePrackReceived: self._on_prack,
            CoreSessionRefreshed: self._on_session_refreshed,
            UsageEnded: self._on_usage_ended,
            Dropped: self._on_dropped,
        }

    @property
    def urls(self) -> list[str]:
        """Where this endpoint listens, with the ports it really has: ``udp://127.0.0.1:5060``."""
        return [str(url) for url in self._transport.urls]

    def events(self) -> EventQueue[Event]:
        """Iterate over what comes from outside of any call of ours; one task at a time may.

        Where this is not called within a second of opening, the endpoint answers by itself until it is: OPTIONS 200,
        INVITE 480, others 405.
        """
        self._is_unheard = False
        self._is_listening = True
        return self._queue

    def invite(
        self,
        uri: str,
        *,
        offer: bytes | None = None,
        credentials: Credentials | Iterable[Credentials] | None = None,
        from_uri: str | None = None,
        proxy: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        require: Iterable[str] = (),
        session_expires: int | None = None,
        prack: Literal["auto", "manual"] = "auto",
        keep: KeepPolicy = KeepFirst(),  # noqa: B008  (frozen)
        redirects: FollowRedirects | None = None,
        retries: bool = True,
        retry: RetryFunction | None = None,
        patience: float = 0.0,
    ) -> AbstractAsyncContextManager[Fork]:
        """Send an INVITE and hold all that grows from it (:rfc:`3261#section-13.2.1`).

        :param uri: whom to call.
        :param offer: our SDP; without it the callee makes the offer, and `Call.acknowledge` or `Leg.prack` answers.
        :param credentials: for digest challenges, each for its realm.
        :param from_uri: who calls, a URI or name-addr; by default the endpoint's own user.
        :param proxy: the URI of an outbound proxy.
        :param headers: names and values of further header fields.
        :param require: option tags the callee must support, such as ``100rel``.
        :param session_expires: the session interval to ask for, in seconds (:rfc:`4028`).
        :param prack: who acknowledges reliable responses without an offer: the stack, or ``manual``: `Leg.prack`.
        :param keep: which of several legs that answer are kept: `KeepFirst`, `KeepAll`, or a function of the legs.
        :param redirects: whether 3xx responses are followed, and how far.
        :param retries: whether a refusal that says what it would have taken is followed: 415, 420 and 422
            (:rfc:`3261#section-8.1.3.5`). Challenges are answered in any case.
        :param retry: a function that makes another request of a refused one, for 484 or 488, say.
        :param patience: seconds to wait in all for refusals that say when to try again, 491 included.
        """
        request, next_hop = self._originator.create_request(
            "INVITE", uri, from_uri=from_uri, proxy=proxy, headers=headers
        )
        if offer is not None:
            request.body = offer
            request.headers.set("Content-Type", SDP)
        options = tuple(require)
        if options:
            request.require = [*request.require, *options]
        if session_expires is not None:
            request.headers.set("Session-Expires", str(session_expires))
        fork = Fork(
            self,
            request,
            self._authenticator(credentials),
            keep=keep,
            redirects=redirects,
            retry=retry,
            retries=retries,
            patience=patience,
            pracks_by_hand=prack == "manual",
        )

        @asynccontextmanager
        async def opened() -> AsyncIterator[Fork]:
            fork._start(next_hop)
            async with fork:
                await self._step()
                yield fork

        return opened()

    def call(
        self,
        uri: str,
        *,
        offer: bytes | None = None,
        credentials: Credentials | Iterable[Credentials] | None = None,
        from_uri: str | None = None,
        proxy: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        require: Iterable[str] = (),
        session_expires: int | None = None,
        redirects: FollowRedirects | None = None,
        retries: bool = True,
        retry: RetryFunction | None = None,
        patience: float = 0.0,
    ) -> AbstractAsyncContextManager[Call]:
        """Call somebody; the block begins when the call is answered, and leaving it hangs up.

        Parameters are those of `invite`; the first answer is kept.

        :raises CallFailed: the answer was no.
        :raises TransactionTimeout: there was no answer.
        :raises TransportError: there was no way there.
        :raises ResolveError: the target's name has no address.
        """
        invitation = self.invite(
            uri,
            offer=offer,
            credentials=credentials,
            from_uri=from_uri,
            proxy=proxy,
            headers=headers,
            require=require,
            session_expires=session_expires,
            redirects=redirects,
            retries=retries,
            retry=retry,
            patience=patience,
        )

        @asynccontextmanager
        async def opened() -> AsyncIterator[Call]:
            async with invitation as fork, await fork.answered() as call:
                yield call

        return opened()

    async def request(
        self,
        method: str,
        uri: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        credentials: Credentials | Iterable[Credentials] | None = None,
        from_uri: str | None = None,
        proxy: str | None = None,
    ) -> Response:
        """Send a request outside of any call and return its final response, whatever it is.

        :param method: any but those that `invite`, `call` and what they give send: INVITE, ACK, CANCEL, BYE, PRACK,
            UPDATE, INFO.
        :raises TransactionTimeout: there was no answer.
        :raises TransportError: there was no way there.
        :raises ResolveError: the target's name has no address.
        """
        if method in ("INVITE", "ACK", "CANCEL"):
            raise LocalProtocolError(f"{method} is not sent by request(); use invite() or call()")
        request, next_hop = self._originator.create_request(
            method, uri, from_uri=from_uri, proxy=proxy, headers=headers
        )
        if body:
            request.body = body
            request.headers.set("Content-Type", content_type or "text/plain")
        exchange = self._send(request, next_hop, self._authenticator(credentials))
        return await exchange.wait()

    @asynccontextmanager
    async def register(
        self,
        aor: str,
        *,
        registrar: str | None = None,
        credentials: Credentials | Iterable[Credentials] | None = None,
        expires: int = 3600,
        contact: str | None = None,
        proxy: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> AsyncIterator[Registration]:
        """Bind an address-of-record to this endpoint for as long as the block lasts (:rfc:`3261#section-10.2`).

        :param registrar: its URI; by default the domain of the address-of-record.
        :param expires: the seconds to ask for; refreshed in good time.
        :param contact: the URI to bind; by default where this endpoint is reached.
        :raises RegistrationFailed: the registrar refused the first time.
        :raises SipError: the registrar gave no answer the first time.
        """
        address = own_uri(aor)
        target = registrar or str(URI(address.scheme, address.host, port=address.port))
        request, next_hop = self._originator.create_request(
            "REGISTER", target, from_uri=aor, proxy=proxy, headers=headers
        )
        request.headers.set("To", f"<{aor}>")
        if contact is not None:
            request.headers.set("Contact", f"<{own_uri(contact)}>")
        registration = Registration(self, request, next_hop, expires, self._authenticator(credentials))
        try:
            await registration.refresh()
            async with open_quiet_nursery() as nursery:
                nursery.start_soon(registration._keep)
                yield registration
        finally:
            with trio.CancelScope(shield=True):
                await registration._remove()

    # How requests of ours are made and sent.

    def _authenticator(
        self, credentials: Credentials | Iterable[Credentials] | None, *, asked: Iterable[tuple[str, str]] = ()
    ) -> Authenticator:
        if credentials is None:
            credentials = ()
        elif isinstance(credentials, Credentials):
            credentials = (credentials,)
        return Authenticator(credentials, self._tokens, asked=asked)

    def _authorized(self, authenticator: Authenticator, request: Request, response: Response) -> Request | None:
        """Return the request to send after a challenge, or None when there is no answer to it."""
        try:
            answers = authenticator.answer(request, response)
        except AuthenticationFailed:
            self._count("challenges not answered")
            return None
        retry = request.copy()
        retry.cseq = CSeq(request.cseq.sequence + 1, request.method)
        put_credentials(retry, answers)
        return retry

    def restore(
        self,
        snapshot: DialogSnapshot,
        *,
        elapsed: float = 0.0,
        credentials: Credentials | Iterable[Credentials] | None = None,
    ) -> Call:
        """Go on with a call of which another endpoint, perhaps in another process, took the snapshot.

        The call is reached here only if its peer's requests come here: by address, or through a proxy that knows.

        :param elapsed: seconds since the snapshot was taken: session timers run on.
        :param credentials: for digest challenges, each for its realm.
        :raises SnapshotError: the value cannot be restored.
        :raises LocalProtocolError: the call lives here already.
        """
        authenticator = self._authenticator(credentials, asked=snapshot.realms)
        usage = self._core.restore(snapshot, trio.current_time(), elapsed=elapsed)
        return self._adopt(usage, authenticator)

    def _invite(
        self, fork: Fork, request: Request, next_hop: str | None, *, pracks_by_hand: bool = False
    ) -> ClientInvite:
        invite = self._core.invite(
            request, next_hop=URI.parse(next_hop) if next_hop else None, pracks_by_hand=pracks_by_hand
        )
        self._forks[invite] = fork
        return invite

    def _send(
        self, request: Request, next_hop: str | None, authenticator: Authenticator, *, with_contact: bool = False
    ) -> Exchange:
        outgoing = self._core.request(
            request, next_hop=URI.parse(next_hop) if next_hop else None, with_contact=with_contact
        )
        exchange = self._follow(outgoing, authenticator)
        self._flush()
        return exchange

    def _follow(self, outgoing: Outgoing, authenticator: Authenticator) -> Exchange:
        """Follow a request to its final response; to be called before it is flushed."""
        exchange = self._exchanges[outgoing] = Exchange(self, outgoing, authenticator)
        return exchange

    def _drop(self, exchange: Exchange, error: SipError) -> None:
        """Let whoever waits for a request's response wait no more."""
        if self._exchanges.pop(exchange.outgoing, None) is not None:
            exchange.fail(error)

    def _abandon(self, exchange: Exchange) -> None:
        """Care no more for a request's response; an INVITE is cancelled (:rfc:`3261#section-9.1`)."""
        if self._exchanges.pop(exchange.outgoing, None) is not None:
            self._core.abandon(exchange.outgoing, trio.current_time())
            self._flush()

    def _respond(
        self,
        transaction: ServerTransaction,
        code: int,
        *,
        phrase: str | None = None,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        if not self._core.awaits_answer(transaction):
            # The peer gave up while our user was busy; that is no fault of the user's.
            self._count("answers too late")
            return
        self._core.respond_request(
            transaction, code, trio.current_time(), phrase=phrase, body=body, content_type=content_type, headers=headers
        )

    def _put_off(self, output: DialogRequest) -> None:
        """Answer a request in an early dialog whose user does not listen."""
        if output.request.method == "UPDATE":
            # RFC 3311, 5.2: what cannot be changed without asking the user.
            self._respond(output.transaction, 504, headers=_UNASKED)
        else:
            self._respond(output.transaction, 500, headers=_BUSY_RETRY)

    def _shed(self, transaction: ServerTransaction) -> None:
        self._count("503: event queue full")
        self._respond(transaction, 503, headers=_BUSY_RETRY)

    def _watch(self, leg: Leg) -> None:
        """Hand to a leg what its early dialog has to say."""
        if leg.is_early:
            self._legs[leg.usage] = leg

    def _forget_fork(self, invite: ClientInvite) -> None:
        self._forks.pop(invite, None)

    def _adopt(self, usage: InviteUsage, authenticator: Authenticator) -> Call:
        self._legs.pop(usage, None)
        call = self._calls[usage] = Call(self, usage, authenticator)
        return call

    def _forget(self, call: Call) -> None:
        self._calls.pop(call.usage, None)

    def _count(self, name: str) -> None:
        self.counters[name] += 1

    def _flush(self) -> None:
        self._transport.flush()

    async def _step(self) -> None:
        """Send what a user's command put out, and let the user be cancelled here."""
        self._flush()
        await trio.lowlevel.checkpoint_if_cancelled()

    @staticmethod
    def _error_of(kind: str, detail: str) -> SipError:
        if kind == "timeout":
            return TransactionTimeout(detail)
        if kind == "unroutable":
            return ResolveError(detail)
        return TransportError(detail)

    # What the core puts out. Called by the transport, synchronously, in order.

    def _deliver(self, output: object) -> None:
        self._handlers[output.__class__](output)

    def _on_invite(self, output: CoreInviteReceived) -> None:
        invite = output.invite
        if self._is_unheard or self._is_closing:
            self._core.respond(invite, 480, trio.current_time())
            return
        if self._queue.is_full:
            self._count("503: event queue full")
            self._core.respond(invite, 503, trio.current_time(), headers=_BUSY_RETRY)
            return
        call = self._calls[invite.usage] = IncomingCall(self, invite)
        self._queue.put(InviteReceived(call))

    def _on_cancelled(self, output: InviteCancelled) -> None:
        invite = output.invite
        call = self._calls.get(invite.usage)
        if call is None:
            return
        if not invite.is_reinvite:
            self._forget(call)
            assert isinstance(call, IncomingCall)
            call._on_cancelled(output.request)
        elif invite.usage.state is not UsageState.ENDED:
            call._on_reinvite_cancelled(output.request)

    def _on_request(self, output: OutOfDialogRequest) -> None:
        request, transaction = output.request, output.transaction
        if self._is_closing:
            self._respond(transaction, 503)
            return
        if self._is_unheard:
            self._respond(transaction, 200 if request.method == "OPTIONS" else 405)
            return
        if not self._is_sound(request, transaction):
            return
        event = _EVENTS.get(request.method, RequestReceived)(request, self, transaction)
        if not self._queue.put(event):
            self._shed(transaction)

    def _on_dialog_request(self, output: DialogRequest) -> None:
        holder = self._calls.get(output.usage) or self._legs.get(output.usage)
        if holder is None:
            self._put_off(output)
        elif self._is_sound(output.request, output.transaction):
            holder._on_request(output)

    def _is_sound(self, request: Request, transaction: ServerTransaction) -> bool:
        """Read every header field, so that none can fail in the user's hands; what is wrong is answered 400."""
        try:
            request.validate()
        except MalformedMessage as error:
            self._count("malformed header field")
            self._respond(transaction, error.status_hint, phrase=error.phrase)
            return False
        return True

    def _on_ack(self, output: AckReceived) -> None:
        call = self._calls.get(output.usage)
        if call is not None:
            call._on_ack(output)

    def _on_prack(self, output: CorePrackReceived) -> None:
        call = self._calls.get(output.invite.usage)
        if isinstance(call, IncomingCall):
            call._on_prack(output.rseq)

    def _on_session_refreshed(self, output: CoreSessionRefreshed) -> None:
        holder = self._calls.get(output.usage) or self._legs.get(output.usage)
        if holder is not None:
            holder._on_refreshed(output)

    def _on_progress(self, output: InviteProgress) -> None:
        fork = self._forks.get(output.invite)
        if fork is not None:
            fork._on_progress(output)

    def _on_answered(self, output: InviteAnswered) -> None:
        fork = self._forks.get(output.invite)
        if fork is not None:
            fork._on_answered(output)

    def _on_invite_failed(self, output: InviteFailed) -> None:
        fork = self._forks.get(output.invite)
        if fork is not None and fork._on_failed(output):
            del self._forks[output.invite]

    def _on_invite_over(self, output: InviteOver) -> None:
        fork = self._forks.pop(output.invite, None)
        if fork is not None:
            fork._on_over()

    def _on_response(self, output: ResponseReceived) -> None:
        exchange = self._exchanges.get(output.outgoing)
        if exchange is None:
            self._take_abandoned(output)
        elif exchange.on_response(output):
            self._exchanges.pop(output.outgoing, None)

    def _take_abandoned(self, output: ResponseReceived) -> None:
        """Take the response to a request that no user waits for: one of the core's own, or one given up.

        A challenge is answered all the same. What a re-INVITE that was cancelled too late began is ended: the offer of
        its 2xx gets an ACK without answer.
        """
        outgoing, response = output.outgoing, output.response
        usage = outgoing.usage
        if usage is None:
            return
        if usage.to_acknowledge is outgoing.request:
            self._core.acknowledge(usage, trio.current_time())
        elif response.code in (401, 407) and isinstance(usage.owner, (Call, Leg)):
            retry = self._authorized(usage.owner._authenticator, outgoing.request, response)
            if retry is not None:
                self._resend(outgoing, retry)

    def _resend(self, outgoing: Outgoing, request: Request) -> bool:
        try:
            self._core.resend(outgoing, request)
        except LocalProtocolError:
            # The call went on meanwhile: it is ending, or the peer's own INVITE came first.
            self._count("challenges not answered")
            return False
        return True

    def _on_request_failed(self, output: CoreRequestFailed) -> None:
        exchange = self._exchanges.pop(output.outgoing, None)
        if exchange is not None:
            exchange.on_failed(output)

    def _on_usage_ended(self, output: UsageEnded) -> None:
        holder = self._calls.pop(output.usage, None) or self._legs.pop(output.usage, None)
        if holder is not None:
            holder._on_ended(output)

    def _on_dropped(self, output: Dropped) -> None:
        self._count(f"dropped: {output.reason}")

    async def _answer_unheard(self) -> None:
        """See whether the user takes events at all; answer what came meanwhile, and will come, if not."""
        await trio.sleep(_HEARING_SECONDS)
        if not self._is_listening:
            self._is_unheard = True
            for event in self._queue.drain():
                match event:
                    case InviteReceived(call=call):
                        call._leave()
                    case RequestReceived(request=request):
                        self._respond(event._transaction, 200 if request.method == "OPTIONS" else 405)
            self._flush()

    # How it ends.

    async def _close(self) -> None:
        """Leave every call, wait a while for the peers to take note, and forget the rest."""
        self._is_closing = True
        for call in list(self._calls.values()):
            call._leave()
        for invite in list(self._forks):
            self._core.cancel(invite, trio.current_time())
        for transaction, usage in list(self._core.unanswered.items()):
            if usage is None:
                self._respond(transaction, 503)
        self._flush()
        with trio.move_on_after(self.grace):
            await self._transport.wait_until(lambda: not self._core.has_unfinished)
        self._queue.close()
        for call in self._calls.values():
            call._finish("closed", None)
        for fork in self._forks.values():
            fork._close()
        for exchange in list(self._exchanges.values()):
            self._drop(exchange, TransportError("the endpoint was closed"))
        self._calls.clear()
        self._legs.clear()
        self._forks.clear()
        self._exchanges.clear()
        self._core.close()
