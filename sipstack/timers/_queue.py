"""The timer queue: one heap for every timer of every owner.

Owners and timers are any hashable things; times are seconds on whatever clock the caller keeps. Whoever drives it calls
``next_deadline()``, sleeps until then, and calls ``pop_due(now)`` until that returns None.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush

__all__ = ["TimerQueue"]

_SLACK = 256  # dead heap entries that are never worth a rebuild


class TimerQueue:
    """Keep running timers in the order in which they fire.

    A stopped timer leaves a dead entry in the heap, known by its serial, and is otherwise forgotten at once; the heap
    is rebuilt when dead entries outnumber live ones. Timers due at the same time fire in the order they were started.
    """

    __slots__ = ("_heap", "_live", "_owners", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._live: dict[int, tuple[Hashable, Hashable]] = {}
        self._owners: dict[Hashable, dict[Hashable, int]] = {}
        self._serial = 0

    def start(self, owner: Hashable, timer: Hashable, at: float) -> None:
        """Start a timer that fires at ``at``; one of the same name that runs already is replaced."""
        live = self._live
        heap = self._heap
        self._serial = serial = self._serial + 1
        timers = self._owners.get(owner)
        if timers is None:
            self._owners[owner] = {timer: serial}
        else:
            replaced = timers.get(timer)
            if replaced is not None:
                del live[replaced]
            timers[timer] = serial
        live[serial] = (owner, timer)
        heappush(heap, (at, serial))
        # Only a start makes the heap longer, so this is the one place where it has to be checked.
        if len(heap) > 2 * len(live) + _SLACK:
            heap[:] = [entry for entry in heap if entry[1] in live]
            heapify(heap)

    def stop(self, owner: Hashable, timer: Hashable) -> None:
        """Stop a timer; nothing happens if it does not run."""
        timers = self._owners.get(owner)
        if timers is None:
            return
        serial = timers.pop(timer, None)
        if serial is None:
            return
        del self._live[serial]
        if not timers:
            del self._owners[owner]

    def stop_all(self, owner: Hashable) -> None:
        """Stop every timer of an owner."""
        timers = self._owners.pop(owner, None)
        if timers is not None:
            live = self._live
            for serial in timers.values():
                del live[serial]

    def next_deadline(self) -> float | None:
        """Return when the next timer fires, or None when none runs."""
        heap = self._heap
        live = self._live
        while heap:
            at, serial = heap[0]
            if serial in live:
                return at
            heappop(heap)
        return None

    def pop_due(self, now: float) -> tuple[Hashable, Hashable] | None:
        """Take the next ``(owner, timer)`` that fires at or before ``now``, or return None."""
        heap = self._heap
        live = self._live
        while heap:
            at, serial = heap[0]
            fired = live.get(serial)
            if fired is None:
                heappop(heap)
                continue
            if at > now:
                return None
            heappop(heap)
            del live[serial]
            owner, timer = fired
            timers = self._owners[owner]
            del timers[timer]
            if not timers:
                del self._owners[owner]
            return fired
        return None

    def deadline(self, owner: Hashable, timer: Hashable) -> float | None:
        """Return when a timer fires, None if it does not run; a look through all timers, for rare use."""
        serial = self._owners.get(owner, {}).get(timer)
        return None if serial is None else next(at for at, number in self._heap if number == serial)

    def is_running(self, owner: Hashable, timer: Hashable) -> bool:
        """Tell whether a timer runs."""
        timers = self._owners.get(owner)
        return timers is not None and timer in timers

    def __len__(self) -> int:
        return len(self._live)
