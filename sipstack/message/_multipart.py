"""Bodies of several parts (:rfc:`2046#section-5.1`, as :rfc:`5621#section-4` has them in SIP).

A peer chooses boundary, number and depth of the parts; each byte is looked at once for each level it lies in.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable
from typing import Self

import attrs

from ._errors import LocalProtocolError, MalformedMessage
from ._headers import Field, Headers, key_of
from ._media_type import MediaType
from ._message import Message
from ._parameters import Parameters
from ._typed import TypedHeaders

__all__ = ["BodyPart", "Multipart", "is_encoded"]

_PARTS_MAX = 1_024  # of all levels together; a notification of a resource list (RFC 4662) may hold hundreds
_DEPTH_MAX = 8  # RFC 5621 4.3: nesting has few uses, and three levels serve them all
_FIELDS_MAX = 64  # header fields of one part; MIME defines seven
_BOUNDARY_PATTERN = re.compile(r"[\x20-\x7e]{0,69}[\x21-\x7e]")  # RFC 2046 5.1.1; all of printable ASCII is seen
_CONTENT_ID_PATTERN = re.compile(r"<([^\x00-\x20<>\x7f]++)>")
_IDENTITY_ENCODINGS = ("7bit", "8bit", "binary")
_TRANSFER_ENCODINGS = (*_IDENTITY_ENCODINGS, "quoted-printable", "base64")  # RFC 2045, section 6.1


class BodyPart(TypedHeaders):
    """Hold one part of a body: header fields, of which only those of content mean anything, and bytes.

    :param headers: names and values of fields to start with.
    :ivar body: the bytes as they came, still in their transfer encoding.
    :ivar multipart: the parts of this part, None where it is a whole.
    """

    def __init__(self, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> None:
        self.headers = Headers()
        self.body = body
        self.multipart: Multipart | None = None
        self._default_type = "text/plain"
        for name, value in headers:
            self.headers.add(name, value)

    @property
    def mime_type(self) -> str:
        """The type and subtype in lower case; where none is given, the one assumed (:rfc:`2046#section-5.1`).

        :raises MalformedMessage: the Content-Type cannot be read.
        """
        media_type = self.content_type
        return self._default_type if media_type is None else media_type.mime_type.lower()

    @property
    def content_id(self) -> str | None:
        """What a ``cid:`` URL calls this part by, without the angle brackets (:rfc:`5621#section-9.1`).

        :raises MalformedMessage: the Content-ID cannot be read.
        """
        value = self.headers.get("Content-ID")
        if value is None:
            return None
        match = _CONTENT_ID_PATTERN.fullmatch(value)
        if match is None:
            raise MalformedMessage(f"Content-ID: it must be an identifier in angle brackets: {value[:60]!a}")
        return match[1]

    @property
    def _transfer_encoding(self) -> str:
        return (self.headers.get("Content-Transfer-Encoding") or "binary").lower()

    @property
    def is_decodable(self) -> bool:
        """Whether the transfer encoding is one that :attr:`content` can take off."""
        return self._transfer_encoding in _TRANSFER_ENCODINGS

    @property
    def content(self) -> bytes:
        """The bytes out of their transfer encoding; SIP needs none, but allows it (:rfc:`5621#section-3.2`).

        :raises MalformedMessage: the encoding is not known, or the bytes are not in it.
        """
        encoding = self._transfer_encoding
        if encoding in _IDENTITY_ENCODINGS:
            return self.body
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        if encoding != "base64":
            raise MalformedMessage(f"Content-Transfer-Encoding: {encoding[:60]!a} is not known", 415)
        try:
            return binascii.a2b_base64(self.body)
        except binascii.Error as error:
            raise MalformedMessage(f"a body part is not base64: {error}") from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BodyPart):
            return NotImplemented
        return self.headers == other.headers and self.body == other.body

    __hash__ = None  # type: ignore[assignment]  # mutable: equal today, different tomorrow

    def __bytes__(self) -> bytes:
        return str(self.headers).encode("utf-8", "surrogateescape") + self.body

    def __repr__(self) -> str:
        return f"<BodyPart {self.headers.get('Content-Type', self._default_type)} of {len(self.body)} bytes>"


@attrs.frozen
class Multipart:
    """Hold the parts of a body, and the Content-Type that says where each begins.

    To send one, set a message's ``content_type`` and ``body`` to :attr:`content_type` and the bytes of this.
    """

    content_type: MediaType
    parts: tuple[BodyPart, ...]

    @classmethod
    def join(cls, parts: Iterable[BodyPart], subtype: str = "mixed", **parameters: str) -> Self:
        """Make a body of parts, under a boundary that none of them holds.

        :param parameters: further ones of the Content-Type, such as the ``type`` of a multipart/related.
        :raises LocalProtocolError: there are no parts.
        """
        parts = tuple(parts)
        if not parts:
            raise LocalProtocolError("a multipart body has at least one part; give one")
        # The core has no chance to draw from, and needs none: no text is found that holds its own digest.
        boundary = hashlib.sha256(b"\r\n".join(map(bytes, parts))).hexdigest()[:32]
        return cls(MediaType(f"multipart/{subtype}", Parameters(parameters, boundary=boundary)), parts)

    @classmethod
    def of(cls, message: Message) -> Self | None:
        """Read the parts of a message's body; None where its type is not ``multipart``, or it is empty.

        A body in a Content-Encoding is not looked into. What stands before the first boundary and after the last is
        dropped, and a last boundary that is missing is forgiven.

        :raises MalformedMessage: a boundary or header field is missing or wrong, at whatever depth, or there are more
            than 1,024 parts or 8 levels.
        """
        return cls._of(message, _DEPTH_MAX, [_PARTS_MAX]) if message.body else None

    @classmethod
    def _of(cls, entity: Message | BodyPart, depth: int, left: list[int]) -> Self | None:
        text = entity.headers.get("Content-Type")
        if text is None or "multipart" not in text.lower():  # nearly always, and quicker than reading it
            return None
        media_type = entity.content_type
        if media_type is None or not media_type.mime_type.lower().startswith("multipart/") or is_encoded(entity):
            return None
        if not depth:
            raise MalformedMessage(f"the body is nested more than {_DEPTH_MAX} levels deep", 400)
        default_type = "message/rfc822" if media_type.mime_type.lower() == "multipart/digest" else "text/plain"
        parts = []
        for start, end in _sections_untrusted(entity.body, _boundary_untrusted(media_type)):
            if not left[0]:
                raise MalformedMessage(f"the body has more than {_PARTS_MAX} parts", 400)
            left[0] -= 1
            part = _part_untrusted(entity.body, start, end)
            part._default_type = default_type
            if not is_encoded(part):
                _ = part.content  # what cannot be decoded is refused now, not when it is asked for
            part.multipart = cls._of(part, depth - 1, left)
            parts.append(part)
        if not parts:
            raise MalformedMessage("the multipart body has no part", 400)
        return cls(media_type, tuple(parts))

    @property
    def subtype(self) -> str:
        """What comes after ``multipart/``, in lower case."""
        return self.content_type.mime_type.partition("/")[2].lower()

    def __bytes__(self) -> bytes:
        boundary = (self.content_type.parameters["boundary"] or "").encode("ascii")
        lines = [b"--%b\r\n%b\r\n" % (boundary, bytes(part)) for part in self.parts]
        return b"".join([*lines, b"--%b--\r\n" % boundary])


def is_encoded(entity: Message | BodyPart) -> bool:
    """Tell whether a body is in a Content-Encoding, or in a transfer encoding that we cannot take off."""
    if isinstance(entity, BodyPart) and not entity.is_decodable:
        return True
    return "Content-Encoding" in entity.headers and any(name.lower() != "identity" for name in entity.content_encoding)


def _boundary_untrusted(media_type: MediaType) -> bytes:
    boundary = media_type.parameters.get("boundary")
    if boundary is None:
        raise MalformedMessage("Content-Type: a multipart body needs a boundary parameter", 400)
    if _BOUNDARY_PATTERN.fullmatch(boundary) is None:
        raise MalformedMessage(f"Content-Type: the boundary must be 1 to 70 characters: {boundary[:80]!a}", 400)
    return boundary.encode("ascii")


def _sections_untrusted(body: bytes, boundary: bytes) -> Iterable[tuple[int, int]]:
    """Yield where each part begins and ends (:rfc:`2046#section-5.1.1`).

    A line that goes on behind the boundary is text: it may be that of a part within, whose boundary begins alike.
    """
    delimiter = b"--" + boundary
    position = 0 if body.startswith(delimiter) else _next_line(body, delimiter, 0)
    start = -1
    while position >= 0:
        after = position + len(delimiter)
        line_end = body.find(b"\r\n", after)
        if line_end < 0:
            line_end = len(body)
        rest = body[after:line_end].rstrip(b" \t")
        if rest in (b"", b"--"):
            if start >= 0:
                # The line end before a boundary belongs to it; it is not there twice around an empty part.
                yield start, max(start, position - 2)
            if rest:
                return
            start = min(line_end + 2, len(body))
        position = _next_line(body, delimiter, line_end)
    if start >= 0:
        yield start, len(body)


def _next_line(body: bytes, delimiter: bytes, position: int) -> int:
    found = body.find(b"\r\n" + delimiter, position)
    return found if found < 0 else found + 2


def _part_untrusted(body: bytes, start: int, end: int) -> BodyPart:
    """Read one part: header fields, a blank line, and bytes; either may be missing."""
    if body.startswith(b"\r\n", start, end):
        return BodyPart(body[start + 2 : end])
    blank = body.find(b"\r\n\r\n", start, end)
    head = body[start : end if blank < 0 else blank].decode("utf-8", "surrogateescape").removesuffix("\r\n")
    part = BodyPart(b"" if blank < 0 else body[blank + 4 : end])
    if head:
        part.headers.fields = _fields_untrusted(head)
    return part


def _fields_untrusted(head: str) -> list[Field]:
    fields: list[Field] = []
    lines = head.split("\r\n", _FIELDS_MAX)
    if len(lines) > _FIELDS_MAX:
        raise MalformedMessage(f"a body part has more than {_FIELDS_MAX} lines of header fields", 400)
    if "\0" in head or head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1:
        raise MalformedMessage("the header fields of a body part hold a bare CR or LF, or NUL", 400)
    for line in lines:
        if line[:1] in (" ", "\t") and fields:
            key, value, raw = fields[-1]
            fields[-1] = (key, " ".join([value, line.strip(" \t")]).strip(" "), f"{raw}\r\n{line}")
            continue
        name, colon, value = line.partition(":")
        known = key_of(name.rstrip(" \t"))
        if known is None or not colon:
            raise MalformedMessage(f"a body part has what is no header field: {line[:60]!a}", 400)
        fields.append((known, value.strip(" \t"), line))
    return fields
