"""Resident bytes for each established dialog, at 10,000 calls held at once.

The server of uas_calls.py (one task for each call that waits for its end, as a user would write it) runs in a process
of its own. This program calls it over a plain UDP socket: INVITE, 180, 200, ACK, and no BYE. The resident set of the
server is read from /proc:

- answered: right after the last ACK; transactions are still held for 64*T1 (32 s), as RFC 6026 asks;
- held: 36 s later, when dialogs, calls and the user's tasks are all that is left;
- ended: with `--release`, after a BYE for each call and 36 s more; what is left then is kept by the allocator, or lost.

The ratio is to the same number of Trio tasks that wait for an event and do nothing else, measured in this process.
"""

import argparse
import os
import socket
import sys
import time
from collections.abc import Callable

import trio
import trio.testing
from _harness import Server, cores, resident_bytes, table

WINDOW = 50
TRANSACTIONS_GONE = 36.0
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 49172 RTP/AVP 0\r\n"


class Caller:
    """Make calls over one socket, so many at a time, and keep what a BYE needs."""

    def __init__(self, port: int) -> None:
        self._peer = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(5)
        self._own = self._socket.getsockname()[1]
        self._to: dict[int, bytes] = {}

    def close(self) -> None:
        self._socket.close()

    def call(self, numbers: range) -> None:
        self._exchange(numbers, lambda number: self._request("INVITE", number, 1, SDP), self._acknowledge)

    def hang_up(self, numbers: range) -> None:
        self._exchange(numbers, lambda number: self._request("BYE", number, 2), lambda _number, _data: None)

    def _request(self, method: str, number: int, sequence: int, body: bytes = b"") -> bytes:
        to = self._to.get(number, b"To: <sip:bench@127.0.0.1>")
        head = (
            f"{method} sip:bench@127.0.0.1:{self._peer[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._own};branch=z9hG4bK{method}{number}\r\n"
            f"From: <sip:caller{number}@127.0.0.1:{self._own}>;tag=f{number}\r\n{to.decode()}\r\n"
            f"Call-ID: {number}@127.0.0.1\r\nCSeq: {sequence} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:caller{number}@127.0.0.1:{self._own}>\r\n"
        )
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def _acknowledge(self, number: int, data: bytes) -> None:
        start = data.index(b"\r\nTo:") + 2
        self._to[number] = data[start : data.index(b"\r\n", start)]
        self._socket.sendto(self._request("ACK", number, 1), self._peer)

    def _exchange(
        self, numbers: range, request: Callable[[int], bytes], on_success: Callable[[int, bytes], None]
    ) -> None:
        for first in range(numbers.start, numbers.stop, WINDOW):
            waiting = set(range(first, min(first + WINDOW, numbers.stop)))
            for number in waiting:
                self._socket.sendto(request(number), self._peer)
            while waiting:
                try:
                    data = self._socket.recv(65_535)
                except TimeoutError:
                    sys.exit(f"no 200 for {len(waiting)} requests within 5 s, the first of them number {min(waiting)}")
                if data.startswith(b"SIP/2.0 200"):
                    start = data.index(b"\r\nCall-ID:") + 10
                    number = int(data[start : data.index(b"@", start)])
                    if number in waiting:
                        waiting.discard(number)
                        on_success(number, data)
                elif not data.startswith(b"SIP/2.0 1"):
                    sys.exit(f"unexpected: {data.partition(chr(13).encode())[0].decode()}")


async def bytes_of_a_task(count: int) -> float:
    """Return resident bytes for each Trio task that waits for an event."""
    event = trio.Event()

    async def wait() -> None:
        await event.wait()

    before = resident_bytes(os.getpid())
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        after = resident_bytes(os.getpid())
        event.set()
    return (after - before) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--release", action="store_true", help="hang up in the end, and see what stays")
    options = parser.parse_args()
    count = options.calls
    base = trio.run(bytes_of_a_task, count)
    server = Server("sipstack", cores()[0])
    caller = Caller(server.port)
    states: list[tuple[str, int]] = []
    try:
        # A few calls first: what every module builds once does not count.
        caller.call(range(WINDOW))
        before = resident_bytes(server.pid)
        calls = range(WINDOW, WINDOW + count)
        started = time.monotonic()
        caller.call(calls)
        print(f"{count} calls answered within {time.monotonic() - started:.1f} s")
        states.append(("answered", resident_bytes(server.pid)))
        time.sleep(TRANSACTIONS_GONE)
        states.append(("held", resident_bytes(server.pid)))
        if options.release:
            caller.hang_up(calls)
            time.sleep(TRANSACTIONS_GONE)
            states.append(("ended", resident_bytes(server.pid)))
    finally:
        caller.close()
        server.stop()
    print(f"\nserver before: {before / 2**20:.1f} MiB resident")
    rows = [("task that waits", "-", f"{base:.0f}", "1.0")]
    for state, resident in states:
        each = (resident - before) / count
        rows.append((state, f"{resident / 2**20:.1f}", f"{each:.0f}", f"{each / base:.1f}"))
    table(("state", "MiB", "bytes/call", "ratio"), rows)


if __name__ == "__main__":
    main()
