"""Media types, as in Accept and Content-Type (:rfc:`3261#section-20.15`)."""

from __future__ import annotations

import re

import sipmessage

from ._errors import LocalProtocolError
from ._grammar import TOKEN, is_token, list_untrusted, malformed, qvalue_untrusted
from ._parameters import EMPTY, Parameters

__all__ = ["MediaType"]

_PATTERN = re.compile(rf"[ \t]*+({TOKEN})[ \t]*+/[ \t]*+({TOKEN})")


class MediaType(sipmessage.MediaType):
    """Hold a media type and its parameters; types compare without case (:rfc:`3261#section-20.15`)."""

    parameters: Parameters

    def __init__(self, mime_type: str, parameters: sipmessage.Parameters = EMPTY) -> None:
        if not isinstance(parameters, Parameters):
            parameters = Parameters(parameters)
        main, slash, sub = mime_type.partition("/")
        if not (slash and is_token(main) and is_token(sub)):
            raise LocalProtocolError(f"a media type reads type/subtype, both tokens: {mime_type!r}")
        self.__dict__.update(mime_type=mime_type, parameters=parameters, _text=mime_type + parameters.in_header())

    @classmethod
    def parse(cls, value: str) -> MediaType:
        """Read one media type."""
        match = _PATTERN.match(value)
        if match is None:
            malformed("a media type", value, "it must read type/subtype")
        parameters = Parameters.parse(value[match.end() :].strip(" \t"))
        made = MediaType.__new__(MediaType)
        made.__dict__.update(mime_type=f"{match[1]}/{match[2]}", parameters=parameters, _text=value)
        return made

    @classmethod
    def parse_many(cls, value: str) -> list[MediaType]:  # type: ignore[override]  # list is invariant; ours are theirs
        """Read a comma-separated list of media types."""
        return [cls.parse(item) for item in list_untrusted(value, "the list of media types")]

    @property
    def q(self) -> float | None:
        """Return the preference for the type, between 0 and 1 (:rfc:`3261#section-20.1`)."""
        if "q" not in self.parameters:
            return None
        return qvalue_untrusted(self.parameters["q"] or "", "the q of a media type")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MediaType):
            return NotImplemented
        return self.mime_type.lower() == other.mime_type.lower() and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash((self.mime_type.lower(), self.parameters))

    def __str__(self) -> str:
        text: str = self.__dict__["_text"]
        return text
