"""Which body, or which part of one, describes the session (:rfc:`3261#section-20.11`, :rfc:`5621#section-8`)."""

from __future__ import annotations

from ._message import Message
from ._multipart import BodyPart, Multipart, is_encoded

__all__ = ["SDP", "session_body"]

SDP = "application/sdp"
"The media type of a session description (:rfc:`8866#section-8.1`)."


def session_body(message: Message) -> bytes | None:
    """Return the session description that a message carries, or None if it carries none.

    It is the body or the part of type ``application/sdp`` that is for the ``session``, which it is unless it says
    otherwise: the last of several alternatives, else the first. One in a Content-Encoding is not found.

    :raises MalformedMessage: the type or disposition of a body or part cannot be read, or its parts cannot be told
        apart; for a request that must be refused, this is not the same as no description.
    """
    body = message.body
    if not body:
        return None
    headers = message.headers
    if (
        headers.get("Content-Type") == SDP  # as nearly all of them spell it
        and "Content-Disposition" not in headers
        and "Content-Encoding" not in headers
    ):
        return body
    media_type = message.content_type
    if media_type is None:
        return None
    if media_type.mime_type.lower() == SDP:
        return body if _disposition(message, None) in _FOR_SESSION and not is_encoded(message) else None
    multipart = Multipart.of(message)
    return None if multipart is None else _session_part(message, multipart, None)


_FOR_SESSION = (None, "session")


def _disposition(entity: Message | BodyPart, inherited: str | None) -> str | None:
    own = entity.content_disposition
    return inherited if own is None else own.disposition.lower()


def _session_part(entity: Message | BodyPart, multipart: Multipart, inherited: str | None) -> bytes | None:
    parts = multipart.parts
    if multipart.subtype == "alternative":
        # RFC 5621 8.2: alternatives are for the same thing as the whole; 6.1: the last that is understood counts.
        inherited = _disposition(entity, inherited)
        parts = parts[::-1]
    else:
        inherited = None  # RFC 5621 8.2: what a mixed body is for says nothing of its parts
    for part in parts:
        if part.multipart is not None:
            found = _session_part(part, part.multipart, inherited)
            if found is not None:
                return found
        elif part.mime_type == SDP and _disposition(part, inherited) in _FOR_SESSION and not is_encoded(part):
            return part.content
    return None
