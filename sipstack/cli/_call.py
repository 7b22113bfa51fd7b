"""``sipstack call``: make one call, follow it, hang it up."""

from __future__ import annotations

import math

import trio

from sipstack.endpoint import (
    Answered,
    Call,
    EarlyDialogEnded,
    Failed,
    Fork,
    Leg,
    Progress,
    Retried,
    Ringing,
    Trying,
    open_endpoint,
)
from sipstack.message import Response, SipError
from sipstack.transactions import TransportError

from ._conversation import METHODS, Conversation, session_answer, session_refusal
from ._exit_codes import FAILURE, SUCCESS, exit_code_of_response
from ._output import Output, sentence
from ._peer import addresses_of, local_urls, network_of, own_uri, unreachable
from ._run import Job, seconds
from ._session import LocalSession, media_address

__all__ = ["call"]

_PATIENCE = 180.0
"Seconds; a proxy that is to wait at least so long gives up too (RFC 3261, section 16.6, Timer C)."

_NOTHING = "there is nothing in the callee's offer that we could take."


async def call(job: Job) -> int:
    """Call, print what comes, and return 0 for a call, the class of the response for none, 1 for no response."""
    arguments, output = job.arguments, job.output
    network = network_of(arguments)
    patience = _PATIENCE if arguments.timeout is None else arguments.timeout
    with trio.move_on_after(patience) as waiting:
        peers = await addresses_of(arguments.proxy or arguments.uri, network, job.trace)
        urls = local_urls(arguments.listen, peers, network)
        async with open_endpoint(
            *urls,
            network=network,
            trace=job.trace,
            methods=METHODS,
            user=arguments.user or "sipstack",
            tls=arguments.tls,
            websocket_path=arguments.websocket_path,
        ) as endpoint:
            session = LocalSession(media_address(endpoint.urls, peers[0], network))
            output.event("calling", None, uri=arguments.uri)
            async with endpoint.invite(
                arguments.uri,
                offer=None if arguments.offerless else session.offer(),
                credentials=job.credentials,
                from_uri=own_uri(arguments, endpoint.urls, peers, network),
                proxy=arguments.proxy,
                require=["100rel"] if arguments.require_100rel else (),
                session_expires=arguments.session_expires,
            ) as fork:
                conversation = Conversation(session, output, fields={})
                caller = _Caller(fork, arguments.uri, session, output, conversation)
                made = await caller.follow(seconds(arguments.cancel_after))
                if isinstance(made, int):
                    return made
                waiting.deadline = math.inf
                duration, hold_after = seconds(arguments.duration), seconds(arguments.hold_after)
                return SUCCESS if await conversation.hold(made, duration, hold_after=hold_after) else FAILURE
    output.event("timeout", None, seconds=patience)
    output.error(f"no final response came within {patience:g} seconds.")
    return FAILURE


class _Caller:
    """Follow an INVITE to its final response."""

    def __init__(self, fork: Fork, uri: str, session: LocalSession, output: Output, conversation: Conversation) -> None:
        self._fork = fork
        self._uri = uri
        self._session = session
        self._output = output
        self._conversation = conversation

    async def follow(self, cancel_after: float) -> Call | int:
        """Print the responses; return the call that was made, or the exit code if none was."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_later, cancel_after)
            made = await self._outcome()
            nursery.cancel_scope.cancel()
        return made

    async def _cancel_later(self, delay: float) -> None:
        await trio.sleep(delay)
        self._output.event("cancelling", "CANCEL")
        await self._fork.cancel()

    async def _outcome(self) -> Call | int:
        async for event in self._fork.events():
            match event:
                case Trying(response=response):
                    self._say("trying", response)
                case Ringing(response=response, leg=leg, reliable=is_reliable):
                    await self._take_provisional("ringing", response, leg, is_reliable=is_reliable)
                case Progress(response=response, leg=leg, reliable=is_reliable):
                    await self._take_provisional("progress", response, leg, is_reliable=is_reliable)
                case EarlyDialogEnded(leg=leg):
                    self._output.event("early_dialog_ended", None, leg=leg.remote_tag)
                case Retried(response=response):
                    self._say("retried", response, "; sent again")
                case Answered(response=response, leg=leg, call=made):
                    self._say("answered", response, leg=leg.remote_tag)
                    return made if await self._acknowledge(made) else FAILURE
                case Failed(response=Response() as response):
                    self._say("failed", response)
                    return exit_code_of_response(response.code)
                case Failed(error=error):
                    if isinstance(error, TransportError):
                        error = unreachable(self._uri, error)
                    self._output.event("failed", None, code=None, phrase=str(error))
                    self._output.error(sentence(error))
                    return FAILURE
                case _:
                    await self._conversation.take(event)
        return FAILURE

    async def _take_provisional(self, name: str, response: Response, leg: Leg | None, *, is_reliable: bool) -> None:
        """Print a response, and acknowledge a reliable one that makes an offer; the stack does all others."""
        if leg is None:
            self._say(name, response, reliable=is_reliable)
            return
        self._say(name, response, reliable=is_reliable, leg=leg.remote_tag)
        if not is_reliable:
            return
        self._output.event("prack", "PRACK", leg=leg.remote_tag, rseq=response.rseq)
        offer = leg.session.offer
        if leg.session.has_remote_offer and offer is not None:
            await self._answer_in_prack(leg, offer)

    async def _answer_in_prack(self, leg: Leg, offer: bytes) -> None:
        answer = session_answer(self._session, offer)
        try:
            await leg.prack(answer or session_refusal(self._session, offer))
        except SipError as error:  # what becomes of the INVITE is told by its own events
            self._output.error(f"the PRACK came to nothing: {sentence(error)}")
        if answer is None:
            self._output.error(_NOTHING)
            await self._fork.cancel()

    async def _acknowledge(self, call: Call) -> bool:
        """Answer the offer of a 2xx, where the INVITE had none; one that cannot be met too, but then hang up."""
        offer = call.session.offer
        if not call.session.has_remote_offer or offer is None:
            return True
        answer = session_answer(self._session, offer)
        if answer is not None:
            await call.acknowledge(answer)
            return True
        self._output.error(_NOTHING)
        refusal = session_refusal(self._session, offer)
        if refusal is not None:
            await call.acknowledge(refusal)
        await call.hangup()
        return False

    def _say(self, name: str, response: Response, more: str = "", /, **fields: object) -> None:
        text = f"{response.code} {response.phrase}".rstrip()
        self._output.event(name, f"{text}{more}", code=response.code, phrase=response.phrase, **fields)
