"""Exceptions of nurseries, as callers want them: who wrote a block did not ask for tasks, nor for groups of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio

__all__ = ["open_quiet_nursery", "single_exception", "unwrapping"]


def single_exception(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return the one exception that a nursery's group holds beside cancellations, or None when there are more or none.

    Only the nursery's own group is taken apart: an exception that is a group itself is the user's.
    """
    found = [error for error in group.exceptions if not _is_cancellation(error)]
    return found[0] if len(found) == 1 else None


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)


@contextmanager
def unwrapping() -> Iterator[None]:
    """Raise the one exception of a nursery's group in its place, with the context it had."""
    try:
        yield
    except BaseExceptionGroup as group:
        single = single_exception(group)
        if single is None:
            raise
        cause, context, is_hidden = single.__cause__, single.__context__, single.__suppress_context__
        try:
            raise single
        finally:
            single.__cause__, single.__context__, single.__suppress_context__ = cause, context, is_hidden
            del single, cause, context  # a frame in the traceback must not hold on to it


@asynccontextmanager
async def open_quiet_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery that raises a lone exception as itself; its tasks are cancelled when the block ends."""
    with unwrapping():
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            yield nursery
            nursery.cancel_scope.cancel()
