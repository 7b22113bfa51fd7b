"""A party: a transaction layer that routes, answers and remembers, on a transport of its own."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from sipstack.dialogs import Route
from sipstack.message import DEFAULT_LIMITS, URI, Tokens
from sipstack.transactions import RequestReceived, TransactionFailed, TransactionLayer
from sipstack.transport import Transport


@attrs.define(eq=False)
class Journey:
    """As much of an outgoing request as the driver reads."""

    request: object
    next_hop: URI
    flow_hint: object = None
    targets: tuple = ()


class RoutingCore(TransactionLayer):
    """A transaction layer with the routing half of a dialog layer."""

    def __init__(self, seed: int, limits=DEFAULT_LIMITS) -> None:
        super().__init__(tokens=Tokens(random.Random(seed).randbytes), limits=limits)
        self.flows = []
        self.unroutables = []
        self.kinds = []

    def route(self, request, uri: str, flow_hint=None) -> None:
        self.outputs.append(Route(Journey(request, URI.parse(uri), flow_hint)))

    def routed(self, outgoing, flow, now) -> None:
        self.flows.append(flow)
        self.send_request(outgoing.request, flow, now)

    def unroutable(self, outgoing, detail, now, *, kind="unroutable") -> None:
        self.unroutables.append(detail)
        self.kinds.append(kind)


class Party:
    def __init__(
        self, network, *, seed=1, limits=DEFAULT_LIMITS, trace=None, outbound=None, code=200, tls=None
    ) -> None:
        self.core = RoutingCore(seed, limits)
        self.code = code
        self.delivered = []
        self._news = trio.Event()
        self.transport = Transport(
            self.core, network, deliver=self._deliver, limits=limits, trace=trace, outbound=outbound, tls=tls
        )

    def _deliver(self, output) -> None:
        self.delivered.append(output)
        self._news.set()
        if isinstance(output, RequestReceived) and self.code:
            response = output.request.create_response(self.code, to_tag="party")
            self.core.respond(output.transaction, response, trio.current_time())

    def send(self, request, uri: str, flow_hint=None) -> None:
        self.core.route(request, uri, flow_hint)
        self.transport.flush()

    def of(self, kind):
        return [output for output in self.delivered if isinstance(output, kind)]

    @property
    def failures(self):
        return [output.detail for output in self.of(TransactionFailed)]

    async def wait(self, kind, count=1, timeout=60.0):
        """Return the outputs of a kind once there are so many."""
        with trio.fail_after(timeout):
            while len(found := self.of(kind)) < count:
                self._news = trio.Event()
                await self._news.wait()
        return found


@asynccontextmanager
async def _open_party(network, *urls, **options) -> AsyncIterator[Party]:
    party = Party(network, **options)
    async with party.transport:
        for url in urls:
            await party.transport.listen(url)
        yield party
        await party.transport.aclose()


@pytest.fixture
def open_party():
    return _open_party
