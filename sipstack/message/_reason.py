"""The Reason header field: why a request was sent (:rfc:`3326`)."""

from __future__ import annotations

from typing import Self

import attrs

from ._grammar import check_token, decimal_untrusted, quote
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue, head_and_parameters_untrusted

__all__ = ["Reason"]


@attrs.frozen
class Reason(HeaderValue):
    """Give a protocol, and the cause in its terms, such as ``SIP;cause=200`` (:rfc:`3326#section-2`)."""

    protocol: str = attrs.field(eq=str.lower)
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read one reason."""
        return cls._read(value, *head_and_parameters_untrusted(value))

    @property
    def cause(self) -> int | None:
        """Return the protocol's number for the reason."""
        if "cause" not in self.parameters:
            return None
        return decimal_untrusted(self.parameters["cause"] or "", "the cause of a reason", 2**32 - 1)

    @property
    def text(self) -> str | None:
        """Return the reason in words."""
        return self.parameters.get("text")

    def _check(self) -> None:
        check_token("the protocol of a reason", self.protocol)

    def _render(self) -> str:
        # reason-text is a quoted string even where a token would do (RFC 3326 2), and Parameters quotes only at need.
        text = self.parameters.get("text")
        if text is None:
            return self.protocol + self.parameters.in_header()
        return f"{self.protocol}{self.parameters.without('text').in_header()};text={quote(text)}"
