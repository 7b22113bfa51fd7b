"""The timer queue."""

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sipstack.timers import Timer, TimerQueue


def popped(queue, now):
    fired = []
    while (due := queue.pop_due(now)) is not None:
        fired.append(due)
    return fired


def held(queue):
    return len(queue._heap) + sum(len(lane) for lane in queue._lanes)


def test_an_empty_queue_has_no_deadline():
    queue = TimerQueue()
    assert queue.next_deadline() is None
    assert queue.pop_due(1e9) is None
    assert len(queue) == 0


def test_timers_fire_in_order_of_time_and_not_before():
    queue = TimerQueue()
    queue.start("x", Timer.B, 32.0)
    queue.start("x", Timer.A, 0.5)
    queue.start("y", Timer.A, 0.25)
    assert queue.next_deadline() == 0.25
    assert popped(queue, 0.4) == [("y", Timer.A)]
    assert popped(queue, 32.0) == [("x", Timer.A), ("x", Timer.B)]
    assert len(queue) == 0


def test_timers_due_at_once_fire_in_the_order_they_were_started():
    queue = TimerQueue()
    for owner in "dacb":
        queue.start(owner, Timer.A, 1.0)
    assert [owner for owner, _ in popped(queue, 1.0)] == list("dacb")


def test_a_stopped_timer_never_fires():
    queue = TimerQueue()
    queue.start("x", Timer.A, 1.0)
    queue.start("x", Timer.B, 2.0)
    queue.stop("x", Timer.A)
    assert queue.next_deadline() == 2.0
    assert popped(queue, 3.0) == [("x", Timer.B)]


def test_stopping_what_does_not_run_does_nothing():
    queue = TimerQueue()
    queue.stop("x", Timer.A)
    queue.start("x", Timer.B, 1.0)
    queue.stop("x", Timer.A)
    queue.stop_all("y")
    assert queue.is_running("x", Timer.B)
    assert not queue.is_running("x", Timer.A)
    assert not queue.is_running("y", Timer.A)


def test_starting_again_replaces():
    queue = TimerQueue()
    queue.start("x", Timer.A, 1.0)
    queue.start("x", Timer.A, 5.0)
    assert len(queue) == 1
    assert popped(queue, 4.0) == []
    assert popped(queue, 5.0) == [("x", Timer.A)]


def test_stop_all_stops_the_owner_alone():
    queue = TimerQueue()
    queue.start("x", Timer.A, 1.0)
    queue.start("x", Timer.B, 1.0)
    queue.start("y", Timer.A, 1.0)
    queue.stop_all("x")
    assert popped(queue, 1.0) == [("y", Timer.A)]


def test_a_timer_started_while_popping_fires_in_its_turn():
    queue = TimerQueue()
    queue.start("x", Timer.A, 1.0)
    assert queue.pop_due(1.0) == ("x", Timer.A)
    queue.start("x", Timer.A, 1.0)
    assert queue.pop_due(1.0) == ("x", Timer.A)


def test_stopped_timers_do_not_pile_up():
    queue = TimerQueue()
    queue.start("keep", Timer.A, 1e6)
    for turn in range(10_000):
        queue.start(turn, Timer.B, 1e5)
        queue.stop_all(turn)
        assert held(queue) < 1_000
    for _ in range(10_000):
        queue.start("keep", Timer.B, 1e5)
        assert held(queue) < 1_000
    assert len(queue) == 2
    assert queue.next_deadline() == 1e5


def test_the_deadline_of_one_timer():
    queue = TimerQueue()
    assert queue.deadline("x", Timer.A) is None
    queue.start("x", Timer.A, 2.0)
    assert queue.deadline("x", Timer.A) == 2.0
    assert queue.deadline("x", Timer.B) is None
    queue.start("x", Timer.B, 1.0)
    assert (queue.deadline("x", Timer.A), queue.deadline("x", Timer.B)) == (2.0, 1.0)
    queue.stop("x", Timer.A)
    assert queue.deadline("x", Timer.A) is None


def test_whatever_lengths_a_peer_asks_for_there_are_few_lanes():
    queue = TimerQueue()
    for at in range(1_000, 0, -1):
        queue.start(at, Timer.A, float(at))
    assert len(queue._lanes) <= 16
    assert [owner for owner, _ in popped(queue, 1_000.0)] == list(range(1, 1_001))
    assert held(queue) == 0


def test_dead_timers_at_the_front_do_not_hide_live_ones():
    queue = TimerQueue()
    for owner in range(40):
        queue.start(owner, Timer.A, 40.0 - owner)
        queue.start(owner, Timer.B, 100.0 + owner)
    for owner in range(1, 40):
        queue.stop(owner, Timer.A)
    assert queue.next_deadline() == 40.0
    assert popped(queue, 40.0) == [(0, Timer.A)]
    assert queue.next_deadline() == 100.0


class QueueAgainstModel(RuleBasedStateMachine):
    """The queue behaves like a dict that is searched every time."""

    def __init__(self):
        super().__init__()
        self.queue = TimerQueue()
        self.model = {}
        self.count = 0
        self.now = 0.0

    owners = st.integers(0, 3)
    timers = st.sampled_from([Timer.A, Timer.B, "own"])

    @rule(owner=owners, timer=timers, delay=st.integers(0, 40))
    def start(self, owner, timer, delay):
        self.count += 1
        self.queue.start(owner, timer, self.now + delay)
        self.model[owner, timer] = (self.now + delay, self.count)

    @rule(owner=owners, timer=timers)
    def stop(self, owner, timer):
        self.queue.stop(owner, timer)
        self.model.pop((owner, timer), None)

    @rule(owner=owners)
    def stop_all(self, owner):
        self.queue.stop_all(owner)
        self.model = {key: at for key, at in self.model.items() if key[0] != owner}

    @rule(seconds=st.integers(0, 30))
    def advance(self, seconds):
        self.now += seconds
        due = sorted((at, key) for key, at in self.model.items() if at[0] <= self.now)
        assert popped(self.queue, self.now) == [key for _, key in due]
        for _, key in due:
            del self.model[key]

    @invariant()
    def agrees(self):
        assert len(self.queue) == len(self.model)
        assert self.queue.next_deadline() == min((at for at, _ in self.model.values()), default=None)


TestQueueAgainstModel = QueueAgainstModel.TestCase
TestQueueAgainstModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_earliest_start_is_told_once() -> None:
    queue = TimerQueue()
    assert queue.take_earliest() == inf
    queue.start("a", "long", 9.0)
    queue.start("a", "short", 3.0)
    queue.stop("a", "short")
    assert queue.take_earliest() == 3.0, "stopping takes nothing back: who wakes up too early looks again"
    assert queue.take_earliest() == inf
    assert queue.next_deadline() == 9.0
