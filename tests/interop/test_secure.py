"""TLS with Kamailio and baresip, each verifying the other's certificate, and with SIPp where it can."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

CALLEE = Path(__file__).with_name("callee.py")


@pytest.fixture
def tls(authority):
    """Return what we show and trust, as a command line has it."""
    return f"cert={authority.issue('127.0.0.1')}&ca={authority.file}"


def test_register_at_kamailio_by_tls(run_sipstack, secure_kamailio, tls):
    finished = run_sipstack(
        *("register", "sip:alice@sip.test", "--registrar", f"sips:127.0.0.1:{secure_kamailio.tls_port}", "--once"),
        *("--user", "alice", "--password", "wonderland", "--tls", tls),
    )
    assert finished.code == 0, finished.output


def test_call_through_kamailio_by_tls(start, run_sipstack, secure_kamailio, tls):
    proxy = f"sip:127.0.0.1:{secure_kamailio.tls_port};transport=tls"
    callee = start(
        *(sys.executable, str(CALLEE), proxy, "sip:bob@sip.test", "bob", "builder", f"tls://127.0.0.1:0?{tls}")
    )
    callee.wait_for(r"registered for \d+")
    finished = run_sipstack(
        *("call", "sip:bob@sip.test", "--proxy", proxy, "--from", "sip:alice@sip.test", "--tls", tls),
        *("--user", "alice", "--password", "wonderland", "--duration", "0.3"),
    )
    assert finished.code == 0, finished.output
    ended = callee.wait()
    assert ended.code == 0, ended.output
    for method in ("ACK", "BYE"):
        assert f"routed {method} by its Route" in secure_kamailio.running.output


def test_kamailio_with_a_certificate_for_another_name(run_sipstack, secure_kamailio, tls):
    finished = run_sipstack("options", f"sips:localhost:{secure_kamailio.tls_port}", "--tls", tls)
    assert finished.code == 1
    assert "the certificate is for sip.test, 127.0.0.1; wanted localhost" in finished.output


def test_sipstack_calls_baresip_by_tls(run_sipstack, baresip, tls):
    finished = run_sipstack("call", baresip.tls_uri, "--duration", "0.5", "--tls", tls)
    assert finished.code == 0, finished.output
    baresip.wait_for_event("CALL_ESTABLISHED")
    baresip.wait_for_event("CALL_CLOSED")


def test_baresip_calls_sipstack_by_tls(sipstack_answer, baresip, tls):
    answering = sipstack_answer("--max-calls", "1", listen=f"tls://127.0.0.1:0?{tls}")
    baresip.command("dial", f"sip:test@{answering.target};transport=tls")
    baresip.wait_for_event("CALL_ESTABLISHED")
    baresip.command("hangup")
    baresip.wait_for_event("CALL_CLOSED")
    answering.finish()


def test_sipp_calls_sipstack_by_tls(sipp_uac, sipstack_answer, need, authority, tls):
    if "l1: TLS" not in subprocess.run([need("sipp")], capture_output=True, text=True, check=False).stdout:
        pytest.skip("this SIPp is built without TLS")
    answering = sipstack_answer(listen=f"tls://127.0.0.1:0?{tls}")
    pair = authority.issue("127.0.0.1")
    statistics = sipp_uac(
        *(answering.target, "-tls_cert", pair, "-tls_key", pair), transport="l1", calls=200, rate=50, seconds=20
    )
    assert (statistics.succeeded, statistics.failed) == (200, 0), statistics.output
