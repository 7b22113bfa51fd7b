"""Offers and answers of two users who do whatever they may, over a wire that loses, repeats and reorders."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sipstack.dialogs import DialogRequest, InviteReceived, InviteUsage, UsageState
from sipstack.message import LocalProtocolError

from .wire import RELIABLE, SDP_TYPE, Peer, Wire, assert_idle, make_invite

LIVE = (UsageState.EARLY, UsageState.UNACKNOWLEDGED, UsageState.CONFIRMED)


class SessionMachine(RuleBasedStateMachine):
    """Both sides have the same session whenever both are settled and nothing is on its way, and nothing is left behind.

    One way to disagree is the protocol's own and left out: where a re-INVITE is refused after its reliable response
    with the answer was lost, only its sender's next offer can set it right (:rfc:`6141#section-3.4`).
    """

    @initialize(
        seed=st.integers(0, 2**16),
        loss=st.sampled_from([0.0, 0.1, 0.3]),
        duplication=st.sampled_from([0.0, 0.3]),
        jitter=st.sampled_from([0.0, 0.0, 0.4]),
        has_offer=st.booleans(),
        pracks_by_hand=st.booleans(),
        is_required=st.booleans(),
    )
    def call(
        self,
        seed: int,
        loss: float,
        duplication: float,
        jitter: float,
        has_offer: bool,
        pracks_by_hand: bool,
        is_required: bool,
    ) -> None:
        self.wire = Wire(seed, loss=loss, duplication=duplication, jitter=jitter, capabilities=RELIABLE)
        self.numbers = itertools.count(1)
        self.invite = self.wire.a.layer.invite(
            make_invite(
                body=self.description("a", 1) if has_offer else b"",
                headers=(("Require", "100rel"),) if is_required else (),
            ),
            pracks_by_hand=pracks_by_hand,
        )
        self.wire.run(0.1)

    def description(self, who: str, media: int) -> bytes:
        """Describe a session like no other."""
        number = next(self.numbers)
        head = f"v=0\r\no=- 1 {number} IN IP4 192.0.2.1\r\ns={who}\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        return (head + "m=audio 6000 RTP/AVP 0\r\n" * media).encode()

    def usages(self, peer: Peer) -> list[InviteUsage]:
        return list(peer.layer.dialogs.values())

    def attempt(self, command: Callable[[bytes, str | None], object], who: str, has_body: bool) -> None:
        """Do what a user may want to do; that it is refused must change nothing."""
        body = self.description(who, 1) if has_body else b""
        before = self.sessions()
        sequences = [usage.dialog.local_sequence for peer in self.wire.peers.values() for usage in self.usages(peer)]
        try:
            command(body, SDP_TYPE if body else None)
        except LocalProtocolError:
            assert self.sessions() == before
            after = [usage.dialog.local_sequence for peer in self.wire.peers.values() for usage in self.usages(peer)]
            assert after == sequences
        self.wire.flush()

    def sessions(self) -> list[tuple[object, ...]]:
        return [
            (usage.session.state, usage.session.local, usage.session.remote, usage.session.offer)
            for peer in self.wire.peers.values()
            for usage in self.usages(peer)
        ]

    @rule(seconds=st.sampled_from([0.005, 0.02, 0.1, 0.6, 2.1, 5.0, 33.0]))
    def wait(self, seconds: float) -> None:
        self.wire.run(seconds)

    @rule(code=st.sampled_from([180, 183]), reliable=st.booleans(), has_body=st.booleans())
    def ring(self, code: int, reliable: bool, has_body: bool) -> None:
        layer, now = self.wire.b.layer, self.wire.now
        for event in self.wire.b.of(InviteReceived):
            self.attempt(
                lambda body, kind, invite=event.invite: layer.respond(
                    invite, code, now, body=body, content_type=kind, reliable=reliable
                ),
                "b",
                has_body,
            )

    @rule(code=st.sampled_from([200, 200, 200, 486]), has_body=st.booleans())
    def answer(self, code: int, has_body: bool) -> None:
        layer, now = self.wire.b.layer, self.wire.now
        for event in self.wire.b.of(InviteReceived):
            self.attempt(
                lambda body, kind, invite=event.invite: layer.respond(invite, code, now, body=body, content_type=kind),
                "b",
                has_body and code == 200,
            )

    @rule(has_body=st.booleans())
    def prack(self, has_body: bool) -> None:
        layer, now = self.wire.a.layer, self.wire.now
        for usage in self.usages(self.wire.a):
            self.attempt(
                lambda body, kind, usage=usage: layer.prack(usage, now, body=body, content_type=kind), "a", has_body
            )

    @rule()
    def acknowledge(self) -> None:
        for peer in (self.wire.a, self.wire.b):
            for usage in self.usages(peer):
                if usage.to_acknowledge is not None:
                    body = self.description(peer.name, 1)
                    peer.layer.acknowledge(usage, self.wire.now, body=body, content_type=SDP_TYPE)
        self.wire.flush()

    @rule(who=st.sampled_from("ab"), method=st.sampled_from(["INVITE", "UPDATE"]), has_body=st.sampled_from([1, 1, 0]))
    def request(self, who: str, method: str, has_body: int) -> None:
        peer, now = self.wire.peers[who], self.wire.now
        send = peer.layer.reinvite if method == "INVITE" else peer.layer.update
        for usage in self.usages(peer):
            self.attempt(
                lambda body, kind, usage=usage: send(usage, now, body=body, content_type=kind), who, bool(has_body)
            )

    @rule(who=st.sampled_from("ab"), code=st.sampled_from([200, 200, 200, 180, 488]))
    def respond_request(self, who: str, code: int) -> None:
        peer, now = self.wire.peers[who], self.wire.now
        for event in peer.of(DialogRequest):
            if peer.layer.awaits_answer(event.transaction):
                self.attempt(
                    lambda body, kind, event=event: peer.layer.respond_request(
                        event.transaction, code, now, body=body, content_type=kind
                    ),
                    who,
                    code == 200,
                )

    @rule(who=st.sampled_from("ab"))
    def ring_again(self, who: str) -> None:
        """Answer a re-INVITE reliably, without description: see above."""
        peer, now = self.wire.peers[who], self.wire.now
        for event in peer.of(DialogRequest):
            invite = peer.layer.invites.get(event.transaction)
            if invite is not None:
                self.attempt(
                    lambda body, kind, invite=invite: peer.layer.respond(invite, 183, now, reliable=True), who, False
                )

    @rule(hangs_up=st.sampled_from("abc"))
    def leave(self, hangs_up: str) -> None:
        if hangs_up == "c":
            self.wire.a.layer.cancel(self.invite, self.wire.now)
        else:
            self.hang_up(self.wire.peers[hangs_up])
        self.wire.flush()

    def hang_up(self, peer: Peer) -> None:
        for usage in self.usages(peer):
            if usage.state in LIVE and (usage.state is not UsageState.EARLY or usage.is_caller):
                peer.layer.bye(usage, self.wire.now)

    @invariant()
    def agree(self) -> None:
        (a, b) = (self.usages(peer) for peer in (self.wire.a, self.wire.b))
        if len(a) != 1 or len(b) != 1 or self.wire.is_carrying:
            return
        ours, theirs = a[0], b[0]
        if ours.state in LIVE and theirs.state in LIVE and ours.session.is_settled and theirs.session.is_settled:
            assert (ours.session.local, ours.session.remote) == (theirs.session.remote, theirs.session.local)

    @invariant()
    def is_bounded(self) -> None:
        for peer in self.wire.peers.values():
            assert len(self.usages(peer)) <= 1
            for usage in self.usages(peer):
                session = usage.session
                assert not (session.has_local_offer and session.has_remote_offer)
                assert (session.local is None) == (session.remote is None)

    def teardown(self) -> None:
        wire = self.wire
        wire.loss = wire.duplication = wire.jitter = 0.0
        wire.run(66)
        for event in wire.b.of(InviteReceived):
            if wire.b.layer.awaits_answer(event.invite.transaction):
                wire.b.layer.respond(event.invite, 486, wire.now)
        for peer in (wire.a, wire.b):
            for event in peer.of(DialogRequest):
                if peer.layer.awaits_answer(event.transaction):
                    peer.layer.respond_request(event.transaction, 488, wire.now)
        wire.run(1)
        self.agree()
        for peer in (wire.a, wire.b):
            self.hang_up(peer)
            wire.run(1)
        for event in wire.b.of(InviteReceived):
            if wire.b.layer.awaits_answer(event.invite.transaction):
                wire.b.layer.respond(event.invite, 486, wire.now)
        wire.drain()
        assert_idle(wire)


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
