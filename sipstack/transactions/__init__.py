"""The four transaction machines and the layer that drives them (:rfc:`3261#section-17`, :rfc:`6026`, :rfc:`4320`)."""

from ._client import ClientTransaction
from ._effects import FailureKind
from ._errors import TransactionTimeout, TransportError
from ._flow import Flow
from ._layer import TransactionLayer
from ._outputs import (
    AckReceived,
    CancelReceived,
    Dropped,
    Output,
    RequestReceived,
    ResponseReceived,
    Send,
    TransactionEnded,
    TransactionFailed,
)
from ._server import ServerTransaction
from ._state import State

__all__ = [
    "AckReceived",
    "CancelReceived",
    "ClientTransaction",
    "Dropped",
    "FailureKind",
    "Flow",
    "Output",
    "RequestReceived",
    "ResponseReceived",
    "Send",
    "ServerTransaction",
    "State",
    "TransactionEnded",
    "TransactionFailed",
    "TransactionLayer",
    "TransactionTimeout",
    "TransportError",
]
