"""Streams cut into messages: the same ones however the bytes arrive."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipstack.message import Framer, KeepAlive, Limits, MalformedMessage, Request, Response, parse_message


def message(body: bytes = b"", *, length: bytes | None = None, call: str = "c1", extra: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if length is None else length
    return (
        b"MESSAGE sip:b@two.test SIP/2.0\r\nVia: SIP/2.0/TCP one.test;branch=z9hG4bKf\r\n"
        b"From: <sip:a@one.test>;tag=1\r\nTo: <sip:b@two.test>\r\nCSeq: 1 MESSAGE\r\n"
        + f"Call-ID: {call}\r\n".encode()
        + extra
        + length
        + b"\r\n"
        + body
    )


PING = b"\r\n\r\n"
Found = Request | Response | KeepAlive | tuple[str, int, bool]


def read(pieces: Iterable[bytes], limits: Limits | None = None) -> list[Found]:
    """Return all that comes out, refusals as their reason, status and whether the stream is lost."""
    framer = Framer() if limits is None else Framer(limits)
    found: list[Found] = []
    for piece in pieces:
        framer.feed(piece)
        while True:
            try:
                item = framer.next_message()
            except MalformedMessage as error:
                found.append((error.reason, error.status_hint, framer.is_broken))
                continue
            if item is None:
                break
            found.append(item)
    return found


def bytewise(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


@pytest.mark.rfc("R3261-7.4-1", "R3261-7.4.1-5")
def test_messages_back_to_back_come_out_one_by_one() -> None:
    stream = message(b"", call="1") + message(PING + message(b"inner"), call="2") + message(b"\0\xff", call="3")
    found = read([stream])
    assert [item.call_id for item in found if isinstance(item, Request)] == ["1", "2", "3"]
    assert [item.body for item in found if isinstance(item, Request)] == [b"", PING + message(b"inner"), b"\0\xff"]
    assert found[1] == parse_message(message(PING + message(b"inner"), call="2"))


def test_nothing_comes_out_before_the_last_byte() -> None:
    data = message(b"body")
    framer = Framer()
    partial = [framer.has_partial]
    assert framer.next_message() is None
    for piece in bytewise(data)[:-1]:
        framer.feed(piece)
        assert framer.next_message() is None
    partial.append(framer.has_partial)
    framer.feed(data[-1:])
    assert framer.next_message() == parse_message(data)
    partial.append(framer.has_partial)
    assert framer.next_message() is None
    assert partial == [False, True, False]


@pytest.mark.rfc("R3261-7.5-1")
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (b"\r\n", []),
        (PING, [KeepAlive.PING]),
        (PING + b"\r\n", [KeepAlive.PING]),
        (PING * 3, [KeepAlive.PING] * 3),
    ],
)
def test_blank_lines_before_a_message_are_ignored_and_double_ones_are_keep_alives(
    before: bytes, expected: list[Found]
) -> None:
    stream = before + message(b"x") + before + message()
    for pieces in ([stream], bytewise(stream)):
        found = read(pieces)
        assert found == [*expected, parse_message(message(b"x")), *expected, parse_message(message())]


def test_half_a_keep_alive_waits() -> None:
    framer = Framer()
    for piece in (b"\r", b"\n", b"\r"):
        framer.feed(piece)
        assert framer.next_message() is None
    framer.feed(b"\n")
    assert framer.next_message() is KeepAlive.PING
    assert not framer.has_partial
    framer.feed(b"\r\n")
    assert framer.next_message() is None
    assert not framer.has_partial


@pytest.mark.rfc("R3261-18.3-4", "R3261-20-3", "R3261-20.14-2")
@pytest.mark.parametrize(
    ("length", "reason"),
    [
        (b"", "Content-Length is missing"),
        (b"Content-Length: -1\r\n", "not a length"),
        (b"Content-Length: +4\r\n", "not a length"),
        (b"Content-Length: 4 4\r\n", "not a length"),
        (b"Content-Length: 4,4\r\n", "not a length"),
        (b"Content-Length: 0x4\r\n", "not a length"),
        (b"Content-Length: 4_0\r\n", "not a length"),
        (b"Content-Length: \xd9\xa4\r\n", "not a length"),
        (b"Content-Length:\r\n", "not a length"),
        (b"Content-Length: 99999999999\r\n", "not a length"),
        (b"Content-Length: 4\r\nl: 4\r\n", "more than one"),
        (b"Content-Length: 4\r\nContent-Length: 5\r\n", "more than one"),
    ],
)
def test_without_one_right_content_length_the_stream_is_lost(length: bytes, reason: str) -> None:
    framer = Framer()
    framer.feed(message(b"body", length=length) + message())
    with pytest.raises(MalformedMessage, match=reason) as caught:
        framer.next_message()
    assert caught.value.status_hint == 400
    assert isinstance(caught.value.partial, Request)
    assert caught.value.partial.call_id == "c1"
    assert framer.is_broken
    framer.feed(message())
    assert framer.next_message() is None


def test_a_content_length_too_large_for_the_stream_waits_for_more() -> None:
    framer = Framer()
    framer.feed(message(b"body", length=b"Content-Length: 9999\r\n"))
    assert framer.next_message() is None
    assert framer.has_partial
    assert not framer.is_broken


@pytest.mark.parametrize(
    "bad",
    [
        b"no colon\r\n",
        b"Bad Name: x\r\n",
        b"Subject: a\nb\r\n",
        b"Subject: a\0b\r\n",
    ],
)
def test_after_a_header_section_that_cannot_be_read_the_stream_is_lost(bad: bytes) -> None:
    found = read([message(extra=bad) + message()])
    assert len(found) == 1
    assert isinstance(found[0], tuple)
    assert found[0][1:] == (400, True)


@pytest.mark.parametrize(
    "bad",
    [
        b"From: <sip:x@y.test>\r\n",
        b"f: <sip:x@y.test>\r\n",
        b"Max-Forwards: 256\r\n",
        b"Via: junk\r\n",
    ],
)
def test_after_a_wrong_header_field_the_next_message_is_read(bad: bytes) -> None:
    found = read([message(b"body", extra=bad) + PING + message(call="next")])
    assert isinstance(found[0], tuple)
    assert found[0][1:] == (400, False)
    assert found[1:] == [KeepAlive.PING, parse_message(message(call="next"))]


def test_a_refused_message_is_there_to_be_answered_with_its_body() -> None:
    framer = Framer()
    framer.feed(message(b"body", extra=b"To: <sip:x@y.test>\r\n"))
    with pytest.raises(MalformedMessage) as caught:
        framer.next_message()
    assert caught.value.partial is not None
    assert caught.value.partial.body == b"body"
    assert not framer.is_broken


# Bounds

HEAD = len(message(b"12345")) - 5 - 4


@pytest.mark.parametrize("cut", [1, 2, 7, 10_000])
@pytest.mark.parametrize(("size", "fits"), [(HEAD - 1, False), (HEAD, True), (HEAD + 1, True)])
def test_header_section_bound(size: int, fits: bool, cut: int) -> None:
    data = message(b"12345")
    found = read([data[place : place + cut] for place in range(0, len(data), cut)], Limits(header_section_size=size))
    if fits:
        assert found == [parse_message(data)]
    else:
        assert found == [(f"more than {size} bytes of header fields", 513, True)]


def test_a_header_section_without_end_is_refused_as_soon_as_it_is_too_long() -> None:
    framer = Framer(Limits(header_section_size=1000))
    framer.feed(b"a" * 1003)
    assert framer.next_message() is None
    framer.feed(b"a")
    with pytest.raises(MalformedMessage) as caught:
        framer.next_message()
    assert (caught.value.status_hint, framer.is_broken) == (513, True)


@pytest.mark.parametrize(("size", "fits"), [(4, False), (5, True), (6, True)])
def test_body_bound(size: int, fits: bool) -> None:
    found = read([message(b"12345")], Limits(body_size=size))
    assert found == ([parse_message(message(b"12345"))] if fits else [("a body of 5 bytes is too large", 413, True)])


@pytest.mark.parametrize(("spare", "fits"), [(-1, False), (0, True), (1, True)])
def test_message_bound(spare: int, fits: bool) -> None:
    data = message(b"12345")
    found = read([b"\r\n" + data], Limits(message_size=len(data) + spare))
    assert found == ([parse_message(data)] if fits else [("a body of 5 bytes is too large", 413, True)])


def test_header_count_bound_loses_the_stream() -> None:
    assert read([message()], Limits(header_count=6)) == [parse_message(message())]
    assert read([message()], Limits(header_count=5)) == [("more than 5 header fields", 513, True)]


# However the bytes arrive

PARTS = st.one_of(
    st.builds(message, st.binary(max_size=30)),
    st.just(message(b"body", length=b"")),
    st.just(message(b"body", length=b"l : 4\r\n")),
    st.just(message(extra=b"Max-Forwards: 999\r\n")),
    st.just(message(extra=b"no colon\r\n")),
    st.just(message(extra=b"Subject: a\r\n b\r\n \r\n")),
    st.just(b"SIP/2.0 200 OK\r\n" + message(b"r").partition(b"\r\n")[2]),
    st.sampled_from([b"\r\n", PING, b"\r", b"\n", b"x", b"\r\n\r", b"\0", b"\xff"]),
    st.binary(max_size=6),
)


@settings(deadline=None)
@given(st.lists(PARTS, max_size=5).map(b"".join), st.data(), st.sampled_from([None, 100, 190, 230]))
def test_how_the_stream_is_cut_does_not_matter(stream: bytes, data: st.DataObject, size: int | None) -> None:
    limits = Limits() if size is None else Limits(header_section_size=size)
    whole = read([stream], limits)
    assert read(bytewise(stream), limits) == whole
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(pieces, limits) == whole


# Work


class CountingBuffer(bytearray):
    """A buffer that counts the bytes it is asked to search."""

    searched = 0

    def find(self, sub: bytes, start: int = 0) -> int:  # type: ignore[override]  # as the framer calls it
        self.searched += len(self) - start
        return super().find(sub, start)


@pytest.mark.parametrize(
    "data",
    [
        message(b"b" * 64_000),
        message(extra=b"Subject: " + b"s" * 60_000 + b"\r\n"),
        b"a" * 64_000,
        b"\r\n a" * 16_000,
        b"\r\n\r" * 21_000,
        PING * 16_000,
        b"\r" * 64_000,
        message() * 300,
    ],
    ids=["body", "head", "endless", "folds", "crlfcr", "pings", "cr", "many"],
)
def test_one_byte_pieces_cost_linear_work(data: bytes) -> None:
    framer = Framer()
    framer._buffer = buffer = CountingBuffer()
    start = time.process_time()
    for byte in data:
        framer.feed(bytes([byte]))
        try:
            framer.next_message()
        except MalformedMessage:
            break
    spent = time.process_time() - start
    assert buffer.searched <= 4 * len(data) + 16
    assert spent < 2, f"{spent * 1000:.0f} ms"  # a tenth is what it takes; searching again from the start takes minutes
