"""What the command says when it ends, as numbers for scripts."""

from __future__ import annotations

from typing import Final

__all__ = ["BROKEN_PIPE", "FAILURE", "SUCCESS", "USAGE", "exit_code_of_response", "exit_code_of_signal"]

SUCCESS: Final = 0
FAILURE: Final = 1
"A timeout, or a failure of transport or of this machine."
USAGE: Final = 2
"What argparse exits with."
BROKEN_PIPE: Final = 141
"What a shell reports of a program that SIGPIPE ended: 128 + 13."


def exit_code_of_response(code: int) -> int:
    """Return 0 for a 2xx, and the class of any other final response: 4 for 486."""
    return SUCCESS if code // 100 == 2 else code // 100


def exit_code_of_signal(number: int) -> int:
    """Return what a shell reports of a program that a signal ended: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + number
