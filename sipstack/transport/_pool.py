"""The stream connections that are open, by whom they lead to (:rfc:`3261#section-18`)."""

from __future__ import annotations

import errno
import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

import attrs
import trio

from sipstack.transactions import ClientTransaction, Flow, Send, ServerTransaction, TransportError

from ._context import Context
from ._datagram import host_and_port
from ._network import HostPort, Network, Stream
from ._stream import Connection

__all__ = ["ConnectionRefused", "Key", "Pool"]

Key: TypeAlias = tuple[str, HostPort]
"A transport and the address at the far end."

_REFUSALS = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT})
_SWEEP_PAUSE = 0.25
"Seconds between two looks at all connections at least: one deadline each a connection need not be exact."


class ConnectionRefused(TransportError):
    """The peer's host is there and does not speak this transport."""


class _Listener(Protocol):
    address: HostPort
    is_wildcard: bool


@attrs.define
class _Opening:
    waiting: deque[Send] = attrs.field(factory=deque)
    size: int = 0
    done: trio.Event = attrs.field(factory=trio.Event)
    outcome: Connection | TransportError = attrs.field(factory=lambda: TransportError("the connection is not open yet"))


class Pool:
    """Find the connection to a peer, or open it, within the limits.

    `serve` is the task that closes what is idle or stuck.
    """

    def __init__(
        self,
        network: Network,
        context: Context,
        nursery: trio.Nursery,
        *,
        listener_for: Callable[[str, str], _Listener | None],
    ) -> None:
        self._network = network
        self._context = context
        self._nursery = nursery
        self._listener_for = listener_for
        self._connections: dict[int, Connection] = {}
        self._by_remote: dict[Key, Connection] = {}
        self._from_source: dict[str, int] = {}
        self._opening: dict[Key, _Opening] = {}
        self._number = 0
        self._sweep = trio.CancelScope()

    def __len__(self) -> int:
        return len(self._connections)

    def start_soon(self, function: Callable[[], Awaitable[object]]) -> None:
        """Run a task of a connection."""
        self._nursery.start_soon(function)

    def find(self, transport: str, remote: HostPort) -> Connection | None:
        """Return the open connection to a peer, if there is one."""
        return self._by_remote.get((transport, remote))

    def get(self, number: int) -> Connection | None:
        """Return the connection of a number, while it is open."""
        return self._connections.get(number)

    def accept(self, stream: Stream, transport: str, local: HostPort, remote: HostPort) -> None:
        """Take in a connection that a peer opened, unless there are too many."""
        limits, counters = self._context.limits, self._context.counters
        source = remote[0]
        from_source = self._from_source.get(source, 0)
        if len(self._connections) >= limits.connections or from_source >= limits.connections_per_source:
            counters.connections_refused += 1
            stream.close()
            return
        self._from_source[source] = from_source + 1
        counters.connections_accepted += 1
        self._add(stream, transport, local, remote, host_and_port(local), is_accepted=True)

    def _add(
        self, stream: Stream, transport: str, local: HostPort, remote: HostPort, sent_by: str, *, is_accepted: bool
    ) -> Connection:
        self._number += 1
        flow = Flow(transport=transport, local=local, remote=remote, sent_by=sent_by, connection=self._number)
        connection = Connection(stream, flow, self._context, self, is_accepted=is_accepted)
        self._connections[self._number] = connection
        self._by_remote[transport, remote] = connection
        self._nursery.start_soon(connection.serve)
        self.watch(connection)
        return connection

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has ended."""
        flow = connection.flow
        if self._connections.pop(flow.connection, None) is None:
            return
        key = (flow.transport, flow.remote)
        if self._by_remote.get(key) is connection:
            del self._by_remote[key]
        if connection.is_accepted:
            left = self._from_source[flow.remote[0]] - 1
            if left:
                self._from_source[flow.remote[0]] = left
            else:
                del self._from_source[flow.remote[0]]

    # Sending

    def send(self, output: Send) -> None:
        """Send on the connection that a flow names, or on another where the RFC has one opened."""
        flow = output.flow
        key: Key = (flow.transport, flow.remote)
        if flow.connection:
            connection = self._connections.get(flow.connection)
            if connection is not None and connection.send(output.data):
                return
            transaction = output.transaction
            if isinstance(transaction, ClientTransaction):
                self._context.send_failed(output, "the connection is closed")
                return
            if isinstance(transaction, ServerTransaction):
                transport, host, port = transaction.fallback_target()
                self.send_to(output, (transport, (host, port)))
                return
            if output.data.startswith(b"SIP/2.0 "):
                # An answer without a transaction, to what could not be read: not worth a connection of its own.
                self._context.send_failed(output, "the connection is closed")
                return
        self.send_to(output, key)

    def send_to(self, output: Send, key: Key) -> None:
        """Send on whichever connection leads to a peer, opening one if there is none."""
        connection = self._by_remote.get(key)
        if connection is not None:
            if not connection.send(output.data):
                self._context.send_failed(output, "the connection is closed")
            return
        opening = self._open(key)
        if opening is None or opening.size + len(output.data) > self._context.limits.write_buffer:
            self._context.counters.sends_shed += 1
            self._context.send_failed(output, "too many connections are open, or too much waits for this one")
            return
        opening.waiting.append(output)
        opening.size += len(output.data)

    # Opening

    async def connect(self, transport: str, remote: HostPort) -> Connection:
        """Return the connection to a peer, opened if need be.

        :raises TransportError: it cannot be; ConnectionRefused if that is for want of the transport there.
        """
        connection = self._by_remote.get((transport, remote))
        if connection is not None:
            return connection
        opening = self._open((transport, remote))
        if opening is None:
            raise TransportError("too many connections are open")
        await opening.done.wait()
        if isinstance(opening.outcome, TransportError):
            raise opening.outcome
        return opening.outcome

    def _open(self, key: Key) -> _Opening | None:
        opening = self._opening.get(key)
        if opening is None:
            if len(self._connections) + len(self._opening) >= self._context.limits.connections:
                self._context.counters.connections_refused += 1
                return None
            opening = self._opening[key] = _Opening()
            self._nursery.start_soon(self._connect, key, opening)
        return opening

    async def _connect(self, key: Key, opening: _Opening) -> None:
        transport, (host, port) = key
        listener = self._listener_for(transport, host)
        local_host = None if listener is None or listener.is_wildcard else listener.address[0]
        connected: tuple[Stream, HostPort, HostPort] | None = None
        error = TransportError(f"{host_and_port(key[1])} did not take a connection in time")
        with trio.move_on_after(self._context.limits.connect_seconds):
            try:
                connected = await self._network.connect_stream(host, port, local_host=local_host)
            except OSError as reason:
                kind = ConnectionRefused if reason.errno in _REFUSALS else TransportError
                error = kind(f"no connection to {host_and_port(key[1])}: {reason.strerror or reason}")
        del self._opening[key]
        if connected is None:
            opening.outcome = error
            for output in opening.waiting:
                if not self._context.send_elsewhere(output, str(error)):
                    self._context.send_failed(output, str(error))
        else:
            self._context.counters.connections_opened += 1
            stream, local, _ = connected
            # Nobody listens at the port we connect from: what we say in a Via is where we do (18.1.1).
            port_back = local[1] if listener is None else listener.address[1]
            sent_by = host_and_port((local[0], port_back))
            connection = opening.outcome = self._add(stream, transport, local, key[1], sent_by, is_accepted=False)
            for output in opening.waiting:
                if not connection.send(output.data):
                    self._context.send_failed(output, "the connection is closed")
        opening.done.set()
        self._context.flush()

    # Ending

    def watch(self, connection: Connection) -> None:
        """Look after a connection whose deadline may be nearer than any before."""
        self._sweep.deadline = min(self._sweep.deadline, connection.deadline)

    async def serve(self) -> None:
        """Close connections at their deadlines, until cancelled."""
        while True:
            with self._sweep:
                await trio.sleep_forever()
            now = trio.current_time()
            for connection in list(self._connections.values()):
                if connection.deadline <= now:
                    self._context.counters.connections_expired += 1
                    connection.lose("nothing came or went for too long")
            nearest = min((each.deadline for each in self._connections.values()), default=math.inf)
            self._sweep = trio.CancelScope(deadline=max(nearest, now + _SWEEP_PAUSE))

    async def aclose(self, grace: float) -> None:
        """Let what is being written go out, for so many seconds at most, and close all connections."""
        with trio.move_on_after(grace):
            for connection in list(self._connections.values()):
                await connection.wait_written()
        self.abandon()

    def abandon(self) -> None:
        """Close all connections without a word to the core."""
        for connection in list(self._connections.values()):
            connection.abandon()
            self.forget(connection)
