"""Where sipstack and another parser read a message differently, the difference is one that has a name and a reason.

The others are `sipmessage`, `aiosipua` and `rfcvoip`, all from PyPI; those that are not installed are left out. What
differs is in `DIFFERENCES`, and in the table of fuzz/README.md, which a test compares with it.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import attrs

from sipstack.message import MalformedMessage, Request, Response, parse_message
from sipstack.testing.strategies import messages, mutated

__all__ = ["DIFFERENCES", "DRAWS", "PARSERS", "Case", "Difference", "check", "counts"]

DRAWS = messages() | mutated(messages())

Reading = Mapping[str, object]
"What a parser understood: the parts that all parsers name."

logging.getLogger("aiosipua").setLevel(logging.CRITICAL)  # it has a line to say on every second input

counts: Counter[tuple[str, str]] = Counter()
"How often each known difference was seen, by parser and name."


@attrs.frozen
class Case:
    """One place where another parser differs.

    :param part: what differs: "accepted", when we refuse and they do not; "refused", when they do; else a part of the
        message.
    :param reason: why we, or they, refused.
    """

    parser: str
    data: bytes
    part: str
    ours: object = None
    theirs: object = None
    reason: str = ""

    @property
    def head(self) -> bytes:
        """The start line and the header fields."""
        return self.data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]


@attrs.frozen
class Difference:
    """A difference that is known.

    :param parsers: whom it is between, us excepted.
    :param applies: whether a case is one of it; as narrow as can be, for what it takes in is never found again.
    """

    name: str
    parsers: tuple[str, ...]
    explanation: str
    applies: Callable[[Case], bool]


def _read_ours(data: bytes) -> Reading:
    message = parse_message(data)
    reading: dict[str, object] = {
        "body": message.body,
        "Call-ID": message.call_id,
        "CSeq": (message.cseq.sequence, message.cseq.method),
        "From tag": message.from_tag,
        "To tag": message.to_tag,
        "branch": message.top_via.branch,
    }
    return {**reading, **_start_of(message)}


def _start_of(message: Request | Response) -> Reading:
    if isinstance(message, Request):
        return {"method": message.method, "URI": str(message.uri)}
    return {"code": message.code, "phrase": message.phrase}


def _read_sipmessage(data: bytes) -> Reading:
    import sipmessage

    message: Any = sipmessage.Message.parse(data)
    start = (
        {"method": message.method, "URI": str(message.uri)}
        if isinstance(message, sipmessage.Request)
        else {"code": message.code, "phrase": message.phrase}
    )
    return {
        **start,
        "body": message.body,
        "Call-ID": message.call_id,
        "CSeq": (message.cseq.sequence, message.cseq.method),
        "From tag": message.from_address.parameters.get("tag"),
        "To tag": message.to_address.parameters.get("tag"),
        "branch": message.via[0].parameters.get("branch"),
    }


def _read_aiosipua(data: bytes) -> Reading:
    import aiosipua

    message: Any = aiosipua.SipMessage.parse(data)
    start = (
        {"method": message.method, "URI": message.uri}
        if isinstance(message, aiosipua.SipRequest)
        else {"code": message.status_code, "phrase": message.reason_phrase}
    )
    return {
        **start,
        "body": message.body,
        "Call-ID": message.call_id,
        "CSeq": (message.cseq.seq, message.cseq.method),
        "From tag": message.from_addr.tag,
        "To tag": message.to_addr.tag,
        "branch": message.via[0].branch,
    }


def _read_rfcvoip(data: bytes) -> Reading:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports audioop, which says at once that it is on its way out
        from rfcvoip.SIP import SIPMessage, SIPMessageType

    message: Any = SIPMessage(data)
    start = (
        {"method": message.method, "URI": message.uri}
        if message.type == SIPMessageType.MESSAGE
        else {"code": int(message.status)}
    )
    headers = message.headers
    return {
        **start,
        "body": message.body_raw,
        "Call-ID": headers["Call-ID"],
        "CSeq": (int(headers["CSeq"]["check"]), headers["CSeq"]["method"]),
        "From tag": headers["From"]["tag"] or None,
        "To tag": headers["To"]["tag"] or None,
        "branch": headers["Via"][0].get("branch"),
    }


_READERS: Mapping[str, Callable[[bytes], Reading]] = {
    "sipmessage": _read_sipmessage,
    "aiosipua": _read_aiosipua,
    "rfcvoip": _read_rfcvoip,
}
PARSERS = tuple(name for name in _READERS if find_spec(name) is not None)
"The other parsers that are installed."


def cases_of(parser: str, data: bytes) -> list[Case]:
    """Return where a parser differs from us on one input."""
    ours: Reading | None = None
    reason = ""
    try:
        ours = _read_ours(data)
    except MalformedMessage as error:
        reason = error.reason
    theirs: Reading | None = None
    try:
        theirs = _READERS[parser](data)
    except Exception as error:  # noqa: BLE001  (what they raise is what is compared)
        reason = reason or f"{type(error).__name__}: {error}"
    if ours is None and theirs is None:
        return []
    if ours is None:
        return [Case(parser, data, "accepted", reason=reason)]
    if theirs is None:
        return [Case(parser, data, "refused", reason=reason)]
    return [
        Case(parser, data, part, ours[part], theirs.get(part))
        for part in ours
        if part in theirs and ours[part] != theirs[part]
    ]


def check(data: bytes) -> None:
    for parser in PARSERS:
        for case in cases_of(parser, data):
            known = next((one for one in DIFFERENCES if parser in one.parsers and one.applies(case)), None)
            assert known is not None, (
                f"{parser}, {case.part}: ours {case.ours!r}, theirs {case.theirs!r} {case.reason}".rstrip()
            )
            counts[parser, known.name] += 1


_SIPMESSAGE, _AIOSIPUA, _RFCVOIP = "sipmessage", "aiosipua", "rfcvoip"
_ALL = (_SIPMESSAGE, _AIOSIPUA, _RFCVOIP)


def _words(part: object) -> list[str]:
    return str(part).split()


def _bytes(part: object) -> bytes:
    assert isinstance(part, bytes)
    return part


def _accepted(pattern: str) -> Callable[[Case], bool]:
    """Tell of a case that we refuse for a reason that the others do not look for."""
    compiled = re.compile(pattern, re.DOTALL)
    return lambda case: case.part == "accepted" and compiled.match(case.reason) is not None


def _refused(reason: str, head: bytes = b"") -> Callable[[Case], bool]:
    """Tell of a case that the others refuse, because of something in the head of the message."""
    in_reason, in_head = re.compile(reason, re.DOTALL), re.compile(head, re.DOTALL | re.IGNORECASE)
    return lambda case: (
        case.part == "refused" and in_reason.match(case.reason) is not None and in_head.search(case.head) is not None
    )


def _differs(*parts: str, head: bytes) -> Callable[[Case], bool]:
    """Tell of a case in which a part is read otherwise, because of something in the head of the message."""
    in_head = re.compile(head, re.DOTALL)
    return lambda case: case.part in parts and in_head.search(case.head) is not None


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "fold",
        (_SIPMESSAGE,),
        "a header field on several lines is an error, or is cut (7.3.1 asks to take it)",
        lambda case: case.part != "accepted" and re.search(rb"\r\n[ \t]", case.head) is not None,
    ),
    Difference(
        "space-before-colon",
        (_SIPMESSAGE,),
        "`Via :` is another header field than `Via:` (25.1, HCOLON, has them the same)",
        lambda case: case.part != "accepted" and re.search(rb"\r\n[^:\r\n]*[ \t]:", case.head) is not None,
    ),
    Difference(
        "other-uris",
        (_SIPMESSAGE,),
        "URIs with header fields, with a scheme in capitals or another scheme, and some hosts are errors",
        _refused(r"ValueError: (URI|Address) is not valid"),
    ),
    Difference(
        "not-utf-8",
        (_SIPMESSAGE,),
        "bytes that are not UTF-8 anywhere in the head are an error; here they are kept",
        _refused("UnicodeDecodeError"),
    ),
    Difference(
        "leading-line-ends",
        _ALL,
        "line ends before the start line are an error (7.5 asks to ignore them)",
        lambda case: case.part != "accepted" and case.data.startswith(b"\r\n"),
    ),
    Difference(
        "value-grammar",
        (_SIPMESSAGE,),
        "valid values of Via, From, To and CSeq that it has no grammar for are errors of many kinds",
        _refused(r"(ValueError|TypeError|IndexError|AttributeError): "),
    ),
    Difference(
        "no-content-length",
        (_SIPMESSAGE,),
        "Content-Length is not looked at: the body is all that follows",
        lambda case: case.part == "body" and case.data.endswith(b"\r\n\r\n" + _bytes(case.theirs)),
    ),
    Difference(
        "rewritten-text",
        (_SIPMESSAGE,),
        "what URIs and parameters hold is decoded and encoded anew: `!*'+%` and a backtick change, escapes too",
        lambda case: case.part in ("URI", "From tag", "To tag", "branch"),
    ),
    Difference(
        "numbers",
        _ALL,
        "`int()` reads `+5`, `5_0` and digits of other scripts (25.1: 1*DIGIT)",
        _accepted(r"CSeq: |Content-Length is not|the status line is wrong"),
    ),
    Difference(
        "lenient-values",
        _ALL,
        "Via, From, To, Max-Forwards and the Request-URI are cut at a few characters; the rest is not looked at",
        _accepted(r"(Via|From|To|Max-Forwards|Request-URI)(: | must not)"),
    ),
    Difference(
        "lenient-head",
        _ALL,
        "lines without a colon, NUL, bare CR or LF, a missing blank line and odd start lines are taken",
        _accepted(
            r"not a header field|the start line|a line ends|no blank line|the request line|CSeq names|Version "
            r"|Call-ID is empty|empty|Via is empty"
        ),
    ),
    Difference(
        "duplicates",
        _ALL,
        "of fields that may stand once, one is taken (7.3.1)",
        _accepted(r"more than one Content-Length|[A-Za-z-]+: more than one|[A-Za-z-]+ is missing"),
    ),
    Difference("sizes", _ALL, "nothing is too large", _accepted(r"longer than|more than \d+")),
    Difference(
        "short-body",
        _ALL,
        "a body shorter than its Content-Length is taken (18.3: 400)",
        _accepted(r"Content-Length is \d+ but"),
    ),
    Difference(
        "parameter-names",
        (_AIOSIPUA, _RFCVOIP),
        "`;Branch=` and `;branch =` are not the branch, nor `;TAG=` the tag (7.3.1: names compare without case)",
        lambda case: case.part in ("branch", "From tag", "To tag") and case.theirs is None,
    ),
    Difference(
        "parameter-values",
        (_AIOSIPUA, _RFCVOIP),
        "white space and quotes around a parameter's value stay in it, or cut it",
        _differs("branch", "From tag", "To tag", head=rb'[ \t"]'),
    ),
    Difference(
        "only-sip-addresses",
        (_RFCVOIP,),
        "From and To with a tel or any other URI are errors (25.1: absoluteURI)",
        _refused(r"SIPParseError: Malformed (From|To) header"),
    ),
    Difference(
        "bodies",
        (_RFCVOIP,),
        "a body that is no session description of its liking, or is encoded, makes the message an error",
        _refused(r"SIPParseError: (Malformed SDP|Unable to parse|.*SDP)|ValueError|IndexError|KeyError|TypeError"),
    ),
    Difference(
        "unreadable-start-line",
        (_RFCVOIP, _AIOSIPUA),
        "`sip/2.0` in small letters and white space in the phrase are not read as they stand (7.1: case-insensitive)",
        lambda case: (
            case.part in ("phrase", "method", "URI")
            or (
                case.part == "refused"
                and re.match(r"SIPParseError: Unable to decipher|ValueError: M", case.reason) is not None
            )
        ),
    ),
    Difference(
        "lossy-text",
        (_AIOSIPUA, _RFCVOIP),
        "bytes that are not UTF-8 become U+FFFD: two users become one",
        lambda case: "\N{REPLACEMENT CHARACTER}" in str(case.theirs),
    ),
    Difference(
        "strict-duplicates",
        (_RFCVOIP,),
        "any field of a list of its own that stands twice is an error, such as Subject",
        _refused(r"SIPParseError: Duplicate SIP header"),
    ),
    Difference(
        "python-white-space",
        _ALL,
        "`str.strip()` takes controls and spaces of all scripts for white space (25.1: SP and HTAB)",
        lambda case: isinstance(case.ours, str) and case.theirs == case.ours.strip(),
    ),
    Difference(
        "fold-space",
        (_AIOSIPUA, _RFCVOIP),
        "a fold and the white space around it become more than one space (7.3.1: a single SP)",
        lambda case: re.search(rb"\r\n[ \t]", case.head) is not None and _words(case.ours) == _words(case.theirs),
    ),
)
"""All differences that are known; the first that applies names the case."""
