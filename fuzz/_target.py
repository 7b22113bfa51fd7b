"""What a target is, and which there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import attrs
from hypothesis.strategies import SearchStrategy

__all__ = ["CORPUS", "NAMES", "Target", "load"]

CORPUS = Path(__file__).parent / "corpus"

NAMES = (
    "parse",
    "framing",
    "headers",
    "bodies",
    "uris",
    "sdp",
    "digest",
    "transactions",
    "endpoint",
    "linear",
    "differential",
)
"Each is a module beside this one."


@attrs.frozen
class Target:
    """Hold one thing that is fuzzed.

    :param check: raises when its input breaks the invariant.
    :param draws: inputs made from the grammar, for what random bytes would never reach.
    """

    name: str
    invariant: str
    check: Callable[[bytes], None]
    draws: SearchStrategy[bytes]

    @property
    def corpus(self) -> Path:
        """The folder of its seeds."""
        return CORPUS / self.name

    def seeds(self) -> list[bytes]:
        """Read the seeds, in order of their names."""
        return [path.read_bytes() for path in sorted(self.corpus.iterdir())]


def load(name: str) -> Target:
    """Import the module of a target."""
    module = importlib.import_module(f"fuzz.{name}")
    invariant = (module.__doc__ or "").splitlines()[0]
    return Target(name, invariant, module.check, module.DRAWS)
