"""Commands as processes of their own, with bounded waits and no process left behind."""

from __future__ import annotations

import functools
import json
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest

_PATIENCE = 15.0
"Seconds; far more than anything here takes, and less than a job that hangs."


class Running:
    """A Python program that runs."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._queues: dict[str, queue.SimpleQueue[str | None]] = {}
        self._threads: list[threading.Thread] = []
        for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
            assert stream is not None
            self._queues[name] = queue.SimpleQueue()
            thread = threading.Thread(target=self._read, args=(stream, self._queues[name]))
            thread.start()
            self._threads.append(thread)

    @staticmethod
    def _read(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
        with stream:
            for line in stream:
                lines.put(line.rstrip("\n"))
        lines.put(None)

    def expect(self, pattern: str, *, stream: str = "stdout") -> re.Match[str]:
        """Read lines until one matches."""
        seen = []
        while (line := self._queues[stream].get(timeout=_PATIENCE)) is not None:
            seen.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no line matches {pattern!r} in {seen}")

    def expect_event(self, name: str) -> dict[str, Any]:
        """Read JSON lines until the event comes."""
        seen = []
        while (line := self._queues["stdout"].get(timeout=_PATIENCE)) is not None:
            event = json.loads(line)
            seen.append(event)
            if event["event"] == name:
                return dict(event)
        raise AssertionError(f"no event {name!r} in {seen}")

    def listening(self) -> str:
        """Read where the command listens, as ``host:port``."""
        return self.expect(r'udp://([^\s"]+)')[1]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(_PATIENCE)
        for thread in self._threads:
            thread.join(_PATIENCE)
        assert "Traceback" not in self.errors, self.errors
        return code

    def rest(self, stream: str = "stdout") -> list[str]:
        """Return the lines nobody read yet, after the end."""
        lines = []
        while (line := self._queues[stream].get(timeout=_PATIENCE)) is not None:
            lines.append(line)
        for line in (*lines, None):  # put back, to be asked again
            self._queues[stream].put(line)
        return lines

    @property
    def errors(self) -> str:
        """Return what was written to standard error, after the end."""
        return "\n".join(self.rest("stderr"))

    def end(self) -> None:
        """Kill it if it runs, and leave no thread and no pipe behind."""
        self.process.kill()
        self.process.wait(_PATIENCE)
        for thread in self._threads:
            thread.join(_PATIENCE)


@pytest.fixture
def run_python() -> Iterator[Callable[..., Running]]:
    """Start programs; those that are still running at the end are killed."""
    running: list[Running] = []

    def begin(*arguments: str) -> Running:
        running.append(Running(*arguments))
        return running[-1]

    yield begin
    for each in running:
        each.end()


@pytest.fixture
def start(run_python: Callable[..., Running]) -> Callable[..., Running]:
    """Start commands, by the arguments of ``sipstack``."""
    return functools.partial(run_python, "-m", "sipstack")


@pytest.fixture
def answering(start: Callable[..., Running]) -> Callable[..., tuple[Running, str]]:
    """Start ``sipstack answer`` at a free port and return it with the URI to call."""

    def begin(*arguments: str) -> tuple[Running, str]:
        running = start("answer", "--listen", "udp://127.0.0.1:0", *arguments)
        return running, f"sip:bob@{running.listening()}"

    return begin


_REGISTRAR = """
import sys, trio, sipstack as sip

async def main():
    async with sip.open_endpoint("udp://127.0.0.1:0") as endpoint:
        events = endpoint.events()
        print("listening on", endpoint.urls[0], flush=True)
        async for event in events:
            if "Authorization" in event.request.headers or sys.argv[1] == "open":
                print("REGISTER", event.request.expires, flush=True)
                await event.accept(expires=300)
            else:
                challenge = 'Digest realm="home", nonce="abc", qop="auth", algorithm=SHA-256'
                await event.respond(401, headers=[("WWW-Authenticate", challenge)])

trio.run(main)
"""


@pytest.fixture
def registrar(run_python: Callable[..., Running]) -> Callable[[str], tuple[Running, str]]:
    """Start a registrar, ``"open"`` or ``"closed"`` to those without credentials; return it with its URI."""

    def begin(door: str) -> tuple[Running, str]:
        running = run_python("-c", _REGISTRAR, door)
        return running, f"sip:{running.listening()}"

    return begin


@pytest.fixture
def silent() -> Iterator[str]:
    """Open a UDP socket that never answers and return its ``host:port``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*sock.getsockname())
