"""Questions about messages: who sent what to whom."""

from __future__ import annotations

import re
from typing import Self

import attrs

from ._record import Summary

__all__ = ["Question"]

_QUESTION = re.compile(r"(?P<sender>[^>\s]+)>(?P<receiver>[^>\s]+)(?:\s+(?P<what>\S+))?(?:\s+(?P<cseq>\S+))?")


@attrs.frozen
class Question:
    """Name messages by sender, receiver, and what they are.

    It is written ``"a>b"``, ``"a>b OPTIONS"`` (a request), ``"b>a 200"`` or ``"b>a 200 INVITE"`` (a response, to that
    method); a party is its short name, or ``host:port``.
    """

    sender: str
    receiver: str
    what: str | None = None
    cseq: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a question.

        :raises ValueError: it asks for no message.
        """
        asked = _QUESTION.fullmatch(text.strip())
        if asked is None or (asked["cseq"] and not asked["what"].isdigit()):
            raise ValueError(f"{text!r} asks for no message; write it like 'a>b OPTIONS' or 'b>a 200 INVITE'.")
        return cls(asked["sender"], asked["receiver"], asked["what"], asked["cseq"])

    def matches(self, sender: str, receiver: str, summary: Summary) -> bool:
        """Tell whether a message is one that is asked for."""
        if sender != self.sender or receiver != self.receiver:
            return False
        if self.what is None:
            return True
        if self.what.isdigit():
            return summary.code == int(self.what) and (self.cseq is None or summary.cseq_method == self.cseq)
        return summary.method == self.what
