"""A peer that does what a test tells it, and complains of what it did not expect."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self, overload

import trio

from sipstack.message import Framer, KeepAlive, Request, Response, Tokens, parse_message
from sipstack.transport import DatagramSocket, HostPort, ListenURL, Network, Stream, StreamListener

from ._messages import request as build_request

__all__ = ["ScriptedPeer"]


class ScriptedPeer:
    """Be one side of an exchange, message by message; ``async with`` it.

    Retransmissions of what was expected before are passed over, unless asked for. Over TCP it holds one connection: the
    one it accepts or opens.

    :param address: ``host:port`` or a URL such as ``tcp://b:5060``.
    """

    def __init__(self, network: Network, address: str, *, seed: int = 0) -> None:
        self.url = ListenURL.parse(address if "://" in address else f"udp://{address}")
        self.tokens = Tokens(random.Random(f"{address} {seed}").randbytes)  # noqa: S311  (chance that must repeat)
        self.received: list[bytes] = []
        "Everything that came, retransmissions too."
        self.remote: HostPort | None = None
        "Where the last message came from, or went to."
        self._network = network
        self._socket: DatagramSocket | None = None
        self._listener: StreamListener | None = None
        self._stream: Stream | None = None
        self._framer = Framer()
        self._source_of: dict[tuple[str, str], HostPort] = {}
        self._seen: set[bytes] = set()
        self._waiting: deque[Request | Response] = deque()

    @property
    def address(self) -> HostPort:
        """Return the address and port it has."""
        bound = self._socket or self._listener
        assert bound is not None, "the peer is not open: use it in an async with block"
        return bound.address

    @property
    def sent_by(self) -> str:
        """Return its address as a Via or a Contact has it."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def __aenter__(self) -> Self:
        host = (await self._network.resolve(self.url.host))[0]
        if self.url.transport == "UDP":
            self._socket = await self._network.open_datagram(host, self.url.port)
        else:
            self._listener = await self._network.listen_stream(host, self.url.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for each in (self._socket, self._stream, self._listener):
            if each is not None:
                each.close()

    async def connect(self, host: str, port: int) -> None:
        """Open the TCP connection from this side."""
        address = (await self._network.resolve(host))[0]
        await self._take_stream(await self._network.connect_stream(address, port, local_host=self.address[0]))

    async def accept(self) -> None:
        """Wait for the TCP connection from the other side."""
        assert self._listener is not None, "only a TCP peer accepts connections"
        await self._take_stream(await self._listener.accept())

    async def _take_stream(self, connection: tuple[Stream, HostPort, HostPort]) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, _, self.remote = connection
        self._framer = Framer()

    def hang_up(self) -> None:
        """Close the TCP connection."""
        assert self._stream is not None, "there is no connection"
        self._stream.close()
        self._stream = None

    @overload
    async def expect(self, what: str, *, timeout: float = 64.0, again: bool = False) -> Request: ...

    @overload
    async def expect(self, what: int, *, timeout: float = 64.0, again: bool = False) -> Response: ...

    async def expect(self, what: str | int, *, timeout: float = 64.0, again: bool = False) -> Request | Response:
        """Return the next message, which must be a request of this method or a response of this code.

        :param again: take a retransmission too.
        :raises AssertionError: something else came, or nothing in time.
        """
        with trio.move_on_after(timeout):
            message = await self._next(again=again)
            if isinstance(message, Request):
                assert message.method == what, f"expected {what}, got {message.method}:\n{message}"
            else:
                assert message.code == what, f"expected {what}, got {message.code}:\n{message}"
            return message
        raise AssertionError(f"expected {what}, got nothing in {timeout:g} seconds")

    async def expect_nothing(self, seconds: float) -> None:
        """Wait, and let nothing but retransmissions come.

        :raises AssertionError: something came.
        """
        with trio.move_on_after(seconds):
            message = await self._next(again=False)
            raise AssertionError(f"expected nothing, got:\n{message}")

    async def _next(self, *, again: bool) -> Request | Response:
        while True:
            message = self._waiting.popleft() if self._waiting else await self._receive()
            data = message.serialise()
            if data not in self._seen or again:
                self._seen.add(data)
                return message

    async def _receive(self) -> Request | Response:
        if self._socket is None:
            return await self._receive_framed()
        while True:
            await self._socket.wait_readable()
            try:
                data, remote = self._socket.receive_nowait()
            except OSError:  # nothing after all, or a refusal: a script waits for messages
                self._socket.refusals_nowait()
                continue
            if not data.strip():
                continue
            self.received.append(data)
            message = parse_message(data)
            self._note(message, remote)
            return message

    async def _receive_framed(self) -> Request | Response:
        if self._stream is None:
            await self.accept()
        assert self._stream is not None
        assert self.remote is not None
        while True:
            message = self._framer.next_message()
            if isinstance(message, KeepAlive):
                continue
            if message is not None:
                self.received.append(message.serialise())
                self._note(message, self.remote)
                return message
            data = await self._stream.receive_some(65_536)
            assert data, "the other side closed the connection"
            self._framer.feed(data)

    def _note(self, message: Request | Response, remote: HostPort) -> None:
        self.remote = remote
        if isinstance(message, Request):
            self._source_of[message.call_id, str(message.cseq)] = remote

    async def send(self, message: Request | Response | bytes, *, to: HostPort | str | None = None) -> None:
        """Send a message, or any bytes.

        :param to: ``(host, port)`` or ``"host:port"``; a response goes where its request came from, anything else
            where the last message came from, if nothing is said.
        """
        if isinstance(to, str):
            place = ListenURL.parse(f"udp://{to}")
            to = ((await self._network.resolve(place.host))[0], place.port)
        if to is None and isinstance(message, Response):
            to = self._source_of.get((message.call_id, str(message.cseq)))
        self.remote = to or self.remote
        assert self.remote is not None, "nobody was heard yet: say where to send"
        data = message if isinstance(message, bytes) else message.serialise()
        if self._socket is not None:
            self._socket.send_nowait(data, self.remote)
            return
        if self._stream is None:
            await self.connect(*self.remote)
        assert self._stream is not None
        while data:
            data = data[self._stream.send_nowait(data) :]
            if data:
                await self._stream.wait_writable()

    def request(
        self,
        method: str,
        uri: str,
        *,
        to_tag: str | None = None,
        from_tag: str | None = None,
        call_id: str | None = None,
        sequence: int = 1,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """Build a request of this peer's, with its Via and Contact and fresh ids."""
        return build_request(
            method,
            to=uri,
            sender=f"sip:peer@{self.sent_by}",
            via=f"SIP/2.0/{self.url.transport} {self.sent_by}",
            branch=self.tokens.branch(),
            call_id=call_id or self.tokens.call_id(),
            sequence=sequence,
            from_tag=from_tag or self.tokens.tag(),
            to_tag=to_tag,
            contact=f"sip:peer@{self.sent_by}",
            headers=headers,
            body=body,
        )
