"""Header fields in the order they stand in a message (:rfc:`3261#section-7.3`).

Each field keeps the characters it came with, so that what nobody touched goes out byte for byte as it came in, beside
its unfolded value. Names compare without case, and a compact form is the same name as its long form
(:rfc:`3261#section-7.3.3`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import sipmessage

from ._errors import LocalProtocolError
from ._grammar import check_text
from ._typed import HEADER_NAMES

__all__ = ["SPELLINGS", "Field", "Headers", "Index", "joined", "key_of"]

Field = tuple[str, str, str]
"One header field: the key its name compares by, its unfolded value, and the line or lines it goes out as."

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")

# Spellings seen on every wire are found with one look-up; all others cost a lower() and a second one.
SPELLINGS: dict[str, str] = {}
for _short, _long in HEADER_NAMES.items():
    for _spelling in (_short, _short.upper(), _short.title(), _long, _long.upper()):
        SPELLINGS[_spelling] = _long


def key_of(name: str) -> str | None:
    """Return what a header name compares by: the standard spelling of a known name, else lower case; None: no name."""
    key = SPELLINGS.get(name)
    if key is not None:
        return key
    if _TOKEN.fullmatch(name) is None:
        return None
    lower = name.lower()
    return HEADER_NAMES.get(lower, lower)


def _local_key(name: str) -> str:
    key = key_of(name)
    if key is None:
        raise LocalProtocolError(f"{name!r} is not a header name: use letters, digits and -.!%*_+`'~ only")
    return key


def _field(name: str, value: str) -> Field:
    key = _local_key(name)
    value = check_text(f"the value of {name}", value).strip(" \t")
    return key, value, f"{name}: {value}"


_SHARED_LENGTH = 256
_shared_field = lru_cache(maxsize=4096)(_field)
"Server, Allow, Contact and their like stand in every message of an endpoint: made once, checked once, held once."


def _new_field(name: str, value: str) -> Field:
    return _shared_field(name, value) if len(value) <= _SHARED_LENGTH else _field(name, value)


Index = dict[str, str | tuple[str, ...]]
"The values of each name, by its key: most names stand once, and those need no tuple."

_FEW = 16


def joined(values: str | tuple[str, ...], value: str) -> tuple[str, ...]:
    """Return the values of a name with one more."""
    return (values, value) if isinstance(values, str) else (*values, value)


class Headers(sipmessage.Headers):
    """Hold the header fields of one message, several of a name allowed, in order."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.typed: dict[str, object] = {}
        self._index: Index | None = None

    def _changed(self, key: str) -> None:
        self._index = None
        self._forget_typed(key)

    def _forget_typed(self, key: str) -> None:
        if self.typed:
            self.typed.pop(key, None)
            self.typed.pop(key + ".part", None)

    def _values(self) -> Index:
        index = self._index
        if index is None:
            index = {}
            for key, value, _ in self.fields:
                index[key] = joined(index[key], value) if key in index else value
            self._index = index
        return index

    def _values_of(self, name: str) -> str | tuple[str, ...] | None:
        index = self._values()
        values = index.get(name)  # as it is mostly spelled
        return values if values is not None else index.get(key_of(name) or "")

    def add(self, key: str, value: str) -> None:
        """Add one field below all others.

        :raises LocalProtocolError: the name is no token, or the value holds CR, LF or NUL.
        """
        field = _new_field(key, value)
        name, value, _ = field
        self.fields.append(field)
        index = self._index
        if index is not None:
            index[name] = joined(index[name], value) if name in index else value
        self._forget_typed(name)

    def prepend(self, key: str, value: str) -> None:
        """Add one field above all others, as a proxy does with Via and Record-Route.

        :raises LocalProtocolError: the name is no token, or the value holds CR, LF or NUL.
        """
        field = _new_field(key, value)
        self.fields.insert(0, field)
        self._changed(field[0])

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the first value of a name, unfolded, or `default`."""
        values = self._values_of(key)
        if values is None:
            return default
        return values if isinstance(values, str) else values[0]

    def getlist(self, key: str) -> list[str]:
        """Return all values of a name, unfolded, in order, one per field."""
        values = self._values_of(key)
        if values is None:
            return []
        return [values] if isinstance(values, str) else list(values)

    def keys(self) -> list[str]:
        """Return the names present, each once, in order of first appearance."""
        spelled: dict[str, str] = {}
        for key, _, raw in self.fields:
            if key not in spelled:
                spelled[key] = key if key in SPELLINGS else raw.partition(":")[0].rstrip(" \t")
        return list(spelled.values())

    def remove(self, key: str) -> None:
        """Remove every field of a name; none need be there."""
        name = key_of(key)
        if name is not None:
            self.fields = [field for field in self.fields if field[0] != name]
            self._changed(name)

    def set(self, key: str, value: str) -> None:
        """Put one field in the place of all fields of its name.

        :raises LocalProtocolError: the name is no token, or the value holds CR, LF or NUL.
        """
        self.setlist(key, [value])

    def setlist(self, key: str, values: list[str]) -> None:
        """Put these fields in the place of all fields of their name, where the first of them stood.

        :raises LocalProtocolError: the name is no token, or a value holds CR, LF or NUL.
        """
        name = _local_key(key)
        new = [_new_field(key, value) for value in values]
        kept: list[Field] = []
        place = -1
        for field in self.fields:
            if field[0] != name:
                kept.append(field)
            elif place < 0:
                place = len(kept)
        if place < 0:
            place = len(kept)
        kept[place:place] = new
        self.fields = kept
        self._changed(name)

    def copy_from(self, other: Headers, name: str) -> None:
        """Add the fields of `name` that another message has, character for character."""
        key = _local_key(name)
        self.fields += [field for field in other.fields if field[0] == key]
        self._changed(key)

    def items(self) -> list[tuple[str, str]]:
        """Return every field in order as its name as spelled and its unfolded value."""
        return [(raw.partition(":")[0].rstrip(" \t"), value) for _, value, raw in self.fields]

    def __getitem__(self, key: str) -> str:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        if self._index is None and len(self.fields) < _FEW:
            # A response being built is asked for a name or two between one field and the next.
            return any(field[0] == key for field in self.fields) or (
                isinstance(key, str) and SPELLINGS.get(key) != key and self._values_of(key) is not None
            )
        return isinstance(key, str) and self._values_of(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [field[:2] for field in self.fields] == [field[:2] for field in other.fields]

    __hash__ = None  # type: ignore[assignment]  # mutable: equal today, different tomorrow

    def __str__(self) -> str:
        return "".join(f"{raw}\r\n" for _, _, raw in self.fields) + "\r\n"

    def __repr__(self) -> str:
        return f"Headers({self.items()!r})"
