"""The requirement ledger: which normative sentence of which RFC is proven by which test.

``sentences.csv`` has one row for each sentence, summed up in our own words. Its state is nowhere written down: it is
tested when a test has the mark ``@pytest.mark.rfc(id)``, excepted when ``exceptions.toml`` says why it needs no test,
and open otherwise. ``covered.txt`` holds what was tested when it was last recorded, so that no sentence loses its test
unseen; after adding marks run ``python -m tests.requirements --record``.
"""

from __future__ import annotations

import ast
import builtins
import csv
import re
import tomllib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import attrs

HERE = Path(__file__).parent
TESTS = HERE.parent
SENTENCES = HERE / "sentences.csv"
EXCEPTIONS = HERE / "exceptions.toml"
COVERED = HERE / "covered.txt"
COLUMNS = ("id", "rfc", "section", "level", "role", "summary")

HEADER = """\
# The sentences that tests prove: an RFC's section, then numbers of sentences within it.
# Written by `python -m tests.requirements --record`; where two branches changed a line, both lines may stand.
"""


@attrs.frozen
class Sentence:
    """One normative sentence."""

    id: str
    rfc: str
    section: str
    level: str
    role: str
    summary: str

    def is_in(self, where: str) -> bool:
        """Tell whether it stands in an RFC or a section of it: ``3261``, ``3261/17`` or ``3261/17.1.1``."""
        rfc, _, section = where.partition("/")
        return self.rfc == rfc and (not section or f"{self.section}.".startswith(f"{section}."))


@attrs.frozen
class Except:
    """Why a sentence needs no test: it is ``not_applicable``, or ``superseded``."""

    kind: str
    reason: str


@attrs.frozen
class Mark:
    """One id in one mark of one test."""

    id: str
    path: Path
    line: int
    test: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(TESTS.parent)}:{self.line} {self.test}"


def read_sentences(path: Path = SENTENCES) -> dict[str, Sentence]:
    """Read the table, in its order."""
    with path.open(newline="") as file:
        return {row["id"]: Sentence(**row) for row in csv.DictReader(file)}


def read_exceptions(path: Path = EXCEPTIONS) -> dict[str, Except]:
    """Read why which sentences need no test."""
    found: dict[str, Except] = {}
    for kind, entries in tomllib.loads(path.read_text()).items():
        for entry in entries:
            for name in entry["ids"]:
                if name in found:
                    raise ValueError(f"{path.name} has {name} twice")
                found[name] = Except(kind, entry["reason"])
    return found


def find_marks(root: Path = TESTS) -> list[Mark]:
    """Find the marks in all test modules below a folder, by their syntax trees.

    Marks of functions, classes, modules (``pytestmark``) and parameters count alike.
    """
    return [mark for path in sorted(root.rglob("test_*.py")) for mark in _marks_of_module(path)]


def _marks_of_module(path: Path) -> list[Mark]:
    text = path.read_text()
    if "mark.rfc" not in text:
        return []
    return sorted(_marks_below(ast.parse(text, str(path)), path, ()), key=lambda mark: mark.line)


def _marks_below(node: ast.AST, path: Path, names: tuple[str, ...]) -> Iterator[Mark]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names = (*names, node.name)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rfc":
        for name in _evaluate(node, path):
            yield Mark(name, path, node.lineno, "::".join(names) or "the module")
    for child in ast.iter_child_nodes(node):
        yield from _marks_below(child, path, names)


def _evaluate(call: ast.Call, path: Path) -> Iterable[str]:
    """Evaluate the ids of a mark: literals, or a generator of them that uses nothing but built-in names."""
    ids = ast.Expression(ast.Tuple(call.args, ast.Load()))
    try:
        return tuple(eval(compile(ast.fix_missing_locations(ids), str(path), "eval"), {"__builtins__": builtins}))
    except NameError as problem:
        raise ValueError(
            f"{path}:{call.lineno}: the ids of a mark are written out where it stands ({problem})"
        ) from None


def split_id(name: str) -> tuple[str, int]:
    """Split ``R3261-17.1.1.2-3`` into ``3261/17.1.1.2`` and 3."""
    found = re.fullmatch(r"R(\d+)-([\dA-Z][\w.]*)-(\d+)", name)
    if found is None:
        raise ValueError(f"{name!r} is no id: R3261-17.1.1.2-3 is one")
    return f"{found[1]}/{found[2]}", int(found[3])


def in_order(ids: Iterable[str]) -> list[str]:
    """Sort ids by RFC, section and number."""

    def key(name: str) -> tuple[int, list[tuple[int, str]], int]:
        place, number = split_id(name)
        rfc, section = place.split("/")
        return int(rfc), [(int(part), "") if part.isdigit() else (0, part) for part in section.split(".")], number

    return sorted(ids, key=key)


def format_covered(ids: Iterable[str]) -> str:
    """Write ids as one line for each section: ``3261/17.1.1.2 1-3 5``."""
    lines = []
    for place, names in groupby(in_order(set(ids)), key=lambda name: split_id(name)[0]):
        numbers = [split_id(name)[1] for name in names]
        runs = []
        for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
            members = [number for _, number in run]
            runs.append(f"{members[0]}-{members[-1]}" if len(members) > 1 else f"{members[0]}")
        lines.append(f"{place} {' '.join(runs)}\n")
    return HEADER + "".join(lines)


def parse_covered(text: str) -> set[str]:
    """Read what `format_covered` wrote."""
    ids = set()
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        place, *runs = line.split()
        rfc, section = place.split("/")
        for run in runs:
            first, _, last = run.partition("-")
            ids |= {f"R{rfc}-{section}-{number}" for number in range(int(first), int(last or first) + 1)}
    return ids
