"""What a command prints: a line per event as text or as JSON on standard output, errors on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import TextIO

import trio

__all__ = ["Output", "abandon_broken_streams", "printable", "sentence", "tolerate_encoding"]


def printable(text: str) -> str:
    """Replace what a terminal might obey instead of show: phrases and texts come from the network."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in text)


def sentence(error: BaseException) -> str:
    """Say what an error says, as one line that ends with a full stop."""
    text = error.strerror if isinstance(error, OSError) and error.strerror and not error.filename else str(error)
    text = printable(" ".join(text.split()) or type(error).__name__)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def tolerate_encoding(*streams: TextIO | None) -> None:
    """Let a stream of a narrow encoding show a question mark for what it cannot, rather than fail."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


class Output:
    """Print events and errors of one command.

    Whoever reads standard output may go away. That ends the command as a signal would: ``scope`` is cancelled, so that
    calls are hung up, and ``failure`` holds the reason.

    :param command: how error messages call the command: ``sipstack call``.
    :param is_json: print events as JSON objects, one a line.
    """

    def __init__(self, command: str, *, is_json: bool = False) -> None:
        self.scope: trio.CancelScope | None = None
        self.failure: OSError | None = None
        self._command = command
        self._is_json = is_json

    def event(self, name: str, text: str | None = None, /, **fields: object) -> None:
        """Print one event.

        :param text: the line for people; None if they are not to be told.
        :param fields: what the JSON object holds besides ``event`` and ``time`` (seconds since 1970).
        """
        if self._is_json:
            self.line(json.dumps({"time": round(time.time(), 6), "event": name, **fields}))
        elif text is not None:
            self.line(printable(text))

    def line(self, text: str) -> None:
        """Print one line, or several, just as they are."""
        if self.failure is not None:
            return
        try:
            print(text, flush=True)
        except OSError as error:
            self.failure = error
            if self.scope is not None:
                self.scope.cancel()

    def error(self, text: str) -> None:
        """Print one sentence to standard error."""
        # Nobody is left to tell that standard error is closed.
        with contextlib.suppress(OSError):
            print(f"{self._command}: {text}", file=sys.stderr, flush=True)


def abandon_broken_streams() -> None:
    """Point standard streams that fail at nothing, so that the interpreter's last flush is quiet."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nothing, stream.fileno())
            finally:
                os.close(nothing)
