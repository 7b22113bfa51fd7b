"""Requests and responses: what goes out, what is kept, what a response copies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from sipstack.message import (
    URI,
    CSeq,
    LocalProtocolError,
    MalformedMessage,
    Message,
    Request,
    Response,
    Via,
    parse_message,
)

ODD_FIELDS = [
    b"vIA  :  SIP / 2.0 / TCP  first.test ;\r\n\tbranch = z9hG4bKone , SIP/2.0/UDP second.test;branch=z9hG4bKtwo",
    b"v:SIP/2.0/UDP third.test;branch=z9hG4bKthree",
    b'FROM:"A \\" B"<sip:a@one.test>;x="y;z" ; tag=from!',
    b"t :\r\n  sip:b@two.test",
    b"I:odd@call",
    b"cseq: 007 \t INVITE",
    b"X-Unknown-tHing:   ;;,, \xff\xfe caf\xc3\xa9 \t ",
    b"X-Folded: one\r\n two\r\n\t three",
    b"X-Empty:",
    b"X-Empty-Too : ",
    b"MAX-forwards: 0070",
    b"timestamp: 54 0.5",
    b"l: 4",
]
ODD = b"INVITE sip:B%20b@Two.Test;X=y SIP/2.0\r\n" + b"\r\n".join(ODD_FIELDS) + b"\r\n\r\nbody"


def odd() -> Request:
    request = parse_message(ODD)
    assert isinstance(request, Request)
    return request


@pytest.mark.rfc("R3261-16.3-6")
def test_what_nobody_touched_goes_out_as_it_came() -> None:
    request = odd()
    assert bytes(request) == request.serialise() == ODD
    _ = request.from_address, request.to_address, request.via, request.max_forwards, request.cseq, request.timestamp
    assert bytes(request) == ODD
    assert bytes(request.copy()) == ODD


@pytest.mark.parametrize("touched", range(len(ODD_FIELDS) - 1))
def test_a_touched_field_leaves_all_others_as_they_came(touched: int) -> None:
    request = odd()
    name = request.headers.items()[touched][0]
    key = request.headers.fields[touched][0]
    request.headers.set(name, "new")
    data = request.serialise()
    assert f"\r\n{name}: new\r\n".encode() in data
    position = 0
    for (other, _, _), raw in zip(odd().headers.fields, ODD_FIELDS, strict=True):
        if other != key:
            position = data.index(b"\r\n" + raw + b"\r\n", position)


def test_folds_and_odd_space_are_gone_from_the_values() -> None:
    headers = odd().headers
    assert headers["X-Folded"] == "one two three"
    assert headers["To"] == "sip:b@two.test"
    assert headers["X-Empty"] == headers["X-Empty-Too"] == ""
    assert headers["X-Unknown-Thing"] == ";;,, \udcff\udcfe café"


@pytest.mark.rfc("R3261-20.14-1", "R3261-20.14-3", "R3261-16.6-61")
@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        ([], b"", b"Content-Length: 0\r\n\r\n"),
        ([], b"abc", b"Content-Length: 3\r\n\r\nabc"),
        ([("Content-Length", "9"), ("X", "y")], b"abc", b"Content-Length: 3\r\nX: y\r\n\r\nabc"),
        ([("l", "3"), ("X", "y")], b"abc", b"l: 3\r\nX: y\r\n\r\nabc"),
        ([("l", "4"), ("X", "y"), ("Content-Length", "3")], b"abc", b"Content-Length: 3\r\nX: y\r\n\r\nabc"),
        ([("Content-Length", "junk")], b"", b"Content-Length: 0\r\n\r\n"),
    ],
)
def test_content_length_is_always_right_and_stands_once(
    fields: list[tuple[str, str]], body: bytes, expected: bytes
) -> None:
    request = Request("OPTIONS", "sip:h", body, fields)
    assert request.serialise() == b"OPTIONS sip:h SIP/2.0\r\n" + expected


@pytest.mark.rfc("R3261-7.1-4", "R3261-7.1-5")
def test_the_version_goes_out_in_capitals() -> None:
    request = parse_message(ODD.replace(b"SIP/2.0\r\n", b"sIp/2.0\r\n", 1))
    assert request.serialise() == ODD
    assert Response(200).serialise().startswith(b"SIP/2.0 200 OK\r\n")


def test_a_setter_drops_what_was_read_before() -> None:
    request = odd()
    assert request.cseq == CSeq(7, "INVITE")
    assert request.cseq is request.cseq
    assert request.call_id == "odd@call"
    request.cseq = CSeq(8, "INVITE")
    request.call_id = "new"
    request.from_address = request.from_address.replace(name="C")
    assert (request.cseq.sequence, request.call_id, request.from_address.name) == (8, "new", "C")
    assert request.from_tag == "from!"
    again = parse_message(request.serialise())
    assert again == request
    request.via = request.via[1:]
    assert request.top_via.host == "second.test"


def test_a_missing_field_is_none_or_a_malformed_message() -> None:
    bare = Request("OPTIONS", "sip:h")
    assert (bare.from_tag, bare.to_tag, bare.expires, bare.via) == (None, None, None, [])
    for read in (lambda: bare.call_id, lambda: bare.top_via, lambda: bare.cseq, lambda: bare.from_address):
        with pytest.raises(MalformedMessage, match="missing"):
            read()


def test_top_via_of_several_is_the_first() -> None:
    request = odd()
    assert request.top_via.sent_by == "first.test"
    request = Request("OPTIONS", "sip:h", headers=[("Via", "SIP/2.0/UDP a"), ("Via", "SIP/2.0/UDP b")])
    assert request.top_via is request.top_via
    assert request.top_via == Via("UDP", "a")


@pytest.mark.parametrize("read_first", [True, False])
def test_replace_top_via_leaves_the_others_of_its_field_and_all_other_fields(read_first: bool) -> None:
    request = odd()
    if read_first:
        assert len(request.via) == 3
    stamped = request.top_via.replace(received="192.0.2.7")
    request.replace_top_via(stamped)
    assert request.top_via is stamped
    assert [(via.host, via.received) for via in request.via] == [
        ("first.test", "192.0.2.7"),
        ("second.test", None),
        ("third.test", None),
    ]
    assert request.headers.getlist("v") == [
        "SIP/2.0/TCP first.test;branch = z9hG4bKone;received=192.0.2.7, SIP/2.0/UDP second.test;branch=z9hG4bKtwo",
        "SIP/2.0/UDP third.test;branch=z9hG4bKthree",
    ]
    data = request.serialise()
    assert all(raw in data for raw in ODD_FIELDS[1:])
    assert parse_message(data) == request


def test_replace_top_via_of_a_single_value_below_other_fields() -> None:
    request = Request("OPTIONS", "sip:h", headers=[("To", "<sip:h>"), ("v", 'SIP/2.0/UDP a;x="p,q"'), ("X", "y")])
    request.replace_top_via(Via("TCP", "b"))
    assert request.headers.items() == [("To", "<sip:h>"), ("Via", "SIP/2.0/TCP b"), ("X", "y")]
    assert request.via == [Via("TCP", "b")]


def test_replace_top_via_where_there_is_none_puts_it_on_top() -> None:
    request = Request("OPTIONS", "sip:h", headers=[("To", "<sip:h>")])
    request.replace_top_via(Via("TCP", "b"))
    assert request.headers.items() == [("Via", "SIP/2.0/TCP b"), ("To", "<sip:h>")]
    assert request.top_via == request.via[0] == Via("TCP", "b")


def test_a_copy_and_its_origin_change_apart() -> None:
    request = odd()
    _ = request.via, request.from_address
    copy = request.copy()
    assert copy == request
    assert type(copy) is Request
    copy.headers.set("X-Empty", "full")
    copy.replace_top_via(Via("UDP", "copy.test"))
    copy.from_address = copy.from_address.replace(name="Z")
    copy.method, copy.body, copy.uri = "ACK", b"", URI("sip", "else.test")
    assert request.serialise() == ODD
    assert (request.top_via.host, request.from_address.name) == ("first.test", 'A " B')
    request.headers.remove("Via")
    assert copy.top_via.host == "copy.test"
    response = Response(200)
    assert type(response.copy()) is Response


# Responses


@pytest.mark.rfc(
    "R3261-8.2.6.2-1", "R3261-8.2.6.2-2", "R3261-8.2.6.2-3", "R3261-8.2.6.2-4", "R3261-8.2.6.2-6", "R3261-8.2.6.2-7"
)
@pytest.mark.parametrize("code", [180, 200, 486, 699])
def test_a_response_copies_what_it_must_as_it_came(code: int) -> None:
    request = odd()
    response = request.create_response(code, "Own words", to_tag="ours")
    assert response.serialise() == (
        b"SIP/2.0 %d Own words\r\n" % code
        + b"\r\n".join([*ODD_FIELDS[:3], ODD_FIELDS[3] + b";tag=ours", *ODD_FIELDS[4:6]])
        + b"\r\nContent-Length: 0\r\n\r\n"
    )
    assert (response.code, response.phrase, response.to_tag, response.body) == (code, "Own words", "ours", b"")
    assert response.via == request.via
    assert response.top_via == request.top_via
    again = parse_message(response.serialise())
    again.headers.remove("Content-Length")
    assert again == response
    assert request.serialise() == ODD


@pytest.mark.rfc("R3261-8.2.6.2-5")
def test_a_to_with_a_tag_is_copied_as_it_came() -> None:
    data = ODD.replace(ODD_FIELDS[3], b"t :\r\n  sip:b@two.test ; TAG\t=\ttheirs")
    request = parse_message(data)
    assert isinstance(request, Request)
    response = request.create_response(200, to_tag="ours")
    assert b"\r\nt :\r\n  sip:b@two.test ; TAG\t=\ttheirs\r\n" in response.serialise()
    assert response.to_tag == "theirs"


@pytest.mark.rfc("R3261-8.2.6.1-3", "R3261-8.2.6.2-6")
def test_a_100_carries_the_timestamp_and_no_tag() -> None:
    response = odd().create_response(100, to_tag="ours")
    assert response.phrase == "Trying"
    assert response.to_tag is None
    assert response.headers.items()[-1] == ("timestamp", "54 0.5")
    assert "Timestamp" not in odd().create_response(180).headers


@pytest.mark.parametrize(
    ("to", "sent"),
    [
        (b"To: sip:b@two.test", b"To: sip:b@two.test;tag=ours"),
        (b"To: sip:b@two.test \t ", b"To: sip:b@two.test;tag=ours"),
        (b"To: <sip:b@two.test>\r\n ", b"To: <sip:b@two.test>;tag=ours"),
        (b"To: <sip:b@two.test>\r\n \r\n\t ", b"To: <sip:b@two.test>;tag=ours"),
        (b"To:<sip:vintage@two.test>", b"To:<sip:vintage@two.test>;tag=ours"),
        (b"To: <sip:b@two.test;tag=uri>", b"To: <sip:b@two.test;tag=uri>;tag=ours"),
        (b'To: "the tag" <sip:b@two.test>;x', b'To: "the tag" <sip:b@two.test>;x;tag=ours'),
        (b"To: <sip:b@two.test>;tag", b"To: <sip:b@two.test>;tag=ours"),
        (b"To: <sip:b@two.test>;x;TAG;y", b"To: <sip:b@two.test>;x;tag=ours;y"),
    ],
)
def test_our_tag_goes_onto_any_form_of_to(to: bytes, sent: bytes) -> None:
    request = parse_message(ODD.replace(ODD_FIELDS[3], to))
    assert isinstance(request, Request)
    response = request.create_response(200, to_tag="ours")
    data = response.serialise()
    assert b"\r\n" + sent.lower() + b"\r\n" in data.lower()
    assert (response.to_tag, parse_message(data).to_tag) == ("ours", "ours")
    assert request.create_response(200).to_tag is None


@pytest.mark.parametrize("tag", ["", "a b", "x\r\nEvil: 1", "a;b", "é"])
def test_a_tag_that_is_no_token_is_refused(tag: str) -> None:
    with pytest.raises(LocalProtocolError, match="tag"):
        odd().create_response(200, to_tag=tag)


def test_a_response_to_a_request_without_to_has_none() -> None:
    assert Request("OPTIONS", "sip:h").create_response(200, to_tag="ours").headers.items() == []


@pytest.mark.parametrize(
    ("code", "provisional", "success"),
    [(100, True, False), (199, True, False), (200, False, True), (299, False, True), (300, False, False)],
)
def test_classes_of_responses(code: int, provisional: bool, success: bool) -> None:
    response = Response(code)
    assert (response.is_provisional, response.is_final, response.is_success) == (provisional, not provisional, success)


def test_a_code_without_a_standard_phrase_has_an_empty_one() -> None:
    assert Response(299).serialise() == b"SIP/2.0 299 \r\nContent-Length: 0\r\n\r\n"


# What cannot be sent


@pytest.mark.parametrize("code", [-1, 0, 99, 700, 2000])
def test_codes_out_of_range_are_refused(code: int) -> None:
    with pytest.raises(LocalProtocolError, match="status code"):
        Response(code)
    with pytest.raises(LocalProtocolError, match="status code"):
        odd().create_response(code)


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b", "OK\r\nEvil: 1", "\ud800"])
def test_phrases_and_fields_that_cannot_be_sent_are_refused(text: str) -> None:
    make: list[Callable[[], Message]] = [
        lambda: Response(200, text),
        lambda: Response(200, headers=[("Subject", text)]),
        lambda: Request("OPTIONS", "sip:h", headers=[("Subject", text)]),
        lambda: odd().create_response(200, text),
        lambda: Request(text, "sip:h"),
    ]
    for made in make:
        with pytest.raises(LocalProtocolError):
            made()


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b", "A\r\nEvil: 1"])
def test_a_start_line_changed_later_is_checked_when_it_goes_out(text: str) -> None:
    response = Response(200)
    response.phrase = text
    request = Request("OPTIONS", "sip:h")
    request.method = text
    for message in (response, request):
        with pytest.raises(LocalProtocolError, match="start line"):
            message.serialise()


@pytest.mark.parametrize("method", ["", "A B", "A/B", "É", "A:", "OPTIONS\n"])
def test_a_method_is_a_token(method: str) -> None:
    with pytest.raises(LocalProtocolError, match="method"):
        Request(method, "sip:h")


# Comparison and text


def test_equal_means_start_line_fields_and_body() -> None:
    request = odd()
    assert request == odd()
    for change in (
        lambda message: setattr(message, "method", "ACK"),
        lambda message: setattr(message, "body", b""),
        lambda message: message.headers.add("X", "y"),
    ):
        other = odd()
        change(other)
        assert request != other
    assert request != Response(200)
    assert request != "INVITE"
    with pytest.raises(TypeError):
        hash(request)


def test_texts() -> None:
    request = odd()
    assert repr(request) == "<Request INVITE sip:B%20b@Two.Test;X=y>"
    assert repr(Response(486)) == "<Response 486 Busy Here>"
    assert str(request) == ODD.decode("utf-8", "backslashreplace")
    with pytest.raises(AssertionError):
        Message()._first_line()


def test_validate_reads_every_typed_field() -> None:
    request = odd()
    request.validate()
    request.headers.add("X-Unknown", "<<<")
    request.validate()
    request.headers.add("Expires", "soon")
    with pytest.raises(MalformedMessage, match="Expires"):
        request.validate()


# sipmessage


def _answer_like_sipmessage_code(request: sipmessage.Request) -> sipmessage.Response:
    """What somebody wrote for sipmessage alone."""
    response = sipmessage.Response(code=200, phrase="OK")
    response.via = request.via
    response.from_address = request.from_address
    to = request.to_address
    response.to_address = sipmessage.Address(uri=to.uri, name=to.name, parameters=to.parameters.replace(tag="theirs"))
    response.call_id = request.call_id
    response.cseq = sipmessage.CSeq(sequence=request.cseq.sequence, method=request.method)
    response.contact = [sipmessage.Address(uri=sipmessage.URI(scheme="sip", host="here.test"))]
    response.content_type = sipmessage.MediaType(mime_type="text/plain")
    response.body = b"hi"
    return response


def test_code_written_for_sipmessage_takes_ours() -> None:
    request = odd()
    assert isinstance(request, sipmessage.Request)
    assert isinstance(request, sipmessage.Message)
    assert isinstance(request.headers, sipmessage.Headers)
    assert isinstance(request.uri, sipmessage.URI)
    assert isinstance(request.via[0], sipmessage.Via)
    assert isinstance(Response(200), sipmessage.Response)
    response = parse_message(bytes(_answer_like_sipmessage_code(request)))
    assert isinstance(response, Response)
    assert (response.code, response.to_tag, response.call_id) == (200, "theirs", "odd@call")
    assert [via.host for via in response.via] == ["first.test", "second.test", "third.test"]
    assert response.cseq == request.cseq


def test_ours_takes_values_of_sipmessage() -> None:
    request = Request(method="OPTIONS", uri=sipmessage.URI(scheme="sip", user="a", host="h.test"))
    assert isinstance(request.uri, URI)
    request.via = [sipmessage.Via(transport="UDP", host="h.test", parameters=sipmessage.Parameters(branch="z9hG4bKb"))]  # type: ignore[list-item]  # theirs, on purpose
    request.from_address = sipmessage.Address(  # type: ignore[assignment]  # theirs, on purpose
        uri=sipmessage.URI(scheme="sip", host="a.test"), parameters=sipmessage.Parameters(tag="1")
    )
    request.cseq = sipmessage.CSeq(sequence=1, method="OPTIONS")  # type: ignore[assignment]  # theirs, on purpose
    assert request.top_via.branch == "z9hG4bKb"
    assert request.from_tag == "1"
    assert request.cseq.sequence == 1


def test_sipmessage_reads_what_we_write() -> None:
    request = Request("OPTIONS", "sip:a@h.test", b"x", [("Via", "SIP/2.0/UDP h.test;branch=z9hG4bKb"), ("i", "c")])
    theirs = sipmessage.Message.parse(bytes(request))
    assert isinstance(theirs, sipmessage.Request)
    assert (theirs.method, theirs.call_id, theirs.body, theirs.content_length) == ("OPTIONS", "c", b"x", 1)


# Round trips

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8)
USERS = st.sampled_from(["a", "B", "%c3%a9", "a;b", "+1-2", "it's", "u:p"])
HOSTS = st.sampled_from(["h.test", "192.0.2.1", "[2001:db8::1]", "h.test:5070"])
URIS = st.builds(
    "{}:{}@{}{}".format, st.sampled_from(["sip", "sips", "SIP"]), USERS, HOSTS, st.sampled_from(["", ";lr"])
)
# Bytes as they come from the wire, undecodable ones among them, and no NUL, CR or LF.
TEXTS = st.binary(max_size=12).map(
    lambda data: data.translate(None, b"\r\n\0").decode("utf-8", "surrogateescape").strip(" \t")
)
ADDRESSES = st.builds(
    "{}<{}>{}".format, st.sampled_from(["", "A B ", '"q, \\" <;>" ', '"Zoë"']), URIS, TOKENS.map(";tag={}".format)
)
VIAS = st.builds("SIP/2.0/{} {};branch={}".format, st.sampled_from(["UDP", "TLS", "own"]), HOSTS, TOKENS)
FIELDS = st.one_of(
    st.tuples(st.sampled_from(["X-Own", "x-own", "Subject", "s", "Server", "Organization"]), TEXTS),
    st.tuples(st.sampled_from(["Contact", "m", "Route", "Record-Route"]), ADDRESSES),
    st.tuples(st.just("Expires"), st.integers(0, 2**32 - 1).map(str)),
)


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    method = draw(TOKENS)
    fields = [
        ("Via", ", ".join(draw(st.lists(VIAS, min_size=1, max_size=3)))),
        (draw(st.sampled_from(["From", "f", "FROM"])), draw(ADDRESSES)),
        (draw(st.sampled_from(["To", "t"])), draw(ADDRESSES)),
        (draw(st.sampled_from(["Call-ID", "i", "CALL-id"])), draw(TOKENS)),
        ("CSeq", f"{draw(st.integers(0, 2**31 - 1))} {method}"),
        *draw(st.lists(FIELDS, max_size=5)),
    ]
    fields = draw(st.permutations(fields))
    body = draw(st.binary(max_size=20))
    if draw(st.booleans()):
        return Request(method, draw(URIS), body, fields)
    return Response(draw(st.integers(100, 699)), draw(st.none() | TEXTS), body, fields)


@settings(deadline=None)
@given(messages())
def test_what_is_written_is_read_again(message: Request | Response) -> None:
    data = message.serialise()
    again = parse_message(data)
    message.headers.set("Content-Length", str(len(message.body)))
    assert again == message
    assert again.serialise() == data
    assert type(again) is type(message)
    assert (again.from_tag, again.to_tag, again.call_id) == (message.from_tag, message.to_tag, message.call_id)
    assert (again.via, again.top_via, again.cseq) == (message.via, message.top_via, message.cseq)
    if isinstance(again, Request):
        response = again.create_response(200, to_tag="ours")
        assert parse_message(response.serialise()).via == message.via


@pytest.mark.parametrize("value", ["a b", "a\tb", "a\x01", "\x7f"])
def test_validate_looks_at_the_call_id(value: str) -> None:
    # RFC 3261 25.1: callid = word [ "@" word ]; what matches messages by it need not look.
    request = Request("OPTIONS", "sip:a@b", headers=[("Call-ID", value)])
    assert request.call_id == value
    with pytest.raises(MalformedMessage, match=r"Call-ID: .*one word"):
        request.validate()
