"""Exception groups of one, taken apart: a user's plain ``except`` must work across our context managers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

__all__ = ["open_quiet_nursery"]


def _single(error: BaseException) -> BaseException:
    """Return the one exception that matters in a group, or the group when there are several."""
    while isinstance(error, BaseExceptionGroup):
        real = [inner for inner in error.exceptions if not isinstance(inner, trio.Cancelled)]
        if len(real) != 1:
            return error
        error = real[0]
    return error


@asynccontextmanager
async def open_quiet_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery that raises a lone exception as itself; its tasks are cancelled when the block ends."""
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = _single(group)
        if error is group:
            raise
        raise error from error.__cause__
