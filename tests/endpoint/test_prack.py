"""Reliable ringing as users see it, and the six ways of offer and answer (:rfc:`3262`, :rfc:`6337#section-2`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

import sipstack as sip
from sipstack.message import LocalProtocolError, Response
from sipstack.testing import VirtualNetwork, response_to

from .kit import SDP, SDP_2, SDP_3, UDP, WAYS, WITH_SDP, Take, names, ok_to, opened, phone, scripted, sequence

RELIABLY = [("Require", "100rel"), ("RSeq", "7")]
OFFER, ANSWER, OFFER_2, ANSWER_2 = SDP, SDP_2, SDP_3, SDP.replace(b"6000", b"9000")


def taking(serve: Callable[[sip.IncomingCall], Awaitable[object]]) -> Take:
    """Serve calls, and let them go on until they end."""

    async def take(event: sip.Event) -> None:
        assert isinstance(event, sip.InviteReceived)
        async with event.call as call:
            await serve(call)
            await call.wait_ended()

    return take


def reliable(invite, peer, code: int = 183, *, rseq: int = 7, body: bytes = b"", to_tag: str = "to-1") -> Response:
    """Make a response of a scripted callee's that wants a PRACK."""
    headers = [("Require", "100rel"), ("RSeq", str(rseq)), *(WITH_SDP if body else [])]
    return response_to(invite, code, to_tag=to_tag, contact=f"sip:peer@{peer.sent_by}", headers=headers, body=body)


# The six usages of RFC 6337, table 1.


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-13.2.1-9", "R3261-13.2.1-10", "R3261-13.2.1-16")
def test_offer_in_the_invite_and_answer_in_the_2xx(way) -> None:
    callees: list[sip.IncomingCall] = []

    async def serve(call: sip.IncomingCall) -> None:
        callees.append(call)
        assert call.offer == OFFER
        assert call.remote_sdp == OFFER
        await call.answer(ANSWER)
        assert (call.local_sdp, call.remote_sdp) == (ANSWER, OFFER)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, way.listen("b"), take=taking(serve)),
            opened(net, way.listen("a")) as ep,
            ep.call(way.uri("b"), offer=OFFER) as call,
        ):
            assert (call.local_sdp, call.remote_sdp) == (OFFER, ANSWER)

    assert sequence(way.run(scenario)) == ["a>b INVITE+", "b>a 200 INVITE+", "a>b ACK", "a>b BYE", "b>a 200 BYE"]
    assert callees[0].is_ended


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-13.2.1-9", "R3261-13.2.1-13", "R3261-13.2.2.4-6")
def test_offer_in_the_2xx_and_answer_in_the_ack(way) -> None:
    acks: list[bytes] = []

    async def serve(call: sip.IncomingCall) -> None:
        assert call.offer is None
        await call.answer(OFFER)
        assert call.local_sdp == OFFER
        async for event in call.events():
            if isinstance(event, sip.AckReceived):
                acks.append(event.body)
                assert (call.local_sdp, call.remote_sdp) == (OFFER, ANSWER)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, way.listen("b"), take=taking(serve)),
            opened(net, way.listen("a")) as ep,
            ep.call(way.uri("b")) as call,
        ):
            assert call.remote_sdp == OFFER
            await call.acknowledge(ANSWER)
            assert (call.local_sdp, call.remote_sdp) == (ANSWER, OFFER)
            await trio.sleep(1)

    assert sequence(way.run(scenario)) == ["a>b INVITE", "b>a 200 INVITE+", "a>b ACK+", "a>b BYE", "b>a 200 BYE"]
    assert acks == [ANSWER]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3262-5-1", "R3262-5-6", "R3262-5-8")
def test_offer_in_the_invite_and_answer_in_a_reliable_response(way) -> None:
    async def serve(call: sip.IncomingCall) -> None:
        assert call.can_ring_reliably
        await call.ring(183, answer=ANSWER, reliable=True)
        assert (call.local_sdp, call.remote_sdp) == (ANSWER, OFFER)
        await call.answer()

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, way.listen("b"), take=taking(serve)),
            opened(net, way.listen("a")) as ep,
            ep.invite(way.uri("b"), offer=OFFER) as fork,
        ):
            progress = await anext(fork.events())
            assert isinstance(progress, sip.Progress)
            assert progress.reliable
            assert progress.leg is not None
            assert progress.leg.early_sdp == ANSWER  # early media
            assert progress.leg.rseq == progress.response.rseq
            call = await fork.answered()
            assert (call.local_sdp, call.remote_sdp) == (OFFER, ANSWER)

    assert sequence(way.run(scenario)) == [
        "a>b INVITE+", "b>a 183 INVITE+", "a>b PRACK", "b>a 200 PRACK", "b>a 200 INVITE", "a>b ACK", "a>b BYE",
        "b>a 200 BYE",
    ]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3262-5-2", "R3262-5-3", "R3262-5-8", "R3261-13.2.1-13")
def test_offer_in_a_reliable_response_and_answer_in_the_prack(way) -> None:
    async def serve(call: sip.IncomingCall) -> None:
        with pytest.raises(LocalProtocolError, match="the first reliable response must make one"):
            await call.ring(reliable=True)
        await call.ring(183, answer=OFFER, reliable=True)
        assert (call.local_sdp, call.remote_sdp) == (OFFER, ANSWER)
        await call.answer()

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, way.listen("b"), take=taking(serve)),
            opened(net, way.listen("a")) as ep,
            ep.invite(way.uri("b")) as fork,
        ):
            progress = await anext(fork.events())
            assert isinstance(progress, sip.Progress)
            leg = progress.leg
            assert leg is not None
            assert leg.early_sdp == OFFER
            with pytest.raises(LocalProtocolError, match="the PRACK must answer it"):
                await leg.prack()
            assert (await leg.prack(ANSWER)).code == 200
            call = await fork.answered()
            assert (call.local_sdp, call.remote_sdp) == (ANSWER, OFFER)

    assert sequence(way.run(scenario)) == [
        "a>b INVITE", "b>a 183 INVITE+", "a>b PRACK+", "b>a 200 PRACK", "b>a 200 INVITE", "a>b ACK", "a>b BYE",
        "b>a 200 BYE",
    ]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3262-5-4", "R3262-5-5", "R3262-5-8")
def test_offer_in_the_prack_and_answer_in_its_2xx(way) -> None:
    async def serve(call: sip.IncomingCall) -> None:
        async with trio.open_nursery() as nursery:

            async def take() -> None:
                event = await anext(call.events())
                assert isinstance(event, sip.PrackReceived)
                assert event.offer == OFFER_2
                with pytest.raises(LocalProtocolError, match="488 cannot be the answer to a PRACK"):
                    await event.respond(488)
                with pytest.raises(LocalProtocolError, match="has no answer"):
                    await event.respond(200)
                await event.answer(ANSWER_2)

            nursery.start_soon(take)
            await call.ring(183, answer=ANSWER, reliable=True)
        assert (call.local_sdp, call.remote_sdp) == (ANSWER_2, OFFER_2)
        await call.answer()

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, way.listen("b"), take=taking(serve)),
            opened(net, way.listen("a")) as ep,
            ep.invite(way.uri("b"), offer=OFFER, prack="manual") as fork,
        ):
            await anext(fork.events())
            (leg,) = fork.legs
            response = await leg.prack(OFFER_2)
            assert response.body == ANSWER_2
            assert (leg.session.local, leg.session.remote) == (OFFER_2, ANSWER_2)
            call = await fork.answered()
            assert (call.local_sdp, call.remote_sdp) == (OFFER_2, ANSWER_2)

    assert sequence(way.run(scenario)) == [
        "a>b INVITE+", "b>a 183 INVITE+", "a>b PRACK+", "b>a 200 PRACK+", "b>a 200 INVITE", "a>b ACK", "a>b BYE",
        "b>a 200 BYE",
    ]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("who", ["a", "b"])
@pytest.mark.rfc("R3311-5.1-1", "R3311-5.2-5")
def test_offer_in_an_early_update_and_answer_in_its_2xx(way, who: str) -> None:
    async def serve(call: sip.IncomingCall) -> None:
        await call.ring(183, answer=ANSWER, reliable=True)
        if who == "a":
            event = await anext(call.events())
            assert isinstance(event, sip.UpdateReceived)
            assert event.offer == OFFER_2
            await event.answer(ANSWER_2)
            assert (call.local_sdp, call.remote_sdp) == (ANSWER_2, OFFER_2)
        else:
            assert (await call.update(OFFER_2)).body == ANSWER_2
            assert (call.local_sdp, call.remote_sdp) == (OFFER_2, ANSWER_2)
        await call.answer()

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, way.listen("b"), take=taking(serve)),
            opened(net, way.listen("a")) as ep,
            ep.invite(way.uri("b"), offer=OFFER) as fork,
        ):
            await anext(fork.events())
            (leg,) = fork.legs
            if who == "a":
                await trio.sleep(0.1)  # until the PRACK is through
                assert (await leg.update(OFFER_2)).body == ANSWER_2
            else:
                event = await anext(fork.events())
                assert isinstance(event, sip.UpdateReceived)
                assert event.leg is leg
                await event.answer(ANSWER_2)
            call = await fork.answered()
            ours, theirs = (OFFER_2, ANSWER_2) if who == "a" else (ANSWER_2, OFFER_2)
            assert (call.local_sdp, call.remote_sdp) == (ours, theirs)

    other = "b" if who == "a" else "a"
    sent = sequence(way.run(scenario))
    assert sent[:4] == ["a>b INVITE+", "b>a 183 INVITE+", "a>b PRACK", "b>a 200 PRACK"]
    assert sent[4:6] == [f"{who}>{other} UPDATE+", f"{other}>{who} 200 UPDATE+"]
    assert sent[6:] == ["b>a 200 INVITE", "a>b ACK", "a>b BYE", "b>a 200 BYE"]


# What else users see.


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("has_offer", [True, False])
def test_reliable_call_over_a_lossy_network(seed: int, has_offer: bool) -> None:
    agreed: list[object] = []

    async def serve(call: sip.IncomingCall) -> None:
        await call.ring(183, answer=ANSWER, reliable=True)
        await call.ring(180, reliable=True)
        await call.answer()
        assert (await call.update(OFFER_2)).code == 200
        agreed.append((call.local_sdp, call.remote_sdp))

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=taking(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b", offer=OFFER if has_offer else None) as fork,
        ):
            is_updated = False

            async def take(event: sip.Event) -> None:
                nonlocal is_updated
                match event:
                    case sip.Progress(leg=leg) if not has_offer:
                        assert leg is not None
                        await leg.prack(OFFER)
                    case sip.UpdateReceived():  # may overtake the 2xx
                        await event.answer(ANSWER_2)
                        is_updated = True

            async for event in fork.events():
                await take(event)
                if isinstance(event, sip.Answered):
                    break
            call = await fork.answered()
            while not is_updated:
                await take(await anext(call.events()))
            assert (call.local_sdp, call.remote_sdp) == (ANSWER_2, OFFER_2)
            await trio.sleep(20)

    sip.testing.run(scenario, seed=seed, delay=0.02, jitter=0.05, loss=0.15, duplicate=0.1)
    assert agreed == [(OFFER_2, ANSWER_2)]


@pytest.mark.rfc("R3262-3-21", "R3262-3-22")
def test_who_awaits_each_ringing_has_one_in_flight_at_a_time() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        for code in (183, 180, 182):
            await call.ring(code, reliable=True)
        await call.answer(ANSWER)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=taking(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b", offer=OFFER) as fork,
        ):
            rseqs = []
            async for event in fork.events():
                if isinstance(event, sip.Progress | sip.Ringing):
                    assert event.leg is not None
                    rseqs.append(event.leg.rseq)
            assert rseqs == [rseqs[0], rseqs[0] + 1, rseqs[0] + 2]

    sent = sequence(sip.testing.run(scenario))
    assert [what for what in sent if "INVITE" in what or "PRACK" in what][:10] == [
        "a>b INVITE+", "b>a 183 INVITE", "a>b PRACK", "b>a 200 PRACK", "b>a 180 INVITE", "a>b PRACK", "b>a 200 PRACK",
        "b>a 182 INVITE", "a>b PRACK", "b>a 200 PRACK",
    ]  # fmt: skip


@pytest.mark.rfc("R3262-3-18")
def test_ringing_that_nobody_acknowledges_ends_the_call_with_500() -> None:
    ends: list[object] = []

    async def take(event: sip.Event) -> None:
        assert isinstance(event, sip.InviteReceived)
        call = event.call
        async with call:
            try:
                await call.ring(183, answer=ANSWER, reliable=True)
            finally:
                ends.append(trio.current_time())
                ends.append(call.end_reason)
                ends.extend([event async for event in call.events()])
        ends.append("left quietly")

    async def scenario(net: VirtualNetwork) -> None:
        async with phone(net, "udp://b:5060", take=take), scripted(net, "a:5060") as peer:
            invite = peer.request("INVITE", "sip:b:5060", headers=[("Supported", "100rel"), *WITH_SDP], body=OFFER)
            await peer.send(invite, to="b:5060")
            first = await peer.expect(183)
            for _ in range(6):
                assert (await peer.expect(183, again=True)).rseq == first.rseq
            refusal = await peer.expect(500)
            assert refusal.phrase == "Provisional Response Not Acknowledged"
            assert trio.current_time() == pytest.approx(32, abs=0.01)

    trace = sip.testing.run(scenario)
    assert trace.times("b>a 183")[:7] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert ends[0] == pytest.approx(32, abs=0.01)
    assert ends[1] == "unacknowledged"
    assert isinstance(ends[2], sip.CallLost)
    assert ends[2].cause == "unacknowledged"
    assert ends[3:] == ["left quietly"]


@pytest.mark.rfc("R3262-3-25", "R3262-5-7")
def test_answer_given_while_the_prack_is_awaited_is_held_back() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: call.ring(183, answer=ANSWER, reliable=True))
            await trio.sleep(0.1)
            await call.answer()
            with pytest.raises(LocalProtocolError, match="the INVITE is held already"):
                await call.answer()
            assert not call.is_ended

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=taking(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b", offer=OFFER, prack="manual") as fork,
        ):
            await anext(fork.events())
            await trio.sleep(5)
            assert fork.legs[0].is_early
            assert (await fork.legs[0].prack()).code == 200
            await fork.answered()

    trace = sip.testing.run(scenario)
    assert trace.times("b>a 200 INVITE") == [trace.times("b>a 200 PRACK")[0]] == [5.0]


def test_who_leaves_while_the_2xx_is_held_back_refuses() -> None:
    async def take(event: sip.Event) -> None:
        assert isinstance(event, sip.InviteReceived)
        async with event.call as call:
            with trio.move_on_after(1):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(lambda: call.ring(183, answer=ANSWER, reliable=True))
                    await trio.sleep(0.1)
                    await call.answer()

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=take),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b", offer=OFFER, prack="manual") as fork,
        ):
            with pytest.raises(sip.CallFailed) as caught:
                await fork.answered()
            assert caught.value.response.code == 480

    assert "b>a 200 INVITE" not in sequence(sip.testing.run(scenario))


@pytest.mark.rfc("R3262-3-26")
def test_prack_for_a_cancelled_invite_is_answered() -> None:
    async def take(event: sip.Event) -> None:
        assert isinstance(event, sip.InviteReceived)
        async with event.call as call:
            await call.ring(183, answer=ANSWER, reliable=True)

    async def scenario(net: VirtualNetwork) -> None:
        async with phone(net, "udp://b:5060", take=take), scripted(net, "a:5060") as peer:
            invite = peer.request("INVITE", "sip:b:5060", headers=[("Supported", "100rel"), *WITH_SDP], body=OFFER)
            await peer.send(invite, to="b:5060")
            progress = await peer.expect(183)
            cancel = invite.copy()
            cancel.method, cancel.body = "CANCEL", b""
            for name in ("Content-Type", "Supported", "Contact"):
                cancel.headers.remove(name)
            cancel.headers.set("CSeq", f"{invite.cseq.sequence} CANCEL")
            await peer.send(cancel)
            await peer.expect(200)
            await peer.expect(487)

            async def prack(sequence: int) -> Response:
                request = peer.request(
                    "PRACK",
                    str(progress.contact[0].uri),
                    call_id=invite.call_id,
                    from_tag=invite.from_tag,
                    to_tag=progress.to_tag,
                    sequence=sequence,
                    headers=[("RAck", f"{progress.rseq} {invite.cseq.sequence} INVITE")],
                )
                await peer.send(request)
                while True:
                    response = await peer._next(again=False)
                    assert isinstance(response, Response)
                    if response.cseq.method == "PRACK":
                        return response

            assert (await prack(2)).code == 200
            assert (await prack(3)).code == 481

    sip.testing.run(scenario)


@pytest.mark.rfc("R3262-4-8", "R3262-4-9", "R3262-4-13")
def test_repeated_and_early_responses_make_no_event_and_no_prack() -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await peer.send(reliable(invite, peer, rseq=7, body=ANSWER))
                prack = await peer.expect("PRACK")
                assert prack.headers["RAck"] == "7 1 INVITE"
                await peer.send(response_to(prack, 200))
                for rseq in (7, 9, 6):
                    await peer.send(reliable(invite, peer, 180, rseq=rseq))
                await peer.expect_nothing(2)
                await peer.send(reliable(invite, peer, 180, rseq=8))
                prack = await peer.expect("PRACK")
                assert prack.headers["RAck"] == "8 1 INVITE"
                await peer.send(response_to(prack, 200))
                await peer.send(ok_to(peer, invite, body=b""))
                await peer.expect("ACK")
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.invite("sip:b:5060", offer=OFFER) as fork:
                await fork.answered()
                events = [await anext(fork.events()) for _ in range(3)]
                assert names(events) == ["Progress", "Ringing", "Answered"]

    sip.testing.run(scenario)


@pytest.mark.rfc("R3262-9-1")
@pytest.mark.parametrize("prack", ["auto", "manual"])
def test_prack_that_is_challenged_is_sent_with_credentials(prack) -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                challenge = 'Digest realm="b", nonce="{}", algorithm=SHA-256, qop="auth"'
                refused = await peer.expect("INVITE")
                await peer.send(response_to(refused, 401, headers=[("WWW-Authenticate", challenge.format("n"))]))
                await peer.expect("ACK")
                invite = await peer.expect("INVITE")
                await peer.send(reliable(invite, peer, body=ANSWER))
                first = await peer.expect("PRACK")
                await peer.send(response_to(first, 401, headers=[("WWW-Authenticate", challenge.format("m"))]))
                second = await peer.expect("PRACK")
                assert second.cseq.sequence == first.cseq.sequence + 1
                assert second.headers["RAck"] == first.headers["RAck"]
                assert 'nonce="m"' in second.headers["Authorization"]
                await peer.send(response_to(second, 200))
                await peer.send(ok_to(peer, invite, body=b""))
                await peer.expect("ACK")
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            credentials = sip.Credentials("alice", "secret")
            async with ep.invite("sip:b:5060", offer=OFFER, credentials=credentials, prack=prack) as fork:
                if prack == "manual":
                    await anext(fork.events())
                    assert (await fork.legs[0].prack()).code == 200
                call = await fork.answered()
                assert call.remote_sdp == ANSWER

    sip.testing.run(scenario)


def test_ringing_reliably_takes_a_caller_that_supports_it() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        assert not call.can_ring_reliably
        with pytest.raises(LocalProtocolError, match="the caller does not support 100rel"):
            await call.ring(reliable=True)
        await call.ring()
        await call.answer(ANSWER)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=taking(serve)),
            opened(net, "udp://a:5060", supported=()) as ep,
            ep.call("sip:b", offer=OFFER),
        ):
            pass

    assert "a>b PRACK" not in sequence(sip.testing.run(scenario))


def test_caller_that_requires_reliable_ringing_gets_it_unasked() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        await call.ring()
        with pytest.raises(LocalProtocolError, match="the caller requires 100rel"):
            await call.ring(reliable=False)
        await call.answer(ANSWER)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=taking(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b", offer=OFFER, require=["100rel"]),
        ):
            pass

    assert sequence(sip.testing.run(scenario)).count("a>b PRACK") == 1


def test_answer_told_ahead_of_time_is_the_answer() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        await call.ring(183, answer=ANSWER)
        assert call.local_sdp == ANSWER
        assert call.session.local is None
        await trio.sleep(1)
        with pytest.raises(LocalProtocolError, match="differs from the one that an earlier response gave"):
            await call.answer(ANSWER_2)
        await call.answer()
        assert call.session.local == ANSWER

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=taking(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b", offer=OFFER) as fork,
        ):
            progress = await anext(fork.events())
            assert isinstance(progress, sip.Progress)
            assert not progress.reliable
            assert progress.leg is not None
            assert progress.leg.early_sdp == ANSWER
            assert progress.leg.session.remote is None
            call = await fork.answered()
            assert call.session.remote == ANSWER

    assert sequence(sip.testing.run(scenario))[:4] == [
        "a>b INVITE+", "b>a 183 INVITE+", "b>a 200 INVITE+", "a>b ACK",
    ]  # fmt: skip


@pytest.mark.rfc("R3261-13.3.1.4-2")
def test_offer_is_answered_at_the_latest_when_the_call_is() -> None:
    async def serve(call: sip.IncomingCall) -> None:
        with pytest.raises(LocalProtocolError, match="the 2xx must answer it, so pass the SDP"):
            await call.answer()
        await call.answer(ANSWER)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, UDP.listen("b"), take=taking(serve)),
            opened(net, UDP.listen("a")) as ep,
            ep.call(UDP.uri("b"), offer=OFFER),
        ):
            pass

    assert sequence(UDP.run(scenario))[1] == "b>a 200 INVITE+"


@pytest.mark.rfc("R3261-13.2.2.4-7", "R3261-14.2-12")
def test_offerless_call_that_is_left_at_once_refuses_the_offer() -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await peer.send(ok_to(peer, invite, body=OFFER))
                ack = await peer.expect("ACK")
                assert b"m=audio 0 RTP/AVP 0\r\n" in ack.body
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060"):
                pass

    sip.testing.run(scenario)


def test_users_early_update_ends_with_its_leg() -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await peer.send(reliable(invite, peer, body=ANSWER))
                await peer.send(response_to(await peer.expect("PRACK"), 200))
                await peer.send(response_to(await peer.expect("UPDATE"), 491))
                await peer.send(ok_to(peer, invite, code=486, body=b""))
                await peer.expect("ACK")

            nursery.start_soon(callee)
            async with ep.invite("sip:b:5060", offer=OFFER) as fork:
                await anext(fork.events())
                with pytest.raises(sip.CallEnded):
                    await fork.legs[0].update(OFFER_2)
                with pytest.raises(sip.CallFailed):
                    await fork.answered()

    sip.testing.run(scenario)


def test_users_early_update_goes_on_when_the_call_is_answered() -> None:
    async def scenario(net: VirtualNetwork) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await peer.send(reliable(invite, peer, body=ANSWER))
                await peer.send(response_to(await peer.expect("PRACK"), 200))
                await peer.send(response_to(await peer.expect("UPDATE"), 491))
                await peer.send(ok_to(peer, invite, body=b""))
                await peer.expect("ACK")
                update = await peer.expect("UPDATE")
                await peer.send(response_to(update, 200, headers=WITH_SDP, body=ANSWER_2))
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.invite("sip:b:5060", offer=OFFER) as fork:
                await anext(fork.events())
                response = await fork.legs[0].update(OFFER_2)
                assert response.body == ANSWER_2
                call = await fork.answered()
                assert (call.local_sdp, call.remote_sdp) == (OFFER_2, ANSWER_2)

    sip.testing.run(scenario)


def test_ringing_whose_turn_never_comes_ends_with_the_answer() -> None:
    returned: list[tuple[int, float]] = []

    async def serve(call: sip.IncomingCall) -> None:
        async def ring(code: int) -> None:
            await call.ring(code, reliable=True)
            returned.append((code, trio.current_time()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ring, 183)
            await trio.sleep(0.1)
            nursery.start_soon(ring, 180)
            await trio.sleep(0.9)
            await call.answer(ANSWER)

    async def scenario(net: VirtualNetwork) -> None:
        async with (
            phone(net, "udp://b:5060", take=taking(serve)),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b", offer=OFFER, prack="manual") as fork,
        ):
            await fork.answered()
            await trio.sleep_until(5)

    assert "b>a 180 INVITE" not in sequence(sip.testing.run(scenario))
    assert (180, 1.0) in returned
