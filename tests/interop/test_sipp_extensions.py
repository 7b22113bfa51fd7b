"""SIPp and the extensions of calls: 100rel (RFC 3262), UPDATE (RFC 3311), session timers (RFC 4028).

A session lasts for 90 seconds at least, so whoever waits for its end lets time run faster.
"""

import pytest
import trio
import trio.testing

import sipstack as sip

pytestmark = pytest.mark.interop

EXPIRES = 90
"The least that a session may last (RFC 4028, section 4)."
SESSION = ("-key", "session_expires", str(EXPIRES))
REFRESH = (*SESSION, "-d", "500")
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


@pytest.mark.parametrize(
    ("scenario", "options", "arguments"),
    [
        ("uac_100rel", (), ("--reliable",)),
        ("uac_offerless_100rel", (), ("--reliable",)),
        ("uac_update", (), ("--reliable", "--ring", "0.5")),
        ("uac_refresh", REFRESH, ("--session-expires", str(EXPIRES))),
        ("uac_422", (), ("--session-expires", str(EXPIRES))),
    ],
)
def test_caller(sipp_uac, sipstack_answer, scenario, options, arguments):
    answering = sipstack_answer("--max-calls", "1", *arguments)
    statistics = sipp_uac(answering.target, *options, scenario=scenario)
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output
    refreshes = 2 if scenario == "uac_refresh" else 0
    assert answering.finish().count("UPDATE, the session is refreshed") == refreshes


def test_reliable_response_is_repeated_until_its_prack(sipp_uac, sipstack_answer):
    answering = sipstack_answer("--max-calls", "1", "--reliable", "--ladder")
    statistics = sipp_uac(answering.target, scenario="uac_late_prack")
    assert statistics.code == 0, statistics.output
    # At 0.5 and 1.5 s; the PRACK comes at 2.
    assert answering.finish().count("180 Ringing (INVITE, SDP, again)") == 2


@pytest.mark.parametrize(
    ("scenario", "options", "arguments", "duration"),
    [
        ("uas_100rel", (), ("--require-100rel",), "0.1"),
        ("uas_183_repeated", ("-nr",), ("--require-100rel",), "0.1"),
        ("uas_update", (), ("--require-100rel",), "1"),
        ("uas_offerless", (), ("--offerless",), "0.1"),
        ("uas_offerless_100rel", (), ("--offerless", "--require-100rel"), "0.1"),
        ("uas_refresh", REFRESH, ("--session-expires", str(EXPIRES)), "2"),
        ("uas_422", (), ("--session-expires", str(EXPIRES)), "0.1"),
    ],
)
def test_callee(sipstack, sipp_uas, scenario, options, arguments, duration):
    callee = sipp_uas(*options, scenario=scenario)
    caller = sipstack("call", callee.uri, "--duration", duration, *arguments)
    statistics = callee.finish()
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output
    assert caller.wait().code == 0


# --- what the command does not do, or not soon enough: endpoints in this process ------------------------------------

HASTE = 40.0
"Seconds of an endpoint's that pass in one of SIPp's: the shortest session is over in 1.5 of those."

SLOW = sip.TimerValues(t1=0.5 * HASTE, t2=4 * HASTE, t4=5 * HASTE)
"What makes retransmissions take their usual time on a clock that runs fast."


def in_haste(work, timers):
    async def main():
        policy = sip.SessionTimerPolicy(interval=EXPIRES)
        async with sip.open_endpoint(
            "udp://127.0.0.1:0", timers=timers, session_timer=policy, grace=2 * HASTE
        ) as endpoint:
            await work(endpoint)

    trio.run(main, clock=trio.testing.MockClock(rate=HASTE))


def be_called(sipp_uac, scenario, take, timers=SLOW):
    """Let SIPp call, and hand the call to `take`."""

    async def answer(endpoint):
        events = endpoint.events()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, endpoint.urls[0].rpartition(":")[2])
            event = await anext(events)
            async with event.call as incoming:
                await take(incoming)

    async def call(port):
        statistics = await trio.to_thread.run_sync(lambda: sipp_uac(f"127.0.0.1:{port}", *SESSION, scenario=scenario))
        assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output

    in_haste(answer, timers)


def call_sipp(sipp_uas, scenario, take):
    """Call SIPp, and hand the fork to `take`."""
    callee = sipp_uas(*SESSION, scenario=scenario)

    async def call(endpoint):
        async with endpoint.invite(callee.uri, offer=SDP, require=["100rel"]) as fork:
            await take(fork)

    in_haste(call, SLOW)
    statistics = callee.finish()
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output


@pytest.mark.parametrize(("scenario", "reason"), [("uac_refreshed", "remote"), ("uac_no_refresh", "expired")])
def test_session_of_a_caller(sipp_uac, scenario, reason):
    async def take(call):
        await call.answer(SDP)
        assert await call.wait_ended() == reason

    be_called(sipp_uac, scenario, take)


@pytest.mark.parametrize(("scenario", "reason"), [("uas_refreshed", "local"), ("uas_no_refresh", "expired")])
def test_session_of_a_callee(sipp_uas, scenario, reason):
    async def take(fork):
        async with await fork.answered() as call:
            with trio.move_on_after(1.25 * EXPIRES):
                await call.wait_ended()
        assert call.end_reason == reason

    call_sipp(sipp_uas, scenario, take)


def test_caller_that_never_acknowledges_is_hung_up_on(sipp_uac):
    async def take(call):
        await call.answer(SDP)
        before = trio.current_time()
        assert await call.wait_ended() == "unacknowledged"
        assert trio.current_time() - before >= 32

    be_called(sipp_uac, "uac_no_ack", take, sip.TimerValues())


def test_caller_is_sent_updates(sipp_uac):
    async def take(call):
        await call.ring(183, reliable=True, answer=SDP)
        assert (await call.update(SDP.replace(b"1 1 IN", b"1 2 IN"))).code == 200
        await call.answer()
        assert isinstance(await anext(call.events()), sip.AckReceived)
        assert (await call.update(SDP.replace(b"1 1 IN", b"1 3 IN"))).code == 200
        assert await call.wait_ended() == "remote"

    be_called(sipp_uac, "uac_updated", take)


def test_callee_is_sent_updates(sipp_uas):
    async def take(fork):
        progress = await anext(fork.events())
        assert (await progress.leg.update(SDP.replace(b"1 1 IN", b"1 2 IN"))).code == 200
        call = await fork.answered()
        assert (await call.update(SDP.replace(b"1 1 IN", b"1 3 IN"))).code == 200

    call_sipp(sipp_uas, "uas_updated", take)
