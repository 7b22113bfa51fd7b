from __future__ import annotations

import pytest

from sipstack.cli import main
from sipstack.cli._arguments import build_parser, parse_arguments


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "COMMAND"),
        (["dance"], "dance"),
        (["call"], "URI"),
        (["call", "bob@example.com"], "bob@example.com"),
        (["call", "http://example.com"], "scheme http"),
        (["call", "sip:bob@"], "sip:bob@"),
        (["call", "sip:bob@192.0.2.1:99999"], "99999"),
        (["call", "sip:bob@192.0.2.1", "--duration", "-1"], "seconds"),
        (["call", "sip:bob@192.0.2.1", "--duration", "nan"], "seconds"),
        (["call", "sip:bob@192.0.2.1", "--duration", "soon"], "seconds"),
        (["call", "sip:bob@192.0.2.1", "--listen", "192.0.2.1:5060"], "udp://"),
        (["call", "sip:bob@192.0.2.1", "--listen", "pigeon://0.0.0.0"], "pigeon"),
        (["call", "sip:bob@192.0.2.1", "--listen", "udp://0.0.0.0:65536"], "65536"),
        (["call", "sip:bob@192.0.2.1", "--nameserver", "ns.example"], "is no name server"),
        (["call", "sip:bob@192.0.2.1", "--user", "alice"], "--password"),
        (["call", "sip:bob@192.0.2.1", "--password", "secret"], "--user"),
        (["call", "sip:bob@192.0.2.1", "--proxy", "tel:+1"], "scheme tel"),
        (["call", "sip:bob@192.0.2.1", "--dur", "1"], "--dur"),
        (["call", "sip:bob@192.0.2.1", "--session-expires", "89"], "from 90"),
        (["answer", "--session-expires", "soon"], "session interval"),
        (["call", "sip:bob@192.0.2.1", "--duration", "2", "--hold-after", "2"], "--hold-after 2 is not before"),
        (["answer", "--status", "180"], "180"),
        (["answer", "--status", "700"], "700"),
        (["answer", "--status", "2000"], "2000"),
        (["answer", "--max-calls", "0"], "number of calls"),
        (["answer", "--max-calls", "٣"], "number of calls"),
        (["register", "sip:alice@example.com"], "--registrar"),
        (["register", "sip:alice@example.com", "--registrar", "sip:192.0.2.1", "--expires", "x"], "number of seconds"),
        (["message", "sip:bob@192.0.2.1"], "TEXT"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_two(
    capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    sentence = refusal(capsys, *arguments)
    assert word in sentence
    assert sentence.startswith("sipstack")
    assert sentence.endswith("--help.\n")


def test_a_terminal_command_in_an_argument_is_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in refusal(capsys, "call", "sip:\x1b[2J@example.com")


@pytest.mark.parametrize("command", ["demo", "answer", "call", "register", "options", "message"])
def test_every_command_has_help_with_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert f"sipstack {command}" in text
    for option in ("--ladder", "--pcap", "--verbose", "--version"):
        assert option in text


@pytest.mark.parametrize("command", ["answer", "call"])
def test_help_says_that_no_rtp_is_sent(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "no RTP is sent" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version"], ["call", "--version"], ["demo", "--version"]])
def test_version(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("sipstack ")


def test_help_fits_a_terminal() -> None:
    for line in build_parser().epilog.splitlines():
        assert len(line) <= 100


def test_defaults_of_answer() -> None:
    parsed = parse_arguments(["answer"])
    assert (parsed.listen, parsed.ring, parsed.status, parsed.max_calls) == (None, 0.0, 200, None)


def test_several_places_to_listen() -> None:
    parsed = parse_arguments(["answer", "--listen", "udp://[::1]:0", "--listen", "tcp://127.0.0.1:5062"])
    assert parsed.listen == ["udp://[::1]:0", "tcp://127.0.0.1:5062"]


def test_numbers_are_seconds() -> None:
    parsed = parse_arguments(["call", "sip:bob@192.0.2.1", "--duration", "1.5", "--cancel-after", "0"])
    assert (parsed.duration, parsed.cancel_after, parsed.timeout) == (1.5, 0.0, None)
