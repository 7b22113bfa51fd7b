"""Run a scenario on a virtual network and a virtual clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
import trio._core._run
from trio.testing import MockClock

from sipstack.trace import Trace
from sipstack.transport import unwrapping

from ._network import VirtualNetwork

__all__ = ["run"]


def run(
    scenario: Callable[[VirtualNetwork], Awaitable[object]],
    *,
    seed: int = 0,
    delay: float = 0.0,
    jitter: float = 0.0,
    loss: float = 0.0,
    duplicate: float = 0.0,
    reorder: float = 0.0,
    mtu: int | None = None,
    refuses: bool = False,
    ipv6: bool = False,
    limit: float = 86_400.0,
) -> Trace:
    """Run a scenario in virtual time, from 0, and return the trace of what crossed the network.

    The clock jumps to the next deadline whenever every task waits, so no time passes. The same seed gives the same run:
    it also fixes the order in which Trio runs tasks. Real sockets and threads have no place in a scenario: the clock
    would jump ahead of them. The other parameters are those of `VirtualNetwork`.

    :param limit: virtual seconds after which the scenario counts as waiting for what will never come.
    :raises AssertionError: the scenario left a socket or a connection open.
    :raises trio.TooSlowError: the limit was reached.
    """
    trace = Trace(maxlen=1_000_000)
    network = VirtualNetwork(
        seed=seed,
        delay=delay,
        jitter=jitter,
        loss=loss,
        duplicate=duplicate,
        reorder=reorder,
        mtu=mtu,
        refuses=refuses,
        ipv6=ipv6,
        trace=trace,
    )

    async def main() -> None:
        trace.start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(network.serve)
            with trio.fail_after(limit):
                await scenario(network)
            nursery.cancel_scope.cancel()

    # Trio runs the tasks of one batch in an order of its own random choice, and offers no other way to choose it.
    scheduler: Any = trio._core._run
    state, is_sorted = scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    scheduler._r.seed(seed)
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    try:
        with unwrapping():
            trio.run(main, clock=MockClock(autojump_threshold=0))
    finally:
        scheduler._r.setstate(state)
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = is_sorted
    left = network.open_things()
    assert not left, f"left open at the end of the scenario: {'; '.join(left)}"
    return trace
