"""The Warning header field: more about the status of a response (:rfc:`3261#section-20.43`)."""

from __future__ import annotations

import re
from typing import Self

import attrs

from ._errors import LocalProtocolError
from ._grammar import HOST, QUOTED, TOKEN, check_text, is_host, is_token, malformed, quote, unquote
from ._value import HeaderValue

__all__ = ["Warning"]

_AGENT = rf"(?:{HOST}(?::[0-9]++)?+(?=[ \t])|{TOKEN})"
_PATTERN = re.compile(rf"([0-9]{{3}})[ \t]++({_AGENT})[ \t]++({QUOTED})")


@attrs.frozen
class Warning(HeaderValue):  # noqa: A001  (the header's own name)
    """Hold a warning code, who warns, and the warning in words (:rfc:`3261#section-20.43`)."""

    code: int
    agent: str
    "A host with or without a port, or a pseudonym."
    text: str

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read ``307 isi.edu "Session parameter 'foo' not understood"``."""
        match = _PATTERN.fullmatch(value.strip(" \t"))
        if match is None:
            malformed("a warning", value, 'it must read code agent "text"')
        made = cls._read(value, int(match[1]), match[2], "")
        # Set past the check: a quoted pair of a peer may hold what we would not send of our own will.
        object.__setattr__(made, "text", unquote(match[3]))
        return made

    def _check(self) -> None:
        if not 100 <= self.code <= 999:
            raise LocalProtocolError(f"a warning code has three digits: {self.code}")
        host, colon, port = self.agent.rpartition(":")
        with_port = colon != "" and is_host(host) and port.isascii() and port.isdigit()
        if not (with_port or is_host(self.agent) or is_token(self.agent)):
            raise LocalProtocolError(f"a warning agent is a host with or without a port, or a token: {self.agent!r}")
        check_text("the text of a warning", self.text)

    def _render(self) -> str:
        return f"{self.code} {self.agent} {quote(self.text)}"
