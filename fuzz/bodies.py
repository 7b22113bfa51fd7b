"""Only MalformedMessage escapes; parts that were read, joined anew, are the same parts; a session is one of them.

Targets `sipstack.message.Multipart` and `session_body` (:rfc:`2046#section-5.1`, :rfc:`5621`). An input is a
Content-Type and a body, with a line feed between them.
"""

from __future__ import annotations

from hypothesis import strategies as st

from sipstack.message import BodyPart, MalformedMessage, Multipart, Request, session_body
from sipstack.testing.strategies import header_values, messages, mutated, session_descriptions

__all__ = ["DRAWS", "check"]

_MOST_BYTES = 66_000


@st.composite
def _multiparts(draw: st.DrawFn, depth: int = 2) -> tuple[bytes, bytes]:
    """Draw a Content-Type and a body of parts, some of them multipart themselves."""
    boundary = draw(st.sampled_from([b"b", b"bb", b"b b", b"=_b", b"x" * 70]))
    subtype = draw(st.sampled_from([b"mixed", b"alternative", b"related", b"digest", b"MIXED"]))
    encodings = st.sampled_from([b"", b"", b"Content-Transfer-Encoding: base64\r\n", b"Content-Encoding: gzip\r\n"])
    purposes = st.sampled_from([b"", b"", b"Content-Disposition: render\r\n", b"content-id: <a@b>\r\n"])
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        if depth and draw(st.booleans()):
            kind, body = draw(_multiparts(depth - 1))
        else:
            kind = draw(st.just(b"application/sdp") | header_values("Content-Type").map(str.encode))
            body = draw(st.one_of(session_descriptions(), messages(), st.binary(max_size=20)))
        types = st.sampled_from([b"Content-Type: " + kind + b"\r\n", b"c:" + kind + b"\r\n", b""])
        fields = draw(types) + draw(encodings) + draw(purposes)
        parts.append(b"--" + boundary + b"\r\n" + fields + b"\r\n" + body + b"\r\n")
    before, after = draw(st.sampled_from([(b"", b""), (b"preamble\r\n", b"\r\nepilogue")]))
    end = draw(st.sampled_from([b"--" + boundary + b"--", b"--" + boundary + b"--", b""]))
    return b'multipart/%b;boundary="%b"' % (subtype, boundary), before + b"".join(parts) + end + after


_input = _multiparts().map(lambda pair: pair[0] + b"\n" + pair[1])
DRAWS = _input | mutated(
    _input, only=("append", "delete", "duplicate", "flip", "fold", "huge", "insert", "nest", "truncate")
)


def check(data: bytes) -> None:
    kind, _, body = data.partition(b"\n")
    if not body or b"\r" in kind or b"\0" in kind or len(data) > _MOST_BYTES:
        return
    message = Request("MESSAGE", "sip:a@b", body, [("Content-Type", kind.decode("utf-8", "surrogateescape"))])
    session: bytes | None = None
    is_refused = False
    try:
        session = session_body(message)
    except MalformedMessage:
        is_refused = True
    try:
        multipart = Multipart.of(message)
    except MalformedMessage:
        assert is_refused, "a session was sought in parts that cannot be told apart"
        return
    if multipart is None:
        return
    parts = list(_leaves(multipart))
    if session is not None:
        assert any(part.content == session for part in parts), "a session that is in no part"
    joined = Multipart.join(multipart.parts, multipart.subtype)
    again = Multipart.of(Request("MESSAGE", "sip:a@b", bytes(joined), [("Content-Type", str(joined.content_type))]))
    assert again is not None
    # Not compared when parts are empty: a part without fields and body is written as an empty line.
    assert [_said(part) for part in _leaves(again)] == [_said(part) for part in parts], "joined anew, parts differ"


def _leaves(multipart: Multipart) -> list[BodyPart]:
    found: list[BodyPart] = []
    for part in multipart.parts:
        found += [part] if part.multipart is None else _leaves(part.multipart)
    return found


def _said(part: BodyPart) -> tuple[object, ...]:
    return part.headers.items(), part.body
