"""``sipstack call``: make one call, follow it, hang it up."""

from __future__ import annotations

import math

import trio

from sipstack.endpoint import Answered, Call, Failed, Fork, Progress, Ringing, Trying, open_endpoint
from sipstack.message import Response
from sipstack.transactions import TransportError

from ._conversation import METHODS, Conversation
from ._exit_codes import FAILURE, SUCCESS, exit_code_of_response
from ._output import Output, sentence
from ._peer import addresses_of, local_urls, network_of, own_uri, unreachable
from ._run import Job, seconds
from ._session import LocalSession, media_address

__all__ = ["call"]

_PATIENCE = 180.0
"Seconds; a proxy that is to wait at least so long gives up too (RFC 3261, section 16.6, Timer C)."


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
                offer=session.offer(),
                credentials=job.credentials,
                from_uri=own_uri(arguments, endpoint.urls, peers, network),
                proxy=arguments.proxy,
            ) as fork:
                made = await _follow(fork, arguments.uri, output, seconds(arguments.cancel_after))
                if isinstance(made, int):
                    return made
                waiting.deadline = math.inf
                conversation = Conversation(made, session, output, fields={})
                return SUCCESS if await conversation.hold(seconds(arguments.duration)) else FAILURE
    output.event("timeout", None, seconds=patience)
    output.error(f"no final response came within {patience:g} seconds.")
    return FAILURE


async def _follow(fork: Fork, uri: str, output: Output, cancel_after: float) -> Call | int:
    """Print the responses; return the call that was made, or the exit code if none was."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_later, fork, cancel_after, output)
        made = await _outcome(fork, uri, output)
        nursery.cancel_scope.cancel()
    return made


async def _cancel_later(fork: Fork, delay: float, output: Output) -> None:
    await trio.sleep(delay)
    output.event("cancelling", "CANCEL")
    await fork.cancel()


async def _outcome(fork: Fork, uri: str, output: Output) -> Call | int:
    async for event in fork.events():
        match event:
            case Trying(response=response):
                _say(output, "trying", response)
            case Ringing(response=response):
                _say(output, "ringing", response)
            case Progress(response=response):
                _say(output, "progress", response)
            case Answered(response=response, call=made):
                _say(output, "answered", response)
                return made
            case Failed(response=Response() as response):
                _say(output, "failed", response)
                return exit_code_of_response(response.code)
            case Failed(error=error):
                if isinstance(error, TransportError):
                    error = unreachable(uri, error)
                output.event("failed", None, code=None, phrase=str(error))
                output.error(sentence(error))
                return FAILURE
    return FAILURE


def _say(output: Output, name: str, response: Response) -> None:
    output.event(name, f"{response.code} {response.phrase}".rstrip(), code=response.code, phrase=response.phrase)
