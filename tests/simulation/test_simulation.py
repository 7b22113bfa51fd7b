"""Calls of chance end in agreement (the whole of RFC 3261, 3262, 3264, 3311 and 4028 at once).

20,000 seeds are run by hand: ``python -m tests.simulation --seeds 20000``.
"""

from __future__ import annotations

from collections import Counter

import pytest

from .scenario import run_seed

SEEDS = 500
BATCH = 25


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_calls_of_chance_end_in_agreement(first: int) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + BATCH):
        outcomes += run_seed(seed).outcomes
    # A batch in which nothing happens would prove nothing.
    assert outcomes["answered"] > BATCH / 3
    assert outcomes["forked"]
    assert outcomes["stands"]
    assert outcomes["ended"]


def test_a_seed_replays_a_run() -> None:
    one, other = run_seed(7), run_seed(7)
    assert [record.data for record in one.trace.records] == [record.data for record in other.trace.records]
    assert one.outcomes == other.outcomes
