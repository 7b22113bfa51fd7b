"""`sipstack call` calls SIPp."""

import pytest

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("options", [(), ("-rtp_echo",)], ids=["plain", "rtp-echo"])
def test_call_is_answered_held_and_hung_up(run_sipstack, sipp_uas, options):
    callee = sipp_uas(*options)
    finished = run_sipstack("call", callee.uri, "--duration", "1")
    assert finished.code == 0, finished.output
    statistics = callee.finish()
    assert (statistics.succeeded, statistics.failed, statistics.retransmissions) == (1, 0, 0), statistics.output


def test_call_over_tcp(run_sipstack, sipp_uas):
    callee = sipp_uas("-t", "t1", "-reconnect_close", "false")
    finished = run_sipstack("call", f"{callee.uri};transport=tcp", "--duration", "0.2")
    assert finished.code == 0, finished.output
    statistics = callee.finish()
    assert (statistics.succeeded, statistics.failed) == (1, 0), statistics.output


def test_callee_hangs_up_the_bye_is_answered(run_sipstack, sipp_uas):
    callee = sipp_uas(scenario="uas_bye")
    finished = run_sipstack("call", callee.uri, "--duration", "10", seconds=8)
    assert finished.code == 0, finished.output
    statistics = callee.finish()
    assert (statistics.code, statistics.retransmissions) == (0, 0), statistics.output


def test_cancel_while_ringing_exit_4(run_sipstack, sipp_uas):
    callee = sipp_uas(scenario="uas_ring")
    finished = run_sipstack("call", callee.uri, "--cancel-after", "0.5")
    assert finished.code == 4, finished.output
    assert "487" in finished.output
    statistics = callee.finish()
    assert (statistics.code, statistics.retransmissions) == (0, 0), statistics.output


@pytest.mark.parametrize(("code", "status"), [(302, 3), (486, 4), (500, 5), (603, 6)])
def test_refused_exit_is_the_class_of_the_response(run_sipstack, sipp_uas, code, status):
    callee = sipp_uas(scenario="uas_refuse", code=code)
    finished = run_sipstack("call", callee.uri)
    assert finished.code == status, finished.output
    assert str(code) in finished.output
    statistics = callee.finish()
    assert (statistics.code, statistics.retransmissions) == (0, 0), statistics.output


def test_nobody_there_exit_1(run_sipstack, free_port):
    finished = run_sipstack("call", f"sip:nobody@127.0.0.1:{free_port('127.0.0.1')}", "--timeout", "1")
    assert finished.code == 1, finished.output
