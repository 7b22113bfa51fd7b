"""One connection: bytes in by a codec and a framer, bytes out by a bounded buffer (:rfc:`3261#section-18.3`)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from sipstack.message import KeepAlive, MalformedMessage, Request, Response
from sipstack.transactions import Flow, TransportError

from ._certificate import PeerCertificate
from ._codec import Codec
from ._context import Context
from ._framer import new_framer
from ._network import Stream

if TYPE_CHECKING:
    from ._pool import Key, Pool

__all__ = ["Connection"]

_READ_SIZE = 16_384
"Bytes read at once: some dozen messages, so that one busy peer does not hold up the others."
_WRITE_SIZE = 65_536


class Connection:
    """Read one stream into the core, and write what the core says to it.

    Driven by `serve`, one task; a second one lives only while the peer takes less than we have. `lose` ends it, at
    once and from anywhere.

    :param codec: what stands between, its handshake done; None for plain TCP.
    """

    __slots__ = (
        "_buffer",
        "_codec",
        "_context",
        "_framer",
        "_has_to_close",
        "_last_active",
        "_last_heard",
        "_partial_since",
        "_pinged_at",
        "_pool",
        "_stream",
        "_stuck_since",
        "_written",
        "flow",
        "is_accepted",
        "is_open",
        "keys",
    )

    def __init__(
        self, stream: Stream, codec: Codec | None, flow: Flow, context: Context, pool: Pool, *, is_accepted: bool
    ) -> None:
        self.flow = flow
        self.is_accepted = is_accepted
        self.is_open = True
        self.keys: list[Key] = []
        "By which the pool finds it."
        self._stream = stream
        self._codec = codec
        self._context = context
        self._pool = pool
        self._framer = new_framer(codec, context.limits)
        self._buffer = bytearray()
        self._has_to_close = False
        self._last_active = self._last_heard = trio.current_time()
        self._pinged_at: float | None = None
        self._partial_since: float | None = None
        self._stuck_since: float | None = None
        self._written: trio.Event | None = None

    async def wait_written(self) -> None:
        """Wait until the peer has taken everything, or the connection has ended."""
        if self._written is not None:
            await self._written.wait()

    @property
    def certificate(self) -> PeerCertificate | None:
        """Return what the peer has proved to be."""
        return None if self._codec is None else self._codec.certificate

    @property
    def deadline(self) -> float:
        """Return when `expire` is to be called, unless something happens on this connection."""
        end = self._end
        if self._pings and self._pinged_at is None:
            return min(end, self._last_heard + self._context.limits.ping_seconds)
        return end

    @property
    def _pings(self) -> bool:
        return self._codec is not None and self._codec.is_framed

    @property
    def _end(self) -> float:
        limits = self._context.limits
        deadline = self._last_active + limits.idle_seconds
        if self._pinged_at is not None:
            deadline = min(deadline, self._pinged_at + limits.ping_seconds)
        for since in (self._partial_since, self._stuck_since):
            if since is not None:
                deadline = min(deadline, since + limits.message_seconds)
        return deadline

    def expire(self, now: float) -> None:
        """Close the connection at its deadline, or ask the peer for a sign of life before."""
        if now < self._end and self._codec is not None and self._codec.ping():
            self._pinged_at = now
            self._write(self._codec.take_outgoing())
        else:
            self._context.counters.connections_expired += 1
            self.lose("nothing came or went for too long")

    def send(self, data: bytes) -> bool:
        """Write a message, now or as soon as the peer takes it; return whether the connection is there to do so."""
        if not self.is_open or self._has_to_close:
            return False
        if not self._write_encoded(data):
            return False
        context, flow = self._context, self.flow
        context.counters.sent += 1
        if context.trace is not None:
            context.trace.record(self._last_active, "sent", flow.transport, flow.local, flow.remote, data)
        return True

    def _write_encoded(self, data: bytes) -> bool:
        if self._codec is None:
            return self._write(data)
        try:
            encoded = self._codec.send(data)
        except TransportError as error:
            self.lose(str(error))
            return False
        return self._write(encoded)

    def _write(self, data: bytes) -> bool:
        self._last_active = trio.current_time()
        taken = 0
        if not self._buffer:
            try:
                taken = self._stream.send_nowait(data)
            except trio.BrokenResourceError as error:
                self.lose(f"the connection broke: {error}")
                return False
            if taken == len(data):
                return True
        if len(self._buffer) + len(data) - taken > self._context.limits.write_buffer:
            self._context.counters.connections_overrun += 1
            self.lose("the peer takes less than there is to send, and the write buffer is full")
            return False
        was_empty = not self._buffer
        self._buffer += data[taken:]
        if was_empty:
            self._stuck_since = self._last_active
            self._written = trio.Event()
            self._pool.watch(self)
            self._pool.start_soon(self._drain)
        return True

    async def _drain(self) -> None:
        buffer = self._buffer
        try:
            while buffer:
                await self._stream.wait_writable()
                if taken := self._stream.send_nowait(bytes(buffer[:_WRITE_SIZE])):
                    del buffer[:taken]
                    self._stuck_since = trio.current_time()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.lose(f"the connection broke: {error}")
            return
        self._stuck_since = None
        self._end_writing()
        if self._has_to_close:
            self.lose("the peer sent what cannot be framed")

    def _end_writing(self) -> None:
        if self._written is not None:
            self._written.set()
            self._written = None

    async def serve(self, pieces: Iterable[bytes] = ()) -> None:
        """Read until the connection ends.

        :param pieces: what came with the end of the handshake.
        """
        for piece in pieces:
            self._read_untrusted(piece)
        if self._codec is not None and self._codec.has_ended:
            self.lose("the peer closed the connection")
        try:
            while data := await self._stream.receive_some(_READ_SIZE):
                self._last_active = self._last_heard = trio.current_time()
                self._pinged_at = None
                if self._has_to_close:
                    continue
                if self._codec is None:
                    self._read_untrusted(data)
                else:
                    self._decode_untrusted(self._codec, data)
        except trio.BrokenResourceError as error:
            self.lose(f"the connection broke: {error}")
        except trio.ClosedResourceError:  # by `lose`, which said all there is to say
            pass
        else:
            self.lose("the peer closed the connection")

    def _decode_untrusted(self, codec: Codec, data: bytes) -> None:
        detail = ""
        pieces: list[bytes] = []
        try:
            pieces = codec.receive(data)
        except TransportError as error:
            detail = str(error)
        if outgoing := codec.take_outgoing():
            self._write(outgoing)
        for piece in pieces:
            self._read_untrusted(piece)
        if not pieces:
            self._note_partial()
        if detail:
            self.lose(detail)
        elif codec.has_ended:
            self.lose("the peer closed the connection")

    def _read_untrusted(self, data: bytes) -> None:
        context, framer, flow = self._context, self._framer, self.flow
        counters = context.counters
        framer.feed(data)
        while self.is_open:
            now = self._last_active
            try:
                message = framer.next_message()
            except MalformedMessage as error:
                counters.received += 1
                context.core.reject_malformed(error, flow)
                context.flush()
                if framer.is_broken:
                    self._close_when_written()
                    return
                continue
            if message is None:
                break
            if isinstance(message, KeepAlive):
                counters.keepalives += 1
                self._write_encoded(b"\r\n")
                continue
            counters.received += 1
            self._partial_since = None
            if context.trace is not None:
                context.trace.record(now, "received", flow.transport, flow.local, flow.remote, message.serialise())
            if isinstance(message, Request) and self.is_accepted and self.certificate is not None:
                self._pool.alias_untrusted(self, message)
            if isinstance(message, Response) or context.admits_request(flow.remote[0], now):
                context.core.receive_message(message, flow, now)
                context.flush()
        self._note_partial()

    def _note_partial(self) -> None:
        if not (self._framer.has_partial or (self._codec is not None and self._codec.has_partial)):
            self._partial_since = None
        elif self._partial_since is None:
            # Counted from its first byte, whatever trickles in after it.
            self._partial_since = self._last_active
            self._pool.watch(self)

    def _close_when_written(self) -> None:
        self._has_to_close = True
        if not self._buffer:
            self.lose("the peer sent what cannot be framed")

    def lose(self, detail: str) -> None:
        """Close the connection and tell the core; again and again does nothing."""
        if not self.is_open:
            return
        self.abandon()
        self._pool.forget(self)
        context = self._context
        context.core.connection_lost(self.flow, detail, trio.current_time())
        context.flush()

    def abandon(self) -> None:
        """Close the connection without a word to the core."""
        self.is_open = False
        if self._codec is not None:
            last = self._codec.close()
            if not self._buffer:  # else it would stand in the middle of something
                with suppress(trio.BrokenResourceError):
                    self._stream.send_nowait(last)
        self._buffer.clear()
        self._end_writing()
        self._stream.close()
