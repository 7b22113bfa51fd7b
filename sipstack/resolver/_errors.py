"""What resolving raises."""

from __future__ import annotations

from sipstack.message import SipError

__all__ = ["ResolveError"]


class ResolveError(SipError):
    """No address can be found, or none that we could send to; the message says why."""
