"""A network in memory, under Trio's clock: hosts with names, datagrams that get lost, connections that break.

One task, `VirtualNetwork.serve`, makes everything happen in the order of one heap, and one random source decides all
chance, so that a seed replays a run.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import Literal, Protocol

import attrs
import trio

from sipstack.resolver import Answer, Query
from sipstack.trace import Question, Record
from sipstack.transport import DatagramSocket, HostPort, Stream, StreamListener

from ._dns import VirtualDNS

__all__ = ["VirtualHost", "VirtualNetwork"]

_WINDOW = 65_536
"Bytes a virtual connection takes before its reader must have read some."
_EPHEMERAL = 49_152
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  (recognised, not bound)


class _Recorder(Protocol):
    names: dict[HostPort | str, str]

    def record(
        self,
        time: float,
        direction: Literal["sent", "received"],
        transport: str,
        local: HostPort,
        remote: HostPort,
        data: bytes,
        /,
    ) -> None: ...


class _Queue:
    """A queue that can be waited for and closed; the wait is over when there is an item, the end, or a close."""

    __slots__ = ("_event", "is_closed")

    def __init__(self) -> None:
        self._event: trio.Event | None = None
        self.is_closed = False

    def wake(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self, is_ready: Callable[[], bool]) -> None:
        if self.is_closed:
            raise trio.ClosedResourceError("closed")
        if is_ready():
            await trio.lowlevel.checkpoint()
            return
        while not is_ready():
            if self._event is None:
                self._event = trio.Event()
            await self._event.wait()
            if self.is_closed:
                raise trio.ClosedResourceError("closed")


class _VirtualDatagramSocket:
    def __init__(self, host: VirtualHost, address: HostPort) -> None:
        self.address = address
        self.host = host
        self.inbox: deque[tuple[bytes, HostPort]] = deque()
        self.refusals: list[tuple[HostPort, str]] = []
        self.readable = _Queue()

    async def wait_readable(self) -> None:
        await self.readable.wait(lambda: bool(self.inbox or self.refusals))

    def receive_nowait(self) -> tuple[bytes, HostPort]:
        if not self.inbox:
            raise BlockingIOError(errno.EAGAIN, "no datagram")
        return self.inbox.popleft()

    def refusals_nowait(self) -> list[tuple[HostPort, str]]:
        refusals, self.refusals = self.refusals, []
        return refusals

    def send_nowait(self, data: bytes, address: HostPort, /) -> None:
        if self.readable.is_closed:
            raise OSError(errno.EBADF, "the socket is closed")
        self.host.network.carry_datagram(self, data, address)

    def close(self) -> None:
        if not self.readable.is_closed:
            self.readable.is_closed = True
            self.readable.wake()
            self.host.network.remove(self)


class _VirtualStream:
    def __init__(self, network: VirtualNetwork, local: HostPort, remote: HostPort) -> None:
        self.network = network
        self.local = local
        self.remote = remote
        self.peer: _VirtualStream | None = None
        self.inbox = bytearray()
        self.in_flight = 0
        self.has_ended = False
        self.broken: str | None = None
        self.readable = _Queue()
        self.writable = _Queue()
        self.clear_at = 0.0

    async def receive_some(self, max_bytes: int, /) -> bytes:
        await self.readable.wait(lambda: bool(self.inbox or self.has_ended or self.broken))
        if self.broken and not self.inbox:  # what came before a reset is still there to read
            raise trio.BrokenResourceError(self.broken)
        data = bytes(self.inbox[:max_bytes])
        del self.inbox[:max_bytes]
        if self.peer is not None:
            self.peer.writable.wake()
        return data

    def _room(self) -> int:
        if self.peer is None:
            return 0
        return _WINDOW - self.in_flight - len(self.peer.inbox)

    def send_nowait(self, data: bytes | memoryview, /) -> int:
        if self.broken or self.readable.is_closed:
            raise trio.BrokenResourceError(self.broken or "the connection is closed")
        taken = bytes(data[: max(self._room(), 0)])
        if taken:
            self.in_flight += len(taken)
            self.network.carry_bytes(self, taken)
        return len(taken)

    async def wait_writable(self) -> None:
        await self.writable.wait(lambda: self.broken is not None or self._room() > 0)

    def arrive(self, data: bytes) -> None:
        """Take bytes from the other end, none at all being its end."""
        if self.peer is not None:
            self.peer.in_flight -= len(data)
        if self.readable.is_closed:
            # As a system does: what comes to a closed connection is answered by a reset.
            if data:
                self.network.carry_reset(self)
            return
        self.inbox += data
        self.has_ended = self.has_ended or not data
        self.readable.wake()

    def break_off(self, reason: str) -> None:
        """Let every use of this end fail from now on."""
        self.broken = reason
        self.readable.wake()
        self.writable.wake()

    def close(self) -> None:
        if self.readable.is_closed:
            return
        self.readable.is_closed = self.writable.is_closed = True
        self.readable.wake()
        self.writable.wake()
        self.network.remove(self)
        if not self.broken:
            self.network.carry_bytes(self, b"")


class _VirtualListener:
    def __init__(self, host: VirtualHost, address: HostPort) -> None:
        self.address = address
        self.host = host
        self.backlog: deque[_VirtualStream] = deque()
        self.acceptable = _Queue()

    async def accept(self) -> tuple[Stream, HostPort, HostPort]:
        await self.acceptable.wait(lambda: bool(self.backlog))
        stream = self.backlog.popleft()
        return stream, stream.local, stream.remote

    def close(self) -> None:
        if not self.acceptable.is_closed:
            self.acceptable.is_closed = True
            self.acceptable.wake()
            self.host.network.remove(self)
            for stream in self.backlog:
                stream.close()


@attrs.frozen
class VirtualHost:
    """One host of a virtual network, a `Network` of its own: "0.0.0.0" is this host's address here."""

    network: VirtualNetwork = attrs.field(repr=False)
    name: str
    addresses: tuple[str, ...]

    def own_address(self, host: str) -> str | None:
        """Return which of this host's addresses is meant, if it is one."""
        if host in _WILDCARDS:
            return next((each for each in self.addresses if (":" in each) == (":" in host)), None)
        return host if host in self.addresses else None

    async def open_datagram(self, host: str, port: int) -> DatagramSocket:
        """Bind a datagram socket; see `Network`."""
        await trio.lowlevel.checkpoint()
        return self.network.bind_datagram(self, host, port)

    async def listen_stream(self, host: str, port: int) -> StreamListener:
        """Listen for connections; see `Network`."""
        await trio.lowlevel.checkpoint()
        return self.network.bind_listener(self, host, port)

    async def connect_stream(
        self, host: str, port: int, *, local_host: str | None = None
    ) -> tuple[Stream, HostPort, HostPort]:
        """Connect from this host; see `Network`."""
        if local_host is not None and local_host not in self.addresses:
            raise OSError(errno.EADDRNOTAVAIL, f"{local_host} is no address of {self.name}")
        return await self.network.connect_from(self, host, port)

    async def resolve(self, host: str) -> list[str]:
        """Look a name up; see `Network`."""
        return await self.network.resolve(host)

    async def look_up(self, query: Query) -> Answer:
        """Ask the network's DNS; see `Network`."""
        return await self.network.look_up(query)

    def local_host_towards(self, host: str) -> str:
        """Return this host's address of the same family; see `Network`."""
        for address in self.addresses:
            if (":" in address) == (":" in host):
                return address
        raise OSError(errno.ENETUNREACH, f"{self.name} has no address to reach {host} from")


class VirtualNetwork:
    """Carry datagrams and connections between named hosts.

    Hosts come to be when they are first named: "a" is 10.0.0.1, the next one 10.0.0.2; `ipv6` gives each fd00::n as
    well. It is itself a `Network`, whose sockets belong to the host of the address they are bound to.

    :param delay: seconds from one host to another; up to ``jitter`` more by chance, which also reorders.
    :param loss: the part of the datagrams that never arrives; ``duplicate`` the part that arrives twice.
    :param reorder: the part that is held back, by ``reorder_delay`` seconds.
    :param mtu: datagrams of more bytes are dropped.
    :param refuses: whether a datagram to a port nobody holds is refused (ICMP) rather than lost.
    :param trace: is told of each message sent and received.
    :ivar dns: the records that names have besides.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        delay: float = 0.0,
        jitter: float = 0.0,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        reorder_delay: float = 0.1,
        mtu: int | None = None,
        refuses: bool = False,
        ipv6: bool = False,
        trace: _Recorder | None = None,
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311  (chance that must repeat)
        self.delay = delay
        self.jitter = jitter
        self.loss = loss
        self.duplicate = duplicate
        self.reorder = reorder
        self.reorder_delay = reorder_delay
        self.mtu = mtu
        self.refuses = refuses
        self.ipv6 = ipv6
        self.trace = trace
        self.dns = VirtualDNS()
        self._hosts: dict[str, VirtualHost] = {}
        self._owners: dict[str, VirtualHost] = {}
        self._datagrams: dict[HostPort, _VirtualDatagramSocket] = {}
        self._listeners: dict[HostPort, _VirtualListener] = {}
        self._streams: set[_VirtualStream] = set()
        self._ports: dict[str, itertools.count[int]] = {}
        self._partitions: set[frozenset[str]] = set()
        self._exceptions: list[tuple[Question, float]] = []
        self._held: list[tuple[frozenset[str], _VirtualStream, bytes]] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._alarm = trio.CancelScope()

    # Hosts

    def host(self, name: str) -> VirtualHost:
        """Return the host of a name or address, new if need be."""
        known = self._hosts.get(name) or self._owners.get(name)
        if known is not None:
            return known
        try:
            addresses: tuple[str, ...] = (str(ip_address(name)),)
        except ValueError:
            number = len(self._hosts) + 1
            addresses = (f"10.0.{number >> 8}.{number & 255}",)
            if self.ipv6:
                addresses += (f"fd00::{number:x}",)
        host = self._hosts[name] = VirtualHost(self, name, addresses)
        for address in addresses:
            self._owners[address] = host
            if self.trace is not None:
                self.trace.names[address] = name
        return host

    def address_of(self, name: str) -> str:
        """Return the (IPv4) address of a host."""
        return self.host(name).addresses[0]

    def _host_of(self, address: str) -> VirtualHost:
        return self.host("local" if address in _WILDCARDS else address)

    # Being a Network

    async def resolve(self, host: str) -> list[str]:
        """Look a host up; every name has an address, except those under ".invalid"."""
        await trio.lowlevel.checkpoint()
        if host.rstrip(".").endswith("invalid"):
            raise OSError(errno.ENOENT, f"{host!r} is no host here")
        return list(self.host(host).addresses)

    async def look_up(self, query: Query) -> Answer:
        """Ask `dns`, which every host shares; see `Network`."""
        answer = await self.dns.look_up(query)
        if answer is not None:
            return answer
        try:
            return Answer(tuple(await self.resolve(query.name)), ttl=300.0)
        except OSError as error:
            return Answer(ttl=5.0, detail=error.strerror or str(error))

    async def open_datagram(self, host: str, port: int) -> DatagramSocket:
        """Bind a datagram socket; see `Network`."""
        return await self._host_of(host).open_datagram(host, port)

    async def listen_stream(self, host: str, port: int) -> StreamListener:
        """Listen for connections; see `Network`."""
        return await self._host_of(host).listen_stream(host, port)

    async def connect_stream(
        self, host: str, port: int, *, local_host: str | None = None
    ) -> tuple[Stream, HostPort, HostPort]:
        """Connect, from the host "local" if none is said; see `Network`."""
        return await self._host_of(local_host or _WILDCARDS[0]).connect_stream(host, port, local_host=local_host)

    def local_host_towards(self, host: str) -> str:
        """Return the address of the host "local"; see `Network`."""
        return self._host_of(_WILDCARDS[0]).local_host_towards(host)

    # Sockets

    def _free_address(self, host: VirtualHost, address: str, port: int, taken: dict[HostPort, object]) -> HostPort:
        own = host.own_address(address)
        if own is None:
            raise OSError(errno.EADDRNOTAVAIL, f"{address} is no address of {host.name}")
        place = (own, port or self._ephemeral_port(host))
        if place in taken:
            raise OSError(errno.EADDRINUSE, f"{place[0]}:{place[1]} is in use")
        return place

    def _ephemeral_port(self, host: VirtualHost) -> int:
        return next(self._ports.setdefault(host.name, itertools.count(_EPHEMERAL)))

    def bind_datagram(self, host: VirtualHost, address: str, port: int) -> DatagramSocket:
        """Bind a datagram socket of a host."""
        place = self._free_address(host, address, port, {**self._datagrams})
        socket = self._datagrams[place] = _VirtualDatagramSocket(host, place)
        return socket

    def bind_listener(self, host: VirtualHost, address: str, port: int) -> StreamListener:
        """Bind a listener of a host."""
        place = self._free_address(host, address, port, {**self._listeners})
        listener = self._listeners[place] = _VirtualListener(host, place)
        return listener

    def remove(self, item: _VirtualDatagramSocket | _VirtualListener | _VirtualStream) -> None:
        """Forget what was closed."""
        if isinstance(item, _VirtualDatagramSocket):
            del self._datagrams[item.address]
        elif isinstance(item, _VirtualListener):
            del self._listeners[item.address]
        else:
            self._streams.discard(item)

    def open_things(self) -> list[str]:
        """List what is not closed, for whoever asserts that everything is."""
        return sorted(
            [f"datagram socket {host}:{port}" for host, port in self._datagrams]
            + [f"listener {host}:{port}" for host, port in self._listeners]
            + [f"connection {each.local} to {each.remote}" for each in self._streams]
        )

    # Trouble

    def partition(self, one: str, other: str) -> None:
        """Let nothing pass between two hosts: datagrams are lost, bytes of connections are held."""
        self._partitions.add(frozenset({self.host(one).name, self.host(other).name}))

    def heal(self, one: str, other: str) -> None:
        """End a partition; what connections held goes on."""
        pair = frozenset({self.host(one).name, self.host(other).name})
        self._partitions.discard(pair)
        held, self._held = self._held, []
        for between, sender, data in held:
            if between == pair:
                self._schedule_bytes(sender, data)
            else:
                self._held.append((between, sender, data))

    def delay_next(self, question: str, seconds: float) -> None:
        """Let the next datagram that a question names take exactly so long, once; ``math.inf`` loses it.

        :param question: such as ``"b>a 200 INVITE"``; see `Question`. Asking twice is for the next two.
        """
        self._exceptions.append((Question.parse(question), seconds))

    def reset(self, one: str, other: str) -> None:
        """Break all connections between two hosts, as a reset does."""
        pair = {self.host(one).name, self.host(other).name}
        for stream in sorted(self._streams, key=lambda each: (each.local, each.remote)):
            if {self.host(stream.local[0]).name, self.host(stream.remote[0]).name} == pair:
                stream.break_off("Connection reset by peer")

    def _pair(self, source: str, destination: str) -> frozenset[str]:
        return frozenset({self.host(source).name, self.host(destination).name})

    # Time

    def _after(self, delay: float, action: Callable[[], None]) -> None:
        self._at(trio.current_time() + delay, action)

    def _at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (time, next(self._serial), action))
        if time < self._alarm.deadline:
            self._alarm.deadline = time

    async def serve(self) -> None:
        """Make things happen when they are due, until cancelled."""
        while True:
            self._alarm = trio.CancelScope(deadline=self._agenda[0][0] if self._agenda else math.inf)
            with self._alarm:
                await trio.sleep_forever()
            now = trio.current_time()
            while self._agenda and self._agenda[0][0] <= now:
                heapq.heappop(self._agenda)[2]()

    def _travel_time(self) -> float:
        return self.delay + (self.random.random() * self.jitter if self.jitter else 0.0)

    def _happens(self, part: float) -> bool:
        return part > 0.0 and self.random.random() < part

    # Datagrams

    def carry_datagram(self, sender: _VirtualDatagramSocket, data: bytes, destination: HostPort) -> None:
        """Send a datagram on its way, or lose it."""
        source = sender.address
        if self.trace is not None:
            self.trace.record(trio.current_time(), "sent", "UDP", source, destination, data)
        if self._pair(source[0], destination[0]) in self._partitions:
            return
        if self.mtu is not None and len(data) > self.mtu:
            return
        exact = self._exact_delay(source, destination, data) if self._exceptions else None
        if exact is not None:
            if exact != math.inf:
                self._after(exact, lambda: self._deliver_datagram(sender, data, source, destination))
            return
        for _ in range(2 if self._happens(self.duplicate) else 1):
            if self._happens(self.loss):
                continue
            delay = self._travel_time() + (self.reorder_delay if self._happens(self.reorder) else 0.0)
            self._after(delay, lambda: self._deliver_datagram(sender, data, source, destination))

    def _exact_delay(self, source: HostPort, destination: HostPort, data: bytes) -> float | None:
        summary = Record(0.0, "sent", "UDP", source, destination, data).summary
        parties = self.host(source[0]).name, self.host(destination[0]).name
        for index, (question, seconds) in enumerate(self._exceptions):
            if question.matches(*parties, summary):
                del self._exceptions[index]
                return seconds
        return None

    def _deliver_datagram(
        self, sender: _VirtualDatagramSocket, data: bytes, source: HostPort, destination: HostPort
    ) -> None:
        socket = self._datagrams.get(destination)
        if socket is not None:
            if self.trace is not None:
                self.trace.record(trio.current_time(), "received", "UDP", destination, source, data)
            socket.inbox.append((data, source))
            socket.readable.wake()
        elif self.refuses:
            self._after(self._travel_time(), lambda: self._refuse(sender, destination))

    def _refuse(self, sender: _VirtualDatagramSocket, destination: HostPort) -> None:
        sender.refusals.append((destination, "Connection refused"))
        sender.readable.wake()

    # Connections

    async def connect_from(self, host: VirtualHost, remote_host: str, port: int) -> tuple[Stream, HostPort, HostPort]:
        """Connect a host to an address."""
        remote = (remote_host, port)
        local = (host.local_host_towards(remote_host), self._ephemeral_port(host))
        await trio.sleep(2 * self._travel_time())
        if self._pair(local[0], remote_host) in self._partitions:
            await trio.sleep_forever()
        listener = self._listeners.get(remote)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        near, far = _VirtualStream(self, local, remote), _VirtualStream(self, remote, local)
        near.peer, far.peer = far, near
        self._streams |= {near, far}
        listener.backlog.append(far)
        listener.acceptable.wake()
        return near, local, remote

    def carry_bytes(self, sender: _VirtualStream, data: bytes) -> None:
        """Send bytes of a connection on their way, in order; none at all is the end."""
        if data and self.trace is not None:
            self.trace.record(trio.current_time(), "sent", "TCP", sender.local, sender.remote, data)
        pair = self._pair(sender.local[0], sender.remote[0])
        if pair in self._partitions:
            self._held.append((pair, sender, data))
        else:
            self._schedule_bytes(sender, data)

    def carry_reset(self, sender: _VirtualStream) -> None:
        """Let the other end of a connection break off, once it has what was sent before."""
        peer = sender.peer
        if peer is not None and self._pair(sender.local[0], sender.remote[0]) not in self._partitions:
            self._at(self._next_clear(sender), lambda: peer.break_off("Connection reset by peer"))

    def _schedule_bytes(self, sender: _VirtualStream, data: bytes) -> None:
        self._at(self._next_clear(sender), lambda: self._deliver_bytes(sender, data))

    def _next_clear(self, sender: _VirtualStream) -> float:
        # Never earlier than what was sent before: what jitter does to datagrams, a connection hides.
        sender.clear_at = max(sender.clear_at, trio.current_time() + self._travel_time())
        return sender.clear_at

    def _deliver_bytes(self, sender: _VirtualStream, data: bytes) -> None:
        peer = sender.peer
        if peer is None or peer.broken:
            return
        if data and self.trace is not None and not peer.readable.is_closed:
            self.trace.record(trio.current_time(), "received", "TCP", peer.local, peer.remote, data)
        peer.arrive(data)
