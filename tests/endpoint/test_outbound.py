"""Endpoints that misbehave on purpose: every message passes the hook, and neither side keeps anything of it."""

from __future__ import annotations

from collections import Counter

import pytest
import trio

import sipstack as sip
from sipstack.outbound import Point, first_of, on, on_point, on_response
from sipstack.testing import assert_idle

from .kit import SDP, SDP_2, TCP, UDP, WITH_SDP, answer, drain, ok_to, opened, phone, ringing, scripted

BOTH = pytest.mark.parametrize("way", [UDP, TCP], ids=str)


@BOTH
def test_every_point_passes(way) -> None:
    """A call, a CANCEL and a refusal: all that the two sides send is what the hooks saw."""
    caller: list[sip.outbound.Outbound] = []
    callee: list[sip.outbound.Outbound] = []

    async def take(event) -> None:
        match event:
            case sip.InviteReceived(call=call) if b"refuse" in call.invite.body:
                await call.reject(486)
            case sip.InviteReceived(call=call) if b"ring" in call.invite.body:
                await ringing(50)(event)
            case _:
                await answer(event)

    async def scenario(net) -> None:
        async with (
            phone(net, way.listen("b"), take=take, outbound=callee.append),
            opened(net, way.listen("a"), outbound=caller.append) as ep,
        ):
            async with ep.call(way.uri("b"), offer=SDP):
                pass
            with pytest.raises(sip.CallFailed):
                async with ep.call(way.uri("b"), offer=SDP + b"a=refuse\r\n"):
                    pass
            with trio.move_on_after(1):
                async with ep.call(way.uri("b"), offer=SDP + b"a=ring\r\n"):
                    pass

    trace = way.run(scenario)
    assert {outbound.point for outbound in caller} == {
        Point.REQUEST, Point.ACK_2XX, Point.ACK_NON_2XX, Point.CANCEL,
    }  # fmt: skip
    assert {outbound.point for outbound in callee} == {Point.PROVISIONAL, Point.FINAL}
    went_out = Counter(record.data for record in trace.records if record.direction == "sent")
    assert went_out == Counter(outbound.data for outbound in (*caller, *callee))


@BOTH
def test_stateless_reply_passes(way) -> None:
    seen: list[sip.outbound.Outbound] = []

    async def scenario(net) -> None:
        async with opened(net, way.listen("a"), outbound=seen.append), scripted(net, way.listen("b")) as peer:
            request = peer.request("OPTIONS", way.uri("a"))
            await peer.send(request.serialise().replace(b" SIP/2.0\r\n", b" SIP/9.0\r\n", 1), to="a:5060")
            await peer.expect(505)

    way.run(scenario)
    assert [outbound.point for outbound in seen] == [Point.STATELESS]


def test_first_two_invites_lost() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, UDP.listen("b")),
            opened(net, UDP.listen("a"), outbound=on("INVITE", numbers=[1, 2]).dropped()) as ep,
            ep.call(UDP.uri("b"), offer=SDP),
        ):
            assert trio.current_time() == 1.5

    assert UDP.run(scenario).times("a>b INVITE") == [1.5]


def test_lost_ack_has_the_200_repeated_until_the_next_one() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, UDP.listen("b")),
            opened(net, UDP.listen("a"), outbound=on_point(Point.ACK_2XX, numbers=[1, 2]).dropped()) as ep,
            ep.call(UDP.uri("b"), offer=SDP),
        ):
            await trio.sleep(10)

    trace = UDP.run(scenario)
    assert trace.times("b>a 200 INVITE") == [0, 0.5, 1.5]
    assert trace.times("a>b ACK") == [1.5]


@BOTH
def test_ack_that_never_comes_ends_the_call(way) -> None:
    ends: list[str | None] = []

    async def take(event) -> None:
        await answer(event)
        ends.append(event.call.end_reason)

    async def scenario(net) -> None:
        async with (
            phone(net, way.listen("b"), take=take),
            opened(net, way.listen("a"), outbound=on("ACK").dropped()) as ep,
            ep.call(way.uri("b"), offer=SDP) as call,
        ):
            await drain(call.events(), [])
            assert trio.current_time() == 32
            assert call.end_reason == "remote"

    way.run(scenario)
    assert len(ends) == 1


@BOTH
def test_delayed_200_crosses_the_cancel(way) -> None:
    """The callee has answered before the CANCEL comes; the caller hears of it after, and hangs up."""
    hook = first_of(on_response(200, "INVITE").delayed(2.0))

    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), outbound=hook), opened(net, way.listen("a")) as ep:
            with trio.move_on_after(1):
                async with ep.call(way.uri("b"), offer=SDP):
                    raise AssertionError("answered too early")

    trace = way.run(scenario)
    assert trace.times("a>b CANCEL") == [1]
    assert trace.times("b>a 200 INVITE")[0] == 2
    assert trace.times("a>b ACK")[0] == 2
    assert trace.times("a>b BYE") == [2]


@BOTH
def test_duplicated_requests_and_responses_do_no_harm(way) -> None:
    async def scenario(net) -> None:
        twice = first_of(on().duplicated(), on_response().duplicated(3))
        async with (
            phone(net, way.listen("b"), outbound=twice),
            opened(net, way.listen("a"), outbound=twice) as ep,
            ep.call(way.uri("b"), offer=SDP) as call,
        ):
            assert (await call.reinvite(SDP_2)).code == 200

    trace = way.run(scenario)
    assert len(trace.times("a>b BYE")) == 2
    assert len(trace.times("b>a 200 BYE")) == 6  # the second BYE is answered, too


@BOTH
def test_header_fields_changed(way) -> None:
    hook = on("INVITE").without_header("Max-Forwards").with_header("Subject", "one", "two")

    async def scenario(net) -> None:
        async with (
            scripted(net, way.listen("b")) as peer,
            opened(net, way.listen("a"), outbound=hook) as ep,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(call, ep)
            invite = await peer.expect("INVITE")
            assert "Max-Forwards" not in invite.headers
            assert invite.headers.getlist("Subject") == ["one", "two"]
            await peer.send(ok_to(peer, invite))
            assert "Max-Forwards" in (await peer.expect("ACK")).headers
            await peer.send(sip.testing.response_to(await peer.expect("BYE"), 200))

    async def call(ep) -> None:
        async with ep.call(way.uri("b"), offer=SDP):
            pass

    way.run(scenario)


@BOTH
def test_wrong_content_length(way) -> None:
    async def scenario(net) -> None:
        async with opened(net, way.listen("b")), opened(net, way.listen("a"), outbound=hook) as ep:
            response = await ep.request("MESSAGE", way.uri("b"), body=b"x" * 20, headers=WITH_SDP)
            assert response.code == 400

    hook = on("MESSAGE").with_header("Content-Length", "99" if way is UDP else "nonsense")
    way.run(scenario)


def test_raw_bytes_reach_the_peer() -> None:
    async def scenario(net) -> None:
        hook = on("OPTIONS", numbers=[1]).raw(lambda data: data.replace(b"\r\n", b"\n"))
        async with phone(net, UDP.listen("b")), opened(net, UDP.listen("a"), outbound=hook) as ep:
            assert (await ep.request("OPTIONS", UDP.uri("b"))).code == 200
            assert trio.current_time() == 0.5

    trace = UDP.run(scenario)
    assert b"\r" not in trace.records[0].data


def test_delayed_goodbye_is_dropped_when_the_endpoint_closes() -> None:
    async def scenario(net) -> None:
        async with phone(net, UDP.listen("b"), settles=False):
            async with sip.open_endpoint(UDP.listen("a"), network=net, outbound=on("BYE").delayed(60)) as ep:
                async with ep.call(UDP.uri("b"), offer=SDP):
                    pass
            assert_idle(ep)
            await trio.sleep(100)

    assert not UDP.run(scenario).times("a>b BYE")


class Bug(Exception):
    pass


@BOTH
def test_error_of_the_hook_ends_the_block_with_it(way) -> None:
    def hook(outbound) -> None:
        if outbound.method == "INFO":
            raise Bug

    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), settles=False):
            with pytest.raises(Bug) as caught:
                async with sip.open_endpoint(way.listen("a"), network=net, outbound=hook) as ep:
                    async with ep.call(way.uri("b"), offer=SDP) as call:
                        await call.request("INFO")
                        await trio.sleep_forever()
            assert caught.traceback[-1].name == "hook"
            assert_idle(ep)

    way.run(scenario)


def test_error_of_the_hook_at_a_retransmission_ends_the_block_with_it() -> None:
    def hook(outbound) -> None:
        if outbound.number == 3:
            raise Bug

    async def scenario(net) -> None:
        with pytest.raises(Bug):
            async with sip.open_endpoint(UDP.listen("a"), network=net, outbound=hook) as ep:
                await ep.request("OPTIONS", UDP.uri("b"))

    assert UDP.run(scenario).times("a>b OPTIONS")[:3] == [0, 0.5, 1.5]
