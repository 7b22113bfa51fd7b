"""What comes out of the user agent core: a closed union of values, each the news of something that happened.

Nobody changes one; they are not frozen, since that makes them several times as dear, and each message makes some.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

from sipstack.message import Request, Response
from sipstack.transactions import Dropped, Send, ServerTransaction

from ._client_invite import ClientInvite
from ._invite_usage import EndCause, InviteUsage
from ._outgoing import Outgoing
from ._server_invite import ServerInvite

__all__ = [
    "AckReceived",
    "DialogRequest",
    "FailureKind",
    "InviteAnswered",
    "InviteCancelled",
    "InviteFailed",
    "InviteFailureKind",
    "InviteOver",
    "InviteProgress",
    "InviteReceived",
    "OutOfDialogRequest",
    "Output",
    "PrackReceived",
    "RequestFailed",
    "ResponseReceived",
    "Route",
    "SessionRefreshed",
    "TargetFailed",
    "UsageEnded",
]

FailureKind: TypeAlias = Literal["timeout", "transport", "unroutable"]
"A timeout counts as a 408, the others as a 503 (:rfc:`3261#section-8.1.3.1`)."

InviteFailureKind: TypeAlias = Literal["rejected", "cancelled", "timeout", "transport", "unroutable", "malformed"]
"Rejected and malformed come with the response; cancelled may."


@attrs.define
class Route:
    """Ask the driver for the flow of a request; it answers ``routed()`` or ``unroutable()``.

    Where the request has targets already, the flow is to lead to the first of them that can be reached.
    """

    outgoing: Outgoing


@attrs.define
class TargetFailed:
    """Tell the driver that a target did not serve a request (:rfc:`3263#section-4.3`): others come first now.

    A ``Route`` follows where the request has targets left.
    """

    outgoing: Outgoing
    target: Any
    detail: str
    retry_after: float | None
    "Seconds to leave it alone, by its 503: 0 where that says nothing. None where there was no 503."


@attrs.define
class InviteReceived:
    """Tell of an INVITE outside of a dialog; it is answered with ``respond()``."""

    invite: ServerInvite


@attrs.define
class InviteCancelled:
    """Tell that an INVITE was answered 487: for a CANCEL, for a BYE, or because it expired (then without request)."""

    invite: ServerInvite
    request: Request | None


@attrs.define
class OutOfDialogRequest:
    """Tell of any other request outside of a dialog; it is answered with ``respond_request()``."""

    transaction: ServerTransaction
    request: Request


@attrs.define
class DialogRequest:
    """Tell of a request within a dialog, re-INVITE included; it is answered with ``respond_request()``."""

    usage: InviteUsage
    transaction: ServerTransaction
    request: Request


@attrs.define
class AckReceived:
    """Tell of the first ACK to a 2xx of ours."""

    usage: InviteUsage
    request: Request


@attrs.define
class InviteProgress:
    """Tell of a provisional response; the usage is its early leg, None when it makes none (100, or no To tag).

    :ivar is_reliable: whether it was sent reliably; its PRACK is on its way, or is the user's to send.
    """

    invite: ClientInvite
    usage: InviteUsage | None
    response: Response
    is_reliable: bool = False


@attrs.define
class PrackReceived:
    """Tell of the PRACK that acknowledges a provisional response of ours; a ``DialogRequest`` follows if it offers."""

    invite: ServerInvite
    rseq: int
    request: Request


@attrs.define
class SessionRefreshed:
    """Tell that the session or its target was refreshed by no doing of the user's.

    By a request of the peer's without an offer, that the layer itself has answered; or by a re-INVITE of the layer's
    own, that the peer has answered with another description.
    """

    usage: InviteUsage
    request: Request


@attrs.define
class InviteAnswered:
    """Tell of the first 2xx of a leg; there may be more legs (:rfc:`3261#section-13.2.2.4`)."""

    invite: ClientInvite
    usage: InviteUsage
    response: Response


@attrs.define
class InviteFailed:
    """Tell that an attempt came to nothing; its early legs have ended."""

    invite: ClientInvite
    response: Response | None
    kind: InviteFailureKind
    detail: str


@attrs.define
class InviteOver:
    """Tell that an INVITE with a 2xx is over: no further leg can answer (:rfc:`3261#section-13.2.2.4`)."""

    invite: ClientInvite


@attrs.define
class ResponseReceived:
    """Tell of a response to any request but an initial INVITE, provisional ones included."""

    outgoing: Outgoing
    response: Response


@attrs.define
class RequestFailed:
    """Tell that a request got no response."""

    outgoing: Outgoing
    kind: FailureKind
    detail: str


@attrs.define
class UsageEnded:
    """Tell that a leg ended, with the message that ended it if there is one."""

    usage: InviteUsage
    cause: EndCause
    message: Request | Response | None


Output: TypeAlias = (
    Send
    | Route
    | TargetFailed
    | InviteReceived
    | InviteCancelled
    | OutOfDialogRequest
    | DialogRequest
    | AckReceived
    | InviteProgress
    | PrackReceived
    | SessionRefreshed
    | InviteAnswered
    | InviteFailed
    | InviteOver
    | ResponseReceived
    | RequestFailed
    | UsageEnded
    | Dropped
)
