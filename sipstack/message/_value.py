"""What the smaller header values have in common: a text to come from and a text to become."""

from __future__ import annotations

import abc
from typing import Any, Self

import attrs

from ._errors import LocalProtocolError, MalformedMessage
from ._grammar import list_untrusted
from ._parameters import Parameters

__all__ = ["HeaderValue", "head_and_parameters_untrusted"]


@attrs.frozen
class HeaderValue(abc.ABC):
    """Stand for one value of a header field.

    What the constructor refuses with `LocalProtocolError`, `parse` refuses with `MalformedMessage`.
    """

    _text: str = attrs.field(init=False, eq=False, repr=False, default="")

    def __attrs_post_init__(self) -> None:
        self._check()
        # Made now, so that what cannot be sent is refused where it was given.
        object.__setattr__(self, "_text", self._render())

    @classmethod
    @abc.abstractmethod
    def parse(cls, value: str) -> Self:
        """Read one value."""

    @classmethod
    def parse_many(cls, value: str) -> list[Self]:
        """Read a comma-separated list of values."""
        return [cls.parse(item) for item in list_untrusted(value, f"the list of {cls.__name__} values")]

    @classmethod
    def _read(cls, text: str, *fields: Any) -> Self:
        """Make a value of what was found in `text`, which it keeps."""
        try:
            made = cls(*fields)
        except LocalProtocolError as error:
            raise MalformedMessage(str(error)) from None
        object.__setattr__(made, "_text", text)
        return made

    def _check(self) -> None:  # noqa: B027  (most values leave all checks to their parts)
        """Raise `LocalProtocolError` for fields that make no value."""

    @abc.abstractmethod
    def _render(self) -> str: ...

    def __str__(self) -> str:
        return self._text


def head_and_parameters_untrusted(value: str) -> tuple[str, Parameters]:
    """Split what stands before the first semicolon from the parameters after it."""
    head, semicolon, rest = value.strip(" \t").partition(";")
    return head.rstrip(" \t"), Parameters.parse(semicolon + rest)
