"""The ``;name=value`` parameters of a header value or of a URI (:rfc:`3261#section-7.3.1`, :rfc:`3261#section-19.1.1`).

Both look alike and differ in how they protect what does not fit: a header quotes, a URI escapes. A `Parameters` value
holds what was meant; the place that prints it chooses the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import sipmessage

from ._errors import LocalProtocolError
from ._grammar import (
    C_TOKEN,
    C_UNRESERVED,
    QUOTED,
    TOKEN,
    check_text,
    escape,
    escape_key,
    is_host,
    is_token,
    malformed,
    quote,
    unescape,
    unquote,
)

__all__ = ["EMPTY", "HEADER_PARAMETERS", "URI_PARAMETERS", "Parameters"]

_Item = tuple[str, str | None, str | None]
"""Name as spelled, value as meant, and the text it came as (None for one that never had any)."""

_URI_SAFE = "[]/:&+$!*'()"
_PARAMCHARS = rf"(?:[{C_UNRESERVED}\[\]/:&+$]++|%[0-9A-Fa-f]{{2}})"
_HEADER_ITEM = rf"({TOKEN})(?:[ \t]*+=[ \t]*+([{C_TOKEN}\[\]:]++|{QUOTED}))?+"
_HEADER_PATTERN = re.compile(rf"[ \t]*+;[ \t]*+{_HEADER_ITEM}")
_URI_PATTERN = re.compile(rf";({_PARAMCHARS}++)(?:=({_PARAMCHARS}*+))?+")

HEADER_PARAMETERS = rf"(?:[ \t]*+;[ \t]*+{TOKEN}(?:[ \t]*+=[ \t]*+(?:[{C_TOKEN}\[\]:]++|{QUOTED}))?+)*+"
"Any number of parameters of a header value, without groups."
URI_PARAMETERS = rf"(?:;{_PARAMCHARS}++(?:={_PARAMCHARS}*+)?+)*+"
"Any number of parameters of a URI, without groups."


class Parameters(sipmessage.Parameters):
    """Map parameter names to values, None for a name without one (:rfc:`3261#section-7.3.1`).

    Names compare without case. Order and spelling are kept. Equality compares names without case and values exactly.
    """

    _items: dict[str, _Item]
    _text: str | None
    _in_uri: bool

    def __init__(
        self,
        parameters: Mapping[str, str | None] | Iterable[tuple[str, str | None]] = (),
        /,
        **kwargs: str | None,
    ) -> None:
        items: dict[str, _Item] = {}
        pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
        for name, value in (*pairs, *kwargs.items()):
            key = name.lower()
            if key in items:
                raise LocalProtocolError(f"the parameter {name!r} is given twice; give it once")
            items[key] = _new_item(name, value)
        self._items = items
        self._text = None
        self._in_uri = False

    @classmethod
    def parse(cls, value: str) -> Parameters:
        """Read the parameters of a header value, such as ``;tag=a;lr`` (:rfc:`3261#section-25.1`)."""
        return _parse(value, _HEADER_PATTERN, in_uri=False)

    @classmethod
    def parse_uri(cls, value: str) -> Parameters:
        """Read the parameters of a URI, such as ``;transport=tcp;lr``, and decode their escapes."""
        return _parse(value, _URI_PATTERN, in_uri=True)

    def replace(self, /, **changes: str | None) -> Parameters:
        """Return a copy with `changes` made; a value of None makes a name without one."""
        items = self._items.copy()
        for name, value in changes.items():
            key = name.lower()
            old = items.get(key)
            items[key] = _new_item(name if old is None else old[0], value)
        return _make(items, None, self._in_uri)

    def without(self, name: str) -> Parameters:
        """Return a copy that lacks `name`; the same when it does so already."""
        key = name.lower()
        if key not in self._items:
            return self
        items = self._items.copy()
        del items[key]
        return _make(items, None, self._in_uri)

    def __getitem__(self, key: str) -> str | None:
        return self._items[key.lower()][1]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._items

    def __iter__(self) -> Iterator[str]:
        return iter([item[0] for item in self._items.values()])

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Parameters):
            if self._items.keys() != other._items.keys():
                return False
            theirs = other._items
            return all(item[1] == theirs[key][1] for key, item in self._items.items())
        if isinstance(other, Mapping):
            return {key: item[1] for key, item in self._items.items()} == {
                (key.lower() if isinstance(key, str) else key): value for key, value in other.items()
            }
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset((key, item[1]) for key, item in self._items.items()))

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def __str__(self) -> str:
        return self.in_uri() if self._in_uri else self.in_header()

    def in_header(self) -> str:
        """Return the text that stands in a header value: what needs it is quoted."""
        if not self._in_uri and self._text is not None:
            return self._text
        text = "".join([_header_text(item, keep=not self._in_uri) for item in self._items.values()])
        if not self._in_uri:
            self._text = text
        return text

    def in_uri(self) -> str:
        """Return the text that stands in a URI: what needs it is escaped (:rfc:`3261#section-19.1.2`)."""
        if self._in_uri and self._text is not None:
            return self._text
        text = "".join([_uri_text(item, keep=self._in_uri) for item in self._items.values()])
        if self._in_uri:
            self._text = text
        return text

    def uri_keys(self) -> dict[str, str | None]:
        """Return names and values in the form in which equivalent URI parameters are equal."""
        keys: dict[str, str | None] = {}
        for key, (_, value, raw) in self._items.items():
            if value is None:
                keys[key] = None
            elif raw is not None and self._in_uri:
                keys[key] = escape_key(raw.partition("=")[2]).lower()
            else:
                keys[key] = escape_key(escape(value, _URI_SAFE)).lower()
        return keys


def _new_item(name: str, value: str | None) -> _Item:
    if not name:
        raise LocalProtocolError("a parameter must have a name; leave the nameless one out")
    check_text("the name of a parameter", name)
    if value is not None:
        check_text(f"the parameter {name!r}", value)
    return (name, value, None)


def _make(items: dict[str, _Item], text: str | None, in_uri: bool) -> Parameters:
    made = Parameters.__new__(Parameters)
    made._items = items
    made._text = text
    made._in_uri = in_uri
    return made


def _parse(text: str, pattern: re.Pattern[str], *, in_uri: bool) -> Parameters:
    if not text:
        return EMPTY
    items: dict[str, _Item] = {}
    position = 0
    stripped = text if in_uri else text.strip(" \t")
    end = len(stripped)
    match_at = pattern.match
    while position < end:
        match = match_at(stripped, position)
        if match is None:
            malformed("the parameter list", stripped[position:])
        name, value = match.groups()
        position = match.end()
        raw = stripped[match.start(1) : position]
        if in_uri:
            name = unescape(name)
            if value is not None:
                value = unescape(value)
        elif value is not None and value[0] == '"':
            value = unquote(value)
        key = name.lower()
        if key in items:
            malformed("the parameter list", name, "a parameter stands twice")
        items[key] = (name, value, raw)
    return _make(items, text, in_uri)


def _header_text(item: _Item, *, keep: bool) -> str:
    name, value, raw = item
    if keep and raw is not None:
        return ";" + raw
    if not is_token(name):
        raise LocalProtocolError(f"the name of a parameter in a header field must be a token: {name!r}")
    if value is None:
        return ";" + name
    check_text(f"the parameter {name!r}", value)
    if is_token(value) or (value.startswith("[") and is_host(value)):
        return f";{name}={value}"
    return f";{name}={quote(value)}"


def _uri_text(item: _Item, *, keep: bool) -> str:
    name, value, raw = item
    if keep and raw is not None:
        return ";" + raw
    name = escape(name, _URI_SAFE)
    return f";{name}" if value is None else f";{name}={escape(value, _URI_SAFE)}"


EMPTY = _make({}, "", False)
"""No parameters at all."""
