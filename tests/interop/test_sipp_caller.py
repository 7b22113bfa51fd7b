"""SIPp calls `sipstack answer`.

The load test makes 1,000 calls at 100 a second over each transport. The full one, 5,000 at 200 a second:

    SIPSTACK_INTEROP_CALLS=5000 SIPSTACK_INTEROP_RATE=200 pytest -m interop tests/interop/test_sipp_caller.py
"""

import os

import pytest

pytestmark = pytest.mark.interop

CALLS = int(os.environ.get("SIPSTACK_INTEROP_CALLS", "1000"))
RATE = int(os.environ.get("SIPSTACK_INTEROP_RATE", "100"))


@pytest.mark.xdist_group("load")
@pytest.mark.parametrize(
    ("listen", "transport"),
    [("udp://127.0.0.1:0", "u1"), ("tcp://127.0.0.1:0", "t1"), ("udp://[::1]:0", "u1")],
    ids=["udp", "tcp", "udp-ipv6"],
)
def test_load_no_call_fails_and_nothing_is_sent_twice(sipp_uac, sipstack_answer, free_port, listen, transport):
    free_port("::1" if "::1" in listen else "127.0.0.1")  # skipped here where there is no IPv6
    answering = sipstack_answer(listen=listen)
    statistics = sipp_uac(answering.target, transport=transport, calls=CALLS, rate=RATE, seconds=CALLS / RATE + 15)
    assert statistics.code == 0, statistics.output
    assert (statistics.calls, statistics.succeeded, statistics.failed) == (CALLS, CALLS, 0)
    assert statistics.retransmissions == 0
    assert statistics.strays == 0


@pytest.mark.xdist_group("load")
def test_lossy_network_every_call_succeeds(sipp_uac, sipstack_answer):
    """SIPp loses a tenth of what it sends and receives; both sides retransmit."""
    answering = sipstack_answer()
    statistics = sipp_uac(answering.target, "-lost", "10", calls=100, rate=100, seconds=25)
    assert (statistics.succeeded, statistics.failed) == (100, 0), statistics.output
    assert statistics.retransmissions > 0


def test_cancel_while_ringing_200_and_487(sipp_uac, sipstack_answer):
    answering = sipstack_answer("--ring", "20", "--max-calls", "1")
    statistics = sipp_uac(answering.target, scenario="uac_cancel")
    assert statistics.code == 0, statistics.output
    assert statistics.retransmissions == 0
    answering.finish()


def test_status_486_is_acknowledged(sipp_uac, sipstack_answer):
    answering = sipstack_answer("--status", "486", "--max-calls", "1")
    statistics = sipp_uac(answering.target, scenario="uac_refused")
    assert statistics.code == 0, statistics.output
    assert statistics.retransmissions == 0
    answering.finish()


@pytest.mark.parametrize(("listen", "transport"), [("udp://127.0.0.1:0", "u1"), ("tcp://127.0.0.1:0", "t1")])
def test_hangup_after_sends_the_bye(sipp_uac, sipstack_answer, listen, transport):
    answering = sipstack_answer("--hangup-after", "0.3", "--max-calls", "1", listen=listen)
    statistics = sipp_uac(answering.target, scenario="uac_hung_up", transport=transport)
    assert statistics.code == 0, statistics.output
    assert statistics.retransmissions == 0
    answering.finish()
