"""Forked INVITEs, on the caller's side: many early dialogs, many answers, one policy (RFC 3261, 13.2.2; RFC 6228)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import ScriptedPeer, response_to

from .kit import SDP, SDP_2, SDP_3, WITH_SDP, drain, in_dialog, names, opened, pick_up, scripted

RELIABLE = [("Require", "100rel")]


def leg_of(peer: ScriptedPeer, invite, tag: str, code: int, *, body: bytes = b"", headers=(), port: int = 5060):
    """Build a response of one of several callees behind a forking proxy: each has a contact and a route of its own."""
    host = peer.address[0]
    fields = [("Record-Route", f"<sip:{host}:{port};lr;leg={tag}>"), *headers, *(WITH_SDP if body else [])]
    return response_to(invite, code, to_tag=tag, contact=f"sip:{tag}@{host}:{port}", headers=fields, body=body)


def run(callees, use, **options):
    """Run the callees behind one scripted proxy against an endpoint that calls them."""

    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", **options) as ep, trio.open_nursery() as nursery:
            nursery.start_soon(callees, peer)
            await use(ep)

    return sip.testing.run(scenario)


async def end(peer: ScriptedPeer, *tags: str, reason: str | None = None) -> None:
    """Take the BYEs of some legs, in any order."""
    left = set(tags)
    while left:
        bye = await peer.expect("BYE")
        left.remove(bye.to_tag)
        assert (reason is None) == ("Reason" not in bye.headers)
        if reason is not None:
            assert reason in bye.headers["Reason"]
        await peer.send(response_to(bye, 200))


@pytest.mark.rfc("R3261-12.1-2")
def test_each_leg_has_its_own_tags_routes_target_number_and_session() -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        await peer.send(leg_of(peer, invite, "one", 180))
        await peer.send(leg_of(peer, invite, "two", 183, body=SDP_2))
        await peer.send(leg_of(peer, invite, "three", 183, body=SDP_3, headers=[*RELIABLE, ("RSeq", "700")]))
        prack = await peer.expect("PRACK")
        assert (prack.to_tag, str(prack.rack)) == ("three", f"700 {invite.cseq}")
        assert prack.headers["Route"].endswith("leg=three>")
        await peer.send(response_to(prack, 200))
        await peer.send(leg_of(peer, invite, "one", 183, headers=[*RELIABLE, ("RSeq", "5")]))
        prack = await peer.expect("PRACK")
        assert prack.to_tag == "one"
        await peer.send(response_to(prack, 200))
        await peer.send(leg_of(peer, invite, "three", 180, headers=[*RELIABLE, ("RSeq", "701")]))
        await peer.send(response_to(await peer.expect("PRACK"), 200))
        await trio.sleep(1)
        await peer.send(response_to(invite, 486, to_tag="one"))
        await peer.expect("ACK")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP) as fork:
            await trio.sleep(0.5)
            one, two, three = fork.legs
            assert [leg.remote_tag for leg in fork.legs] == ["one", "two", "three"]
            for leg in fork.legs:
                assert leg.is_early
                assert leg.dialog.local_tag == fork.request.from_tag
                assert leg.dialog.remote_target.user == leg.remote_tag
                (route,) = leg.dialog.route_set
                assert route.uri.parameters["leg"] == leg.remote_tag
            assert [leg.rseq for leg in fork.legs] == [5, None, 701]
            assert [leg.early_sdp for leg in fork.legs] == [None, SDP_2, SDP_3]
            assert [leg.session.remote for leg in fork.legs] == [None, None, SDP_3]
            assert [leg.session.has_local_offer for leg in fork.legs] == [True, True, False]
            assert (one.response.code, two.response.code, three.response.code) == (183, 183, 180)
            events: list = []
            await drain(fork.events(), events)
            assert names(events) == [
                "Ringing", "Progress", "Progress", "Progress", "Ringing",
                "EarlyDialogEnded", "EarlyDialogEnded", "EarlyDialogEnded", "Failed",
            ]  # fmt: skip
            assert [event.leg.remote_tag for event in events[:5]] == ["one", "two", "three", "one", "three"]
            assert [event.reliable for event in events[:5]] == [False, False, True, True, True]
            assert not any(leg.is_early for leg in fork.legs)

    run(callees, use)


@pytest.mark.rfc("R3261-13.2.2.4-2", "R3261-13.2.2.4-9")
@pytest.mark.parametrize("late", [0, 5, 31])
def test_the_second_answer_loses(late) -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        for tag in ("one", "two"):
            await peer.send(leg_of(peer, invite, tag, 180))
        await peer.send(leg_of(peer, invite, "two", 200, body=SDP_2))
        if late:
            assert (await peer.expect("ACK")).to_tag == "two"
            await trio.sleep(late)
        await peer.send(leg_of(peer, invite, "one", 200, body=SDP_3))
        acknowledged = {(await peer.expect("ACK")).to_tag for _ in range(1 if late else 2)}
        assert "one" in acknowledged
        await end(peer, "one", reason="Call completed elsewhere")
        await end(peer, "two")

    async def use(ep) -> None:
        async with ep.call("sip:b:5060", offer=SDP) as call:
            await trio.sleep(late + 2)
            assert call.dialog.remote_tag == "two"
            assert call.remote_sdp == SDP_2
            assert not call.is_ended

    run(callees, use)


def test_all_are_kept_where_the_policy_says_so() -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        for tag, sdp in (("one", SDP_2), ("two", SDP_3)):
            await peer.send(leg_of(peer, invite, tag, 200, body=sdp))
            assert (await peer.expect("ACK")).to_tag == tag
        info = await peer.expect("INFO")
        assert info.to_tag == "two"
        await peer.send(response_to(info, 200))
        await end(peer, "one", "two")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP, keep=sip.KeepAll()) as fork:
            first = await fork.answered()
            await trio.sleep(0.1)
            assert [call.remote_sdp for call in fork.calls] == [SDP_2, SDP_3]
            assert fork.calls[0] is first
            assert (await fork.calls[1].info(b"x", "text/plain")).code == 200

    run(callees, use)


def test_a_function_may_prefer_a_later_answer() -> None:
    def desk_first(answered):
        return [leg for leg in answered if leg.remote_tag == "desk"] or answered[:1]

    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        for tag in ("voicemail", "desk"):
            await peer.send(leg_of(peer, invite, tag, 200, body=SDP_2))
            assert (await peer.expect("ACK")).to_tag == tag
        await end(peer, "voicemail", reason="Call completed elsewhere")
        await end(peer, "desk")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP, keep=desk_first) as fork:
            await fork.answered()
            await trio.sleep(0.1)
            (call,) = fork.calls
            assert call.dialog.remote_tag == "desk"

    run(callees, use)


def test_a_function_that_keeps_none_leaves_no_one_waiting() -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        await peer.send(leg_of(peer, invite, "one", 200, body=SDP_2))
        await peer.expect("ACK")
        await end(peer, "one", reason="Call completed elsewhere")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP, keep=lambda answered: ()) as fork:
            with pytest.raises(sip.CallEnded):
                await fork.answered()
            assert trio.current_time() == 32, "when no other leg can answer"

    run(callees, use)


def test_a_detached_call_lives_on_after_the_block() -> None:
    async def callees(peer) -> None:
        invite = await pick_up(peer, to_tag="one")
        await trio.sleep(1)
        await peer.send(leg_of(peer, invite, "late", 200, body=SDP_3))
        assert (await peer.expect("ACK")).to_tag == "late"
        await end(peer, "late", reason="Call completed elsewhere")
        assert trio.current_time() < 2
        info = in_dialog(peer, invite, "INFO", from_tag="one")
        await peer.send(info)
        await peer.expect(100)
        await peer.expect(200)
        await end(peer, "one")
        assert trio.current_time() == 10

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP) as fork:
            await fork.answered()
            call = fork.legs[0].detach()
        assert not call.is_ended
        await trio.sleep_until(5)
        async with call:
            event = await anext(call.events())
            assert isinstance(event, sip.InfoReceived)
            await event.respond(200)
            await trio.sleep_until(10)

    run(callees, use)


def test_what_an_answer_after_the_block_was_left_leads_to() -> None:
    async def callees(peer) -> None:
        invite = await pick_up(peer, to_tag="one")
        await end(peer, "one")
        await trio.sleep(20)
        await peer.send(leg_of(peer, invite, "late", 200, body=SDP_3))
        assert (await peer.expect("ACK")).to_tag == "late"
        await end(peer, "late", reason="Call completed elsewhere")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP, keep=sip.KeepAll()) as fork:
            await fork.answered()
        await trio.sleep(25)
        assert not fork.calls

    run(callees, use)


# 199 (RFC 6228).


def test_199_ends_one_early_dialog_and_no_other() -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        assert "199" in invite.supported
        for tag in ("one", "two"):
            await peer.send(leg_of(peer, invite, tag, 180))
        gone = leg_of(peer, invite, "one", 199, headers=[("Reason", "SIP;cause=486")])
        await peer.send(gone)
        await peer.send(gone)  # again, as a proxy may
        await peer.send(leg_of(peer, invite, "unheard", 199))
        await trio.sleep(1)
        await peer.send(in_dialog(peer, invite, "INFO", from_tag="one"))
        await peer.expect(481)
        await peer.send(leg_of(peer, invite, "two", 200, body=SDP_2))
        assert (await peer.expect("ACK")).to_tag == "two"
        await end(peer, "two")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP) as fork:
            await trio.sleep(0.5)
            one, two = fork.legs
            assert (one.is_early, two.is_early) == (False, True)
            with pytest.raises(sip.CallEnded):
                await one.update(SDP_2)
            call = await fork.answered()
            events: list = []
            with trio.move_on_after(1):
                await drain(fork.events(), events)
            assert names(events)[:4] == ["Ringing", "Ringing", "Progress", "EarlyDialogEnded"]
            (ended,) = [event for event in events if isinstance(event, sip.EarlyDialogEnded)]
            assert ended.leg is one
            assert ended.response.code == 199
            assert str(ended.response.reason[0]) == "SIP;cause=486"
            assert call.dialog.remote_tag == "two"

    run(callees, use)


def test_199_for_every_leg_waits_for_more() -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        await peer.send(leg_of(peer, invite, "one", 180))
        await peer.send(leg_of(peer, invite, "one", 199))
        await trio.sleep(5)
        await peer.send(leg_of(peer, invite, "two", 180))
        await trio.sleep(1)
        await peer.send(leg_of(peer, invite, "one", 200, body=SDP_2))  # it has changed its mind
        assert (await peer.expect("ACK")).to_tag == "one"
        await end(peer, "one")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP) as fork:
            call = await fork.answered()
            assert trio.current_time() == 6
            assert call.dialog.remote_tag == "one"
            assert [leg.remote_tag for leg in fork.legs] == ["one", "two", "one"]
            assert [leg.call for leg in fork.legs] == [None, None, call]

    run(callees, use)


@pytest.mark.parametrize("prack", ["auto", "manual"])
def test_199_sent_reliably_for_a_leg_nobody_knows_is_acknowledged(prack) -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        await peer.send(leg_of(peer, invite, "unheard", 199, headers=[*RELIABLE, ("RSeq", "9")]))
        acknowledgement = await peer.expect("PRACK")
        assert acknowledgement.to_tag == "unheard"
        await peer.send(response_to(acknowledgement, 200))
        await peer.send(response_to(invite, 480))
        await peer.expect("ACK")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP, prack=prack) as fork:
            with pytest.raises(sip.CallFailed):
                await fork.answered()
            assert not any(leg.is_early for leg in fork.legs)

    run(callees, use)


# How one early dialog ends.


@pytest.mark.rfc("R3261-15-5")
def test_one_leg_is_ended_by_bye_while_the_other_goes_on() -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        for tag in ("one", "two"):
            await peer.send(leg_of(peer, invite, tag, 180))
        bye = await peer.expect("BYE")
        assert (bye.to_tag, bye.headers["Reason"]) == ("one", "SIP;cause=603")
        assert bye.headers["Route"].endswith("leg=one>")
        await peer.send(response_to(bye, 200))
        await peer.send(leg_of(peer, invite, "two", 200, body=SDP_2))
        assert (await peer.expect("ACK")).to_tag == "two"
        await end(peer, "two")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP) as fork:
            while len(fork.legs) < 2:
                await anext(fork.events())
            with pytest.raises(sip.LocalProtocolError, match="not been answered"):
                fork.legs[1].detach()
            await fork.legs[0].end(reason="SIP;cause=603")
            with pytest.raises(sip.CallEnded):
                await fork.legs[0].end()
            async for event in fork.events():
                if isinstance(event, sip.EarlyDialogEnded):
                    assert event.leg is fork.legs[0]
                    break
            assert (await fork.answered()).dialog.remote_tag == "two"

    run(callees, use)


def test_a_2xx_that_crosses_the_bye_of_its_leg_is_acknowledged_and_no_call() -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        await peer.send(leg_of(peer, invite, "one", 180))
        bye = await peer.expect("BYE")
        await peer.send(leg_of(peer, invite, "one", 200, body=SDP_2))
        assert (await peer.expect("ACK")).to_tag == "one"
        await peer.send(response_to(bye, 200))

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP) as fork:
            await anext(fork.events())
            await fork.legs[0].end()
            with pytest.raises(sip.CallEnded):
                await fork.answered()
            assert not fork.calls

    run(callees, use)


def test_a_callee_may_end_its_early_dialog_by_bye() -> None:
    async def callees(peer) -> None:
        invite = await peer.expect("INVITE")
        for tag in ("one", "two"):
            await peer.send(leg_of(peer, invite, tag, 180))
        await peer.send(in_dialog(peer, invite, "BYE", from_tag="one"))
        await peer.expect(200)
        await peer.send(leg_of(peer, invite, "two", 200, body=SDP_2))
        await peer.expect("ACK")
        await end(peer, "two")

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP) as fork:
            assert (await fork.answered()).dialog.remote_tag == "two"
            events: list = []
            with trio.move_on_after(0.1):
                await drain(fork.events(), events)
            assert names(events) == ["Ringing", "Ringing", "EarlyDialogEnded", "Answered"]
            assert events[2].leg.remote_tag == "one"

    run(callees, use)
