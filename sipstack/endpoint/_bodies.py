"""Which bodies are session descriptions (:rfc:`3261#section-13.2.1`)."""

from __future__ import annotations

from sipstack.message import MalformedMessage, Request, Response

__all__ = ["SDP", "sdp_of"]

SDP = "application/sdp"


def sdp_of(message: Request | Response) -> bytes | None:
    """Return the session description that a message carries, if it does."""
    if not message.body:
        return None
    try:
        media_type = message.content_type
    except MalformedMessage:
        return None
    return message.body if media_type is not None and media_type.mime_type.lower() == SDP else None
