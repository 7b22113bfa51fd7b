"""How a machine's table is written down, checked and made ready for the hot path.

``(state, input): ((action, …), next state)`` is an edge, as in the RFC's figure. Beside the edges stand the pairs that
are absorbed, because the peer or the network may cause them at any time, and the pairs that are refused, because only
our own user can. The three together are every pair there is; tests prove it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from sipstack.timers import Timer

from ._effects import Effect
from ._state import Input, State

__all__ = ["Action", "Edge", "Pair", "Resolved", "Table", "resolve"]

Machine = TypeVar("Machine")

Action: TypeAlias = Callable[[Machine, list[Effect]], None]
Edge: TypeAlias = tuple[tuple[Action[Machine], ...], State]
Pair: TypeAlias = tuple[State, Input | Timer]
Table: TypeAlias = Mapping[Pair, Edge[Machine]]
Resolved: TypeAlias = dict[State, dict[Input | Timer, Edge[Machine]]]


def resolve(table: Table[Machine], absorbed: frozenset[Pair]) -> Resolved[Machine]:
    """Sort a table by state, with an edge back to the same state for each absorbed pair."""
    resolved: Resolved[Machine] = {}
    for (state, input_), edge in table.items():
        resolved.setdefault(state, {})[input_] = edge
    for state, input_ in absorbed:
        resolved.setdefault(state, {})[input_] = ((), state)
    return resolved
