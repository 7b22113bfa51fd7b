"""Where the hook is asked about what goes out, and where what it puts off waits."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import OrderedDict
from collections.abc import Callable

import attrs
import trio

from sipstack.outbound import Emission, Hook, outbound_of
from sipstack.transactions import Send

from ._context import Counters
from ._network import HostPort

__all__ = ["Outlet"]

_DELAYED = 10_000
"Emissions that wait for their time at once; more are dropped, and counted as shed."
_REMEMBERED = 16_384
"Messages last sent whose copies are counted: those of 16 s, the longest pause of Timer A, at 1,000 a second."


class Outlet:
    """Ask a hook about each message, and send what it says when it says.

    `take` is a plain call; `serve` is the task that sends what was put off, and raises what the hook raised.
    """

    def __init__(self, hook: Hook, send: Callable[[Send], None], flush: Callable[[], None], counters: Counters) -> None:
        self._hook: Hook | None = hook
        self._send = send
        self._flush = flush
        self._counters = counters
        self._numbers: OrderedDict[tuple[HostPort, bytes], int] = OrderedDict()
        self._later: list[tuple[float, int, Send]] = []
        self._serial = itertools.count()
        self._alarm = trio.CancelScope()
        self._failure: Exception | None = None

    def take(self, output: Send) -> None:
        """Send what the hook makes of a message; after its failure, messages go out as they are."""
        emissions = self._ask(output)
        if emissions is None:
            self._send(output)
            return
        for emission in emissions:
            sent = attrs.evolve(output, data=emission.data)
            if not emission.delay:
                self._send(sent)
            elif len(self._later) >= _DELAYED:
                self._counters.sends_shed += 1
            else:
                due = trio.current_time() + emission.delay
                heapq.heappush(self._later, (due, next(self._serial), sent))
                self._alarm.deadline = min(self._alarm.deadline, due)

    def _ask(self, output: Send) -> list[Emission] | None:
        if self._hook is None:
            return None
        try:
            emissions = self._hook(outbound_of(output, self._count(output)))
            return None if emissions is None else list(emissions)
        except Exception as error:  # noqa: BLE001  (raised by `serve`: whoever calls flush has not written the hook)
            self._hook = None
            self._failure = error
            self._alarm.cancel()
            return None

    def _count(self, output: Send) -> int:
        key = (output.flow.remote, output.data)
        numbers = self._numbers
        number = numbers.pop(key, 0) + 1
        numbers[key] = number
        if len(numbers) > _REMEMBERED:
            numbers.popitem(last=False)
        return number

    async def serve(self) -> None:
        """Send what was put off when its time comes, until cancelled.

        :raises Exception: the hook raised it.
        """
        later = self._later
        while self._failure is None:
            self._alarm = trio.CancelScope(deadline=later[0][0] if later else math.inf)
            with self._alarm:
                await trio.sleep_forever()
            now = trio.current_time()
            while later and later[0][0] <= now:
                self._send(heapq.heappop(later)[2])
            self._flush()  # a failed send may have made the core say something
        failure, self._failure = self._failure, None
        try:
            raise failure
        finally:
            del failure  # its traceback must not hold on to it

    def close(self) -> None:
        """Drop what waits; what the core still says fails at once, as all does without sockets."""
        self._hook = None
        self._later.clear()
        self._numbers.clear()
