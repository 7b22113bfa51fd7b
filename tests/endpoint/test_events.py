"""Events of an endpoint: who takes them, who answers when nobody does, what overflows."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, SDP_2, WAYS, WITH_SDP, drain, in_dialog, names, opened, phone, pick_up, scripted


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_nobody_listens(way) -> None:
    async def scenario(net) -> None:
        async with opened(net, way.listen("b")), opened(net, way.listen("a")) as ep:
            # Early questions wait a moment, late ones are answered at once.
            for moment in (1, 1, 5):
                await trio.sleep_until(moment if moment == 5 else 0)
                assert (await ep.request("OPTIONS", way.uri("b"))).code == 200
                assert trio.current_time() == moment
            assert (await ep.request("MESSAGE", way.uri("b"), body=b"x")).code == 405
            with pytest.raises(sip.CallFailed) as caught:
                async with ep.call(way.uri("b"), offer=SDP):
                    pass
            assert caught.value.response.code == 480

    way.run(scenario)


@pytest.mark.rfc("R3261-11.2-2")
def test_options_is_answered_with_what_we_can() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            response = await ep.request("OPTIONS", "sip:b:5060")
            assert "INVITE" in response.allow
            for name in ("Accept", "Accept-Encoding", "Supported"):
                assert name in response.headers

    sip.testing.run(scenario)


def test_events_of_the_first_second_are_kept_for_who_asks_in_time() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://b:5060") as b, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def ask() -> None:
                assert (await ep.request("MESSAGE", "sip:b:5060", body=b"x")).code == 200

            nursery.start_soon(ask)
            await trio.sleep(0.9)
            event = await anext(b.events())
            assert isinstance(event, sip.MessageReceived)
            await event.respond(200)

    sip.testing.run(scenario)


def test_unheard_call_that_was_given_up_is_not_answered_twice() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            with trio.move_on_after(0.5):
                async with ep.call("sip:b:5060", offer=SDP):
                    pass
            await trio.sleep(2)

    trace = sip.testing.run(scenario)
    assert not trace.times("b>a 480")
    assert len(trace.times("b>a 487")) == 1


def test_iteration_ends_with_the_endpoint() -> None:
    async def scenario(net) -> None:
        seen: list = []
        async with trio.open_nursery() as nursery:
            async with sip.open_endpoint("udp://b:5060", network=net) as ep:
                nursery.start_soon(drain, ep.events(), seen)
                await trio.sleep(1)
        assert seen == []

    sip.testing.run(scenario)


def test_two_readers_are_told() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://b:5060") as ep, trio.open_nursery() as nursery:
            nursery.start_soon(anext, ep.events())
            await trio.sleep(0.1)
            with pytest.raises(sip.LocalProtocolError, match="two tasks"):
                await anext(ep.events())
            nursery.cancel_scope.cancel()

    sip.testing.run(scenario)


def test_second_answer_and_late_answer() -> None:
    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, opened(net, "udp://b:5060") as ep:
            events = ep.events()
            await peer.send(peer.request("MESSAGE", "sip:b:5060"), to="b:5060")
            await peer.send(peer.request("MESSAGE", "sip:b:5060"))
            first, late = await anext(events), await anext(events)
            with pytest.raises(sip.LocalProtocolError, match="RFC 4320"):
                await first.respond(180)
            await first.respond(202)
            await peer.expect(202)
            with pytest.raises(sip.LocalProtocolError, match="this MESSAGE has been answered"):
                await first.respond(200)
            await peer.expect(100)
            await trio.sleep(40)  # nobody waits for it any more (RFC 4320)
            await late.respond(200)
            assert ep.counters["answers too late"] == 1
            await peer.expect_nothing(1)

    sip.testing.run(scenario)


def test_wrong_answer_can_be_given_again_rightly() -> None:
    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, opened(net, "udp://b:5060") as ep:
            await peer.send(peer.request("MESSAGE", "sip:b:5060"), to="b:5060")
            event = await anext(ep.events())
            with pytest.raises(sip.LocalProtocolError):
                await event.respond(200, headers=[("X-A", "1\r\n")])
            with pytest.raises(sip.LocalProtocolError, match="content_type"):
                await event.respond(200, body=b"what am I?")
            await event.respond(200)
            await peer.expect(200)

    sip.testing.run(scenario)


def test_overflow_of_the_endpoint_is_503_and_loses_nothing_else() -> None:
    async def scenario(net) -> None:
        limits = sip.Limits(event_queue=3)
        async with (
            opened(net, "udp://b:5060", limits=limits) as b,
            opened(net, "udp://a:5060") as ep,
            trio.open_nursery() as nursery,
        ):
            responses: dict[int, sip.Response] = {}
            events = b.events()

            async def ask(number: int) -> None:
                responses[number] = await ep.request("MESSAGE", "sip:b:5060", body=b"%d" % number)

            for number in range(5):
                nursery.start_soon(ask, number)
                await trio.sleep(0.01)
            with pytest.raises(sip.CallFailed) as caught:
                async with ep.call("sip:b:5060", offer=SDP):
                    pass
            responses[5] = caught.value.response
            assert sorted(responses) == [3, 4, 5]
            for response in responses.values():
                assert response.code == 503
                assert response.retry_after.seconds > 0
            for number in range(3):
                event = await anext(events)
                assert event.text == str(number)
                await event.respond(200)
            await trio.sleep(0.1)
            assert [responses[number].code for number in range(3)] == [200] * 3
            assert b.counters["503: event queue full"] == 3

    sip.testing.run(scenario)


def test_overflow_of_a_call_is_503_and_never_loses_the_end() -> None:
    async def scenario(net) -> None:
        async with (
            scripted(net) as peer,
            opened(net, "udp://a:5060", limits=sip.Limits(call_queue=2)) as ep,
            trio.open_nursery() as nursery,
        ):

            async def callee() -> None:
                invite = await pick_up(peer)
                for sequence in (1, 2, 3):
                    await peer.send(in_dialog(peer, invite, "INFO", sequence=sequence))
                busy = await peer.expect(503)
                assert busy.cseq.sequence == 3
                assert busy.retry_after.seconds > 0
                await peer.send(in_dialog(peer, invite, "BYE", sequence=4))
                await peer.expect(200)

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                await call.wait_ended()
                events: list = []
                await drain(call.events(), events)
                assert names(events) == ["InfoReceived", "InfoReceived", "ByeReceived"]

    sip.testing.run(scenario)


def test_cancelled_before_the_user_took_it() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://b:5060") as b, opened(net, "udp://a:5060") as ep:
            events = b.events()
            with trio.move_on_after(1):
                async with ep.call("sip:b:5060", offer=SDP):
                    pass
            event = await anext(events)
            async with event.call as call:
                assert call.is_ended
                await call.ring()
                pytest.fail("rang a call that was given up")
            assert call.end_reason == "cancelled"

    sip.testing.run(scenario)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_urls_name_the_real_ports(way) -> None:
    async def scenario(net) -> None:
        async with opened(net, way.listen("a", 0), way.listen("a", 5070)) as ep:
            host = "[fd00::1]" if way.is_ipv6 else "10.0.0.1"
            assert ep.urls[1] == f"{way.transport}://{host}:5070"
            assert ep.urls[0].startswith(f"{way.transport}://{host}:")
            assert not ep.urls[0].endswith(":0")

    way.run(scenario)


def test_user_agent_may_be_left_out() -> None:
    seen: list = []

    async def take(event) -> None:
        seen.append(event.request)
        await event.respond(200)

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=take, user_agent=""),
            opened(net, "udp://a:5060", user_agent="") as ep,
        ):
            response = await ep.request("OPTIONS", "sip:b:5060")
            assert "Server" not in response.headers
            own = [("User-Agent", "mine"), ("max-forwards", "0")]
            assert (await ep.request("OPTIONS", "sip:b:5060", headers=own)).code == 200

    sip.testing.run(scenario)
    assert "User-Agent" not in seen[0].headers
    assert seen[1].headers.getlist("User-Agent") == ["mine"]
    assert seen[1].max_forwards == 0


def test_ack_is_an_event_even_in_a_full_queue() -> None:
    async def scenario(net) -> None:
        async with (
            scripted(net, "a:5060") as peer,
            opened(net, "udp://b:5060", limits=sip.Limits(call_queue=1)) as ep,
            trio.open_nursery() as nursery,
        ):
            events: list = []

            async def callee() -> None:
                event = await anext(ep.events())
                async with event.call as call:
                    queue = call.events()
                    await call.answer(SDP_2)
                    await trio.sleep(1)
                    with trio.move_on_after(1):
                        await drain(queue, events)

            nursery.start_soon(callee)
            await trio.sleep(0.1)
            invite = peer.request("INVITE", "sip:b:5060", headers=WITH_SDP, body=SDP)
            await peer.send(invite, to="b:5060")
            ok = await peer.expect(200)
            ids = {"call_id": invite.call_id, "from_tag": invite.from_tag, "to_tag": ok.to_tag}
            await peer.send(peer.request("INFO", "sip:b:5060", sequence=2, **ids))
            await peer.send(peer.request("ACK", "sip:b:5060", **ids))
            await peer.send(response_to(await peer.expect("BYE"), 200))

        assert names(events) == ["InfoReceived", "AckReceived"]

    sip.testing.run(scenario)
