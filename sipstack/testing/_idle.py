"""Whether anything is left of what has ended."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

__all__ = ["assert_idle"]

_HELD = ("transactions", "dialogs", "invites", "requests", "superseded")
"What a core may hold, by the names its floors give it."


def assert_idle(endpoint_or_core: Any) -> None:
    """Assert that an endpoint, or a core, holds no transaction, no dialog and no timer.

    :raises AssertionError: it does; the message says what.
    """
    core = getattr(endpoint_or_core, "_core", endpoint_or_core)
    left: list[str] = []
    if isinstance(core, Sized) and len(core):
        left.append(f"{len(core)} transactions")
    for name in _HELD:
        held = getattr(core, name, None)
        if isinstance(held, Sized) and len(held):
            left.append(f"{len(held)} {name}")
    deadline = core.next_deadline()
    if deadline is not None:
        left.append(f"a timer for {deadline:g}")
    if core.outputs:
        left.append(f"outputs nobody took: {list(core.outputs)!r}")
    assert not left, f"not idle: {'; '.join(left)}"
