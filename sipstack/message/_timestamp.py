"""The Timestamp header field (:rfc:`3261#section-20.38`)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Self

import attrs

from ._errors import LocalProtocolError
from ._grammar import malformed
from ._value import HeaderValue

__all__ = ["Timestamp"]

# More digits than a double can hold say nothing, and float() of them takes time.
_PATTERN = re.compile(r"([0-9]{1,32}+(?:\.[0-9]{0,32}+)?+)(?:[ \t]++((?=[0-9.])[0-9]{0,32}+(?:\.[0-9]{0,32}+)?+))?+")


@attrs.frozen
class Timestamp(HeaderValue):
    """Hold when a request was sent, in seconds of the sender, and how long the server sat on it."""

    time: float
    delay: float | None = None

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read ``54.21 0.5``."""
        match = _PATTERN.fullmatch(value.strip(" \t"))
        if match is None or match[2] == ".":
            malformed("a timestamp", value, "it must read seconds, then perhaps a delay in seconds")
        return cls._read(value, float(match[1]), None if match[2] is None else float(match[2]))

    def _check(self) -> None:
        for seconds in (self.time, self.delay):
            if seconds is not None and not 0 <= seconds < 1e32:
                raise LocalProtocolError(f"seconds of a timestamp must not be negative: {seconds}")

    def _render(self) -> str:
        return _decimal(self.time) if self.delay is None else f"{_decimal(self.time)} {_decimal(self.delay)}"


def _decimal(seconds: float) -> str:
    # repr() would write 1e-07, which is no number in SIP; a fixed number of decimals would not read back the same.
    text = f"{Decimal(repr(seconds)):f}"
    return text.rstrip("0").removesuffix(".") if "." in text else text
