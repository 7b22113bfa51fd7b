"""What users hold: endpoints, calls, registrations, and typed events of all that happens (:rfc:`3261#section-8`)."""

from ._call import Call, IncomingCall
from ._endpoint import Endpoint
from ._errors import CallEnded, CallFailed, RegistrationFailed, RequestFailed
from ._event_queue import EventQueue
from ._events import (
    AckReceived,
    Answered,
    ByeReceived,
    CallLost,
    CancelReceived,
    Event,
    Failed,
    InfoReceived,
    InviteReceived,
    MessageReceived,
    NotifyReceived,
    OptionsReceived,
    Progress,
    Registered,
    RegisterReceived,
    RegistrationLost,
    ReinviteReceived,
    RequestReceived,
    Ringing,
    Trying,
    UpdateReceived,
)
from ._fork import Fork, Leg
from ._open import ACCEPT, METHODS, open_endpoint
from ._registration import Registration

__all__ = [
    "ACCEPT",
    "METHODS",
    "AckReceived",
    "Answered",
    "ByeReceived",
    "Call",
    "CallEnded",
    "CallFailed",
    "CallLost",
    "CancelReceived",
    "Endpoint",
    "Event",
    "EventQueue",
    "Failed",
    "Fork",
    "IncomingCall",
    "InfoReceived",
    "InviteReceived",
    "Leg",
    "MessageReceived",
    "NotifyReceived",
    "OptionsReceived",
    "Progress",
    "RegisterReceived",
    "Registered",
    "Registration",
    "RegistrationFailed",
    "RegistrationLost",
    "ReinviteReceived",
    "RequestFailed",
    "RequestReceived",
    "Ringing",
    "Trying",
    "UpdateReceived",
    "open_endpoint",
]
