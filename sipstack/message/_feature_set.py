"""Caller preferences: Accept-Contact and Reject-Contact (:rfc:`3841#section-9.2`)."""

from __future__ import annotations

from typing import Self

import attrs

from ._grammar import malformed
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue, head_and_parameters_untrusted

__all__ = ["FeatureSet"]


@attrs.frozen
class FeatureSet(HeaderValue):
    """Say which features a contact should have, or should not (:rfc:`3841#section-9.2`)."""

    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read ``*;feature;feature="value"``."""
        star, parameters = head_and_parameters_untrusted(value)
        if star != "*":
            malformed("a feature set", value, "it must begin with a star")
        return cls._read(value, parameters)

    @property
    def is_required(self) -> bool:
        """Say whether a contact that does not match must not be tried (:rfc:`3841#section-7.2.4`)."""
        return "require" in self.parameters

    @property
    def is_explicit(self) -> bool:
        """Say whether only a contact that declares the features matches (:rfc:`3841#section-7.2.4`)."""
        return "explicit" in self.parameters

    def _render(self) -> str:
        return "*" + self.parameters.in_header()
