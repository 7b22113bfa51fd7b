"""The Content-Disposition header field: what a body is for (:rfc:`3261#section-20.11`)."""

from __future__ import annotations

from typing import Self

import attrs

from ._grammar import check_token
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue, head_and_parameters_untrusted

__all__ = ["ContentDisposition"]


@attrs.frozen
class ContentDisposition(HeaderValue):
    """Say what a body is for: ``session``, ``render``, ``icon``, ``alert`` or another (:rfc:`3261#section-20.11`)."""

    disposition: str = attrs.field(eq=str.lower)
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read a disposition."""
        return cls._read(value, *head_and_parameters_untrusted(value))

    @property
    def handling(self) -> str:
        """Return whether the body must be understood: ``required``, which is assumed, or ``optional``."""
        return self.parameters.get("handling") or "required"

    def _check(self) -> None:
        check_token("a content disposition", self.disposition)

    def _render(self) -> str:
        return self.disposition + self.parameters.in_header()
