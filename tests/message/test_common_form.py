"""The short ways that common messages take come to the results of the long way that all others take."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sipstack.message import URI, Address, MalformedMessage, Message, Request, Via, parse_message
from sipstack.message import _parser as parser
from sipstack.message._address import tag_of
from sipstack.message._grammar import PORT_FAST
from sipstack.message._headers import Headers
from sipstack.message._via import _parse

LINES = [
    b"INVITE sip:bob@two.test SIP/2.0",
    b"Via: SIP/2.0/UDP one.test:5060;branch=z9hG4bKp;rport",
    b"Via: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK-1-2",
    b"Max-Forwards: 70",
    b"From: Ann <sip:a@one.test>;tag=from",
    b"To: <sip:b@two.test>",
    b"Call-ID: p1@one.test",
    b"CSeq: 5 INVITE",
    b"Contact: sip:a@one.test",
    b"X-One: 1",
    b"Timestamp: 4",
    b"Content-Type: application/sdp",
    b"Content-Length:  3",
]
OTHERS = [
    b"SIP/2.0 200 OK",
    b"ACK sip:bob@two.test SIP/2.0",
    b"INVITE sip:bob@two.test SIP/3.0",
    b"v: SIP/2.0/TCP two.test;branch=z9hG4bK9",
    b"Via: SIP/2.0/UDP one.test;branch=a,SIP/2.0/UDP two.test;branch=b",
    b"Via: SIP/2.0/UDP one.test;rport;branch=a;rport",
    b"Via: SIP/2.0/UDP one.test;branch=",
    b"Via : SIP/2.0/UDP one.test",
    b"From: <sip:a@one.test;tag=uri>;tag=header",
    b"from: <sip:a@one.test>",
    b'From: "a;tag=b" <sip:a@one.test>',
    b"To: sip:b@two.test;tag=",
    b"To:  <sip:b@two.test;a;a>;tag=5",
    b"To: <sip:b@two.test>;tag=5;x=y ",
    b"Call-ID: ",
    b"CSeq:  5 INVITE",
    b"CSeq: 5 ACK",
    b"Max-Forwards: 256",
    b"Max-Forwards:  7 ",
    b"x-one: 2",
    b"X-Two:2",
    b"no field",
    b" a fold",
    b"Subject: \xff \\\0 \0",
    b"Content-Length: 4",
    b"Content-Length: +3",
    b"Content-Length: \xd9\xa3",
    b"Content-Length: 3\r",
]


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Messages with more or less wrong with them."""
    lines = list(LINES)
    if draw(st.integers(0, 3)):  # one Via, as most requests that a user agent gets
        del lines[draw(st.integers(1, 2))]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "put", "replace", "change"])):
            case "drop":
                del lines[place]
            case "put":
                lines.insert(place, draw(st.sampled_from(OTHERS + LINES)))
            case "replace":
                lines[place] = draw(st.sampled_from(OTHERS + LINES))
            case _:
                line = lines[place]
                at = draw(st.integers(0, len(line)))
                octet = draw(
                    st.sampled_from([b"", b" ", b"\t", b":", b";", b",", b'"', b"<", b"\0", b"\r", b"\n", b"%"])
                )
                lines[place] = line[:at] + octet + line[at + draw(st.integers(0, 1)) :]
    return b"\r\n".join(lines) + b"\r\n\r\nabc"


def state_of(message: Any) -> Any:
    if not isinstance(message, Message):
        return None
    return (
        repr(message),
        message.headers.fields,
        message.body,
        [(name, str(value), value) for name, value in sorted(message.headers.typed.items())],
    )


def outcome(data: bytes) -> Any:
    """Say all there is to know of how some bytes are read."""
    try:
        message = parse_message(data)
    except MalformedMessage as error:
        return error.reason, error.status_hint, state_of(error.partial)
    _ = message.top_via, message.from_tag, message.to_tag, message.cseq, message.via
    message.headers.typed.pop("Call-ID", None)
    written = message.serialise()
    responses = []
    if isinstance(message, Request):
        for code in (100, 200):
            response = message.create_response(code, to_tag="ours")
            responses.append(sorted(response.serialise().split(b"\r\n")))
    return written, responses, state_of(message)


@settings(deadline=None, max_examples=400)
@given(messages())
def test_plain_messages_are_read_as_all_others_are(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "_read_plain_head", lambda _lines, _limits: None)
        patch.setattr(parser, "_check_plain", lambda _message, _plain: False)
        expected = outcome(data)
    assert outcome(data) == expected


def test_the_usual_message_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "_read_head_untrusted", None)
    lines = [line for place, line in enumerate(LINES) if place != 1]
    message = parse_message(b"\r\n".join(lines) + b"\r\n\r\nabc")
    assert message.headers._plain is not None
    assert message.serialise() == b"\r\n".join(lines) + b"\r\n\r\nabc"


TAIL = st.sampled_from(["", ";tag=x", ";tag=", ";tag", ";tag=x;tag=y", ";x=y;tag=z", ";tag=x ", ' ; tag="q"', ";TAG=T"])
ADDRESS = st.sampled_from(
    [
        "<sip:a@h>",
        "A <sip:a@h:5060>",
        '"A;tag=1" <sip:a@h>',
        "sip:a@h",
        "<sip:a@h;tag=u>",
        "<sip:h;x;x>",
        "<tel:+1>",
        "",
    ]
)


def outcome_of(read: Any, value: str) -> Any:
    try:
        return read(value)
    except MalformedMessage as error:
        return error.reason


@settings(deadline=None)
@given(ADDRESS, TAIL)
def test_a_tag_is_the_one_of_the_whole_address(address: str, tail: str) -> None:
    value = address + tail
    assert outcome_of(tag_of, value) == outcome_of(lambda text: Address.parse(text).tag, value)


@settings(deadline=None)
@given(
    st.sampled_from(
        ["SIP/2.0/UDP h", "SIP/2.0/udp 192.0.2.1:5060", "SIP/2.0/TCP [::1]:5060", "SIP / 2.0 / UDP h", "h"]
    ),
    st.lists(
        st.sampled_from(
            [";rport", ";rport=5", ";branch=z9hG4bKa", ";branch=a b", ";received=1.2.3.4", ";x=y", ";RPORT"]
        ),
        max_size=4,
    ),
)
@example("SIP/2.0/UDP h", [";branch=z9hG4bKa"])
def test_a_via_of_common_form_is_what_the_long_way_makes_of_it(hop: str, parameters: list[str]) -> None:
    def seen(via: Via) -> Any:
        return str(via), via.transport, via.host, via.port, via.branch, via.has_rport, via.rport, via.received, via

    value = hop + "".join(parameters)

    assert outcome_of(lambda text: seen(Via.parse(text)), value) == outcome_of(lambda text: seen(_parse(text)), value)


PORTS = ["0", "5", "05060", "5060", "59999", "60000", "64999", "65499", "65529", "65535", "65536", "66000", "70000"]


@pytest.mark.parametrize("port", PORTS)
def test_a_port_is_of_the_common_form_where_it_is_one(port: str) -> None:
    fast = re.compile(PORT_FAST).fullmatch(port) is not None
    assert fast == (int(port) <= 65535 and len(port) <= len(str(int(port))))
    via = f"SIP/2.0/UDP h:{port};branch=z9hG4bKa"
    assert (Via.of_common_form(via) is not None) == fast
    if fast:
        assert Via.parse(via) == _parse(via)
        assert URI.parse(f"sip:a@h:{port};lr").port == int(port)


def test_plain_fields_and_listed_ones_are_equal() -> None:
    plain, listed = Headers(), Headers()
    for headers in (plain, listed):
        headers.add("Via", "1")
        headers.add("X-One", "2")
    assert listed.fields
    assert plain == listed
    assert plain.lines() == listed.lines()
    assert (len(plain), plain.keys(), plain.items()) == (len(listed), listed.keys(), listed.items())
