"""SIPp loses, delays and crosses messages; calls end in agreement all the same (RFC 3261, 9 and 13; RFC 5407)."""

import pytest

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("scenario", ["uac_offerless", "uac_cancel_late"])
def test_caller(sipp_uac, sipstack_answer, scenario):
    answering = sipstack_answer("--max-calls", "1")
    statistics = sipp_uac(answering.target, scenario=scenario)
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output
    answering.finish()


def test_late_ack_the_200_is_repeated(sipp_uac, sipstack_answer):
    answering = sipstack_answer("--max-calls", "1", "--ladder")
    statistics = sipp_uac(answering.target, scenario="uac_late_ack")
    assert statistics.code == 0, statistics.output
    # At 0.5 and 1.5 s; the ACK comes at 2.
    assert answering.finish().count("200 OK (INVITE, SDP, again)") == 2


@pytest.mark.parametrize(
    ("scenario", "options", "arguments"),
    [
        ("uas_cancel_race", (), ("--cancel-after", "0.3")),
        ("uas_late_200", (), ("--cancel-after", "0.3")),
        ("uas_lost_ack", ("-nr",), ("--duration", "1.5")),
        ("uas_fork", (), ("--duration", "1")),
    ],
)
def test_callee(sipstack, sipp_uas, scenario, options, arguments):
    callee = sipp_uas(*options, scenario=scenario)
    caller = sipstack("call", callee.uri, *arguments)
    statistics = callee.finish()
    assert (statistics.code, statistics.succeeded) == (0, 1), statistics.output
    caller.wait()
