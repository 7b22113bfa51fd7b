"""A call from its first ringing on: answer what the peer asks in it, until one side hangs up."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import trio

from sipstack.endpoint import (
    AckReceived,
    ByeReceived,
    Call,
    CallEnded,
    CallLost,
    Event,
    MessageReceived,
    OptionsReceived,
    PrackReceived,
    ReinviteReceived,
    RequestReceived,
    SessionRefreshed,
    UpdateReceived,
)
from sipstack.message import SDP, LocalProtocolError, Response, SipError
from sipstack.sdp import SdpError
from sipstack.transport import open_quiet_nursery

from ._output import Output, sentence
from ._session import LocalSession

__all__ = ["EXPLANATIONS", "METHODS", "Conversation", "session_answer", "session_refusal"]

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "MESSAGE", "PRACK", "UPDATE")
"What a call of the command takes; the stack answers all others 405."

EXPLANATIONS = {488: (("Warning", '399 sipstack "No medium and codec of the offer can be taken"'),)}
"Header fields that say why a call, or a change of it, is refused (:rfc:`3261#section-13.3.1.3`)."

_LOST = {
    "timeout": "a request in it timed out",
    "transport": "the transport failed",
    "unacknowledged": "no ACK came for the answer",
    "rejected": "the peer does not know it any more",
    "expired": "nobody refreshed the session",
}


def session_answer(session: LocalSession, offered: bytes | None) -> bytes | None:
    """Answer an offer, or make one where there is none; None means 488."""
    if offered is None:
        return session.offer()
    try:
        return session.answer(offered)
    except SdpError:
        return None


def session_refusal(session: LocalSession, offered: bytes) -> bytes | None:
    """Answer an offer that cannot be met with 488, by taking nothing of it; None where it is no offer at all."""
    try:
        return session.refuse(offered)
    except SdpError:
        return None


class Conversation:
    """Hold one call, with the words for it.

    :param label: goes before each line for people: ``"call 3: "``.
    :param fields: go into each JSON object.
    """

    def __init__(self, session: LocalSession, output: Output, *, label: str = "", fields: dict[str, object]) -> None:
        self._session = session
        self._output = output
        self._label = label
        self._fields = fields
        self._lost: str | None = None

    def say(self, name: str, text: str, /, **fields: object) -> None:
        """Print one event of this call."""
        self._output.event(name, f"{self._label}{text}", **self._fields, **fields)

    async def follow(self, call: Call) -> None:
        """Take what comes until the call ends."""
        async for event in call.events():
            await self.take(event)

    async def hold(self, call: Call, duration: float, *, hold_after: float = math.inf) -> bool:
        """Stay in the call until it ends, or hang up after so many seconds; return False if it was lost.

        :param hold_after: seconds after which the peer is put on hold, for half the time that is left then.
        """
        start = trio.current_time()
        with trio.move_on_after(duration):
            async with open_quiet_nursery() as nursery:
                nursery.start_soon(self._hold_peer, call, hold_after, duration)
                await self.follow(call)
        if not call.is_ended:
            await call.hangup()
        lasted = trio.current_time() - start
        reason = call.end_reason or "local"
        if self._lost is not None:
            text = f"lost after {lasted:.1f} s: {_LOST[self._lost]}"
        else:
            text = f"{'hung up' if reason == 'local' else 'the peer hung up'} after {lasted:.1f} s"
        self.say("ended", text, reason=reason, duration=round(lasted, 3))
        return self._lost is None

    async def take(self, event: Event) -> None:
        """Tell of one event, and answer it if it wants that."""
        match event:
            case AckReceived():
                self.say("confirmed", "ACK")
            case ByeReceived():
                self.say("bye", "BYE")
            case CallLost(cause=cause):
                self._lost = cause
            case SessionRefreshed(request=request):
                self.say("refreshed", f"{request.method}, the session is refreshed", method=request.method)
            case PrackReceived(offer=bytes() as offer):
                sdp = session_answer(self._session, offer) or session_refusal(self._session, offer)
                await self._respond(event, 200, sdp=sdp)
            case ReinviteReceived(offer=offer) | UpdateReceived(offer=offer):
                sdp = session_answer(self._session, offer)
                await self._respond(event, 200 if sdp is not None else 488, sdp=sdp)
            case OptionsReceived():
                await self._respond(event, 200)
            case MessageReceived(text=text):
                await self._respond(event, 200, text=text)
            case RequestReceived():
                await self._respond(event, 405)

    async def _hold_peer(self, call: Call, after: float, duration: float) -> None:
        """Put the peer on hold, and take it off again where the call is to end some time."""
        await trio.sleep(after)
        if await self._change("hold", call, call.hold) and duration < math.inf:
            await trio.sleep((duration - after) / 2)
            await self._change("resume", call, call.resume)

    async def _change(self, name: str, call: Call, change: Callable[[], Awaitable[Response]]) -> bool:
        try:
            response = await change()
        except CallEnded:  # which is told by other means
            return False
        except SipError as error:  # the call goes on without
            self._output.error(f"{self._label}{name} failed: {sentence(error)}")
            return False
        self.say(name, f"{name}: {response.code} {response.phrase}".rstrip(), code=response.code)
        if call.local_sdp is not None:
            self._session.adopt(call.local_sdp)
        return response.is_success

    async def _respond(
        self, event: RequestReceived, code: int, *, sdp: bytes | None = None, text: str | None = None
    ) -> None:
        try:
            if sdp is None:
                await event.respond(code, headers=EXPLANATIONS.get(code, ()))
            else:
                await event.respond(code, body=sdp, content_type=SDP)
        except (
            LocalProtocolError,
            CallEnded,
        ):  # nobody is left to answer: the transaction ended while the event waited
            return
        words = f"{event.method}{f' {text!r}' if text is not None else ''}, answered {code}"
        more = {} if text is None else {"text": text}
        self.say("request", words, method=event.method, code=code, **more)
