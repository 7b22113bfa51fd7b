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

__all__ = ["SPELLINGS", "Field", "Headers", "Index", "joined", "key_of", "plain_fields_untrusted"]

Field = tuple[str, str, str]
"One header field: the key its name compares by, its unfolded value, and the line or lines it goes out as."

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")

_STANDARD_NAMES = frozenset(HEADER_NAMES.values())

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


def joined(values: str | tuple[str, ...], value: str) -> tuple[str, ...]:
    """Return the values of a name with one more."""
    return (values, value) if isinstance(values, str) else (*values, value)


_SHARED_NAME_LENGTH = 64  # of the names IANA lists, the longest has 29 letters


@lru_cache(maxsize=1024)
def _is_unknown_name(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None and name.lower() not in HEADER_NAMES


def plain_fields_untrusted(lines: list[str]) -> dict[str, str] | None:
    """Return the fields of header lines by name if each is plain, else None (see `Headers`).

    A value keeps the space around it. What a line holds beside CR, LF and NUL is all that matters here.
    """
    try:
        plain = dict([line.split(": ", 1) for line in lines])
    except ValueError:  # a line without a colon and a space
        return None
    if len(plain) != len(lines):
        return None
    if not _STANDARD_NAMES.issuperset(plain):
        for name in plain:
            if name not in _STANDARD_NAMES and (len(name) > _SHARED_NAME_LENGTH or not _is_unknown_name(name)):
                return None
    return plain


class Headers(sipmessage.Headers):
    """Hold the header fields of one message, several of a name allowed, in order.

    Fields are plain when each name stands once, spelled as the standard has it or not known to it, with a colon, a
    space and one line of value. Nearly all messages are so, and one dict holds all there is to know of them:
    ``_plain``, name to value in order, each value with whatever space stood around it. The first thing that does not
    fit turns it into the list of fields, for good.
    """

    _fields: list[Field] | None = None
    _index: Index | None = None

    def __init__(self, plain: dict[str, str] | None = None) -> None:
        self.typed: dict[str, object] = {}
        self._plain: dict[str, str] | None = {} if plain is None else plain

    @property
    def fields(self) -> list[Field]:
        """Every field, in order; whoever changes the list must do so before anything is looked up."""
        fields = self._fields
        if fields is None:
            fields = self._fields = self.listed()
            self._plain = None
        return fields

    @fields.setter
    def fields(self, fields: list[Field]) -> None:
        self._plain = self._index = None
        self._fields = fields

    def listed(self) -> list[Field]:
        """Return every field, in order, to be read only."""
        plain = self._plain
        if plain is None:
            return self._fields or []
        return [
            (name if name in _STANDARD_NAMES else name.lower(), value.strip(" \t"), f"{name}: {value}")
            for name, value in plain.items()
        ]

    def lines(self) -> list[str]:
        """Return each field as it goes out, without the last CRLF."""
        plain = self._plain
        if plain is None:
            return [raw for _, _, raw in self.fields]
        return [f"{name}: {value}" for name, value in plain.items()]

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
        plain = self._plain
        if plain is not None and (key := SPELLINGS.get(name)) is not None:
            value = plain.get(key)
            return value if value is None else value.strip(" \t")
        index = self._values()
        values = index.get(name)  # as it is mostly spelled
        return values if values is not None else index.get(key_of(name) or "")

    def add(self, key: str, value: str) -> None:
        """Add one field below all others.

        :raises LocalProtocolError: the name is no token, or the value holds CR, LF or NUL.
        """
        field = _shared_field(key, value) if len(value) <= _SHARED_LENGTH else _field(key, value)
        name, value, _ = field
        plain = self._plain
        if plain is not None and key not in plain and (key == name or name not in _STANDARD_NAMES):
            plain[key] = value
        else:
            self.fields.append(field)
            index = self._index
            if index is not None:
                index[name] = joined(index[name], value) if name in index else value
        if self.typed:
            self._forget_typed(name)

    def prepend(self, key: str, value: str) -> None:
        """Add one field above all others, as a proxy does with Via and Record-Route.

        :raises LocalProtocolError: the name is no token, or the value holds CR, LF or NUL.
        """
        field = _new_field(key, value)
        plain = self._plain
        if plain is not None and key not in plain and key in _STANDARD_NAMES:
            self._plain = {key: field[1], **plain}
        else:
            self.fields.insert(0, field)
        self._changed(field[0])

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the first value of a name, unfolded, or `default`."""
        plain = self._plain
        if plain is not None and key in _STANDARD_NAMES:
            value = plain.get(key)
            return default if value is None else value.strip(" \t")
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
        for key, _, raw in self.listed():
            if key not in spelled:
                spelled[key] = key if key in SPELLINGS else raw.partition(":")[0].rstrip(" \t")
        return list(spelled.values())

    def remove(self, key: str) -> None:
        """Remove every field of a name; none need be there."""
        name = key_of(key)
        plain = self._plain
        if plain is not None and name in _STANDARD_NAMES:
            plain.pop(name, None)
            self._forget_typed(name)
        elif name is not None:
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
        if self._plain is not None and len(new) == 1 and key == name and name in _STANDARD_NAMES:
            self._plain[name] = new[0][1]
            self._forget_typed(name)
            return
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
        mine, theirs = self._plain, other._plain
        if mine is not None and theirs is not None and key in _STANDARD_NAMES and key not in mine:
            if key in theirs:
                mine[key] = theirs[key]
        else:
            self.fields += [field for field in other.listed() if field[0] == key]
        self._changed(key)

    def copy(self) -> Headers:
        """Return the same fields, to be changed without changing these."""
        new = Headers(None if self._plain is None else self._plain.copy())
        if self._plain is None:
            new.fields = self.fields.copy()
        new.typed = self.typed.copy()
        return new

    def picked(self, names: tuple[str, ...]) -> Headers:
        """Return the fields of some names in their standard spelling, character for character."""
        plain = self._plain
        if plain is not None:
            return Headers({name: plain[name] for name in names if name in plain})
        new = Headers()
        new.fields = [field for field in self.fields if field[0] in names]
        return new

    def extend_value(self, name: str, text: str) -> None:
        """Write text that was checked right behind the first value of a name in its standard spelling."""
        plain = self._plain
        if plain is not None:
            if name in plain:
                plain[name] = plain[name].rstrip(" \t") + text
        else:
            for place, (key, value, raw) in enumerate(self.fields):
                if key == name:
                    self.fields[place] = (key, value + text, raw.rstrip(" \t\r\n") + text)
                    break
        self._changed(name)

    def items(self) -> list[tuple[str, str]]:
        """Return every field in order as its name as spelled and its unfolded value."""
        return [(raw.partition(":")[0].rstrip(" \t"), value) for _, value, raw in self.listed()]

    def __getitem__(self, key: str) -> str:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        plain = self._plain
        if plain is not None:
            if key in plain:
                return True
            if key in _STANDARD_NAMES:
                return False
        return isinstance(key, str) and self._values_of(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        plain = self._plain
        return len(self.fields) if plain is None else len(plain)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [field[:2] for field in self.listed()] == [field[:2] for field in other.listed()]

    __hash__ = None  # type: ignore[assignment]  # mutable: equal today, different tomorrow

    def __str__(self) -> str:
        return "".join(f"{raw}\r\n" for raw in self.lines()) + "\r\n"

    def __repr__(self) -> str:
        return f"Headers({self.items()!r})"
