"""Machines in any order of events, and pairs of layers over a wire that loses, doubles and reorders."""

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sipstack.message import Request, Tokens, parse_message
from sipstack.timers import Timer, TimerValues
from sipstack.transactions import (
    AckReceived,
    CancelReceived,
    Flow,
    RequestReceived,
    ResponseReceived,
    Send,
    State,
    TransactionEnded,
    TransactionFailed,
    TransactionLayer,
    _effects,
    _invite_client,
    _invite_server,
    _non_invite_client,
    _non_invite_server,
)

BUDGET = settings(max_examples=30, stateful_step_count=30, deadline=None)

_REQUEST = (
    "{method} sip:b@192.0.2.2 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n"
    "From: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:b@192.0.2.2>\r\n"
    "Call-ID: c\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
)
A = ("192.0.2.1", 5060)
B = ("192.0.2.2", 5060)


class OneMachine(RuleBasedStateMachine):
    """One machine; timers fire only while they run, everything else may come at any time."""

    module = None
    cls = None
    method = ""

    @initialize(transport=st.sampled_from(["UDP", "TCP"]))
    def begin(self, transport):
        flow = Flow(transport, A, B, "192.0.2.1:5060")
        request = parse_message(_REQUEST.format(method=self.method).encode())
        if self.is_client:
            self.machine = self.cls(request, request.serialise(), flow, "z9hG4bKx", TimerValues())
        else:
            self.machine = self.cls(request, flow, "key", TimerValues())
        self.running = {}
        self.delivered = []
        self.now = 0.0
        self.has_ended = False
        self.perform(self.machine.start())

    @property
    def is_client(self):
        return self.cls.__name__.endswith("Client")

    def perform(self, effects):
        assert not (self.has_ended and effects)
        for effect in effects:
            match effect:
                case _effects.StartTimer(timer, delay):
                    assert delay >= 0
                    self.running[timer] = self.now + delay
                case _effects.StopTimer(timer):
                    self.running.pop(timer, None)
                case _effects.Deliver(message):
                    self.delivered.append(message)
                case _effects.Ended():
                    self.has_ended = True
                    self.running.clear()

    @rule(code=st.sampled_from([100, 180, 200, 302, 486]))
    def respond(self, code):
        response = self.machine.request.create_response(code, to_tag="t")
        if self.is_client:
            self.perform(self.machine.receive(response))
            return
        state = self.machine.state
        allowed = _ALLOWED[self.cls][state]
        if code < 200 and self.cls is _invite_server.InviteServer:
            may = "1" in allowed
        elif code < 200:
            may = code == 100 and "1" in allowed and (state is not State.TRYING or self.machine.flow.is_reliable)
        else:
            may = "2" in allowed if code < 300 else "3" in allowed
        if may:
            self.perform(self.machine.respond(response))
        else:
            with pytest.raises(Exception, match="cannot be sent"):
                self.machine.respond(response)
            assert self.machine.state is state

    @rule(word=st.sampled_from(["again", "ack"]))
    def receive(self, word):
        if self.is_client:
            return
        if word == "again":
            self.perform(self.machine.step(_invite_server.Input.REQUEST))
        else:
            self.perform(self.machine.receive_ack(Request("ACK", "sip:b@192.0.2.2")))

    @rule()
    def lose_the_transport(self):
        self.perform(self.machine.fail("gone"))

    @precondition(lambda self: self.running)
    @rule()
    def fire(self):
        timer, at = min(self.running.items(), key=lambda item: item[1])
        del self.running[timer]
        self.now = max(self.now, at)
        # A timer that runs in a state has an edge there: absorbing it would mean it was not stopped on the way.
        assert (self.machine.state, timer) in self.module.TABLE
        self.perform(self.machine.step(timer))

    @invariant()
    def is_sound(self):
        state = self.machine.state
        assert state in self.module.STATES
        assert self.has_ended == (state is State.TERMINATED)
        assert all((state, timer) in self.module.TABLE for timer in self.running)
        waits = state is State.PROCEEDING and self.method == "INVITE"
        assert self.running or self.has_ended or waits
        if self.is_client:
            finals = [message for message in self.delivered if message.code >= 200]
            repeats = [message for message in finals if self.method == "INVITE" and message.code < 300]
            assert len(finals) <= max(1, len(repeats))


_ALLOWED = {
    _invite_server.InviteServer: {
        State.PROCEEDING: "123",
        State.COMPLETED: "",
        State.CONFIRMED: "",
        State.ACCEPTED: "2",
        State.TERMINATED: "",
    },
    _non_invite_server.NonInviteServer: {
        State.TRYING: "123",
        State.PROCEEDING: "123",
        State.COMPLETED: "",
        State.TERMINATED: "",
    },
}


@pytest.mark.parametrize(
    ("module_", "cls_", "method_"),
    [
        (_invite_client, _invite_client.InviteClient, "INVITE"),
        (_invite_server, _invite_server.InviteServer, "INVITE"),
        (_non_invite_client, _non_invite_client.NonInviteClient, "OPTIONS"),
        (_non_invite_server, _non_invite_server.NonInviteServer, "OPTIONS"),
    ],
    ids=["invite_client", "invite_server", "non_invite_client", "non_invite_server"],
)
def test_one_machine(module_, cls_, method_):
    class Specific(OneMachine):
        module = module_
        cls = cls_
        method = method_

    run_state_machine_as_test(Specific, settings=BUDGET)


class Pair(RuleBasedStateMachine):
    """A client's and a server's layer, between them a wire that loses, doubles and reorders."""

    def __init__(self):
        super().__init__()
        self.client = TransactionLayer(tokens=Tokens(random.Random(1).randbytes))
        self.server = TransactionLayer(tokens=Tokens(random.Random(2).randbytes))
        self.to_server = Flow("UDP", A, B, "192.0.2.1:5060")
        self.to_client = Flow("UDP", B, A, "192.0.2.2:5060")
        self.now = 0.0
        self.wire = []
        self.number = 0
        self.sent = []
        self.received = []
        self.cancels = []
        self.seen = []
        self.outcomes = {}
        self.ended = set()

    def collect(self):
        for layer in (self.client, self.server):
            while layer.outputs:
                self.take(layer, layer.outputs.popleft())

    def take(self, layer, output):
        match output:
            case Send():
                self.wire.append((self.server if layer is self.client else self.client, output.data, self.now))
            case RequestReceived(transaction, request):
                # No request comes up twice, however often it came.
                assert request.cseq.sequence not in self.seen
                self.seen.append(request.cseq.sequence)
                self.received.append(transaction)
            case CancelReceived(transaction, _, invite):
                self.cancels.append((transaction, invite))
            case ResponseReceived(transaction, response):
                assert layer is self.client
                assert transaction not in self.ended
                outcome = self.outcomes.setdefault(transaction, [])
                final = [code for code in outcome if isinstance(code, int) and code >= 200]
                if final:
                    # Only a 2xx to INVITE comes up again, and nothing else after a final response.
                    assert transaction.request.method == "INVITE"
                    assert 200 <= response.code < 300
                    assert all(code < 300 for code in final)
                assert response.cseq.sequence == transaction.request.cseq.sequence
                outcome.append(response.code)
            case TransactionFailed(transaction, kind, _):
                self.outcomes.setdefault(transaction, []).append(kind)
            case TransactionEnded(transaction):
                assert transaction not in self.ended
                self.ended.add(transaction)
            case AckReceived():
                assert layer is self.server

    @rule(method=st.sampled_from(["INVITE", "OPTIONS"]))
    def request(self, method):
        self.number += 1
        request = parse_message(_REQUEST.format(method=method).encode())
        request.headers.remove("Via")
        request.headers.set("CSeq", f"{self.number} {method}")
        self.sent.append(self.client.send_request(request, self.to_server, self.now))
        self.collect()

    @precondition(lambda self: self.received)
    @rule(data=st.data(), code=st.sampled_from([180, 200, 404]))
    def respond(self, data, code):
        transaction = data.draw(st.sampled_from(self.received))
        self.answer(transaction, code)

    def answer(self, transaction, code):
        waits = transaction.state in (State.TRYING, State.PROCEEDING)
        if waits and (transaction.is_invite or code >= 200):
            self.server.respond(transaction, transaction.request.create_response(code, to_tag="b"), self.now)
            self.collect()

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def cancel(self, data):
        transaction = data.draw(st.sampled_from(self.sent))
        if transaction.request.method == "INVITE":
            self.client.cancel(transaction, self.now)
            self.collect()

    @precondition(lambda self: self.cancels)
    @rule()
    def obey_the_cancel(self):
        cancel, invite = self.cancels.pop()
        self.answer(cancel, 200)
        self.answer(invite, 487)

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), fate=st.sampled_from(["arrives", "arrives", "doubled", "lost"]))
    def carry(self, data, fate):
        place = data.draw(st.integers(0, len(self.wire) - 1))
        layer, packet, _ = self.wire[place]
        if fate != "doubled":
            del self.wire[place]
        if fate != "lost":
            layer.receive(packet, self.to_client if layer is self.server else self.to_server, self.now)
            self.collect()

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 4.0, 33.0]))
    def wait(self, seconds):
        self.pass_time(seconds)

    def pass_time(self, seconds):
        until = self.now + seconds
        while True:
            deadlines = [at for at in (self.client.next_deadline(), self.server.next_deadline()) if at is not None]
            if not deadlines or min(deadlines) > until:
                break
            self.now = max(self.now, min(deadlines))
            for layer in (self.client, self.server):
                layer.expire(self.now)
            self.collect()
        self.now = until
        # The network forgets before a server does: what was sent at 31.5 s is gone at 32 s.
        self.wire = [packet for packet in self.wire if self.now - packet[2] < 0.5]

    @invariant()
    def nothing_is_dropped_for_the_wrong_reason(self):
        for layer in (self.client, self.server):
            assert set(layer.counters) <= {"stray_response", "stray_ack", "cancel_unmatched", "merged"}

    def teardown(self):
        # The wire is cut; all that waits for its user is answered or cancelled, and then all must end.
        self.wire.clear()
        for transaction in self.received:
            self.answer(transaction, 500)
        for transaction in self.sent:
            if transaction.state is State.PROCEEDING and transaction.request.method == "INVITE":
                self.client.cancel(transaction, self.now)
        self.collect()
        self.pass_time(200)
        for layer in (self.client, self.server):
            assert len(layer) == 0
            assert layer.next_deadline() is None
            assert not any((layer._acks, layer._merges, layer._streams))
        for transaction in self.sent:
            assert transaction in self.ended
            outcome = self.outcomes[transaction]
            answered = any(isinstance(code, int) and code >= 200 for code in outcome)
            assert answered != ("timeout" in outcome)


def test_a_pair_over_a_bad_wire():
    run_state_machine_as_test(Pair, settings=settings(max_examples=100, stateful_step_count=50, deadline=None))


def test_timers_have_names_the_tables_use():
    used = {
        input_
        for module in (_invite_client, _invite_server, _non_invite_client, _non_invite_server)
        for _, input_ in module.TABLE
        if isinstance(input_, Timer)
    }
    assert used == set(Timer) - {Timer.C}
