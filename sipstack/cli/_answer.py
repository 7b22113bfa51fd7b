"""``sipstack answer``: answer every call, and what else comes."""

from __future__ import annotations

import trio

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
    async with open_endpoint(*urls, network=network, trace=job.trace, methods=METHODS) as endpoint:
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
        sdp = session_answer(session, call.offer) if session is not None else None
        if session is None:
            status, ring = 500, 0.0
        elif sdp is None and status == 200:
            status, ring = 488, 0.0
        # Who refuses at once does not ring.
        if ring or status == 200:
            await call.ring()
            self._output.event("ringing", f"{label}180 Ringing", **fields, code=180)
            with trio.move_on_after(ring):
                await call.wait_ended()
        if session is None or sdp is None or status != 200:
            await call.reject(status, headers=EXPLANATIONS.get(status, ()))
            self._output.event("rejected", f"{label}{status}", **fields, code=status)
            self._output.event("ended", None, **fields, reason="rejected")
            return
        await call.answer(sdp)
        self._output.event("answered", f"{label}200 OK", **fields, code=200)
        conversation = Conversation(call, session, self._output, label=label, fields=fields)
        await conversation.hold(seconds(self._arguments.hangup_after))

    def _session(self, call: IncomingCall) -> LocalSession | None:
        """Describe our side as the caller can reach it; None if no way leads back."""
        peer = peer_of(call.invite)
        if peer is None:
            return None
        try:
            return LocalSession(media_address(self._urls, peer, self._network))
        except OSError:
            return None
