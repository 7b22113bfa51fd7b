"""Calls that another endpoint goes on with, from a snapshot."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, SDP_2, SDP_3, TCP, UDP, WAYS, in_dialog, opened, phone, pick_up, scripted

ALICE = sip.Credentials("alice", "secret")
CHALLENGE = 'Digest realm="b", nonce="n{}", qop="auth", algorithm=SHA-256'


@asynccontextmanager
async def vanishing(net, way):
    """Open an endpoint whose going nobody hears of: its process was killed, as it were."""
    async with sip.open_endpoint(way.listen("a"), network=net, grace=0) as ep:
        yield ep
        net.partition("a", "b")
    net.heal("a", "b")


async def take_away(net, way, *, session_expires: int | None = None, credentials=None) -> str:
    """Bring a call up from ``a`` to ``b``, let its endpoint vanish, and return the snapshot as text."""
    async with vanishing(net, way) as ep, trio.open_nursery() as nursery:
        called = trio.Event()
        text = ""

        async def hold() -> None:
            nonlocal text
            async with ep.call(
                way.uri("b"), offer=SDP, session_expires=session_expires, credentials=credentials
            ) as call:
                text = str(call.snapshot())
                ep._core.close()
                ep._calls.clear()
                call._finish("gone", None)
                called.set()

        nursery.start_soon(hold)
        await called.wait()
    assert text
    return text


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_restored_call_is_changed_and_ended(way) -> None:
    async def scenario(net) -> None:
        async with phone(net, way.listen("b")):
            text = await take_away(net, way)
            await trio.sleep(5)
            async with opened(net, way.listen("a")) as ep:
                async with ep.restore(sip.DialogSnapshot.parse(text), elapsed=5) as call:
                    assert (call.local_sdp, call.remote_sdp) == (SDP, SDP_2)
                    assert not call.is_ended
                    assert (await call.info(b"x", "text/plain")).code == 200
                    assert (await call.reinvite(SDP_3)).code == 200
                    assert (call.local_sdp, call.remote_sdp) == (SDP_3, SDP_3)
                    with pytest.raises(sip.LocalProtocolError, match="lives here already"):
                        ep.restore(sip.DialogSnapshot.parse(text))
                assert call.end_reason == "local"

    way.run(scenario)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_peers_requests_reach_a_restored_call(way) -> None:
    async def scenario(net) -> None:
        callee = trio.Event()

        async def take(event) -> None:
            match event:
                case sip.InviteReceived(call=call):
                    async with call:
                        await call.answer(SDP_2)
                        await callee.wait()
                        assert (await call.info(b"x", "text/plain")).code == 200
                        assert (await call.reinvite(SDP_3)).code == 200

        async with phone(net, way.listen("b"), take=take):
            text = await take_away(net, way)
            async with opened(net, way.listen("a")) as ep:
                call = ep.restore(sip.DialogSnapshot.parse(text))
                callee.set()
                async for event in call.events():
                    match event:
                        case sip.ReinviteReceived():
                            await event.answer(SDP)
                            assert call.remote_sdp == SDP_3
                        case sip.InfoReceived():
                            await event.respond(200)
                assert call.end_reason == "remote"

    way.run(scenario)


def test_a_restored_call_at_another_address_tells_its_peer() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060") as bob:
            text = await take_away(net, UDP)
            async with opened(net, "udp://c:5060") as ep:
                async with ep.restore(sip.DialogSnapshot.parse(text)) as call:
                    assert (await call.reinvite(SDP, headers=[("Contact", "<sip:c@c:5060>")])).code == 200
                    (other,) = bob._calls.values()
                    assert str(other.dialog.remote_target) == "sip:c@c:5060"
                    # The next request names the new address too, without being told.
                    await call.update()
                    assert str(other.dialog.remote_target) == "sip:c@c:5060"

    UDP.run(scenario)


@pytest.mark.parametrize("way", [UDP, TCP], ids=str)
def test_the_session_timer_of_a_restored_call_goes_on(way) -> None:
    async def scenario(net) -> None:
        async with phone(net, way.listen("b")):
            text = await take_away(net, way, session_expires=300)
            await trio.sleep_until(100)
            async with opened(net, way.listen("a")) as ep:
                async with ep.restore(sip.DialogSnapshot.parse(text), elapsed=100) as call:
                    await trio.sleep_until(1000)
                    assert not call.is_ended

    trace = way.run(scenario)
    times = trace.times("a>b UPDATE")
    assert times == pytest.approx([150 * n for n in range(1, 7)], abs=2)


def test_a_restored_call_answers_challenges() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, trio.open_nursery() as nursery:

            async def callee() -> None:
                first = await peer.expect("INVITE")
                await peer.send(response_to(first, 407, headers=[("Proxy-Authenticate", CHALLENGE.format(0))]))
                await peer.expect("ACK")
                invite = await pick_up(peer)
                info = await peer.expect("INFO")
                await peer.send(response_to(info, 407, headers=[("Proxy-Authenticate", CHALLENGE.format(1))]))
                again = await peer.expect("INFO")
                assert again.cseq.sequence == info.cseq.sequence + 1 == invite.cseq.sequence + 2
                assert 'username="alice"' in again.headers["Proxy-Authorization"]
                await peer.send(response_to(again, 200))
                info = await peer.expect("INFO")
                stranger = CHALLENGE.format(2).replace('"b"', '"stranger"')
                await peer.send(response_to(info, 407, headers=[("Proxy-Authenticate", stranger)]))
                await peer.send(in_dialog(peer, invite, "BYE"))
                await peer.expect(200)

            nursery.start_soon(callee)
            text = await take_away(net, UDP, credentials=ALICE)
            async with opened(net, "udp://a:5060") as ep:
                call = ep.restore(sip.DialogSnapshot.parse(text), credentials=ALICE)
                assert (await call.info(b"x", "text/plain")).code == 200
                assert (await call.info(b"x", "text/plain")).code == 407, "the call began with no such realm"
                assert await call.wait_ended() == "remote"

    UDP.run(scenario)


def test_no_snapshot_of_a_call_that_is_over_or_busy() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            async with ep.call("sip:b:5060", offer=SDP) as call, trio.open_nursery() as nursery:
                nursery.start_soon(call.reinvite, SDP_3)
                await trio.sleep(0.001)
                with pytest.raises(sip.LocalProtocolError, match="under way"):
                    call.snapshot()
            with pytest.raises(sip.CallEnded):
                call.snapshot()

    sip.testing.run(scenario, delay=0.1)


@pytest.mark.parametrize("realms", [None, 1, ["b"], [["Authorization"]], [["Authorization", 5]], [["a", "b", "c"]]])
def test_realms_that_are_none_make_no_call(realms) -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060"):
            fields = json.loads(await take_away(net, UDP))
            assert fields["realms"] == []
            async with opened(net, "udp://a:5060") as ep:
                with pytest.raises(sip.SnapshotError):
                    ep.restore(sip.DialogSnapshot.parse(json.dumps({**fields, "realms": realms})))
                assert not ep._core.dialogs
                fields.pop("realms")
                async with ep.restore(sip.DialogSnapshot.parse(json.dumps(fields))) as call:
                    assert not call.is_ended

    UDP.run(scenario)
