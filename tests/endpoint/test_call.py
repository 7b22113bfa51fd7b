"""Calls between two endpoints: answered, changed, ended from both sides (RFC 3261, 13 to 15)."""

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
    WAYS,
    WITH_SDP,
    answer,
    collecting,
    drain,
    in_dialog,
    names,
    ok_to,
    opened,
    phone,
    pick_up,
    ringing,
    scripted,
)


@pytest.mark.rfc("R3261-13.2.1-16")
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-13.2.2.4-3", "R3261-13.2.2.4-4", "R3261-13.2.1-10", "R3261-13.2.1-1", "R3261-13.2.1-3")
def test_call_is_answered_changed_and_ended(way) -> None:
    ends = []

    async def take(event) -> None:
        await answer(event)
        ends.append((event.call.end_reason, event.call.local_sdp, event.call.remote_sdp))

    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), take=take), opened(net, way.listen("a")) as ep:
            async with ep.call(way.uri("b"), offer=SDP) as call:
                assert (call.local_sdp, call.remote_sdp) == (SDP, SDP_2)
                assert not call.is_ended
                response = await call.reinvite(SDP_2)
                assert response.code == 200
                assert (call.local_sdp, call.remote_sdp) == (SDP_2, SDP_3)
                assert (await call.request("INFO", body=b"x", content_type="text/plain")).code == 200
            assert call.end_reason == "local"
            assert ends == [("remote", SDP_3, SDP_2)]

    trace = way.run(scenario)
    for what in ("INVITE", "ACK"):
        assert len(trace.times(f"a>b {what}")) == 2
    assert len(trace.times("a>b BYE")) == len(trace.times("b>a 200 BYE")) == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-15-1", "R3261-15.1.2-3", "R3261-15.1.2-4")
def test_callee_hangs_up(way) -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
            async for each in call.events():
                if isinstance(each, sip.AckReceived):
                    break
            await trio.sleep(3)
            await call.hangup(headers=[("Reason", 'SIP;cause=200;text="enough"')])
            assert call.end_reason == "local"

    async def scenario(net) -> None:
        async with (
            phone(net, way.listen("b"), take=take),
            opened(net, way.listen("a")) as ep,
            ep.call(way.uri("b"), offer=SDP) as call,
        ):
            events: list = []
            await drain(call.events(), events)
            assert names(events) == ["ByeReceived"]
            assert "enough" in events[0].request.headers["Reason"]
            assert call.end_reason == await call.wait_ended() == "remote"

    trace = way.run(scenario)
    assert trace.times("b>a BYE") == [3.0]
    assert not trace.times("a>b BYE")


def test_both_hang_up_at_once() -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
            await trio.sleep_until(10)
        assert call.end_reason in ("local", "remote")

    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", take=take), opened(net, "udp://a:5060") as ep:
            async with ep.call("sip:b:5060", offer=SDP) as call:
                await trio.sleep_until(10)
            assert call.end_reason in ("local", "remote")

    trace = sip.testing.run(scenario, delay=0.1)
    assert trace.times("a>b BYE") == trace.times("b>a BYE") == [10]
    assert len(trace.times("a>b 200 BYE")) == len(trace.times("b>a 200 BYE")) == 1


@pytest.mark.rfc("R3261-13.2.1-16")
@pytest.mark.rfc("R3261-13.2.1-13", "R3261-13.2.2.4-6")
def test_offerless_call_is_acknowledged_with_the_answer() -> None:
    calls = []

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=collecting(calls)),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060") as call,
        ):
            assert (call.local_sdp, call.remote_sdp) == (None, SDP_2)
            await trio.sleep(1)
            await call.acknowledge(SDP)
            assert call.local_sdp == SDP
            with pytest.raises(sip.LocalProtocolError, match="no 2xx waits"):
                await call.acknowledge(SDP)
            await trio.sleep(1)
            assert calls[0].call.offer is None
            assert calls[0].call.remote_sdp == SDP

    trace = sip.testing.run(scenario)
    assert trace.times("a>b ACK") == [1.0]
    assert trace.times("b>a 200 INVITE") == [0, 0.5]


@pytest.mark.rfc("R3261-13.2.2.4-3")
def test_offerless_call_that_is_left_is_acknowledged_and_ended() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep, ep.call("sip:b:5060"):
            pass

    trace = sip.testing.run(scenario)
    assert len(trace.times("a>b ACK")) == len(trace.times("a>b BYE")) == 1


@pytest.mark.rfc("R3261-14.1-1")
def test_offerless_reinvite_keeps_our_session_until_acknowledged() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060"),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP) as call,
        ):
            assert (await call.reinvite()).code == 200
            assert (call.local_sdp, call.remote_sdp, call.session.offer) == (SDP, SDP_2, SDP_3)
            with pytest.raises(sip.LocalProtocolError, match="still under way"):
                await call.reinvite(SDP_2)
            await call.acknowledge(SDP_2)
            assert (call.local_sdp, call.remote_sdp, call.session.offer) == (SDP_2, SDP_3, None)

    sip.testing.run(scenario)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_callee_changes_the_session(way) -> None:
    answered = []

    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
            async for each in call.events():
                if isinstance(each, sip.AckReceived):
                    break
            answered.append((await call.reinvite(SDP_3)).code)
            assert (call.local_sdp, call.remote_sdp) == (SDP_3, SDP_2)

    async def scenario(net) -> None:
        async with (
            phone(net, way.listen("b"), take=take),
            opened(net, way.listen("a")) as ep,
            ep.call(way.uri("b"), offer=SDP) as call,
        ):
            async for event in call.events():
                match event:
                    case sip.ReinviteReceived(offer=offer):
                        assert offer == SDP_3
                        await event.answer(SDP_2)
                        assert (call.local_sdp, call.remote_sdp) == (SDP_2, SDP_3)
            assert answered == [200]

    way.run(scenario)


@pytest.mark.rfc("R3261-14.1-9")
def test_refused_reinvite_changes_nothing() -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
            async for each in call.events():
                if isinstance(each, sip.ReinviteReceived):
                    await each.respond(488)
            assert call.remote_sdp == SDP

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=take),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP) as call,
        ):
            assert (await call.reinvite(SDP_3)).code == 488
            assert (call.local_sdp, call.remote_sdp) == (SDP, SDP_2)
            assert not call.is_ended

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-14.2-2")
def test_glare_is_tried_again_until_both_offers_are_taken() -> None:
    codes = []

    async def reinvite(call) -> None:
        await trio.sleep_until(5)
        codes.append((await call.reinvite(SDP_3)).code)

    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reinvite, call)
                async for each in call.events():
                    if isinstance(each, sip.ReinviteReceived):
                        await each.answer(SDP)

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=take),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP) as call,
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reinvite, call)
                async for event in call.events():
                    if isinstance(event, sip.ReinviteReceived):
                        await event.answer(SDP)
                        break
            assert not call.is_ended
            assert codes == [200, 200]

    trace = sip.testing.run(scenario, delay=0.05)
    assert trace.times("a>b 491") == trace.times("b>a 491") == [5.05]


@pytest.mark.rfc("R3261-14.1-4")
def test_second_reinvite_at_once_is_our_own_error() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060"),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP) as call,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(call.reinvite, SDP_2)
            await trio.sleep(0.05)
            with pytest.raises(sip.LocalProtocolError, match="still under way"):
                await call.reinvite(SDP_3)

    sip.testing.run(scenario, delay=0.1)


def test_cancelled_reinvite_sends_cancel_and_the_call_goes_on() -> None:
    events: list = []

    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
            async for each in call.events():
                events.append(each)
                if isinstance(each, sip.CancelReceived):
                    # Too late an answer is dropped: the peer's change of mind is no error of ours.
                    await events[1].answer(SDP_3)

    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", take=take) as b, opened(net, "udp://a:5060") as ep:
            async with ep.call("sip:b:5060", offer=SDP) as call:
                with trio.move_on_after(1) as scope:
                    await call.reinvite(SDP_2)
                assert scope.cancelled_caught
                await trio.sleep(1)
                assert not call.is_ended
            assert b.counters["answers too late"] == 1

    trace = sip.testing.run(scenario)
    assert names(events)[:3] == ["AckReceived", "ReinviteReceived", "CancelReceived"]
    assert len(trace.times("a>b CANCEL")) == len(trace.times("b>a 487 INVITE")) == 1


def test_reinvite_cancelled_too_late_is_acknowledged() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                await pick_up(peer)
                again = await peer.expect("INVITE")
                await peer.send(response_to(again, 100, to_tag=None))
                await trio.sleep(1)
                await peer.send(ok_to(peer, again))  # crosses the CANCEL
                await peer.expect("CANCEL")
                ack = await peer.expect("ACK")
                assert ack.cseq.sequence == again.cseq.sequence
                bye = await peer.expect("BYE")
                await peer.send(response_to(bye, 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                with trio.move_on_after(1):
                    await call.reinvite()  # no offer: the 2xx has one, and nobody is left to answer it
                await trio.sleep(1)
                assert not call.is_ended

    sip.testing.run(scenario, delay=0.01)


def test_peer_cancels_its_reinvite() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                again = in_dialog(peer, invite, "INVITE", headers=WITH_SDP, body=SDP_3)
                await peer.send(again)
                await trio.sleep(1)
                cancel = again.copy()
                cancel.method = "CANCEL"
                cancel.headers.set("CSeq", "1 CANCEL")
                cancel.headers.remove("Content-Type")
                cancel.body = b""
                await peer.send(cancel)
                await peer.expect(100)
                await peer.expect(200)
                await peer.expect(487)
                ack = again.copy()
                ack.method = "ACK"
                ack.headers.set("CSeq", "1 ACK")
                await peer.send(ack)
                bye = await peer.expect("BYE")
                await peer.send(response_to(bye, 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                events: list = []
                with trio.move_on_after(3):
                    await drain(call.events(), events)
                assert names(events) == ["ReinviteReceived", "CancelReceived"]
                assert not call.is_ended
                await events[0].answer(SDP)
                assert ep.counters["answers too late"] == 1

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-12.2.1.2-2")
@pytest.mark.parametrize(("code", "cause"), [(481, "rejected"), (408, "timeout")])
def test_response_that_ends_the_dialog_ends_the_call(code, cause) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                await pick_up(peer)
                await peer.send(response_to(await peer.expect("INFO"), code))
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                events: list = []
                nursery.start_soon(drain, call.events(), events)
                assert (await call.request("INFO")).code == code
                assert await call.wait_ended() == cause
                await trio.sleep(1)
                assert [(each.cause, each.response.code) for each in events] == [(cause, code)]
                with pytest.raises(sip.CallEnded) as caught:
                    await call.request("INFO")
                assert caught.value.reason == cause
                assert caught.value.call is call

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-12.2.1.2-3")
def test_request_without_answer_loses_the_call() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:
            nursery.start_soon(pick_up, peer)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                start = trio.current_time()
                with pytest.raises(sip.TransactionTimeout):
                    await call.request("INFO")
                assert trio.current_time() == start + 32
                assert call.end_reason == "timeout"
                for attempt in (call.reinvite(SDP), call.request("INFO"), call.acknowledge(SDP)):
                    with pytest.raises(sip.CallEnded, match="timeout"):
                        await attempt

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-15.1.1-2")
def test_bye_without_answer_is_bounded_by_grace() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", grace=3) as ep, trio.open_nursery() as nursery:
            nursery.start_soon(pick_up, peer)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                await trio.sleep(1)
                await call.hangup()
                assert trio.current_time() == 4
                assert not call.is_ended
            assert trio.current_time() == 4  # the grace time is one for all ways to leave
            assert await call.wait_ended() == "local"
            assert trio.current_time() == 33

    sip.testing.run(scenario)


def test_pending_request_ends_with_the_call() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                await peer.expect("INFO")
                await peer.send(in_dialog(peer, invite, "BYE"))
                await peer.expect(200)

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                with pytest.raises(sip.CallEnded) as caught:
                    await call.request("INFO")
                assert caught.value.reason == "remote"
                assert trio.current_time() < 1

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-15.1.2-5", "R3261-15.1.2-6")
def test_requests_unanswered_when_the_call_ends_get_487() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                await peer.send(in_dialog(peer, invite, "INFO", sequence=1))
                await peer.send(in_dialog(peer, invite, "INVITE", sequence=2, headers=WITH_SDP, body=SDP))
                await peer.expect(100)
                await peer.send(in_dialog(peer, invite, "BYE", sequence=3))
                answers = [await peer._next(again=False) for _ in range(3)]
                assert {(each.cseq.method, each.code) for each in answers} == {
                    ("BYE", 200), ("INFO", 487), ("INVITE", 487)
                }  # fmt: skip

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                await call.wait_ended()
                events: list = []
                await drain(call.events(), events)
                assert names(events) == ["InfoReceived", "ReinviteReceived", "ByeReceived"]
                for event in events[:2]:
                    with pytest.raises(sip.CallEnded):
                        await event.respond(200)

    sip.testing.run(scenario)


def test_own_hangup_answers_what_is_pending() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                await peer.send(in_dialog(peer, invite, "INFO"))
                await peer.send(response_to(await peer.expect("BYE"), 200))
                assert (await peer.expect(487)).cseq.method == "INFO"

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP):
                await trio.sleep(1)

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-12.2.2-2")
def test_request_in_a_dialog_that_is_gone_gets_481() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                await peer.send(response_to(await peer.expect("BYE"), 200))
                for sequence, method in enumerate(("BYE", "INFO", "INVITE"), 1):
                    await peer.send(in_dialog(peer, invite, method, sequence=sequence))
                    response = await peer.expect(481)
                    assert response.cseq.method == method

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP):
                pass
            await trio.sleep(1)

    sip.testing.run(scenario)


def test_typed_events_of_requests_in_a_call() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:
            methods = ["INFO", "NOTIFY", "MESSAGE", "OPTIONS", "REFER"]

            async def callee() -> None:
                invite = await pick_up(peer)
                for sequence, method in enumerate(methods, 1):
                    more = [("Content-Type", "text/plain")]
                    if method == "NOTIFY":
                        more += [("Event", "refer"), ("Subscription-State", "active")]
                    if method == "REFER":
                        more += [("Refer-To", "<sip:c@c>")]
                    await peer.send(in_dialog(peer, invite, method, sequence=sequence, headers=more, body=b"\xe4 text"))
                    assert (await peer.expect(202)).headers["X-Test"] == method
                await peer.send(in_dialog(peer, invite, "BYE", sequence=len(methods) + 1))
                await peer.expect(200)

            nursery.start_soon(callee)
            seen = []
            async with ep.call("sip:b:5060", offer=SDP) as call:
                async for event in call.events():
                    match event:
                        case sip.RequestReceived():
                            assert event.call is call
                            assert event.body == b"\xe4 text"
                            if isinstance(event, sip.MessageReceived):
                                assert event.text == "\ufffd text"
                            await event.respond(202, headers=[("X-Test", event.method)])
                            with pytest.raises(sip.LocalProtocolError, match="answer each request once"):
                                await event.respond(200)
                    seen.append(type(event).__name__)
            assert seen == [
                "InfoReceived",
                "NotifyReceived",
                "MessageReceived",
                "OptionsReceived",
                "RequestReceived",
                "ByeReceived",
            ]

    sip.testing.run(scenario)


def test_update_is_an_event_where_the_method_is_taken() -> None:
    async def scenario(net) -> None:
        methods = ("INVITE", "ACK", "BYE", "CANCEL", "UPDATE")
        async with (
            scripted(net) as peer,
            opened(net, "udp://a:5060", methods=methods) as ep,
            trio.open_nursery() as nursery,
        ):

            async def callee() -> None:
                invite = await pick_up(peer)
                await peer.send(in_dialog(peer, invite, "UPDATE", headers=WITH_SDP, body=SDP_3))
                assert (await peer.expect(200)).body == SDP
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                event = await anext(call.events())
                assert isinstance(event, sip.UpdateReceived)
                await event.respond(200, body=SDP, content_type="application/sdp")
                assert (call.local_sdp, call.remote_sdp) == (SDP, SDP_3)

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-12.2.1.1-7", "R3261-12.2.1.1-8")
def test_requests_of_a_call_number_themselves() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060"),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP, headers=[("Subject", "hello")]) as call,
        ):
            await call.reinvite(SDP, headers=[("Subject", "again")])
            await call.request("INFO", headers=[("X-A", "1")])
            with pytest.raises(sip.LocalProtocolError, match="use bye"):
                await call.request("BYE")
            with pytest.raises(sip.LocalProtocolError, match="CR"):
                await call.request("INFO", headers=[("X-A", "1\r\nEvil: yes")])
            await call.request("INFO")

    trace = sip.testing.run(scenario)
    sent = [
        sip.parse_message(passage.record.data)
        for passage in trace.passages()
        if passage.sender == "a" and not passage.record.data.startswith(b"SIP/2.0")
    ]
    assert [str(each.cseq) for each in sent] == [
        "1 INVITE", "1 ACK", "2 INVITE", "2 ACK", "3 INFO", "4 INFO", "5 BYE",
    ]  # fmt: skip
    assert sent[0].headers["Subject"] == "hello"
    assert sent[2].headers["Subject"] == "again"


def test_connection_lost_during_a_call_is_opened_again() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, TCP.listen("b")),
            opened(net, TCP.listen("a")) as ep,
            ep.call(TCP.uri("b"), offer=SDP) as call,
        ):
            net.reset("a", "b")
            await trio.sleep(1)
            assert (await call.request("INFO")).code == 200

    TCP.run(scenario)


def test_connection_lost_with_a_request_under_way() -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
            await call.wait_ended()

    async def scenario(net) -> None:
        async with (
            phone(net, TCP.listen("b"), take=take),
            opened(net, TCP.listen("a")) as ep,
            ep.call(TCP.uri("b"), offer=SDP) as call,
            trio.open_nursery() as nursery,
        ):

            async def info() -> None:
                with pytest.raises(sip.TransportError):
                    await call.request("INFO")

            nursery.start_soon(info)
            await trio.sleep(1)
            net.reset("a", "b")

    TCP.run(scenario)


@pytest.mark.rfc("R3261-13.3.1.4-4", "R3261-15-4")
def test_call_nobody_acknowledges_is_lost() -> None:
    async def take(event) -> None:
        events: list = []
        async with event.call as call:
            await call.answer(SDP_2)
            await drain(call.events(), events)
        assert [(each.cause, each.response) for each in events] == [("unacknowledged", None)]
        assert call.end_reason == "unacknowledged"

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            invite = peer.request("INVITE", "sip:b@b:5060", headers=WITH_SDP, body=SDP)
            await peer.send(invite, to="b:5060")
            await peer.expect(200)
            bye = await peer.expect("BYE")
            assert trio.current_time() == 32
            await peer.send(response_to(bye, 200))

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-15-4")
def test_callee_that_leaves_before_the_ack_waits_with_its_bye() -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
        assert not call.is_ended

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            invite = peer.request("INVITE", "sip:b@b:5060", headers=WITH_SDP, body=SDP)
            await peer.send(invite, to="b:5060")
            ok = await peer.expect(200)
            await peer.expect_nothing(10)
            ack = invite.copy()
            ack.method, ack.body = "ACK", b""
            ack.headers.remove("Content-Type")
            ack.headers.set("CSeq", "1 ACK")
            ack.headers.set("To", ok.headers["To"])
            ack.headers.set("Via", f"SIP/2.0/UDP {peer.sent_by};branch=z9hG4bKack")
            await peer.send(ack, to="b:5060")
            await peer.send(response_to(await peer.expect("BYE", timeout=1), 200))

    sip.testing.run(scenario)


def test_user_error_in_the_block_comes_out_as_itself_and_hangs_up() -> None:
    inner = KeyError("context")
    error = ExceptionGroup("the user's own", [ValueError("mine")])

    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            with pytest.raises(ExceptionGroup) as caught:
                async with ep.register("sip:a@b:5060"), ep.call("sip:b:5060", offer=SDP):
                    try:
                        raise inner
                    except KeyError:
                        raise error  # noqa: B904  (its context is the point)
            # Trio takes groups apart and together again; what is in them stays.
            assert caught.value.message == error.message
            assert caught.value.exceptions == error.exceptions
            assert caught.value.__context__ is inner

    trace = sip.testing.run(scenario)
    assert len(trace.times("a>b BYE")) == 1
    assert len(trace.times("a>b REGISTER")) == 2


def test_slow_answer_and_ring_events() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", take=ringing(70)), opened(net, "udp://a:5060") as ep:
            async with ep.invite("sip:b:5060", offer=SDP) as fork:
                call = await fork.answered()
                assert trio.current_time() == 70
                assert call is fork.legs[0].call
                events: list = []
                with trio.move_on_after(40):
                    await drain(fork.events(), events)
                assert names(events) == ["Ringing", "Ringing", "Answered"]

    trace = sip.testing.run(scenario)
    assert trace.times("b>a 180") == [0, 60]
