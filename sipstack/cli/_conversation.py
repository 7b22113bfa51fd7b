"""A call that stands: answer what the peer asks in it, until one side hangs up."""

from __future__ import annotations

import trio

from sipstack.endpoint import (
    AckReceived,
    ByeReceived,
    Call,
    CallLost,
    MessageReceived,
    OptionsReceived,
    ReinviteReceived,
    RequestReceived,
)
from sipstack.message import LocalProtocolError
from sipstack.sdp import SdpError

from ._output import Output
from ._session import LocalSession

__all__ = ["EXPLANATIONS", "METHODS", "Conversation", "session_answer"]

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "MESSAGE")
"What a call of the command takes; the stack answers all others 405."

EXPLANATIONS = {488: (("Warning", '399 sipstack "No medium and codec of the offer can be taken"'),)}
"Header fields that say why a call, or a change of it, is refused (:rfc:`3261#section-13.3.1.3`)."

_LOST = {
    "timeout": "a request in it timed out",
    "transport": "the transport failed",
    "unacknowledged": "no ACK came for the answer",
    "rejected": "the peer does not know it any more",
}


def session_answer(session: LocalSession, offered: bytes | None) -> bytes | None:
    """Answer an offer, or make one where there is none; None means 488."""
    if offered is None:
        return session.offer()
    try:
        return session.answer(offered)
    except SdpError:
        return None


class Conversation:
    """Hold one call that was answered, with the words for it.

    :param label: goes before each line for people: ``"call 3: "``.
    :param fields: go into each JSON object.
    """

    def __init__(
        self, call: Call, session: LocalSession, output: Output, *, label: str = "", fields: dict[str, object]
    ) -> None:
        self._call = call
        self._session = session
        self._output = output
        self._label = label
        self._fields = fields

    def say(self, name: str, text: str, /, **fields: object) -> None:
        """Print one event of this call."""
        self._output.event(name, f"{self._label}{text}", **self._fields, **fields)

    async def hold(self, duration: float) -> bool:
        """Stay in the call until it ends, or hang up after so many seconds; return False if it was lost."""
        call, start = self._call, trio.current_time()
        lost: str | None = None
        with trio.move_on_after(duration):
            async for event in call.events():
                match event:
                    case AckReceived():
                        self.say("confirmed", "ACK")
                    case ByeReceived():
                        self.say("bye", "BYE")
                    case CallLost(cause=cause):
                        lost = cause
                    case ReinviteReceived(offer=offer):
                        sdp = session_answer(self._session, offer)
                        await self._respond(event, 200 if sdp is not None else 488, sdp=sdp)
                    case OptionsReceived():
                        await self._respond(event, 200)
                    case MessageReceived(text=text):
                        await self._respond(event, 200, text=text)
                    case RequestReceived():
                        await self._respond(event, 405)
        if not call.is_ended:
            await call.hangup()
        lasted = trio.current_time() - start
        reason = call.end_reason or "local"
        if lost is not None:
            text = f"lost after {lasted:.1f} s: {_LOST[lost]}"
        else:
            text = f"{'hung up' if reason == 'local' else 'the peer hung up'} after {lasted:.1f} s"
        self.say("ended", text, reason=reason, duration=round(lasted, 3))
        return lost is None

    async def _respond(
        self, event: RequestReceived, code: int, *, sdp: bytes | None = None, text: str | None = None
    ) -> None:
        try:
            if sdp is None:
                await event.respond(code, headers=EXPLANATIONS.get(code, ()))
            else:
                await event.respond(code, body=sdp, content_type="application/sdp")
        except LocalProtocolError:  # the transaction ended while the event waited for us: nobody is left to answer
            return
        words = f"{event.method}{f' {text!r}' if text is not None else ''}, answered {code}"
        more = {} if text is None else {"text": text}
        self.say("request", words, method=event.method, code=code, **more)
