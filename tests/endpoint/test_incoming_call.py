"""Calls that come in: ring, answer, reject, redirect, and callers who give up (RFC 3261, 9.2 and 13.3)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.message import Request

from .kit import SDP, SDP_2, WAYS, WITH_SDP, collecting, drain, names, opened, phone, scripted


def invite_of(peer, *, headers=(), uri="sip:b@b:5060", **options) -> Request:
    return peer.request("INVITE", uri, headers=[*WITH_SDP, *headers], body=SDP, **options)


def cancel_of(invite: Request) -> Request:
    cancel = invite.copy()
    cancel.method, cancel.body = "CANCEL", b""
    cancel.headers.set("CSeq", f"{invite.cseq.sequence} CANCEL")
    cancel.headers.remove("Content-Type")
    return cancel


def ack_of(invite: Request, response, branch: str | None = None) -> Request:
    ack = cancel_of(invite)
    ack.method = "ACK"
    ack.headers.set("CSeq", f"{invite.cseq.sequence} ACK")
    ack.headers.set("To", response.headers["To"])
    if branch:
        ack.via = [ack.top_via.replace(branch=branch)]
    return ack


@pytest.mark.rfc("R3261-13.2.1-11")
@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-13.3.1.1-1", "R3261-13.3.1.1-2")
def test_ring_with_early_media_then_answer(way) -> None:
    async def take(event) -> None:
        assert event.offer == event.call.offer == event.call.remote_sdp == SDP
        assert event.request is event.call.invite
        async with event.call as call:
            await call.ring()
            await call.ring(183, answer=SDP_2, phrase="Early", headers=[("X-Early", "yes")])
            assert call.local_sdp == SDP_2
            await call.answer(SDP_2)
            events: list = []
            await drain(call.events(), events)
            assert names(events) == ["AckReceived", "ByeReceived"]
            assert events[0].body == b""

    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), take=take), opened(net, way.listen("a")) as ep:
            async with ep.invite(way.uri("b"), offer=SDP) as fork:
                await fork.answered()
                events = fork.events()
                ringing, progress, answered = [await anext(events) for _ in range(3)]
                assert (ringing.response.code, progress.response.code) == (180, 183)
                assert progress.response.phrase == "Early"
                assert progress.response.headers["X-Early"] == "yes"
                assert progress.leg is ringing.leg is answered.leg
                assert progress.leg.early_sdp == SDP_2
                assert answered.call.remote_sdp == SDP_2

    way.run(scenario)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-13.3.1.3-1", "R3261-13.3.1.2-1")
def test_reject_and_redirect(way) -> None:
    async def take(event) -> None:
        call = event.call
        match call.invite.uri.user:
            case "busy":
                await call.reject()
            case "gone":
                await call.reject(410, "Moved out", headers=[("X-Why", "sold")])
            case "moved":
                await call.redirect("sip:c@c", "sip:d@d;transport=tcp")
        assert call.end_reason == "refused"
        with pytest.raises(sip.CallEnded, match="refused"):
            await call.answer(SDP)

    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), take=take), opened(net, way.listen("a")) as ep:
            responses = {}
            for user in ("busy", "gone", "moved"):
                with pytest.raises(sip.CallFailed) as caught:
                    async with ep.call(way.uri("b", user), offer=SDP):
                        pytest.fail("nobody answered")
                responses[user] = caught.value.response
            assert {user: each.code for user, each in responses.items()} == {"busy": 486, "gone": 410, "moved": 302}
            assert responses["gone"].phrase == "Moved out"
            assert responses["gone"].headers["X-Why"] == "sold"
            assert [str(each.uri) for each in responses["moved"].contact] == ["sip:c@c", "sip:d@d;transport=tcp"]
            assert "486" in str(sip.CallFailed(responses["busy"]))

    way.run(scenario)


def test_wrong_use_is_told_in_a_sentence() -> None:
    async def take(event) -> None:
        async with event.call as call:
            with pytest.raises(sip.LocalProtocolError, match="200 does not ring: use 101 to 199"):
                await call.ring(200)
            with pytest.raises(sip.LocalProtocolError, match="180 does not refuse: use 300 to 699"):
                await call.reject(180)
            await call.answer(SDP_2)
            with pytest.raises(sip.LocalProtocolError, match="already"):
                await call.answer(SDP_2)
            with pytest.raises(sip.LocalProtocolError, match="already"):
                await call.ring()
            with pytest.raises(sip.LocalProtocolError, match="already"):
                await call.reject()
            with pytest.raises(sip.LocalProtocolError, match="re-INVITE cannot be sent"):
                await call.reinvite(SDP_2)
            await call.wait_ended()

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=take),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP),
        ):
            await trio.sleep(1)

    sip.testing.run(scenario, delay=0.01)


def test_left_unanswered_is_480() -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.ring()
        assert call.end_reason == "refused"

    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", take=take), opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.CallFailed) as caught:
                async with ep.call("sip:b:5060", offer=SDP):
                    pass
            assert caught.value.response.code == 480

    sip.testing.run(scenario)


def test_error_in_the_block_refuses_the_call_and_comes_out() -> None:
    async def take(event) -> None:
        with pytest.raises(ZeroDivisionError):
            async with event.call as call:
                await call.ring()
                raise ZeroDivisionError

    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", take=take), opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.CallFailed) as caught:
                async with ep.call("sip:b:5060", offer=SDP):
                    pass
            assert caught.value.response.code == 480

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-9.2-2", "R3261-9.2-3")
@pytest.mark.parametrize("rings", [False, True])
def test_caller_gives_up_before_the_answer(rings) -> None:
    seen: list = []

    async def take(event) -> None:
        async with event.call as call:
            if rings:
                await call.ring()
            await drain(call.events(), seen)
            assert call.end_reason == "cancelled"
            assert await call.wait_ended() == "cancelled"
            await call.answer(SDP_2)  # raises CallEnded, which ends the block and no more
            pytest.fail("answered a cancelled call")

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            invite = invite_of(peer)
            await peer.send(invite, to="b:5060")
            first = await peer.expect(180 if rings else 100)
            cancel = cancel_of(invite)
            cancel.headers.add("Reason", "SIP;cause=200")
            await peer.send(cancel)
            ok = await peer.expect(200)
            terminated = await peer.expect(487)
            assert ok.cseq.method == "CANCEL"
            assert ok.to_tag == terminated.to_tag
            if rings:
                assert first.to_tag == terminated.to_tag
            await peer.send(ack_of(invite, terminated))

    sip.testing.run(scenario)
    assert names(seen) == ["CancelReceived"]
    assert seen[0].request.headers["Reason"] == "SIP;cause=200"


def test_another_calls_end_is_not_swallowed() -> None:
    async def take(event) -> None:
        with pytest.raises(sip.CallEnded):
            async with event.call:
                raise sip.CallEnded("another")

    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", take=take), opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.CallFailed):
                async with ep.call("sip:b:5060", offer=SDP):
                    pass

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-9.2-1")
def test_cancel_that_crosses_the_200_has_no_effect() -> None:
    events: list = []

    async def take(event) -> None:
        async with event.call as call:
            await call.answer(SDP_2)
            await drain(call.events(), events)

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            invite = invite_of(peer)
            await peer.send(invite, to="b:5060")
            ok = await peer.expect(200)
            await peer.send(cancel_of(invite))
            assert (await peer.expect(200)).cseq.method == "CANCEL"
            await peer.send(ack_of(invite, ok, "z9hG4bKack"))
            await peer.expect_nothing(3)
            bye = peer.request(
                "BYE", "sip:b@b:5060", call_id=invite.call_id, from_tag=invite.from_tag, to_tag=ok.to_tag, sequence=2
            )
            await peer.send(bye)
            await peer.expect(200)
            stray = cancel_of(invite_of(peer))
            await peer.send(stray)
            await peer.expect(481)

    sip.testing.run(scenario)
    assert names(events) == ["AckReceived", "ByeReceived"]


@pytest.mark.rfc("R3261-13.3.1-1")
def test_invitation_expires() -> None:
    events: list = []

    async def take(event) -> None:
        async with event.call as call:
            await call.ring()
            await drain(call.events(), events)

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            invite = invite_of(peer, headers=[("Expires", "5")])
            await peer.send(invite, to="b:5060")
            await peer.expect(180)
            terminated = await peer.expect(487)
            assert trio.current_time() == 5
            await peer.send(ack_of(invite, terminated))

    sip.testing.run(scenario)
    assert names(events) == ["CancelReceived"]
    assert events[0].request is None


def test_bye_before_the_answer() -> None:
    events: list = []

    async def take(event) -> None:
        async with event.call as call:
            await call.ring()
            await drain(call.events(), events)
            assert call.end_reason == "cancelled"

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            invite = invite_of(peer)
            await peer.send(invite, to="b:5060")
            ringing = await peer.expect(180)
            bye = peer.request(
                "BYE", "sip:b@b:5060", call_id=invite.call_id, from_tag=invite.from_tag, to_tag=ringing.to_tag,
                sequence=2,
            )  # fmt: skip
            await peer.send(bye)
            assert (await peer.expect(200)).cseq.method == "BYE"
            await peer.send(ack_of(invite, await peer.expect(487)))

    sip.testing.run(scenario)
    assert names(events) == ["CancelReceived"]
    assert events[0].request.method == "BYE"


def test_info_before_the_answer_reaches_the_call() -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.ring()
            info = await anext(call.events())
            assert isinstance(info, sip.InfoReceived)
            await info.respond(200)
            await call.reject()

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            invite = invite_of(peer)
            await peer.send(invite, to="b:5060")
            ringing = await peer.expect(180)
            info = peer.request(
                "INFO", "sip:b@b:5060", call_id=invite.call_id, from_tag=invite.from_tag, to_tag=ringing.to_tag,
                sequence=2,
            )  # fmt: skip
            await peer.send(info)
            await peer.expect(200)
            await peer.send(ack_of(invite, await peer.expect(486)))

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-8.2.2.2-2")
def test_merged_request_is_482_on_the_wire() -> None:
    async def take(event) -> None:
        await trio.sleep(1)
        await event.call.reject()

    async def scenario(net) -> None:
        events: list = []
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=collecting(events, take)):
            invite = invite_of(peer)
            await peer.send(invite, to="b:5060")
            merged = invite.copy()
            merged.via = [merged.top_via.replace(branch="z9hG4bKother-way")]
            await peer.send(merged)
            loop = await peer.expect(482)
            assert loop.top_via.branch == "z9hG4bKother-way"
            await peer.send(ack_of(merged, loop))
            await peer.expect(100)
            await peer.send(ack_of(invite, await peer.expect(486)))
            assert len(events) == 1

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-12.1.1-4")
@pytest.mark.parametrize(
    "headers",
    [[("Record-Route", "<sips:proxy@a:5060;lr>")], [("Contact", "<sips:peer@a:5061>")], []],
    ids=["route", "contact", "request-uri"],
)
def test_sips_on_the_way_is_never_the_users_error(headers) -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.ring()
            await call.reject()

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            invite = invite_of(peer, uri="sip:b@b:5060" if headers else "sips:b@b:5060")
            for name, value in headers:
                invite.headers.set(name, value)
            await peer.send(invite, to="b:5060")
            assert (await peer.expect(180)).contact[0].uri.scheme == "sips"
            await peer.send(ack_of(invite, await peer.expect(486)))

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-8.2.6.2-7")
def test_contact_and_tag_of_our_answers() -> None:
    async def take(event) -> None:
        async with event.call as call:
            await call.ring()
            await call.answer(SDP_2)
            await call.wait_ended()

    async def scenario(net) -> None:
        async with scripted(net, "tcp://a:5060") as peer, phone(net, "tcp://b:5060", take=take, user="desk"):
            await peer.connect("b", 5060)
            invite = invite_of(peer)
            await peer.send(invite)
            ringing, ok = await peer.expect(180), await peer.expect(200)
            assert ringing.to_tag == ok.to_tag
            assert [str(each) for each in ok.contact] == ["<sip:desk@10.0.0.2:5060;transport=tcp>"]
            assert ok.headers["Server"] == "sipstack"
            await peer.send(ack_of(invite, ok, "z9hG4bKack"))
            await peer.send(
                peer.request(
                    "BYE", "sip:b@b:5060", call_id=invite.call_id, from_tag=invite.from_tag, to_tag=ok.to_tag,
                    sequence=2,
                )
            )  # fmt: skip
            assert (await peer.expect(200)).cseq.method == "BYE"

    sip.testing.run(scenario)
