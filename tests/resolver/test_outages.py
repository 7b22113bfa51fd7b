from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.resolver import Outages, Target

A, B, C = (Target("UDP", f"192.0.2.{number}", 5060, "example.com") for number in (1, 2, 3))


def test_failed_target_is_last_until_its_time_is_over():
    outages = Outages()
    assert outages.order([A, B, C], 0.0) == [A, B, C]
    assert outages.add(A, 0.0) == 30.0
    assert outages.order([A, B, C], 29.0) == [B, C, A]
    assert outages.seconds_left(A, 29.0) == 1.0
    assert outages.order([A, B, C], 30.0) == [A, B, C]
    assert len(outages) == 0


def test_the_name_that_led_there_does_not_matter():
    outages = Outages()
    outages.add(A, 0.0)
    assert outages.seconds_left(Target("UDP", "192.0.2.1", 5060, "other.example"), 1.0) == 29.0
    assert outages.seconds_left(Target("TCP", "192.0.2.1", 5060, "example.com"), 1.0) == 0.0


@pytest.mark.parametrize(("asked", "granted"), [(120.0, 120.0), (0.0, 0.0), (1e9, 3_600.0)])
def test_retry_after_says_for_how_long(asked, granted):
    outages = Outages()
    assert outages.add(A, 0.0, seconds=asked) == granted
    assert outages.seconds_left(A, 0.0) == granted


def test_a_shorter_time_does_not_cut_a_longer_one():
    outages = Outages()
    outages.add(A, 0.0, seconds=600)
    assert outages.add(A, 1.0) == 599.0


def test_where_all_failed_the_one_that_is_due_first_is_first():
    outages = Outages()
    outages.add(A, 0.0, seconds=100)
    outages.add(B, 0.0, seconds=50)
    assert outages.order([A, B], 1.0) == [B, A]


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1e5) | st.none()), max_size=50))
def test_bounded_and_none_is_lost(failures):
    outages = Outages(size=5)
    targets = [Target("UDP", f"192.0.2.{number}", 5060) for number in range(21)]
    for now, (number, seconds) in enumerate(failures):
        outages.add(targets[number], now, seconds=seconds)
        assert len(outages) <= 5
        ordered = outages.order(targets, now)
        assert sorted(ordered, key=targets.index) == targets
        lefts = [outages.seconds_left(each, now) for each in ordered]
        assert lefts == sorted(lefts)
