"""Security mechanisms two hops agree on: Security-Client, -Server and -Verify (:rfc:`3329#section-2.2`)."""

from __future__ import annotations

from typing import Self

import attrs

from ._grammar import check_token, qvalue_untrusted
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue, head_and_parameters_untrusted

__all__ = ["SecurityMechanism"]


@attrs.frozen
class SecurityMechanism(HeaderValue):
    """Name a mechanism such as ``tls``, ``digest`` or ``ipsec-3gpp``, and its parameters (:rfc:`3329#section-2.2`)."""

    mechanism: str = attrs.field(eq=str.lower)
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read one mechanism."""
        return cls._read(value, *head_and_parameters_untrusted(value))

    @property
    def q(self) -> float | None:
        """Return the preference for the mechanism, between 0 and 1."""
        return qvalue_untrusted(self.parameters["q"] or "") if "q" in self.parameters else None

    def _check(self) -> None:
        check_token("a security mechanism", self.mechanism)

    def _render(self) -> str:
        return self.mechanism + self.parameters.in_header()
