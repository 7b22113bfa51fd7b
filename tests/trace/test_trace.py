import io
import itertools
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.trace import JsonLinesWriter, LadderWriter, Record, RichLadderWriter, Trace, mask_credentials

A, B, C = ("192.0.2.1", 5060), ("192.0.2.2", 5060), ("192.0.2.3", 5060)


def message(first: str = "OPTIONS sip:b SIP/2.0", cseq: str = "1 OPTIONS", *, sdp: bool = False) -> bytes:
    body = "Content-Type: application/sdp\r\n\r\nv=0\r\n" if sdp else "\r\n"
    return f"{first}\r\nCSeq: {cseq}\r\n{body}".encode()


def named(**keywords: int) -> Trace:
    trace = Trace(**keywords)
    trace.names.update({A: "a", B: "b", C[0]: "c"})
    return trace


def exchange(trace: Trace) -> None:
    """Send OPTIONS, lost once, and its answer, recorded at both ends."""
    trace.record(100.1, "sent", "UDP", A, B, message())
    trace.record(100.6, "sent", "UDP", A, B, message())
    trace.record(100.61, "received", "UDP", B, A, message())
    trace.record(100.61, "sent", "UDP", B, A, message("SIP/2.0 200 OK"))
    trace.record(100.62, "received", "UDP", A, B, message("SIP/2.0 200 OK"))


def test_times_are_relative_and_exact_and_count_a_message_once() -> None:
    trace = named()
    exchange(trace)
    assert trace.times("a>b OPTIONS") == [0, 0.5]
    assert trace.times("b>a 200") == [0.51]
    assert trace.times(" b>a  200  OPTIONS ") == [0.51]
    assert trace.times("a>b") == [0, 0.5]
    for nothing in ("b>a OPTIONS", "b>a 200 INVITE", "b>a 404", "c>a", "a>b BYE"):
        assert trace.times(nothing) == []


def test_times_know_parties_by_address_too() -> None:
    trace = Trace()
    exchange(trace)
    trace.record(101, "sent", "UDP", ("::1", 5060), B, message())
    assert trace.times("192.0.2.1:5060>192.0.2.2:5060 OPTIONS") == [0, 0.5]
    assert trace.times("[::1]:5060>192.0.2.2:5060 OPTIONS") == [0.9]


@pytest.mark.parametrize("question", ["", "a", "a b OPTIONS", "a>b OPTIONS 200", "a>b 200 INVITE x", ">b"])
def test_a_question_that_asks_nothing_is_refused(question: str) -> None:
    with pytest.raises(ValueError, match="asks for no message"):
        Trace().times(question)


def test_a_message_received_from_who_records_nothing_counts() -> None:
    trace = named()
    trace.record(5, "received", "TCP", A, ("192.0.2.3", 40_000), message())
    trace.record(6, "sent", "TCP", A, ("192.0.2.3", 40_001), message())
    assert trace.times("c>a OPTIONS") == [0]
    assert trace.times("a>c OPTIONS") == [1]


def test_a_receipt_belongs_to_the_latest_sending() -> None:
    trace = named()
    exchange(trace)
    lost, arrived, response = trace.passages()
    assert (lost.is_lost, lost.is_retransmission) == (True, False)
    assert (arrived.is_lost, arrived.is_retransmission) == (False, True)
    assert (response.is_lost, response.is_retransmission) == (False, False)


def test_a_message_the_network_doubled_is_drawn_twice() -> None:
    trace = named()
    exchange(trace)
    trace.record(100.7, "received", "UDP", A, B, message("SIP/2.0 200 OK"))
    assert trace.times("b>a 200") == [0.51, 0.6]


def test_sockets_bound_to_every_address_are_the_parties_they_are() -> None:
    trace = Trace()
    any_a, any_b = ("0.0.0.0", 5060), ("::", 5062)
    trace.record(1, "sent", "UDP", any_a, ("127.0.0.1", 5062), message())
    trace.record(1, "received", "UDP", any_b, ("127.0.0.1", 5060), message())
    (passage,) = trace.passages()
    assert (passage.sender, passage.receiver) == ("127.0.0.1:5060", "127.0.0.1:5062")


def test_hosts_may_be_names() -> None:
    trace = Trace()
    trace.record(1, "sent", "UDP", ("a.test", 5060), ("b.test", 5060), message())
    trace.record(2, "received", "UDP", ("c.test", 5060), ("a.test", 5060), message())
    assert trace.times("a.test:5060>b.test:5060 OPTIONS") == [0]
    assert trace.times("a.test:5060>c.test:5060 OPTIONS") == [1]


@given(
    st.lists(
        st.tuples(st.sampled_from(["sent", "received"]), st.booleans(), st.sampled_from([b"x", b"y"])), max_size=16
    )
)
def test_the_live_ladder_draws_what_the_ladder_draws(rows: list[tuple[str, bool, bytes]]) -> None:
    trace, stream = named(), io.StringIO()
    trace.subscribe(LadderWriter(stream, names=trace.names))
    for direction, is_swapped, data in rows:
        local, remote = (B, A) if is_swapped else (A, B)
        trace.record(0, direction, "UDP", local, remote, data)  # type: ignore[arg-type]
    live = sum("no SIP" in line for line in stream.getvalue().splitlines())
    assert live == len(trace.passages())


def test_old_records_are_forgotten_but_not_the_start() -> None:
    trace = named(maxlen=2)
    for time in range(5):
        trace.record(time, "sent", "UDP", A, B, message())
    assert len(trace) == 2
    assert trace.times("a>b") == [3, 4]


def test_the_ladder() -> None:
    trace = named()
    exchange(trace)
    invite = message("INVITE sip:c SIP/2.0", "2 INVITE", sdp=True)
    trace.record(101.1, "sent", "UDP", A, C, invite)
    trace.record(101.2, "received", "UDP", A, C, message("SIP/2.0 486 Busy Here", "2 INVITE"))
    trace.record(101.3, "sent", "UDP", A, C, b"\r\n\r\n")
    trace.record(101.4, "received", "UDP", B, C, b"\x1b[31mnonsense")
    trace.record(101.5, "sent", "UDP", C, C, message())
    trace.record(101.6, "sent", "UDP", B, B, invite)
    assert trace.ladder().split("\n") == [
        "                         a                             b                             c",
        "                         │                             │                             │",
        "   0.000                 │────────── OPTIONS ─────────✗│                             │",
        "   0.500                 │────── OPTIONS (again) ─────▶│                             │",
        "   0.510                 │◀───── 200 OK (OPTIONS) ─────│                             │",
        "   1.000                 │────────────────────── INVITE (SDP) ──────────────────────▶│",
        "   1.100                 │◀───────────────── 486 Busy Here (INVITE) ─────────────────│",
        "   1.200                 │─────────────────────── keep-alive ───────────────────────▶│",
        "   1.300                 │                             │◀───── 13 bytes, no SIP ─────│",
        "   1.400                 │                             │                    OPTIONS ↪│",
        "   1.500                 │                             │↩ INVITE (SDP)               │",
    ]


def test_an_empty_ladder_says_so() -> None:
    assert Trace().ladder() == "(nothing recorded)"


def test_long_names_are_explained_above() -> None:
    trace = Trace()
    for number in range(6):
        trace.record(0, "sent", "UDP", ("2001:db8::1234", number), ("2001:db8::1234", number + 1), message())
    lines = trace.ladder().split("\n")
    assert lines[0] == "(1) = [2001:db8::1234]:0"
    assert "(7)" in lines[7]


def test_marks_survive_the_narrowest_column() -> None:
    trace = Trace()
    parties = [(f"192.0.2.{number}", 5060) for number in range(6)]
    trace.names.update({address: address[0][-1] for address in parties})
    long = message("SIP/2.0 407 Proxy Authentication Required", "1 SUBSCRIBE", sdp=True)
    for one, other in itertools.pairwise(parties):
        for _ in range(2):
            trace.record(0, "sent", "UDP", one, other, long)
            trace.record(100_000, "sent", "UDP", other, one, message("INVITE sip:x SIP/2.0", sdp=True))
    lines = trace.ladder().split("\n")[2:]
    assert any("407 SUBSC…+↻" in line for line in lines)
    assert any("INVITE SDP ↻" in line for line in lines)
    assert any(line.startswith("  100000") for line in lines)


parties = st.integers(0, 5).map(lambda number: (f"192.0.2.{number}", 5060))
datas = st.sampled_from(
    [
        message(),
        message(sdp=True),
        message("SIP/2.0 200 \u6f22\u5b57\u0301 \x1b[2J"),
        message("SIP/2.0 407 Proxy Authentication Required", "1 SUBSCRIBE", sdp=True),
        message("VERYLONGMETHODNAMEINDEED sip:x SIP/2.0"),
        b"\r\n",
        b"junk",
    ]
)
entries = st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(["sent", "received"]), parties, parties, datas))


@given(entries)
def test_every_ladder_is_as_wide_as_it_may_be(
    rows: list[tuple[float, str, tuple[str, int], tuple[str, int], bytes]],
) -> None:
    trace, stream = Trace(), io.StringIO()
    trace.subscribe(LadderWriter(stream))
    for time, direction, local, remote, data in rows:
        trace.record(time, direction, "UDP", local, remote, data)  # type: ignore[arg-type]
    for line in (*trace.ladder().split("\n"), *stream.getvalue().split("\n")):
        assert len(line) <= 100
        assert all(c.isprintable() and unicodedata.east_asian_width(c) not in "WF" for c in line)
    assert len(trace.passages()) <= len(rows)
    assert trace.failures == []


def test_the_live_ladder_grows_with_its_parties() -> None:
    trace, stream = named(), io.StringIO()
    trace.subscribe(LadderWriter(stream, names=trace.names))
    exchange(trace)
    trace.record(101.1, "sent", "UDP", B, C, message())
    assert stream.getvalue().split("\n") == [
        "                              a                                       b",
        "                              │                                       │",
        "   0.000                      │─────────────── OPTIONS ──────────────▶│",
        "   0.500                      │─────────── OPTIONS (again) ──────────▶│",
        "   0.510                      │◀────────── 200 OK (OPTIONS) ──────────│",
        "                         a                             b                             c",
        "                         │                             │                             │",
        "   1.000                 │                             │────────── OPTIONS ─────────▶│",
        "",
    ]


def test_the_live_ladder_forgets() -> None:
    stream = io.StringIO()
    writer = LadderWriter(stream)
    for number in range(5_000):
        writer.write(Record(0, "sent", "UDP", A, B, message(cseq=f"{number} OPTIONS")))
        writer.write(Record(0, "sent", "UDP", A, B, b"\r\n\r\n"))
    passages = writer._ladder._passages
    assert len(passages._seen) == len(passages._open) == 4_096
    assert max(map(len, passages._open.values())) <= 16


def test_the_ladder_in_colour() -> None:
    console = pytest.importorskip("rich.console")
    stream = io.StringIO()
    trace = named()
    trace.subscribe(RichLadderWriter(console.Console(file=stream, force_terminal=True, width=20), names=trace.names))
    exchange(trace)
    trace.record(101, "sent", "UDP", B, A, message("SIP/2.0 999 [red]Odd[/red]"))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 + 4
    assert "\x1b[1m" in lines[2]
    assert "\x1b[32m" in lines[4]
    assert "[red]Odd[/red]" in lines[5]


def test_without_rich_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    with pytest.raises(ImportError, match=r"install sipstack\[live\]"):
        RichLadderWriter()


def test_a_writer_that_fails_is_dropped_and_told() -> None:
    trace, closed, stream = Trace(), io.StringIO(), io.StringIO()
    writer = LadderWriter(closed)
    closed.close()
    trace.subscribe(writer)
    trace.subscribe(LadderWriter(stream))
    exchange(trace)
    assert [failed for failed, _ in trace.failures] == [writer]
    assert len(trace.writers) == 1
    assert stream.getvalue()


def test_json_lines_hold_no_credentials() -> None:
    trace, stream = Trace(), io.StringIO()
    trace.subscribe(JsonLinesWriter(stream))
    trace.record(1.5, "sent", "UDP", A, B, message("REGISTER sip:a:hunter2@b SIP/2.0\r\nAuthorization: Basic YTpi"))
    trace.record(2, "received", "UDP", A, B, b"\xff\xfe")
    first, second = map(json.loads, stream.getvalue().splitlines())
    text = first.pop("text")
    assert first == {
        "time": 1.5,
        "direction": "sent",
        "transport": "UDP",
        "local": ["192.0.2.1", 5060],
        "remote": ["192.0.2.2", 5060],
        "method": "REGISTER",
        "code": None,
        "cseq": 1,
        "cseq_method": "OPTIONS",
        "call_id": None,
        "size": 80,
    }
    assert "hunter2" not in text
    assert "YTpi" not in text
    assert second["text"] == "\\xff\\xfe"


def test_masking_keeps_what_is_public() -> None:
    data = (
        b"REGISTER sip:b SIP/2.0\r\n"
        b'Authorization: Digest username="a\\"b", realm="r",\r\n nonce="n", uri="sip:b", '
        b'response="feed", cnonce="c", nc=1\r\n'
        b"PROXY-AUTHORIZATION: Bearer abc\r\n"
        b"proxy-authorization:\r\n Digest response=bead\r\n"
        b"Contact: <sips:alice:pw@192.0.2.1:5061>\r\n\r\n"
        b"k=clear:x\r\na=crypto:1 AES inline:y\r\na=ice-pwd:z\r\na=key-mgmt:mikey q\r\na=sendrecv\r\n"
    )
    assert mask_credentials(data) == (
        b"REGISTER sip:b SIP/2.0\r\n"
        b'Authorization: Digest username="a\\"b", realm="r", uri="sip:b", nc=1, response="***"\r\n'
        b"PROXY-AUTHORIZATION: Bearer ***\r\n"
        b"proxy-authorization:***\r\n"
        b"Contact: <sips:alice:***@192.0.2.1:5061>\r\n\r\n"
        b"k=***\r\na=crypto:***\r\na=ice-pwd:***\r\na=key-mgmt:***\r\na=sendrecv\r\n"
    )


@given(st.binary(), st.binary(max_size=5), st.text("0123456789abcdef", min_size=8))
def test_no_response_gets_through(before: bytes, between: bytes, secret: str) -> None:
    between = between.replace(b"\r", b"").replace(b"\n", b"")
    data = before + b"\r\nAuthorization: Digest " + between + b', response="##' + secret.encode() + b'##"\r\n'
    assert f"##{secret}##".encode() not in mask_credentials(data)
