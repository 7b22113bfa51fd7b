"""An input read as a script: what happens to a sans-IO layer, one thing after the other.

Random bytes make no dialog. So the bytes choose among messages that fit what went before, with parts that do not fit as
often as not; and raw datagrams stand between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from hypothesis import strategies as st

from sipstack.message import MalformedMessage, Request, Response, parse_message
from sipstack.testing.strategies import calls, messages, mutated
from sipstack.transactions import Flow

__all__ = [
    "CODES",
    "EXTRA",
    "FLOWS",
    "METHODS",
    "OURS",
    "OUR_CODES",
    "SCRIPTS",
    "SDP",
    "Script",
    "as_raw",
    "peer_request",
    "peer_response",
    "sent",
]

T = TypeVar("T")

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"

OURS = "192.0.2.9:5060"
FLOWS = (
    Flow("UDP", ("192.0.2.9", 5060), ("192.0.2.1", 5060), OURS),
    Flow("UDP", ("192.0.2.9", 5060), ("192.0.2.1", 0), OURS),
    Flow("UDP", ("192.0.2.9", 5060), ("2001:db8::1", 5060), OURS),
    Flow("TCP", ("192.0.2.9", 5060), ("192.0.2.1", 40_000), OURS, 1),
    Flow("TLS", ("192.0.2.9", 5061), ("192.0.2.2", 40_001), "192.0.2.9:5061", 2),
)
_USUAL = FLOWS[0]

CODES = (100, 180, 183, 200, 202, 302, 401, 404, 407, 422, 481, 486, 487, 491, 500, 503, 600)
OUR_CODES = (100, 180, 183, 200, 202, 302, 404, 486, 500, 603)
"What our user answers with."
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK", "MESSAGE", "REGISTER", "NOPE")
EXTRA = (
    "",
    "Contact: <sip:peer@192.0.2.1>\r\n",
    "RSeq: 1\r\nRequire: 100rel\r\nContact: <sip:peer@192.0.2.1>\r\n",
    "Supported: 100rel, timer\r\nSession-Expires: 180\r\nContact: <sip:peer@192.0.2.1>\r\n",
    "Require: 100rel\r\n",
    "Require: 100rel\r\nContact: <sip:peer@192.0.2.1>\r\n",
    "Require: nothing\r\n",
    "Require: timer\r\nSession-Expires: 90;refresher=uac\r\nContact: <sip:peer@192.0.2.1>\r\n",
    "Supported: timer\r\nSession-Expires: 20;refresher=uas\r\n",
    "Min-SE: 3600\r\n",
    "Contact: <sips:peer@192.0.2.1>\r\nRecord-Route: <sip:p1;lr>, <sip:p2>\r\n",
    "Contact: *\r\n",
    "Route: <sip:192.0.2.9;lr>\r\n",
    "Expires: 1\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Type: text/x\r\nContent-Disposition: x;handling=optional\r\n",
    "Content-Encoding: gzip\r\n",
    "Retry-After: 1\r\n",
    "RSeq: 2\r\nRequire: 100rel\r\n",
    "RAck: 1 1 INVITE\r\n",
    "Max-Forwards: 0\r\n",
    "Replaces: 1;to-tag=a;from-tag=b\r\n",
    "Contact: <sip:a@b\r\n",
    "Record-Route: <sip:p1;lr\r\n",
    "Contact: <tel:+1>, <sip:b>\r\n",
)


class Script:
    """Read choices from bytes, from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._position >= len(self._data)

    def number(self, below: int) -> int:
        """Take one byte as a number from 0; 0 when nothing is left."""
        if self.is_over:
            return 0
        self._position += 1
        return self._data[self._position - 1] % below

    def choose(self, of: Sequence[T]) -> T:
        """Take one of several."""
        return of[self.number(len(of))]

    def latest(self, of: Sequence[T]) -> T:
        """Take one of several, counted from the last: what happened just now is what mostly matters."""
        return of[-1 - self.number(len(of))]

    def flag(self) -> bool:
        """Take a yes or no; most are no."""
        return self.number(8) == 7

    def raw(self) -> bytes:
        """Take up to 4,095 bytes as they are; two bytes before them say how many."""
        size = self.number(16) * 256 + self.number(256)
        self._position += size
        return self._data[self._position - size : self._position]


def _typed(script: Script, body: bytes) -> str:
    return "Content-Type: application/sdp\r\n" if body and not script.flag() else ""


def peer_request(script: Script, *, tags: Sequence[str], racks: Sequence[str] = ()) -> bytes:
    """Write a request of a peer whose parts are chosen from a few.

    :param tags: tags of ours that may stand in To.
    :param racks: RAck fields that acknowledge what we sent.
    """
    method = script.choose(METHODS)
    branch = script.choose(("z9hG4bKa", "z9hG4bKb", "z9hG4bKA", "old", ""))
    to_tag = script.choose(("", "", *tags))
    body = script.choose((b"", b"", SDP))
    uri = script.choose(("sip:us@192.0.2.9", "sips:us@192.0.2.9", "tel:+1", "http://x", "sip:b@h;method=BYE"))
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{script.choose(('UDP', 'TCP', 'TLS'))} {script.choose(('192.0.2.1:5060', 'h', '[2001:db8::1]'))}"
        + (f";branch={branch}" if branch else "")
        + script.choose(("", ";rport", ";rport=9", ";received=192.0.2.66", ";maddr=192.0.2.66;ttl=1")),
        f"From: <sip:them@192.0.2.1>{script.choose((';tag=theirs', ';tag=others', ''))}",
        f"To: <sip:us@192.0.2.9>{f';tag={to_tag}' if to_tag else ''}",
        f"Call-ID: {script.choose(('1', '2'))}",
        f"CSeq: {script.choose((1, 2, 3, 2**31 - 1))} {script.choose(('', '', '', 'x'))}{method}",
    ]
    extra = script.choose((*EXTRA, *racks)) + (script.choose(EXTRA) if script.flag() else "") + _typed(script, body)
    head = "\r\n".join([*lines, ""]) + extra + f"Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def peer_response(script: Script, request: Request) -> bytes:
    """Write a response to a request of ours, or nearly one."""
    code = script.choose(CODES)
    response: Response = request.create_response(code, to_tag=script.choose(("one", "two", "three")))
    data = response.serialise()
    extra = script.choose(EXTRA) + (script.choose(EXTRA) if script.flag() else "")
    body = script.choose((b"", b"", SDP))
    extra += _typed(script, body)
    if script.flag():
        data = data.replace(b"CSeq: ", b"CSeq: 1", 1)
    if script.flag():
        data = data.replace(b";branch=z9hG4bK", b";branch=z9hG4bKx", 1)
    if script.flag():
        data = data.replace(b"Call-ID: ", b"Call-ID: x", 1)
    data = data.replace(b"Content-Length: 0\r\n", b"Content-Length: %d\r\n" % len(body))
    return data.removesuffix(b"\r\n") + extra.encode() + b"\r\n" + body


def sent(data: bytes) -> Request | Response:
    """Read what a layer sends: it must be a message, whatever came in."""
    try:
        message = parse_message(data)
    except MalformedMessage as error:
        # A refusal gives back the To or CSeq that could not be read, as it came.
        assert isinstance(error.partial, Response), error
        assert error.partial.code >= 400, error
        return error.partial
    assert message.serialise() == data, "what is sent is not written as it is read"
    return message


def as_raw(data: bytes) -> bytes:
    """Write bytes as `Script.raw` reads them."""
    data = data[:4_095]
    return bytes([len(data) // 256, len(data) % 256]) + data


def _written(operation: int, pieces: Iterator[bytes]) -> bytes:
    return b"".join(bytes([operation, 0]) + as_raw(piece) for piece in pieces)


@st.composite
def _scripts(draw: st.DrawFn) -> bytes:
    """Draw a script: choices, with whole calls and hostile messages as raw datagrams between them."""
    parts = st.one_of(
        st.binary(max_size=60),
        calls().map(lambda passages: _written(0, (one.data for one in passages if one.is_from_caller))),
        mutated(messages()).map(lambda data: _written(0, iter([data]))),
    )
    return b"".join(draw(st.lists(parts, min_size=1, max_size=5)))


SCRIPTS = _scripts()
