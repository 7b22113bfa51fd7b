"""Calls with two phones, baresip and linphone, in both directions.

linphone has reliable ringing (RFC 3262) and session timers (RFC 4028); baresip 1.0 has neither.
"""

import re

import pytest
import trio
import trio.testing

import sipstack as sip
from sipstack.trace import Trace

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


def test_baresip_has_no_reliable_ringing_and_is_called_without(run_sipstack, baresip):
    finished = run_sipstack("call", baresip.uri, "--require-100rel", "--session-expires", "90", "--duration", "0.5")
    assert finished.code == 0, finished.output
    assert "420 Bad Extension; sent again" in finished.output
    baresip.wait_for_event("CALL_ESTABLISHED")
    baresip.wait_for_event("CALL_CLOSED")


def test_baresip_is_held_and_resumed(run_sipstack, baresip):
    finished = run_sipstack("call", baresip.uri, "--hold-after", "0.2", "--duration", "0.8")
    assert finished.code == 0, finished.output
    assert "hold: 200 OK\nresume: 200 OK\n" in finished.output


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


def test_linphone_rings_reliably_and_takes_a_session_timer(run_sipstack, linphone):
    finished = run_sipstack(
        *("call", linphone.uri, "--require-100rel", "--session-expires", "90"),
        *("--hold-after", "0.2", "--duration", "0.8", "--verbose"),
    )
    assert finished.code == 0, finished.output
    assert "\nPRACK\n" in finished.output
    assert re.search(r"RAck: \d+ 1 INVITE", finished.output)
    assert re.search(r"Session-Expires: \d+;refresher=ua[cs]", finished.output)
    assert "\nhold: 200 O" in finished.output
    assert "\nresume: 200 O" in finished.output


def test_linphone_makes_the_offer(run_sipstack, linphone):
    finished = run_sipstack("call", linphone.uri, "--offerless", "--duration", "0.3", "--ladder")
    assert finished.code == 0, finished.output
    assert re.search(r"─ (PRACK|ACK) \(SDP\) ─", finished.output)
    linphone.running.wait_for(r"Media streams established")


def test_linphone_acknowledges_reliable_ringing(sipstack_answer, linphone):
    answering = sipstack_answer("--reliable", "--ring", "0.2", "--max-calls", "1")
    linphone.command(f"call sip:test@{answering.target}")
    linphone.running.wait_for(r"Media streams established")
    linphone.command("terminate")
    assert "call 1: PRACK\n" in answering.finish()


HASTE = 40.0
"Seconds of ours that pass in one of linphone's, so that half of a session is over in 1.1 of those."


def test_linphone_is_refreshed(linphone):
    trace = Trace()

    async def answer():
        async with sip.open_endpoint(
            "udp://127.0.0.1:0",
            timers=sip.TimerValues(t1=0.5 * HASTE, t2=4 * HASTE, t4=5 * HASTE),
            session_timer=sip.SessionTimerPolicy(refresher="uas"),
            trace=trace,
            grace=5 * HASTE,
        ) as endpoint:
            events = endpoint.events()
            port = endpoint.urls[0].rpartition(":")[2]
            linphone.command(f"call sip:test@127.0.0.1:{port}")
            event = await anext(events)
            async with event.call as call:
                offer = sip.sdp.SessionDescription.parse(event.offer)
                await call.answer(
                    bytes(sip.sdp.answer_to(offer, sip.sdp.Capabilities.audio(6000), address="127.0.0.1", session_id=1))
                )
                with trio.move_on_after(110):
                    await call.wait_ended()
                assert not call.is_ended

    trio.run(answer, clock=trio.testing.MockClock(rate=HASTE))
    refreshes = [
        record.code for record in trace.records if record.direction == "received" and record.cseq_method == "UPDATE"
    ]
    assert refreshes == [200, 200]


def test_message_to_linphone(run_sipstack, linphone):
    finished = run_sipstack("message", linphone.uri, "lunch at noon?")
    assert finished.code == 0, finished.output
    linphone.running.wait_for(r"lunch at noon\?")
