"""Calls with two phones, baresip and linphone, in both directions."""

import pytest

pytestmark = pytest.mark.interop


def test_sipstack_calls_baresip(run_sipstack, baresip):
    finished = run_sipstack("call", baresip.uri, "--duration", "1")
    assert finished.code == 0, finished.output
    baresip.wait_for_event("CALL_ESTABLISHED")
    baresip.wait_for_event("CALL_CLOSED")


def test_baresip_calls_sipstack(sipstack_answer, baresip):
    answering = sipstack_answer("--ring", "0.2", "--max-calls", "1")
    baresip.command("dial", f"sip:test@{answering.target}")
    baresip.wait_for_event("CALL_RINGING")
    baresip.wait_for_event("CALL_ESTABLISHED")
    baresip.command("hangup")
    baresip.wait_for_event("CALL_CLOSED")
    answering.finish()


def test_sipstack_hangs_up_on_baresip(sipstack_answer, baresip):
    answering = sipstack_answer("--hangup-after", "0.3", "--max-calls", "1")
    baresip.command("dial", f"sip:test@{answering.target}")
    baresip.wait_for_event("CALL_ESTABLISHED")
    baresip.wait_for_event("CALL_CLOSED")
    answering.finish()


def test_sipstack_calls_linphone(run_sipstack, linphone):
    finished = run_sipstack("call", linphone.uri, "--duration", "1")
    assert finished.code == 0, finished.output
    linphone.running.wait_for(r"Call \d+ with .* connected")
    linphone.running.wait_for(r"Call \d+ with .* ended \(No error\)")


def test_linphone_calls_sipstack(sipstack_answer, linphone):
    answering = sipstack_answer("--ring", "0.2", "--max-calls", "1")
    linphone.command(f"call sip:test@{answering.target}")
    linphone.running.wait_for(r"Call \d+ to .* ringing")
    linphone.running.wait_for(r"Media streams established")
    linphone.command("terminate")
    linphone.running.wait_for(r"Call \d+ with .* ended \(No error\)")
    answering.finish()


def test_message_to_linphone(run_sipstack, linphone):
    finished = run_sipstack("message", linphone.uri, "lunch at noon?")
    assert finished.code == 0, finished.output
    linphone.running.wait_for(r"lunch at noon\?")
