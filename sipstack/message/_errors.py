"""Errors every floor shares: who broke the protocol, we or the peer.

A peer's mistake carries a hint of the answer it deserves (:rfc:`3261#section-21.4`), so that whoever catches it can
reply without knowing what went wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._message import Request, Response

__all__ = ["LocalProtocolError", "MalformedMessage", "ProtocolError", "RemoteProtocolError", "SipError"]


_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_PHRASE_LENGTH = 120  # characters: a status line stays one line of a log


class SipError(Exception):
    """Base of every error sipstack raises on purpose."""


class ProtocolError(SipError):
    """Something that SIP does not allow was done."""


class LocalProtocolError(ProtocolError):
    """Our own user asked for what SIP, or the state of things, does not allow; the message says what to do instead."""


class RemoteProtocolError(ProtocolError):
    """A peer did what SIP does not allow."""


class MalformedMessage(RemoteProtocolError, ValueError):
    """Refuse bytes that are not a SIP message.

    :param reason: what was wrong and where, fit for a reason phrase.
    :param status_hint: the status code that answers it, if it is answered at all.
    :param partial: as much of the message as could be read, or None when nothing is fit to answer.
    """

    def __init__(self, reason: str, status_hint: int = 400, partial: Request | Response | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status_hint = status_hint
        self.partial = partial

    @property
    def phrase(self) -> str:
        """The reason as a reason phrase: one line of printable ASCII, whatever bytes of the peer it quotes."""
        return _UNPRINTABLE.sub("?", self.reason)[:_PHRASE_LENGTH]
