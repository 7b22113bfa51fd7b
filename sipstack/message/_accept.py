"""What the sender of Accept-Encoding and Accept-Language takes (:rfc:`3261#section-20.2`, :rfc:`3261#section-20.3`)."""

from __future__ import annotations

import re
from typing import Self

import attrs

from ._errors import LocalProtocolError
from ._grammar import check_token, qvalue_untrusted
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue, head_and_parameters_untrusted

__all__ = ["AcceptEncoding", "AcceptLanguage"]

# RFC 3261 25.1 knows letters only; RFC 5646 has digits in regions and variants.
_LANGUAGE_PATTERN = re.compile(r"\*|[A-Za-z]{1,8}+(?:-[A-Za-z0-9]{1,8}+)*+(?:-\*)?+")


@attrs.frozen
class AcceptEncoding(HeaderValue):
    """Name a content coding that is taken, ``*`` for any (:rfc:`3261#section-20.2`)."""

    coding: str = attrs.field(eq=str.lower)
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read one coding."""
        return cls._read(value, *head_and_parameters_untrusted(value))

    @property
    def q(self) -> float | None:
        """Return the preference for the coding, between 0 and 1."""
        return qvalue_untrusted(self.parameters["q"] or "") if "q" in self.parameters else None

    def _check(self) -> None:
        check_token("a content coding", self.coding)

    def _render(self) -> str:
        return self.coding + self.parameters.in_header()


@attrs.frozen
class AcceptLanguage(HeaderValue):
    """Name a language that is taken, ``*`` for any (:rfc:`3261#section-20.3`)."""

    language: str = attrs.field(eq=str.lower)
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read one language."""
        return cls._read(value, *head_and_parameters_untrusted(value))

    @property
    def q(self) -> float | None:
        """Return the preference for the language, between 0 and 1."""
        return qvalue_untrusted(self.parameters["q"] or "") if "q" in self.parameters else None

    def _check(self) -> None:
        if _LANGUAGE_PATTERN.fullmatch(self.language) is None:
            raise LocalProtocolError(f"a language range reads like en or en-GB or *: {self.language!r}")

    def _render(self) -> str:
        return self.language + self.parameters.in_header()
