"""Which bodies are session descriptions (:rfc:`3261#section-13.2.1`)."""

from __future__ import annotations

from sipstack.message import SDP, MalformedMessage, Request, Response, session_body

__all__ = ["SDP", "sdp_of"]


def sdp_of(message: Request | Response) -> bytes | None:
    """Return the session description that a message carries, None too where its body cannot be read.

    A request with such a body was refused before; a response, or an ACK, cannot be.
    """
    try:
        return session_body(message)
    except MalformedMessage:
        return None
