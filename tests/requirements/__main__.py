"""Print how much of the RFCs is proven by tests: ``python -m tests.requirements`` in the checkout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable

from .ledger import COVERED, Sentence, find_marks, format_covered, in_order, read_exceptions, read_sentences

BINDING = {"MUST", "MUST NOT", "SHALL", "SHALL NOT", "REQUIRED"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.requirements", description=__doc__)
    parser.add_argument("--open", nargs="?", const="", metavar="RFC[/SECTION]", help="list what has no test yet")
    parser.add_argument("--tests", metavar="RFC[/SECTION]", help="list which tests prove what")
    parser.add_argument("--record", action="store_true", help=f"write what is tested to {COVERED.name}")
    options = parser.parse_args(arguments)
    sentences, exceptions, marks = read_sentences(), read_exceptions(), find_marks()
    tested = {mark.id for mark in marks} & sentences.keys()
    if options.record:
        COVERED.write_text(format_covered(tested))
    elif options.open is not None:
        for sentence in sentences.values():
            is_open = sentence.id not in tested and sentence.id not in exceptions
            if is_open and (not options.open or sentence.is_in(options.open)):
                print(f"{sentence.id}  {sentence.level}  {sentence.role}  {sentence.summary}")
    elif options.tests is not None:
        for name in in_order(name for name in tested if sentences[name].is_in(options.tests)):
            print(f"{name}  {sentences[name].summary}")
            for mark in marks:
                if mark.id == name:
                    print(f"    {mark}")
    else:
        rows = list(sentences.values())
        print_table("RFC", rows, lambda sentence: [sentence.rfc], tested, exceptions.keys())
        print_table("role", rows, lambda sentence: sentence.role.split("|"), tested, exceptions.keys())
        binding = [sentence for sentence in rows if sentence.level in BINDING]
        print_table("MUST only", binding, lambda sentence: [sentence.rfc], tested, exceptions.keys())
    return 0


def print_table(
    title: str,
    sentences: list[Sentence],
    groups: Callable[[Sentence], list[str]],
    tested: Iterable[str],
    excepted: Iterable[str],
) -> None:
    """Print one line for each group: how many are tested, excepted, open, and how many there are."""
    members: dict[str, list[str]] = {}
    for sentence in sentences:
        for group in groups(sentence):
            members.setdefault(group, []).append(sentence.id)
    everything = [sentence.id for sentence in sentences]
    print(f"{title:<10} {'covered':>8} {'excepted':>9} {'open':>6} {'total':>6}")
    for group, ids in [*sorted(members.items()), ("all", everything)]:
        covered, out = len(tested & set(ids)), len(excepted & set(ids))
        print(f"{group:<10} {covered:>8} {out:>9} {len(ids) - covered - out:>6} {len(ids):>6}")
    print()


if __name__ == "__main__":
    sys.exit(main())
