"""Hostile variants of valid messages: what attackers, broken peers and careless middleboxes send.

Each mutation is one idea, found in the advisories of SIP stacks: wrong framing, folds, duplicates, compact forms,
scalars out of range, encodings, nesting, and values far too large. None of them is random noise alone, as that never
gets past the start line.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipstack.message import HEADER_NAMES

__all__ = ["MUTATIONS", "mutated"]

_Mutation = Callable[[st.DrawFn, bytes], bytes]

_COMPACT = {long.lower(): short for short, long in HEADER_NAMES.items() if len(short) == 1}

_SCALARS = (
    b"0", b"00000000000000000000001", b"-1", b"+1", b"1_0", b"1.0", b"1e3", b"0x10", b" 1", b"255", b"256", b"65535",
    b"65536", b"2147483647", b"2147483648", b"4294967295", b"4294967296", b"18446744073709551616", b"9" * 5_000, b"",
    "\N{ARABIC-INDIC DIGIT FIVE}".encode(), "\N{FULLWIDTH DIGIT ONE}".encode(), "\N{SUPERSCRIPT TWO}".encode(), b"NaN",
)  # fmt: skip
_SIZES = st.sampled_from([100, 1_000, 8_000, 60_000, 70_000])
_PIECES = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b"\r\n ", b"\r\n\t\r\n ", b" ", b"\t", b";", b",", b":", b"=", b"@",
    b"<", b">", b'"', b"\\", b"\\\r\n", b"%", b"%00", b"%0d%0a", b"%zz", b"*", b"[", b"]", b"?", b"&", b"/", b"(", b")",
    b"\x7f", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x80\xa8", b"\xc2\x85", b"\xef\xbb\xbf",
    b";tag=", b";branch=", b";lr", b";self=1", b"SIP/2.0", b"sip:", b"Digest ",
)  # fmt: skip


def _head_and_body(data: bytes) -> tuple[list[bytes], bytes]:
    head, blank, body = data.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), blank + body


def _position(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(0, len(data)))


def _field(draw: st.DrawFn, lines: list[bytes]) -> int:
    """Draw which line to touch, the start line excepted where there is another."""
    return draw(st.integers(min(1, len(lines) - 1), len(lines) - 1))


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    """Put a piece that means something to a parser in any place."""
    position = _position(draw, data)
    return data[:position] + draw(st.sampled_from(_PIECES)) + data[position:]


def _delete(draw: st.DrawFn, data: bytes) -> bytes:
    """Take out some bytes."""
    position = _position(draw, data)
    return data[:position] + data[position + draw(st.integers(1, 20)) :]


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    """Write another byte for one."""
    if not data:
        return data
    position = draw(st.integers(0, len(data) - 1))
    return data[:position] + bytes([draw(st.integers(0, 255))]) + data[position + 1 :]


def _truncate(draw: st.DrawFn, data: bytes) -> bytes:
    """End before the end."""
    return data[: _position(draw, data)]


def _line_ends(draw: st.DrawFn, data: bytes) -> bytes:
    """End lines with LF or CR alone, all of them or one."""
    end = draw(st.sampled_from([b"\n", b"\r", b"\r\r\n", b"\r\n\r"]))
    return data.replace(b"\r\n", end, draw(st.sampled_from([-1, 1, 2, 3])))


def _append(draw: st.DrawFn, data: bytes) -> bytes:
    """Put something behind the message: keep-alives, another message, noise."""
    return data + draw(st.sampled_from([b"\r\n", b"\r\n\r\n", data, b"\0\0\0\0", b"INVITE sip:a@b SIP/2.0\r\n"]))


def _prepend(draw: st.DrawFn, data: bytes) -> bytes:
    """Put something before the message."""
    return draw(st.sampled_from([b"\r\n", b"\r\n\r\n\r\n", b" ", b"\n", b"\0", b"\xef\xbb\xbf"])) + data


def _length(draw: st.DrawFn, data: bytes) -> bytes:
    """Say another Content-Length, or two, or none."""
    lines, rest = _head_and_body(data)
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in (b"content-length", b"l")]
    size = str(max(len(rest) - 4, 0)).encode()
    wrong = st.sampled_from([*_SCALARS, size + b", " + size, b"+" + size, size + b";x=1", size + b" "])
    name = st.sampled_from([b"Content-Length", b"l", b"CONTENT-LENGTH", b"Content-Length "])
    values = draw(st.lists(wrong | st.just(size), max_size=2))
    return b"\r\n".join([*kept, *[draw(name) + b": " + value for value in values]]) + rest


def _fold(draw: st.DrawFn, data: bytes) -> bytes:
    """Break a line where white space stands, or where it does not."""
    lines, rest = _head_and_body(data)
    place = _field(draw, lines)
    line = lines[place]
    position = _position(draw, line)
    fold = draw(st.sampled_from([b"\r\n ", b"\r\n\t", b" \r\n ", b"\r\n \r\n ", b"\r\n" + b" " * 200]))
    lines[place] = line[:position] + fold + line[position:]
    return b"\r\n".join(lines) + rest


def _duplicate(draw: st.DrawFn, data: bytes) -> bytes:
    """Say a header field twice, or many times."""
    lines, rest = _head_and_body(data)
    place = _field(draw, lines)
    count = draw(st.sampled_from([1, 1, 2, 40, 1_100]))
    return b"\r\n".join(lines[:place] + [lines[place]] * count + lines[place:]) + rest


def _leave_out(draw: st.DrawFn, data: bytes) -> bytes:
    """Leave out a line."""
    lines, rest = _head_and_body(data)
    del lines[_field(draw, lines)]
    return b"\r\n".join(lines) + rest


def _swap(draw: st.DrawFn, data: bytes) -> bytes:
    """Give one field the value of another."""
    lines, rest = _head_and_body(data)
    one, other = _field(draw, lines), _field(draw, lines)
    name, colon, _ = lines[one].partition(b":")
    lines[one] = name + colon + lines[other].partition(b":")[2]
    return b"\r\n".join(lines) + rest


def _compact(draw: st.DrawFn, data: bytes) -> bytes:
    """Spell a name otherwise: its compact form, other letters, space before the colon, no colon."""
    lines, rest = _head_and_body(data)
    place = _field(draw, lines)
    name, colon, value = lines[place].partition(b":")
    known = _COMPACT.get(name.strip().decode("latin-1").lower())
    spellings = [name.upper(), name.lower(), name + b" ", name + b"\t", b" " + name, name + b"\0", name + b"s", b""]
    spellings += [known.encode(), known.upper().encode()] if known else []
    lines[place] = draw(st.sampled_from(spellings)) + draw(st.sampled_from([colon, colon, b"::", b"", b" = "])) + value
    return b"\r\n".join(lines) + rest


def _runs(data: bytes, alphabet: bytes) -> list[tuple[int, int]]:
    """Find the longest runs of characters of an alphabet, as start and end."""
    found: list[tuple[int, int]] = []
    start = -1
    for position, byte in enumerate(data):
        if byte in alphabet:
            if start < 0:
                start = position
        elif start >= 0:
            found.append((start, position))
            start = -1
    return [*found, (start, len(data))] if start >= 0 else found


def _scalar(draw: st.DrawFn, data: bytes) -> bytes:
    """Write something else where a number stands."""
    runs = _runs(data, string.digits.encode())
    if not runs:
        return data
    start, end = draw(st.sampled_from(runs))
    return data[:start] + draw(st.sampled_from(_SCALARS)) + data[end:]


def _huge(draw: st.DrawFn, data: bytes) -> bytes:
    """Repeat a few bytes until a value is far larger than anybody needs."""
    position = _position(draw, data)
    unit = draw(
        st.sampled_from([*_PIECES, b"a", b"0", b"a,", b";a", b";a=b", b'"a",', b"(", b"%41", b"a.", b"::", b"a=b,"])
    )
    return data[:position] + unit * (draw(_SIZES) // len(unit)) + data[position:]


def _nest(draw: st.DrawFn, data: bytes) -> bytes:
    """Open many times what is closed too seldom: comments, quotes, brackets, bodies in bodies."""
    position = _position(draw, data)
    opening, closing = draw(st.sampled_from([(b"(", b")"), (b"<", b">"), (b'"', b'"'), (b"[", b"]"), (b'\\"', b'"')]))
    depth = draw(st.sampled_from([2, 50, 3_000]))
    return data[:position] + opening * depth + closing * draw(st.sampled_from([depth, depth - 1, 0])) + data[position:]


def _encode(draw: st.DrawFn, data: bytes) -> bytes:
    """Write part of the message in another encoding, or escape it."""
    start = _position(draw, data)
    end = min(len(data), start + draw(st.integers(1, 12)))
    part = data[start:end]
    text = part.decode("latin-1")
    coded = draw(
        st.sampled_from(
            [
                "".join(f"%{byte:02x}" for byte in part).encode(),
                "".join(f"%25{byte:02x}" for byte in part).encode(),
                text.encode("utf-16-le"),
                text.encode("utf-7"),
                bytes(byte | 0x80 for byte in part),
                "".join(chr(byte + 0xFEE0) if 0x21 <= byte <= 0x7E else chr(byte) for byte in part).encode(),
                part.swapcase(),
            ]
        )
    )
    return data[:start] + coded + data[end:]


def _start(draw: st.DrawFn, data: bytes) -> bytes:
    """Change the start line: its spaces, its version, its parts."""
    lines, rest = _head_and_body(data)
    parts = lines[0].split(b" ")
    place = draw(st.integers(0, len(parts) - 1))
    parts[place] = draw(
        st.sampled_from([
            b"", b"SIP/2.0", b"SIP/3.0", b"sip/2.0", b"SIP/2.0 ", b"HTTP/1.1", b"*", b"\x00", b"099", b"700", b"2_0",
            b"<sip:a@b>", b"sip:a@b?x=y", b"nobody:x", b"\t", b"INVITE\t", parts[place] * 2,
        ])
    )  # fmt: skip
    lines[0] = draw(st.sampled_from([b" ", b" ", b"  ", b"\t"])).join(parts)
    return b"\r\n".join(lines) + rest


MUTATIONS: Mapping[str, _Mutation] = {
    "append": _append,
    "compact": _compact,
    "delete": _delete,
    "duplicate": _duplicate,
    "encode": _encode,
    "flip": _flip,
    "fold": _fold,
    "huge": _huge,
    "insert": _insert,
    "leave-out": _leave_out,
    "length": _length,
    "line-ends": _line_ends,
    "nest": _nest,
    "prepend": _prepend,
    "scalar": _scalar,
    "start-line": _start,
    "swap": _swap,
    "truncate": _truncate,
}
"""What can be done to a message, by name."""


@st.composite
def mutated(draw: st.DrawFn, messages: SearchStrategy[bytes], *, only: tuple[str, ...] = (), most: int = 3) -> bytes:
    """Draw a message and make it hostile, by one to `most` mutations.

    :param only: the names of those to choose from; by default all of `MUTATIONS`.
    """
    data = draw(messages)
    for name in draw(st.lists(st.sampled_from(sorted(only or MUTATIONS)), min_size=1, max_size=most)):
        data = MUTATIONS[name](draw, data)
    return data
