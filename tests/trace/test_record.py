import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.trace import Record, Summary

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


def record(data: bytes, direction: str = "sent") -> Record:
    return Record(1.0, direction, "UDP", A, B, data)  # type: ignore[arg-type]


def test_a_request_is_read() -> None:
    one = record(b"\r\nINVITE sip:b SIP/2.0\r\ni: x@y\r\nCSEQ:  7\t INVITE\r\nc: application/SDP;x=y\r\n\r\nv=0")
    assert one.summary == Summary(
        first_line="INVITE sip:b SIP/2.0",
        method="INVITE",
        sequence=7,
        cseq_method="INVITE",
        call_id="x@y",
        has_sdp=True,
    )
    assert (one.first_line, one.method, one.code, one.cseq_method) == ("INVITE sip:b SIP/2.0", "INVITE", None, "INVITE")


def test_a_response_is_read() -> None:
    one = record(b"SIP/2.0 180 Ringing now\nCall-ID: x\nCSeq: 1 INVITE\n\n")
    assert (one.code, one.summary.phrase, one.summary.call_id, one.method) == (180, "Ringing now", "x", None)
    assert not one.summary.has_sdp


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"Content-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\nContent-Type: application/sdp\r\n", True),
        (b"Content-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n", False),
        (b"Content-Type: application/sdp\r\n\r\n", False),
        (b"Content-Type: text/plain\r\n\r\napplication/sdp", False),
        (b"\r\nContent-Type: application/sdp\r\n", False),
    ],
)
def test_sdp_is_found_where_it_is(data: bytes, expected: bool) -> None:
    assert record(b"INVITE sip:b SIP/2.0\r\n" + data).summary.has_sdp == expected


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n"])
def test_empty_lines_are_keep_alives(data: bytes) -> None:
    assert record(data).summary.is_keepalive


@pytest.mark.parametrize("data", [b"\0\1\0\0", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 20 x", b"SIP/2.0", b"\xff\xfe"])
def test_garbage_has_a_first_line_and_nothing_else(data: bytes) -> None:
    summary = record(data).summary
    assert summary == Summary(first_line=summary.first_line)


@given(st.binary() | st.binary().map(lambda tail: b"SIP/2.0 200 OK\r\nCSeq: " + tail))
def test_no_bytes_are_an_error(data: bytes) -> None:
    assert record(data).summary is not None


def test_ends_follow_the_direction() -> None:
    assert (record(b"").sender, record(b"").receiver) == (A, B)
    assert (record(b"", "received").sender, record(b"", "received").receiver) == (B, A)


def test_a_record_is_frozen_and_does_not_show_its_bytes() -> None:
    one = record(b"secret")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.time = 2.0  # type: ignore[misc]
    assert "secret" not in repr(one)
