"""The grammar check: valid values of every header field are read, and near misses refused."""

from __future__ import annotations

import time
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from sipstack.message import MalformedMessage, parse_message
from sipstack.testing.strategies import GRAMMAR, NEAR_MISSES

from ._values import message_with, values_of
from .headers import check_field

__all__ = ["check_accepted", "check_grammar", "check_refused"]


def _each(values: SearchStrategy[str], examples: int, check: Callable[[str], None]) -> int:
    count = 0

    @settings(
        max_examples=examples, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(values)
    def test(value: str) -> None:
        nonlocal count
        count += 1
        check(value)

    test()
    return count


def check_accepted(name: str, examples: int) -> int:
    """Check that valid values of a header field are read and read back equal; return how many there were."""

    def check(value: str) -> None:
        assert check_field(name, value.encode()), f"a valid value of {name} was refused: {value!r}"

    return _each(GRAMMAR[name], examples, check)


def check_refused(name: str, examples: int) -> int:
    """Check that near misses of a header field are refused; return how many there were."""

    def check(value: str) -> None:
        try:
            message = parse_message(message_with(name, value.encode()))
            message.validate()
            values = values_of(message, name)
        except MalformedMessage:
            return
        raise AssertionError(f"a wrong value of {name} was taken: {value!r} as {values}")

    return _each(NEAR_MISSES[name], examples, check)


def check_grammar(examples: int) -> int:
    """Check every header field, print how it went, and return an exit code.

    :param examples: values of each field, valid ones and as many near misses.
    """
    failures = 0
    totals = [0, 0]
    for place, (what, check, names) in enumerate(
        (("accepted", check_accepted, GRAMMAR), ("refused", check_refused, NEAR_MISSES))
    ):
        for name in sorted(names):
            began = time.monotonic()
            try:
                count = check(name, examples)
            except AssertionError as error:
                failures += 1
                print(f"{name}: {error}")
                continue
            totals[place] += count
            print(f"{name:24} {count:5} {what} in {time.monotonic() - began:.1f} s")
    print(f"{totals[0]} values accepted, {totals[1]} refused, {failures} header fields fail")
    return 1 if failures else 0
