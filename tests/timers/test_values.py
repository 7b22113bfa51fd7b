"""Lengths of the timers (RFC 3261 appendix A, RFC 6026 section 8, RFC 4320 section 4.1)."""

import pytest

from sipstack.timers import TRYING_DELAY, Timer, TimerValues


def test_the_defaults_are_those_of_appendix_a():
    values = TimerValues()
    assert (values.t1, values.t2, values.t4) == (0.5, 4.0, 5.0)
    assert (values.a, values.e, values.g) == (0.5, 0.5, 0.5)
    assert (values.b, values.f, values.h, values.l, values.m, values.give_up) == (32.0,) * 6
    assert values.c > 180
    assert values.invite_trying == TRYING_DELAY == 0.2


@pytest.mark.parametrize(("name", "unreliable"), [("d", 32.0), ("i", 5.0), ("j", 32.0), ("k", 5.0)])
def test_waiting_for_retransmissions_takes_no_time_on_reliable_transports(name, unreliable):
    length = getattr(TimerValues(), name)
    assert length(reliable=False) == unreliable
    assert length(reliable=True) == 0.0


@pytest.mark.rfc("R6026-8.4-4", "R3261-17.1.1.2-21")
def test_timer_d_is_never_below_32_seconds():
    assert TimerValues(t1=0.1).d(reliable=False) == 32.0
    assert TimerValues(t1=1.0).d(reliable=False) == 64.0


@pytest.mark.parametrize(("t1", "expected"), [(0.5, 3.5), (1.0, 3.0), (4.0, 0.0), (8.0, 0.0)])
def test_the_100_to_a_non_invite_is_due_when_timer_e_has_reached_t2(t1, expected):
    assert TimerValues(t1=t1).non_invite_trying == expected


@pytest.mark.parametrize("name", ["t1", "t2", "t4"])
def test_a_length_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=name):
        TimerValues(**{name: 0})


def test_a_timer_hashes_like_no_other():
    assert len(set(Timer)) == len(Timer)
