"""The sans-IO user agent core: dialogs, and the INVITE usages in them (:rfc:`3261#section-12` to 15)."""

from ._capabilities import Capabilities
from ._client_invite import ClientInvite, ClientInviteState
from ._contact import contact_of
from ._dialog import Dialog, DialogId, DialogState, apply_route_set
from ._invite_usage import EndCause, InviteUsage, UsageState
from ._layer import DialogLayer
from ._offer_answer import OfferAnswer, OfferAnswerState
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
    PrackReceived,
    RequestFailed,
    ResponseReceived,
    Route,
    SessionRefreshed,
    TargetFailed,
    UsageEnded,
)
from ._retry import retry_request
from ._server_invite import ServerInvite, ServerInviteState
from ._session_timer import SessionTimer, SessionTimerPolicy, SessionTimerState
from ._snapshot import DialogSnapshot, SnapshotError

__all__ = [
    "AckReceived",
    "Capabilities",
    "ClientInvite",
    "ClientInviteState",
    "Dialog",
    "DialogId",
    "DialogLayer",
    "DialogRequest",
    "DialogSnapshot",
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
    "OfferAnswer",
    "OfferAnswerState",
    "OutOfDialogRequest",
    "Outgoing",
    "Output",
    "PrackReceived",
    "RequestFailed",
    "ResponseReceived",
    "Route",
    "ServerInvite",
    "ServerInviteState",
    "SessionRefreshed",
    "SessionTimer",
    "SessionTimerPolicy",
    "SessionTimerState",
    "SnapshotError",
    "TargetFailed",
    "UsageEnded",
    "UsageState",
    "apply_route_set",
    "contact_of",
    "retry_request",
]
