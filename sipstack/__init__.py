"""sipstack: a complete SIP stack for Python on Trio."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from . import outbound, sdp, trace
from .auth import Credentials
from .dialogs import DialogSnapshot, SessionTimerPolicy, SnapshotError
from .endpoint import (
    AckReceived,
    Answered,
    ByeReceived,
    Call,
    CallEnded,
    CallFailed,
    CallLost,
    CancelReceived,
    Dtmf,
    EarlyDialogEnded,
    Endpoint,
    Event,
    Failed,
    FollowRedirects,
    Fork,
    IncomingCall,
    InfoReceived,
    InviteReceived,
    KeepAll,
    KeepFirst,
    Leg,
    MessageReceived,
    NotifyReceived,
    OptionsReceived,
    PrackReceived,
    Progress,
    Registered,
    RegisterReceived,
    Registration,
    RegistrationFailed,
    RegistrationLost,
    ReinviteReceived,
    RequestFailed,
    RequestReceived,
    Retried,
    Ringing,
    SessionRefreshed,
    Trying,
    UpdateReceived,
    open_endpoint,
)
from .message import (
    URI,
    Address,
    Limits,
    LocalProtocolError,
    MalformedMessage,
    ProtocolError,
    RemoteProtocolError,
    Request,
    Response,
    SipError,
    parse_message,
)
from .resolver import ResolveError
from .timers import TimerValues
from .transactions import TransactionTimeout, TransportError
from .transport import TLSConfig

if TYPE_CHECKING:
    from . import testing

__all__ = [
    "URI",
    "AckReceived",
    "Address",
    "Answered",
    "ByeReceived",
    "Call",
    "CallEnded",
    "CallFailed",
    "CallLost",
    "CancelReceived",
    "Credentials",
    "DialogSnapshot",
    "Dtmf",
    "EarlyDialogEnded",
    "Endpoint",
    "Event",
    "Failed",
    "FollowRedirects",
    "Fork",
    "IncomingCall",
    "InfoReceived",
    "InviteReceived",
    "KeepAll",
    "KeepFirst",
    "Leg",
    "Limits",
    "LocalProtocolError",
    "MalformedMessage",
    "MessageReceived",
    "NotifyReceived",
    "OptionsReceived",
    "PrackReceived",
    "Progress",
    "ProtocolError",
    "RegisterReceived",
    "Registered",
    "Registration",
    "RegistrationFailed",
    "RegistrationLost",
    "ReinviteReceived",
    "RemoteProtocolError",
    "Request",
    "RequestFailed",
    "RequestReceived",
    "ResolveError",
    "Response",
    "Retried",
    "Ringing",
    "SessionRefreshed",
    "SessionTimerPolicy",
    "SipError",
    "SnapshotError",
    "TLSConfig",
    "TimerValues",
    "TransactionTimeout",
    "TransportError",
    "Trying",
    "UpdateReceived",
    "open_endpoint",
    "outbound",
    "parse_message",
    "sdp",
    "testing",
    "trace",
]


def __getattr__(name: str) -> ModuleType:
    # What only tests need costs a program that only calls nothing at its start.
    if name == "testing":
        return importlib.import_module("sipstack.testing")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
