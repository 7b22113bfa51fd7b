"""The ledger is true: marks name sentences, no covered sentence loses its test, and the table is that of the RFCs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from . import ledger
from .__main__ import main

# The sentences word for word, which may lie beside the checkout: the RFCs' text is not ours to ship.
REFERENCE = ledger.TESTS.parent.parent / "shared" / "requirements"


def proven_ids() -> set[str]:
    return {mark.id for mark in ledger.find_marks()}


def test_every_mark_names_a_sentence_of_the_table() -> None:
    sentences = ledger.read_sentences()
    assert not [
        f"{mark}: {mark.id} is not in sentences.csv" for mark in ledger.find_marks() if mark.id not in sentences
    ]


def test_every_mark_is_on_a_test() -> None:
    idle = [
        str(mark)
        for mark in ledger.find_marks()
        if not mark.test.split("::")[-1].startswith(("test_", "Test", "the module"))
    ]
    assert not idle


def test_every_exception_names_a_sentence_and_says_why() -> None:
    exceptions = ledger.read_exceptions()
    assert not exceptions.keys() - ledger.read_sentences().keys()
    assert {exception.kind for exception in exceptions.values()} <= {"not_applicable", "superseded"}
    assert all(len(exception.reason) > 10 for exception in exceptions.values())


def test_no_exception_is_proven_ids() -> None:
    assert not ledger.read_exceptions().keys() & proven_ids()


def test_covered_sentences_are_those_recorded() -> None:
    recorded = ledger.parse_covered(ledger.COVERED.read_text())
    lost = ledger.in_order(recorded - proven_ids())
    assert not lost, f"lost their tests: {', '.join(lost)}"
    gained = ledger.in_order(proven_ids() - recorded)
    assert not gained, f"run `python -m tests.requirements --record`: {', '.join(gained)} are tested now"


def test_table_is_in_order_and_complete() -> None:
    sentences = ledger.read_sentences()
    assert list(sentences) == ledger.in_order(sentences)
    for sentence in sentences.values():
        assert ledger.split_id(sentence.id)[0] == f"{sentence.rfc}/{sentence.section}"
        assert sentence.summary, sentence.id


def test_table_is_that_of_the_rfcs() -> None:
    if not REFERENCE.exists():
        pytest.skip(f"the sentences are not at {REFERENCE}")
    sentences = ledger.read_sentences()
    core, everything = (
        {row["id"]: row for row in csv.DictReader((REFERENCE / f"requirements-{name}.csv").read_text().splitlines())}
        for name in ("core", "all")
    )
    assert core.keys() <= sentences.keys() <= everything.keys()
    for sentence in sentences.values():
        row = everything[sentence.id]
        assert (sentence.rfc, sentence.section, sentence.level) == (row["rfc"], row["section"], row["level"]), row
        assert sentence.summary.lower() not in row["sentence"].lower(), f"{sentence.id} is the RFC's own wording"


MODULE = """\
import pytest
pytestmark = [pytest.mark.interop, pytest.mark.rfc("R1-1-1")]

@pytest.mark.rfc("R1-1-2", *(f"R1-1-{number}" for number in range(3, 5)))
def test_function(): ...

@pytest.mark.rfc("R1-1-5")
class TestClass:
    @pytest.mark.rfc("R1-1-6")
    @pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.rfc("R1-1-7"))])
    async def test_method(self, x): ...
"""


def test_marks_of_modules_classes_functions_and_parameters_count(tmp_path: Path) -> None:
    path = tmp_path / "test_module.py"
    path.write_text(MODULE)
    assert [(mark.id[-1], mark.test) for mark in ledger.find_marks(tmp_path)] == [
        ("1", "the module"),
        ("2", "test_function"),
        ("3", "test_function"),
        ("4", "test_function"),
        ("5", "TestClass"),
        ("6", "TestClass::test_method"),
        ("7", "TestClass::test_method"),
    ]


def test_mark_that_cannot_be_read_here_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "test_module.py").write_text("@pytest.mark.rfc(*IDS)\ndef test_x(): ...")
    with pytest.raises(ValueError, match="written out where it stands"):
        ledger.find_marks(tmp_path)


def test_sentence_is_in_a_section_and_those_below() -> None:
    sentence = ledger.Sentence("R3261-17.1.1-2", "3261", "17.1.1", "MUST", "any", "x")
    assert all(sentence.is_in(where) for where in ("3261", "3261/17", "3261/17.1", "3261/17.1.1"))
    assert not any(sentence.is_in(where) for where in ("3262", "3261/1", "3261/17.1.1.2", "3261/17.1.10"))


def test_covered_reads_as_written_also_twice() -> None:
    ids = {"R3261-9.1-10", "R3261-9.1-2", "R3261-9.1-1", "R3261-10-1", "R822-1-1"}
    text = ledger.format_covered(ids)
    assert text.splitlines()[2:] == ["822/1 1", "3261/9.1 1-2 10", "3261/10 1"]
    assert ledger.parse_covered(text) == ids
    assert ledger.parse_covered(text + "3261/10 2\n") == ids | {"R3261-10-2"}


@pytest.mark.parametrize("name", ["R3261-1", "3261-1-1", "R3261-17.1.1.2-x"])
def test_id_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="is no id"):
        ledger.split_id(name)


def test_exception_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.toml"
    path.write_text('[[superseded]]\nids = ["R1-1-1", "R1-1-1"]\nreason = "it is written twice"\n')
    with pytest.raises(ValueError, match="R1-1-1 twice"):
        ledger.read_exceptions(path)


def test_command_counts_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    totals = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("all ")]
    sentences, exceptions = ledger.read_sentences(), ledger.read_exceptions()
    covered = len(proven_ids())
    still_open = len(sentences) - covered - len(exceptions)
    assert totals[0] == totals[1] == [str(n) for n in (covered, len(exceptions), still_open, len(sentences))]
    main(["--open"])
    assert len(capsys.readouterr().out.splitlines()) == still_open
    main(["--tests", "3261/9"])
    assert "R3261-9.1-8  " in capsys.readouterr().out
