"""The CSeq header field, which numbers the requests of a dialog (:rfc:`3261#section-20.16`)."""

from __future__ import annotations

import re

import sipmessage

from ._errors import LocalProtocolError
from ._grammar import TOKEN, check_token, decimal_untrusted, malformed

__all__ = ["SEQUENCE_MAX", "CSeq"]

SEQUENCE_MAX = 2**31 - 1  # RFC 3261 8.1.1.5: MUST be less than 2**31

_FAST_PATTERN = re.compile(f"([0-9]{{1,9}}+) ({TOKEN})")
_PATTERN = re.compile(rf"[ \t]*+([0-9]++)[ \t]++({TOKEN})[ \t]*+")


class CSeq(sipmessage.CSeq):
    """Hold a sequence number and the method it belongs to (:rfc:`3261#section-20.16`)."""

    def __init__(self, sequence: int, method: str) -> None:
        if not 0 <= sequence <= SEQUENCE_MAX:
            raise LocalProtocolError(f"a CSeq number is between 0 and {SEQUENCE_MAX}: {sequence}")
        check_token("the method of a CSeq", method)
        fields = self.__dict__
        fields["sequence"] = sequence
        fields["method"] = method

    @classmethod
    def parse(cls, value: str) -> CSeq:
        """Read a CSeq value."""
        match = _FAST_PATTERN.fullmatch(value)
        if match is not None:
            digits, method = match.groups()
            sequence = int(digits)
        else:
            match = _PATTERN.fullmatch(value)
            if match is None:
                malformed("a CSeq", value, "it must read number method")
            sequence = decimal_untrusted(match[1], "the number of a CSeq", SEQUENCE_MAX)
            method = match[2]
        made = CSeq.__new__(CSeq)
        fields = made.__dict__
        fields["_text"] = value
        fields["sequence"] = sequence
        fields["method"] = method
        return made

    def __str__(self) -> str:
        text: str | None = self.__dict__.get("_text")
        return f"{self.sequence} {self.method}" if text is None else text
