"""Messages out of what a connection carries: cut from a stream, or kept apart by WebSocket (:rfc:`7118#section-5`)."""

from __future__ import annotations

from collections import deque

from sipstack.message import Framer, KeepAlive, Limits, Request, Response, parse_message

from ._codec import Codec

__all__ = ["MessageFramer", "new_framer"]


class MessageFramer:
    """Take each piece for one message, as of a datagram; stands in for a `Framer` where boundaries are kept."""

    __slots__ = ("_limits", "_pieces")

    is_broken = False
    has_partial = False

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pieces: deque[bytes] = deque()

    def feed(self, data: bytes) -> None:
        """Take one message."""
        self._pieces.append(data)

    def next_message(self) -> Request | Response | KeepAlive | None:
        """Return the next message or keep-alive, or None when there is no more.

        :raises MalformedMessage: the next message is wrong; the one after it may be right.
        """
        while self._pieces:
            piece = self._pieces.popleft()
            if piece == KeepAlive.PING.value:
                return KeepAlive.PING
            if piece.strip(b"\r\n"):
                return parse_message(piece, self._limits)
        return None


def new_framer(codec: Codec | None, limits: Limits) -> Framer | MessageFramer:
    """Return the framer for what a codec gives; None is that of plain TCP."""
    return MessageFramer(limits) if codec is not None and codec.is_framed else Framer(limits)
