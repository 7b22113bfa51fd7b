"""The programs in examples/, run against each other on loopback; and the README's blocks, which must be true."""

from __future__ import annotations

import queue
import re
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import sipstack as sip

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
SECONDS = 20  # far more than any of them takes


class Program:
    """One example in a process of its own."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / name), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def expect(self, text: str) -> str:
        """Return the next line, in which a text must be."""
        line = self.lines.get(timeout=SECONDS)
        assert text in line, line
        return line

    def finish(self) -> None:
        assert self.process.wait(SECONDS) == 0

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def answerer() -> Iterator[tuple[Program, str]]:
    program = Program("answer.py", "udp://127.0.0.1:0", "tcp://127.0.0.1:0")
    try:
        line = program.expect("listening on udp://127.0.0.1:")
        port = line.split("udp://127.0.0.1:")[1].split()[0]
        yield program, f"127.0.0.1:{port}"
    finally:
        program.stop()


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_call(answerer) -> None:
    program, place = answerer
    output = run("call.py", f"sip:bob@{place}")
    assert output.startswith("answered")
    assert "ended: local" in output
    program.expect("they hung up")


def test_register(answerer) -> None:
    _, place = answerer
    assert run("register.py", f"sip:alice@{place}", "0.5") == "registered for 600 seconds\nremoved\n"


def test_fork(answerer) -> None:
    _, place = answerer
    output = run("fork.py", f"sip:team@{place}")
    assert re.fullmatch(r"ringing: sip:sipstack@127\.0\.0\.1:\d+\nanswered: sip:sipstack@127\.0\.0\.1:\d+\n", output)


def test_call_to_nobody_says_so() -> None:
    output = run("call.py", "sip:bob@nowhere.invalid")
    assert output.startswith("failed: ")


def test_virtual_time() -> None:
    output = run("virtual_time.py")
    assert "no final response to OPTIONS" in output
    assert "at 32.0 seconds" in output


def test_misbehave() -> None:
    assert run("misbehave.py").endswith("rang at 1.5 seconds, acknowledged at 2.0\n")


def test_fuzz_other_parser() -> None:
    output = run("fuzz_other_parser.py", "12")
    assert re.match(r"[1-9]\d* of 12 valid messages are not read; the shortest:\n", output)


def test_every_example_is_run_here() -> None:
    tested = set(re.findall(r'"(\w+\.py)"', Path(__file__).read_text()))
    assert {path.name for path in EXAMPLES.glob("*.py")} <= tested


def readme_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_readme_names_only_what_there_is() -> None:
    for block in readme_blocks():
        for name in re.findall(r"\bsip\.(\w+)", block):
            assert hasattr(sip, name), name


def test_readmes_phone_is_the_example() -> None:
    phone = readme_blocks()[0]
    example = runpy.run_path(str(EXAMPLES / "answer.py"), run_name="example")
    space: dict[str, object] = {}
    exec(compile(phone.replace("trio.run(main)", ""), "README.md", "exec"), space)
    offer = space["session"](None)  # type: ignore[operator]
    assert offer == example["session"](None)
    assert space["session"](offer) == example["session"](offer)  # type: ignore[operator]


def test_readmes_virtual_scenario() -> None:
    block = next(block for block in readme_blocks() if "testing.run" in block)
    exec(compile(block, "README.md", "exec"), {"sip": sip, "pytest": pytest, "print": lambda *_: None})


@pytest.mark.parametrize("word", ["ep.call", "outbound=hook"])
def test_readmes_other_blocks_compile(word) -> None:
    block = next(block for block in readme_blocks() if word in block)
    body = "".join(f"    {line}\n" for line in block.splitlines())
    compile(f"async def main(sdp):\n{body}", "README.md", "exec")
