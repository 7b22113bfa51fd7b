"""What is wrong with a session description, and in which line."""

from __future__ import annotations

from sipstack.message import RemoteProtocolError

__all__ = ["SdpError"]


class SdpError(RemoteProtocolError, ValueError):
    """Refuse bytes that are not a session description.

    :param reason: what was wrong.
    :param line: the number of the line, from 1; 0 when no single line is to blame.
    """

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(f"{reason} (line {line})" if line else reason)
        self.reason = reason
        self.line = line
