"""Requests and responses (:rfc:`3261#section-7`), sipmessage's classes with a reader and writer fit for the network.

A message from the wire holds its header fields as text; typed values are made when first asked for and kept until the
field is set. Writing joins the fields as they stand, with the Content-Length the body asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Self

import sipmessage

from ._address import tag_of
from ._errors import LocalProtocolError, MalformedMessage
from ._grammar import check_text, check_token
from ._headers import Field, Headers
from ._phrases import REASON_PHRASES
from ._typed import TypedHeaders, validate_typed
from ._uri import URI
from ._via import Via

__all__ = ["Message", "Request", "Response"]

_WITH_COLON = ": ".join
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_COPIED_INTO_RESPONSE = ("Via", "From", "To", "Call-ID", "CSeq")


class Message(TypedHeaders, sipmessage.Message):
    """What requests and responses have in common: header fields and a body."""

    headers: Headers
    body: bytes

    def _first_line(self) -> str:
        raise AssertionError("a message is a Request or a Response")

    @property
    def call_id(self) -> str:
        """The Call-ID (:rfc:`3261#section-20.8`)."""
        value: str | None = self.headers.typed.get("Call-ID")  # type: ignore[assignment]  # so it was put there
        if value is not None:
            return value
        value = self.headers.get("Call-ID")
        if value is None:
            raise MalformedMessage("Call-ID: the header field is missing")
        return value

    @call_id.setter
    def call_id(self, value: str) -> None:
        self.headers.set("Call-ID", value)

    @property
    def from_tag(self) -> str | None:
        """The tag of From, None where it has none (:rfc:`3261#section-19.3`)."""
        try:
            return self.headers.typed["From.part"]  # type: ignore[return-value]  # under this key stands a tag
        except KeyError:
            return self._tag("From")

    @property
    def to_tag(self) -> str | None:
        """The tag of To, None where it has none: outside of a dialog (:rfc:`3261#section-19.3`)."""
        try:
            return self.headers.typed["To.part"]  # type: ignore[return-value]  # under this key stands a tag
        except KeyError:
            return self._tag("To")

    def _tag(self, name: str) -> str | None:
        value = self.headers.get(name)
        tag = self.headers.typed[name + ".part"] = None if value is None else tag_of(value)
        return tag

    @property
    def top_via(self) -> Via:
        """The first Via value: whom a response goes to next (:rfc:`3261#section-18.2.2`)."""
        typed = self.headers.typed
        try:
            return typed["Via.part"]  # type: ignore[return-value]  # under this key stands a Via
        except KeyError:
            vias = self.via
            if not vias:
                raise MalformedMessage("Via: the header field is missing") from None
            typed["Via.part"] = vias[0]
            return vias[0]

    def replace_top_via(self, via: Via) -> None:
        """Put another value in the place of the first Via value, or on top; the others stay as they came."""
        headers = self.headers
        text = str(via)
        plain = headers._plain
        if plain is not None and "," not in plain.get("Via", ","):
            plain["Via"] = text
            headers.typed.pop("Via", None)
            headers.typed["Via.part"] = via
            return
        for place, (key, value, _) in enumerate(headers.fields):  # most often it is the first
            if key == "Via":
                if "," in value:
                    text = ", ".join([text, *(str(other) for other in Via.parse_many(value)[1:])])
                headers.fields[place] = ("Via", text, f"Via: {text}")
                index = headers._values()
                values = index["Via"]
                index["Via"] = text if isinstance(values, str) else (text, *values[1:])
                break
        else:
            headers.prepend("Via", text)
        headers.typed.pop("Via", None)
        headers.typed["Via.part"] = via

    def copy(self) -> Self:
        """Return a message with fields of its own, equal to this one."""
        new = self.__class__.__new__(self.__class__)
        new.__dict__.update(self.__dict__)
        new.headers = self.headers.copy()
        return new

    def validate(self) -> None:
        """Read every typed header field that is there.

        :raises MalformedMessage: at the first that is wrong.
        """
        validate_typed(self)

    def serialise(self) -> bytes:
        """Return the message as it goes on the wire, with the right Content-Length.

        :raises LocalProtocolError: the method or the reason phrase was set to what cannot be sent.
        """
        body = self.body
        first = self._first_line()
        if not first.isprintable() and any(octet in first for octet in "\r\n\0"):
            raise LocalProtocolError(f"the start line holds CR, LF or NUL: {first!r}; take them out")
        headers = self.headers
        plain = headers._plain
        length = str(len(body))
        if plain is None:
            lines = _with_length(headers.fields, length)
        elif plain.get("Content-Length", "").strip(" \t") == length:
            lines = [*map(_WITH_COLON, plain.items())]
        else:
            lines = [*map(_WITH_COLON, {**plain, "Content-Length": length}.items())]
        head = "\r\n".join([first, *lines, "\r\n"])
        return head.encode("utf-8", "surrogateescape") + body

    __bytes__ = serialise

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        assert isinstance(other, Message)
        return self._first_line() == other._first_line() and self.headers == other.headers and self.body == other.body

    __hash__ = None  # type: ignore[assignment]  # mutable: equal today, different tomorrow

    def __str__(self) -> str:
        return self.serialise().decode("utf-8", "backslashreplace")


def _with_length(fields: list[Field], length: str) -> list[str]:
    """Return the lines of fields with one Content-Length: the first there is, or one below all others."""
    lines: list[str] = []
    found = False
    for key, value, raw in fields:
        if key != "Content-Length":
            lines.append(raw)
        elif not found:
            found = True
            lines.append(raw if value == length else f"Content-Length: {length}")
    if not found:
        lines.append(f"Content-Length: {length}")
    return lines


def _add_fields(headers: Headers, fields: Iterable[tuple[str, str]]) -> None:
    for name, value in fields:
        headers.add(name, value)


class Request(Message, sipmessage.Request):
    """Hold a request (:rfc:`3261#section-7.1`).

    :param method: a token; case counts.
    :param uri: the Request-URI, as a value or as text.
    :param headers: names and values of fields to start with.
    :raises LocalProtocolError: the method is no token, or a field is not fit to be sent.
    """

    def __init__(
        self, method: str, uri: sipmessage.URI | str, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        if _TOKEN.fullmatch(method) is None:
            raise LocalProtocolError(f"{method!r} is not a method: use letters, digits and -.!%*_+`'~ only")
        self.method = method
        self.uri = URI.parse(str(uri)) if not isinstance(uri, URI) else uri
        self.body = body
        self.headers = Headers()
        _add_fields(self.headers, headers)

    uri: URI
    headers: Headers

    @staticmethod
    def _of_wire(method: str, uri: URI, headers: Headers) -> Request:
        """Make a request of parts the parser has checked."""
        request = Request.__new__(Request)
        request.method = method
        request.uri = uri
        request.body = b""
        request.headers = headers
        return request

    def _first_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    def create_response(self, code: int, phrase: str | None = None, *, to_tag: str | None = None) -> Response:
        """Make a response with the fields every response copies (:rfc:`3261#section-8.2.6.2`).

        :param to_tag: our tag, put on To unless it has one already, or the code is 100.
        :raises LocalProtocolError: the tag is no token, or the phrase is not fit to be sent.
        """
        headers = self.headers.picked(_COPIED_INTO_RESPONSE)
        if code == 100:
            # 8.2.6.1: a Timestamp is carried back in the 100, so that the client can measure the way.
            headers.copy_from(self.headers, "Timestamp")
        elif to_tag is not None and self.to_tag is None and (value := headers.get("To")) is not None:
            check_token("a tag", to_tag)
            if "tag" in value.lower() and "tag" in (to := self.to_address).parameters:
                # A tag without a value is none, but the name must not stand there twice (7.3.1).
                headers.set("To", str(to.replace(parameters=to.parameters.replace(tag=to_tag))))
            else:
                headers.extend_value("To", f";tag={to_tag}")
        return Response._of_wire(code, _checked_phrase(code, phrase), headers)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"


def _checked_phrase(code: int, phrase: str | None) -> str:
    """Check the status code of a response of ours, and return its reason phrase."""
    if not 100 <= code <= 699:
        raise LocalProtocolError(f"{code} is not a status code: use 100 to 699")
    return REASON_PHRASES.get(code, "") if phrase is None else check_text("the reason phrase", phrase)


class Response(Message, sipmessage.Response):
    """Hold a response (:rfc:`3261#section-7.2`).

    :param code: 100 to 699.
    :param phrase: by default the standard phrase of the code.
    :param headers: names and values of fields to start with.
    :raises LocalProtocolError: the code is out of range, or the phrase or a field is not fit to be sent.
    """

    def __init__(
        self, code: int, phrase: str | None = None, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        self.code = code
        self.phrase = _checked_phrase(code, phrase)
        self.body = body
        self.headers = Headers()
        if headers:
            _add_fields(self.headers, headers)

    headers: Headers

    @staticmethod
    def _of_wire(code: int, phrase: str, headers: Headers) -> Response:
        """Make a response of parts the parser has checked."""
        response = Response.__new__(Response)
        response.code = code
        response.phrase = phrase
        response.body = b""
        response.headers = headers
        return response

    def _first_line(self) -> str:
        return f"SIP/2.0 {self.code} {self.phrase}"

    @property
    def is_provisional(self) -> bool:
        """Whether more responses follow: 1xx."""
        return self.code < 200

    @property
    def is_final(self) -> bool:
        """Whether this ends the transaction: 2xx to 6xx."""
        return self.code >= 200

    @property
    def is_success(self) -> bool:
        """Whether the request was accepted: 2xx."""
        return 200 <= self.code < 300

    def __repr__(self) -> str:
        return f"<Response {self.code} {self.phrase}>"
