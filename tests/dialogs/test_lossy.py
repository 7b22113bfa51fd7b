"""Calls over a wire that loses, repeats and reorders: both ends come to the same end, and nothing is left."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sipstack.dialogs import (
    DialogRequest,
    InviteAnswered,
    InviteCancelled,
    InviteFailed,
    InviteReceived,
    UsageEnded,
    UsageState,
)
from sipstack.message import LocalProtocolError

from .wire import SDP, SDP_TYPE, Peer, Wire, assert_idle


@pytest.mark.parametrize("seed", range(12))
def test_call_over_a_lossy_wire(seed: int) -> None:
    wire = Wire(seed, loss=0.25, duplication=0.2, jitter=0.3)
    wire.invite()
    wire.run(20)
    for event in wire.b.of(InviteReceived):
        wire.b.layer.respond(event.invite, 180, wire.now)
        wire.run(2)
        wire.b.layer.respond(event.invite, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(40)
    for event in wire.a.of(InviteAnswered):
        if event.usage.state is UsageState.CONFIRMED:
            wire.a.layer.bye(event.usage, wire.now)
    wire.drain()
    for peer in (wire.a, wire.b):
        assert len(peer.of(UsageEnded)) <= 1
    assert len(wire.a.of(InviteAnswered)) + len(wire.a.of(InviteFailed)) == 1
    assert_idle(wire)


def test_a_seed_replays_a_run() -> None:
    def run() -> list[tuple[float, str]]:
        wire = Wire(3, loss=0.3, duplication=0.3, jitter=0.3)
        wire.invite()
        wire.run(10)
        for event in wire.b.of(InviteReceived):
            wire.accept(event.invite)
        wire.run(60)
        return [(passage.time, str(passage)) for passage in wire.passages]

    assert run() == run()


class CallMachine(RuleBasedStateMachine):
    """Two users who do whatever they may, over a wire that does whatever it may."""

    @initialize(
        seed=st.integers(0, 2**16),
        loss=st.sampled_from([0.0, 0.1, 0.4]),
        duplication=st.sampled_from([0.0, 0.3]),
        jitter=st.sampled_from([0.0, 0.6]),
        transport=st.sampled_from(["UDP", "UDP", "TCP"]),
        body=st.sampled_from([SDP, b""]),
    )
    def call(self, seed: int, loss: float, duplication: float, jitter: float, transport: str, body: bytes) -> None:
        if transport == "TCP":
            loss = duplication = jitter = 0.0
        self.wire = Wire(seed, loss=loss, duplication=duplication, jitter=jitter, transport=transport)
        self.invite = self.wire.invite(body=body)
        self.wire.flush()

    def usages(self, peer: Peer) -> list:
        return list(peer.layer.dialogs.values())

    @rule(seconds=st.sampled_from([0.005, 0.1, 0.6, 5.0, 33.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.wire.run(seconds)

    @rule(code=st.sampled_from([100, 180, 183, 200, 200, 302, 486, 603]), offer=st.booleans())
    def respond(self, code: int, offer: bool) -> None:
        for event in self.wire.b.of(InviteReceived):
            try:
                body = SDP if offer and 100 < code < 300 else b""
                self.wire.b.layer.respond(
                    event.invite, code, self.wire.now, body=body, content_type=SDP_TYPE if body else None
                )
            except LocalProtocolError:
                # Too late, or an offer where none may be: in an unreliable response; or no answer where one must be.
                invite = event.invite
                is_out_of_place = not invite.is_negotiated if code < 200 else invite.usage.session.has_remote_offer
                assert invite.state.value != "proceeding" or is_out_of_place
        self.wire.flush()

    @rule()
    def cancel(self) -> None:
        self.wire.a.layer.cancel(self.invite, self.wire.now)
        self.wire.flush()

    @rule()
    def acknowledge(self) -> None:
        for usage in self.usages(self.wire.a):
            if usage.to_acknowledge is not None:
                self.wire.a.layer.acknowledge(usage, self.wire.now, body=SDP, content_type=SDP_TYPE)
        self.wire.flush()

    @rule(who=st.sampled_from("ab"))
    def bye(self, who: str) -> None:
        peer = self.wire.peers[who]
        for usage in self.usages(peer):
            may = usage.state in (UsageState.UNACKNOWLEDGED, UsageState.CONFIRMED)
            if may or (usage.state is UsageState.EARLY and usage.is_caller):
                peer.layer.bye(usage, self.wire.now)
        self.wire.flush()

    @rule(who=st.sampled_from("ab"), method=st.sampled_from(["INVITE", "INFO", "UPDATE"]))
    def request(self, who: str, method: str) -> None:
        peer = self.wire.peers[who]
        for usage in self.usages(peer):
            try:
                if method == "INVITE":
                    peer.layer.reinvite(usage, self.wire.now)
                elif method == "UPDATE":
                    peer.layer.update(usage, self.wire.now)
                else:
                    peer.layer.dialog_request(usage, method, self.wire.now)
            except LocalProtocolError:
                continue
        self.wire.flush()

    @precondition(lambda self: self.wire.a.of(DialogRequest) or self.wire.b.of(DialogRequest))
    @rule(code=st.sampled_from([200, 200, 481, 488, 491]))
    def respond_request(self, code: int) -> None:
        for peer in (self.wire.a, self.wire.b):
            for event in peer.of(DialogRequest):
                try:
                    peer.layer.respond_request(event.transaction, code, self.wire.now)
                except LocalProtocolError:
                    continue
        self.wire.flush()

    @invariant()
    def told_once(self) -> None:
        for peer in self.wire.peers.values():
            ended = [event.usage for event in peer.of(UsageEnded)]
            assert len(ended) == len(set(ended))
            for usage in peer.layer.dialogs.values():
                assert usage.state is not UsageState.ENDED
        assert len(self.wire.a.of(InviteFailed)) <= 1
        assert len(self.wire.b.of(InviteReceived)) <= 1
        assert len([event for event in self.wire.b.of(InviteCancelled) if not event.invite.is_reinvite]) <= 1

    def teardown(self) -> None:
        wire = self.wire
        wire.loss = 0.0
        wire.run(33)
        for event in wire.b.of(InviteReceived):
            if event.invite.state.value == "proceeding":
                wire.b.layer.respond(event.invite, 486, wire.now)
        for peer in (wire.a, wire.b):
            for event in peer.of(DialogRequest):
                if event.transaction in peer.layer.invites and peer.layer.invites[event.transaction].response is None:
                    peer.layer.respond_request(event.transaction, 488, wire.now)
        wire.run(40)
        self.acknowledge()
        wire.run(1)
        for peer in (wire.a, wire.b):
            for usage in self.usages(peer):
                if usage.state is UsageState.CONFIRMED or (usage.state is UsageState.EARLY and usage.is_caller):
                    peer.layer.bye(usage, wire.now)
            wire.run(1)
        wire.drain()
        assert_idle(wire)


TestCallMachine = CallMachine.TestCase
TestCallMachine.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
