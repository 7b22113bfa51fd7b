from __future__ import annotations

from sipstack.transport._rate import SourceRate


def test_one_second_of_requests_then_the_rate():
    rate = SourceRate(2.0)
    assert [rate.admits("x", 0.0) for _ in range(3)] == [True, True, False]
    assert rate.admits("x", 0.5)
    assert not rate.admits("x", 0.5)


def test_sources_are_apart():
    rate = SourceRate(1.0)
    assert rate.admits("x", 0.0)
    assert rate.admits("y", 0.0)
    assert not rate.admits("x", 0.1)


def test_less_than_one_a_second():
    rate = SourceRate(0.1)
    assert rate.admits("x", 0.0)
    assert not rate.admits("x", 9.0)
    assert rate.admits("x", 10.1)


def test_table_is_bounded():
    rate = SourceRate(1.0)
    for number in range(10_050):
        rate.admits(str(number), 0.0)
    assert len(rate._buckets) == 10_000
