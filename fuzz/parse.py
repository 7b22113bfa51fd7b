"""Only MalformedMessage escapes; what was read is written back equal, and untouched fields byte for byte.

Targets `sipstack.message.parse_message` (:rfc:`3261#section-7`).
"""

from __future__ import annotations

import re

from sipstack.message import MalformedMessage, Request, Response, parse_message
from sipstack.testing.strategies import messages, mutated

__all__ = ["DRAWS", "check"]

DRAWS = messages() | mutated(messages())

_LINE_END = re.compile(rb"\r\n(?![ \t])")
_LENGTH = (b"content-length", b"l")


def fields_of(data: bytes) -> list[bytes]:
    """Return the header fields of a message as they are written, without any Content-Length."""
    head = data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    lines = _LINE_END.split(head)[1:]
    return [line for line in lines if line.partition(b":")[0].rstrip(b" \t").lower() not in _LENGTH]


def check(data: bytes) -> None:
    try:
        message = parse_message(data)
    except MalformedMessage as error:
        _check_refusal(error)
        return
    written = message.serialise()
    assert fields_of(written) == fields_of(data), "a field that nobody touched was changed"
    # Content-Length goes out as the body asks for, however it came in.
    message.headers.set("Content-Length", str(len(message.body)))
    again = parse_message(written)
    again.headers.set("Content-Length", str(len(again.body)))
    assert again == message, "reading what was written gives another message"
    assert parse_message(again.serialise()).serialise() == again.serialise(), "writing twice gives two texts"
    assert message.copy() == message
    assert isinstance(str(message), str)
    try:
        message.validate()
    except MalformedMessage as error:
        assert error.phrase.isascii(), "a reason phrase holds a peer's bytes"
    if isinstance(message, Request):
        _check_response(message.create_response(200, to_tag="us"), message)


def _check_response(response: Response, request: Request) -> None:
    read = parse_message(response.serialise())
    assert isinstance(read, Response)
    for name in ("Via", "From", "Call-ID", "CSeq"):
        assert read.headers.getlist(name) == request.headers.getlist(name), f"a response changes {name}"
    assert read.to_tag == (request.to_tag or "us")


def _check_refusal(error: MalformedMessage) -> None:
    assert 400 <= error.status_hint <= 699, "a refusal has no status code"
    assert error.reason
    assert len(error.phrase) <= 200
    assert not re.search(r"[^\x20-\x7e]", error.phrase), "a reason phrase would break the status line"
