"""Commands as users run them: processes on loopback that talk to each other."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Start: TypeAlias = Callable[..., Any]
"Start a command; see conftest."


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def assert_one_sentence(command: Any, name: str) -> str:
    errors: str = command.errors
    assert errors.startswith(f"sipstack {name}: ")
    assert errors.count("\n") == 0
    assert errors.endswith(".")
    assert "Traceback" not in errors
    return errors


# demo


def test_demo_draws_a_whole_forked_call_in_order(start: Start) -> None:
    demo = start("demo")
    assert demo.finish() == 0
    lines = demo.rest()
    said = [
        "REGISTER", r"200 OK \(REGISTER",
        # Both phones ring reliably, and each is told so by a PRACK of its own.
        r"INVITE \(SDP", "183 INVITE SDP", "PRACK", r"200 OK \(PRACK",
        r"180 Ringing \(INVITE", "PRACK", r"200 OK \(PRACK",
        # One answers, the other is cancelled.
        r"200 OK \(INVITE, SDP", "ACK", "CANCEL", r"200 OK \(CANCEL", "487 INVITE", "ACK",
        r"INVITE \(SDP", r"200 OK \(INVITE, SDP", "ACK", "BYE", r"200 OK \(BYE", "REGISTER", r"200 OK \(REGISTER",
    ]  # fmt: skip
    position = 0
    for pattern in said:
        position = next(number for number in range(position, len(lines)) if re.search(pattern, lines[number])) + 1
    assert re.split(r"\s{2,}", lines[0].strip()) == ["alice", "proxy", "bob's desk", "bob's mobile"]
    assert max(map(len, lines[:-1])) <= 100
    assert not any("again" in line for line in lines)
    times = [float(line.split()[0]) for line in lines[2:position]]
    assert times == sorted(times)
    assert re.fullmatch(r"\d+ messages in \d+\.\d s: .* 2 of them reliably; .* re-INVITE \(200\).*\.", lines[-1])
    assert demo.errors == ""


def test_a_signal_ends_the_demo_in_order(start: Start) -> None:
    demo = start("demo", "--ladder")
    demo.expect("183", stream="stderr")
    demo.signal(signal.SIGINT)
    assert demo.finish() == 130
    last = demo.errors
    assert "CANCEL" in last
    assert len(re.findall(r"200 OK \(REGISTER\)", last)) == 3  # un-registered, all of them: those of before are read
    assert "again" not in last


# call and answer


def test_a_call_is_made_answered_and_hung_up(start: Start, answering: Start) -> None:
    answer, uri = answering("--max-calls", "1")
    call = start("call", uri, "--duration", "0.1")
    assert call.finish() == 0
    lines = call.rest()
    assert lines[:2] == ["180 Ringing", "200 OK"]
    assert re.fullmatch(r"hung up after 0\.\d s", lines[-1])
    assert answer.finish() == 0
    said = answer.rest()
    assert re.fullmatch(r"call 1: INVITE from sip:sipstack@127\.0\.0\.1", said[0])
    assert said[1:3] == ["call 1: 180 Ringing", "call 1: 200 OK"]
    assert re.fullmatch(r"call 1: the peer hung up after \d+\.\d s", said[-1])
    assert (call.errors, answer.errors) == ("", "")


def test_a_call_over_tcp(start: Start) -> None:
    answer = start("answer", "--listen", "tcp://127.0.0.1:0", "--max-calls", "1")
    place = answer.expect(r"listening on tcp://(\S+)")[1]
    call = start("call", f"sip:bob@{place};transport=tcp", "--duration", "0")
    assert call.finish() == 0
    assert answer.finish() == 0


def test_both_sides_as_json_lines(start: Start) -> None:
    answer = start("answer", "--listen", "udp://127.0.0.1:0", "--max-calls", "1", "--hangup-after", "0.1", "--json")
    url = answer.expect_event("listening")["url"]
    call = start("call", url.replace("udp://", "sip:bob@"), "--from", "sip:alice@example.com", "--json")
    assert call.expect_event("calling")["uri"] == url.replace("udp://", "sip:bob@")
    assert call.expect_event("ringing")["code"] == 180
    assert call.expect_event("answered")["phrase"] == "OK"
    ended = call.expect_event("ended")
    assert ended["reason"] == "remote"
    assert ended["duration"] >= 0
    assert call.finish() == 0
    invite = answer.expect_event("invite")
    assert (invite["call"], invite["from"]) == (1, "sip:alice@example.com")
    assert invite["call_id"]
    assert answer.expect_event("answered")["call"] == 1
    assert answer.expect_event("ended")["reason"] == "local"
    assert answer.finish() == 0


def test_reliable_ringing_is_acknowledged_and_carries_the_sdp(start: Start, answering: Start) -> None:
    answer, uri = answering("--reliable", "--max-calls", "1", "--json")
    call = start("call", uri, "--require-100rel", "--duration", "0.1", "--json", "--ladder")
    ringing = call.expect_event("ringing")
    assert ringing["reliable"] is True
    prack = call.expect_event("prack")
    assert prack["leg"] == ringing["leg"]
    assert prack["rseq"] >= 1
    assert call.expect_event("answered")["leg"] == ringing["leg"]
    assert call.finish() == 0
    for words in (r"180 Ringing \(INVITE, SDP\)", r" PRACK ", r"200 OK \(PRACK\)", r"200 OK \(INVITE\)"):
        assert re.search(words, call.errors), words
    assert answer.finish() == 0
    assert answer.rest()[1:] != []


def test_reliable_ringing_is_left_out_where_the_caller_does_not_take_it(answering: Start) -> None:
    answer, uri = answering("--reliable", "--ring", "20", "--json")
    host, port = uri.partition("@")[2].split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(10)
        caller.bind(("127.0.0.1", 0))
        place = "{}:{}".format(*caller.getsockname())
        caller.sendto(
            (
                f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bKold\r\nMax-Forwards: 70\r\n"
                f"From: <sip:old@{place}>;tag=1\r\nTo: <{uri}>\r\nCall-ID: old\r\nCSeq: 1 INVITE\r\n"
                f"Contact: <sip:old@{place}>\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            (host, int(port)),
        )
        response = caller.recv(65_535)
        assert response.startswith(b"SIP/2.0 180 ")
        assert b"RSeq" not in response
    assert answer.expect_event("ringing")["reliable"] is False


@pytest.mark.parametrize(
    ("ours", "theirs", "answered_in"),
    [((), (), "ACK"), (("--require-100rel",), (), "PRACK"), ((), ("--reliable",), "PRACK")],
    ids=["ack", "required", "offered"],
)
def test_a_call_without_offer(start: Start, answering: Start, ours: Any, theirs: Any, answered_in: str) -> None:
    answer, uri = answering(*theirs, "--max-calls", "1")
    call = start("call", uri, "--offerless", *ours, "--duration", "0.1", "--ladder")
    assert call.finish() == 0
    assert re.search(r"─ INVITE ─", call.errors)
    assert re.search(rf"─ {answered_in} \(SDP\) ─", call.errors)
    assert answer.finish() == 0


_VIDEO_PHONE = """
import sys, trio, sipstack as sip

OFFER = (
    b"v=0\\r\\no=- 1 1 IN IP4 127.0.0.1\\r\\ns=-\\r\\nc=IN IP4 127.0.0.1\\r\\nt=0 0\\r\\n"
    b"m=video 4002 RTP/AVP 97\\r\\na=rtpmap:97 VP8/90000\\r\\n"
)

async def main():
    async with sip.open_endpoint("udp://127.0.0.1:0") as endpoint:
        events = endpoint.events()
        print("listening on", endpoint.urls[0], flush=True)
        event = await anext(events)
        async with event.call as call:
            if sys.argv[1] == "PRACK":
                await call.ring(183, reliable=True, answer=OFFER)
            else:
                await call.answer(OFFER)
            await call.wait_ended()
            print(call.remote_sdp.decode().splitlines()[-1], flush=True)

trio.run(main)
"""


@pytest.mark.parametrize(("answered_in", "code"), [("ACK", 1), ("PRACK", 4)])
def test_an_offer_with_nothing_for_us_is_answered_all_the_same(
    start: Start, run_python: Start, answered_in: str, code: int
) -> None:
    phone = run_python("-c", _VIDEO_PHONE, answered_in)
    call = start("call", f"sip:{phone.listening()}", "--offerless", "--duration", "0.1")
    assert call.finish() == code
    assert "nothing in the callee's offer" in assert_one_sentence(call, "call")
    assert phone.finish() == 0
    assert phone.rest() == ["m=video 0 RTP/AVP 97"]


def test_the_peer_is_held_and_resumed(start: Start, answering: Start) -> None:
    answer, uri = answering("--max-calls", "1")
    call = start("call", uri, "--duration", "0.9", "--hold-after", "0.1", "--session-expires", "1800", "-v")
    assert call.finish() == 0
    assert call.rest()[2:4] == ["hold: 200 OK", "resume: 200 OK"]
    assert "a=sendonly" in call.errors
    assert "Session-Expires: 1800" in call.errors
    assert answer.finish() == 0
    assert sum("INVITE, answered 200" in line for line in answer.rest()) == 2


@pytest.mark.parametrize(("status", "code"), [("302", 3), ("486", 4), ("503", 5), ("603", 6)])
def test_a_refusal_is_an_exit_code(start: Start, answering: Start, status: str, code: int) -> None:
    answer, uri = answering("--status", status, "--max-calls", "1")
    call = start("call", uri)
    assert call.finish() == code
    assert call.rest()[-1].startswith(status)
    assert call.errors == ""
    assert answer.finish() == 0


def test_a_cancelled_call_ends_with_487(start: Start, answering: Start) -> None:
    answer, uri = answering("--ring", "20", "--max-calls", "1")
    call = start("call", uri, "--cancel-after", "0.1")
    assert call.finish() == 4
    assert call.rest() == ["180 Ringing", "CANCEL", "487 Request Terminated"]
    assert answer.finish() == 0
    assert answer.rest()[-1] == "call 1: cancelled"


def test_an_answer_names_the_address_the_caller_can_reach(start: Start) -> None:
    answer = start("answer", "--listen", "udp://0.0.0.0:0", "--max-calls", "1", "-v")
    port = answer.expect(r"listening on udp://0\.0\.0\.0:(\d+)")[1]
    call = start("call", f"sip:bob@127.0.0.1:{port}", "--duration", "0", "-v")
    assert call.finish() == 0
    assert answer.finish() == 0
    for log in (call.errors, answer.errors):
        assert log.count("c=IN IP4 127.0.0.1") == 2
        assert "0.0.0.0" not in log


_CALLER = """
import sys, trio, sipstack as sip
from sipstack.sdp import Capabilities, SessionDescription, answer_to, offer

async def main():
    audio = Capabilities.audio(4000)
    async with sip.open_endpoint("udp://127.0.0.1:0") as endpoint, endpoint.invite(sys.argv[1]) as fork:
        call = await fork.answered()
        theirs = SessionDescription.parse(call.remote_sdp)
        print("offer", theirs.media[0].type, theirs.connection.address)
        await call.acknowledge(bytes(answer_to(theirs, audio, address="127.0.0.1", session_id=7)))
        held = offer(audio, address="127.0.0.1", session_id=7, version=2).with_directions("sendonly")
        response = await call.reinvite(bytes(held))
        print("hold", response.code, SessionDescription.parse(response.body).media[0].direction)
        response = await call.reinvite()
        print("empty", response.code, SessionDescription.parse(response.body).media[0].direction)
        for method in ("OPTIONS", "MESSAGE", "INFO"):
            response = await call.request(method, body=b"hello", content_type="text/plain")
            print(method, response.code)

trio.run(main)
"""


def test_an_answered_call_takes_new_offers_and_asks_for_none(run_python: Start, answering: Start) -> None:
    answer, uri = answering("--max-calls", "1")
    caller = run_python("-c", _CALLER, uri)
    assert caller.finish() == 0
    assert caller.rest() == [
        "offer audio 127.0.0.1",
        "hold 200 recvonly",
        "empty 200 sendrecv",
        "OPTIONS 200",
        "MESSAGE 200",
        "INFO 405",
    ]
    assert answer.finish() == 0
    said = answer.rest()
    assert said.count("call 1: INVITE, answered 200") == 2
    assert "call 1: MESSAGE 'hello', answered 200" in said


_OFFERER = """
import sys, trio, sipstack as sip

async def main():
    async with sip.open_endpoint("udp://127.0.0.1:0") as endpoint, endpoint.invite(sys.argv[1], offer=OFFER) as fork:
        async for event in fork.events():
            print(event.response.code, event.response.headers.get("Warning"))

OFFER = sys.argv[2].encode()
trio.run(main)
"""
_SECURE_ONLY = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 9 RTP/SAVP 0\n"


@pytest.mark.rfc("R3261-13.3.1.3-3", "R3261-13.3.1.3-4")
@pytest.mark.parametrize("offer", [_SECURE_ONLY, "no description"])
def test_an_offer_that_cannot_be_taken_is_488(run_python: Start, answering: Start, offer: str) -> None:
    answer, uri = answering("--max-calls", "1")
    caller = run_python("-c", _OFFERER, uri, offer)
    assert caller.finish() == 0
    assert caller.rest() == ['488 399 sipstack "No medium and codec of the offer can be taken"']
    assert answer.finish() == 0
    assert answer.rest()[-1] == "call 1: 488"


_CHANGER = """
import sys, trio, sipstack as sip

async def main():
    async with (
        sip.open_endpoint("udp://127.0.0.1:0") as endpoint,
        endpoint.call(sys.argv[1], offer=OFFER) as call,
    ):
        before = call.remote_sdp
        response = await call.reinvite(OFFER.replace(b"RTP/AVP", b"RTP/SAVP"))
        print(response.code, response.headers.get("Warning"), call.remote_sdp == before)

OFFER = b"v=0\\no=- 1 1 IN IP4 192.0.2.9\\ns=-\\nc=IN IP4 192.0.2.9\\nt=0 0\\nm=audio 9 RTP/AVP 0\\n"
trio.run(main)
"""


@pytest.mark.rfc("R3261-14.2-5")
def test_a_change_that_cannot_be_taken_is_488_and_the_call_goes_on(run_python: Start, answering: Start) -> None:
    answer, uri = answering("--max-calls", "1")
    caller = run_python("-c", _CHANGER, uri)
    assert caller.finish() == 0
    assert caller.rest() == ['488 399 sipstack "No medium and codec of the offer can be taken" True']
    assert answer.finish() == 0


# register, options, message


def test_options_tells_what_the_peer_can_do(start: Start, answering: Start) -> None:
    answer, uri = answering()
    options = start("options", uri)
    assert options.finish() == 0
    lines = options.rest()
    assert lines[0] == "200 OK"
    assert any(line.startswith("Allow: ") and "INVITE" in line for line in lines)
    answer.expect(r"OPTIONS from \S+, answered 200")


def test_a_message_arrives(start: Start, answering: Start) -> None:
    answer, uri = answering("--json")
    message = start("message", uri, "grüß dich")
    assert message.finish() == 0
    assert message.rest() == ["200 OK"]
    assert answer.expect_event("request")["text"] == "grüß dich"


def test_what_nobody_knows_is_405(start: Start, answering: Start) -> None:
    _, uri = answering()
    register = start("register", "sip:alice@example.com", "--registrar", uri)
    assert register.finish() == 4
    assert register.rest() == ["405 Method Not Allowed"]


def test_register_once_prints_the_binding_and_removes_it(start: Start, registrar: Start) -> None:
    home, uri = registrar("open")
    register = start("register", "sip:alice@example.com", "--registrar", uri, "--once", "--expires", "900")
    assert register.finish() == 0
    lines = register.rest()
    assert lines[0] == "registered sip:alice@example.com for 300 s"
    assert re.fullmatch(r"  <sip:alice@127\.0\.0\.1:\d+>;expires=300", lines[1])
    assert lines[2:] == ["registration removed"]
    home.expect("REGISTER 900")
    home.expect("REGISTER 0")


def test_a_signal_removes_the_registration(start: Start, registrar: Start) -> None:
    home, uri = registrar("closed")
    register = start("register", "sip:alice@home", "--registrar", uri, "--user", "alice", "--password", "secret")
    register.expect("registered sip:alice@home for 300 s")
    register.signal(signal.SIGINT)
    assert register.finish() == 130
    assert register.errors == ""
    home.expect("REGISTER 0")


def test_a_registrar_that_wants_credentials(start: Start, registrar: Start) -> None:
    _, uri = registrar("closed")
    register = start("register", "sip:alice@home", "--registrar", uri, "--once")
    assert register.finish() == 4
    assert register.rest() == ["401 Unauthorized"]


# Failures


def test_a_peer_that_says_nothing_is_a_timeout(start: Start, silent: str) -> None:
    options = start("options", f"sip:{silent}", "--timeout", "0.2")
    call = start("call", f"sip:bob@{silent}", "--timeout", "0.2")
    assert (options.finish(), call.finish()) == (1, 1)
    assert "0.2 seconds" in assert_one_sentence(options, "options")
    assert "0.2 seconds" in assert_one_sentence(call, "call")


def test_a_refused_connection(start: Start) -> None:
    port = free_port(socket.SOCK_STREAM)
    call = start("call", f"sip:bob@127.0.0.1:{port};transport=tcp")
    assert call.finish() == 1
    assert str(port) in assert_one_sentence(call, "call")


def test_a_refused_datagram(start: Start) -> None:
    options = start("options", f"sip:127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
    assert options.finish() == 1
    assert_one_sentence(options, "options")


def test_a_name_without_an_address(start: Start) -> None:
    call = start("call", "sip:bob@nobody.invalid", "--timeout", "10")
    assert call.finish() == 1
    assert_one_sentence(call, "call")


def test_a_port_in_use(start: Start, silent: str) -> None:
    answer = start("answer", "--listen", f"udp://{silent}")
    assert answer.finish() == 1
    assert silent in assert_one_sentence(answer, "answer")


def test_a_transport_that_is_not_there(start: Start) -> None:
    call = start("call", "sips:bob@127.0.0.1")
    assert call.finish() == 1
    assert "TLS" in assert_one_sentence(call, "call")


def test_a_file_that_cannot_be_written(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "x.pcapng"
    demo = start("demo", "--pcap", str(path))
    assert demo.finish() == 1
    assert str(path) in assert_one_sentence(demo, "demo")


# Signals and pipes


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_hangs_up(start: Start, answering: Start, number: signal.Signals, code: int) -> None:
    answer, uri = answering("--max-calls", "1")
    call = start("call", uri)
    call.expect("200 OK")
    call.signal(number)
    assert call.finish() == code
    assert call.errors == ""
    answer.expect("the peer hung up")
    assert answer.finish() == 0


def test_a_signal_cancels_a_call_that_rings(start: Start, answering: Start) -> None:
    answer, uri = answering("--ring", "20", "--max-calls", "1")
    call = start("call", uri)
    call.expect("180 Ringing")
    call.signal(signal.SIGINT)
    assert call.finish() == 130
    answer.expect("call 1: cancelled")
    assert answer.finish() == 0


def test_a_signal_ends_answering_and_its_calls(start: Start, answering: Start) -> None:
    answer, uri = answering()
    call = start("call", uri)
    call.expect("200 OK")
    answer.signal(signal.SIGTERM)
    assert answer.finish() == 143
    assert answer.errors == ""
    call.expect("the peer hung up")
    assert call.finish() == 0


def test_a_second_signal_does_not_wait_for_the_peer(start: Start) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(15)
        call = start("call", "sip:bob@{}:{}".format(*peer.getsockname()))
        peer.recv(65_535)  # the INVITE, which nobody will answer
        for _ in range(100):
            call.signal(signal.SIGINT)
            try:
                call.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            break
        assert call.finish() == -signal.SIGINT  # which a shell reports as 130
        assert call.errors == ""


def test_whoever_closes_the_pipe_ends_the_command(start: Start) -> None:
    answer = subprocess.Popen(
        [sys.executable, "-m", "sipstack", "answer", "--listen", "udp://127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with answer:
        assert answer.stdout is not None
        assert answer.stderr is not None
        uri = "sip:bob@" + answer.stdout.readline().split("//")[1].strip()
        answer.stdout.close()
        start("options", uri).finish()
        assert answer.wait(30) == 141
        assert answer.stderr.read() == ""


# Watching


def test_a_log_has_every_message_and_no_password(start: Start, answering: Start) -> None:
    _, uri = answering()
    options = start("options", uri, "-v", "--user", "alice", "--password", "secret")
    assert options.finish() == 0
    log = options.errors
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\S* sent to 127\.0\.0\.1:\d+ over UDP", log, re.MULTILINE)
    assert re.search(r"^\S+ \S+ received from 127\.0\.0\.1:\d+ over UDP", log, re.MULTILINE)
    assert "  OPTIONS sip:bob@" in log
    assert "  SIP/2.0 200 OK" in log
    assert "secret" not in log


def test_a_ladder_is_drawn_to_standard_error(start: Start, answering: Start) -> None:
    _, uri = answering()
    options = start("options", uri, "--ladder")
    assert options.finish() == 0
    assert options.rest()[0] == "200 OK"
    lines = options.errors.splitlines()
    assert "OPTIONS" in lines[2]
    assert "200 OK (OPTIONS" in lines[3]


def test_a_pcap_begins_as_one_and_holds_the_messages(start: Start, answering: Start, tmp_path: Path) -> None:
    _, uri = answering()
    path = tmp_path / "options.pcapng"
    assert start("options", uri, "--pcap", str(path)).finish() == 0
    data = path.read_bytes()
    assert data.startswith(b"\x0a\x0d\x0d\x0a")
    assert b"OPTIONS sip:bob@" in data
    assert b"SIP/2.0 200 OK" in data
