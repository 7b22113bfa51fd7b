"""``sipstack demo``: registrations and a forked call on this machine, drawn as a ladder."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import trio

from sipstack.endpoint import (
    Answered,
    Endpoint,
    Event,
    EventQueue,
    IncomingCall,
    InviteReceived,
    Leg,
    Progress,
    Registration,
    ReinviteReceived,
    Ringing,
    open_endpoint,
)
from sipstack.transactions import TransportError
from sipstack.transport import ListenURL

from ._exit_codes import FAILURE, SUCCESS
from ._fork_relay import ForkRelay, open_fork_relay
from ._run import Job
from ._session import LocalSession

__all__ = ["demo"]

_HERE = "127.0.0.1"
_PAUSE, _TALKING = 0.1, 0.3
"Seconds, for times in the ladder that a person can tell apart."


async def demo(job: Job) -> int:
    """Run the scene, print its ladder and one line of summary."""
    start = trio.current_time()
    async with open_fork_relay(_HERE) as proxy:
        reliable, reinvited = await _play(job, proxy)
    job.output.line(job.trace.ladder())
    count, took = len(job.trace.passages()), trio.current_time() - start
    job.output.line(
        f"\n{count} messages in {took:.1f} s: alice called bob, the proxy rang at his two phones, {reliable} of them"
        f" reliably; the mobile answered and the desk was cancelled; alice held him with a re-INVITE ({reinvited}) and"
        " hung up."
    )
    return SUCCESS if (reliable, reinvited) == (2, 200) else FAILURE


async def _play(job: Job, proxy: ForkRelay) -> tuple[int, int]:
    """Register everybody, and let alice call; return what she saw."""
    url = f"udp://{_HERE}:0"
    async with (
        open_endpoint(url, user="alice", trace=job.trace) as alice,
        open_endpoint(url, user="bob", trace=job.trace) as desk,
        open_endpoint(url, user="bob", trace=job.trace) as mobile,
        trio.open_nursery() as nursery,
    ):
        ports = (_port(alice), proxy.port, _port(desk), _port(mobile))
        for port, name in zip(ports, ("alice", "proxy", "bob's desk", "bob's mobile"), strict=True):
            job.trace.names[_HERE, port] = name
        # Asked for now: what comes before somebody asks is not left to bob.
        nursery.start_soon(_ring_at_desk, desk.events())
        nursery.start_soon(_answer_mobile, mobile.events())
        async with (
            _registered(alice, "alice", proxy),
            _registered(desk, "bob", proxy),
            _registered(mobile, "bob", proxy),
        ):
            seen = await _be_alice(alice, proxy)
        nursery.cancel_scope.cancel()
    return seen


def _port(endpoint: Endpoint) -> int:
    return ListenURL.parse(endpoint.urls[0]).port


def _registered(endpoint: Endpoint, user: str, proxy: ForkRelay) -> AbstractAsyncContextManager[Registration]:
    return endpoint.register(f"sip:{user}@{proxy.place}", registrar=f"sip:{proxy.place}", expires=600)


async def _be_alice(alice: Endpoint, proxy: ForkRelay) -> tuple[int, int]:
    """Call bob; return how many of his phones rang reliably, and what was said to holding him."""
    rang = set()
    async with alice.invite(
        f"sip:bob@{proxy.place}", offer=LocalSession(_HERE).offer(), from_uri=f"sip:alice@{proxy.place}"
    ) as fork:
        async for event in fork.events():
            match event:
                case Ringing(leg=Leg() as leg, reliable=True) | Progress(leg=Leg() as leg, reliable=True):
                    rang.add(leg.remote_tag)
                case Answered():
                    break
        call = await fork.answered()
        await trio.sleep(_TALKING)
        response = await call.hold()
        await trio.sleep(_TALKING)
    return len(rang), response.code


async def _ring_at_desk(events: EventQueue[Event]) -> None:
    """Play music before the call is answered, which it never is."""
    async with await _next_call(events) as call:
        await call.ring(183, reliable=True, answer=_answer(LocalSession(_HERE), call.offer))
        await call.wait_ended()


async def _answer_mobile(events: EventQueue[Event]) -> None:
    session = LocalSession(_HERE)
    async with await _next_call(events) as call:
        await trio.sleep(_PAUSE)
        await call.ring(reliable=True)
        await trio.sleep(_PAUSE)
        await call.answer(_answer(session, call.offer))
        async for event in call.events():
            if isinstance(event, ReinviteReceived):
                await event.answer(_answer(session, event.offer))


async def _next_call(events: EventQueue[Event]) -> IncomingCall:
    async for event in events:
        if isinstance(event, InviteReceived):
            return event.call
    raise TransportError("the endpoint was closed before anybody called")


def _answer(session: LocalSession, offer: bytes | None) -> bytes:
    return (session.answer(offer) if offer is not None else None) or session.offer()
