"""The RAck header field: which provisional response a PRACK acknowledges (:rfc:`3262#section-7.2`)."""

from __future__ import annotations

import re
from typing import Self

import attrs

from ._cseq import SEQUENCE_MAX
from ._errors import LocalProtocolError
from ._grammar import TOKEN, check_token, decimal_untrusted, malformed
from ._value import HeaderValue

__all__ = ["RSEQ_MAX", "RAck"]

RSEQ_MAX = 2**32 - 1  # RFC 3262 7.1

_PATTERN = re.compile(rf"[ \t]*+([0-9]++)[ \t]++([0-9]++)[ \t]++({TOKEN})[ \t]*+")


@attrs.frozen
class RAck(HeaderValue):
    """Hold the RSeq of a response and the CSeq of its request (:rfc:`3262#section-7.2`)."""

    rseq: int
    sequence: int
    method: str

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read ``776656 1 INVITE``."""
        match = _PATTERN.fullmatch(value)
        if match is None:
            malformed("a RAck", value, "it must read number number method")
        return cls._read(
            value,
            decimal_untrusted(match[1], "the response number of a RAck", RSEQ_MAX),
            decimal_untrusted(match[2], "the CSeq number of a RAck", SEQUENCE_MAX),
            match[3],
        )

    def _check(self) -> None:
        if not 0 <= self.rseq <= RSEQ_MAX or not 0 <= self.sequence <= SEQUENCE_MAX:
            raise LocalProtocolError(f"the numbers of a RAck are out of range: {self.rseq} {self.sequence}")
        check_token("the method of a RAck", self.method)

    def _render(self) -> str:
        return f"{self.rseq} {self.sequence} {self.method}"
