"""WebSocket with the stacks of browsers, JsSIP and SIP.js, and with Kamailio between them and us."""

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

CALLEE = Path(__file__).with_name("callee.py")


@pytest.mark.parametrize(("script", "arguments"), [("jssip.js", ["call"]), ("sipjs.js", [])])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_browser_stack_calls_sipstack(node, sipstack_answer, authority, script, arguments, scheme):
    query = f"?cert={authority.issue('127.0.0.1')}" if scheme == "wss" else ""
    answering = sipstack_answer("--max-calls", "1", listen=f"{scheme}://127.0.0.1:0{query}")
    caller = node(script, f"{scheme}://{answering.target}/", *arguments, f"sip:test@{answering.target}")
    finished = caller.wait(20)
    assert finished.code == 0, finished.output
    assert "the peer hung up" in answering.finish()


def test_sipstack_hangs_up_on_jssip(node, sipstack_answer):
    answering = sipstack_answer("--max-calls", "1", "--hangup-after", "0.1", listen="ws://127.0.0.1:0")
    caller = node("jssip.js", f"ws://{answering.target}/", "call", f"sip:test@{answering.target}")
    caller.wait_for("ended by remote")
    answering.finish()


def test_sipstack_calls_jssip_through_kamailio(node, run_sipstack, secure_kamailio):
    phone = node("jssip.js", f"ws://127.0.0.1:{secure_kamailio.port}/", "answer", "bob", "builder")
    phone.wait_for("registered")
    finished = run_sipstack(
        *("call", "sip:bob@sip.test", "--proxy", f"sip:127.0.0.1:{secure_kamailio.port};transport=ws"),
        *("--from", "sip:alice@sip.test", "--user", "alice", "--password", "wonderland", "--duration", "0.3"),
    )
    assert finished.code == 0, finished.output
    phone.wait_for("ended by remote")


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_sipstack_is_called_as_a_client_of_kamailio(start, run_sipstack, secure_kamailio, authority, transport):
    """A WebSocket client listens nowhere: the INVITE, the ACK and the BYE come by its own connection."""
    tls = f"ca={authority.file}"
    port = secure_kamailio.port if transport == "ws" else secure_kamailio.tls_port
    proxy = f"sip:127.0.0.1:{port};transport={transport}"
    callee = start(sys.executable, str(CALLEE), proxy, "sip:bob@sip.test", "bob", "builder", "", tls)
    callee.wait_for(r"registered for \d+")
    finished = run_sipstack(
        *("call", "sip:bob@sip.test", "--proxy", proxy, "--from", "sip:alice@sip.test", "--tls", tls),
        *("--user", "alice", "--password", "wonderland", "--duration", "0.3"),
    )
    assert finished.code == 0, finished.output
    ended = callee.wait()
    assert ended.code == 0, ended.output
