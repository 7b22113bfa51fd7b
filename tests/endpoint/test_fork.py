"""INVITEs with more than one leg, and how they are given up (RFC 3261, 9.1 and 13.2.2)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, SDP_2, SDP_3, TCP, UDP, WAYS, drain, names, ok_to, opened, phone, pick_up, ringing, scripted


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_events_of_one_leg(way) -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, way.listen("b"), take=ringing(1)),
            opened(net, way.listen("a")) as ep,
            ep.invite(way.uri("b"), offer=SDP) as fork,
        ):
            assert fork.request.method == "INVITE"
            first = await anext(fork.events())
            assert isinstance(first, sip.Ringing)
            (leg,) = fork.legs
            assert first.leg is leg
            assert leg.call is None
            assert leg.remote_tag == leg.dialog.remote_tag == first.response.to_tag
            call = await fork.answered()
            assert leg.call is call
            assert leg.response.code == 200

    way.run(scenario)


@pytest.mark.rfc("R3261-13.2.2.4-2", "R3261-13.2.2.4-3", "R3261-13.2.2.4-9", "R3261-15-5")
def test_second_answer_is_acknowledged_and_ended() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def legs() -> None:
                invite = await peer.expect("INVITE")
                await peer.send(response_to(invite, 100, to_tag=None))
                for tag in ("one", "two"):
                    await peer.send(ok_to(peer, invite, code=180, body=b"", to_tag=tag))
                await peer.send(ok_to(peer, invite, code=183, to_tag="three"))
                await trio.sleep(1)
                await peer.send(ok_to(peer, invite, to_tag="two", body=SDP_2))
                assert (await peer.expect("ACK")).to_tag == "two"
                await peer.send(ok_to(peer, invite, to_tag="one", body=SDP_3))
                assert (await peer.expect("ACK")).to_tag == "one"
                bye = await peer.expect("BYE")
                assert bye.to_tag == "one"
                assert "Call completed elsewhere" in bye.headers["Reason"]
                await peer.send(response_to(bye, 200))
                bye = await peer.expect("BYE")
                assert bye.to_tag == "two"
                await peer.send(response_to(bye, 200))

            nursery.start_soon(legs)
            async with ep.invite("sip:b:5060", offer=SDP) as fork:
                call = await fork.answered()
                assert call.dialog.remote_tag == "two"
                assert call.remote_sdp == SDP_2
                await trio.sleep(1)
                assert [leg.remote_tag for leg in fork.legs] == ["one", "two", "three"]
                assert fork.legs[2].early_sdp == SDP_2
                assert fork.legs[0].call.is_ended
                assert not call.is_ended
                events: list = []
                with trio.move_on_after(1):
                    await drain(fork.events(), events)
                assert names(events) == ["Trying", "Ringing", "Ringing", "Progress", "Answered", "Answered"]

    sip.testing.run(scenario)


@pytest.mark.parametrize("is_left", [False, True], ids=["open", "left"])
def test_late_answer_is_ended_until_the_invite_is_over(is_left) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def legs() -> None:
                invite = await pick_up(peer, to_tag="first")
                if is_left:
                    await peer.send(response_to(await peer.expect("BYE"), 200))
                await trio.sleep_until(20)
                await peer.send(ok_to(peer, invite, to_tag="late"))
                assert (await peer.expect("ACK")).to_tag == "late"
                await peer.send(response_to(await peer.expect("BYE"), 200))
                if not is_left:
                    await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(legs)
            async with ep.invite("sip:b:5060", offer=SDP) as fork:
                await fork.answered()
                assert len(ep._forks) == 1
                if not is_left:
                    events: list = []
                    await drain(fork.events(), events)  # ends when no leg can answer any more
                    assert trio.current_time() == 32
                    assert names(events) == ["Answered", "Answered"]
            await trio.sleep_until(33)
            assert not ep._forks

    sip.testing.run(scenario)


def test_copies_of_the_2xx_are_acknowledged_each() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                for _ in range(3):
                    await peer.send(ok_to(peer, invite))
                    await peer.expect("ACK", again=True)
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP):
                await trio.sleep(1)

    sip.testing.run(scenario)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-9.1-7", "R3261-9.1-8")
def test_cancel_after_ringing(way) -> None:
    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), take=ringing(60)), opened(net, way.listen("a")) as ep:
            async with ep.invite(way.uri("b"), offer=SDP) as fork:
                await trio.sleep(1)
                await fork.cancel(reason='SIP;cause=200;text="elsewhere"')
                with pytest.raises(sip.CallFailed) as caught:
                    await fork.answered()
                assert caught.value.response.code == 487
                events: list = []
                await drain(fork.events(), events)
                assert names(events)[-1] == "Failed"
                assert events[-1].error is caught.value
                assert events[-1].response.code == 487

    trace = way.run(scenario)
    assert trace.times("a>b CANCEL") == [1.0]


@pytest.mark.rfc("R3261-9.1-8")
def test_cancel_before_any_response_waits_for_one() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", grace=5) as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await peer.expect_nothing(2)
                await peer.send(response_to(invite, 100, to_tag=None))
                await peer.send(response_to(await peer.expect("CANCEL"), 200))
                await peer.send(response_to(invite, 487))
                await peer.expect("ACK")

            nursery.start_soon(callee)
            with trio.move_on_after(1):
                async with ep.call("sip:b:5060", offer=SDP):
                    pytest.fail("nobody answered")
            assert trio.current_time() == 2

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-9.1-9")
@pytest.mark.parametrize("delay", [0.0, 0.2], ids=["at once", "crossing"])
def test_cancel_races_with_200(delay) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await peer.send(response_to(invite, 180))
                cancel = await peer.expect("CANCEL")
                await peer.send(ok_to(peer, invite))
                await peer.send(response_to(cancel, 200))
                await peer.expect("ACK")
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.invite("sip:b:5060", offer=SDP) as fork:
                await trio.sleep(1)
                await fork.cancel()
                with pytest.raises(sip.CallEnded, match="cancelled"):
                    await fork.answered()

    sip.testing.run(scenario, delay=delay)


def test_cancel_after_the_answer_does_nothing() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060"),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b:5060", offer=SDP) as fork,
        ):
            call = await fork.answered()
            await fork.cancel()
            assert not call.is_ended

    trace = sip.testing.run(scenario)
    assert not trace.times("a>b CANCEL")


def test_cancel_before_the_invite_was_sent() -> None:
    async def scenario(net) -> None:
        net.partition("a", "b")
        async with opened(net, "tcp://a:5060") as ep:
            async with ep.invite(TCP.uri("b"), offer=SDP) as fork:
                await trio.sleep(1)
                await fork.cancel()
                with pytest.raises(sip.CallEnded, match="cancelled"):
                    await fork.answered()
        net.heal("a", "b")

    trace = sip.testing.run(scenario)
    assert not trace.times("a>b")


@pytest.mark.rfc("R3261-9.1-11")
def test_cancelled_invite_without_final_response_is_given_up() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", grace=1) as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                await peer.send(response_to(await peer.expect("INVITE"), 180))
                await peer.send(response_to(await peer.expect("CANCEL"), 200))

            nursery.start_soon(callee)
            async with ep.invite("sip:b:5060", offer=SDP) as fork:
                await trio.sleep(1)
                await fork.cancel()
                assert trio.current_time() == 2
                with pytest.raises(sip.CallEnded, match="cancelled"):
                    await fork.answered()
                assert trio.current_time() == 33

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-13.2.1-6")
def test_own_expiry_cancels() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", take=ringing(60)), opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.CallFailed) as caught:
                async with ep.call("sip:b:5060", offer=SDP, headers=[("Expires", "10")]):
                    pass
            assert caught.value.response.code == 487
            assert trio.current_time() == 10

    sip.testing.run(scenario, delay=0)


@pytest.mark.rfc("R3261-8.1.3.1-1")
def test_no_answer_at_all_is_a_timeout() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.TransactionTimeout):
                async with ep.call("sip:nobody@b:5060", offer=SDP):
                    pass
            assert trio.current_time() == 32

    trace = sip.testing.run(scenario)
    assert trace.times("a>b INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


@pytest.mark.rfc("R3261-8.1.3.1-2")
def test_refused_connection_and_unknown_name() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060", "tcp://a:5060") as ep:
            with pytest.raises(sip.TransportError, match="Connection refused"):
                async with ep.call(TCP.uri("b"), offer=SDP):
                    pass
            with pytest.raises(sip.ResolveError, match="invalid"):
                async with ep.call("sip:bob@nowhere.invalid", offer=SDP):
                    pass

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-8.1.3.1-2")
def test_icmp_refusal_is_a_transport_error() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.TransportError):
                async with ep.call("sip:b:5060", offer=SDP):
                    pass
            assert trio.current_time() < 1

    sip.testing.run(scenario, refuses=True)


def test_2xx_that_makes_no_dialog_is_the_peers_error() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                response = ok_to(peer, await peer.expect("INVITE"))
                response.headers.set("Contact", "<<>>")
                await peer.send(response)

            nursery.start_soon(callee)
            with pytest.raises(sip.RemoteProtocolError):
                async with ep.call("sip:b:5060", offer=SDP):
                    pass

    sip.testing.run(scenario)


def test_requests_on_an_early_leg_are_put_off() -> None:
    async def scenario(net) -> None:
        from .kit import in_dialog

        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await peer.send(ok_to(peer, invite, code=183, to_tag="to-1"))
                await peer.send(in_dialog(peer, invite, "INFO"))
                assert (await peer.expect(500)).retry_after.seconds > 0
                await peer.send(response_to(invite, 486))
                await peer.expect("ACK")

            nursery.start_soon(callee)
            with pytest.raises(sip.CallFailed):
                async with ep.call("sip:b:5060", offer=SDP):
                    pass

    sip.testing.run(scenario)


def test_way_of_a_call_over_tcp_and_udp_is_its_uris() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", "tcp://b:5060"),
            opened(net, "udp://a:5060", "tcp://a:5060") as ep,
        ):
            for way, transport in ((UDP, "UDP"), (TCP, "TCP")):
                async with ep.call(way.uri("b"), offer=SDP) as call:
                    assert call.usage.flow.transport == transport

    sip.testing.run(scenario)
