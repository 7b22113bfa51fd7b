"""The grammar check, short: ``python -m fuzz grammar`` is the long one."""

from __future__ import annotations

import pytest

from fuzz._grammar_check import check_accepted, check_refused
from sipstack.testing.strategies import GRAMMAR, NEAR_MISSES

EXAMPLES = 15


@pytest.mark.parametrize("name", sorted(GRAMMAR))
def test_valid_values_are_read_and_read_back_equal(name: str) -> None:
    assert check_accepted(name, EXAMPLES) >= 1


@pytest.mark.parametrize("name", sorted(NEAR_MISSES))
def test_near_misses_are_refused(name: str) -> None:
    assert check_refused(name, EXAMPLES) >= 1
