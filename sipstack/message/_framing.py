"""Cutting a byte stream into messages by Content-Length (:rfc:`3261#section-18.3`).

Driven by a stream's owner: `feed` what was read, then `next_message` until it gives None. What comes out does not
depend on how the stream was cut into pieces.
"""

from __future__ import annotations

import enum
from typing import NoReturn

from ._errors import MalformedMessage
from ._limits import DEFAULT_LIMITS, Limits
from ._message import Request, Response
from ._parser import check_untrusted, content_length_untrusted, parse_head_untrusted

__all__ = ["Framer", "KeepAlive"]


class KeepAlive(enum.Enum):
    """What stands between messages on a stream (:rfc:`5626#section-3.5.1`)."""

    PING = b"\r\n\r\n"
    "A double CRLF: answer it with a single one."


class Framer:
    """Cut one connection's bytes into messages.

    `is_broken` says that the place of the next message is lost: the stream must be closed. After any other
    `MalformedMessage` the next call goes on with the next message.
    """

    __slots__ = ("_body_length", "_buffer", "_limits", "_message", "_searched", "is_broken")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._message: Request | Response | None = None
        self._body_length = 0
        self.is_broken = False

    @property
    def has_partial(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._message is not None or len(self._buffer) > 2

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._buffer += data

    def _break(self, reason: str, status_hint: int = 400, partial: Request | Response | None = None) -> NoReturn:
        self.is_broken = True
        raise MalformedMessage(reason, status_hint, partial)

    def next_message(self) -> Request | Response | KeepAlive | None:
        """Return the next whole message or keep-alive, or None when more bytes are needed.

        :raises MalformedMessage: the next message is wrong; see `is_broken` for what that means for the stream.
        """
        if self.is_broken:
            return None
        if self._message is None:
            keep_alive = self._skip_blank_lines()
            if keep_alive is not None:
                return keep_alive
            if not self._read_head():
                return None
        message = self._message
        assert message is not None
        if len(self._buffer) < self._body_length:
            return None
        message.body = bytes(self._buffer[: self._body_length])
        del self._buffer[: self._body_length]
        self._message = None
        check_untrusted(message)
        return message

    def _skip_blank_lines(self) -> KeepAlive | None:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):
            if buffer.startswith(b"\r\n\r\n"):
                del buffer[:4]
                return KeepAlive.PING
            if len(buffer) < 4 and (len(buffer) == 2 or buffer[2:] == b"\r"):
                return None  # half of a keep-alive, perhaps
            del buffer[:2]
        return None

    def _read_head(self) -> bool:
        buffer, limits = self._buffer, self._limits
        # What was searched before is not searched again: a message in one-byte pieces stays linear.
        end = buffer.find(b"\r\n\r\n", max(self._searched - 3, 0))
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) >= limits.header_section_size + 4:  # no place is left for the blank line
                self._break(f"more than {limits.header_section_size} bytes of header fields", 513)
            return False
        self._searched = 0
        if end > limits.header_section_size:
            self._break(f"more than {limits.header_section_size} bytes of header fields", 513)
        head = bytes(buffer[:end])
        del buffer[: end + 4]
        try:
            message = parse_head_untrusted(head, limits)
            length = content_length_untrusted(message)
        except MalformedMessage:
            self.is_broken = True
            raise
        if length is None:
            self._break("Content-Length is missing on a stream", 400, message)
        if length > limits.body_size or end + 4 + length > limits.message_size:
            self._break(f"a body of {length} bytes is too large", 413, message)
        self._message, self._body_length = message, length
        return True
