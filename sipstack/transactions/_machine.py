"""What all four machines are: a state, and a table that says what comes next."""

from __future__ import annotations

from typing import Any, ClassVar

from sipstack.timers import Timer

from ._effects import Effect
from ._state import Input, State
from ._table import Edge, Resolved

__all__ = ["Machine"]


class Machine:
    """Walk one table; a machine's module binds its table to its class."""

    __slots__ = ("state",)

    entry: ClassVar[Edge[Any]]
    edges: ClassVar[Resolved[Any]]

    state: State

    def start(self) -> list[Effect]:
        """Enter the first state."""
        return self._take(self.entry)

    def step(self, input_: Input | Timer) -> list[Effect]:
        """Take one edge of the table."""
        # As _take, one call less: this is the middle of everything.
        effects: list[Effect] = []
        actions, state = self.edges[self.state][input_]
        for action in actions:
            action(self, effects)
        self.state = state
        return effects

    def _take(self, edge: Edge[Any]) -> list[Effect]:
        effects: list[Effect] = []
        actions, state = edge
        for action in actions:
            action(self, effects)
        self.state = state
        return effects
