"""Digest registration at Kamailio, and a call through it: it stays in the path by Record-Route."""

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

CALLEE = Path(__file__).with_name("callee.py")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_register_with_digest(run_sipstack, kamailio, transport):
    finished = run_sipstack(
        *("register", "sip:alice@sip.test", "--registrar", f"{kamailio.uri};transport={transport}", "--once"),
        *("--user", "alice", "--password", "wonderland"),
    )
    assert finished.code == 0, finished.output
    # Asked, asked again with credentials, and removed with credentials (once or twice: the nonce may be refused).
    assert 3 <= kamailio.running.output.count("seen REGISTER") <= 4


def test_register_with_a_wrong_password_exit_4_after_one_try(run_sipstack, kamailio):
    finished = run_sipstack(
        *("register", "sip:alice@sip.test", "--registrar", kamailio.uri, "--once"),
        *("--user", "alice", "--password", "queen"),
    )
    assert finished.code == 4, finished.output
    assert "401" in finished.output
    assert kamailio.running.output.count("seen REGISTER") == 2


def test_call_through_the_proxy_and_bye_takes_its_route(start, run_sipstack, kamailio):
    callee = start(sys.executable, str(CALLEE), kamailio.uri, "sip:bob@sip.test", "bob", "builder", "udp://127.0.0.1:0")
    callee.wait_for(r"registered for \d+")
    finished = run_sipstack(
        *("call", "sip:bob@sip.test", "--proxy", kamailio.uri, "--from", "sip:alice@sip.test"),
        *("--user", "alice", "--password", "wonderland", "--duration", "0.5"),
    )
    assert finished.code == 0, finished.output
    ended = callee.wait()
    assert ended.code == 0, ended.output
    assert "invite 1" in ended.output
    for method in ("ACK", "BYE"):
        assert f"routed {method} by its Route" in kamailio.running.output, kamailio.running.output[-4000:]


def test_call_to_an_unregistered_user_exit_4(run_sipstack, kamailio):
    finished = run_sipstack(
        *("call", "sip:bob@sip.test", "--proxy", kamailio.uri, "--from", "sip:alice@sip.test"),
        *("--user", "alice", "--password", "wonderland"),
    )
    assert finished.code == 4, finished.output
    assert "404" in finished.output
