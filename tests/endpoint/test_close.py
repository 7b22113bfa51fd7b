"""Closing an endpoint with something in its hands, and opening one that cannot be."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, SDP_2, WAYS, assert_nothing_left, hold, ok_to, opened, phone, pick_up, ringing, scripted


def test_place_that_is_taken() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060"):
            with pytest.raises(sip.TransportError, match="in use"):
                async with sip.open_endpoint("tcp://a:5060", "udp://a:5060", network=net):
                    pytest.fail("opened")
        with pytest.raises(sip.LocalProtocolError):
            async with sip.open_endpoint("a:5060", network=net):
                pytest.fail("opened")

    sip.testing.run(scenario)


def test_user_error_comes_out_as_itself() -> None:
    async def scenario(net) -> None:
        context, error = KeyError("before"), ValueError("mine")
        with pytest.raises(ValueError, match="mine") as caught:
            async with sip.open_endpoint("udp://a:5060", network=net):
                try:
                    raise context
                except KeyError:
                    raise error  # noqa: B904  (its context is the point)
        assert caught.value is error
        assert error.__context__ is context
        assert not error.__suppress_context__

    sip.testing.run(scenario)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_calls_outside_of_their_blocks_are_left(way) -> None:
    ends: list = []

    async def take(event) -> None:
        if event.call.invite.uri.user == "slow":
            await event.call.ring()
        else:
            await event.call.answer(SDP_2)
        ends.append(await event.call.wait_ended())

    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), take=take), trio.open_nursery() as nursery:
            async with sip.open_endpoint(way.listen("a"), network=net) as ep:
                call = await (await nursery.start(hold, ep, way.uri("b"))).answered()
                slow = await nursery.start(hold, ep, way.uri("b", "slow"))
                await trio.sleep(1)
            assert_nothing_left(ep)
            assert call.end_reason == "local"
            with pytest.raises(sip.CallFailed, match="487"):
                await slow.answered()
            await trio.lowlevel.checkpoint()
            assert sorted(ends) == ["cancelled", "remote"]
            assert trio.current_time() < 2
            nursery.cancel_scope.cancel()

    way.run(scenario)


def test_requests_unanswered_get_503_and_calls_480() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:
            codes: dict[str, int] = {}

            async def ask(method: str) -> None:
                codes[method] = (await ep.request(method, "sip:b:5060")).code

            async def call() -> None:
                with pytest.raises(sip.CallFailed) as caught:
                    async with ep.call("sip:b:5060", offer=SDP):
                        pass
                codes["INVITE"] = caught.value.response.code

            async with sip.open_endpoint("udp://b:5060", network=net) as b:
                events = b.events()
                for method in ("MESSAGE", "OPTIONS"):
                    nursery.start_soon(ask, method)
                nursery.start_soon(call)
                await trio.sleep(0.1)
                taken = await anext(events)
            assert_nothing_left(b)
            await trio.sleep(0.1)
            assert codes == {"MESSAGE": 503, "OPTIONS": 503, "INVITE": 480}
            if isinstance(taken, sip.RequestReceived):
                await taken.respond(200)  # too late, and no error
            assert [type(event).__name__ async for event in events]  # what was not taken can still be looked at

    sip.testing.run(scenario)


def test_what_comes_while_closing_is_refused() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://c:5060") as c, trio.open_nursery() as nursery:
            codes: list[int] = []

            async def others() -> None:
                await pick_up(peer)
                await peer.expect("BYE")  # not answered: the endpoint waits
                codes.append((await c.request("OPTIONS", "sip:a:5060")).code)
                with pytest.raises(sip.CallFailed) as caught:
                    async with c.call("sip:a:5060", offer=SDP):
                        pass
                codes.append(caught.value.response.code)

            nursery.start_soon(others)
            async with sip.open_endpoint("udp://a:5060", network=net, grace=3) as ep:
                ep.events()
                await (await nursery.start(hold, ep, "sip:b:5060")).answered()
                await trio.sleep(1)
            assert trio.current_time() == 4
            assert_nothing_left(ep)
            assert codes == [503, 480]
            nursery.cancel_scope.cancel()

    sip.testing.run(scenario)


def test_who_waits_when_it_closes_is_told() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, trio.open_nursery() as nursery:
            told: list[str] = []

            async def request() -> None:
                with pytest.raises(sip.TransportError, match="the endpoint was closed"):
                    await ep.request("OPTIONS", "sip:b:5060")
                told.append("request")

            async def info(call) -> None:
                with pytest.raises(sip.CallEnded, match="closed"):
                    await call.request("INFO")
                assert call.end_reason == "closed"
                told.append("info")

            async def invite() -> None:
                fork = await nursery.start(hold, ep, "sip:nobody@c:5060")
                with pytest.raises(sip.CallEnded, match="closed"):
                    await fork.answered()
                assert [each async for each in fork.events()] == []
                told.append("invite")

            async with sip.open_endpoint("udp://a:5060", network=net, grace=1) as ep:
                nursery.start_soon(pick_up, peer)
                call = await (await nursery.start(hold, ep, "sip:b:5060")).answered()
                for wait in (request, invite):
                    nursery.start_soon(wait)
                nursery.start_soon(info, call)
                await trio.sleep(1)
            assert_nothing_left(ep)
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            assert sorted(told) == ["info", "invite", "request"]
            nursery.cancel_scope.cancel()

    sip.testing.run(scenario)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_closed_endpoint_sends_nothing(way) -> None:
    async def scenario(net) -> None:
        async with phone(net, way.listen("b")):
            async with sip.open_endpoint(way.listen("a"), network=net) as ep:
                pass
            with pytest.raises(sip.TransportError):
                await ep.request("OPTIONS", way.uri("b"))
            with pytest.raises(sip.TransportError):
                async with ep.call(way.uri("b"), offer=SDP):
                    pass

    way.run(scenario)


def test_close_waits_no_longer_than_grace_and_no_longer_than_needed() -> None:
    async def scenario(net) -> None:
        for grace in (0.0, 1.5):
            start = trio.current_time()
            async with scripted(net) as peer, trio.open_nursery() as nursery:
                nursery.start_soon(pick_up, peer)
                async with sip.open_endpoint("udp://a:5060", network=net, grace=grace) as ep:
                    await (await nursery.start(hold, ep, "sip:b:5060")).answered()
                assert trio.current_time() == start + grace
                assert_nothing_left(ep)
                nursery.cancel_scope.cancel()
        async with scripted(net) as peer, trio.open_nursery() as nursery:
            start = trio.current_time()

            async def callee() -> None:
                await pick_up(peer)
                bye = await peer.expect("BYE")
                await trio.sleep(0.25)
                await peer.send(response_to(bye, 200))

            nursery.start_soon(callee)
            async with sip.open_endpoint("udp://a:5060", network=net) as ep:
                await (await nursery.start(hold, ep, "sip:b:5060")).answered()
            assert trio.current_time() == start + 0.25
            nursery.cancel_scope.cancel()

    sip.testing.run(scenario)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_cancelled_endpoint_says_goodbye(way) -> None:
    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), take=ringing(0)):
            with trio.move_on_after(3) as scope:
                async with (
                    sip.open_endpoint(way.listen("a"), network=net) as ep,
                    ep.register(way.uri("b", "alice")),
                    ep.call(way.uri("b"), offer=SDP),
                ):
                    await trio.sleep_forever()
            assert scope.cancelled_caught
            assert trio.current_time() == 3

    trace = way.run(scenario)
    assert trace.times("a>b BYE") == [3]
    assert trace.times("a>b REGISTER") == [0, 3]


def test_leg_that_rang_beside_the_answer_is_not_waited_for() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, trio.open_nursery() as nursery:

            async def legs() -> None:
                invite = await peer.expect("INVITE")
                for tag in ("one", "two"):
                    await peer.send(ok_to(peer, invite, code=180, body=b"", to_tag=tag))
                await peer.send(ok_to(peer, invite, to_tag="two", body=SDP_2))
                await peer.expect("ACK")
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(legs)
            async with sip.open_endpoint("udp://a:5060", network=net) as ep:
                async with ep.call("sip:b:5060", offer=SDP):
                    pass
                before = trio.current_time()
            assert trio.current_time() - before < 0.5
            assert_nothing_left(ep)

    sip.testing.run(scenario)
