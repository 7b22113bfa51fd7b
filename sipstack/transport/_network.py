"""What the transport needs of a network, and the network that is really there.

Sockets are raw and non-blocking: a wait is a checkpoint, everything else is one plain system call. The virtual network
of `sipstack.testing` is the other implementation.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeAlias

import attrs
import trio

from sipstack.resolver import Answer, Query

from ._dns import DNSClient

__all__ = ["DatagramSocket", "HostPort", "Network", "Stream", "StreamListener", "TrioNetwork"]

HostPort: TypeAlias = tuple[str, int]
"A numeric host without brackets, and a port."


class DatagramSocket(Protocol):
    """Send and receive datagrams at one local address; nothing but `wait_readable` blocks."""

    @property
    def address(self) -> HostPort:
        """Return the local address."""
        ...

    async def wait_readable(self) -> None:
        """Wait until there is a datagram or a refusal.

        :raises trio.ClosedResourceError: the socket was closed.
        """
        ...

    def receive_nowait(self) -> tuple[bytes, HostPort]:
        """Take the next datagram and where it came from.

        :raises BlockingIOError: there is none; any other OSError tells of a refusal.
        """
        ...

    def refusals_nowait(self) -> list[tuple[HostPort, str]]:
        """Take the destinations that a datagram of ours could not reach, each with the reason."""
        ...

    def send_nowait(self, data: bytes, address: HostPort, /) -> None:
        """Send one datagram.

        :raises BlockingIOError: the system has no room for it now; any other OSError means it cannot be sent there.
        """
        ...

    def close(self) -> None:
        """Close the socket; whoever waits gets trio.ClosedResourceError."""
        ...


class Stream(Protocol):
    """Carry bytes both ways in order."""

    async def receive_some(self, max_bytes: int, /) -> bytes:
        """Wait for bytes; none at all means the peer has closed.

        :raises trio.BrokenResourceError: the connection broke.
        :raises trio.ClosedResourceError: we closed it.
        """
        ...

    def send_nowait(self, data: bytes | memoryview, /) -> int:
        """Send as many of the bytes as there is room for, and return how many that was.

        :raises trio.BrokenResourceError: the connection broke.
        """
        ...

    async def wait_writable(self) -> None:
        """Wait until there may be room.

        :raises trio.ClosedResourceError: we closed the connection.
        """
        ...

    def close(self) -> None:
        """Close the connection; whoever waits gets trio.ClosedResourceError."""
        ...


class StreamListener(Protocol):
    """Accept connections at one local address."""

    @property
    def address(self) -> HostPort:
        """Return the local address."""
        ...

    async def accept(self) -> tuple[Stream, HostPort, HostPort]:
        """Wait for a connection; return it with the local and the remote address.

        :raises trio.ClosedResourceError: the listener was closed; an OSError concerns this connection only.
        """
        ...

    def close(self) -> None:
        """Stop listening; connections stay."""
        ...


class Network(Protocol):
    """Open sockets and look names up."""

    async def open_datagram(self, host: str, port: int) -> DatagramSocket:
        """Bind a datagram socket to a numeric address.

        :raises OSError: it cannot be had.
        """
        ...

    async def listen_stream(self, host: str, port: int) -> StreamListener:
        """Listen for connections at a numeric address.

        :raises OSError: it cannot be had.
        """
        ...

    async def connect_stream(
        self, host: str, port: int, *, local_host: str | None = None
    ) -> tuple[Stream, HostPort, HostPort]:
        """Connect to a numeric address; return the stream with its local and remote address.

        :raises OSError: nobody is there.
        """
        ...

    async def resolve(self, host: str) -> list[str]:
        """Look a name up: numeric addresses, the preferred one first.

        :raises OSError: it has none.
        """
        ...

    async def look_up(self, query: Query) -> Answer:
        """Ask DNS, or whoever else knows; what goes wrong is in the answer."""
        ...

    def local_host_towards(self, host: str) -> str:
        """Return the local address that packets to a numeric address leave from.

        :raises OSError: no route leads there.
        """
        ...


_RECEIVE_BUFFER: Final = 4 * 1_048_576
"Bytes the kernel may hold for a UDP socket: about 3,000 messages, a burst that a busy loop can catch up with."
_BACKLOG: Final = 1_024
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)
_UNACKNOWLEDGED: Final = 32_000
"Milliseconds that sent bytes may wait for the peer's acknowledgement: 64*T1, when every transaction has given up."
_SYSTEM_TTL: Final = 5.0
"Seconds that an answer of the system holds: it does not say, and keeps answers itself."

# linux/errqueue.h and linux/in.h, in6.h; Python's socket module does not name them.
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_EXTENDED_ERROR = struct.Struct("@IBBBBII")
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3
_HAS_ERROR_QUEUE: Final = sys.platform == "linux"


def _is_unreachable(origin: int, kind: int, code: int) -> bool:
    """Tell the ICMP errors that end an attempt from those to be ignored (:rfc:`3261#section-18.4`)."""
    if origin == _ORIGIN_ICMP:  # 3: unreachable, where code 4 only says that it was too large; 12: parameter problem
        return (kind == 3 and code != 4) or kind == 12
    return origin == _ORIGIN_ICMP6 and kind in (1, 4)  # unreachable, parameter problem


def _family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _new_socket(host: str, kind: socket.SocketKind) -> socket.socket:
    family = _family_of(host)
    sock = socket.socket(family, kind)
    sock.setblocking(False)
    if family == socket.AF_INET6:
        # One family a socket: an IPv4 peer never shows up as ::ffff:192.0.2.1, in no Via and no log.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


class TrioDatagramSocket:
    """A UDP socket of the system."""

    __slots__ = ("_refusals", "_scopes", "_sock", "address")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._refusals: list[tuple[HostPort, str]] = []
        self._scopes: dict[str, int] = {}  # link-local peers, and the interface each was heard on
        self.address: HostPort = sock.getsockname()[:2]

    async def wait_readable(self) -> None:
        if self._sock.fileno() < 0:
            raise trio.ClosedResourceError("the socket is closed")
        await trio.lowlevel.wait_readable(self._sock)

    def receive_nowait(self) -> tuple[bytes, HostPort]:
        data, address = self._sock.recvfrom(65_536)
        if len(address) == 2:
            return data, address
        if address[3]:
            if len(self._scopes) >= 1_000:
                self._scopes.clear()
            self._scopes[address[0]] = address[3]
        return data, address[:2]

    def send_nowait(self, data: bytes, address: HostPort, /) -> None:
        destination: tuple[Any, ...] = address
        if self._scopes and (scope := self._scopes.get(address[0])):
            destination = (*address, 0, scope)
        try:
            self._sock.sendto(data, destination)
        except BlockingIOError:
            raise
        except OSError:
            # It may be the refusal of an earlier datagram to somebody else that is reported here, in the place of
            # sending this one (ip(7), IP_RECVERR).
            if not self._read_error_queue():
                raise
            self._sock.sendto(data, destination)

    def _read_error_queue(self) -> bool:
        if not _HAS_ERROR_QUEUE:
            return False
        found = False
        while True:
            try:
                _, control, _, address = self._sock.recvmsg(1, 512, socket.MSG_ERRQUEUE)
            except OSError:  # empty: nothing else can be done about it either
                return found
            found = True
            for level, kind, payload in control:
                is_error = (level == socket.IPPROTO_IP and kind == _IP_RECVERR) or (
                    level == socket.IPPROTO_IPV6 and kind == _IPV6_RECVERR
                )
                if is_error and len(payload) >= _EXTENDED_ERROR.size and address:
                    number, origin, icmp_type, code, *_ = _EXTENDED_ERROR.unpack_from(payload)
                    if _is_unreachable(origin, icmp_type, code):
                        self._refusals.append((address[:2], f"{address[0]} port {address[1]}: {os.strerror(number)}"))

    def refusals_nowait(self) -> list[tuple[HostPort, str]]:
        self._read_error_queue()
        refusals, self._refusals = self._refusals, []
        return refusals

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()


class TrioStream:
    """A TCP connection of the system."""

    __slots__ = ("_sock",)

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def _check_open(self) -> None:
        if self._sock.fileno() < 0:
            raise trio.ClosedResourceError("the connection is closed")

    async def receive_some(self, max_bytes: int, /) -> bytes:
        while True:
            self._check_open()
            await trio.lowlevel.wait_readable(self._sock)
            try:
                return self._sock.recv(max_bytes)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError(error.strerror or str(error)) from error

    def send_nowait(self, data: bytes | memoryview, /) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(error.strerror or str(error)) from error

    async def wait_writable(self) -> None:
        self._check_open()
        await trio.lowlevel.wait_writable(self._sock)

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()


def _stream_of(sock: socket.socket) -> TrioStream:
    sock.setblocking(False)
    # A message is written in one piece; waiting for more to go with it only delays it.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if _USER_TIMEOUT is not None:
        # Of a peer that vanished without a word: the next message would wait a quarter of an hour for the kernel's
        # verdict, and the connection would be taken for open as long.
        sock.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, _UNACKNOWLEDGED)
    return TrioStream(sock)


class TrioStreamListener:
    """A listening TCP socket of the system."""

    __slots__ = ("_sock", "address")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.address: HostPort = sock.getsockname()[:2]

    async def accept(self) -> tuple[Stream, HostPort, HostPort]:
        while True:
            if self._sock.fileno() < 0:
                raise trio.ClosedResourceError("the listener is closed")
            await trio.lowlevel.wait_readable(self._sock)
            try:
                sock, remote = self._sock.accept()
            except BlockingIOError:
                continue
            try:
                stream = _stream_of(sock)
                local = sock.getsockname()
            except OSError:  # reset before we looked
                sock.close()
                raise
            return stream, local[:2], remote[:2]

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()


class TrioNetwork:
    """The system's network.

    Addresses are looked up as the system does it, its hosts file included; SRV and NAPTR records by its name servers,
    if dnspython is installed (the extra ``dns``).

    :param nameservers: ask these instead for everything: ``192.0.2.53``, ``127.0.0.1:5353``, ``[::1]:53``.
    :raises LocalProtocolError: a name server is no numeric address, or dnspython is not installed.
    """

    def __init__(self, *, nameservers: Sequence[str] = ()) -> None:
        self._dns = DNSClient(nameservers)
        self._has_nameservers = bool(nameservers)

    async def open_datagram(self, host: str, port: int) -> TrioDatagramSocket:
        await trio.lowlevel.checkpoint()
        sock = _new_socket(host, socket.SOCK_DGRAM)
        try:
            # The kernel cuts this down to what its administrator allows; a smaller buffer still works.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            if _HAS_ERROR_QUEUE:
                if sock.family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
                else:
                    sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            sock.bind((host, port))
            return TrioDatagramSocket(sock)
        except OSError:
            sock.close()
            raise

    async def listen_stream(self, host: str, port: int) -> TrioStreamListener:
        await trio.lowlevel.checkpoint()
        sock = _new_socket(host, socket.SOCK_STREAM)
        try:
            # Connections of an endpoint that has just ended must not keep its port for minutes.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            sock.listen(_BACKLOG)
            return TrioStreamListener(sock)
        except OSError:
            sock.close()
            raise

    async def connect_stream(
        self, host: str, port: int, *, local_host: str | None = None
    ) -> tuple[TrioStream, HostPort, HostPort]:
        sock = _new_socket(host, socket.SOCK_STREAM)
        try:
            if local_host is not None:
                sock.bind((local_host, 0))
            trio_sock = trio.socket.from_stdlib_socket(sock)
            await trio_sock.connect((host, port))
            local = trio_sock.getsockname()
            stream = _stream_of(socket.socket(fileno=trio_sock.detach()))
        except BaseException:  # a cancellation too must not leave the socket open
            sock.close()
            raise
        return stream, local[:2], (host, port)

    async def resolve(self, host: str) -> list[str]:
        try:
            found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except UnicodeError as error:  # no name that DNS could hold, which a peer may well have sent
            raise OSError(errno.EINVAL, f"{host!r} is no host name") from error
        return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))

    async def look_up(self, query: Query) -> Answer:
        if query.kind != "address":
            return await self._dns.look_up(query)
        if self._has_nameservers and query.name.rpartition(".")[2] != "localhost":
            answer = await self._dns.look_up(query)
            # RFC 6724, rule 1: an address that nothing leads to comes last; which family is first stays as it is.
            records = sorted(answer.records, key=lambda host: not self._has_route(str(host)))
            return attrs.evolve(answer, records=tuple(records))
        try:
            return Answer(tuple(await self.resolve(query.name)), ttl=_SYSTEM_TTL)
        except OSError as error:
            return Answer(ttl=_SYSTEM_TTL, detail=error.strerror or str(error))

    def _has_route(self, host: str) -> bool:
        try:
            self.local_host_towards(host)
        except OSError:
            return False
        return True

    def local_host_towards(self, host: str) -> str:
        with _new_socket(host, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))  # nothing is sent; the kernel only chooses the way
            return str(probe.getsockname()[0])
