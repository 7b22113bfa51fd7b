"""What stands between messages and the bytes of a connection: TLS, WebSocket, or one upon the other.

A codec is sans-IO: whoever owns the socket hands it what was read, and writes what it returns. `shake_hands` is that
owner until the codec is ready; a `Connection` is from then on.
"""

from __future__ import annotations

from typing import Protocol

import trio

from sipstack.transactions import TransportError

from ._certificate import PeerCertificate
from ._network import Stream

__all__ = ["Codec", "shake_hands"]

_READ_SIZE = 16_384


class Codec(Protocol):
    """Turn messages into what goes over a connection, and what comes over it into pieces for a framer."""

    @property
    def is_framed(self) -> bool:
        """Tell whether each piece is one whole message, rather than some bytes of a stream."""
        ...

    @property
    def is_ready(self) -> bool:
        """Tell whether the handshake is over."""
        ...

    @property
    def has_ended(self) -> bool:
        """Tell whether the peer has said that it sends no more."""
        ...

    @property
    def has_partial(self) -> bool:
        """Tell whether a piece has begun and is not complete."""
        ...

    @property
    def certificate(self) -> PeerCertificate | None:
        """Return what the peer has proved to be; None for one that has proved nothing."""
        ...

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes that were read; return the pieces that they complete.

        `take_outgoing` may have something afterwards, after an error too: the alert that says what is wrong.

        :raises TransportError: the peer broke the protocol, or is not who it must be; the connection is to be closed.
        """
        ...

    def send(self, data: bytes) -> bytes:
        """Return the bytes that carry a message.

        :raises TransportError: nothing can be sent any more.
        """
        ...

    def take_outgoing(self) -> bytes:
        """Return what the codec itself has to say, once."""
        ...

    def ping(self) -> bool:
        """Ask the peer for a sign of life, by `take_outgoing`; return whether the protocol has a way to."""
        ...

    def close(self) -> bytes:
        """End the session; return the last bytes to send."""
        ...


async def shake_hands(stream: Stream, codec: Codec) -> list[bytes]:
    """Drive a codec over a stream until it is ready; return the pieces that came with the end of the handshake.

    :raises TransportError: it failed; the stream is to be closed.
    """
    pieces: list[bytes] = []
    try:
        while True:
            await _send_all(stream, codec.take_outgoing())
            if codec.is_ready:
                return pieces
            data = await stream.receive_some(_READ_SIZE)
            if not data:
                raise TransportError("the peer closed the connection during the handshake")
            try:
                pieces += codec.receive(data)
            except TransportError:
                # Only a peer that takes it at once is told why: one that is refused is not worth waiting for.
                if refusal := codec.take_outgoing():
                    stream.send_nowait(refusal)
                raise
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise TransportError(f"the connection broke during the handshake: {error}") from error


async def _send_all(stream: Stream, data: bytes) -> None:
    while data:
        taken = stream.send_nowait(data)
        data = data[taken:]
        if data:
            await stream.wait_writable()
