"""Writers that follow a run: the ladder as it grows, and one JSON object per message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ._ladder import Diagram
from ._masking import mask_credentials
from ._passages import LivePassages, Names, Passage
from ._record import Note, Record

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["JsonLinesWriter", "LadderWriter", "RichLadderWriter", "TextStream"]


class TextStream(Protocol):
    """Take text: any file opened for writing text."""

    def write(self, text: str, /) -> object:
        """Write it."""
        ...

    def flush(self) -> object:
        """Let it be seen."""
        ...


_Emit: TypeAlias = Callable[[str, Passage | None], None]


class _LiveLadder:
    """Draw line by line, and the header anew whenever a party appears that was not there before."""

    def __init__(self, emit: _Emit, names: Names) -> None:
        self._emit = emit
        self._passages = LivePassages(names)
        self._diagram: Diagram | None = None

    def write(self, record: Record | Note) -> None:
        if isinstance(record, Note):
            for line in (self._diagram or Diagram((), record.time)).note(record):
                self._emit(line, None)
            return
        passage = self._passages.feed(record)
        if passage is None:
            return
        diagram = self._diagram or Diagram((), record.time)
        new = dict.fromkeys(party for party in (passage.sender, passage.receiver) if party not in diagram.parties)
        if new:
            self._diagram = diagram = Diagram((*diagram.parties, *new), diagram.start)
            for line in diagram.header():
                self._emit(line, None)
        self._emit(diagram.line(passage), passage)


class LadderWriter:
    """Draw each message as a line of a ladder when it happens.

    :param stream: a text file; each line is flushed.
    :param names: short names as in :attr:`Trace.names`; names added later count.
    """

    def __init__(self, stream: TextStream, *, names: Names | None = None) -> None:
        self._stream = stream
        self._ladder = _LiveLadder(self._emit, {} if names is None else names)

    def write(self, record: Record | Note) -> None:
        """Draw one record, unless its other end was drawn before, or one note."""
        self._ladder.write(record)

    def _emit(self, line: str, _passage: Passage | None) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


_STYLES = {1: "cyan", 2: "green", 3: "yellow", 4: "red", 5: "red", 6: "red"}


class RichLadderWriter:
    """Draw the same ladder in colour, with rich: requests bold, responses by class, retransmissions dim.

    :param console: where to; standard output if None.
    """

    def __init__(self, console: Console | None = None, *, names: Names | None = None) -> None:
        try:
            from rich.console import Console
        except ImportError as error:
            raise ImportError(
                "RichLadderWriter needs rich, which is not installed: install sipstack[live], or use LadderWriter."
            ) from error
        self._console = Console() if console is None else console
        self._ladder = _LiveLadder(self._emit, {} if names is None else names)

    def write(self, record: Record | Note) -> None:
        """Draw one record, unless its other end was drawn before, or one note."""
        self._ladder.write(record)

    def _emit(self, line: str, passage: Passage | None) -> None:
        style = "dim"
        if passage is not None:
            code = passage.record.code
            style = "bold" if code is None else _STYLES[code // 100] if code < 700 else "red"
            if passage.is_retransmission:
                style = f"dim {style}"
        self._console.print(line, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)


class JsonLinesWriter:
    """Write one JSON object per record, with credentials masked.

    Bytes that are not UTF-8 are written as backslash escapes: the text is for reading, a pcap is for the exact bytes.
    """

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream

    def write(self, record: Record | Note) -> None:
        """Write one record or note as a line."""
        if isinstance(record, Note):
            self._write_line({"time": record.time, "note": record.text})
            return
        summary = record.summary
        self._write_line(
            {
                "time": record.time,
                "direction": record.direction,
                "transport": record.transport,
                "local": list(record.local),
                "remote": list(record.remote),
                "method": summary.method,
                "code": summary.code,
                "cseq": summary.sequence,
                "cseq_method": summary.cseq_method,
                "call_id": summary.call_id,
                "size": len(record.data),
                "text": mask_credentials(record.data).decode("utf-8", "backslashreplace"),
            }
        )

    def _write_line(self, line: dict[str, object]) -> None:
        self._stream.write(f"{json.dumps(line, ensure_ascii=False)}\n")
        self._stream.flush()
