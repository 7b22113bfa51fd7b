"""The timer queue: every timer of every owner, in the order in which they fire.

Owners and timers are any hashable things; times are seconds on whatever clock the caller keeps. Whoever drives it calls
``next_deadline()``, sleeps until then, and calls ``pop_due(now)`` until that returns None.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from math import inf
from typing import TypeAlias

__all__ = ["TimerQueue"]

_SLACK = 256  # dead entries that are never worth a search for them
_LANES = 16  # SIP's own delays are fewer than that: 0.2, 0.5, 1, 2, 3.5, 4, 5, 32, 60 and 181 s

_Live: TypeAlias = tuple[float, Hashable, Hashable]
"When a timer fires, its owner and its name."


class TimerQueue:
    """Keep running timers in the order in which they fire.

    Nearly all timers of SIP run for one of a few lengths of time, so those of one length are started in the order in
    which they fire. Each takes its place at the end of a lane that stays in order by it, the last such lane; so each
    length soon has a lane of its own, and a start costs the same however many timers run. What fits into no lane goes
    on a heap. Timers due at the same time fire in the order they were started.

    Lanes and heap hold serials, which weigh nothing and hold on to nobody. A stopped timer leaves its serial there and is
    otherwise forgotten at once; dead serials are taken out when they outnumber live ones.
    """

    __slots__ = ("_earliest", "_heap", "_held", "_lanes", "_live", "_owners", "_serial", "_soonest", "_tails")

    def __init__(self) -> None:
        self._live: dict[int, _Live] = {}
        # The serial of the one timer of an owner, as most have, or those of all of them by name.
        self._owners: dict[Hashable, int | dict[Hashable, int]] = {}
        self._lanes: list[deque[int]] = []
        # When the last timer of each lane fires; in order, by the way lanes are chosen.
        self._tails: list[float] = []
        self._heap: list[tuple[float, int]] = []
        # The live timer that fires next; None when it must be looked for.
        self._soonest: tuple[float, int] | None = None
        self._serial = 0
        self._held = 0
        self._earliest = inf  # of those started since somebody asked

    def start(self, owner: Hashable, timer: Hashable, at: float) -> None:
        """Start a timer that fires at ``at``; one of the same name that runs already is replaced."""
        self._serial = serial = self._serial + 1
        live = self._live
        owners = self._owners
        running = owners.get(owner)
        if running is None:
            owners[owner] = serial
        elif isinstance(running, dict):
            replaced = running.get(timer)
            if replaced is not None:
                self._kill(replaced)
            running[timer] = serial
        else:
            other = live[running][2]
            if other == timer:
                self._kill(running)
                owners[owner] = serial
            else:
                owners[owner] = {other: running, timer: serial}
        live[serial] = (at, owner, timer)
        tails = self._tails
        place = bisect_right(tails, at) - 1
        if place >= 0:
            self._lanes[place].append(serial)
            tails[place] = at
        else:
            self._start_early(serial, at)
        if at < self._earliest:
            self._earliest = at
        soonest = self._soonest
        if soonest is not None and at < soonest[0]:
            self._soonest = (at, serial)
        self._held = held = self._held + 1
        # Only a start makes the queue longer, so this is the one place where it has to be checked.
        if held > 2 * len(live) + _SLACK:
            self._drop_dead()

    def _start_early(self, serial: int, at: float) -> None:
        """Find a place for what fires before the end of every lane."""
        if len(self._lanes) >= _LANES:
            self._tails = [tail for tail, lane in zip(self._tails, self._lanes, strict=True) if lane]
            self._lanes = [lane for lane in self._lanes if lane]
        if len(self._lanes) < _LANES:
            self._lanes.insert(0, deque((serial,)))
            self._tails.insert(0, at)
        else:
            heappush(self._heap, (at, serial))

    def stop(self, owner: Hashable, timer: Hashable) -> None:
        """Stop a timer; nothing happens if it does not run."""
        running = self._owners.get(owner)
        if running is None:
            return
        if isinstance(running, dict):
            serial = running.pop(timer, None)
            if serial is None:
                return
            if not running:
                del self._owners[owner]
            self._kill(serial)
        elif self._live[running][2] == timer:
            del self._owners[owner]
            self._kill(running)

    def stop_all(self, owner: Hashable) -> None:
        """Stop every timer of an owner."""
        running = self._owners.pop(owner, None)
        if isinstance(running, dict):
            for serial in running.values():
                self._kill(serial)
        elif running is not None:
            self._kill(running)

    def _kill(self, serial: int) -> None:
        del self._live[serial]
        soonest = self._soonest
        if soonest is not None and soonest[1] == serial:
            self._soonest = None

    def _drop_dead(self) -> None:
        live = self._live
        self._lanes = [deque([serial for serial in lane if serial in live]) for lane in self._lanes]
        self._heap = [entry for entry in self._heap if entry[1] in live]
        heapify(self._heap)
        self._held = len(live)

    def _find_soonest(self) -> tuple[float, int] | None:
        live = self._live
        heap = self._heap
        while heap and heap[0][1] not in live:
            heappop(heap)
            self._held -= 1
        soonest = heap[0] if heap else None
        for lane in self._lanes:
            while lane:
                serial = lane[0]
                first = live.get(serial)
                if first is not None:
                    at = first[0]
                    if soonest is None or at < soonest[0] or (at == soonest[0] and serial < soonest[1]):
                        soonest = (at, serial)
                    break
                lane.popleft()
                self._held -= 1
        self._soonest = soonest
        return soonest

    def next_deadline(self) -> float | None:
        """Return when the next timer fires, or None when none runs."""
        soonest = self._soonest or self._find_soonest()
        return None if soonest is None else soonest[0]

    def take_earliest(self) -> float:
        """Return when the earliest of the timers started since the last call was to fire; infinity when there are none.

        It may have been stopped since. Who is to wake up for some other timer learns so, without a search, whether that
        will do.
        """
        earliest, self._earliest = self._earliest, inf
        return earliest

    def pop_due(self, now: float) -> tuple[Hashable, Hashable] | None:
        """Take the next ``(owner, timer)`` that fires at or before ``now``, or return None."""
        soonest = self._soonest or self._find_soonest()
        if soonest is None or soonest[0] > now:
            return None
        _, owner, timer = self._live[soonest[1]]
        self.stop(owner, timer)
        return owner, timer

    def deadline(self, owner: Hashable, timer: Hashable) -> float | None:
        """Return when a timer fires, None if it does not run."""
        running = self._owners.get(owner)
        serial = running.get(timer) if isinstance(running, dict) else running
        if serial is None:
            return None
        at, _, name = self._live[serial]
        return at if name == timer else None

    def is_running(self, owner: Hashable, timer: Hashable) -> bool:
        """Tell whether a timer runs."""
        running = self._owners.get(owner)
        if running is None:
            return False
        return timer in running if isinstance(running, dict) else self._live[running][2] == timer

    def __len__(self) -> int:
        return len(self._live)
