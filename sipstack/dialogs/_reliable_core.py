"""The callee's half of reliable provisional responses (:rfc:`3262#section-3`, 5)."""

from __future__ import annotations

from abc import abstractmethod

from sipstack.message import LocalProtocolError, MalformedMessage, Request, Response, session_body
from sipstack.transactions import ServerTransaction

from ._invite_usage import InviteUsage, UsageState
from ._outputs import DialogRequest, PrackReceived
from ._reliable import TRANSITIONS, ReliableAction, ReliableInput, ReliableResponse, ReliableState
from ._server_invite import ServerInvite, ServerInviteInput, ServerInviteState
from ._session_core import SessionCore
from ._usage_core import DialogTimer, HeaderFields

__all__ = ["ReliableCore"]

_FIRST_RSEQ_BITS = 31  # the first RSeq is below 2**31 (RFC 3262, section 3)
_IN_FLIGHT = 16
"The most responses of one INVITE that wait for their PRACK, or for their turn."

_UNACKNOWLEDGED = frozenset([ReliableState.WAITING, ReliableState.SENT])
_ACKNOWLEDGEABLE = frozenset([ReliableState.SENT, ReliableState.SUPERSEDED])


class ReliableCore(SessionCore):
    """Send provisional responses reliably, and take their PRACKs."""

    @staticmethod
    def _require_room(invite: ServerInvite) -> None:
        if sum(one.state in _UNACKNOWLEDGED for one in invite.reliables) >= _IN_FLIGHT:
            raise LocalProtocolError(f"{_IN_FLIGHT} reliable responses wait for their PRACKs; wait for those first")

    def _begin_reliable(self, invite: ServerInvite, response: Response, *, has_session: bool) -> ReliableResponse:
        """Number a provisional response that is to be sent reliably; they never get as far as 2**32."""
        reliables = invite.reliables
        rseq = reliables[-1].rseq + 1 if reliables else max(1, self._tokens.number(_FIRST_RSEQ_BITS))
        reliable = ReliableResponse(invite, response, rseq, has_session)
        if "100rel" not in response.require:
            response.headers.add("Require", "100rel")
        response.headers.set("RSeq", str(rseq))
        reliables.append(reliable)
        usage = invite.usage
        if usage.reliables is None:
            usage.reliables = {}
        usage.reliables[invite.request.cseq.sequence, rseq] = reliable
        return reliable

    def _send_waiting(self, invite: ServerInvite, now: float) -> None:
        """Send the reliable responses whose turn it is: the first alone, the others once it is acknowledged."""
        for reliable in invite.reliables:
            if reliable.state is ReliableState.WAITING:
                first = invite.reliables[0]
                if reliable is first or first.state is ReliableState.ACKNOWLEDGED:
                    self._step_reliable(reliable, ReliableInput.SEND, now)

    def _supersede_reliables(self, invite: ServerInvite, now: float) -> None:
        """Stop repeating provisional responses: the INVITE has its final one, or needs none."""
        for reliable in invite.reliables:
            self._step_reliable(reliable, ReliableInput.FINAL, now)

    def _receive_prack(self, usage: InviteUsage, transaction: ServerTransaction, request: Request, now: float) -> None:
        rack = request.rack
        if rack is None:
            raise MalformedMessage("the PRACK has no RAck, so nobody knows what it acknowledges", 400, request)
        reliables = usage.reliables or {}
        reliable = reliables.get((rack.sequence, rack.rseq)) if rack.method == "INVITE" else None
        if reliable is None or reliable.state not in _ACKNOWLEDGEABLE:
            self.counters["pracks without a response"] += 1
            self._answer(transaction, 481, now)
            return
        invite, session = reliable.invite, usage.session
        carrier = invite.carrier
        description = session_body(request)
        has_offer = False
        if session.has_local_offer and session.carrier == carrier:
            if description is not None:
                session.receive_answer(description)
            elif reliable.has_session:
                session.withdraw(carrier)  # our offer is left without the answer that this PRACK had to bring
        elif description is not None and usage.state is not UsageState.ENDED:
            has_offer = session.receive_offer(description, ("PRACK", request.cseq.sequence, False))
        self._step_reliable(reliable, ReliableInput.PRACK, now)
        self.outputs.append(PrackReceived(invite, reliable.rseq, request))
        if has_offer:
            self._await_answer(usage, transaction, request)
        else:
            self._answer(transaction, 200, now)
        self._release(invite, now)

    def _await_answer(self, usage: InviteUsage, transaction: ServerTransaction, request: Request) -> None:
        """Hand a request within a dialog to our user, who is to answer it."""
        self.unanswered[transaction] = usage
        usage.unanswered[transaction] = None
        self.outputs.append(DialogRequest(usage, transaction, request))

    def _release(self, invite: ServerInvite, now: float) -> None:
        """Let go what waited for a PRACK."""
        self._send_waiting(invite, now)
        if (
            invite.state is ServerInviteState.HELD
            and not invite.is_held_back
            and not invite.usage.session.has_remote_offer
        ):
            self._step_server_invite(invite, ServerInviteInput.RELEASE, now)

    def _step_reliable(self, reliable: ReliableResponse, event: ReliableInput, now: float) -> None:
        transition = TRANSITIONS.get((reliable.state, event))
        if transition is None:
            self.counters["reliable response inputs absorbed"] += 1
            return
        actions, reliable.state = transition
        invite = reliable.invite
        for action in actions:
            if action is ReliableAction.SEND:
                self.transactions.respond(invite.transaction, reliable.response, now)
            elif action is ReliableAction.START_TIMERS:
                reliable.interval = self.timers.t1
                self._queue.start(reliable, DialogTimer.RETRANSMIT, now + reliable.interval)
                self._queue.start(reliable, DialogTimer.GIVE_UP, now + 64 * self.timers.t1)
            elif action is ReliableAction.RESTART_RETRANSMIT:
                reliable.interval *= 2  # without the bound of T2 that other retransmissions have (RFC 3262, section 3)
                self._queue.start(reliable, DialogTimer.RETRANSMIT, now + reliable.interval)
            elif action is ReliableAction.STOP_TIMERS:
                self._queue.stop_all(reliable)
            elif action is ReliableAction.GIVE_UP:
                self._give_up_invite(invite, now)

    def _on_reliable_timer(self, reliable: ReliableResponse, timer: DialogTimer, now: float) -> None:
        event = ReliableInput.RETRANSMIT_DUE if timer is DialogTimer.RETRANSMIT else ReliableInput.GIVE_UP_DUE
        self._step_reliable(reliable, event, now)

    @abstractmethod
    def _give_up_invite(self, invite: ServerInvite, now: float) -> None:
        """Refuse an INVITE whose provisional response nobody acknowledges."""

    @abstractmethod
    def _answer(
        self,
        transaction: ServerTransaction,
        code: int,
        now: float,
        headers: HeaderFields = (),
        *,
        phrase: str | None = None,
    ) -> None:
        """Answer a request that our user is not asked about; the server half does it."""
