"""The trace: the last so many messages of a run, to be asked, drawn and written out."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ._ladder import draw_ladder
from ._passages import Passage, passages_of
from ._question import Question
from ._record import Address, Direction, Note, Record

__all__ = ["Trace", "Writer"]


class Writer(Protocol):
    """Take each record and note as it is made."""

    def write(self, record: Record | Note, /) -> None:
        """Write one record or note."""
        ...


class Trace:
    """Keep the last messages of a run and the notes between them, and hand each to the writers that subscribed.

    :param maxlen: how many records are kept, and how many notes; older ones are forgotten.

    ``names`` maps addresses, ``(host, port)`` or a host alone, to short names; fill it at any time.
    """

    def __init__(self, *, maxlen: int = 4_096) -> None:
        self.records: deque[Record] = deque(maxlen=maxlen)
        self.notes: deque[Note] = deque(maxlen=maxlen)
        self.names: dict[Address | str, str] = {}
        self.writers: list[Writer] = []
        self.failures: list[tuple[Writer, OSError | ValueError]] = []
        "Writers that were dropped because their file failed them, and how it did."
        self.start: float | None = None
        "The time of the first record or note ever made, forgotten or not: the zero of all relative times."

    def __len__(self) -> int:
        return len(self.records)

    def subscribe(self, writer: Writer) -> None:
        """Hand every record from now on to a writer.

        A full disk or a closed file must not end the calls that are being traced: a writer that fails is dropped, and
        ``failures`` tells.
        """
        self.writers.append(writer)

    def record(
        self, time: float, direction: Direction, transport: str, local: Address, remote: Address, data: bytes
    ) -> None:
        """Note one message: the bytes of exactly one datagram, or of one message of a stream."""
        record = Record(time, direction, transport, local, remote, data)
        if self.start is None:
            self.start = time
        self.records.append(record)
        if self.writers:
            self._write(record)

    def note(self, time: float, text: str) -> None:
        """Note what was decided: how a name was resolved, why a request goes elsewhere."""
        note = Note(time, text, self.records[-1] if self.records else None)
        if self.start is None:
            self.start = time
        self.notes.append(note)
        if self.writers:
            self._write(note)

    def _write(self, record: Record | Note) -> None:
        for writer in tuple(self.writers):
            try:
                writer.write(record)
            except (OSError, ValueError) as error:  # a closed file is a ValueError
                self.writers.remove(writer)
                self.failures.append((writer, error))

    def passages(self) -> list[Passage]:
        """List the messages, each once even if both of its ends were recorded."""
        return passages_of(self.records, self.names)

    def times(self, question: str) -> list[float]:
        """List when messages were sent, in seconds after the first record, to the microsecond.

        :param question: such as ``"b>a 200 INVITE"``; see `Question`.
        """
        asked = Question.parse(question)
        start = self.start or 0.0
        return [
            round(passage.time - start, 6)
            for passage in self.passages()
            if asked.matches(passage.sender, passage.receiver, passage.record.summary)
        ]

    def ladder(self) -> str:
        """Draw what is kept, notes included, as a ladder diagram of at most 100 columns, for up to seven parties."""
        return draw_ladder(self._entries(), self.start or 0.0)

    def _entries(self) -> list[Passage | Note]:
        """List passages and notes in the order in which they were made."""
        places = {id(record): place for place, record in enumerate(self.records)}
        notes = deque((places.get(id(note.after), -1), note) for note in self.notes)
        entries: list[Passage | Note] = []
        for passage in self.passages():
            while notes and notes[0][0] < places[id(passage.record)]:
                entries.append(notes.popleft()[1])
            entries.append(passage)
        return [*entries, *(note for _, note in notes)]
