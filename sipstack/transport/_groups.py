"""Exceptions of nurseries, as callers want them."""

from __future__ import annotations

import trio

__all__ = ["single_exception"]


def single_exception(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return the one exception in a group, cancellations aside, or None when there are more or none.

    A context manager that has a nursery inside raises it in the group's place: who wrote the block did not ask for
    tasks.
    """
    found: list[BaseException] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            inner = single_exception(error)
            if inner is None:
                if _is_cancelled_only(error):
                    continue
                return None
            found.append(inner)
        elif not isinstance(error, trio.Cancelled):
            found.append(error)
    return found[0] if len(found) == 1 else None


def _is_cancelled_only(group: BaseExceptionGroup[BaseException]) -> bool:
    return group.split(trio.Cancelled)[1] is None
