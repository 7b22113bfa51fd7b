"""The sans-IO user agent core: dialogs, and the INVITE usages in them (:rfc:`3261#section-12` to 15)."""

from ._capabilities import Capabilities
from ._client_invite import ClientInvite, ClientInviteState
from ._dialog import Dialog, DialogId, DialogState, apply_route_set
from ._invite_usage import EndCause, InviteUsage, UsageState
from ._layer import DialogLayer
from ._outgoing import Outgoing
from ._outputs import (
    AckReceived,
    DialogRequest,
    FailureKind,
    InviteAnswered,
    InviteCancelled,
    InviteFailed,
    InviteFailureKind,
    InviteOver,
    InviteProgress,
    InviteReceived,
    OutOfDialogRequest,
    Output,
    RequestFailed,
    ResponseReceived,
    Route,
    UsageEnded,
)
from ._server_invite import ServerInvite, ServerInviteState

__all__ = [
    "AckReceived",
    "Capabilities",
    "ClientInvite",
    "ClientInviteState",
    "Dialog",
    "DialogId",
    "DialogLayer",
    "DialogRequest",
    "DialogState",
    "EndCause",
    "FailureKind",
    "InviteAnswered",
    "InviteCancelled",
    "InviteFailed",
    "InviteFailureKind",
    "InviteOver",
    "InviteProgress",
    "InviteReceived",
    "InviteUsage",
    "OutOfDialogRequest",
    "Outgoing",
    "Output",
    "RequestFailed",
    "ResponseReceived",
    "Route",
    "ServerInvite",
    "ServerInviteState",
    "UsageEnded",
    "UsageState",
    "apply_route_set",
]
