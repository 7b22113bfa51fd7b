"""The ladder diagram: one column per party, time downwards, an arrow per message (as :rfc:`3665` draws calls).

Only the method or status, the CSeq method and marks are drawn: no URI, header field or body, so no credentials.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

import attrs

from ._passages import Passage
from ._record import Note

__all__ = ["Diagram", "draw_ladder", "parties_of"]

_TIME_WIDTH: Final = 10
_TOTAL_WIDTH: Final = 100
_WIDEST_COLUMN: Final = 40
_NARROWEST_COLUMN: Final = 12


def _printable(text: str) -> str:
    """Keep what surely takes one cell; a phrase from the network may hold anything, terminal commands included."""
    return "".join(c if c.isprintable() and c < "\u0250" else "?" for c in text)


def _label(passage: Passage, room: int) -> str:
    """Say what a message is, as wordily as there is room for; the marks are never cut off."""
    summary = passage.record.summary
    if summary.is_keepalive:
        return "keep-alive"[:room]
    again = passage.is_retransmission
    marks = [word for word, applies in (("SDP", summary.has_sdp), ("again", again)) if applies]
    if summary.code is not None:
        method = _printable(summary.cseq_method or "?")
        short = f"{summary.code} {method}"
        named = f"{summary.code} {_printable(summary.phrase or '')}".rstrip()
        long = f"{named} ({', '.join([method, *marks])})"
    else:
        short = _printable(summary.method) if summary.method else f"{len(passage.record.data)} bytes, no SIP"
        long = f"{short} ({', '.join(marks)})" if marks else short
    sign = "↻" if again else ""
    suffix = ("+" if summary.has_sdp else "") + sign
    for label in (long, f"{short}{' SDP' if summary.has_sdp else ''}{' ' if again else ''}{sign}", short + suffix):
        if len(label) <= room:
            return label
    return f"{short[: max(0, room - len(suffix) - 1)]}…{suffix}"


def parties_of(passages: Sequence[Passage]) -> list[str]:
    """List the parties in order of appearance."""
    parties: dict[str, None] = {}
    for passage in passages:
        parties.setdefault(passage.sender)
        parties.setdefault(passage.receiver)
    return list(parties)


@attrs.frozen
class Diagram:
    """Know where the columns of so many parties stand, and draw one line at a time.

    Widths depend on the number of parties alone. Up to seven fit in 100 columns; more take what they need.
    """

    parties: tuple[str, ...]
    start: float = 0.0
    "The time that is drawn as zero."

    @property
    def column(self) -> int:
        """Return the distance between two lifelines."""
        fair = (_TOTAL_WIDTH - _TIME_WIDTH) // max(1, len(self.parties))
        return max(_NARROWEST_COLUMN, min(_WIDEST_COLUMN, fair))

    @property
    def width(self) -> int:
        """Return the columns a line may take."""
        return _TIME_WIDTH + self.column * len(self.parties)

    def _position(self, party: str) -> int:
        return _TIME_WIDTH + self.column // 2 + self.column * self.parties.index(party)

    def _lifelines(self) -> list[str]:
        cells = [" "] * self.width
        for party in self.parties:
            cells[self._position(party)] = "│"
        return cells

    def _titles(self) -> dict[str, str]:
        return {
            party: _printable(party) if len(party) < self.column else f"({number})"
            for number, party in enumerate(self.parties, 1)
        }

    def header(self) -> list[str]:
        """Draw the names over the columns, and above them the names that are too long for one."""
        titles = self._titles()
        lines = [f"{title} = {_printable(party)}" for party, title in titles.items() if title != _printable(party)]
        cells = [" "] * self.width
        for party, title in titles.items():
            begin = self._position(party) - len(title) // 2
            cells[begin : begin + len(title)] = title
        return [*lines, "".join(cells).rstrip(), "".join(self._lifelines()).rstrip()]

    def line(self, passage: Passage) -> str:
        """Draw one message."""
        cells = self._lifelines()
        if passage.sender == passage.receiver:
            self._draw_loop(cells, passage)
        else:
            self._draw_arrow(cells, passage)
        time = f"{passage.time - self.start:{_TIME_WIDTH - 2}.3f}"
        if len(time) >= _TIME_WIDTH:
            time = f"{passage.time - self.start:{_TIME_WIDTH - 2}.0f}"
        cells[: len(time)] = time
        return "".join(cells).rstrip()

    def note(self, note: Note) -> list[str]:
        """Write what was noted across the lifelines."""
        begin = f"{note.time - self.start:{_TIME_WIDTH - 2}.3f}".ljust(_TIME_WIDTH)
        return textwrap.wrap(
            _printable(note.text),
            _TOTAL_WIDTH,
            initial_indent=f"{begin}* ",
            subsequent_indent=" " * (_TIME_WIDTH + 2),
            break_on_hyphens=False,
        )

    def _draw_loop(self, cells: list[str], passage: Passage) -> None:
        """Put the words beside the lifeline, with a sign in place of an arrow: it goes nowhere."""
        at = self._position(passage.sender)
        if len(self.parties) > 1 and passage.sender == self.parties[-1]:
            text = f"{_label(passage, self.column - 3)} ↪"
            cells[at - len(text) : at] = text
        else:
            text = f"↩ {_label(passage, (self.column if len(self.parties) > 1 else self.column // 2) - 3)}"
            cells[at + 1 : at + 1 + len(text)] = text

    def _draw_arrow(self, cells: list[str], passage: Passage) -> None:
        sender, receiver = self._position(passage.sender), self._position(passage.receiver)
        left, right = min(sender, receiver), max(sender, receiver)
        for at in range(left + 1, right):
            cells[at] = "┼" if cells[at] == "│" else "─"
        head = "✗" if passage.is_lost else "▶" if receiver > sender else "◀"
        cells[receiver - 1 if receiver > sender else receiver + 1] = head
        # What the words may cover: all between the lifelines but the head and a dash at the sender's.
        begin, room = left + 2, right - left - 3
        label = _label(passage, room)
        if len(label) + 2 <= room:
            label = f" {label} "
        begin += (room - len(label) + (receiver < sender)) // 2
        cells[begin : begin + len(label)] = label


def draw_ladder(entries: Sequence[Passage | Note], start: float) -> str:
    """Draw the whole ladder."""
    if not entries:
        return "(nothing recorded)"
    diagram = Diagram(tuple(parties_of([entry for entry in entries if isinstance(entry, Passage)])), start)
    lines = diagram.header()
    for entry in entries:
        if isinstance(entry, Note):
            lines += diagram.note(entry)
        else:
            lines.append(diagram.line(entry))
    return "\n".join(lines)
