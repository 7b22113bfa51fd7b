"""Requests within a call reach its user in order, none is lost unsaid (RFC 3261, 12.2.2), and calls to oneself."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import (
    SDP,
    SDP_2,
    SDP_3,
    TCP,
    UDP,
    WAYS,
    WITH_SDP,
    answer,
    in_dialog,
    names,
    ok_to,
    opened,
    phone,
    pick_up,
    scripted,
)

TEXT = [("Content-Type", "text/plain")]


def as_caller(peer, invite, answer_, method: str, sequence: int, **options):
    """Build a request of the caller's within the dialog that an endpoint has answered."""
    return peer.request(
        method,
        str(answer_.contact[0].uri),
        call_id=invite.call_id,
        from_tag=invite.from_tag,
        to_tag=answer_.to_tag,
        sequence=sequence,
        **options,
    )


def answering(serve, script, **options):
    """Let a scripted caller call an endpoint, and give the call to ``serve``."""

    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", **options) as ep, trio.open_nursery() as nursery:
            nursery.start_soon(script, peer)
            async for event in ep.events():
                match event:
                    case sip.InviteReceived(call=call):
                        async with call:
                            await serve(call)
                        break

    return sip.testing.run(scenario)


async def call_in(peer):
    invite = peer.request("INVITE", "sip:a@a:5060", headers=WITH_SDP, body=SDP)
    await peer.send(invite, to="a:5060")
    return invite, await peer.expect(200)


def ack(peer, invite, answered):
    return as_caller(peer, invite, answered, "ACK", 1)


@pytest.mark.rfc("R3261-12.2.2-5")
def test_ack_reinvite_and_info_in_quick_succession_come_in_order() -> None:
    async def caller(peer) -> None:
        invite, answered = await call_in(peer)
        await peer.send(ack(peer, invite, answered))
        reinvite = as_caller(peer, invite, answered, "INVITE", 2, headers=WITH_SDP, body=SDP_3)
        await peer.send(reinvite)
        for sequence in range(3, 8):
            await peer.send(
                as_caller(peer, invite, answered, "INFO", sequence, headers=TEXT, body=str(sequence).encode())
            )
        assert (await peer.expect(100)).cseq.method == "INVITE"
        for _ in range(6):
            assert (await peer.expect(200)).cseq.method in ("INVITE", "INFO")
        await peer.send(as_caller(peer, invite, answered, "ACK", 2))
        await peer.send(as_caller(peer, invite, answered, "BYE", 8))
        await peer.expect(200)

    async def serve(call) -> None:
        seen: list = []
        await call.answer(SDP_2)
        await trio.sleep(1)  # a user that looks up late
        async for event in call.events():
            seen.append(event)
            match event:
                case sip.ReinviteReceived():
                    await event.answer(SDP_2)
                case sip.InfoReceived():
                    await event.respond(200)
        assert names(seen) == [
            "AckReceived", "ReinviteReceived", *["InfoReceived"] * 5, "AckReceived", "ByeReceived",
        ]  # fmt: skip
        assert [event.body for event in seen[2:7]] == [b"3", b"4", b"5", b"6", b"7"]

    answering(serve, caller)


@pytest.mark.rfc("R3261-12.2.2-4", "R3261-12.2.2-5", "R3261-12.2.2-6")
def test_gaps_of_cseq_are_accepted_and_lower_numbers_refused() -> None:
    async def script(peer, invite) -> None:
        for sequence, code in ((100, 200), (5000, 200), (4999, 500), (5000, 500), (1, 500), (5001, 200)):
            request = in_dialog(peer, invite, "INFO", sequence=sequence, headers=TEXT, body=b"x")
            await peer.send(request)
            assert (await peer.expect(code)).cseq.sequence == sequence

    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                await script(peer, invite)
                await peer.send(in_dialog(peer, invite, "BYE", sequence=2**31 - 1))
                await peer.expect(200)

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                taken: list = []
                async for event in call.events():
                    if isinstance(event, sip.InfoReceived):
                        taken.append(event.request.cseq.sequence)
                        await event.respond(200)
                assert taken == [100, 5000, 5001]

    sip.testing.run(scenario)


@pytest.mark.parametrize("method", ["INFO", "INVITE", "MESSAGE"])
def test_a_full_queue_is_503_and_the_call_goes_on(method) -> None:
    limits = sip.Limits(call_queue=4)

    async def caller(peer) -> None:
        invite, answered = await call_in(peer)
        await peer.send(ack(peer, invite, answered))
        await trio.sleep(0.1)
        # With the AckReceived that nobody has taken, three more have room.
        for sequence in range(2, 5):
            await peer.send(as_caller(peer, invite, answered, "INFO", sequence, headers=TEXT, body=b"x"))
        await trio.sleep(0.1)
        headers, body = (WITH_SDP, SDP_3) if method == "INVITE" else (TEXT, b"x")
        await peer.send(as_caller(peer, invite, answered, method, 5, headers=headers, body=body))
        refusal = await peer.expect(503)
        assert refusal.retry_after.seconds > 0
        if method == "INVITE":
            await peer.send(_ack_of(peer, invite, answered, refusal))
        for _ in range(3):
            assert (await peer.expect(200)).cseq.method == "INFO"
        await peer.send(as_caller(peer, invite, answered, method, 6, headers=headers, body=body))
        assert (await peer.expect(200)).cseq.sequence == 6
        if method == "INVITE":
            await peer.send(as_caller(peer, invite, answered, "ACK", 6))
        await peer.send(as_caller(peer, invite, answered, "BYE", 7))
        await peer.expect(200)

    async def serve(call) -> None:
        await call.answer(SDP_2)
        await trio.sleep(1)
        async for event in call.events():
            match event:
                case sip.ReinviteReceived():
                    await event.answer(SDP_2)
                case sip.RequestReceived():
                    await event.respond(200)

    answering(serve, caller, limits=limits)


def _ack_of(peer, invite, answered, refusal):
    request = as_caller(peer, invite, answered, "ACK", refusal.cseq.sequence)
    request.headers.set("Via", str(refusal.top_via))
    return request


def test_an_endpoint_full_of_calls_refuses_more_with_503() -> None:
    async def scenario(net) -> None:
        async with (
            scripted(net) as peer,
            opened(net, "udp://a:5060", limits=sip.Limits(event_queue=2)) as ep,
        ):
            events = ep.events()
            for _ in range(2):
                await peer.send(peer.request("INVITE", "sip:a@a:5060", headers=WITH_SDP, body=SDP), to="a:5060")
            await trio.sleep(0.1)
            invite = peer.request("INVITE", "sip:a@a:5060", headers=WITH_SDP, body=SDP)
            await peer.send(invite, to="a:5060")
            refusal = await peer.expect(503)
            assert refusal.call_id == invite.call_id
            assert refusal.retry_after.seconds > 0
            for _ in range(2):
                await (await anext(events)).call.reject()
            await peer.expect(486)
            await peer.expect(486)

    sip.testing.run(scenario)


# One Call-ID, several calls.


@pytest.mark.rfc("R3261-8.2.2.2-1", "R3261-8.2.2.2-2")
def test_an_invite_that_comes_by_two_ways_is_one_call() -> None:
    async def caller(peer) -> None:
        invite = peer.request("INVITE", "sip:a@a:5060", headers=WITH_SDP, body=SDP)
        await peer.send(invite, to="a:5060")
        await peer.expect(100)
        other = peer.request(
            "INVITE", "sip:a@a:5060", call_id=invite.call_id, from_tag=invite.from_tag, headers=WITH_SDP, body=SDP
        )
        assert other.top_via.branch != invite.top_via.branch
        await peer.send(other, to="a:5060")
        merged = await peer.expect(482)
        assert merged.top_via.branch == other.top_via.branch
        await peer.send(_ack_of(peer, other, merged_answer(peer, merged), merged))
        answered = await peer.expect(200)
        assert answered.top_via.branch == invite.top_via.branch
        await peer.send(ack(peer, invite, answered))
        await peer.send(as_caller(peer, invite, answered, "BYE", 2))
        await peer.expect(200)

    async def serve(call) -> None:
        await trio.sleep(1)
        await call.answer(SDP_2)
        async for _ in call.events():
            pass

    answering(serve, caller)


def merged_answer(peer, refusal):
    """Give a refusal the Contact that a request within a dialog would go to."""
    refusal.headers.set("Contact", "<sip:a@a:5060>")
    return refusal


def test_one_call_id_with_two_from_tags_is_two_calls() -> None:
    async def scenario(net) -> None:
        calls: list = []

        async def take(event) -> None:
            match event:
                case sip.InviteReceived(call=call):
                    calls.append(call)
                    async with call:
                        await call.answer(SDP_2)
                        async for inner in call.events():
                            if isinstance(inner, sip.InfoReceived):
                                await inner.respond(200, headers=[("Subject", inner.request.from_tag)])

        async with scripted(net) as peer, phone(net, "udp://a:5060", take=take):
            pairs = []
            for tag in ("one", "two"):
                invite = peer.request(
                    "INVITE", "sip:a@a:5060", call_id="same", from_tag=tag, headers=WITH_SDP, body=SDP
                )
                await peer.send(invite, to="a:5060")
                pairs.append((invite, await peer.expect(200)))
            assert pairs[0][1].to_tag != pairs[1][1].to_tag
            for invite, answered in pairs:
                await peer.send(ack(peer, invite, answered))
            (first, first_answer), (second, second_answer) = pairs
            # Mixed up, the tags name no dialog.
            await peer.send(as_caller(peer, first, second_answer, "INFO", 2, headers=TEXT, body=b"x"))
            await peer.expect(481)
            await peer.send(as_caller(peer, first, first_answer, "BYE", 3))
            await peer.expect(200)
            await trio.sleep(0.1)
            assert [call.is_ended for call in calls] == [True, False]
            await peer.send(as_caller(peer, second, second_answer, "INFO", 2, headers=TEXT, body=b"x"))
            assert (await peer.expect(200)).headers["Subject"] == "two"
            await peer.send(as_caller(peer, second, second_answer, "BYE", 3))
            await peer.expect(200)

    sip.testing.run(scenario)


# Calling oneself.


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("ender", ["caller", "callee"])
def test_a_call_to_oneself_is_two_legs_that_do_not_confuse(way, ender) -> None:
    async def scenario(net) -> None:
        taken: list = []

        async def take(event) -> None:
            match event:
                case sip.InviteReceived(call=call):
                    taken.append(call)
                    async with call:
                        await call.ring(reliable=True)
                        await call.answer(SDP_2)
                        async for inner in call.events():
                            match inner:
                                case sip.ReinviteReceived():
                                    await inner.answer(SDP_2)
                                case sip.InfoReceived():
                                    await inner.respond(200)
                                    assert (await call.info(b"back", "text/plain")).code == 200
                                    if ender == "callee":
                                        await call.hangup()

        async with phone(net, way.listen("a"), take=take) as ep:
            async with ep.call(way.uri("a"), offer=SDP) as call:
                (other,) = taken
                assert call.usage is not other.usage
                mine, theirs = call.dialog, other.dialog
                assert (mine.call_id, mine.local_tag, mine.remote_tag) == (
                    theirs.call_id, theirs.remote_tag, theirs.local_tag,
                )  # fmt: skip
                assert (call.remote_sdp, other.remote_sdp) == (SDP_2, SDP)
                assert len(ep._core.dialogs) == 2
                assert (await call.reinvite(SDP_3)).code == 200
                assert (call.local_sdp, other.remote_sdp) == (SDP_3, SDP_3)

                async with trio.open_nursery() as nursery:

                    async def hear() -> None:
                        async for event in call.events():
                            if isinstance(event, sip.InfoReceived):
                                await event.respond(200)
                                if ender == "caller":
                                    return

                    nursery.start_soon(hear)
                    assert (await call.info(b"there", "text/plain")).code == 200
            await other.wait_ended()
            assert (call.end_reason, other.end_reason) == (
                ("local", "remote") if ender == "caller" else ("remote", "local")
            )
            assert not ep._core.dialogs

    way.run(scenario)


@pytest.mark.parametrize("way", [UDP, TCP], ids=str)
def test_a_call_to_oneself_that_is_cancelled_or_refused(way) -> None:
    async def scenario(net) -> None:
        seen: list = []

        async def take(event) -> None:
            match event:
                case sip.InviteReceived(call=call):
                    async with call:
                        await call.ring()
                        if len(seen) == 1:
                            await call.reject()
                        async for inner in call.events():
                            seen.append(inner)

        async with phone(net, way.listen("a"), take=take) as ep:
            async with ep.invite(way.uri("a"), offer=SDP) as fork:
                await trio.sleep(1)
                await fork.cancel()
            assert names(seen) == ["CancelReceived"]
            with pytest.raises(sip.CallFailed, match="486"):
                async with ep.call(way.uri("a"), offer=SDP):
                    pass
            assert not ep._core.dialogs

    way.run(scenario)


def test_a_call_to_oneself_under_loss() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://a:5060") as ep:
            for _ in range(5):
                async with ep.call("sip:a@a:5060", offer=SDP) as call:
                    assert (await call.reinvite(SDP_3)).code == 200
            await trio.sleep(40)
            assert not ep._calls

    for seed in range(5):
        sip.testing.run(scenario, loss=0.2, duplicate=0.1, seed=seed)


def test_options_to_oneself() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://a:5060", take=answer) as ep:
            assert (await ep.request("OPTIONS", "sip:a:5060")).code == 200

    sip.testing.run(scenario)


def test_a_request_of_a_dialog_is_no_request_outside_of_one() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            for method in ("BYE", "UPDATE", "PRACK", "INFO"):
                with pytest.raises(sip.LocalProtocolError, match="outside of a dialog"):
                    await ep.request(method, "sip:b:5060")

    assert not sip.testing.run(scenario).times("a>b")


def test_a_second_answer_under_the_same_tag_is_a_copy() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer, to_tag="same")
                await peer.send(ok_to(peer, invite, to_tag="same", body=SDP_3))
                await peer.expect("ACK", again=True)
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.invite("sip:b:5060", offer=SDP) as fork:
                call = await fork.answered()
                await trio.sleep(1)
                assert call.remote_sdp == SDP_2
                assert len(fork.legs) == 1

    sip.testing.run(scenario)
