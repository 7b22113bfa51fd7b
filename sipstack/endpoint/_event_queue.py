"""The bounded queue between the stack and one user's task.

The stack puts without waiting; one task gets. A full queue says so, and the peer is told 503: memory stays bounded
however slow the user is.
"""

from __future__ import annotations

from typing import Generic, Self, TypeVar

import trio

from sipstack.message import LocalProtocolError

__all__ = ["EventQueue"]

E = TypeVar("E")

# A user who never has to wait would keep every other task from running: so often the queue makes it step aside.
_FAIRNESS = 16


class EventQueue(Generic[E]):
    """Hold events until their one reader takes them."""

    __slots__ = ("_is_closed", "_items", "_limit", "_reader", "_taken")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # A list, short as it is: ten thousand held calls have ten thousand of these, and a deque is ten times as large.
        self._items: list[E] | None = None
        self._reader: trio.lowlevel.Task | None = None
        self._is_closed = False
        self._taken = 0

    @property
    def is_full(self) -> bool:
        """Whether the next `put` would be refused."""
        return self._items is not None and len(self._items) >= self._limit

    def put(self, event: E, *, beyond_limit: bool = False) -> bool:
        """Append an event; False when the queue is full or closed.

        :param beyond_limit: take it even so: for the events that end something, of which there is one.
        """
        items = self._items
        if self._is_closed:
            return False
        if items is None:
            self._items = [event]
        elif beyond_limit or len(items) < self._limit:
            items.append(event)
        else:
            return False
        if self._reader is not None:
            self._wake()
        return True

    def close(self) -> None:
        """Let the reader come to the end once it has taken what is there."""
        self._is_closed = True
        self._wake()

    def drain(self) -> list[E]:
        """Take out everything at once, waiting for nothing."""
        items = list(self._items or ())
        self._items = None
        return items

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            trio.lowlevel.reschedule(reader)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        if self._items:
            self._taken += 1
            if self._taken % _FAIRNESS:
                await trio.lowlevel.checkpoint_if_cancelled()
            else:
                await trio.lowlevel.checkpoint()
        else:
            if self._reader is not None:
                raise LocalProtocolError("two tasks wait for the same events; let one take them and pass them on")
            if self._is_closed:
                await trio.lowlevel.checkpoint()
                raise StopAsyncIteration
            self._reader = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        if not self._items:
            raise StopAsyncIteration
        return self._items.pop(0)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._reader = None
        return trio.lowlevel.Abort.SUCCEEDED
