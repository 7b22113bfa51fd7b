"""One stream connection: bytes in by a framer, bytes out by a bounded buffer (:rfc:`3261#section-18.3`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from sipstack.message import Framer, KeepAlive, MalformedMessage, Response
from sipstack.transactions import Flow

from ._context import Context
from ._network import Stream

if TYPE_CHECKING:
    from ._pool import Pool

__all__ = ["Connection"]

_READ_SIZE = 16_384
"Bytes read at once: some dozen messages, so that one busy peer does not hold up the others."
_WRITE_SIZE = 65_536


class Connection:
    """Read one stream into the core, and write what the core says to it.

    Driven by `serve`, one task; a second one lives only while the peer takes less than we have. `lose` ends it, at
    once and from anywhere.
    """

    __slots__ = (
        "_buffer",
        "_context",
        "_framer",
        "_has_to_close",
        "_last_active",
        "_partial_since",
        "_pool",
        "_stream",
        "_stuck_since",
        "_written",
        "flow",
        "is_accepted",
        "is_open",
    )

    def __init__(self, stream: Stream, flow: Flow, context: Context, pool: Pool, *, is_accepted: bool) -> None:
        self.flow = flow
        self.is_accepted = is_accepted
        self.is_open = True
        self._stream = stream
        self._context = context
        self._pool = pool
        self._framer = Framer(context.limits)
        self._buffer = bytearray()
        self._has_to_close = False
        self._last_active = trio.current_time()
        self._partial_since: float | None = None
        self._stuck_since: float | None = None
        self._written: trio.Event | None = None

    async def wait_written(self) -> None:
        """Wait until the peer has taken everything, or the connection has ended."""
        if self._written is not None:
            await self._written.wait()

    @property
    def deadline(self) -> float:
        """Return when this connection is to be closed, unless something happens on it."""
        limits = self._context.limits
        deadline = self._last_active + limits.idle_seconds
        for since in (self._partial_since, self._stuck_since):
            if since is not None:
                deadline = min(deadline, since + limits.message_seconds)
        return deadline

    def send(self, data: bytes) -> bool:
        """Write a message, now or as soon as the peer takes it; return whether the connection is there to do so."""
        if not self.is_open or self._has_to_close:
            return False
        if not self._write(data):
            return False
        context, flow = self._context, self.flow
        context.counters.sent += 1
        if context.trace is not None:
            context.trace.record(self._last_active, "sent", flow.transport, flow.local, flow.remote, data)
        return True

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

    async def serve(self) -> None:
        """Read until the connection ends."""
        try:
            while data := await self._stream.receive_some(_READ_SIZE):
                self._last_active = trio.current_time()
                if not self._has_to_close:
                    self._read_untrusted(data)
        except trio.BrokenResourceError as error:
            self.lose(f"the connection broke: {error}")
        except trio.ClosedResourceError:  # by `lose`, which said all there is to say
            pass
        else:
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
                self._write(b"\r\n")
                continue
            counters.received += 1
            self._partial_since = None
            if context.trace is not None:
                context.trace.record(now, "received", flow.transport, flow.local, flow.remote, message.serialise())
            if isinstance(message, Response) or context.admits_request(flow.remote[0], now):
                context.core.receive_message(message, flow, now)
                context.flush()
        if not framer.has_partial:
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
        self._buffer.clear()
        self._end_writing()
        self._stream.close()
