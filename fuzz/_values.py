"""Reading header values as they come from the wire, and writing them anew from what was understood."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import attrs

from sipstack.message import (
    URI,
    Address,
    AuthChallenge,
    AuthCredentials,
    AuthParameters,
    CSeq,
    LocalProtocolError,
    MediaType,
    Message,
    Parameters,
    Via,
    parse_message,
)

__all__ = ["ATTRIBUTES", "message_with", "rebuilt", "texts_of", "values_of"]

_ODD = {
    "Authorization": "authorization_all",
    "From": "from_address",
    "Proxy-Authenticate": "proxy_authenticate_all",
    "Proxy-Authorization": "proxy_authorization_all",
    "To": "to_address",
    "WWW-Authenticate": "www_authenticate_all",
}


class _Attributes(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return _ODD.get(name) or name.lower().replace("-", "_")


ATTRIBUTES: dict[str, str] = _Attributes()
"The attribute of a message that holds a header field, by the standard name of the field."

_FIELDS = {
    "Via": b"SIP/2.0/UDP h;branch=z9hG4bK",
    "From": b"<sip:a@b>;tag=1",
    "To": b"<sip:a@b>",
    "Call-ID": b"1",
    "CSeq": b"1 INVITE",
}


def message_with(name: str, value: bytes) -> bytes:
    """Write a request that has a header field with that value, and otherwise only what it must have."""
    fields = {**_FIELDS, name: value}
    lines = [b"INVITE sip:a@b SIP/2.0", *(key.encode() + b": " + text for key, text in fields.items())]
    if name == "CSeq":
        method = value.replace(b"\t", b" ").split(b" ")[-1]
        lines[0] = method + b" sip:a@b SIP/2.0"
    # A length that is one has a body of it behind it.
    has_body = name == "Content-Length" and value.isdigit() and len(value) < 20
    return b"\r\n".join([*lines, b"", b""]) + b"x" * (min(int(value), 60_000) if has_body else 0)


def values_of(message: Message, name: str) -> list[object]:
    """Read a header field through its typed attribute, as a list whatever it is."""
    value = getattr(message, ATTRIBUTES[name])
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def texts_of(values: list[object], name: str) -> list[str]:
    """Write typed values as the texts of header fields."""
    scratch = parse_message(message_with("X-None", b""))
    whole = getattr(type(scratch), ATTRIBUTES[name])
    is_list = isinstance(getattr(scratch, ATTRIBUTES[name]), list) or name == "Accept"
    whole.__set__(scratch, values if is_list else values[0])
    return scratch.headers.getlist(name)


@singledispatch
def rebuilt(value: object) -> object:
    """Make a value again from its fields, so that nothing of the text it came as is left.

    :raises LocalProtocolError: it holds what may come in and must not go out: an escaped NUL, half a character.
    """
    kind: Any = type(value)
    if not attrs.has(kind):
        return value
    return kind(**{field.name: rebuilt(getattr(value, field.name)) for field in attrs.fields(kind) if field.init})


@rebuilt.register
def _(value: Parameters) -> Parameters:
    return Parameters(dict(value.items()))


@rebuilt.register
def _(value: AuthParameters) -> AuthParameters:
    return AuthParameters(dict(value.items()))


@rebuilt.register
def _(value: URI) -> URI:
    return URI(
        value.scheme,
        value.host,
        value.user,
        value.password,
        value.port,
        Parameters(dict(value.parameters.items())),
        value.headers,
        value.opaque,
    )


@rebuilt.register
def _(value: Address) -> Address:
    uri, parameters = rebuilt(value.uri), rebuilt(value.parameters)
    assert isinstance(uri, URI)
    assert isinstance(parameters, Parameters)
    return Address(uri, value.name, parameters)


@rebuilt.register
def _(value: Via) -> Via:
    if value.protocol != "SIP/2.0":
        raise LocalProtocolError("a Via of another protocol is never ours to write")
    return Via(value.transport, value.host, value.port, Parameters(dict(value.parameters.items())))


@rebuilt.register
def _(value: CSeq) -> CSeq:
    return CSeq(value.sequence, value.method)


@rebuilt.register
def _(value: MediaType) -> MediaType:
    return MediaType(value.mime_type, Parameters(dict(value.parameters.items())))


@rebuilt.register
def _(value: AuthChallenge) -> AuthChallenge:
    return AuthChallenge(value.scheme, AuthParameters(dict(value.parameters.items())))


@rebuilt.register
def _(value: AuthCredentials) -> AuthCredentials:
    parameters = None if value.parameters is None else AuthParameters(dict(value.parameters.items()))
    return AuthCredentials(value.scheme, parameters, value.token)
