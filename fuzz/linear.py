"""Four times the input takes about four times the time and the memory, whatever it is made of.

Targets everything that reads network bytes. An input is a place (one byte), and what is repeated there: a beginning, a
unit and an end, with line feeds between them.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
import zlib
from collections.abc import Callable

from hypothesis import strategies as st

from fuzz._values import message_with, values_of
from fuzz.digest import check as check_digest
from fuzz.headers import NAMES
from sipstack.message import URI, Framer, MalformedMessage, parse_message
from sipstack.sdp import SdpError, SessionDescription
from sipstack.testing.strategies import MUTATIONS, header_values, session_descriptions, tokens, uris

__all__ = ["DRAWS", "check"]

_SMALL, _LARGE = 12_000, 48_000
_MOST_GROWTH = 9.0
"Fourfold is linear and sixteenfold quadratic; n log n and a noisy machine stand between."
_TOO_SHORT = 0.004  # seconds: below it the clock says more about the machine than about the parser
_ATTEMPTS = 3
_MOST_BYTES = 100
"Of memory for each byte of input: one field of two bytes becomes a tuple, strings and a place in a table."


def _read_header(name: str) -> Callable[[bytes], None]:
    def read(value: bytes) -> None:
        try:
            message = parse_message(message_with(name, value))
            message.validate()
            values_of(message, name)
        except MalformedMessage:
            return

    return read


def _read_head(fields: bytes) -> None:
    try:
        parse_message(message_with("X", b"x").removesuffix(b"\r\n") + fields + b"\r\n\r\n").validate()
    except MalformedMessage:
        return


def _read_start_line(target: bytes) -> None:
    try:
        parse_message(message_with("X", b"x").replace(b"sip:a@b", target, 1))
    except MalformedMessage:
        return


def _read_uri(text: bytes) -> None:
    try:
        uri = URI.parse(text.decode("utf-8", "surrogateescape"))
    except MalformedMessage:
        return
    assert uri == URI.parse(str(uri))


def _read_sdp(data: bytes) -> None:
    try:
        description = SessionDescription.parse(b"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n" + data)
    except SdpError:
        return
    for media in description.media:
        _ = media.codecs
    bytes(description.with_directions("inactive"))


def _read_stream(data: bytes) -> None:
    framer = Framer()
    for position in range(0, len(data), 100):
        framer.feed(data[position : position + 100])
        try:
            framer.next_message()
        except MalformedMessage:
            if framer.is_broken:
                return


PLACES: tuple[tuple[str, Callable[[bytes], None]], ...] = (
    *((name, _read_header(name)) for name in NAMES),
    ("head", _read_head),
    ("start line", _read_start_line),
    ("URI", _read_uri),
    ("SDP", _read_sdp),
    ("stream", _read_stream),
    ("challenge", check_digest),
)


@st.composite
def _inputs(draw: st.DrawFn) -> bytes:
    number = draw(st.integers(0, len(PLACES) - 1))
    name = PLACES[number][0]
    if name in NAMES:
        whole = header_values(name).map(str.encode)
    elif name == "SDP":
        whole = session_descriptions().map(lambda data: data.partition(b"t=0 0\r\n")[2])
    else:
        whole = uris(with_headers=True).map(str.encode)
    text = draw(whole)
    for mutation in draw(st.lists(st.sampled_from(["insert", "delete", "encode"]), max_size=2)):
        text = MUTATIONS[mutation](draw, text)
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    unit = text[start:end][:24] or draw(tokens()).encode()
    return bytes([number]) + b"\n".join(part.replace(b"\n", b" ") for part in (text[:start], unit, text[end:]))


DRAWS = _inputs()


def check(data: bytes) -> None:
    if not data:
        return
    name, read = PLACES[data[0] % len(PLACES)]
    start, _, rest = data[1:].partition(b"\n")
    unit, _, end = rest.partition(b"\n")
    # In the head of a message and in a description, line ends may be repeated too; written as "\n" they would part.
    unit = unit.replace(b"\\r\\n", b"\r\n") or b"a"
    small, large = (start + unit * (size // len(unit)) + end for size in (_SMALL, _LARGE))
    growth = _growth(read, small, large)
    assert growth <= _MOST_GROWTH, f"{name}: four times the input takes {growth:.1f} times the time: {unit[:40]!r}"
    _check_memory(name, read, large, unit)


def _cpu_seconds(read: Callable[[bytes], None], data: bytes) -> float:
    began = time.process_time()
    read(data)
    return time.process_time() - began


def _growth(read: Callable[[bytes], None], small: bytes, large: bytes) -> float:
    """Return how many times longer the large input takes; 0 where both are too short to tell."""
    growth = 0.0
    for _ in range(_ATTEMPTS):
        longer = _cpu_seconds(read, large)
        if longer < _TOO_SHORT:
            return 0.0
        shorter = min(_cpu_seconds(read, small) for _ in range(2))
        growth = longer / max(shorter, 1e-6)
        if growth <= _MOST_GROWTH:
            return growth
    return growth


def _check_memory(name: str, read: Callable[[bytes], None], large: bytes, unit: bytes) -> None:
    """Look at the memory of one input in eight, always the same ones: counting it takes far longer than reading."""
    if zlib.crc32(large) % 8:
        return
    gc.collect()
    tracemalloc.start()
    try:
        read(large)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 1_000_000 + _MOST_BYTES * len(large), (
        f"{name}: {peak} bytes of memory for {len(large)}: {unit[:40]!r}"
    )
