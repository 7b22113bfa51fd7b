"""One message as it crossed a socket: when, which way, between whom, and its bytes.

A trace must show exactly what a parser refuses, so a record reads the little it needs (:rfc:`3261#section-7`) itself,
never raises on what it finds, and keeps the bytes as they were.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal, TypeAlias

import attrs

__all__ = ["Address", "Direction", "Note", "Record", "Summary"]

Address: TypeAlias = tuple[str, int]
"A host without brackets and a port."

Direction: TypeAlias = Literal["sent", "received"]
"Which way a message crossed our socket."

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE = re.compile(r"([A-Za-z0-9.!%*_+`'~-]+) (\S+) SIP/2\.0", re.ASCII | re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-9][0-9][0-9])(?: (.*))?", re.ASCII | re.IGNORECASE)
_CSEQ = re.compile(rb"^cseq[ \t]*:[ \t]*([0-9]{1,10})[ \t]+([^\s;,]+)", re.IGNORECASE | re.MULTILINE)
_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_CONTENT_TYPE = re.compile(rb"^(?:content-type|c)[ \t]*:[ \t]*([^\s;]+)", re.IGNORECASE | re.MULTILINE)


@attrs.frozen(kw_only=True)
class Summary:
    """Hold what one glance at a message tells; what is not there or not readable is None."""

    first_line: str
    method: str | None = None
    "The method of a request."
    code: int | None = None
    "The status code of a response."
    phrase: str | None = None
    "The reason phrase of a response."
    sequence: int | None = None
    "The number in CSeq."
    cseq_method: str | None = None
    "The method in CSeq."
    call_id: str | None = None
    has_sdp: bool = False
    is_keepalive: bool = False


def summarise_untrusted(data: bytes) -> Summary:
    """Read the first line, CSeq, Call-ID and kind of body of a message, or of anything else."""
    start = data.lstrip(b"\r\n")
    if not start:
        return Summary(first_line="", is_keepalive=True)
    end = _END_OF_HEAD.search(start)
    head, body = (start[: end.start()], start[end.end() :]) if end else (start, b"")
    first, _, fields = head.partition(b"\n")
    line = first.rstrip(b"\r").decode("utf-8", "replace")
    method: str | None = None
    code: int | None = None
    phrase: str | None = None
    if status := _STATUS_LINE.fullmatch(line):
        code, phrase = int(status[1]), status[2] or ""
    elif request := _REQUEST_LINE.fullmatch(line):
        method = request[1]
    else:
        return Summary(first_line=line)
    cseq = _CSEQ.search(fields)
    call_id = _CALL_ID.search(fields)
    content_type = _CONTENT_TYPE.search(fields)
    kind = content_type[1].lower() if content_type else b""
    return Summary(
        first_line=line,
        method=method,
        code=code,
        phrase=phrase,
        sequence=int(cseq[1]) if cseq else None,
        cseq_method=cseq[2].decode("utf-8", "replace") if cseq else None,
        call_id=call_id[1].decode("utf-8", "replace") if call_id else None,
        has_sdp=bool(body)
        and (kind == b"application/sdp" or (kind.startswith(b"multipart/") and b"application/sdp" in body.lower())),
    )


@attrs.frozen
class Record:
    """Hold one message as it was sent or received.

    :param time: seconds, on whatever clock the run has.
    :param local: our end of the socket.
    :param remote: the peer's end.
    """

    time: float
    direction: Direction
    transport: str
    local: Address
    remote: Address
    data: bytes = attrs.field(repr=False)

    @property
    def sender(self) -> Address:
        """Tell where the message came from."""
        return self.local if self.direction == "sent" else self.remote

    @property
    def receiver(self) -> Address:
        """Tell where the message went."""
        return self.remote if self.direction == "sent" else self.local

    @cached_property
    def summary(self) -> Summary:
        """Read what one glance at the message tells; computed once."""
        return summarise_untrusted(self.data)

    @property
    def first_line(self) -> str:
        """Return the request line or status line, or the first line of whatever this is."""
        return self.summary.first_line

    @property
    def method(self) -> str | None:
        """Return the method of a request, else None."""
        return self.summary.method

    @property
    def code(self) -> int | None:
        """Return the status code of a response, else None."""
        return self.summary.code

    @property
    def cseq_method(self) -> str | None:
        """Return the method in CSeq, or None where it cannot be read."""
        return self.summary.cseq_method


@attrs.frozen
class Note:
    """Hold what was decided at a time, for people to read: which way a request takes, and why.

    :param after: the record made last before it, if any.
    """

    time: float
    text: str
    after: Record | None = attrs.field(default=None, repr=False, eq=False)
