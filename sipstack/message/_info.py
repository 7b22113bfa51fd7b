"""URIs that tell more: Alert-Info, Call-Info and Error-Info (:rfc:`3261#section-20.4`, 20.9 and 20.18)."""

from __future__ import annotations

import re
from typing import Self

import attrs

from ._grammar import malformed
from ._parameters import EMPTY, Parameters
from ._uri import URI
from ._value import HeaderValue

__all__ = ["AlertInfo", "CallInfo", "ErrorInfo"]

_PATTERN = re.compile("[ \t]*+<([^<>]*+)>")


@attrs.frozen
class _Info(HeaderValue):
    uri: URI
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read one URI in angle brackets, and its parameters."""
        match = _PATTERN.match(value)
        if match is None:
            malformed(f"a value of {cls.__name__}", value, "it must read <URI>")
        return cls._read(value, URI.parse(match[1]), Parameters.parse(value[match.end() :].strip(" \t")))

    def _render(self) -> str:
        return f"<{self.uri}>{self.parameters.in_header()}"


@attrs.frozen
class AlertInfo(_Info):
    """Say what to ring with (:rfc:`3261#section-20.4`, :rfc:`7462`)."""


@attrs.frozen
class CallInfo(_Info):
    """Point to more about the caller or the callee (:rfc:`3261#section-20.9`)."""

    @property
    def purpose(self) -> str | None:
        """Return what the URI is good for, such as ``icon`` or ``card``."""
        return self.parameters.get("purpose")


@attrs.frozen
class ErrorInfo(_Info):
    """Point to more about an error (:rfc:`3261#section-20.18`)."""
