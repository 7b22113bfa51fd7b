"""Nothing escapes the transaction layer, all it sends is a message, and after silence it holds nothing.

Targets `sipstack.transactions.TransactionLayer` (:rfc:`3261#section-17`). An input is a script: see `fuzz/_script.py`.
"""

from __future__ import annotations

import contextlib
import random

import attrs

from fuzz._script import FLOWS, SCRIPTS, Script, peer_request, peer_response, sent
from fuzz._world import World
from sipstack.message import Limits, LocalProtocolError, Request, Tokens
from sipstack.transactions import (
    CancelReceived,
    ClientTransaction,
    Flow,
    RequestReceived,
    Send,
    ServerTransaction,
    TransactionEnded,
    TransactionLayer,
)

__all__ = ["DRAWS", "check"]

DRAWS = SCRIPTS

_LIMITS = Limits(transactions=12)
_MOST_STEPS = 200
_LONGEST = 400.0  # seconds: no transaction outlives Timer C's 180 and 64*T1 behind it
_OUR_METHODS = ("INVITE", "OPTIONS", "BYE", "REGISTER")


@attrs.define
class _World(World):
    """A layer, and what its user and its driver know."""

    layer: TransactionLayer = attrs.field(
        factory=lambda: TransactionLayer(tokens=Tokens(random.Random(7).randbytes), limits=_LIMITS)
    )
    now: float = 0.0
    servers: list[ServerTransaction] = attrs.field(factory=list)
    clients: list[ClientTransaction] = attrs.field(factory=list)
    requests: list[Request] = attrs.field(factory=list)
    sends: int = 0

    def drain(self) -> None:
        outputs = self.layer.outputs
        while outputs:
            output = outputs.popleft()
            if isinstance(output, Send):
                self.sends += 1
                message = sent(output.data)
                if isinstance(message, Request) and message.method != "ACK":
                    self.requests = [*self.requests[-7:], message]
            elif isinstance(output, (RequestReceived, CancelReceived)):
                self.servers.append(output.transaction)
            elif isinstance(output, TransactionEnded):
                self.servers = [one for one in self.servers if one is not output.transaction]
                self.clients = [one for one in self.clients if one is not output.transaction]
        assert len(self.layer) <= _LIMITS.transactions + len(self.clients), "more transactions than the limit"


def check(data: bytes) -> None:
    script = Script(data)
    world = _World()
    steps = 0
    while not script.is_over and steps < _MOST_STEPS:
        steps += 1
        _step(script, world)
        world.drain()
    # Each request is sent at most 11 times, each response likewise, and CANCEL with its answer besides.
    assert world.sends <= 60 * (steps + 1), "more is sent than was asked for"
    world.pass_time(_LONGEST)
    _finish(world)
    world.pass_time(_LONGEST)
    layer = world.layer
    assert len(layer) == 0, "a transaction outlives its timers"
    assert layer.next_deadline() is None, "a timer outlives its transaction"
    for table in (layer._clients, layer._servers, layer._acks, layer._merges, layer._streams):
        assert not table, "a table holds what has ended"


def _finish(world: _World) -> None:
    """Do what every user must in the end, as the machines wait for ever: answer what came, cancel what rings."""
    for client in list(world.clients):
        if client.request.method == "INVITE":
            world.layer.cancel(client, world.now)
            world.drain()
    for transaction in list(world.servers):
        with contextlib.suppress(LocalProtocolError):
            world.layer.respond(transaction, transaction.request.create_response(480, to_tag="us"), world.now)
        world.drain()


def _step(script: Script, world: _World) -> None:
    flow = script.choose(FLOWS)
    match script.number(9):
        case 0:
            world.receive(script.raw(), flow)
        case 1 | 2:
            world.receive(peer_request(script, tags=("us",)), flow)
        case 3 if world.requests:
            world.receive(peer_response(script, script.latest(world.requests)), flow)
        case 4 | 5 | 6:
            # What our own user may not do, such as a second final response; nothing that a peer sent comes here.
            with contextlib.suppress(LocalProtocolError):
                _command(script, world, flow)
        case 7:
            world.pass_time(script.choose((0.0, 0.1, 0.5, 1.0, 4.0, 5.0, 32.0, 33.0, 200.0)))
        case 8:
            owners: list[ClientTransaction | ServerTransaction] = [*world.clients, *world.servers]
            if owners and script.flag():
                world.layer.transport_failed(script.choose(owners), "refused", world.now)
            else:
                world.layer.connection_lost(flow, "reset", world.now)
        case _:
            return


def _command(script: Script, world: _World, flow: Flow) -> None:
    """Do something that a user may want at any time."""
    layer = world.layer
    match script.number(3):
        case 0:
            world.clients.append(layer.send_request(_our_request(script), flow, world.now))
        case 1 if world.servers:
            transaction = script.latest(world.servers)
            code = script.choose((100, 180, 183, 200, 302, 404, 487, 500, 603))
            layer.respond(transaction, transaction.request.create_response(code, to_tag="us"), world.now)
        case 2 if world.clients:
            layer.cancel(script.latest(world.clients), world.now, reason=script.choose((None, "SIP;cause=200")))
        case _:
            return


def _our_request(script: Script) -> Request:
    method = script.choose(_OUR_METHODS)
    fields = [
        ("From", "<sip:us@192.0.2.9>;tag=us"),
        ("To", "<sip:them@192.0.2.1>"),
        ("Call-ID", script.choose(("1", "2"))),
        ("CSeq", f"{script.choose((1, 2))} {method}"),
    ]
    return Request(method, "sip:them@192.0.2.1", b"", fields)
