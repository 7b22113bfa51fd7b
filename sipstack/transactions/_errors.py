"""What a request meets instead of a response (:rfc:`3261#section-8.1.3.1`)."""

from __future__ import annotations

from sipstack.message import SipError

__all__ = ["TransactionTimeout", "TransportError"]


class TransactionTimeout(SipError):  # noqa: N818  (the name is the design's)
    """No response came in time; to be treated as a 408."""


class TransportError(SipError):
    """A message could not be sent, or its connection was lost; to be treated as a 503."""
