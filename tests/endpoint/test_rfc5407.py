"""The races of RFC 5407: each figure of its sections 2 and 3, message by message, and what both users see of it.

Alice is "a" and Bob is "b", a tenth of a second apart; a message that the figure has late or lost is told so by name.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

import sipstack as sip
from sipstack.dialogs import UsageState
from sipstack.testing import VirtualNetwork, response_to
from sipstack.trace import Trace

from .kit import SDP, SDP_2, SDP_3, drain, in_dialog, names, ok_to, opened, scripted

SDP_4 = SDP.replace(b"6000", b"9000")
TRIP = 0.1
ARRIVED = TRIP + 0.001
"When what was sent has come, and was seen by who waits for it."


def sequence(trace: Trace) -> list[str]:
    """Say what was sent: who, what, of which CSeq number; lost with an "x" before it."""
    said = []
    for passage in trace.passages():
        summary = passage.record.summary
        what = f"{summary.code} {summary.cseq_method}" if summary.code else summary.method
        said.append(f"{'x ' if passage.is_lost else ''}{passage.sender} {what} {summary.sequence}")
    return said


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


@attrs.define
class Users:
    """Alice and Bob, each with a call, and what they see in it."""

    net: VirtualNetwork
    a: sip.Endpoint
    b: sip.Endpoint
    fork: sip.Fork
    bob: sip.IncomingCall
    nursery: trio.Nursery
    alice_sees: list[Any] = attrs.field(factory=list)
    bob_sees: list[Any] = attrs.field(factory=list)
    fork_sees: list[Any] = attrs.field(factory=list)

    async def established(self, answer: bytes = SDP_2) -> sip.Call:
        """Bring the call up, and let the ACK arrive."""
        await self.bob.answer(answer)
        call = await self.fork.answered()
        self.nursery.start_soon(drain, call.events(), self.alice_sees)
        await trio.sleep(ARRIVED)
        assert call.usage.state is self.bob.usage.state is UsageState.CONFIRMED
        return call


def run(play: Callable[[Users], Awaitable[None]], *, offer: bytes | None = SDP, rings: bool = True) -> list[str]:
    """Play a scene from the moment when it rings at Alice's; return all that was sent."""

    async def scenario(net: VirtualNetwork) -> None:
        async with opened(net, "udp://b:5060") as b, opened(net, "udp://a:5060") as a:
            async with trio.open_nursery() as nursery:
                async with a.invite("sip:b:5060", offer=offer) as fork:
                    received = await anext(b.events())
                    assert isinstance(received, sip.InviteReceived)
                    async with received.call as bob:
                        users = Users(net, a, b, fork, bob, nursery)
                        nursery.start_soon(drain, fork.events(), users.fork_sees)
                        nursery.start_soon(drain, bob.events(), users.bob_sees)
                        if rings:
                            await bob.ring()
                            await trio.sleep(ARRIVED)
                        await play(users)

    return sequence(sip.testing.run(scenario, delay=TRIP))


@asynccontextmanager
async def called(net: VirtualNetwork) -> AsyncIterator[tuple[Any, sip.Fork, Any]]:
    """Let Alice call a Bob who does what no stack of ours would do."""
    async with scripted(net) as bob, opened(net, "udp://a:5060") as a:
        async with a.invite("sip:b:5060", offer=SDP) as fork:
            invite = await bob.expect("INVITE")
            await bob.send(ok_to(bob, invite, code=180, body=b""))
            await trio.sleep(ARRIVED)
            yield bob, fork, invite


def sdp_of(call: sip.Call) -> tuple[bytes | None, bytes | None]:
    return call.local_sdp, call.remote_sdp


async def first(seen: list[Any], kind: type) -> Any:
    """Wait for the first event of a kind."""
    while True:
        for each in seen:
            if isinstance(each, kind):
                return each
        await trio.sleep(0.001)


# Section 2: the dialog state machines.


@pytest.mark.parametrize("is_early", [False, True], ids=["preparative", "early"])
def test_figures_1_and_2_refusal(is_early) -> None:
    async def play(users: Users) -> None:
        assert len(users.fork.legs) == is_early
        await users.bob.reject(486)
        assert users.bob.usage.state is UsageState.ENDED
        with pytest.raises(sip.CallFailed):
            await users.fork.answered()
        assert all(leg.usage.state is UsageState.ENDED for leg in users.fork.legs)

    sent = run(play, rings=is_early)
    assert sent[-2:] == ["b 486 INVITE 1", "a ACK 1"]


@pytest.mark.parametrize("is_early", [False, True], ids=["preparative", "early"])
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_figures_1_and_2_to_morgue(who, is_early) -> None:
    async def play(users: Users) -> None:
        bob = users.bob
        assert bob.usage.state is UsageState.EARLY
        for leg in users.fork.legs:
            assert leg.usage.state is UsageState.EARLY
        await bob.answer(SDP_2)
        assert bob.usage.state is UsageState.UNACKNOWLEDGED  # the RFC's Moratorium
        alice = await users.fork.answered()
        assert alice.usage.state is UsageState.CONFIRMED
        assert bob.usage.state is UsageState.UNACKNOWLEDGED
        await trio.sleep(ARRIVED)
        assert bob.usage.state is UsageState.CONFIRMED  # Established
        leaving, left = (alice, bob) if who == "caller" else (bob, alice)
        users.nursery.start_soon(leaving.hangup)
        await trio.sleep(0.01)
        assert leaving.usage.state is UsageState.ENDING  # Mortal
        with pytest.raises(sip.LocalProtocolError):
            await leaving.request("INFO")
        await trio.sleep(ARRIVED)
        assert left.usage.state is UsageState.ENDED
        with pytest.raises(sip.CallEnded):
            await left.request("INFO")
        await trio.sleep(ARRIVED)
        assert leaving.usage.state is UsageState.ENDED

    sent = run(play, rings=is_early)
    leaver, other = "ab" if who == "caller" else "ba"
    assert sent[-2:] == [
        f"{leaver} BYE {2 if who == 'caller' else 1}",
        f"{other} 200 BYE {2 if who == 'caller' else 1}",
    ]


def test_figure_2_early_bye_is_answered_and_the_invite_487() -> None:
    async def play(users: Users) -> None:
        await users.fork.legs[0].end()
        await trio.sleep(2 * ARRIVED)
        assert names(users.bob_sees) == ["CancelReceived"]
        assert users.bob_sees[0].request.method == "BYE"
        with pytest.raises(sip.CallFailed) as caught:
            await users.fork.answered()
        assert caught.value.response.code == 487

    assert run(play) == lines("""
        a INVITE 1
        b 180 INVITE 1
        a BYE 2
        b 200 BYE 2
        b 487 INVITE 1
        a ACK 1
    """)


def test_figure_1_new_tags_make_new_dialogs() -> None:
    async def scenario(net) -> None:
        async with called(net) as (bob, fork, invite):
            await bob.send(ok_to(bob, invite, code=180, body=b"", to_tag="second"))
            await bob.send(ok_to(bob, invite, to_tag="third"))
            assert (await bob.expect("ACK")).to_tag == "third"
            assert [leg.usage.state for leg in fork.legs] == [UsageState.EARLY, UsageState.EARLY, UsageState.CONFIRMED]
            await bob.send(ok_to(bob, invite, to_tag="second"))
            assert (await bob.expect("ACK")).to_tag == "second"
            bye = await bob.expect("BYE")
            assert bye.to_tag == "second"
            await bob.send(response_to(bye, 200))
            # An 18x after the 2xx makes none: in Accepted the transaction passes on 2xx alone (RFC 6026, 7.2).
            await bob.send(ok_to(bob, invite, code=180, body=b"", to_tag="fourth"))
            await trio.sleep(32.1)
            assert [leg.usage.state for leg in fork.legs] == [UsageState.ENDED, UsageState.ENDED, UsageState.CONFIRMED]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fork.calls[0].hangup)
                await bob.send(response_to(await bob.expect("BYE"), 200))

    sip.testing.run(scenario, delay=TRIP)


# Section 3.1: messages that come in the Moratorium state.


def test_3_1_1_callee_receives_a_copy_of_the_initial_invite() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://b:5060") as b, opened(net, "udp://a:5060") as a:
            net.delay_next("b>a 180", math.inf)
            async with a.invite("sip:b:5060", offer=SDP) as fork:
                received = await anext(b.events())
                async with received.call as bob:
                    await bob.ring()
                    await trio.sleep_until(0.5)
                    await bob.answer(SDP_2)  # as Alice sends the INVITE again
                    await fork.answered()
                    with trio.move_on_after(1) as scope:
                        await anext(b.events())
                    assert scope.cancelled_caught  # no second call
                    seen: list[Any] = []
                    await fork.calls[0].hangup()
                    await drain(bob.events(), seen)
                    assert names(seen) == ["AckReceived", "ByeReceived"]

    sent = sequence(sip.testing.run(scenario, delay=TRIP))
    assert sent[:2] == ["a INVITE 1", "x b 180 INVITE 1"]
    assert sorted(sent[2:4]) == ["a INVITE 1", "b 200 INVITE 1"]
    assert sent[4:] == ["a ACK 1", "a BYE 2", "b 200 BYE 2"]


def test_3_1_2_callee_receives_cancel() -> None:
    async def play(users: Users) -> None:
        users.nursery.start_soon(users.fork.cancel)
        await users.bob.answer(SDP_2)
        await trio.sleep(1)
        with pytest.raises(sip.CallEnded, match="cancelled"):
            await users.fork.answered()
        assert names(users.fork_sees) == ["Ringing", "Failed"]
        assert names(users.bob_sees) == ["AckReceived", "ByeReceived"]

    sent = run(play)
    assert sorted(sent[2:4]) == ["a CANCEL 1", "b 200 INVITE 1"]
    assert sent[:2] == ["a INVITE 1", "b 180 INVITE 1"]
    assert sorted(sent[4:]) == sorted(["b 200 CANCEL 1", "a ACK 1", "a BYE 2", "b 200 BYE 2"])
    assert sent.index("a ACK 1") < sent.index("a BYE 2")


def test_3_1_3_callee_receives_an_early_bye() -> None:
    async def play(users: Users) -> None:
        (leg,) = users.fork.legs
        await leg.end()
        await users.bob.answer(SDP_2)
        await trio.sleep(1)
        assert names(users.bob_sees) == ["ByeReceived"]
        assert not users.fork.calls
        assert leg.call is None

    sent = run(play)
    assert sent[:2] == ["a INVITE 1", "b 180 INVITE 1"]
    assert sorted(sent[2:4]) == ["a BYE 2", "b 200 INVITE 1"]
    assert sorted(sent[4:]) == ["a ACK 1", "b 200 BYE 2"]


def test_3_1_4_callee_receives_a_reinvite_before_the_ack() -> None:
    async def play(users: Users) -> None:
        users.net.delay_next("a>b ACK", math.inf)
        await users.bob.answer(SDP_2)
        sent_at = trio.current_time()
        alice = await users.fork.answered()
        await trio.sleep_until(sent_at + 0.5)

        async def accept() -> None:
            reinvite = await first(users.bob_sees, sip.ReinviteReceived)
            assert users.bob.usage.state is UsageState.UNACKNOWLEDGED
            await reinvite.answer(SDP_4)

        users.nursery.start_soon(accept)
        assert (await alice.reinvite(SDP_3)).code == 200
        await trio.sleep(1)
        assert names(users.bob_sees) == ["ReinviteReceived", "AckReceived", "AckReceived"]
        assert sdp_of(alice) == sdp_of(users.bob)[::-1] == (SDP_3, SDP_4)
        await alice.hangup()

    sent = run(play)
    assert sent[:4] == ["a INVITE 1", "b 180 INVITE 1", "b 200 INVITE 1", "x a ACK 1"]
    assert sorted(sent[4:6]) == ["a INVITE 2", "b 200 INVITE 1"]
    assert sorted(sent[6:8]) == ["a ACK 1", "b 200 INVITE 2"]
    assert sent[8:] == ["a ACK 2", "a BYE 3", "b 200 BYE 3"]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_3_1_5_callee_receives_an_offer_before_the_ack_with_its_answer(method) -> None:
    async def play(users: Users) -> None:
        users.net.delay_next("a>b ACK", math.inf)
        await users.bob.answer(SDP_2)
        sent_at = trio.current_time()
        alice = await users.fork.answered()
        await alice.acknowledge(SDP)
        await trio.sleep_until(sent_at + 0.5)

        async def accept() -> None:
            await (await first(users.bob_sees, sip.RequestReceived)).answer(SDP_4)

        users.nursery.start_soon(accept)
        response = await (alice.reinvite(SDP_3) if method == "INVITE" else alice.update(SDP_3))
        assert response.code == 200  # of the one that was sent again
        await trio.sleep(1)
        seen = names(users.bob_sees)
        assert seen[0] == "AckReceived"
        assert users.bob_sees[0].body == SDP
        assert seen[1:] == (["ReinviteReceived", "AckReceived"] if method == "INVITE" else ["UpdateReceived"])
        assert sdp_of(alice) == sdp_of(users.bob)[::-1] == (SDP_3, SDP_4)
        await alice.hangup()

    sent = run(play, offer=None)
    assert sent[:4] == ["a INVITE 1", "b 180 INVITE 1", "b 200 INVITE 1", "x a ACK 1"]
    assert sorted(sent[4:6]) == sorted([f"a {method} 2", "b 200 INVITE 1"])
    assert sorted(sent[6:8]) == ["a ACK 1", f"b 491 {method} 2"]
    ack = ["a ACK 2"] if method == "INVITE" else []
    again = ["a ACK 3"] if method == "INVITE" else []
    assert sent[8:] == [*ack, f"a {method} 3", f"b 200 {method} 3", *again, "a BYE 4", "b 200 BYE 4"]


def test_3_1_6_callee_receives_bye_before_the_ack() -> None:
    async def play(users: Users) -> None:
        users.net.delay_next("a>b ACK", math.inf)
        await users.bob.answer(SDP_2)
        sent_at = trio.current_time()
        alice = await users.fork.answered()
        await trio.sleep_until(sent_at + 0.5)
        await alice.hangup()
        await trio.sleep(1)
        assert names(users.bob_sees) == ["ByeReceived"]
        assert users.bob.end_reason == "remote"
        assert alice.end_reason == "local"
        assert names(users.fork_sees) == ["Ringing", "Answered"]

    sent = run(play)
    assert sent[:4] == ["a INVITE 1", "b 180 INVITE 1", "b 200 INVITE 1", "x a ACK 1"]
    assert sorted(sent[4:6]) == ["a BYE 2", "b 200 INVITE 1"]
    assert sorted(sent[6:]) == ["a ACK 1", "b 200 BYE 2"]


# Section 3.2: messages that come in the Mortal state.


def test_3_2_1_bye_crosses_bye() -> None:
    async def play(users: Users) -> None:
        alice = await users.established()
        users.nursery.start_soon(alice.hangup)
        await users.bob.hangup()
        await alice.wait_ended()
        assert alice.end_reason == users.bob.end_reason == "local"
        assert names(users.bob_sees) == ["AckReceived"]
        assert names(users.alice_sees) == []

    sent = run(play)
    assert sent[:4] == ["a INVITE 1", "b 180 INVITE 1", "b 200 INVITE 1", "a ACK 1"]
    assert sorted(sent[4:6]) == ["a BYE 2", "b BYE 1"]
    assert sorted(sent[6:]) == ["a 200 BYE 1", "b 200 BYE 2"]


@pytest.mark.parametrize("method", ["INVITE", "REFER", "UPDATE", "INFO"])
def test_3_2_2_and_3_3_3_bye_crosses_another_request(method) -> None:
    async def play(users: Users) -> None:
        alice = await users.established()
        users.nursery.start_soon(alice.hangup)
        bob = users.bob
        with pytest.raises(sip.CallEnded):
            match method:
                case "INVITE":
                    await bob.reinvite(SDP_3)
                case "UPDATE":
                    await bob.update(SDP_3)
                case "REFER":
                    await bob.request("REFER", headers=[("Refer-To", "<sip:c@c>")])
                case "INFO":
                    await bob.info(b"x", "text/plain")
        await trio.sleep(1)
        assert names(users.bob_sees) == ["AckReceived", "ByeReceived"]
        assert names(users.alice_sees) == []

    sent = run(play)
    assert sorted(sent[4:6]) == sorted(["a BYE 2", f"b {method} 1"])
    assert sorted(sent[6:8]) == sorted(["b 200 BYE 2", f"a 481 {method} 1"])
    assert sent[8:] == (["b ACK 1"] if method == "INVITE" else [])


def test_3_2_3_answer_to_a_reinvite_crosses_bye() -> None:
    async def play(users: Users) -> None:
        alice = await users.established()
        users.net.delay_next("b>a BYE", TRIP)

        async def change() -> None:
            assert (await users.bob.reinvite(SDP_3)).code == 200

        users.nursery.start_soon(change)
        await trio.sleep(ARRIVED)
        reinvite = await first(users.alice_sees, sip.ReinviteReceived)
        users.nursery.start_soon(users.bob.hangup)
        await reinvite.answer(SDP_4)
        await trio.sleep(1)
        assert users.bob.end_reason == "local"
        assert alice.end_reason == "remote"
        assert names(users.alice_sees)[:1] == ["ReinviteReceived"]
        assert names(users.alice_sees)[-1] == "ByeReceived"

    sent = run(play)
    assert sent[4] == "b INVITE 1"
    assert sorted(sent[5:7]) == ["a 200 INVITE 1", "b BYE 2"]
    assert sorted(sent[7:]) == ["a 200 BYE 2", "b ACK 1"]


def test_3_2_4_ack_crosses_bye_of_the_callee() -> None:
    """A callee must not send it so early (RFC 3261, 15); one that does is understood."""

    async def scenario(net) -> None:
        async with called(net) as (bob, fork, invite):
            await bob.send(ok_to(bob, invite))
            await trio.sleep(0.01)
            await bob.send(in_dialog(bob, invite, "BYE"))
            call = await fork.answered()
            seen: list[Any] = []
            await drain(call.events(), seen)
            assert names(seen) == ["ByeReceived"]
            await bob.expect("ACK")
            await bob.expect(200)
            # The 2xx again: it is acknowledged all the same.
            await bob.send(ok_to(bob, invite))
            await bob.expect("ACK", again=True)

    assert sequence(sip.testing.run(scenario, delay=TRIP)) == lines("""
        a INVITE 1
        b 180 INVITE 1
        b 200 INVITE 1
        b BYE 1
        a ACK 1
        a 200 BYE 1
        b 200 INVITE 1
        a ACK 1
    """)


@pytest.mark.rfc("R3261-15-4")
def test_3_2_4_our_callee_waits_for_the_ack() -> None:
    async def play(users: Users) -> None:
        users.net.delay_next("a>b ACK", 0.3)
        await users.bob.answer(SDP_2)
        await users.bob.hangup()
        await users.fork.answered()

    assert run(play) == lines("""
        a INVITE 1
        b 180 INVITE 1
        b 200 INVITE 1
        a ACK 1
        b BYE 1
        a 200 BYE 1
    """)


# Section 3.3: other races.


@pytest.mark.rfc("R3261-14.2-2", "R3261-14.1-10", "R3261-14.1-11")
def test_3_3_1_reinvite_crosses_reinvite() -> None:
    times: dict[str, float] = {}

    async def play(users: Users) -> None:
        alice = await users.established()
        began = trio.current_time()

        async def change(name: str, call: sip.Call, offer: bytes) -> None:
            assert (await call.reinvite(offer)).code == 200
            times[name] = trio.current_time() - began

        async def accept(seen: list[Any], answer: bytes) -> None:
            await (await first(seen, sip.ReinviteReceived)).answer(answer)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, "alice", alice, SDP_3)
            nursery.start_soon(change, "bob", users.bob, SDP_4)
            nursery.start_soon(accept, users.alice_sees, SDP)
            nursery.start_soon(accept, users.bob_sees, SDP_2)
        await trio.sleep(1)
        assert sdp_of(alice) == sdp_of(users.bob)[::-1] == (SDP_3, SDP_2)
        await alice.hangup()

    sent = run(play)
    assert sorted(sent[4:6]) == ["a INVITE 2", "b INVITE 1"]
    assert sorted(sent[6:8]) == ["a 491 INVITE 1", "b 491 INVITE 2"]
    assert sorted(sent[8:10]) == ["a ACK 2", "b ACK 1"]
    assert sent[10:16] == ["b INVITE 2", "a 200 INVITE 2", "b ACK 2", "a INVITE 3", "b 200 INVITE 3", "a ACK 3"]
    # Each after its own wait, three trips and four.
    assert 0 <= times["bob"] - 4 * TRIP <= 2.0 + 0.05
    assert 2.1 <= times["alice"] - 4 * TRIP <= 4.0 + 0.05


@pytest.mark.parametrize("has_offers", [True, False], ids=["offers", "refresh"])
@pytest.mark.parametrize("other", ["INVITE", "UPDATE"])
def test_3_3_2_update_crosses_another_request(other, has_offers) -> None:
    async def play(users: Users) -> None:
        alice = await users.established()

        async def change() -> None:
            assert (await alice.update(SDP_3 if has_offers else None)).code == 200

        async def change_too() -> None:
            request = users.bob.reinvite(SDP_4) if other == "INVITE" else users.bob.update(SDP_4)
            assert (await request).code == 200

        async def accept(seen: list[Any], answer: bytes) -> None:
            await (await first(seen, sip.RequestReceived)).answer(answer)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change)
            nursery.start_soon(change_too)
            nursery.start_soon(accept, users.alice_sees, SDP)
            if has_offers:
                nursery.start_soon(accept, users.bob_sees, SDP_2)
        await trio.sleep(1)
        expected = (SDP_3, SDP_2) if has_offers else (SDP, SDP_4)
        assert sdp_of(alice) == sdp_of(users.bob)[::-1] == expected
        if not has_offers:
            assert "SessionRefreshed" in names(users.bob_sees)
        await alice.hangup()

    sent = run(play)[4:-2]
    ack = ["b ACK 1"] if other == "INVITE" else []
    assert sorted(sent[:2]) == sorted(["a UPDATE 2", f"b {other} 1"])
    if has_offers:
        assert sorted(sent[2:4]) == sorted([f"a 491 {other} 1", "b 491 UPDATE 2"])
        again = [f"b {other} 2", f"a 200 {other} 2", *(["b ACK 2"] if ack else [])]
        assert sent[4:] == [*ack, *again, "a UPDATE 3", "b 200 UPDATE 3"]
    else:
        assert sorted(sent[2:4]) == sorted([f"a 200 {other} 1", "b 200 UPDATE 2"])
        assert sent[4:] == ack


# Beside the figures.


def test_18x_after_2xx_changes_nothing() -> None:
    async def play(users: Users) -> None:
        users.net.delay_next("b>a 183", 0.6)
        await users.bob.ring(183)
        alice = await users.established()
        await trio.sleep(1)
        assert names(users.fork_sees) == ["Ringing", "Answered"]
        assert alice.usage.state is UsageState.CONFIRMED
        assert len(users.fork.legs) == 1
        await alice.hangup()

    assert "b 183 INVITE 1" in run(play)


def test_late_2xx_after_the_caller_left_is_acknowledged_and_ended() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as bob, opened(net, "udp://a:5060") as a:
            async with a.invite("sip:b:5060", offer=SDP):
                invite = await bob.expect("INVITE")
                await bob.send(ok_to(bob, invite, code=180, body=b""))
                await trio.sleep(ARRIVED)
                a.grace = 0.2
            await bob.send(response_to(await bob.expect("CANCEL"), 200))
            await trio.sleep(5)  # Alice is gone; Bob's phone was picked up meanwhile
            await bob.send(ok_to(bob, invite))
            await bob.expect("ACK")
            await bob.send(response_to(await bob.expect("BYE"), 200))

    assert sequence(sip.testing.run(scenario, delay=TRIP))[-4:] == [
        "b 200 INVITE 1",
        "a ACK 1",
        "a BYE 2",
        "b 200 BYE 2",
    ]


def test_ack_twice_is_one() -> None:
    async def play(users: Users) -> None:
        users.net.delay_next("a>b ACK", 0.45)  # the 2xx is sent again meanwhile, and acknowledged again
        await users.bob.answer(SDP_2)
        alice = await users.fork.answered()
        await trio.sleep(2)
        assert names(users.bob_sees) == ["AckReceived"]
        await alice.hangup()

    assert run(play)[2:] == lines("""
        b 200 INVITE 1
        a ACK 1
        b 200 INVITE 1
        a ACK 1
        a BYE 2
        b 200 BYE 2
    """)


@pytest.mark.rfc("R3261-13.3.1.4-4")
def test_lost_acks_end_the_call() -> None:
    """All of them: the callee gives up after 64*T1 and says so."""

    async def play(users: Users) -> None:
        for _ in range(20):
            users.net.delay_next("a>b ACK", math.inf)
        await users.bob.answer(SDP_2)
        alice = await users.fork.answered()
        assert await alice.wait_ended() == "remote"
        assert users.bob.end_reason == "unacknowledged"
        assert names(users.bob_sees) == ["CallLost"]

    sent = run(play)
    assert sent[-2:] == ["b BYE 1", "a 200 BYE 1"]
    assert sent.count("b 200 INVITE 1") == sent.count("x a ACK 1") == 11


def test_reinvite_with_no_offer_before_the_ack() -> None:
    async def play(users: Users) -> None:
        users.net.delay_next("a>b ACK", 0.4)
        await users.bob.answer(SDP_2)
        alice = await users.fork.answered()

        async def offer_back() -> None:
            await (await first(users.bob_sees, sip.ReinviteReceived)).answer(SDP_4)

        users.nursery.start_soon(offer_back)
        assert (await alice.reinvite()).code == 200
        await alice.acknowledge(SDP_3)
        await trio.sleep(1)
        assert sdp_of(alice) == sdp_of(users.bob)[::-1] == (SDP_3, SDP_4)
        assert names(users.bob_sees) == ["ReinviteReceived", "AckReceived", "AckReceived"]
        assert [each.body for each in users.bob_sees[1:]].count(SDP_3) == 1
        await alice.hangup()

    run(play)
