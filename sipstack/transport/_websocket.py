"""WebSocket: the codec of one connection (:rfc:`7118`, :rfc:`6455`).

The `websockets` library does the protocol. No extension is offered: compression would let a peer make much of little.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as HTTPRequest
from websockets.http11 import Response as HTTPResponse
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol
from websockets.uri import WebSocketURI

from sipstack.message import Limits
from sipstack.transactions import TransportError

from ._certificate import PeerCertificate
from ._tls import TLSCodec

__all__ = ["WebSocketCodec"]

_SUBPROTOCOLS = [Subprotocol("sip")]
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


class WebSocketCodec:
    """Carry each message in one WebSocket message.

    :param below: the codec of TLS, for WSS.
    :param path: a server's: the only path that it serves, or "" for all.
    """

    __slots__ = ("_below", "_is_asked", "_is_text", "_parts", "_path", "_protocol", "has_ended", "is_ready")

    is_framed = True

    def __init__(self, protocol: ClientProtocol | ServerProtocol, below: TLSCodec | None, *, path: str = "") -> None:
        self.is_ready = False
        self.has_ended = False
        self._protocol = protocol
        self._below = below
        self._path = path
        self._is_asked = False
        self._is_text = False
        self._parts: list[bytes] = []
        self._ask()

    @classmethod
    def for_server(cls, limits: Limits, below: TLSCodec | None, *, path: str = "", origins: Sequence[str] = ()) -> Self:
        """Make the codec of an accepted connection.

        :param origins: web pages that may connect; none at all is all of them. Whoever is no browser sends no Origin,
            could send any, and may connect.
        """
        allowed = [*(Origin(each) for each in origins), None] if origins else None
        protocol = ServerProtocol(origins=allowed, subprotocols=_SUBPROTOCOLS, max_size=limits.message_size)
        return cls(protocol, below, path=path)

    @classmethod
    def for_client(cls, limits: Limits, below: TLSCodec | None, *, host: str, port: int, path: str) -> Self:
        """Make the codec of a connection to be opened."""
        uri = WebSocketURI(below is not None, host, port, path, "")
        return cls(ClientProtocol(uri, subprotocols=_SUBPROTOCOLS, max_size=limits.message_size), below)

    @property
    def has_partial(self) -> bool:
        """Tell whether a message has begun and is not complete."""
        return bool(self._parts) or bool(self._protocol.reader.buffer)

    @property
    def certificate(self) -> PeerCertificate | None:
        """Return what the peer has proved to be."""
        return None if self._below is None else self._below.certificate

    def _ask(self) -> None:
        """Begin the handshake of a client, once there is a connection to do it on."""
        protocol = self._protocol
        if (
            not self._is_asked
            and isinstance(protocol, ClientProtocol)
            and (self._below is None or self._below.is_ready)
        ):
            self._is_asked = True
            protocol.send_request(protocol.connect())

    def receive(self, data: bytes) -> list[bytes]:
        chunks = [data] if self._below is None else self._below.receive(data)
        self._ask()
        pieces: list[bytes] = []
        for chunk in chunks:
            # Until the handshake is over, line by line: what follows it must not be read before it is answered.
            for part in [chunk] if self.is_ready else _LINE.findall(chunk):
                self._protocol.receive_data(part)
                self._take_events(pieces)
        if self._below is not None and self._below.has_ended:
            self.has_ended = True
        return pieces

    def _take_events(self, pieces: list[bytes]) -> None:
        protocol = self._protocol
        for event in protocol.events_received():
            if isinstance(event, HTTPRequest):
                self._answer(event)
            elif isinstance(event, HTTPResponse):
                self._take_answer(event)
            elif isinstance(event, Frame):
                self._take_frame(event, pieces)
        error = protocol.parser_exc or (None if self.is_ready else protocol.handshake_exc)
        if error is not None:
            raise TransportError(f"the peer broke WebSocket: {error}")

    def _answer(self, request: HTTPRequest) -> None:
        protocol = self._protocol
        assert isinstance(protocol, ServerProtocol)
        if self._path and request.path.partition("?")[0] != self._path:
            response = protocol.reject(404, f"SIP is at {self._path}.\n")
        else:
            response = protocol.accept(request)
        protocol.send_response(response)
        if response.status_code != 101:
            raise TransportError(f"the WebSocket handshake was answered {response.status_code}")
        self.is_ready = True

    def _take_answer(self, response: HTTPResponse) -> None:
        if response.status_code != 101:
            raise TransportError(
                f"the WebSocket handshake was answered {response.status_code} {response.reason_phrase}".rstrip()
            )
        if self._protocol.handshake_exc is None:
            if self._protocol.subprotocol is None:
                raise TransportError("the peer speaks WebSocket, but not the subprotocol sip")
            self.is_ready = True

    def _take_frame(self, frame: Frame, pieces: list[bytes]) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.has_ended = True
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        if frame.data:  # an endless row of empty frames is no reason to keep them
            self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        piece = b"".join(self._parts)
        self._parts.clear()
        if self._is_text and not _is_utf8(piece):
            self._protocol.fail(CloseCode.INVALID_DATA, "a text message must be UTF-8")
            raise TransportError("the peer broke WebSocket: a text message is not UTF-8")
        pieces.append(piece)

    def send(self, data: bytes) -> bytes:
        try:
            if _is_utf8(data):
                self._protocol.send_text(data)
            else:  # RFC 7118, 4.2
                self._protocol.send_binary(data)
        except InvalidState as error:
            raise TransportError("the WebSocket connection is being closed") from error
        return self._encode()

    def _encode(self) -> bytes:
        data = b"".join(self._protocol.data_to_send())
        if self._below is None or not data:
            return data
        return self._below.send(data)

    def take_outgoing(self) -> bytes:
        data = b""
        with suppress(TransportError):  # TLS is broken, which whoever reads or writes is told
            data = self._encode()
        return data if self._below is None else self._below.take_outgoing() + data

    def ping(self) -> bool:
        """Ask the peer for a pong (:rfc:`7118#section-6`)."""
        if self._protocol.state is not State.OPEN:
            return False
        self._protocol.send_ping(b"")
        return True

    def close(self) -> bytes:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.GOING_AWAY)
        last = b""
        if self._below is None or self._below.is_ready:
            last = self.take_outgoing()
        return last + (b"" if self._below is None else self._below.close())


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
