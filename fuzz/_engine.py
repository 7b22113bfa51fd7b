"""What gives inputs to a target: chance, or atheris, which is guided by the code an input reaches.

Both begin with the seeds in the corpus, and both hand every second input to the target's Hypothesis strategy, which
makes of it something that the grammar nearly allows.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from hypothesis import HealthCheck, Phase, given, settings

from ._target import Target

__all__ = ["Finding", "Tally", "inputs_of", "run_atheris", "run_random"]

STRUCTURED = b"\xff"
"What an input begins with that the strategy is to read; no message does."

_SLOWEST = 5.0
"CPU seconds for one input of at most 64 KB: a hundred times what the slowest takes."

_PIECES = (
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b";",
    b",",
    b":",
    b"=",
    b'"',
    b"<",
    b">",
    b"\\",
    b"%",
    b"\xff",
)


@attrs.frozen
class Finding:
    """An input that broke the invariant, and how."""

    data: bytes
    error: BaseException

    @property
    def digest(self) -> str:
        """Name it by its bytes."""
        return hashlib.sha256(self.data).hexdigest()[:12]


@attrs.define
class Tally:
    """Count what was tried, and keep the first input of each kind of failure."""

    executions: int = 0
    longest: float = 0.0
    findings: dict[str, Finding] = attrs.field(factory=dict)

    def add(self, data: bytes, error: BaseException) -> bool:
        """Keep a failing input, the shortest of its kind; say whether the kind is new."""
        kind = _kind(error)
        known = self.findings.get(kind)
        if known is None or len(data) < len(known.data):
            self.findings[kind] = Finding(data, error)
        return known is None


def _kind(error: BaseException) -> str:
    """Name an error by its class and by the line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return f"{type(error).__name__} {place}"


def structured(target: Target, receive: Callable[[bytes], None]) -> Callable[[bytes], bytes | None]:
    """Return what turns bytes into one draw of the target's strategy and hands it on."""

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(target.draws)
    def test(data: bytes) -> None:
        receive(data)

    return test.hypothesis.fuzz_one_input  # type: ignore[attr-defined, no-any-return]  # Hypothesis puts it there


def _mutate(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Change an input a little: bytes, pieces, parts of other inputs."""
    for _ in range(chance.choice([1, 1, 2, 4, 8])):
        position = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0:
                data = data[:position] + chance.choice(_PIECES) + data[position:]
            case 1:
                data = data[:position] + data[position + chance.choice([1, 2, 8, 64]) :]
            case 2:
                data = data[:position] + chance.randbytes(1) + data[position + 1 :]
            case 3:
                end = position + chance.randrange(1, 40)
                data = data[:end] + data[position:end] * chance.choice([1, 2, 50]) + data[end:]
            case 4:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                data = data[:position] + other[start : start + chance.randrange(1, 80)] + data[position:]
            case 5:
                data = data[:position]
            case _:
                data = (
                    data[:position] + bytes([chance.randrange(256)]) * chance.choice([1, 10, 1_000]) + data[position:]
                )
    return data[:66_000]


def inputs_of(target: Target, chance: random.Random) -> Iterator[bytes]:
    """Give the seeds, then changed ones; those for the strategy are marked as `STRUCTURED`."""
    seeds = target.seeds() or [b""]
    yield from seeds
    while True:
        if chance.random() < 0.25:
            yield STRUCTURED + chance.randbytes(chance.choice([64, 512, 4_096]))
        else:
            yield _mutate(chance.choice(seeds), seeds, chance)


def run_random(target: Target, *, seconds: float, runs: int | None, seed: int, report: Callable[[str], None]) -> Tally:
    """Check inputs until the time or the number of runs is over; the same seed gives the same inputs."""
    tally = Tally()
    chance = random.Random(seed)
    last = b""

    def check(data: bytes) -> None:
        nonlocal last
        last = data
        tally.executions += 1
        began = time.process_time()
        target.check(data)
        took = time.process_time() - began
        tally.longest = max(tally.longest, took)
        assert took < _SLOWEST, f"{took:.1f} seconds for {len(data)} bytes"

    draw = structured(target, check)
    end = time.monotonic() + seconds
    for data in inputs_of(target, chance):
        if time.monotonic() >= end or (runs is not None and tally.executions >= runs):
            break
        try:
            if data.startswith(STRUCTURED):
                draw(data[1:])
            else:
                check(data)
        except KeyboardInterrupt:
            break
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
            if tally.add(last, error):
                report(f"{target.name}: {_kind(error)}: {error}")
    return tally


def run_atheris(name: str, arguments: list[str], *, load: Callable[[str], Target]) -> None:
    """Hand the process to atheris, which leaves it when it is done; the first finding ends it.

    :param arguments: libFuzzer's own, such as ``-max_total_time=60``.
    """
    import atheris  # type: ignore[import-untyped]  # it has no types

    with atheris.instrument_imports(include=["sipstack"]):
        target = load(name)
    draw = structured(target, target.check)

    def one_input(data: bytes) -> None:
        if data.startswith(STRUCTURED):
            draw(data[1:])
        else:
            target.check(data)

    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()
