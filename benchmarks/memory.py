"""Resident bytes for each established dialog, at 10,000 calls held at once.

The server of uas_calls.py (one task for each call that waits for its end, as a user would write it) runs in a process
of its own. This program calls it over a plain UDP socket: INVITE, 180, 200, ACK, and no BYE. The resident set of the
server is read from /proc, less what it was before those calls:

- with transactions: right after the last ACK. A server transaction is held for 64*T1, 32 s, after its 2xx (RFC 6026);
- dialogs: with a T1 of 20 ms, after 3 s. The transactions are gone, and dialogs, calls and the user's tasks are left;
- after BYE: the same server when every call has ended. The allocator seldom gives pages back, so this says little;
- again: the same server when the same number of calls is held once more. More than "dialogs" would be a leak.

The ratio is to as many Trio tasks that wait for an event and do nothing else, measured in this process.
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
QUICK_T1 = 0.02
TRANSACTIONS_GONE = 3.0
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 49172 RTP/AVP 0\r\n"


class Caller:
    """A caller over one socket, with so many requests under way at a time; it keeps what a BYE needs."""

    def __init__(self, port: int) -> None:
        self._peer = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(5)
        self._own = self._socket.getsockname()[1]
        self._to: dict[int, bytes] = {}

    def close(self) -> None:
        """Close the socket; the calls stay."""
        self._socket.close()

    def call(self, numbers: range) -> None:
        """Establish calls."""
        self._exchange(numbers, lambda number: self._request("INVITE", number, 1, SDP), self._acknowledge)

    def hang_up(self, numbers: range) -> None:
        """End calls that were established."""
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


def grow(count: int, *options: str, quick: bool) -> list[tuple[str, int]]:
    """Return what each state of a server adds to its resident set, in bytes."""
    server = Server("sipstack", cores()[0], *options)
    caller = Caller(server.port)
    states: list[tuple[str, int]] = []
    try:
        # A few calls first: what every module builds once does not count.
        caller.call(range(WINDOW))
        time.sleep(TRANSACTIONS_GONE)
        before = resident_bytes(server.pid)
        first = range(WINDOW, WINDOW + count)
        caller.call(first)
        if not quick:
            return [("with transactions", resident_bytes(server.pid) - before)]
        time.sleep(TRANSACTIONS_GONE)
        states.append(("dialogs", resident_bytes(server.pid) - before))
        caller.hang_up(first)
        time.sleep(TRANSACTIONS_GONE)
        states.append(("after BYE", resident_bytes(server.pid) - before))
        caller.call(range(first.stop, first.stop + count))
        time.sleep(TRANSACTIONS_GONE)
        states.append(("again", resident_bytes(server.pid) - before))
    finally:
        caller.close()
        server.stop()
    return states


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    count = parser.parse_args().calls
    base = trio.run(bytes_of_a_task, count)
    states = grow(count, quick=False) + grow(count, "--t1", str(QUICK_T1), quick=True)
    print(f"{count} calls held by a server of one process, resident set")
    rows = [("task that waits", f"{base * count / 2**20:.1f}", f"{base:.0f}", "1.0")]
    for state, added in states:
        rows.append((state, f"{added / 2**20:.1f}", f"{added / count:.0f}", f"{added / count / base:.1f}"))
    table(("state", "MiB", "bytes/call", "ratio"), rows)


if __name__ == "__main__":
    main()
