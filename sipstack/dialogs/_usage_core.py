"""What both sides of the user agent core share: the tables, the legs, and the requests within dialogs."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable

from sipstack.message import Limits, LocalProtocolError, Request, Response, Tokens
from sipstack.timers import TimerValues
from sipstack.transactions import ClientTransaction, Flow, Send, ServerTransaction, TransactionLayer

from ._capabilities import Capabilities
from ._dialog import TARGET_REFRESH_METHODS, DialogId, DialogState, check_own_contact
from ._invite_usage import (
    TRANSITIONS,
    Acknowledgement,
    EndCause,
    InviteUsage,
    UsageAction,
    UsageInput,
    UsageState,
)
from ._outgoing import Outgoing
from ._outputs import Output, Route, UsageEnded
from ._server_invite import ServerInvite, ServerInviteInput

__all__ = ["DialogTimer", "HeaderFields", "UsageCore"]

HeaderFields = Iterable[tuple[str, str]]


class DialogTimer(enum.Enum):
    """Name the timers of INVITEs above the transactions."""

    RETRANSMIT = "retransmit the 2xx"
    "T1 doubling to T2 (:rfc:`3261#section-13.3.1.4`)."
    GIVE_UP = "give up waiting for the ACK"
    "64*T1 (:rfc:`3261#section-13.3.1.4`)."
    REFRESH = "send the provisional again"
    "A minute (:rfc:`3261#section-13.3.1.1`)."
    EXPIRES = "the invitation expires"
    "What its Expires says (:rfc:`3261#section-13.3.1`)."
    GLARE = "send again what has crossed"
    "By chance, so that the two sides do not cross again (:rfc:`3261#section-14.1`)."
    SESSION_REFRESH = "refresh the session"
    "Half the session interval (:rfc:`4028#section-7.2`)."
    SESSION_EXPIRY = "the session expires"
    "Slightly before the session interval ends (:rfc:`4028#section-10`)."

    __hash__ = object.__hash__


# Looking a member up in its class costs as much as a small action; these are on the path of every call.
_CONFIRM = UsageAction.CONFIRM
_SEND_BYE = UsageAction.SEND_BYE
_TELL_ENDED = UsageAction.TELL_ENDED
_FORGET = UsageAction.FORGET


class UsageCore(ABC):
    """Hold the dialogs and step their usages."""

    def __init__(
        self,
        transactions: TransactionLayer,
        *,
        tokens: Tokens,
        capabilities: Capabilities,
        timers: TimerValues,
        limits: Limits,
    ) -> None:
        self.transactions = transactions
        self.capabilities = capabilities
        self.timers = timers
        self.limits = limits
        self.outputs: deque[Output] = deque()
        self.dialogs: dict[DialogId, InviteUsage] = {}
        self.invites: dict[ServerTransaction, ServerInvite] = {}
        self.requests: dict[ClientTransaction, Outgoing] = {}
        self.unanswered: dict[ServerTransaction, InviteUsage | None] = {}
        self.superseded: dict[DialogId, InviteUsage] = {}
        self.counters: Counter[str] = Counter()
        self._tokens = tokens
        self._queue = transactions.queue

    # The machine of a leg.

    def _step_usage(
        self,
        usage: InviteUsage,
        event: UsageInput,
        now: float,
        cause: EndCause = "local",
        message: Request | Response | None = None,
    ) -> None:
        transition = TRANSITIONS.get((usage.state, event))
        if transition is None:
            self.counters["usage inputs absorbed"] += 1
            return
        actions, usage.state = transition
        for action in actions:
            if action is _CONFIRM:
                usage.dialog.confirm(message if isinstance(message, Response) else None)
            elif action is _SEND_BYE:
                self._end_session(usage, now)
                usage.bye = self._send_in_dialog(usage, "BYE", headers=usage.bye_headers)
            elif action is _TELL_ENDED:
                if not usage.is_told:
                    usage.is_told = True
                    self.outputs.append(UsageEnded(usage, cause, message))
            elif action is _FORGET:
                self._forget(usage, now, message)

    def _forget(self, usage: InviteUsage, now: float, message: Request | Response | None) -> None:
        self.dialogs.pop(usage.dialog.id, None)
        usage.dialog.state = DialogState.TERMINATED
        self._end_session(usage, now)
        if usage.reinvite is not None and usage.reinvite.transaction is not None:
            # A peer that has ended the call may never answer it, and a provisional response has stopped Timer B.
            self.transactions.give_up(usage.reinvite.transaction, now)
        request = message if isinstance(message, Request) else None
        if usage.server_invite is not None:
            # 15.1.2: requests of the dialog that still wait for an answer get one.
            self._step_server_invite(usage.server_invite, ServerInviteInput.USAGE_ENDED, now, request)
        for invite in usage.unacknowledged.values():
            self._step_server_invite(invite, ServerInviteInput.USAGE_ENDED, now, request)
            self.superseded[usage.dialog.id] = usage
        for transaction in list(usage.unanswered):
            self._refuse_unanswered(transaction, now)

    @abstractmethod
    def _end_session(self, usage: InviteUsage, now: float) -> None:
        """Stop what keeps a session going in a dialog that is ending."""

    @abstractmethod
    def _refuse_unanswered(self, transaction: ServerTransaction, now: float) -> None:
        """Answer a request whose dialog has ended; the server half does it."""

    @abstractmethod
    def _step_server_invite(
        self, invite: ServerInvite, event: ServerInviteInput, now: float, message: Request | None = None
    ) -> None:
        """Step the machine of a received INVITE; the server half has it."""

    # Requests of ours within a dialog.

    def _send_in_dialog(
        self,
        usage: InviteUsage,
        method: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
    ) -> Outgoing:
        """Send a request of ours within a dialog."""
        outgoing = self._create_in_dialog(usage, method, body=body, content_type=content_type, headers=headers)
        self._route(outgoing)
        return outgoing

    def _route(self, outgoing: Outgoing) -> None:
        self.outputs.append(Route(outgoing))

    @staticmethod
    def _take_back(usage: InviteUsage) -> None:
        """Let what was made and is not sent cost no CSeq number."""
        sequence = usage.dialog.local_sequence
        assert sequence is not None
        usage.dialog.local_sequence = sequence - 1 or None

    def _create_in_dialog(
        self,
        usage: InviteUsage,
        method: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderFields = (),
    ) -> Outgoing:
        dialog = usage.dialog
        before = dialog.local_sequence
        request = dialog.create_request(method)
        fields = request.headers
        try:
            for name, value in headers:
                fields.add(name, value)
            _set_body(request, body, content_type)
            if method in TARGET_REFRESH_METHODS:
                if "Contact" in fields:
                    check_own_contact(request, is_secure=dialog.is_secure)
                elif usage.local_contact is not None:
                    fields.add("Contact", usage.local_contact)
        except LocalProtocolError:
            dialog.local_sequence = before  # what is not sent costs no CSeq number
            raise
        self._add_supported(request)
        self._add_user_agent(request)
        return Outgoing(request, dialog.next_hop(), usage=usage, flow_hint=usage.flow)

    @staticmethod
    def _restart(outgoing: Outgoing, request: Request) -> None:
        """Make a request that has ended ready to go its way once more, changed."""
        outgoing.request = request
        outgoing.transaction = None
        outgoing.has_response = False
        outgoing.is_waiting = True
        outgoing.is_finished = False
        outgoing.is_cancelled = False

    def _add_supported(self, request: Request) -> None:
        # RFC 4028, 7.1: in each request but ACK; RFC 3261, 13.2.1: an empty one says that no extension is understood.
        if "Supported" not in request.headers and (self.capabilities.supported or request.method == "INVITE"):
            request.headers.add("Supported", self.capabilities.supported_text)

    def _add_user_agent(self, request: Request) -> None:
        agent = self.capabilities.user_agent
        if agent and "User-Agent" not in request.headers:
            request.headers.add("User-Agent", agent)

    def _acknowledge(
        self, usage: InviteUsage, invite_request: Request, body: bytes = b"", content_type: str | None = None
    ) -> Outgoing:
        """Send the ACK to a 2xx: the CSeq number and credentials of its INVITE (:rfc:`3261#section-13.2.2.4`)."""
        sequence = invite_request.cseq.sequence
        request = usage.dialog.create_request("ACK", sequence=sequence)
        for name in ("Authorization", "Proxy-Authorization"):
            if name in invite_request.headers:
                request.headers.copy_from(invite_request.headers, name)
        self._add_user_agent(request)
        _set_body(request, body, content_type)
        outgoing = Outgoing(request, usage.dialog.next_hop(), usage=usage, flow_hint=usage.flow)
        usage.acknowledgements[sequence] = Acknowledgement(outgoing)
        self._route(outgoing)
        return outgoing

    def _acknowledge_again(self, usage: InviteUsage, sequence: int) -> None:
        acknowledgement = usage.acknowledgements.get(sequence)
        if acknowledgement is not None and acknowledgement.flow is not None:
            self.counters["2xx acknowledged again"] += 1
            self.outputs.append(
                Send(acknowledgement.data, acknowledgement.flow, None, acknowledgement.outgoing.request)
            )


def _set_body(message: Request | Response, body: bytes, content_type: str | None) -> None:
    if body:
        if content_type is None:
            if "Content-Type" not in message.headers:
                raise LocalProtocolError("a body needs its type: pass content_type")
        else:
            message.headers.set("Content-Type", content_type)
        message.body = body
    elif content_type is not None:
        raise LocalProtocolError(f"content_type is {content_type} but there is no body")


def require_state(usage: InviteUsage, what: str) -> None:
    """Refuse a request in a leg that has ended or is ending.

    :raises LocalProtocolError: it has.
    """
    if usage.state in (UsageState.LEAVING, UsageState.ENDING, UsageState.ENDED):
        raise LocalProtocolError(f"{what} cannot be sent: the call is {usage.state.value}")
