"""What the strategies draw is what they say: valid where it is valid, consistent where it belongs together."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipstack.message import (
    SINGLE_HEADERS,
    URI,
    Framer,
    Headers,
    KeepAlive,
    MalformedMessage,
    Request,
    Response,
    parse_message,
)
from sipstack.message._typed import _ATTRIBUTES
from sipstack.sdp import SessionDescription
from sipstack.testing import strategies as sip

few = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@few
@given(sip.requests())
def test_requests_are_valid(data: bytes) -> None:
    message = parse_message(data)
    message.validate()
    assert isinstance(message, Request)
    assert message.cseq.method == message.method
    assert len(data) == len(data.partition(b"\r\n\r\n")[0]) + 4 + len(message.body)


@few
@given(sip.requests(method="PUBLISH", body=st.just(b"x")))
def test_requests_can_be_of_one_method_and_body(data: bytes) -> None:
    message = parse_message(data)
    assert isinstance(message, Request)
    assert (message.method, message.body) == ("PUBLISH", b"x")


@few
@given(sip.responses(code=st.integers(300, 399)))
def test_responses_are_valid(data: bytes) -> None:
    message = parse_message(data)
    message.validate()
    assert isinstance(message, Response)
    assert 300 <= message.code <= 399


@few
@given(sip.messages())
def test_messages_have_no_field_twice_that_stands_once(data: bytes) -> None:
    headers = parse_message(data).headers
    assert all(len(headers.getlist(name)) <= 1 for name in SINGLE_HEADERS)


def test_every_typed_header_has_a_grammar() -> None:
    assert {name.lower() for name in sip.GRAMMAR} == set(_ATTRIBUTES)


def test_all_but_texts_have_near_misses() -> None:
    assert set(sip.GRAMMAR) - set(sip.NEAR_MISSES) == {
        "Content-Language", "Organization", "Server", "Subject", "User-Agent",
    }  # fmt: skip
    with pytest.raises(KeyError):
        sip.near_misses("Subject")


@few
@given(sip.header_values("m"))
def test_header_values_take_any_spelling_of_a_name(value: str) -> None:
    message = Request("REGISTER", "sip:a@b")
    message.headers.fields.append(("Contact", value, f"Contact: {value}"))
    assert message.contact_is_star or message.contact


@few
@given(sip.header_values("X-Unknown"))
def test_header_values_of_an_unknown_name_are_text(value: str) -> None:
    headers = Headers()
    headers.add("X-Unknown", value)
    assert headers["X-Unknown"] == value


@few
@given(st.data(), sip.header_values("Subject").filter(bool))
def test_folded_says_the_same(data: st.DataObject, value: str) -> None:
    text = data.draw(sip.folded(st.just(value)))
    assert [part.strip() for part in text.split("\r\n")] == [
        part.strip() for part in text.replace("\r\n", "\n").split("\n")
    ]
    assert text.replace("\r\n", "") == value
    assert all(part[0] in " \t" for part in text.split("\r\n")[1:])


def test_folds_are_drawn() -> None:
    drawn: list[str] = []

    @few
    @given(sip.header_fields("Via"))
    def look(field: str) -> None:
        drawn.append(field)

    look()
    assert any("\r\n" in field for field in drawn)
    assert any(field.lower().startswith("v:") for field in drawn)


@few
@given(sip.uris(with_headers=True))
def test_uris_are_read(text: str) -> None:
    assert str(URI.parse(text)) == text


@few
@given(sip.sip_uris(bare=True))
def test_bare_uris_hold_nothing_that_belongs_to_a_header(text: str) -> None:
    assert not set(text) & set(",;?")


@pytest.mark.parametrize(
    ("draws", "scheme"), [(sip.sip_uris(), "sip"), (sip.sips_uris(), "sips"), (sip.tel_uris(), "tel")]
)
def test_uris_have_their_scheme(draws: st.SearchStrategy[str], scheme: str) -> None:
    @few
    @given(draws)
    def look(text: str) -> None:
        assert URI.parse(text).scheme == scheme

    look()


@few
@given(sip.absolute_uris())
def test_absolute_uris_have_another_scheme(text: str) -> None:
    assert URI.parse(text).opaque is not None


@few
@given(sip.session_descriptions())
def test_session_descriptions_are_valid(data: bytes) -> None:
    assert bytes(SessionDescription.parse(data)) == data


@few
@given(sip.streams())
def test_streams_hold_whole_messages(stream: tuple[bytes, list[int]]) -> None:
    data, cuts = stream
    assert cuts == sorted(cuts)
    assert all(0 <= cut <= len(data) for cut in cuts)
    framer = Framer()
    framer.feed(data)
    found = []
    while (item := framer.next_message()) is not None:
        found.append(item)
    assert not framer.has_partial
    assert any(not isinstance(item, KeepAlive) for item in found)


@few
@given(sip.calls())
def test_calls_belong_together(passages: list[sip.Passage]) -> None:
    read = [(passage.is_from_caller, parse_message(passage.data)) for passage in passages]
    assert len({message.call_id for _, message in read}) == 1
    requests = {
        (by_caller, message.cseq.sequence, message.method): message
        for by_caller, message in read
        if isinstance(message, Request)
    }
    for by_caller, message in read:
        message.validate()
        if isinstance(message, Response):
            request = requests[not by_caller, message.cseq.sequence, message.cseq.method]
            assert message.top_via == request.top_via
            assert message.from_tag == request.from_tag
            assert message.code == 100 or message.to_tag is not None
        elif message.method == "ACK":
            assert (by_caller, message.cseq.sequence, "INVITE") in requests
    first, last = read[0][1], read[-1][1]
    assert isinstance(first, Request)
    assert first.method == "INVITE"
    assert isinstance(last, Request) is (last.cseq.method == "ACK")


@pytest.mark.parametrize("name", sorted(sip.MUTATIONS))
def test_every_mutation_changes_messages(name: str) -> None:
    message = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h:5060\r\nFrom: <sip:a@b>\r\nContent-Length: 2\r\n\r\nhi"
    drawn: set[bytes] = set()

    @few
    @given(sip.mutated(st.just(message), only=(name,), most=1))
    def look(data: bytes) -> None:
        drawn.add(data)

    look()
    assert len(drawn - {message}) >= 3


def test_mutated_are_mostly_refused_and_sometimes_read() -> None:
    outcomes: list[bool] = []

    @few
    @given(sip.mutated(sip.requests()))
    def look(data: bytes) -> None:
        try:
            parse_message(data)
        except MalformedMessage:
            outcomes.append(False)
        else:
            outcomes.append(True)

    look()
    assert set(outcomes) == {True, False}


def test_testing_needs_no_hypothesis_and_strategies_say_that_they_do() -> None:
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import sipstack.testing\n"
        "try:\n    import sipstack.testing.strategies\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert "pip install 'sipstack[fuzz]'" in done.stdout
