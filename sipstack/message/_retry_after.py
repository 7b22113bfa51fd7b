"""The Retry-After header field (:rfc:`3261#section-20.33`)."""

from __future__ import annotations

import re
from typing import Self

import attrs

from ._errors import LocalProtocolError
from ._grammar import DELTA_SECONDS_MAX, check_text, decimal_untrusted, malformed
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue

__all__ = ["RetryAfter"]

_NUMBER_PATTERN = re.compile(r"[ \t]*+([0-9]++)[ \t]*+")
_COMMENT_PIECE_PATTERN = re.compile(r"[^()\\]++|(?:\\[^\r\n])++|\(++|\)")
_NEEDS_PAIR_PATTERN = re.compile(r"[()\\\x00-\x08\x0a-\x1f\x7f]")
_PAIR_PATTERN = re.compile(r"\\(.)", re.DOTALL)


@attrs.frozen
class RetryAfter(HeaderValue):
    """Say after how many seconds to try again, and perhaps why (:rfc:`3261#section-20.33`)."""

    seconds: int
    comment: str | None = None
    "Words for people, without their parentheses; inner ones are kept."
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read ``18000 (comment);duration=3600``."""
        match = _NUMBER_PATTERN.match(value)
        if match is None:
            malformed("a Retry-After", value, "it must begin with a number of seconds")
        seconds = decimal_untrusted(match[1], "a Retry-After", DELTA_SECONDS_MAX)
        position = match.end()
        comment = None
        if value.startswith("(", position):
            end = _comment_end(value, position)
            # Inner parentheses say as much escaped as they do in pairs.
            comment = _PAIR_PATTERN.sub(r"\1", value[position + 1 : end - 1])
            position = end
        made = cls._read(value, seconds, None, Parameters.parse(value[position:].strip(" \t")))
        # Set past the check: a quoted pair of a peer may hold what we would not send of our own will.
        object.__setattr__(made, "comment", comment)
        return made

    @property
    def duration(self) -> int | None:
        """Return for how many seconds the called party can be reached then."""
        if "duration" not in self.parameters:
            return None
        return decimal_untrusted(self.parameters["duration"] or "", "the duration of a Retry-After", DELTA_SECONDS_MAX)

    def _check(self) -> None:
        if not 0 <= self.seconds <= DELTA_SECONDS_MAX:
            raise LocalProtocolError(f"seconds are between 0 and {DELTA_SECONDS_MAX}: {self.seconds}")
        check_text("the comment of a Retry-After", self.comment or "")

    def _render(self) -> str:
        comment = ""
        if self.comment is not None:
            escaped = _NEEDS_PAIR_PATTERN.sub(r"\\\g<0>", self.comment)
            comment = f" ({escaped})"
        return f"{self.seconds}{comment}{self.parameters.in_header()}"


def _comment_end(text: str, position: int) -> int:
    """Return where the comment that begins at `position` ends; comments hold comments (:rfc:`3261#section-25.1`)."""
    depth = 0
    while True:
        match = _COMMENT_PIECE_PATTERN.match(text, position)
        if match is None:
            malformed("a comment", text, "a parenthesis is never closed")
        position = match.end()
        piece = match.group()
        if piece[0] == "(":
            depth += len(piece)
        elif piece == ")":
            depth -= 1
            if depth == 0:
                return position
