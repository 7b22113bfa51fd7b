"""SIPp and the extensions of calls: 100rel (RFC 3262), UPDATE (RFC 3311), session timers (RFC 4028).

A session lasts for 90 seconds at least, so whoever waits for its end waits long: those tests run where
SIPSTACK_INTEROP_LONG is set.
"""

import os

import pytest

pytestmark = pytest.mark.interop

LONG = pytest.mark.skipif(
    not os.environ.get("SIPSTACK_INTEROP_LONG"), reason="takes a minute: set SIPSTACK_INTEROP_LONG"
)
EXPIRES = 90
"The least that a session may last (RFC 4028, section 4)."
SESSION = ("-key", "session_expires", str(EXPIRES))
REFRESH = (*SESSION, "-d", "500")


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
    answering.finish()


def test_reliable_response_is_repeated_until_its_prack(sipp_uac, sipstack_answer):
    answering = sipstack_answer("--max-calls", "1", "--reliable", "--ladder")
    statistics = sipp_uac(answering.target, scenario="uac_late_prack")
    assert statistics.code == 0, statistics.output
    # At 0.5 and 1.5 s; the PRACK comes at 2.
    assert answering.finish().count("180 Ringing (INVITE, SDP, again)") == 2


@pytest.mark.parametrize(
    ("scenario", "options", "arguments"),
    [
        ("uas_100rel", (), ("--require-100rel",)),
        ("uas_183_repeated", ("-nr",), ("--require-100rel",)),
        ("uas_update", (), ("--require-100rel",)),
        ("uas_offerless", (), ("--offerless",)),
        ("uas_offerless_100rel", (), ("--offerless", "--require-100rel")),
        ("uas_refresh", REFRESH, ("--session-expires", str(EXPIRES))),
        ("uas_422", (), ("--session-expires", str(EXPIRES))),
    ],
)
def test_callee(sipstack, sipp_uas, scenario, options, arguments):
    callee = sipp_uas(*options, scenario=scenario)
    caller = sipstack("call", callee.uri, "--duration", "2", *arguments)
    statistics = callee.finish()
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output
    assert caller.wait().code == 0


@LONG
def test_caller_that_does_not_refresh_is_hung_up_on(sipp_uac, sipstack_answer):
    answering = sipstack_answer("--max-calls", "1", "--session-expires", str(EXPIRES))
    statistics = sipp_uac(answering.target, *SESSION, scenario="uac_no_refresh", seconds=EXPIRES + 10)
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output
    answering.finish()


@LONG
def test_callee_that_does_not_refresh_is_hung_up_on(sipstack, sipp_uas):
    callee = sipp_uas(*SESSION, scenario="uas_no_refresh", seconds=EXPIRES + 10)
    caller = sipstack("call", callee.uri, "--duration", str(2 * EXPIRES), "--session-expires", str(EXPIRES))
    statistics = callee.finish(EXPIRES + 15)
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output
    caller.wait()


@LONG
@pytest.mark.timeout(EXPIRES + 60)
def test_caller_refreshes(sipstack, sipp_uas):
    callee = sipp_uas(*SESSION, scenario="uas_refreshed", seconds=EXPIRES + 30)
    caller = sipstack("call", callee.uri, "--duration", str(EXPIRES + 10), "--session-expires", str(EXPIRES))
    statistics = callee.finish(EXPIRES + 40)
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output
    assert caller.wait().code == 0
