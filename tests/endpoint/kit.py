"""Two endpoints, or an endpoint and a script, on the virtual network; and what must be true when they are done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

import sipstack as sip
from sipstack.message import Request
from sipstack.testing import ScriptedPeer, VirtualNetwork, assert_idle, response_to

SDP = b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
SDP_2 = SDP.replace(b"6000", b"7000")
SDP_3 = SDP.replace(b"6000", b"8000")
WITH_SDP = [("Content-Type", "application/sdp")]

SETTLED = 140.0  # seconds: every timer that an exchange may have started has fired by then

Take = Callable[[sip.Event], Awaitable[object]]


@attrs.frozen
class Way:
    """One transport and family to run a scenario over."""

    transport: str
    is_ipv6: bool = False

    def listen(self, host: str, port: int = 5060) -> str:
        return f"{self.transport}://{self._host(host)}:{port}"

    def uri(self, host: str, user: str = "bob", port: int = 5060) -> str:
        parameter = "" if self.transport == "udp" else f";transport={self.transport}"
        return f"sip:{user}@{self._host(host)}:{port}{parameter}"

    def _host(self, host: str) -> str:
        return f"[fd00::{'abc'.index(host) + 1}]" if self.is_ipv6 else host

    def run(self, scenario: Callable[[VirtualNetwork], Awaitable[object]], **options: Any) -> sip.trace.Trace:
        async def named(net: VirtualNetwork) -> None:
            for host in "abc":
                net.host(host)
            await scenario(net)

        return sip.testing.run(named, ipv6=self.is_ipv6, **options)

    def __str__(self) -> str:
        return self.transport + ("6" if self.is_ipv6 else "")


UDP, TCP, UDP6 = Way("udp"), Way("tcp"), Way("udp", is_ipv6=True)
WAYS = [UDP, TCP, UDP6]


def assert_nothing_left(endpoint: sip.Endpoint) -> None:
    assert_idle(endpoint)
    for name in ("_calls", "_legs", "_forks", "_exchanges"):
        assert not getattr(endpoint, name), f"{name} left: {getattr(endpoint, name)}"
    assert not endpoint._core.unanswered


@asynccontextmanager
async def opened(net: VirtualNetwork, *urls: str, **options: Any) -> AsyncIterator[sip.Endpoint]:
    """Open an endpoint; when the block ends well, see that nothing is left in it once all timers have fired."""
    async with sip.open_endpoint(*urls, network=net, **options) as endpoint:
        yield endpoint
        await trio.sleep(SETTLED)
        assert_nothing_left(endpoint)
    assert_nothing_left(endpoint)


@asynccontextmanager
async def phone(
    net: VirtualNetwork, *urls: str, take: Take | None = None, settles: bool = True, **options: Any
) -> AsyncIterator[sip.Endpoint]:
    """Open an endpoint that gives each event to a task of its own."""
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[sip.Endpoint] = trio.TASK_STATUS_IGNORED) -> None:
            async with (
                opened(net, *urls, **options) if settles else sip.open_endpoint(*urls, network=net, **options)
            ) as endpoint:
                task_status.started(endpoint)
                async with trio.open_nursery() as takers:
                    takers.start_soon(dispatch, endpoint, takers)
                    await done.wait()
                    takers.cancel_scope.cancel()

        async def dispatch(endpoint: sip.Endpoint, takers: trio.Nursery) -> None:
            async for event in endpoint.events():
                takers.start_soon(take or answer, event)

        done = trio.Event()
        endpoint = await nursery.start(serve)
        yield endpoint
        done.set()


async def answer(event: sip.Event) -> None:
    """Answer a call at once and serve it; answer all else 200."""
    match event:
        case sip.InviteReceived(call=call):
            await serve_call(call)
        case sip.RegisterReceived():
            await event.accept()
        case sip.RequestReceived():
            await event.respond(200)


async def serve_call(call: sip.IncomingCall, *, ring: float | None = 0.0, sdp: bytes = SDP_2) -> None:
    async with call:
        if ring is not None:
            await call.ring()
            await trio.sleep(ring)
        await call.answer(sdp)
        async for event in call.events():
            match event:
                case sip.ReinviteReceived():
                    await event.answer(SDP_3)
                case sip.RequestReceived():
                    await event.respond(200)


def ringing(seconds: float) -> Take:
    """Ring so long before the answer."""

    async def take(event: sip.Event) -> None:
        match event:
            case sip.InviteReceived(call=call):
                await serve_call(call, ring=seconds)
            case _:
                await answer(event)

    return take


def collecting(events: list[Any], take: Take = answer) -> Take:
    async def collect(event: sip.Event) -> None:
        events.append(event)
        await take(event)

    return collect


def names(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


async def drain(events: Any, into: list[Any]) -> None:
    """Take events until they end."""
    async for event in events:
        into.append(event)


@asynccontextmanager
async def scripted(net: VirtualNetwork, address: str = "b:5060", **options: Any) -> AsyncIterator[ScriptedPeer]:
    async with ScriptedPeer(net, address, **options) as peer:
        yield peer


async def pick_up(peer: ScriptedPeer, *, body: bytes = SDP_2, to_tag: str = "to-1") -> Request:
    """Answer the next INVITE with 200 and take its ACK; return the INVITE."""
    invite = await peer.expect("INVITE")
    await peer.send(ok_to(peer, invite, body=body, to_tag=to_tag))
    await peer.expect("ACK")
    return invite


def ok_to(peer: ScriptedPeer, invite: Request, *, code: int = 200, body: bytes = SDP_2, to_tag: str = "to-1") -> Any:
    return response_to(
        invite, code, to_tag=to_tag, contact=f"sip:peer@{peer.sent_by}", headers=WITH_SDP if body else [], body=body
    )


def in_dialog(peer: ScriptedPeer, invite: Request, method: str, *, sequence: int = 1, **options: Any) -> Request:
    """Build a request of a callee's within the dialog that it answered."""
    return peer.request(
        method,
        str(invite.contact[0].uri),
        call_id=invite.call_id,
        from_tag=options.pop("from_tag", "to-1"),
        to_tag=invite.from_tag,
        sequence=sequence,
        **options,
    )


async def hold(
    endpoint: sip.Endpoint, uri: str, *, task_status: trio.TaskStatus[sip.Fork] = trio.TASK_STATUS_IGNORED
) -> None:
    """Hold an INVITE for ever: a task that its endpoint closes under."""
    async with endpoint.invite(uri, offer=SDP) as fork:
        task_status.started(fork)
        await trio.sleep_forever()


def sequence(trace: sip.trace.Trace) -> list[str]:
    """List what went over the wire, in order; a plus marks a session description: ``b>a 183 INVITE+``."""
    lines = []
    for passage in trace.passages():
        summary = passage.record.summary
        what = summary.method if summary.code is None else f"{summary.code} {summary.cseq_method}"
        lines.append(f"{passage.sender}>{passage.receiver} {what}{'+' if summary.has_sdp else ''}")
    return lines
