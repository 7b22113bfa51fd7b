"""What the call benchmarks share: processor pinning, SIPp runs, processor time of a process, tables."""

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUFFER = 1 << 20  # bytes of socket buffer on both sides; SIPp's own 64 KiB loses bursts that no server could prevent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """Return the core of the program under test and the core of its load; the same one where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[-1], available[0]


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processor_seconds(pid: int) -> float:
    """Return user plus system time of a process, all its threads, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Server:
    """A server program of this folder in a process of its own, pinned to one core."""

    def __init__(self, name: str, core: int, *arguments: str, program: str = "_uas.py") -> None:
        command = [sys.executable, str(HERE / program), name, *arguments]
        self.name = name
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *command], stdout=subprocess.PIPE, text=True, cwd=HERE
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline().split()
        if len(first) != 2 or first[0] != "port":
            self.process.wait(10)
            raise RuntimeError(f"{name} did not start: {' '.join(first) or 'no output'}")
        self.port = int(first[1])

    @property
    def pid(self) -> int:
        return self.process.pid  # taskset replaces itself by the command

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


@dataclass(frozen=True)
class Load:
    """What one SIPp run saw, and what it cost the server."""

    rate: int
    seconds: float
    calls: int
    failed: int
    retransmissions: int
    achieved: float
    processor: float

    @property
    def is_clean(self) -> bool:
        return self.failed == 0 and self.retransmissions == 0 and self.achieved >= 0.95 * self.rate

    @property
    def calls_per_processor_second(self) -> float:
        return self.calls / self.processor if self.processor else 0.0


def run_sipp(server: Server, rate: int, seconds: float, core: int) -> Load:
    """Run SIPp's own uac scenario at a rate: INVITE, 180, 200, ACK, BYE, 200; no pause inside a call."""
    calls = max(1, round(rate * seconds))
    deadline = seconds + 8
    with tempfile.TemporaryDirectory() as folder:
        statistics = Path(folder, "statistics.csv")
        command = ["taskset", "-c", str(core), "sipp", "-sn", "uac", f"127.0.0.1:{server.port}"]
        command += ["-i", "127.0.0.1", "-p", str(free_udp_port()), "-r", str(rate), "-m", str(calls), "-l", "100000"]
        command += [
            "-max_retrans",
            "3",
            "-buff_size",
            str(BUFFER),
            "-nostdin",
            "-timeout",
            str(int(deadline)),
            "-timeout_error",
        ]
        command += ["-trace_stat", "-stf", str(statistics), "-fd", "1"]
        before, started = processor_seconds(server.pid), time.monotonic()
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        try:
            process.wait(deadline + 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        elapsed = time.monotonic() - started
        spent = processor_seconds(server.pid) - before
        rows = list(csv.DictReader(statistics.read_text().splitlines(), delimiter=";"))
    row = rows[-1]
    succeeded, failed = int(row["SuccessfulCall(C)"]), int(row["FailedCall(C)"])
    return Load(
        rate=rate,
        seconds=elapsed,
        calls=succeeded,
        failed=failed + calls - succeeded - failed,
        retransmissions=int(row["Retransmissions(C)"]),
        achieved=float(row["CallRate(C)"]),
        processor=spent,
    )


def run_fresh(name: str, rate: int, seconds: float) -> Load:
    """Run SIPp against a server just started: calls that an overload left behind would spoil the next figure."""
    server_core, load_core = cores()
    server = Server(name, server_core)
    try:
        return run_sipp(server, rate, seconds, load_core)
    finally:
        server.stop()


def search_rate(name: str, *, start: int = 250, ceiling: int = 8_000, probe: float = 2.0) -> int:
    """Find the highest rate with no retransmission: doubling (or halving) from the start, then halving the gap."""

    def is_held(rate: int) -> bool:
        # Asked twice: on a machine with other work, one lost time slice is not the server's limit.
        return any(run_fresh(name, rate, probe).is_clean for _ in range(2))

    good, bad, rate = 0, 0, start
    while not (good and bad) and 10 <= rate <= ceiling:
        if is_held(rate):
            good, rate = rate, rate * 2
        else:
            bad, rate = rate, rate // 2
    while good and bad - good > good // 8:
        middle = (good + bad) // 2
        if is_held(middle):
            good = middle
        else:
            bad = middle
    return good


def measure(name: str, seconds: float) -> Load | None:
    """Search the rate, then hold ninety per cent of it (less after a retransmission) for the seconds asked for."""
    rate = int(search_rate(name) * 0.9)
    for _ in range(6):
        if rate < 10:
            break
        load = run_fresh(name, rate, seconds)
        if load.is_clean:
            return load
        rate = int(rate * 0.8)
    return None


def require(*programs: str) -> None:
    """Leave with a sentence when a program this benchmark starts is not there."""
    for program in programs:
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed; it is the load generator of this benchmark (Debian: sip-tester)")


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns: the first to the left, the others to the right."""
    cells = [list(titles), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    for number, row in enumerate(cells):
        head = row[0].ljust(widths[0])
        print("  ".join([head, *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]]))
        if number == 0:
            print("  ".join("-" * width for width in widths))
