"""Session timers as users of an endpoint meet them: asked for, challenged, crossed, over (RFC 4028)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, SDP_2, SDP_3, WAYS, collecting, drain, names, ok_to, opened, phone, scripted

ALICE = sip.Credentials("alice", "secret")
CHALLENGE = 'Digest realm="b", nonce="n{}", qop="auth", algorithm=SHA-256'
METHODS_WITHOUT_UPDATE = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO")


def timed(seconds: int, refresher: str) -> list[tuple[str, str]]:
    return [
        ("Session-Expires", f"{seconds};refresher={refresher}"),
        ("Require", "timer"),
        ("Allow", "INVITE, ACK, BYE, UPDATE"),
        ("Content-Type", "application/sdp"),
    ]


def calling(script, use, **options):
    """Let a scripted callee answer with a session timer."""

    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await script(peer, invite)

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP, session_expires=300, **options) as call:
                await use(call)

    return sip.testing.run(scenario)


async def pick_up(peer, invite, refresher: str = "uac") -> None:
    answer = response_to(invite, 200, contact="sip:peer@b:5060", headers=timed(300, refresher), body=SDP_2)
    await peer.send(answer)
    await peer.expect("ACK")


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("refresher", ["uac", "uas"])
@pytest.mark.parametrize("has_update", [True, False], ids=["update", "reinvite"])
def test_a_long_call_is_refreshed_by_whoever_it_falls_to(way, refresher, has_update) -> None:
    events: list = []
    mine: list = []
    options = {} if has_update else {"methods": METHODS_WITHOUT_UPDATE}

    async def take(event) -> None:
        match event:
            case sip.InviteReceived(call=call):
                async with call:
                    await call.answer(SDP_2)
                    async for inner in call.events():
                        events.append(inner)
                        if isinstance(inner, sip.ReinviteReceived):
                            await inner.answer(SDP_2)

    async def scenario(net) -> None:
        policy = sip.SessionTimerPolicy(refresher=refresher)
        async with (
            phone(net, way.listen("b"), take=take, session_timer=policy, **options),
            opened(net, way.listen("a"), **options) as ep,
            ep.call(way.uri("b"), offer=SDP, session_expires=600) as call,
            trio.open_nursery() as nursery,
        ):

            async def serve() -> None:
                async for event in call.events():
                    mine.append(event)
                    if isinstance(event, sip.ReinviteReceived):
                        await event.answer(SDP)

            nursery.start_soon(serve)
            await trio.sleep(2900)
            assert not call.is_ended
            assert (call.local_sdp, call.remote_sdp) == (SDP, SDP_2)
            nursery.cancel_scope.cancel()

    trace = way.run(scenario)
    method = "UPDATE" if has_update else "INVITE"
    sender = "a>b" if refresher == "uac" else "b>a"
    times = [time for time in trace.times(f"{sender} {method}") if time > 1]
    assert times == pytest.approx([300 * n for n in range(1, 1 + len(times))], abs=2)
    assert len(times) == 9
    heard = events if refresher == "uac" else mine
    kind = "SessionRefreshed" if has_update else "ReinviteReceived"
    assert names(heard).count(kind) == len(times)


@pytest.mark.parametrize("code", [401, 407])
@pytest.mark.rfc("R4028-10-1")
def test_a_challenged_refresh_is_sent_again_with_credentials(code) -> None:
    name = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"

    async def script(peer, invite) -> None:
        # A realm that asked when the call began may ask again; one that did not is not answered.
        await peer.send(response_to(invite, code, headers=[(name, CHALLENGE.format("first"))]))
        await peer.expect("ACK")
        await pick_up(peer, await peer.expect("INVITE"))
        for round_ in range(2):
            update = await peer.expect("UPDATE", timeout=200)
            await peer.send(response_to(update, code, to_tag=None, headers=[(name, CHALLENGE.format(round_))]))
            again = await peer.expect("UPDATE")
            assert again.cseq.sequence == update.cseq.sequence + 1
            assert 'username="alice"' in again.headers["Authorization" if code == 401 else "Proxy-Authorization"]
            assert again.session_expires == update.session_expires
            await peer.send(response_to(again, 200, to_tag=None, headers=timed(300, "uac")[:2]))
        await peer.send(response_to(await peer.expect("BYE", timeout=200), 200))

    async def use(call) -> None:
        await trio.sleep(400)
        assert not call.is_ended

    calling(script, use, credentials=ALICE)


@pytest.mark.rfc("R4028-10-2")
def test_a_refresh_that_is_challenged_in_vain_is_not_repeated() -> None:
    async def script(peer, invite) -> None:
        await pick_up(peer, invite)
        update = await peer.expect("UPDATE", timeout=200)
        await peer.send(response_to(update, 401, to_tag=None, headers=[("WWW-Authenticate", CHALLENGE.format(1))]))
        bye = await peer.expect("BYE", timeout=200)
        assert "Session expired" in bye.headers["Reason"]
        await peer.send(response_to(bye, 200))

    async def use(call) -> None:
        lost = await anext(call.events())
        assert isinstance(lost, sip.CallLost)
        assert lost.cause == "expired"
        assert trio.current_time() == pytest.approx(300 - 32, abs=1)
        with pytest.raises(sip.CallEnded, match="expired"):
            await call.update()

    calling(script, use)


@pytest.mark.rfc("R4028-10-3", "R4028-10-4")
def test_a_callee_that_does_not_refresh_is_hung_up_in_time() -> None:
    async def script(peer, invite) -> None:
        await pick_up(peer, invite, "uas")
        bye = await peer.expect("BYE", timeout=300)
        assert trio.current_time() == pytest.approx(268, abs=1)
        await peer.send(response_to(bye, 200))

    async def use(call) -> None:
        assert await call.wait_ended() == "expired"

    calling(script, use)


def test_the_users_own_reinvite_waits_for_a_refresh_it_knows_nothing_of() -> None:
    async def script(peer, invite) -> None:
        answer = response_to(invite, 200, contact="sip:peer@b:5060", headers=timed(300, "uac"), body=SDP_2)
        answer.headers.set("Allow", "INVITE, ACK, BYE")
        await peer.send(answer)
        await peer.expect("ACK")
        refresh = await peer.expect("INVITE", timeout=200)
        assert refresh.body == SDP
        await trio.sleep(3)
        await peer.send(ok_to(peer, refresh, to_tag="to-1"))
        await peer.expect("ACK")
        reinvite = await peer.expect("INVITE")
        assert reinvite.body == SDP_3
        assert reinvite.cseq.sequence == refresh.cseq.sequence + 1
        await peer.send(ok_to(peer, reinvite, to_tag="to-1"))
        await peer.expect("ACK")
        await peer.send(response_to(await peer.expect("BYE"), 200))

    async def use(call) -> None:
        await trio.sleep(151)
        assert (await call.reinvite(SDP_3)).code == 200
        assert call.local_sdp == SDP_3

    calling(script, use)


@pytest.mark.parametrize("body", [SDP_2, SDP_3], ids=["same", "other"])
def test_another_answer_to_our_refresh_is_told(body) -> None:
    async def script(peer, invite) -> None:
        answer = response_to(invite, 200, contact="sip:peer@b:5060", headers=timed(300, "uac"), body=SDP_2)
        answer.headers.set("Allow", "INVITE, ACK, BYE")
        await peer.send(answer)
        await peer.expect("ACK")
        refresh = await peer.expect("INVITE", timeout=200)
        await peer.send(ok_to(peer, refresh, to_tag="to-1", body=body))
        await peer.expect("ACK")
        await peer.send(response_to(await peer.expect("BYE"), 200))

    async def use(call) -> None:
        events: list = []
        with trio.move_on_after(151):
            await drain(call.events(), events)
        assert call.remote_sdp == body
        assert names(events) == ([] if body == SDP_2 else ["SessionRefreshed"])

    calling(script, use)


@pytest.mark.parametrize("is_cancelled", [True, False], ids=["cancelled", "hung up"])
def test_who_waits_behind_a_refresh_may_give_up(is_cancelled) -> None:
    async def script(peer, invite) -> None:
        await pick_up(peer, invite)
        refresh = await peer.expect("UPDATE", timeout=200)
        if is_cancelled:
            await trio.sleep(6)
            await peer.send(response_to(refresh, 200, to_tag=None, headers=timed(300, "uac")[:2]))
            await peer.expect_nothing(20)
        await peer.send(response_to(await peer.expect("BYE"), 200))

    async def use(call) -> None:
        await trio.sleep(151)
        if is_cancelled:
            with trio.move_on_after(2):
                await call.update(SDP_3)
            await trio.sleep(40)
        else:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call.hangup)
                with pytest.raises(sip.CallEnded):
                    await call.update(SDP_3)

    calling(script, use)


@pytest.mark.rfc("R4028-7.1-9")
def test_an_interval_that_cannot_be_is_the_users_error() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.LocalProtocolError, match="least"):
                async with ep.call("sip:b:5060", offer=SDP, session_expires=60):
                    pass
            assert not ep._forks

    assert not sip.testing.run(scenario).times("a>b")


@pytest.mark.rfc("R4028-7.3-1", "R4028-7.4-3")
def test_422_of_a_callee_of_ours_is_followed_without_the_user() -> None:
    events: list = []

    async def scenario(net) -> None:
        policy = sip.SessionTimerPolicy(least=900)
        async with (
            phone(net, "udp://b:5060", take=collecting(events), session_timer=policy),
            opened(net, "udp://a:5060", session_timer=sip.SessionTimerPolicy(interval=120)) as ep,
            ep.call("sip:b:5060", offer=SDP) as call,
        ):
            assert call.usage.timer.interval == 900
            await trio.sleep(500)
            assert not call.is_ended

    trace = sip.testing.run(scenario)
    assert len(trace.times("b>a 422")) == 1
    assert len(events) == 1


def test_a_session_timer_under_loss() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060"),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP, session_expires=300) as call,
        ):
            await trio.sleep(1500)
            assert not call.is_ended

    for seed in range(5):
        sip.testing.run(scenario, loss=0.2, duplicate=0.1, seed=seed)
