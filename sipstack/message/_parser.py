"""Reading one message from the network (:rfc:`3261#section-7`, :rfc:`3261#section-25.1`).

One pass over the bytes: framing, start line, folds, names, and the few header fields without which no message can be
matched or answered. All others are read when they are asked for. Nothing here takes more than linear time, and nothing
but `MalformedMessage` comes out of it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NoReturn

from ._address import tag_of
from ._cseq import CSeq
from ._errors import MalformedMessage
from ._headers import SPELLINGS, Field, Headers, Index, joined, key_of, plain_fields_untrusted
from ._limits import DEFAULT_LIMITS, Limits
from ._message import Request, Response
from ._uri import URI
from ._via import Via

__all__ = ["content_length_untrusted", "parse_head_untrusted", "parse_message"]

_METHOD = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_VERSION = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE | re.ASCII)
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?", re.IGNORECASE | re.DOTALL | re.ASCII)
_OTHER_STATUS = re.compile(r"SIP/[0-9.]+ [0-9]", re.IGNORECASE | re.ASCII)
_BAD_NUL = re.compile(r"(?<!\\)(?:\\\\)*+\0")  # an even number of backslashes escapes each other, not the NUL
_FIELD_END = re.compile(r"\r\n(?![ \t])")

_USUAL_MAX_FORWARDS = "70"  # RFC 3261 8.1.1.6: what most requests say, and need not be read to be right
_MANDATORY = ("Via", "From", "To", "Call-ID", "CSeq")


def _fail(reason: str, status_hint: int, partial: Request | Response | None) -> NoReturn:
    raise MalformedMessage(reason, status_hint, partial)


def _unfold(value: str) -> str:
    """Write a space for each fold and the white space around it (:rfc:`3261#section-7.3.1`)."""
    # Not by a pattern: one that may begin with white space takes quadratic time over a long run of it.
    return " ".join([part.strip(" \t") for part in value.split("\r\n")]).strip(" ")


def _start_line(line: str, headers: Headers) -> Request | Response:
    status = _STATUS.fullmatch(line)
    if status is not None:
        return Response._of_wire(int(status[1]), status[2] or "", headers)
    if _OTHER_STATUS.match(line):
        raise MalformedMessage(f"the status line is wrong: {line[:60]!r}")
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if _METHOD.fullmatch(method) is None or not target:
        raise MalformedMessage("the request line is not: method, one space, Request-URI, one space, SIP/2.0")
    if version != "SIP/2.0" and not (version.isascii() and version.upper() == "SIP/2.0"):
        answerable = Request._of_wire(method, _UNREADABLE, headers)
        if _VERSION.fullmatch(version):
            _fail(f"Version {version} Not Supported", 505, answerable)
        _fail("the request line does not end with SIP/2.0", 400, answerable)
    try:
        uri = URI.parse(target) if len(target) > _SHARED_LENGTH else _shared_uri(target)
    except ValueError as error:
        _fail(f"Request-URI: {error}", 400, Request._of_wire(method, _UNREADABLE, headers))
    request = Request._of_wire(method, uri, headers)
    if uri.headers:
        # 19.1.1, table 1: not in a Request-URI. What they ask for must reach nobody.
        _fail("Request-URI must not carry header fields", 400, request)
    return request


_SHARED_LENGTH = 256
_shared_uri = lru_cache(maxsize=1024)(URI.parse)
"A user agent is asked for by the same few Request-URIs again and again; a URI never changes, so all may share it."

_UNREADABLE = URI("sip", "invalid.invalid")
"Stands for the Request-URI of a request whose own cannot be read, in what is only good for a 4xx."


def parse_head_untrusted(head: bytes, limits: Limits) -> Request | Response:
    """Read the start line and header fields, without the blank line; the body stays empty.

    :raises MalformedMessage: with the partial message where there is one.
    """
    text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\r\n")
    message = _read_plain_head(lines, limits)
    return _read_head_untrusted(text, lines, limits) if message is None else message


@lru_cache(maxsize=1024)
def _shared_start(line: str) -> Request | Response:
    """Read a start line that has nothing wrong with it: to our own address comes the same one again and again."""
    return _start_line(line, Headers())


def _read_plain_head(lines: list[str], limits: Limits) -> Request | Response | None:
    """Read a head whose fields are plain (see `Headers`) and whose start line is right; None: there is more to it.

    Nearly all heads are so, and this takes a fraction of the time. A test holds both ways to the same results.
    """
    start = lines[0]
    rest = "".join(lines)  # to look for three characters that are not there is cheap, to count those that are is not
    if len(lines) > limits.header_count or len(start) > _SHARED_LENGTH or "\n" in rest or "\r" in rest or "\0" in rest:
        return None
    plain = plain_fields_untrusted(lines[1:])
    if plain is None:
        return None
    try:
        like = _shared_start(start)
    except MalformedMessage:
        return None
    if isinstance(like, Request):
        return Request._of_wire(like.method, like.uri, Headers(plain))
    return Response._of_wire(like.code, like.phrase, Headers(plain))


def _read_head_untrusted(text: str, lines: list[str], limits: Limits) -> Request | Response:
    breaks = len(lines) - 1
    headers = Headers()
    if text.count("\n") != breaks or text.count("\r") != breaks:
        raise MalformedMessage("a line ends with CR or LF alone; SIP's lines end with CRLF")
    folded = "\r\n " in text or "\r\n\t" in text
    # The start line comes first, but its error is raised last: with all fields there, it can be answered.
    fault: MalformedMessage | None = None
    try:
        message: Request | Response | None = _start_line(lines[0], headers)
    except MalformedMessage as error:
        fault, message = error, error.partial
    if folded:
        if lines[1][:1] in (" ", "\t"):
            raise MalformedMessage("the start line is folded")
        lines = _FIELD_END.split(text)
    if len(lines) - 1 > limits.header_count:
        _fail(f"more than {limits.header_count} header fields", 513, None)
    fields: list[Field] = []
    index: Index = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = SPELLINGS.get(name)
        if key is None:
            key = key_of(name.rstrip(" \t"))
        if key is None or not colon:
            fault = fault or MalformedMessage(f"not a header field: {line[:60]!r}", 400, message)
            continue
        value = _unfold(value) if folded and "\r\n" in value else value.strip(" \t")
        fields.append((key, value, line))
        index[key] = joined(index[key], value) if key in index else value
    headers.fields = fields
    headers._index = index
    if "\0" in text and ("\0" in text.partition("\r\n")[0] or _BAD_NUL.search(text)):
        fault = fault or MalformedMessage("the start line or a header field holds NUL", 400, message)
    if fault is not None:
        raise fault
    assert message is not None
    return message


def content_length_untrusted(message: Request | Response) -> int | None:
    """Return the Content-Length, or None where there is none.

    :raises MalformedMessage: it is no number, or stands there more than once.
    """
    plain = message.headers._plain
    value = message.headers._values_of("Content-Length") if plain is None else plain.get("Content-Length")
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedMessage("more than one Content-Length", 400, message)
    value = value.strip(" 	")
    if len(value) > 10:
        # 25.1 has any number of digits, and zeros in front say nothing.
        value = value.lstrip("0") or "0"
    if len(value) > 10 or not value.isdecimal() or not value.isascii():
        raise MalformedMessage(f"Content-Length is not a length: {value[:20]!r}", 400, message)
    return int(value)


def _once(value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value
    raise MalformedMessage("more than one where one may stand")


_shared_cseq = lru_cache(maxsize=1024)(CSeq.parse)
"Dialogs count from 1, or from where they please; each number comes with several messages."

_MAX_FORWARDS = frozenset(str(hops) for hops in range(256))


def _check_plain(message: Request | Response, plain: dict[str, str]) -> bool:
    """Do what `check_untrusted` does where all is as it mostly is; False leaves all to it, what is wrong above all."""
    try:
        top_via = Via.of_common_form(plain["Via"])
        call_id = plain["Call-ID"].strip(" \t")
        cseq_text = plain["CSeq"].strip(" \t")
        if top_via is None or not call_id or len(cseq_text) > _SHARED_LENGTH:
            return False
        cseq = _shared_cseq(cseq_text)
        typed: dict[str, object] = {
            "Via.part": top_via,
            "From.part": tag_of(plain["From"]),
            "To.part": tag_of(plain["To"]),
            "CSeq": cseq,
            "Call-ID": call_id,
        }
    except (KeyError, MalformedMessage):
        return False
    if message.__class__ is Request and (
        cseq.method != message.method or plain.get("Max-Forwards", _USUAL_MAX_FORWARDS) not in _MAX_FORWARDS
    ):
        return False
    message.headers.typed = typed
    return True


def check_untrusted(message: Request | Response) -> None:
    """Read the header fields on which matching and answering rest (:rfc:`3261#section-8.1.1`).

    :raises MalformedMessage: one is missing, stands there twice, or cannot be read.
    """
    if message.headers._plain is not None and _check_plain(message, message.headers._plain):
        return
    values = message.headers._values()
    typed = message.headers.typed
    name = "Via"
    try:
        vias = values["Via"]
        if isinstance(vias, str) and "," not in vias:
            typed["Via.part"] = Via.parse(vias)
        else:
            texts = (vias,) if isinstance(vias, str) else vias
            if "" in texts:
                raise MalformedMessage("Via is empty", 400, message)
            typed["Via"] = tuple([via for text in texts for via in Via.parse_many(text)])
        name = "From"
        typed["From.part"] = tag_of(_once(values["From"]))
        name = "To"
        typed["To.part"] = tag_of(_once(values["To"]))
        name = "CSeq"
        cseq = CSeq.parse(_once(values["CSeq"]))
        name = "Call-ID"
        call_id = _once(values["Call-ID"])
    except KeyError:
        missing = next(name for name in _MANDATORY if name not in values)
        raise MalformedMessage(f"{missing} is missing", 400, message) from None
    except MalformedMessage as error:
        if error.partial is not None:
            raise
        raise MalformedMessage(f"{name}: {error.reason}", error.status_hint, message) from None
    typed["CSeq"] = cseq
    if not call_id:
        raise MalformedMessage("Call-ID is empty", 400, message)
    if isinstance(message, Request):
        if cseq.method != message.method:
            raise MalformedMessage(f"CSeq names {cseq.method}, the request line {message.method}", 400, message)
        if "Max-Forwards" in values and values["Max-Forwards"] != _USUAL_MAX_FORWARDS:
            try:
                _ = message.max_forwards
            except MalformedMessage as error:
                raise MalformedMessage(error.reason, error.status_hint, message) from None


def parse_message(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | Response:
    """Read the one message of a datagram; octets beyond its Content-Length are dropped (:rfc:`3261#section-18.3`).

    :raises MalformedMessage: with the answer it deserves and as much of the message as could be read.
    """
    if len(data) > limits.message_size:
        raise MalformedMessage(f"longer than {limits.message_size} bytes", 513)
    start = 0
    while data.startswith(b"\r\n", start):  # 7.5: blank lines before the start line are ignored
        start += 2
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        # No blank line: nothing marks where the header fields end, but what stands there may allow an answer.
        head = data[start:].removesuffix(b"\r\n")
        if not head:
            raise MalformedMessage("empty")
        partial = parse_head_untrusted(head, limits)
        raise MalformedMessage("no blank line after the header fields", 400, partial)
    if end - start > limits.header_section_size:
        raise MalformedMessage(f"more than {limits.header_section_size} bytes of header fields", 513)
    message = parse_head_untrusted(data[start:end], limits)
    body = end + 4
    length = content_length_untrusted(message)
    if length is None:
        message.body = data[body:]
    elif length > len(data) - body:
        raise MalformedMessage(f"Content-Length is {length} but {len(data) - body} bytes follow", 400, message)
    else:
        message.body = data[body : body + length]
    if len(message.body) > limits.body_size:
        raise MalformedMessage(f"more than {limits.body_size} bytes of body", 413, message)
    check_untrusted(message)
    return message
