"""``sipstack answer``: answer every call, and what else comes."""

from __future__ import annotations

import trio

from sipstack.dialogs import SessionTimerPolicy
from sipstack.endpoint import (
    CallEnded,
    Event,
    IncomingCall,
    InviteReceived,
    MessageReceived,
    OptionsReceived,
    RequestReceived,
    open_endpoint,
)
from sipstack.message import LocalProtocolError, SipError
from sipstack.transport import TrioNetwork

from ._conversation import EXPLANATIONS, METHODS, Conversation, session_answer
from ._exit_codes import SUCCESS
from ._output import sentence
from ._run import Job, seconds
from ._session import LocalSession, media_address, peer_of

__all__ = ["answer"]

_EVERYWHERE = ("udp://0.0.0.0:5060", "tcp://0.0.0.0:5060")


async def answer(job: Job) -> int:
    """Answer until a signal comes, or so many calls have ended."""
    network = TrioNetwork()
    urls = job.arguments.listen or _EVERYWHERE
    async with open_endpoint(
        *urls,
        network=network,
        trace=job.trace,
        methods=METHODS,
        session_timer=SessionTimerPolicy(interval=job.arguments.session_expires),
    ) as endpoint:
        # Asked for first: whoever reads that we listen may call at once.
        events = endpoint.events()
        for url in endpoint.urls:
            job.output.event("listening", f"listening on {url}", url=url)
        async with trio.open_nursery() as nursery:
            answerer = _Answerer(job, endpoint.urls, network, nursery.cancel_scope)
            async for event in events:
                nursery.start_soon(answerer.take, event)
    return SUCCESS


class _Answerer:
    """Answer one event after the other, each in a task of its own.

    :param scope: is cancelled when enough calls have ended.
    """

    def __init__(self, job: Job, urls: list[str], network: TrioNetwork, scope: trio.CancelScope) -> None:
        self._arguments = job.arguments
        self._output = job.output
        self._urls = urls
        self._network = network
        self._scope = scope
        self._calls = 0
        self._ended = 0

    async def take(self, event: Event) -> None:
        """Answer one event."""
        match event:
            case InviteReceived(call=call):
                await self._take_call(call)
            case OptionsReceived():
                await self._respond(event, 200)
            case MessageReceived(text=text):
                await self._respond(event, 200, text=text)
            case RequestReceived():
                await self._respond(event, 405)

    async def _respond(self, event: RequestReceived, code: int, **fields: str) -> None:
        try:
            await event.respond(code)
        except LocalProtocolError:  # the transaction ended while the event waited for us: nobody is left to answer
            return
        sender = str(event.request.from_address.uri)
        words = "".join(f" {value!r}" for value in fields.values())
        self._output.event(
            "request",
            f"{event.method} from {sender}{words}, answered {code}",
            **{"method": event.method, "from": sender, "code": code, **fields},
        )

    async def _take_call(self, call: IncomingCall) -> None:
        self._calls += 1
        number, request = self._calls, call.invite
        sender = str(request.from_address.uri)
        label = f"call {number}: "
        fields: dict[str, object] = {"call": number}
        self._output.event(
            "invite",
            f"{label}INVITE from {sender}",
            **fields,
            **{"from": sender, "to": str(request.to_address.uri), "call_id": request.call_id},
        )
        async with call:
            try:
                await self._settle(call, label, fields)
            except CallEnded as error:
                self._output.event("ended", f"{label}{error.reason}", **fields, reason=error.reason)
            except SipError as error:  # one call that goes wrong must not end the others
                self._output.event("ended", None, **fields, reason="error")
                self._output.error(f"{label}{sentence(error)}")
        self._ended += 1
        if self._ended == self._arguments.max_calls:
            self._scope.cancel()

    async def _settle(self, call: IncomingCall, label: str, fields: dict[str, object]) -> None:
        """Ring, answer and hold a call, or refuse it.

        :raises CallEnded: the caller gave up before it was answered.
        """
        status, ring = self._arguments.status, self._arguments.ring
        session = self._session(call)
        if session is None:
            await self._reject(call, 500, label, fields)
            return
        sdp = session_answer(session, call.offer)
        if sdp is None and status == 200:
            status, ring = 488, 0.0
        conversation = Conversation(session, self._output, label=label, fields=fields)
        # Who refuses at once does not ring.
        is_reliable = False
        if ring or status == 200:
            is_reliable = await self._ring(call, conversation, sdp)
            with trio.move_on_after(ring):
                await conversation.follow(call)
        if status != 200:
            await self._reject(call, status, label, fields)
            return
        await call.answer(None if is_reliable else sdp)
        conversation.say("answered", "200 OK", code=200)
        await conversation.hold(call, seconds(self._arguments.hangup_after))

    async def _reject(self, call: IncomingCall, code: int, label: str, fields: dict[str, object]) -> None:
        await call.reject(code, headers=EXPLANATIONS.get(code, ()))
        self._output.event("rejected", f"{label}{code}", **fields, code=code)
        self._output.event("ended", None, **fields, reason="rejected")

    async def _ring(self, call: IncomingCall, conversation: Conversation, sdp: bytes | None) -> bool:
        """Ring; return whether that was acknowledged, so that the SDP is with the caller already."""
        is_reliable = call.can_ring_reliably and (self._arguments.reliable or "100rel" in call.invite.require)
        if not is_reliable:
            await call.ring()
            conversation.say("ringing", "180 Ringing", code=180, reliable=False)
            return False
        conversation.say("ringing", "180 Ringing", code=180, reliable=True)
        await call.ring(reliable=True, answer=sdp)
        conversation.say("prack", "PRACK")
        return True

    def _session(self, call: IncomingCall) -> LocalSession | None:
        """Describe our side as the caller can reach it; None if no way leads back."""
        peer = peer_of(call.invite)
        if peer is None:
            return None
        try:
            return LocalSession(media_address(self._urls, peer, self._network))
        except OSError:
            return None
