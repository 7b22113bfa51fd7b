"""The transaction layer: which transaction a message belongs to, and what comes of it (:rfc:`3261#section-17`).

One object drives every machine. Its caller (the dialog layer, or a test) hands it what came and the time, then takes
what came out of ``outputs``, and calls ``expire(now)`` when ``next_deadline()`` is reached:

    layer.receive(data, flow, now)
    while layer.outputs:
        output = layer.outputs.popleft()

A ``Send`` that cannot be done goes back in with ``transport_failed``; nothing calls the layer from inside itself.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Hashable
from typing import assert_never

from sipstack.message import (
    DEFAULT_LIMITS,
    Limits,
    LocalProtocolError,
    MalformedMessage,
    Request,
    Response,
    Tokens,
    parse_message,
)
from sipstack.timers import Timer, TimerQueue, TimerValues

from ._client import ClientTransaction
from ._effects import Deliver, Effect, Ended, Failed, StartTimer, StopTimer
from ._effects import Send as SendEffect
from ._flow import Flow
from ._invite_client import InviteClient
from ._invite_server import InviteServer
from ._matching import ack_key_2543, cancelled_keys, has_unique_branch, request_key
from ._non_invite_client import NonInviteClient
from ._non_invite_server import NonInviteServer
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
from ._requests import create_cancel
from ._server import ServerTransaction
from ._state import Input, State
from ._stateless import StatelessReplies, answerable_untrusted
from ._via import response_flow, stamp_untrusted

__all__ = ["TransactionLayer"]

_DEFAULT_VALUES = TimerValues()
_KEEP_ALIVE = b"\r\n\0"  # RFC 5626 section 3.5.1 pings with CRLF; some peers use NULs


class TransactionLayer:
    """Own every transaction of an endpoint.

    :param tokens: where branches and tags come from.
    :param timers: T1, T2 and T4.
    :param limits: ``transactions`` bounds both tables together; beyond it new requests are answered 503.
    :param queue: a timer queue shared with the floors above; its sharer then pops it and calls ``fire`` for owners that
        are transactions.
    """

    __slots__ = (
        "_acks",
        "_clients",
        "_merges",
        "_replies",
        "_servers",
        "_streams",
        "_tokens",
        "counters",
        "limits",
        "outputs",
        "queue",
        "values",
    )

    def __init__(
        self,
        *,
        tokens: Tokens,
        timers: TimerValues = _DEFAULT_VALUES,
        limits: Limits = DEFAULT_LIMITS,
        queue: TimerQueue | None = None,
    ) -> None:
        self.outputs: deque[Output] = deque()
        self.counters: Counter[str] = Counter()
        self.values = timers
        self.limits = limits
        self.queue = TimerQueue() if queue is None else queue
        self._tokens = tokens
        self._replies = StatelessReplies(tokens.cnonce().encode())
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[Hashable, ServerTransaction] = {}
        # The ACK of a peer of RFC 2543 is known by the To tag of our response.
        self._acks: dict[Hashable, ServerTransaction] = {}
        # Requests without To tag by what 8.2.2.2 compares.
        self._merges: dict[Hashable, ServerTransaction] = {}
        # Client transactions by the far end of their stream; a dict, since sets have no order to replay.
        self._streams: dict[tuple[str, tuple[str, int]], dict[ClientTransaction, None]] = {}

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    # What comes from the network

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take a datagram."""
        try:
            message = parse_message(data, self.limits)
        except MalformedMessage as error:
            if data.strip(_KEEP_ALIVE):
                self._reject_untrusted(error, flow, data)
            else:
                self.counters["keepalive"] += 1
            return
        self._receive_untrusted(message, flow, now, data)

    def receive_message(self, message: Request | Response, flow: Flow, now: float) -> None:
        """Take a message from a stream."""
        self._receive_untrusted(message, flow, now, b"")

    def reject_malformed(self, error: MalformedMessage, flow: Flow) -> None:
        """Take what a stream's framer could not read: answered if enough of a request is there, else dropped."""
        self._reject_untrusted(error, flow, b"")

    def transport_failed(self, transaction: ClientTransaction | ServerTransaction, detail: str, now: float) -> None:
        """Take the news that a ``Send`` of this transaction could not be done (:rfc:`3261#section-17.1.4`).

        For a response over a stream, only when ``fallback_target()`` was of no use either.
        """
        if isinstance(transaction, ClientTransaction):
            self._perform_client(transaction, transaction.fail(detail), now)
        else:
            self._perform_server(transaction, transaction.fail(detail), now)

    def connection_lost(self, flow: Flow, detail: str, now: float) -> None:
        """Take the news that a stream connection is gone; client transactions waiting on it fail."""
        waiting = self._streams.get((flow.transport, flow.remote))
        if waiting is None:
            return
        for transaction in list(waiting):
            # 0: sent by whichever connection leads there, which was this one.
            if transaction.flow.connection in (0, flow.connection):
                self._perform_client(transaction, transaction.fail(detail), now)

    # What comes from above

    def send_request(self, request: Request, flow: Flow, now: float) -> ClientTransaction:
        """Send a request in a new transaction; ours is a copy with our Via on top (:rfc:`3261#section-8.1.1.7`).

        When ``Limits.transactions`` is reached the transaction fails at once, as for a transport that refuses it.

        :raises LocalProtocolError: the request is an ACK or CANCEL, or its CSeq is not there or names another method.
        """
        method = request.method
        if method == "ACK":
            raise LocalProtocolError("an ACK has no transaction: send the ACK to a 2xx with send_ack")
        if method == "CANCEL":
            raise LocalProtocolError("a CANCEL belongs to its INVITE: use cancel() on the INVITE's transaction")
        branch = self._tokens.branch()
        request = _with_via(request, flow, branch)
        data = request.serialise()
        if method == "INVITE":
            transaction: ClientTransaction = InviteClient(request, data, flow, branch, self.values)
        else:
            transaction = NonInviteClient(request, data, flow, branch, self.values)
        if len(self._clients) + len(self._servers) >= self.limits.transactions:
            self.counters["overload"] += 1
            detail = f"{self.limits.transactions} transactions are open, which is the limit"
            self.outputs.append(TransactionFailed(transaction, "transport", detail))
            self.outputs.append(TransactionEnded(transaction))
            return transaction
        self._open_client(transaction, now)
        return transaction

    def send_ack(self, request: Request, flow: Flow, now: float) -> bytes:  # noqa: ARG002  (as all that sends)
        """Send the ACK to a 2xx, under a branch of its own and without a transaction (:rfc:`3261#section-13.2.2.4`).

        Return its bytes, to be sent again for each repeated 2xx.

        :raises LocalProtocolError: the request is no ACK, or its CSeq is not there or names another method.
        """
        if request.method != "ACK":
            raise LocalProtocolError(f"{request.method} is no ACK: use send_request")
        request = _with_via(request, flow, self._tokens.branch())
        data = request.serialise()
        self.outputs.append(Send(data, flow, None, request))
        return data

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """Send a response; the same object once more goes out as the same bytes.

        :raises LocalProtocolError: a final response is out, the transaction has ended, or its method forbids the code.
        """
        effects = transaction.respond(response)
        if response.code >= 200 and transaction.is_invite and transaction.ack_key is None:
            self._expect_ack_2543(transaction, response)
        self._perform_server(transaction, effects, now)
        if response.code >= 200 and not transaction.is_invite:
            transaction.let_go()

    def cancel(self, transaction: ClientTransaction, now: float, *, reason: str | None = None) -> None:
        """Cancel an INVITE (:rfc:`3261#section-9.1`); what became of it is told by its own responses.

        The CANCEL waits for a provisional response, and is not sent after a final one. If no final response comes
        within 64*T1 of it, the INVITE fails with a timeout.

        :param reason: the value of a Reason header field for the CANCEL (:rfc:`3326`).
        :raises LocalProtocolError: the request is not an INVITE.
        """
        if not isinstance(transaction, InviteClient):
            raise LocalProtocolError(f"{transaction.request.method} cannot be cancelled, only INVITE can: wait for it")
        if transaction.state is State.CALLING:
            transaction.is_cancel_wanted = True
            transaction.cancel_reason = reason
        elif transaction.state is State.PROCEEDING and not transaction.is_cancelled:
            transaction.cancel_reason = reason
            self._send_cancel(transaction, now)

    def give_up(self, transaction: ClientTransaction, now: float) -> None:
        """Let an INVITE that nobody cares for any more wait no longer than 64*T1, without a CANCEL."""
        if isinstance(transaction, InviteClient) and transaction.state in (State.CALLING, State.PROCEEDING):
            self.queue.start(transaction, Timer.GIVE_UP, now + self.values.give_up)

    def close(self) -> None:
        """Forget every transaction and stop its timers, without a word to anyone."""
        for transaction in (*self._clients.values(), *self._servers.values()):
            self.queue.stop_all(transaction)
            transaction.state = State.TERMINATED
        for table in (self._clients, self._servers, self._acks, self._merges, self._streams):
            table.clear()

    # What comes from the clock

    def next_deadline(self) -> float | None:
        """Return when ``expire`` is to be called next, or None."""
        return self.queue.next_deadline()

    def take_earliest(self) -> float:
        """Return when the earliest timer started since the last call was to fire; infinity when there is none."""
        return self.queue.take_earliest()

    def expire(self, now: float) -> None:
        """Fire every timer that is due; only for a queue that is not shared."""
        queue = self.queue
        while (fired := queue.pop_due(now)) is not None:
            owner, timer = fired
            if not isinstance(owner, (ClientTransaction, ServerTransaction)) or not isinstance(timer, Timer):
                raise LocalProtocolError(
                    f"timer {timer!r} belongs to {owner!r}, which is no transaction: "
                    "pop a shared queue yourself, and call fire for transactions"
                )
            self.fire(owner, timer, now)

    def fire(self, transaction: ClientTransaction | ServerTransaction, timer: Timer, now: float) -> None:
        """Tell a transaction that a timer popped from the shared queue has fired."""
        if isinstance(transaction, ClientTransaction):
            self._perform_client(transaction, transaction.step(timer), now)
        else:
            self._perform_server(transaction, transaction.step(timer), now)

    # Messages

    def _receive_untrusted(self, message: Request | Response, flow: Flow, now: float, data: bytes) -> None:
        try:
            if isinstance(message, Request):
                self._receive_request_untrusted(message, flow, now, data)
            else:
                self._receive_response_untrusted(message, flow, now, data)
        except MalformedMessage as error:
            error.partial = message
            self._reject_untrusted(error, flow, data)

    def _receive_response_untrusted(self, response: Response, flow: Flow, now: float, data: bytes) -> None:
        via = response.top_via
        transaction = self._clients.get((via.branch or "", response.cseq.method))
        ours = flow if transaction is None else transaction.flow
        if via.sent_by.lower() != ours.sent_by.lower():
            self._drop("foreign_response", flow, data)
        elif transaction is None:
            self._drop("stray_response", flow, data)
        else:
            self._perform_client(transaction, transaction.receive(response), now)

    def _receive_request_untrusted(self, request: Request, flow: Flow, now: float, data: bytes) -> None:
        if not flow.is_answerable:
            self._drop("unroutable", flow, data)
            return
        via = request.top_via
        method = request.method
        # Before the Via is stamped, so that the text of an RFC 2543 Via is the peer's own.
        key = request_key(request, via)
        transaction = self._servers.get(key)
        if method == "ACK":
            self._receive_ack_untrusted(request, transaction or self._acks.get(key), flow, now, data)
            return
        if transaction is not None:
            self._perform_server(transaction, transaction.step(Input.REQUEST), now)
            return
        cancelled: ServerTransaction | None = None
        if method == "CANCEL":
            for candidate in cancelled_keys(request, via):
                cancelled = self._servers.get(candidate)
                if cancelled is not None:
                    break
        # Before the Via is stamped too: the fields are indexed until then.
        merge_key = None
        if method != "CANCEL" and request.to_tag is None:
            merge_key = (request.call_id, request.from_tag, request.cseq.sequence, method)
        stamp_untrusted(request, flow)
        if len(self._clients) + len(self._servers) >= self.limits.transactions:
            self.counters["overload"] += 1
            self._reply_statelessly(request, flow, 503, retry_after=True)
            return
        if method == "INVITE":
            transaction = InviteServer(request, flow, key, self.values)
            if not has_unique_branch(via.branch):
                # Kept until the tag of our response is known.
                transaction.via_2543 = via
        else:
            transaction = NonInviteServer(request, flow, key, self.values)
        if method == "CANCEL":
            self._receive_cancel(transaction, cancelled, now)
        elif merge_key in self._merges:
            self.counters["merged"] += 1
            self._answer(transaction, 482, now)
        else:
            if merge_key is not None:
                self._merges[merge_key] = transaction
                transaction.merge_key = merge_key
            self._open_server(transaction, now)

    def _receive_ack_untrusted(
        self, ack: Request, transaction: ServerTransaction | None, flow: Flow, now: float, data: bytes
    ) -> None:
        if transaction is not None:
            if transaction.state is State.PROCEEDING:
                self._drop("stray_ack", flow, data)
            self._perform_server(transaction, transaction.receive_ack(ack), now)
        elif ack.to_tag is None:
            # What it acknowledges had no tag, so it is no 2xx of ours.
            self._drop("stray_ack", flow, data)
        else:
            stamp_untrusted(ack, flow)
            self.outputs.append(AckReceived(ack, flow))

    def _receive_cancel(self, cancel: ServerTransaction, cancelled: ServerTransaction | None, now: float) -> None:
        if cancelled is None:
            self.counters["cancel_unmatched"] += 1
            self._answer(cancel, 481, now)
        elif cancelled.is_invite and not cancelled.is_internal:
            cancel.invite = cancelled
            self._open_server(cancel, now)
        else:
            # 9.2: such a CANCEL changes nothing, but is answered 200 all the same.
            self._answer(cancel, 200, now)

    def _answer(self, transaction: ServerTransaction, code: int, now: float) -> None:
        """Answer a request in a transaction that nobody above hears of."""
        transaction.is_internal = True
        self._open_server(transaction, now)
        request = transaction.request
        self.respond(transaction, request.create_response(code, to_tag=self._tokens.tag()), now)

    def _reject_untrusted(self, error: MalformedMessage, flow: Flow, data: bytes) -> None:
        request = answerable_untrusted(error.partial)
        if request is None:
            self.counters["malformed"] += 1
            self.outputs.append(Dropped("malformed", flow, data, error.reason))
            return
        if not flow.is_answerable:
            self._drop("unroutable", flow, data)
            return
        self.counters["malformed_answered"] += 1
        stamp_untrusted(request, flow)
        self._reply_statelessly(request, flow, error.status_hint, error.phrase)

    def _reply_statelessly(
        self, request: Request, flow: Flow, code: int, phrase: str | None = None, *, retry_after: bool = False
    ) -> None:
        response = self._replies.create(request, code, phrase)
        if retry_after:
            # By then the transactions that are open now have ended.
            response.headers.add("Retry-After", str(math.ceil(self.values.b)))
        self.outputs.append(Send(response.serialise(), response_flow(request.top_via, flow), None, response))

    def _drop(self, reason: str, flow: Flow, data: bytes) -> None:
        self.counters[reason] += 1
        self.outputs.append(Dropped(reason, flow, data))

    # Transactions

    def _open_client(self, transaction: ClientTransaction, now: float) -> None:
        self._clients[transaction.branch, transaction.request.method] = transaction
        flow = transaction.flow
        if flow.is_reliable:
            self._streams.setdefault((flow.transport, flow.remote), {})[transaction] = None
        self._perform_client(transaction, transaction.start(), now)

    def _open_server(self, transaction: ServerTransaction, now: float) -> None:
        self._servers[transaction.key] = transaction
        self._perform_server(transaction, transaction.start(), now)

    def _send_cancel(self, transaction: InviteClient, now: float) -> None:
        transaction.is_cancelled = True
        cancel = create_cancel(transaction.request, transaction.cancel_reason)
        client = NonInviteClient(cancel, cancel.serialise(), transaction.flow, transaction.branch, self.values)
        client.is_internal = True
        self.queue.start(transaction, Timer.GIVE_UP, now + self.values.give_up)
        self._open_client(client, now)

    def _expect_ack_2543(self, transaction: ServerTransaction, response: Response) -> None:
        via = transaction.via_2543
        if via is not None:
            transaction.ack_key = key = ack_key_2543(transaction.request, via, response.to_tag)
            self._acks[key] = transaction

    def _perform_client(self, transaction: ClientTransaction, effects: list[Effect], now: float) -> None:
        outputs = self.outputs
        for effect in effects:
            match effect:
                case StartTimer():
                    self.queue.start(transaction, effect.timer, now + effect.delay)
                case StopTimer():
                    self.queue.stop(transaction, effect.timer)
                case SendEffect():
                    outputs.append(Send(effect.data, transaction.flow, transaction, effect.message))
                case Deliver():
                    message = effect.message
                    if isinstance(message, Response) and not transaction.is_internal:
                        outputs.append(ResponseReceived(transaction, message))
                case Failed():
                    if not transaction.is_internal:
                        outputs.append(TransactionFailed(transaction, effect.kind, effect.detail))
                case Ended():
                    self._forget_client(transaction)
                case _:
                    assert_never(effect)
        if transaction.is_cancel_wanted and transaction.state is not State.CALLING:
            transaction.is_cancel_wanted = False
            if transaction.state is State.PROCEEDING and isinstance(transaction, InviteClient):
                self._send_cancel(transaction, now)

    def _perform_server(self, transaction: ServerTransaction, effects: list[Effect], now: float) -> None:
        outputs = self.outputs
        for effect in effects:
            match effect:
                case SendEffect():
                    outputs.append(Send(effect.data, transaction.response_flow, transaction, effect.message))
                case StartTimer():
                    self.queue.start(transaction, effect.timer, now + effect.delay)
                case StopTimer():
                    self.queue.stop(transaction, effect.timer)
                case Deliver():
                    message = effect.message
                    if isinstance(message, Request) and not transaction.is_internal:
                        if message.method == "ACK":
                            outputs.append(AckReceived(message, transaction.flow))
                        elif transaction.invite is not None:
                            outputs.append(CancelReceived(transaction, message, transaction.invite))
                        else:
                            outputs.append(RequestReceived(transaction, message))
                case Failed():
                    if not transaction.is_internal:
                        outputs.append(TransactionFailed(transaction, effect.kind, effect.detail))
                case Ended():
                    self._forget_server(transaction)
                case _:
                    assert_never(effect)

    def _forget_client(self, transaction: ClientTransaction) -> None:
        self.queue.stop_all(transaction)
        del self._clients[transaction.branch, transaction.request.method]
        flow = transaction.flow
        if flow.is_reliable:
            end = (flow.transport, flow.remote)
            waiting = self._streams[end]
            del waiting[transaction]
            if not waiting:
                del self._streams[end]
        if not transaction.is_internal:
            self.outputs.append(TransactionEnded(transaction))

    def _forget_server(self, transaction: ServerTransaction) -> None:
        self.queue.stop_all(transaction)
        del self._servers[transaction.key]
        if transaction.ack_key is not None and self._acks.get(transaction.ack_key) is transaction:
            del self._acks[transaction.ack_key]
        if transaction.merge_key is not None:
            del self._merges[transaction.merge_key]
        if not transaction.is_internal:
            self.outputs.append(TransactionEnded(transaction))


def _with_via(request: Request, flow: Flow, branch: str) -> Request:
    cseq = request.cseq
    if cseq.method != request.method:
        raise LocalProtocolError(f"the CSeq names {cseq.method}, the request is {request.method}: make them agree")
    request = request.copy()
    # RFC 3581 section 3: asked for where responses may be sent elsewhere than back along a connection.
    asked = (";alias" if flow.is_alias else "") if flow.is_reliable else ";rport"
    request.headers.prepend("Via", f"SIP/2.0/{flow.transport} {flow.sent_by};branch={branch}{asked}")
    return request
