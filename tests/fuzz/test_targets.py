"""Every target finds nothing in its seeds and in a second of chance; and what runs them finds what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from fuzz import differential
from fuzz._engine import run_random
from fuzz._target import CORPUS, NAMES, Target, load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_finds_nothing(name: str) -> None:
    target = load(name)
    tally = run_random(target, seconds=1.5, runs=2_000, seed=20, report=print)
    assert tally.executions > len(target.seeds())
    assert not tally.findings


@pytest.mark.parametrize("name", NAMES)
def test_says_its_invariant_in_line_one(name: str) -> None:
    first, second, *_ = (ROOT / "fuzz" / f"{name}.py").read_text().splitlines()
    assert first.startswith('"""')
    assert first.endswith(".")
    assert second in ("", '"""')


@pytest.mark.parametrize("name", NAMES)
def test_has_small_seeds_of_its_own(name: str) -> None:
    seeds = load(name).seeds()
    assert seeds
    assert all(len(seed) < 4_096 for seed in seeds)


def test_every_corpus_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)


def planted(data: bytes) -> None:
    if b"bug" in data:
        raise ZeroDivisionError
    assert b"%" not in data


def target_with(check, draws) -> Target:
    return Target("uris", "none", check, draws)


def test_planted_bugs_are_found_once_each() -> None:
    reports: list[str] = []
    target = target_with(planted, st.binary(max_size=3).map(b"a bug".__add__))
    tally = run_random(target, seconds=20, runs=300, seed=1, report=reports.append)
    assert {kind.split()[0] for kind in tally.findings} == {"ZeroDivisionError", "AssertionError"}
    assert len(reports) == 2
    finding = next(one for kind, one in tally.findings.items() if kind.startswith("Zero"))
    with pytest.raises(ZeroDivisionError):
        planted(finding.data)


def test_same_seed_gives_the_same_inputs() -> None:
    runs: list[list[bytes]] = [[], []]
    for seen in runs:
        run_random(target_with(seen.append, st.binary()), seconds=20, runs=200, seed=3, report=print)
    assert runs[0] == runs[1]
    assert len(runs[0]) == 200
    assert len(set(runs[0])) > 100


def fuzz(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=cwd
    )


def test_command_lists_what_there_is() -> None:
    done = fuzz("--list")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [*NAMES, "grammar"]


def test_command_checks_one_file() -> None:
    done = fuzz("uris", str(CORPUS / "uris" / "tel"))
    assert (done.returncode, done.stdout.endswith("nothing found\n")) == (0, True), done.stderr


def test_differences_are_the_table_of_the_readme() -> None:
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| ([a-z, ]+) \| (.+) \|$", (ROOT / "fuzz" / "README.md").read_text(), re.MULTILINE
    )
    assert rows == [(one.name, ", ".join(one.parsers), one.explanation) for one in differential.DIFFERENCES]


def test_unknown_difference_is_an_error(monkeypatch) -> None:
    fields = b"Via: SIP/2.0/UDP h\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
    data = b"OPTIONS http:x SIP/2.0\r\n" + fields
    differential.check(data)
    assert differential.counts["sipmessage", "other-uris"] >= 1
    monkeypatch.setattr(differential, "DIFFERENCES", ())
    with pytest.raises(AssertionError, match=r"sipmessage, refused: .* URI is not valid"):
        differential.check(data)
