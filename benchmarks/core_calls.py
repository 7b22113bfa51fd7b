"""What one call costs each floor, without sockets and without another process: instructions or microseconds.

The calls are those of SIPp's `uac` scenario (INVITE, 180, 200, ACK, BYE, 200), byte for byte, with identifiers of
their own. Each floor does all that the floors below it do:

- message: three requests parsed, three responses built and written;
- transactions: the same through the transaction layer;
- dialogs: the same through the user agent core;
- endpoint: the same through an endpoint on a socket that is a list, with one task for each call, as users write it.

Time is simulated: calls come one a millisecond, and every hundred of them 33 s pass, so that every timer is started,
stopped or fires as it would on a busy server. Figures are the difference between a long and a short run, so what it
takes to start costs nothing. With `--valgrind` they are instructions, which other work on the machine cannot change;
else they are processor time of a process that does nothing else, the least of `--rounds`.
"""

import argparse
import gc
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import trio
import trio.testing
from _harness import table

import sipstack as sip
from sipstack.dialogs import DialogLayer
from sipstack.dialogs import InviteReceived as CoreInviteReceived
from sipstack.message import Tokens, parse_message
from sipstack.transactions import Flow, RequestReceived, TransactionLayer

GENERATION = 100
"Calls between two leaps over 64*T1."
LEAP = 33.0

SDP = (
    b"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
ANSWER = SDP.replace(b"user1 53655765 2353687637", b"- 1 1")
PORT = 5070
PEER = ("127.0.0.1", 5061)
FLOW = Flow(transport="UDP", local=("127.0.0.1", PORT), remote=PEER, sent_by=f"127.0.0.1:{PORT}")
TO_TAG = re.compile(rb"\r\nTo: [^\r]*(;tag=[^\r;]+)")


def request(method: str, number: int, step: int, sequence: int, to_tag: str, body: bytes = b"") -> bytes:
    more = "Content-Type: application/sdp\r\n" if body else ""
    head = (
        f"{method} sip:service@127.0.0.1:{PORT} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-4711-{number}-{step}\r\n"
        f"From: sipp <sip:sipp@127.0.0.1:5061>;tag=4711SIPpTag00{number}\r\n"
        f"To: service <sip:service@127.0.0.1:{PORT}>{to_tag}\r\n"
        f"Call-ID: {number}-4711@127.0.0.1\r\nCSeq: {sequence} {method}\r\n"
        f"Contact: sip:sipp@127.0.0.1:5061\r\nMax-Forwards: 70\r\nSubject: Performance Test\r\n"
        f"{more}Content-Length:   {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def invite(number: int) -> bytes:
    return request("INVITE", number, 0, 1, "", SDP)


def tag_in(response: bytes) -> str:
    match = TO_TAG.search(response)
    assert match is not None, response
    return match[1].decode()


def clock() -> Iterator[float]:
    """Give the time of each call."""
    now, number = 0.0, 0
    while True:
        yield now
        number += 1
        now += 0.001 if number % GENERATION else LEAP


def call_messages(count: int) -> None:
    for number in range(count):
        first = parse_message(invite(number))
        assert isinstance(first, sip.Request)
        ringing = first.create_response(180, to_tag="314159").serialise()
        answered = first.create_response(200, to_tag="314159")
        answered.headers.add("Contact", "<sip:127.0.0.1:5070>")
        answered.headers.add("Content-Type", "application/sdp")
        answered.body = ANSWER
        answered.serialise()
        tag = tag_in(ringing)
        parse_message(request("ACK", number, 5, 1, tag))
        last = parse_message(request("BYE", number, 7, 2, tag))
        assert isinstance(last, sip.Request)
        last.create_response(200).serialise()


def tokens() -> Tokens:
    return Tokens(Random(7).randbytes)


def call_transactions(count: int) -> None:
    layer = TransactionLayer(tokens=tokens())
    times = clock()

    def take(data: bytes, now: float) -> Any:
        layer.receive(data, FLOW, now)
        (output,) = layer.outputs
        layer.outputs.clear()
        return output

    for number in range(count):
        now = next(times)
        layer.expire(now)
        layer.outputs.clear()
        received = take(invite(number), now)
        assert type(received) is RequestReceived
        first = received.request
        layer.respond(received.transaction, first.create_response(180, to_tag="314159"), now)
        ringing = layer.outputs.popleft()
        answered = first.create_response(200, to_tag="314159")
        answered.headers.add("Contact", "<sip:127.0.0.1:5070>")
        answered.headers.add("Content-Type", "application/sdp")
        answered.body = ANSWER
        layer.respond(received.transaction, answered, now)
        layer.outputs.clear()
        tag = tag_in(ringing.data)
        take(request("ACK", number, 5, 1, tag), now)
        ended = take(request("BYE", number, 7, 2, tag), now)
        layer.respond(ended.transaction, ended.request.create_response(200), now)
        layer.outputs.clear()


def call_dialogs(count: int) -> None:
    source = tokens()
    core = DialogLayer(TransactionLayer(tokens=source), tokens=source)
    times = clock()
    outputs = core.outputs
    for number in range(count):
        now = next(times)
        core.expire(now)
        outputs.clear()
        core.receive(invite(number), FLOW, now)
        (received,) = outputs
        assert type(received) is CoreInviteReceived
        outputs.clear()
        core.respond(received.invite, 180, now)
        tag = tag_in(outputs.popleft().data)
        core.respond(received.invite, 200, now, body=ANSWER, content_type="application/sdp")
        outputs.clear()
        core.receive(request("ACK", number, 5, 1, tag), FLOW, now)
        outputs.clear()
        core.receive(request("BYE", number, 7, 2, tag), FLOW, now)
        assert len(outputs) == 2
        outputs.clear()
    assert len(core.transactions) <= 2 * GENERATION


class CallingSocket:
    """A datagram socket at whose other end sits a caller; one call is under way at a time."""

    address = ("127.0.0.1", PORT)

    def __init__(self, count: int, leap: Callable[[float], None]) -> None:
        self._count = count
        self._number = -1
        self._leap = leap
        self._arrived: list[bytes] = []
        self._reader: trio.lowlevel.Task | None = None
        self._closed = trio.Event()
        self.done = trio.Event()

    def begin(self) -> None:
        """Send the next INVITE."""
        self._number += 1
        if self._number == self._count:
            self.done.set()
            return
        if self._number:
            self._leap(0.001 if self._number % GENERATION else LEAP)
        self._arrive(invite(self._number))

    def _arrive(self, data: bytes) -> None:
        self._arrived.append(data)
        reader, self._reader = self._reader, None
        if reader is not None:
            trio.lowlevel.reschedule(reader)

    async def wait_readable(self) -> None:
        if not self._arrived:
            self._reader = trio.lowlevel.current_task()

            def abort(_: object) -> trio.lowlevel.Abort:
                self._reader = None
                return trio.lowlevel.Abort.SUCCEEDED

            await trio.lowlevel.wait_task_rescheduled(abort)

    def receive_nowait(self) -> tuple[bytes, tuple[str, int]]:
        if not self._arrived:
            raise BlockingIOError
        return self._arrived.pop(0), PEER

    def refusals_nowait(self) -> list[Any]:
        return []

    def send_nowait(self, data: bytes, _address: tuple[str, int], /) -> None:
        if data.startswith(b"SIP/2.0 180"):
            return
        assert data.startswith(b"SIP/2.0 200"), data
        number = self._number
        if data.find(b" INVITE\r\n") > 0:
            tag = tag_in(data)
            self._arrive(request("ACK", number, 5, 1, tag))
            self._arrive(request("BYE", number, 7, 2, tag))
        else:
            self.begin()

    def close(self) -> None:
        """End."""


def call_endpoint(count: int) -> None:
    mock = trio.testing.MockClock()
    made = CallingSocket(count, mock.jump)

    class Network:
        async def open_datagram(self, _host: str, _port: int) -> CallingSocket:
            return made

    async def answer(call: sip.IncomingCall) -> None:
        async with call:
            await call.ring()
            await call.answer(ANSWER)
            await call.wait_ended()

    async def main() -> None:
        async with (
            sip.open_endpoint(f"udp://127.0.0.1:{PORT}", network=Network()) as endpoint,
            trio.open_nursery() as nursery,
        ):

            async def serve() -> None:
                async for event in endpoint.events():
                    if isinstance(event, sip.InviteReceived):
                        nursery.start_soon(answer, event.call)

            nursery.start_soon(serve)
            made.begin()
            await made.done.wait()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=mock)


FLOORS: dict[str, Callable[[int], None]] = {
    "message": call_messages,
    "transactions": call_transactions,
    "dialogs": call_dialogs,
    "endpoint": call_endpoint,
}


def run(floor: str, count: int, *before: str) -> str:
    command = [*before, sys.executable, __file__, "--run", floor, "--calls", str(count)]
    done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{floor} failed:\n{done.stderr[-2_000:]}")
    return done.stdout + done.stderr


def instructions(floor: str, count: int) -> float:
    found = []
    for calls in (GENERATION * 2, GENERATION * 2 + count):
        text = run(floor, calls, "valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
        match = re.search(r"I\s+refs:\s+([0-9,]+)", text)
        assert match is not None, text
        found.append(int(match[1].replace(",", "")))
    return (found[1] - found[0]) / count / 1_000


def microseconds(floor: str, count: int, rounds: int) -> float:
    least = [math.inf, math.inf]
    for _ in range(rounds):
        for place, calls in enumerate((GENERATION * 2, GENERATION * 2 + count)):
            least[place] = min(least[place], float(run(floor, calls)))
    return (least[1] - least[0]) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--valgrind", action="store_true", help="count instructions (Debian: valgrind); slow")
    parser.add_argument("--calls", type=int, help="calls measured (default 300 with valgrind, else 3000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=FLOORS, help="measure only these (may be given again)")
    parser.add_argument("--run", choices=FLOORS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        gc.collect()
        gc.freeze()  # one look at all that is loaded, or none, would be most of the difference between two runs
        started = time.process_time()
        FLOORS[options.run](options.calls)
        print(time.process_time() - started)
        return
    if options.valgrind and shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed; without --valgrind, processor time is measured")
    rows = []
    before = 0.0
    for floor in options.only or FLOORS:
        if options.valgrind:
            figure = instructions(floor, options.calls or 300)
        else:
            figure = microseconds(floor, options.calls or 3_000, options.rounds)
        rows.append((floor, f"{figure:.0f}", f"{figure - before:+.0f}"))
        before = figure
    table(("floor", "thousand instructions/call" if options.valgrind else "us/call", "more"), rows)


if __name__ == "__main__":
    main()
