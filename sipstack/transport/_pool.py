"""The stream connections that are open, by whom they lead to (:rfc:`3261#section-18`)."""

from __future__ import annotations

import errno
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeAlias

import attrs
import trio

from sipstack.message import MalformedMessage, Request, Response, parse_message
from sipstack.resolver import DEFAULT_PORTS
from sipstack.transactions import ClientTransaction, Flow, Send, ServerTransaction, TransportError

from ._certificate import identity_of_host
from ._codec import Codec, shake_hands
from ._context import Context
from ._datagram import host_and_port
from ._network import HostPort, Network, Stream
from ._stream import Connection

__all__ = ["ConnectionRefused", "Key", "Pool"]

Key: TypeAlias = tuple[str, HostPort, str]
"A transport, the address at the far end, and the host that is meant there: none in particular by TCP."

_REFUSALS = frozenset({errno.ECONNREFUSED, errno.ECONNRESET, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT})
_NAMED = frozenset({"TLS", "WS", "WSS"})
"Transports on which a host is told by its name, in SNI or as an HTTP Host, and may be another than its neighbour."
_ALIASES = 64
"Addresses that one connection may stand for; a peer has one for each place where it listens."
_SWEEP_PAUSE = 0.25
"Seconds between two looks at all connections at least: one deadline each a connection need not be exact."


def _key(transport: str, remote: HostPort, name: str) -> Key:
    return transport, remote, identity_of_host(name or remote[0]) if transport in _NAMED else ""


def _host_of(output: Send) -> str:
    """Return the host that a message of ours is for, where the connection to it must know; else nothing."""
    if output.flow.transport not in _NAMED:
        return ""
    try:
        message = parse_message(output.data) if output.message is None else output.message
    except MalformedMessage:  # as somebody may send on purpose
        return ""
    if isinstance(message, Response):
        return message.top_via.host
    return message.route[0].uri.host if message.route else message.uri.host


class ConnectionRefused(TransportError):
    """The peer's host is there and does not speak this transport."""


class _Listener(Protocol):
    address: HostPort
    is_wildcard: bool


@attrs.define
class _Opening:
    waiting: deque[Send] = attrs.field(factory=deque)
    size: int = 0
    is_connected: bool = False
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
        codec_for: Callable[[Key], Codec | None],
        sent_by_for: Callable[[str, HostPort], str],
    ) -> None:
        self._network = network
        self._context = context
        self._nursery = nursery
        self._listener_for = listener_for
        self._codec_for = codec_for
        self._sent_by_for = sent_by_for
        self._shaking_hands = 0
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

    def find(self, transport: str, remote: HostPort, name: str) -> Connection | None:
        """Return the open connection to a peer, if there is one.

        :param name: the host that a certificate must be for.
        """
        return self._by_remote.get(_key(transport, remote, name))

    def get(self, number: int) -> Connection | None:
        """Return the connection of a number, while it is open."""
        return self._connections.get(number)

    def accept(
        self,
        stream: Stream,
        transport: str,
        local: HostPort,
        remote: HostPort,
        new_codec: Callable[[], Codec] | None,
    ) -> None:
        """Take in a connection that a peer opened, unless there are too many."""
        limits, counters = self._context.limits, self._context.counters
        source = remote[0]
        from_source = self._from_source.get(source, 0)
        if self._count >= limits.connections or from_source >= limits.connections_per_source:
            counters.connections_refused += 1
            stream.close()
            return
        self._from_source[source] = from_source + 1
        counters.connections_accepted += 1
        if new_codec is None:
            connection = self._add(stream, None, transport, local, remote, host_and_port(local), is_accepted=True)
            self._register(connection, (transport, remote, ""))
            self._nursery.start_soon(connection.serve)
        else:
            self._shaking_hands += 1
            self._nursery.start_soon(self._welcome, stream, transport, local, remote, new_codec)

    @property
    def _count(self) -> int:
        return len(self._connections) + len(self._opening) + self._shaking_hands

    async def _welcome(
        self, stream: Stream, transport: str, local: HostPort, remote: HostPort, new_codec: Callable[[], Codec]
    ) -> None:
        welcome: tuple[Codec, list[bytes]] | None = None
        try:
            with trio.move_on_after(self._context.limits.handshake_seconds), suppress(TransportError):
                codec = new_codec()
                welcome = codec, await shake_hands(stream, codec)
        finally:
            self._shaking_hands -= 1
            if welcome is None:
                self._context.counters.handshakes_failed += 1
                stream.close()
                self._release_source(remote[0])
        if welcome is not None:
            # Under no key: who did not say `alias`, and prove an identity, is sent no requests but those of a dialog.
            codec, pieces = welcome
            connection = self._add(stream, codec, transport, local, remote, host_and_port(local), is_accepted=True)
            await connection.serve(pieces)

    def _add(
        self,
        stream: Stream,
        codec: Codec | None,
        transport: str,
        local: HostPort,
        remote: HostPort,
        sent_by: str,
        *,
        is_accepted: bool,
        is_alias: bool = False,
    ) -> Connection:
        self._number += 1
        flow = Flow(transport, local, remote, sent_by, self._number, is_alias)
        connection = Connection(stream, codec, flow, self._context, self, is_accepted=is_accepted)
        self._connections[self._number] = connection
        self.watch(connection)
        return connection

    def _register(self, connection: Connection, key: Key) -> None:
        self._by_remote[key] = connection
        if key not in connection.keys:
            connection.keys.append(key)

    def alias_untrusted(self, connection: Connection, request: Request) -> None:
        """Take an accepted connection for the way to where its peer listens, if that is asked for.

        The caller has made sure that the peer proved an identity; it is good for that identity alone.
        :rfc:`5923#section-8.2`
        """
        transport, remote = connection.flow.transport, connection.flow.remote
        if transport != "TLS" or connection.certificate is None:
            return
        try:
            via = request.top_via
            is_asked_for = "alias" in via.parameters
        except MalformedMessage:  # which the core answers
            return
        address = (remote[0], via.port or DEFAULT_PORTS[transport])
        for identity in connection.certificate.identities if is_asked_for else ():
            key = (transport, address, identity)
            if self._by_remote.get(key) is not connection and len(connection.keys) < _ALIASES:
                self._register(connection, key)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has ended."""
        flow = connection.flow
        if self._connections.pop(flow.connection, None) is None:
            return
        for key in connection.keys:
            if self._by_remote.get(key) is connection:
                del self._by_remote[key]
        if connection.is_accepted:
            self._release_source(flow.remote[0])

    def _release_source(self, source: str) -> None:
        left = self._from_source[source] - 1
        if left:
            self._from_source[source] = left
        else:
            del self._from_source[source]

    # Sending

    def send(self, output: Send) -> None:
        """Send on the connection that a flow names, or on another where the RFC has one opened."""
        flow = output.flow
        if flow.connection:
            connection = self._connections.get(flow.connection)
            if connection is not None and connection.send(output.data):
                return
            transaction = output.transaction
            if isinstance(transaction, ClientTransaction):
                self._context.send_failed(output, "the connection is closed")
                return
            if isinstance(transaction, ServerTransaction) and not flow.transport.startswith("WS"):
                transport, host, port = transaction.fallback_target()
                self.send_to(output, _key(transport, (host, port), _host_of(output)))
                return
            if output.data.startswith(b"SIP/2.0 "):
                # An answer without a transaction, to what could not be read: not worth a connection of its own. Nor is
                # one possible where nobody listens, as at a WebSocket client (RFC 7118, 5.3).
                self._context.send_failed(output, "the connection is closed")
                return
        self.send_to(output, _key(flow.transport, flow.remote, _host_of(output)))

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

    async def connect(self, transport: str, remote: HostPort, name: str) -> Connection:
        """Return the connection to a peer, opened if need be.

        :param name: the host that a certificate must be for.
        :raises TransportError: it cannot be; ConnectionRefused if that is for want of the transport there.
        """
        key = _key(transport, remote, name)
        connection = self._by_remote.get(key)
        if connection is not None:
            return connection
        opening = self._open(key)
        if opening is None:
            raise TransportError("too many connections are open")
        await opening.done.wait()
        if isinstance(opening.outcome, TransportError):
            raise opening.outcome
        return opening.outcome

    def _open(self, key: Key) -> _Opening | None:
        opening = self._opening.get(key)
        if opening is None:
            if self._count >= self._context.limits.connections:
                self._context.counters.connections_refused += 1
                return None
            opening = self._opening[key] = _Opening()
            self._nursery.start_soon(self._connect, key, opening)
        return opening

    async def _connect(self, key: Key, opening: _Opening) -> None:
        transport, remote, _ = key
        place = host_and_port(remote)
        opened: Connection | None = None
        pieces: list[bytes] = []
        error: TransportError
        try:
            with trio.move_on_after(self._context.limits.connect_seconds):
                opened, pieces = await self._open_connection(key, opening)
            if opening.is_connected:
                error = TransportError(
                    f"{place} took the connection, and then nothing came; does it speak {transport}?"
                )
            else:
                error = TransportError(f"{place} did not take a connection in time")
        except OSError as reason:
            kind = ConnectionRefused if reason.errno in _REFUSALS else TransportError
            error = kind(f"no {transport} connection to {place}: {reason.strerror or reason}")
        except TransportError as reason:
            error = TransportError(f"no {transport} connection to {place}: {reason}")
        finally:
            del self._opening[key]
        if opened is None:
            opening.outcome = error
            for output in opening.waiting:
                if not self._context.send_elsewhere(output, str(error)):
                    self._context.send_failed(output, str(error))
        else:
            opening.outcome = opened
            self._context.counters.connections_opened += 1
            self._nursery.start_soon(opened.serve, pieces)
            for output in opening.waiting:
                if not opened.send(output.data):
                    self._context.send_failed(output, "the connection is closed")
        opening.done.set()
        self._context.flush()

    async def _open_connection(self, key: Key, opening: _Opening) -> tuple[Connection, list[bytes]]:
        transport, remote, _ = key
        listener = self._listener_for(transport, remote[0])
        local_host = None if listener is None or listener.is_wildcard else listener.address[0]
        codec = self._codec_for(key)
        stream, local, _ = await self._network.connect_stream(*remote, local_host=local_host)
        opening.is_connected = True
        try:
            pieces = [] if codec is None else await shake_hands(stream, codec)
        except BaseException:  # a cancellation too must not leave it open
            stream.close()
            raise
        connection = self._add(
            stream,
            codec,
            transport,
            local,
            remote,
            self._sent_by_for(transport, local),
            is_accepted=False,
            # We accept requests by it as by our listener, whose certificate was shown.
            is_alias=transport == "TLS" and listener is not None,
        )
        self._register(connection, key)
        if connection.certificate is not None and transport == "TLS":
            # Whoever else it is proves to be may be sent to by it as well (RFC 5923, 8.1).
            for identity in connection.certificate.identities:
                if (other := (transport, remote, identity)) != key:
                    self._register(connection, other)
        return connection, pieces

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
                    connection.expire(now)
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
