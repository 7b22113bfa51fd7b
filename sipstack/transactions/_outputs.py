"""What comes out of the transaction layer: a closed union of values, in the order in which they happened.

Nobody changes one; they are not frozen, since that makes them several times as dear, and each message makes some.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from sipstack.message import Request, Response

from ._client import ClientTransaction
from ._effects import FailureKind
from ._flow import Flow
from ._server import ServerTransaction

__all__ = [
    "AckReceived",
    "CancelReceived",
    "Dropped",
    "Output",
    "RequestReceived",
    "ResponseReceived",
    "Send",
    "TransactionEnded",
    "TransactionFailed",
]


@attrs.define
class Send:
    """Send bytes that way; tell the layer with ``transport_failed`` when it cannot be done."""

    data: bytes
    flow: Flow
    transaction: ClientTransaction | ServerTransaction | None
    "Whose bytes they are; None for stateless replies and the ACK to a 2xx."
    message: Request | Response | None = None


@attrs.define
class RequestReceived:
    """A new request came; answer it with ``respond``."""

    transaction: ServerTransaction
    request: Request


@attrs.define
class AckReceived:
    """An ACK came that belongs to no transaction's non-2xx response: the ACK to a 2xx, or a stray one."""

    request: Request
    flow: Flow


@attrs.define
class CancelReceived:
    """A CANCEL came for an INVITE we know; answer it with 200, and the INVITE with 487 if it is Proceeding."""

    transaction: ServerTransaction
    request: Request
    invite: ServerTransaction


@attrs.define
class ResponseReceived:
    """A response to a request of ours came; retransmissions are absorbed, except those of a 2xx to INVITE."""

    transaction: ClientTransaction
    response: Response


@attrs.define
class TransactionFailed:
    """A transaction failed: of a client, no response will come; of a server, the peer may not have the response."""

    transaction: ClientTransaction | ServerTransaction
    kind: FailureKind
    detail: str


@attrs.define
class TransactionEnded:
    """The layer has forgotten a transaction."""

    transaction: ClientTransaction | ServerTransaction


@attrs.define
class Dropped:
    """Something that came was not used."""

    reason: str
    "One of a few words, fit to count by."
    flow: Flow
    data: bytes
    "As it came; empty when it came as a message."
    detail: str = ""
    "What was malformed, in the parser's words: partly the peer's own."


Output: TypeAlias = (
    Send
    | RequestReceived
    | AckReceived
    | CancelReceived
    | ResponseReceived
    | TransactionFailed
    | TransactionEnded
    | Dropped
)
