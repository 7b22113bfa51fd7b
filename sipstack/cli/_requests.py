"""``sipstack options`` and ``sipstack message``: one request, and what is answered."""

from __future__ import annotations

import os

import trio

from sipstack.endpoint import open_endpoint
from sipstack.message import Response
from sipstack.transactions import TransportError

from ._exit_codes import FAILURE, exit_code_of_response
from ._peer import addresses_of, local_urls, network_of, own_uri, unreachable
from ._run import Job

__all__ = ["message", "options"]

_PATIENCE = 32.0
"Seconds: 64*T1, when the transaction gives up by itself (RFC 3261, section 17.1.2.2, Timer F)."

_TOLD = ("Allow", "Accept", "Supported", "Contact", "Server", "User-Agent")
"What an answer to OPTIONS tells (RFC 3261, section 11.2)."


async def options(job: Job) -> int:
    """Send OPTIONS; print the status and what the peer says it can do."""
    response = await _exchange(job, "OPTIONS")
    if response is None:
        return FAILURE
    for name in _TOLD:
        if values := response.headers.getlist(name):
            job.output.event("header", f"{name}: {', '.join(values)}")
    return exit_code_of_response(response.code)


async def message(job: Job) -> int:
    """Send MESSAGE; print the status."""
    # What the shell passed, byte for byte, even where it is not UTF-8.
    response = await _exchange(job, "MESSAGE", body=os.fsencode(job.arguments.text))
    return FAILURE if response is None else exit_code_of_response(response.code)


async def _exchange(job: Job, method: str, *, body: bytes = b"") -> Response | None:
    """Send one request and print the status of its answer; None if there was none in time."""
    arguments = job.arguments
    network = network_of(arguments)
    patience = _PATIENCE if arguments.timeout is None else arguments.timeout
    with trio.move_on_after(patience):
        peers = await addresses_of(arguments.proxy or arguments.uri, network, job.trace)
        urls = local_urls(arguments.listen, peers, network)
        # No grace: once there is an answer, or nobody waits for it any more, nothing is left to tell the peer.
        async with open_endpoint(
            *urls,
            network=network,
            trace=job.trace,
            user=arguments.user or "sipstack",
            tls=arguments.tls,
            websocket_path=arguments.websocket_path,
            grace=0.0,
        ) as endpoint:
            try:
                response = await endpoint.request(
                    method,
                    arguments.uri,
                    body=body,
                    content_type="text/plain;charset=UTF-8" if body else None,
                    credentials=job.credentials,
                    from_uri=own_uri(arguments, endpoint.urls, peers, network),
                    proxy=arguments.proxy,
                )
            except TransportError as error:
                raise unreachable(arguments.uri, error) from error
            job.output.event("response", f"{response.code} {response.phrase}".rstrip())
            return response
    job.output.error(f"no final response came within {patience:g} seconds.")
    return None
