"""How users change the session of a call: hold, re-INVITE, UPDATE, crossing requests (:rfc:`3264`, :rfc:`6141`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio

import sipstack as sip
from sipstack.message import LocalProtocolError
from sipstack.sdp import SessionDescription
from sipstack.testing import VirtualNetwork, response_to

from .kit import SDP, SDP_2, SDP_3, WITH_SDP, Take, in_dialog, ok_to, opened, phone, pick_up, scripted, sequence

OFFER, ANSWER, OFFER_2, ANSWER_2 = SDP, SDP_2, SDP_3, SDP.replace(b"6000", b"9000")


def answering(serve: Callable[[sip.IncomingCall], Awaitable[object]]) -> Take:
    """Answer calls and serve them, until they end."""

    async def take(event: sip.Event) -> None:
        assert isinstance(event, sip.InviteReceived)
        async with event.call as call:
            await call.answer(ANSWER)
            assert isinstance(await anext(call.events()), sip.AckReceived)
            await serve(call)
            await call.wait_ended()

    return take


async def accept(
    events: AsyncIterator[sip.Event],
    sdp: bytes,
    *,
    kind: type[sip.UpdateReceived | sip.ReinviteReceived | sip.PrackReceived] = sip.UpdateReceived,
) -> None:
    """Accept the next request that makes an offer."""
    event = await anext(events)
    assert isinstance(event, kind)
    await event.answer(sdp)


# Requests that cross.

SEND = {"UPDATE": sip.Call.update, "INVITE": sip.Call.reinvite}
KIND = {"UPDATE": sip.UpdateReceived, "INVITE": sip.ReinviteReceived}


@pytest.mark.rfc("R3311-5.3-2", "R3311-5.3-3")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("ours", "theirs"), [(x, y) for x in SEND for y in SEND])
def test_requests_that_cross_are_sent_again_in_the_same_await(ours: str, theirs: str, seed: int) -> None:
    sessions: list[tuple[bytes | None, bytes | None]] = []

    async def change(call: sip.Call, method: str, offer: bytes, other: str, answer: bytes) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: accept(call.events(), answer, kind=KIND[other]))
            response = await SEND[method](call, offer)
            assert response.code == 200
        sessions.append((call.local_sdp, call.remote_sdp))

    async def scenario(net: VirtualNetwork) -> None:
        async def serve(call: sip.IncomingCall) -> None:
            await trio.sleep_until(10)
            await change(call, theirs, ANSWER_2, ours, ANSWER_2)

        async with (
            phone(net, "udp://b:5060", take=answering(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b", offer=OFFER) as call,
        ):
            await trio.sleep_until(10)
            await change(call, ours, OFFER_2, theirs, OFFER_2)
            await trio.sleep_until(20)

    trace = sip.testing.run(scenario, seed=seed, delay=0.01)
    assert sessions == [(OFFER_2, ANSWER_2), (ANSWER_2, OFFER_2)] or sessions == [
        (ANSWER_2, OFFER_2),
        (OFFER_2, ANSWER_2),
    ]
    for sender, receiver, method, least, most in (("a", "b", ours, 2.1, 4.0), ("b", "a", theirs, 0.0, 2.0)):
        first = 10.0
        assert trace.times(f"{receiver}>{sender} 491 {method}") == [pytest.approx(first + 0.01)]
        again = [time for time in trace.times(f"{sender}>{receiver} {method}") if time > first]
        assert least <= round(again[0] - first - 0.02, 6) <= most


@pytest.mark.rfc("R3311-5.3-3")
def test_early_updates_that_cross() -> None:
    async def take(event: sip.Event) -> None:
        assert isinstance(event, sip.InviteReceived)
        async with event.call as call:
            await call.ring(183, answer=ANSWER, reliable=True)
            await trio.sleep_until(10)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(accept, call.events(), ANSWER_2)
                assert (await call.update(ANSWER_2)).code == 200
            assert (call.local_sdp, call.remote_sdp) == (ANSWER_2, OFFER_2)
            await call.answer()
            await call.wait_ended()

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=take),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b", offer=OFFER) as fork,
        ):
            await anext(fork.events())
            await trio.sleep_until(10)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(accept, fork.events(), OFFER_2)
                assert (await fork.legs[0].update(OFFER_2)).code == 200
            call = await fork.answered()
            assert (call.local_sdp, call.remote_sdp) == (OFFER_2, ANSWER_2)

    trace = sip.testing.run(scenario, delay=0.01)
    assert len(trace.times("a>b 491 UPDATE")) == len(trace.times("b>a 491 UPDATE")) == 1
    assert 2.1 <= round(trace.times("a>b UPDATE")[1] - 10.02, 6) <= 4.0
    assert round(trace.times("b>a UPDATE")[1] - 10.02, 6) <= 2.0


def test_request_whose_wait_is_cancelled_is_not_sent_again() -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                await pick_up(peer)
                await peer.send(response_to(await peer.expect("UPDATE"), 491))
                await peer.expect_nothing(10)
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=OFFER) as call:
                with trio.move_on_after(1):
                    await call.update(OFFER_2)
                await trio.sleep(12)
                assert (call.local_sdp, call.remote_sdp) == (OFFER, ANSWER)

    sip.testing.run(scenario)


@pytest.mark.rfc("R3311-5.2-1", "R3311-5.2-3")
def test_second_update_is_put_off_until_the_first_is_answered() -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                options = {"headers": WITH_SDP, "body": ANSWER_2}
                await peer.send(in_dialog(peer, invite, "UPDATE", sequence=1, **options))
                await peer.send(in_dialog(peer, invite, "UPDATE", sequence=2, **options))
                refusal = await peer.expect(500)
                assert 0 <= refusal.retry_after.seconds <= 10
                accepted = await peer.expect(200)
                assert accepted.cseq.sequence == 1
                assert accepted.body == OFFER_2
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=OFFER) as call:
                event = await anext(call.events())
                assert isinstance(event, sip.UpdateReceived)
                with pytest.raises(LocalProtocolError, match="an offer cannot be made now: the peer's new offer waits"):
                    await call.update(OFFER)
                await trio.sleep(1)
                await event.answer(OFFER_2)
                assert (call.local_sdp, call.remote_sdp) == (OFFER_2, ANSWER_2)

    sip.testing.run(scenario)


# Users who cannot be asked.


@pytest.mark.rfc("R3311-5.2-7", "R3311-5.2-8", "R3311-5.2-6")
def test_early_update_whose_user_does_not_listen_is_504() -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                progress = ok_to(peer, invite, code=183, body=ANSWER)
                progress.headers.add("Require", "100rel")
                progress.headers.add("RSeq", "1")
                await peer.send(progress)
                await peer.send(response_to(await peer.expect("PRACK"), 200))
                await peer.send(in_dialog(peer, invite, "UPDATE", from_tag="to-1", headers=WITH_SDP, body=ANSWER_2))
                refusal = await peer.expect(504)
                assert refusal.headers["Warning"].startswith("399 ")
                # Without an offer there is nothing to ask.
                await peer.send(in_dialog(peer, invite, "UPDATE", sequence=2))
                await peer.expect(200)
                await peer.send(ok_to(peer, invite, body=b""))
                await peer.expect("ACK")
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=OFFER) as call:
                assert (call.local_sdp, call.remote_sdp) == (OFFER, ANSWER)

    sip.testing.run(scenario)


# What a refusal leaves.


@pytest.mark.rfc("R3311-5.3-1")
@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_refused_change_leaves_the_session(method: str) -> None:
    async def serve(call: sip.IncomingCall) -> None:
        event = await anext(call.events())
        assert isinstance(event, KIND[method])
        assert call.remote_sdp == OFFER
        await event.respond(488)
        assert (call.local_sdp, call.remote_sdp) == (ANSWER, OFFER)
        await accept(call.events(), ANSWER_2, kind=KIND[method])
        assert (call.local_sdp, call.remote_sdp) == (ANSWER_2, OFFER_2)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=answering(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b", offer=OFFER) as call,
        ):
            await trio.sleep(1)
            assert (await SEND[method](call, OFFER_2)).code == 488
            assert (call.local_sdp, call.remote_sdp) == (OFFER, ANSWER)
            assert (await SEND[method](call, OFFER_2)).code == 200
            assert (call.local_sdp, call.remote_sdp) == (OFFER_2, ANSWER_2)

    sip.testing.run(scenario)


@pytest.mark.rfc("R6141-3.3-1")
def test_what_was_agreed_within_a_reinvite_that_is_refused_later_stays() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        event = await anext(call.events())
        assert isinstance(event, sip.ReinviteReceived)
        assert event.offer is None
        # The offer of a re-INVITE without one is still to come: an UPDATE may make it.
        assert (await call.update(ANSWER_2)).code == 200
        await event.respond(488)
        assert (call.local_sdp, call.remote_sdp) == (ANSWER_2, OFFER_2)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=answering(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b", offer=OFFER) as call,
            trio.open_nursery() as nursery,
        ):
            await trio.sleep(1)
            nursery.start_soon(accept, call.events(), OFFER_2)
            assert (await call.reinvite()).code == 488
            assert (call.local_sdp, call.remote_sdp) == (OFFER_2, ANSWER_2)
            assert not call.is_ended

    sent = sequence(sip.testing.run(scenario))
    assert [what for what in sent if "UPDATE" in what] == ["b>a UPDATE+", "a>b 200 UPDATE+"]


def test_reinvite_without_offer_lets_the_peer_offer() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        event = await anext(call.events())
        assert isinstance(event, sip.ReinviteReceived)
        assert event.offer is None
        await event.answer(ANSWER_2)
        ack = await anext(call.events())
        assert isinstance(ack, sip.AckReceived)
        assert ack.body == OFFER_2
        assert (call.local_sdp, call.remote_sdp) == (ANSWER_2, OFFER_2)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=answering(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b", offer=OFFER) as call,
        ):
            await trio.sleep(1)
            response = await call.reinvite()
            assert response.body == ANSWER_2
            assert call.remote_sdp == ANSWER
            await call.acknowledge(OFFER_2)
            assert (call.local_sdp, call.remote_sdp) == (OFFER_2, ANSWER_2)
            await trio.sleep(1)

    sent = sequence(sip.testing.run(scenario))
    assert sent[3:6] == ["a>b INVITE", "b>a 200 INVITE+", "a>b ACK+"]


# Hold.


@pytest.mark.rfc("R3311-5.1-2", "R3261-14.1-2", "R3261-13.2.1-17")
@pytest.mark.parametrize("who", ["a", "b"])
def test_hold_and_resume(who: str) -> None:
    told: list[str] = []

    async def hold(call: sip.Call) -> None:
        before = SessionDescription.parse(call.local_sdp or b"")
        with pytest.raises(LocalProtocolError, match="the call is not on hold by us"):
            await call.resume()
        assert (await call.hold()).code == 200
        held = SessionDescription.parse(call.local_sdp or b"")
        assert held.direction_of(held.media[0]) == "sendonly"
        assert held.origin.version == before.origin.version + 1
        with pytest.raises(LocalProtocolError, match="the call is on hold already"):
            await call.hold()
        assert (await call.resume()).code == 200
        resumed = SessionDescription.parse(call.local_sdp or b"")
        assert resumed.direction_of(resumed.media[0]) == "sendrecv"
        assert resumed.origin.version == before.origin.version + 2

    async def be_held(call: sip.Call, mine: bytes) -> None:
        for direction in (b"a=recvonly\r\n", b""):
            event = await anext(call.events())
            assert isinstance(event, sip.ReinviteReceived)
            offer = SessionDescription.parse(event.offer or b"")
            told.append(offer.direction_of(offer.media[0]))
            await event.answer(mine + direction)
            assert isinstance(await anext(call.events()), sip.AckReceived)

    async def scenario(net: VirtualNetwork) -> None:
        async def serve(call: sip.IncomingCall) -> None:
            await (be_held(call, ANSWER) if who == "a" else hold(call))

        async with (
            phone(net, "udp://b:5060", take=answering(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b", offer=OFFER) as call,
        ):
            await (hold(call) if who == "a" else be_held(call, OFFER))
            await trio.sleep(1)

    sip.testing.run(scenario)
    assert told == ["sendonly", "sendrecv"]


def test_hold_that_is_refused_is_no_hold() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        event = await anext(call.events())
        assert isinstance(event, sip.ReinviteReceived)
        await event.respond(488)
        await accept(call.events(), ANSWER + b"a=recvonly\r\n", kind=sip.ReinviteReceived)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=answering(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b", offer=OFFER) as call,
        ):
            await trio.sleep(1)
            assert (await call.hold()).code == 488
            with pytest.raises(LocalProtocolError, match="the call is not on hold by us"):
                await call.resume()
            assert (await call.hold()).code == 200
            await trio.sleep(1)

    sip.testing.run(scenario)


def test_call_without_session_cannot_be_held() -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                await pick_up(peer, body=b"")
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060") as call:
                with pytest.raises(LocalProtocolError, match="there is nothing to hold"):
                    await call.hold()

    sip.testing.run(scenario)
