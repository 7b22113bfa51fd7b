"""The ``sipstack`` command."""

from ._main import main

__all__ = ["main"]
