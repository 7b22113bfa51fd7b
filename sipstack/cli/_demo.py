"""``sipstack demo``: a registration and a call between two endpoints of this machine, drawn as a ladder."""

from __future__ import annotations

from collections.abc import AsyncIterable

import trio

from sipstack.endpoint import (
    Endpoint,
    Event,
    IncomingCall,
    InviteReceived,
    RegisterReceived,
    ReinviteReceived,
    open_endpoint,
)
from sipstack.transport import ListenURL

from ._exit_codes import FAILURE, SUCCESS
from ._run import Job
from ._session import LocalSession

__all__ = ["demo"]

_HERE = "127.0.0.1"
_RINGING, _TALKING = 0.4, 0.3
"Seconds, for times in the ladder that a person can tell apart."


async def demo(job: Job) -> int:
    """Run the scene, print its ladder and one line of summary."""
    start = trio.current_time()
    url = f"udp://{_HERE}:0"
    async with (
        open_endpoint(url, user="bob", trace=job.trace) as bob,
        open_endpoint(url, user="alice", trace=job.trace) as alice,
        trio.open_nursery() as nursery,
    ):
        for name, endpoint in (("alice", alice), ("bob", bob)):
            job.trace.names[_HERE, _port(endpoint)] = name
        # Asked for now: what comes before somebody asks is not left to bob.
        nursery.start_soon(_be_bob, bob.events())
        reinvited = await _be_alice(alice, f"{_HERE}:{_port(bob)}")
        nursery.cancel_scope.cancel()
    job.output.line(job.trace.ladder())
    count, took = len(job.trace.passages()), trio.current_time() - start
    job.output.line(
        f"\n{count} messages in {took:.1f} s: alice registered with bob, called him, changed the session with a"
        f" re-INVITE ({reinvited}), hung up, and un-registered."
    )
    return SUCCESS if reinvited == 200 else FAILURE


def _port(endpoint: Endpoint) -> int:
    return ListenURL.parse(endpoint.urls[0]).port


async def _be_alice(alice: Endpoint, bob: str) -> int:
    session = LocalSession(_HERE)
    async with (
        alice.register(f"sip:alice@{bob}", registrar=f"sip:{bob}", expires=600),
        alice.call(f"sip:bob@{bob}", offer=session.offer(), from_uri=f"sip:alice@{bob}") as call,
    ):
        await trio.sleep(_TALKING)
        response = await call.reinvite(session.offer(direction="sendonly"))
        await trio.sleep(_TALKING)
    return response.code


async def _be_bob(events: AsyncIterable[Event]) -> None:
    async with trio.open_nursery() as nursery:
        async for event in events:
            match event:
                case RegisterReceived():
                    await event.accept()
                case InviteReceived(call=call):
                    nursery.start_soon(_talk, call)


async def _talk(call: IncomingCall) -> None:
    session = LocalSession(_HERE)
    async with call:
        await call.ring()
        await trio.sleep(_RINGING)
        await call.answer(_answer(session, call.offer))
        async for event in call.events():
            if isinstance(event, ReinviteReceived):
                await event.answer(_answer(session, event.offer))


def _answer(session: LocalSession, offer: bytes | None) -> bytes:
    return (session.answer(offer) if offer is not None else None) or session.offer()
