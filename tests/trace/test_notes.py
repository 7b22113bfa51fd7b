"""Notes: what was decided between the messages."""

from __future__ import annotations

import io
import json

import pytest

from sipstack.trace import JsonLinesWriter, LadderWriter, Note, PcapWriter, Record, RichLadderWriter, Trace

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
OPTIONS = b"OPTIONS sip:b SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n"
OK = b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n"


def noted(**keywords: int) -> Trace:
    trace = Trace(**keywords)
    trace.names.update({A: "a", B: "b"})
    trace.note(10.0, "before all")
    trace.record(10.0, "sent", "UDP", A, B, OPTIONS)
    trace.note(10.0, "right after, at the same time")
    trace.record(10.5, "received", "UDP", B, A, OPTIONS)
    trace.record(10.5, "sent", "UDP", B, A, OK)
    trace.note(10.6, "after all")
    return trace


def test_notes_stand_between_the_messages_in_the_order_they_were_made() -> None:
    lines = noted().ladder().splitlines()[2:]
    assert [("─ OPTIONS" in line, "200 OK" in line, line.partition("* ")[2]) for line in lines] == [
        (False, False, "before all"),
        (True, False, ""),
        (False, False, "right after, at the same time"),
        (False, True, ""),
        (False, False, "after all"),
    ]
    assert lines[0].split() == ["0.000", "*", "before", "all"]


def test_a_note_is_no_message() -> None:
    trace = noted()
    assert len(trace) == 3
    assert trace.times("a>b") == [0.0]


def test_notes_are_bounded_and_outlive_what_they_followed() -> None:
    trace = noted(maxlen=1)
    assert [note.text for note in trace.notes] == ["after all"]
    trace.record(11.0, "sent", "UDP", A, B, OPTIONS)
    assert [line for line in trace.ladder().splitlines() if "*" in line] != []


def test_long_and_unprintable_notes_fit() -> None:
    trace = noted()
    trace.note(10.7, "word " * 60 + "\x1b[31m\n")
    lines = trace.ladder().splitlines()
    assert all(len(line) <= 100 and line.isprintable() for line in lines)


def test_notes_alone_are_drawn() -> None:
    trace = Trace()
    trace.note(3.0, "nothing was sent")
    assert "* nothing was sent" in trace.ladder()


def test_writers_take_notes() -> None:
    trace, ladder, lines, pcap = Trace(), io.StringIO(), io.StringIO(), io.BytesIO()
    for writer in (LadderWriter(ladder), JsonLinesWriter(lines), PcapWriter(pcap)):
        trace.subscribe(writer)
    before = len(pcap.getvalue())
    trace.note(1.0, "grüß")
    trace.record(1.0, "sent", "UDP", A, B, OPTIONS)
    trace.note(2.0, "later")
    assert not trace.failures
    assert json.loads(lines.getvalue().splitlines()[0]) == {"time": 1.0, "note": "grüß"}
    drawn = ladder.getvalue().splitlines()
    assert drawn[0].endswith("* grüß")
    assert drawn[-1].endswith("* later")
    assert pcap.getvalue()[before:].count(OPTIONS) == 1


def test_rich_ladder_takes_notes() -> None:
    console = pytest.importorskip("rich.console")
    stream = io.StringIO()
    trace = Trace()
    trace.subscribe(RichLadderWriter(console.Console(file=stream, width=200)))
    trace.note(1.0, "[bold]as it is")
    assert stream.getvalue().rstrip().endswith("* [bold]as it is")


def test_note_knows_what_it_followed() -> None:
    trace = noted()
    assert [note.after for note in trace.notes] == [None, trace.records[0], trace.records[2]]
    assert isinstance(trace.records[0], Record)
    assert trace.notes[0] == Note(10.0, "before all")
