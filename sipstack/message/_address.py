"""Addresses: a URI with a display name and parameters (:rfc:`3261#section-20.10`, :rfc:`3261#section-25.1`)."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import sipmessage

from ._errors import LocalProtocolError
from ._grammar import (
    C_TOKEN,
    DELTA_SECONDS_MAX,
    QUOTED,
    TOKEN,
    check_text,
    decimal_untrusted,
    is_token,
    list_untrusted,
    malformed,
    quote,
    qvalue_untrusted,
    unquote,
)
from ._parameters import EMPTY, Parameters
from ._uri import URI, URI_FAST, uri_from_fast_groups

__all__ = ["Address", "tag_of"]

# Groups: quoted name, plain name, URI, its five groups, one parameter's name and value.
_FAST_PATTERN = re.compile(
    rf'(?:"([^"\\\x00-\x1f\x7f]*+)"[ ]*+|([{C_TOKEN} ]++))?+<({URI_FAST})>(?:;({TOKEN})=({TOKEN}))?+'
)
_NAME_ADDR_PATTERN = re.compile(rf"(?:({QUOTED})|([{C_TOKEN} \t\x80-\U0010ffff]*+))[ \t]*+<([^<>]*+)>")

_DEFAULT_EXPIRES = 3600  # RFC 3261 10.2.1.1: what stands for a malformed expires of a contact


class Address(sipmessage.Address):
    """Hold what From, To, Contact, Route and their like say (:rfc:`3261#section-20.10`).

    Without angle brackets all parameters are the header's, not the URI's (:rfc:`3261#section-20`).
    """

    uri: URI
    parameters: Parameters

    def __init__(self, uri: sipmessage.URI, name: str = "", parameters: sipmessage.Parameters = EMPTY) -> None:
        if not isinstance(uri, URI):
            uri = URI.parse(str(uri))
        if not isinstance(parameters, Parameters):
            parameters = Parameters(parameters)
        check_text("a display name", name)
        _check_tag(parameters)
        self.__dict__.update(uri=uri, name=name, parameters=parameters)
        # Made now, so that what cannot be sent is refused where it was given.
        self.__dict__["_text"] = self._render(quote(name) if name else "")

    if not TYPE_CHECKING:
        # The common form is checked when it is parsed, and taken apart when somebody asks.

        @cached_property
        def uri(self) -> URI:
            return uri_from_fast_groups(*self.__dict__["_groups"][2:8])

        @cached_property
        def parameters(self) -> Parameters:
            name, value = self.__dict__["_groups"][8:]
            return EMPTY if name is None else Parameters.parse(f";{name}={value}")

    @classmethod
    def parse(cls, value: str) -> Address:
        """Read one address."""
        match = _FAST_PATTERN.fullmatch(value)
        if match is None:
            return _parse(value)
        groups = match.groups()
        made = Address.__new__(Address)
        fields = made.__dict__
        fields["_text"] = value
        fields["_groups"] = groups
        fields["name"] = groups[0] or (groups[1].rstrip(" ") if groups[1] else "")
        parameters = groups[7]
        if parameters and parameters.count(";") > 1:
            fields["uri"] = uri_from_fast_groups(*groups[2:8])
        return made

    @classmethod
    def parse_many(cls, value: str) -> list[Address]:  # type: ignore[override]  # list is invariant; ours are theirs
        """Read a comma-separated list of addresses."""
        return [cls.parse(item) for item in list_untrusted(value, "the list of addresses")]

    def replace(self, **changes: Any) -> Address:
        """Return a copy with the fields in `changes` replaced; what stays keeps its spelling."""
        if "name" in changes or "_name_text" not in self.__dict__:
            fields = {name: changes.pop(name) if name in changes else getattr(self, name) for name in _FIELDS}
            return type(self)(**fields, **changes)
        made = type(self)(
            changes.pop("uri") if "uri" in changes else self.uri,
            parameters=changes.pop("parameters") if "parameters" in changes else self.parameters,
            **changes,
        )
        # A name that came from the wire may hold what we would not send of our own will, such as an escaped NUL.
        name_text = self.__dict__["_name_text"]
        made.__dict__.update(name=self.name, _name_text=name_text, _text=made._render(name_text))
        return made

    @property
    def tag(self) -> str | None:
        """Return the tag, or None when there is none (:rfc:`3261#section-19.3`)."""
        return self.parameters.get("tag")

    @property
    def q(self) -> float | None:
        """Return the preference of a contact, between 0 and 1 (:rfc:`3261#section-20.10`)."""
        if "q" not in self.parameters:
            return None
        return qvalue_untrusted(self.parameters["q"] or "", "the q of a contact")

    @property
    def expires(self) -> int | None:
        """Return the lifetime of a contact in seconds; 3600 when it is malformed (:rfc:`3261#section-10.2.1.1`)."""
        if "expires" not in self.parameters:
            return None
        try:
            return decimal_untrusted(self.parameters["expires"] or "", "the expires of a contact", DELTA_SECONDS_MAX)
        except ValueError:
            return _DEFAULT_EXPIRES

    def __str__(self) -> str:
        text: str = self.__dict__["_text"]
        return text

    def _render(self, name_text: str) -> str:
        if name_text:
            name_text += " "
        return f"{name_text}<{self.uri}>{self.parameters.in_header()}"


_FIELDS = ("uri", "name", "parameters")


_SHARED_LENGTH = 256


@lru_cache(maxsize=4096)
def _is_common_without_tag(text: str) -> bool:
    match = _FAST_PATTERN.fullmatch(text)
    if match is None:
        return False
    uri_parameters, name = match.group(8, 9)
    # Two parameters of the URI may be the same one, which only taking them apart tells.
    return name is None and uri_parameters.count(";") <= 1


def tag_of(value: str) -> str | None:
    """Check a From or To value as `Address.parse` does, and return its tag (:rfc:`3261#section-19.3`)."""
    # All messages of a dialog, and many others of a peer, have the same text before the tag: it is read once.
    address, mark, tag = value.partition(";tag=")
    if len(address) <= _SHARED_LENGTH and (not mark or is_token(tag)) and _is_common_without_tag(address):
        return tag if mark else None
    return Address.parse(value).tag


_GAP_PATTERN = re.compile(r"(?<![ \t])[ \t]++(?=[;?&])")
"""Space around what stands between angle brackets where it can part nothing: before a separator."""


def _parse(text: str) -> Address:
    value = text.strip(" \t")
    match = _NAME_ADDR_PATTERN.match(value)
    name_text = ""
    if match is not None:
        quoted, plain, uri_text = match.groups()
        if " " in uri_text or "\t" in uri_text:
            # RFC 4475 3.1.2.14 leaves it to us; a peer that folds a long URI puts such space there too.
            uri_text = _GAP_PATTERN.sub("", uri_text.strip(" \t"))
        name_text = quoted if quoted is not None else plain.rstrip(" \t")
        rest = value[match.end() :]
    else:
        uri_text, semicolon, rest = value.partition(";")
        rest = semicolon + rest
        uri_text = uri_text.rstrip(" \t")
        if "?" in uri_text or "," in uri_text:
            malformed("an address", value, "a URI with a comma or a question mark must stand in angle brackets")
    made = Address.__new__(Address)
    made.__dict__.update(
        _text=text, _name_text=name_text, uri=URI.parse(uri_text), name=unquote(name_text), parameters=EMPTY
    )
    if rest:
        parameters = Parameters.parse(rest)
        made.__dict__["parameters"] = parameters
        # A tag without a value is, by the grammar, some other parameter of that name; it names no dialog.
        if parameters.get("tag") is not None and not _is_plain_tag(parameters):
            malformed("a tag", rest, "it must be a token")
    return made


def _is_plain_tag(parameters: Parameters) -> bool:
    tag = parameters["tag"]
    return tag is not None and is_token(tag)


def _check_tag(parameters: Parameters) -> None:
    if "tag" in parameters and not _is_plain_tag(parameters):
        raise LocalProtocolError(f"a tag must be a token: {parameters['tag']!r}")
