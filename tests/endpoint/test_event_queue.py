"""The bounded queue between the stack and one user's task."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import sipstack as sip
from sipstack.endpoint import EventQueue


def run(function) -> None:
    trio.run(function, clock=MockClock(autojump_threshold=0))


def test_events_come_in_order_and_end() -> None:
    async def main() -> None:
        queue: EventQueue[int] = EventQueue(10)
        assert queue.put(1)
        assert queue.put(2)
        queue.close()
        assert not queue.put(3)
        assert [each async for each in queue] == [1, 2]
        assert [each async for each in queue] == []

    run(main)


def test_full_queue_refuses_but_takes_an_end() -> None:
    queue: EventQueue[int] = EventQueue(2)
    assert not queue.is_full
    assert [queue.put(each) for each in range(3)] == [True, True, False]
    assert queue.is_full
    assert queue.put(9, beyond_limit=True)
    assert queue.drain() == [0, 1, 9]
    assert queue.drain() == []
    assert queue.put(4)


def test_reader_that_waits_is_woken() -> None:
    async def main() -> None:
        queue: EventQueue[int] = EventQueue(2)
        taken = []

        async def read() -> None:
            taken.extend([each async for each in queue])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.sleep(1)
            queue.put(1)
            queue.put(2)
            await trio.sleep(1)
            assert taken == []  # the task still iterates
            queue.close()
        assert taken == [1, 2]

    run(main)


def test_cancelled_reader_loses_nothing() -> None:
    async def main() -> None:
        queue: EventQueue[int] = EventQueue(2)
        with trio.move_on_after(1) as scope:
            await anext(queue)
        assert scope.cancelled_caught
        queue.put(1)
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(queue)
        assert scope.cancelled_caught
        assert await anext(queue) == 1

    run(main)


def test_two_readers_are_our_own_error() -> None:
    async def main() -> None:
        queue: EventQueue[int] = EventQueue(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(anext, queue)
            await trio.sleep(1)
            with pytest.raises(sip.LocalProtocolError, match="two tasks wait for the same events"):
                await anext(queue)
            queue.put(1)

    run(main)


def test_reader_that_never_waits_steps_aside() -> None:
    async def main() -> None:
        queue: EventQueue[int] = EventQueue(1000)
        for each in range(100):
            queue.put(each)
        queue.close()
        others = 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            assert len([each async for each in queue]) == 100
            nursery.cancel_scope.cancel()
        assert others >= 5

    run(main)
