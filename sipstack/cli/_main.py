"""From a command line to an exit code."""

from __future__ import annotations

import sys
from typing import Final

from ._answer import answer
from ._arguments import parse_arguments
from ._call import call
from ._demo import demo
from ._output import tolerate_encoding
from ._register import register
from ._requests import message, options
from ._run import Command, run

__all__ = ["main"]

_COMMANDS: Final[dict[str, Command]] = {
    "answer": answer,
    "call": call,
    "demo": demo,
    "message": message,
    "options": options,
    "register": register,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    :param arguments: all after the program's name; those of the process if None.
    """
    tolerate_encoding(sys.stdout, sys.stderr)
    parsed = parse_arguments(arguments)
    return run(_COMMANDS[parsed.command], parsed)
