"""However a stream is cut, it gives the same messages, keep-alives and errors; only MalformedMessage escapes.

Whole, byte by byte, and in pieces of any size; and a message off a stream is the message of a datagram. Targets
`sipstack.message.Framer` (:rfc:`3261#section-18.3`).
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Iterator

from sipstack.message import Framer, KeepAlive, MalformedMessage, parse_message
from sipstack.testing.strategies import messages, mutated, streams

__all__ = ["DRAWS", "check"]

DRAWS = streams().map(lambda pair: pair[0]) | streams(mutated(messages())).map(lambda pair: pair[0])

_MOST_BYTE_BY_BYTE = 20_000


def read(pieces: Iterable[bytes]) -> tuple[list[object], bool, bool]:
    """Return what a framer makes of the pieces: all that came out, whether it broke, whether something waits."""
    framer = Framer()
    found: list[object] = []
    for piece in pieces:
        framer.feed(piece)
        while True:
            try:
                item = framer.next_message()
            except MalformedMessage as error:
                found.append((error.reason, error.status_hint))
                if framer.is_broken:
                    break
                continue
            if item is None:
                break
            found.append(item if isinstance(item, KeepAlive) else item.serialise())
        if framer.is_broken:
            break
    return found, framer.is_broken, framer.has_partial and not framer.is_broken


def _cut(data: bytes) -> Iterator[bytes]:
    # Chance, but the same for the same data: a failing input fails again.
    chance = random.Random(zlib.crc32(data))
    position = 0
    while position < len(data):
        size = chance.choice([1, 2, 3, 4, 5, 17, 100, 1_500, 9_000])
        yield data[position : position + size]
        position += size


def check(data: bytes) -> None:
    whole = read([data])
    assert read(_cut(data)) == whole, "pieces give something else than the whole"
    if len(data) <= _MOST_BYTE_BY_BYTE:
        assert read(data[position : position + 1] for position in range(len(data))) == whole, (
            "bytes give something else"
        )
    for item in whole[0]:
        if isinstance(item, bytes):
            assert parse_message(item).serialise() == item, "a stream gives a message that no datagram can hold"
