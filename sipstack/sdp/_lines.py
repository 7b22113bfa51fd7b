"""Lines of a description: splitting them, and writing them (:rfc:`8866#section-5`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sipstack.message import LocalProtocolError

from ._errors import SdpError

__all__ = ["decode", "encode", "split_untrusted", "write_lines"]


def decode(data: bytes) -> str:
    """Decode UTF-8; other bytes become surrogates that :func:`encode` turns back."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Undo :func:`decode`."""
    return text.encode("utf-8", "surrogateescape")


def split_untrusted(data: bytes) -> Iterator[tuple[int, str, str, bytes]]:
    """Yield line number, type letter, value and the raw line with its line end.

    A bare LF ends a line as CRLF does (:rfc:`8866#section-5`); empty lines may only stand at the end.
    """
    end = len(data.rstrip(b"\r\n"))
    position, line_number = 0, 0
    while position < end:
        line_number += 1
        newline = data.find(b"\n", position)
        stop = len(data) if newline < 0 or newline >= end else newline + 1
        raw = data[position:stop]
        position = stop
        line = raw.rstrip(b"\n") if stop < end else raw.rstrip(b"\r\n")
        line = line.removesuffix(b"\r")
        if b"\r" in line or b"\0" in line:
            raise SdpError("a line holds a bare CR or a NUL", line_number)
        if len(line) < 2 or line[1:2] != b"=" or not line[:1].isalpha():
            raise SdpError("a line is not a letter, '=' and a value", line_number)
        yield line_number, chr(line[0]), decode(line[2:]), raw


def write_lines(lines: Iterable[tuple[str, str]]) -> bytes:
    """Write lines with CRLF; refuse a value that would be two lines."""
    written = []
    for letter, value in lines:
        if "\r" in value or "\n" in value or "\0" in value:
            raise LocalProtocolError(f"The value of {letter}= holds a CR, LF or NUL: {value!r}; remove it.")
        written.append(f"{letter}={value}\r\n")
    return encode("".join(written))
