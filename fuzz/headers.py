"""Only MalformedMessage escapes; str of a value reads back as the same value, also when written anew from its fields.

Targets every typed header field of `sipstack.message`. The first byte of an input chooses the field.
"""

from __future__ import annotations

from hypothesis import strategies as st

from fuzz._values import message_with, rebuilt, texts_of, values_of
from sipstack.message import LocalProtocolError, MalformedMessage, parse_message
from sipstack.testing.strategies import GRAMMAR, NEAR_MISSES, header_values, mutated, near_misses

__all__ = ["DRAWS", "NAMES", "check", "check_field"]

NAMES = tuple(sorted(GRAMMAR))


@st.composite
def _inputs(draw: st.DrawFn) -> bytes:
    number = draw(st.integers(0, len(NAMES) - 1))
    name = NAMES[number]
    valid = header_values(name).map(str.encode)
    values = [valid, mutated(valid)]
    if name in NEAR_MISSES:
        values.append(near_misses(name).map(str.encode))
    return bytes([number]) + draw(st.one_of(values))


DRAWS = _inputs()


def check(data: bytes) -> None:
    if data:
        check_field(NAMES[data[0] % len(NAMES)], data[1:])


def check_field(name: str, value: bytes) -> bool:
    """Check one value of one field; say whether it was taken."""
    try:
        message = parse_message(message_with(name, value))
        values = values_of(message, name)
    except MalformedMessage:
        return False
    if not values:
        return True
    again = values_of(message, name)
    assert again == values, "a field reads otherwise the second time"
    for one in values:
        assert isinstance(repr(one), str)
        assert one == one, "a value is not equal to itself"
        hash(one)
    try:
        texts = texts_of(values, name)
    except LocalProtocolError:
        assert not _is_sendable(value), "what was read cannot be written"
        return True
    _check_same(name, values, texts, "its own text")
    try:
        if b"%" in value:
            return (
                True  # decoded, an escaped reserved character is the plain one, which == tells apart; see fuzz/uris.py
            )
        fresh = [rebuilt(one) for one in values]
        texts = texts_of(fresh, name)
    except LocalProtocolError as error:
        assert not _is_sendable(value) or _is_foreign(error), f"what was read cannot be written anew: {error}"
        return True
    _check_same(name, values, texts, "text made of its fields")
    return True


def _check_same(name: str, values: list[object], texts: list[str], what: str) -> None:
    lines = [f"{name}: {text}".encode("utf-8", "surrogateescape") for text in texts]
    first, *others = lines
    data = message_with(name, first.partition(b": ")[2])
    if others:
        data = data.removesuffix(b"\r\n") + b"\r\n".join([*others, b"", b""])
    read = values_of(parse_message(data), name)
    assert read == values, f"{what} reads as another value: {texts} as {read}, not as {values}"


def _is_sendable(value: bytes) -> bool:
    """Tell whether nothing in a value is forbidden to go out: NUL, also escaped, and bytes that are not UTF-8."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return False
    return "\0" not in text


def _is_foreign(error: LocalProtocolError) -> bool:
    return "of another protocol" in str(error)
