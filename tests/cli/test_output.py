from __future__ import annotations

import io
import json

import pytest
import trio

from sipstack.cli._message_log import MessageLog
from sipstack.cli._output import Output, sentence
from sipstack.trace import Note, Record

REGISTER = (
    b"REGISTER sip:192.0.2.1 SIP/2.0\r\n"
    b'Authorization: Digest username="alice", realm="r", response="0123456789abcdef"\r\n'
    b"Subject: \x1b[2J\r\n\r\n"
)


def test_an_event_is_a_line_or_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    Output("sipstack call").event("ringing", "180 Ringing", code=180)
    assert capsys.readouterr().out == "180 Ringing\n"
    Output("sipstack call", is_json=True).event("ringing", "180 Ringing", code=180)
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["code"]) == ("ringing", 180)
    assert event["time"] > 0


def test_a_phrase_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Output("sipstack call").event("ringing", "180 \x1b[2J\nRing\u202eing")
    assert capsys.readouterr().out == "180 ?[2J?Ring?ing\n"


def test_a_closed_pipe_cancels_the_scope_and_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", broken)
    output = Output("sipstack call")
    output.scope = trio.CancelScope()
    output.event("ringing", "180 Ringing")
    output.event("ringing", "180 Ringing")
    assert output.scope.cancel_called
    assert isinstance(output.failure, BrokenPipeError)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(98, "Address already in use"), "Address already in use."),
        (ValueError("no\r\n way"), "no way."),
        (ValueError("Stop!"), "Stop!"),
        (ValueError(), "ValueError."),
    ],
)
def test_an_error_is_one_sentence(error: Exception, text: str) -> None:
    assert sentence(error) == text


def test_a_logged_message_has_time_direction_and_no_secrets() -> None:
    stream = io.StringIO()
    log = MessageLog(stream, epoch=1_700_000_000.0)
    log.write(Record(0.25, "sent", "UDP", ("192.0.2.5", 5060), ("2001:db8::1", 5060), REGISTER))
    head, *body = stream.getvalue().splitlines()
    assert head.startswith("2023-11-1")
    assert ".250" in head
    assert head.endswith(f"sent to [2001:db8::1]:5060 over UDP, {len(REGISTER)} bytes")
    assert body[0] == "  REGISTER sip:192.0.2.1 SIP/2.0"
    assert "0123456789abcdef" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_the_log_takes_notes_on_one_line() -> None:
    stream = io.StringIO()
    MessageLog(stream, epoch=1_700_000_000.0).write(Note(1.5, "NAPTR example.com: none\x1b\n"))
    assert stream.getvalue().endswith(" NAPTR example.com: none??\n\n")
    assert ".500" in stream.getvalue()
