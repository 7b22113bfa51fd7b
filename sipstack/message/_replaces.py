"""Dialogs named from outside: Replaces and Join (:rfc:`3891#section-6.1`, :rfc:`3911`)."""

from __future__ import annotations

import re
from typing import Self

import attrs

from ._errors import LocalProtocolError
from ._grammar import check_token
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue, head_and_parameters_untrusted

__all__ = ["Join", "Replaces"]

_CALL_ID_PATTERN = re.compile(r"[^\x00-\x20\x7f;,]++")


@attrs.frozen
class _DialogName(HeaderValue):
    call_id: str
    to_tag: str
    from_tag: str
    parameters: Parameters = EMPTY
    "All parameters but the tags."

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read a Call-ID and the two tags."""
        call_id, parameters = head_and_parameters_untrusted(value)
        return cls._read(
            value,
            call_id,
            parameters.get("to-tag") or "",
            parameters.get("from-tag") or "",
            parameters.without("to-tag").without("from-tag"),
        )

    def _check(self) -> None:
        if _CALL_ID_PATTERN.fullmatch(self.call_id) is None:
            raise LocalProtocolError(f"a Call-ID is one word: {self.call_id!r}")
        check_token("the to-tag", self.to_tag)
        check_token("the from-tag", self.from_tag)
        if "to-tag" in self.parameters or "from-tag" in self.parameters:
            raise LocalProtocolError("the tags are not among the other parameters; give to_tag and from_tag")

    def _render(self) -> str:
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{self.parameters.in_header()}"


@attrs.frozen
class Replaces(_DialogName):
    """Name the dialog that a new one takes the place of (:rfc:`3891#section-6.1`)."""

    @property
    def is_early_only(self) -> bool:
        """Say whether only an early dialog may be replaced."""
        return "early-only" in self.parameters


@attrs.frozen
class Join(_DialogName):
    """Name the dialog that a new one joins (:rfc:`3911#section-7.1`)."""
