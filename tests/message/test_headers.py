"""Header fields: order, spelling, names, and what may not go out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from sipstack.message import HEADER_NAMES, Address, Headers, LocalProtocolError, Request, Via
from sipstack.message._headers import key_of


def made(*fields: tuple[str, str]) -> Headers:
    headers = Headers()
    for name, value in fields:
        headers.add(name, value)
    return headers


@pytest.mark.rfc("R3261-7.3.3-1", "R3261-7.3.3-2", "R3261-7.3.3-3")
@pytest.mark.parametrize("name", ["Via", "VIA", "via", "vIa", "v", "V"])
def test_long_and_compact_names_in_any_case_are_one_name(name: str) -> None:
    headers = made(("Via", "one"), ("v", "two"))
    assert headers[name] == headers.get(name) == "one"
    assert headers.getlist(name) == ["one", "two"]
    assert name in headers
    headers.remove(name)
    assert len(headers) == 0


@pytest.mark.parametrize("name", ["X-Own", "x-own", "X-OWN"])
def test_unknown_names_compare_without_case_and_keep_their_spelling(name: str) -> None:
    headers = made(("X-oWn", "1"), ("x-OwN", "2"))
    assert headers.getlist(name) == ["1", "2"]
    assert headers.keys() == list(headers) == ["X-oWn"]
    assert headers.items() == [("X-oWn", "1"), ("x-OwN", "2")]
    assert str(headers) == "X-oWn: 1\r\nx-OwN: 2\r\n\r\n"


def test_keys_give_known_names_in_their_standard_spelling_once_in_order() -> None:
    assert made(("s", "a"), ("x", "1"), ("SUBJECT", "b"), ("call-id", "c")).keys() == [
        "Subject",
        "Session-Expires",
        "Call-ID",
    ]


def test_every_known_name_is_found_by_its_standard_spelling() -> None:
    for short, name in HEADER_NAMES.items():
        assert {key_of(spelling) for spelling in (short, short.upper(), short.title(), name, name.upper())} == {name}
        assert key_of(short.swapcase()) == name


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "a\n", "é", "a\0", "\u017fubject", "\u212a"])
def test_what_is_no_token_is_no_name(name: str) -> None:
    assert key_of(name) is None
    headers = made(("A", "1"))
    assert headers.get(name) is None
    assert headers.get(name, "else") == "else"
    assert headers.getlist(name) == []
    assert name not in headers
    headers.remove(name)
    assert len(headers) == 1
    changes: list[Callable[[], None]] = [
        lambda: headers.add(name, "v"),
        lambda: headers.prepend(name, "v"),
        lambda: headers.set(name, "v"),
        lambda: headers.setlist(name, []),
        lambda: headers.copy_from(headers, name),
    ]
    for change in changes:
        with pytest.raises(LocalProtocolError, match="not a header name"):
            change()


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\0b", "a\r\nEvil: 1", "\r\n folded", "a" * 300 + "\n", "\ud800"])
@pytest.mark.parametrize("method", ["add", "prepend", "set"])
def test_values_that_cannot_be_sent_are_refused(method: str, value: str) -> None:
    headers = made(("Subject", "kept"))
    with pytest.raises(LocalProtocolError, match="Subject"):
        getattr(headers, method)("Subject", value)
    with pytest.raises(LocalProtocolError, match="Subject"):
        headers.setlist("Subject", ["fine", value])
    assert headers.items() == [("Subject", "kept")]


def test_space_around_a_value_is_no_part_of_it() -> None:
    headers = made(("Subject", " \ta b\t "))
    assert headers["Subject"] == "a b"
    headers.add("Subject", "c ")
    assert headers.getlist("Subject") == ["a b", "c"]
    assert str(headers) == "Subject: a b\r\nSubject: c\r\n\r\n"


def test_a_missing_name_is_a_key_error_by_index_only() -> None:
    headers = made(("A", "1"))
    with pytest.raises(KeyError, match="Subject"):
        headers["Subject"]
    assert headers.get("Subject") is None
    assert headers.getlist("Subject") == []
    assert "Subject" not in headers
    assert 5 not in headers


def test_add_keeps_an_index_that_was_made_before() -> None:
    headers = made(("Via", "1"))
    assert headers.getlist("Via") == ["1"]
    headers.add("Via", "2")
    headers.add("To", "3")
    assert headers.getlist("Via") == ["1", "2"]
    assert headers["To"] == "3"


def test_prepend_puts_a_field_above_all_others() -> None:
    headers = made(("Via", "2"), ("To", "t"))
    headers.prepend("v", "1")
    assert headers.items() == [("v", "1"), ("Via", "2"), ("To", "t")]
    assert headers["Via"] == "1"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2"], [("A", "a"), ("Via", "1"), ("Via", "2"), ("B", "b")]),
        ([], [("A", "a"), ("B", "b")]),
    ],
)
def test_setlist_puts_fields_where_the_first_of_the_name_stood(
    values: list[str], expected: list[tuple[str, str]]
) -> None:
    headers = made(("A", "a"), ("v", "x"), ("B", "b"), ("VIA", "y"))
    headers.setlist("Via", values)
    assert headers.items() == expected
    assert headers.getlist("v") == values


def test_set_of_an_absent_name_puts_it_below_all_others() -> None:
    headers = made(("A", "a"))
    headers.set("B", "b")
    assert headers.items() == [("A", "a"), ("B", "b")]


def test_a_change_drops_only_the_typed_value_of_its_name() -> None:
    request = Request(
        "OPTIONS", "sip:h", headers=[("From", "<sip:a@h>;tag=1"), ("To", "<sip:b@h>;tag=2"), ("Via", "SIP/2.0/UDP h")]
    )
    assert (request.from_tag, request.to_tag, request.top_via.host) == ("1", "2", "h")
    assert request.from_address.tag == "1"
    kept = request.to_address
    request.headers.set("f", "<sip:a@h>;tag=3")
    assert (request.from_tag, request.from_address.tag) == ("3", "3")
    assert request.to_address is kept
    request.headers.prepend("v", "SIP/2.0/TCP top")
    assert request.top_via.host == "top"
    assert [via.host for via in request.via] == ["top", "h"]
    request.headers.add("Via", "SIP/2.0/TCP below")
    assert [via.host for via in request.via] == ["top", "h", "below"]
    request.headers.remove("Via")
    assert request.via == []
    request.to_address = Address.parse("<sip:b@h>;tag=4")
    assert request.to_tag == "4"
    other = Request("OPTIONS", "sip:h", headers=[("v", "SIP/2.0/TLS other")])
    assert request.via == []
    request.headers.copy_from(other.headers, "Via")
    assert request.via == [Via("TLS", "other")]


def test_copy_from_keeps_every_character_and_only_the_name_asked_for() -> None:
    source = Headers()
    source.fields = [("Via", "a b", "vIA  :  a\r\n\tb  "), ("To", "t", "t:t"), ("Via", "c", "v:c")]
    headers = made(("Via", "0"))
    assert headers.getlist("Via") == ["0"]
    headers.copy_from(source, "v")
    assert str(headers) == "Via: 0\r\nvIA  :  a\r\n\tb  \r\nv:c\r\n\r\n"
    assert headers.getlist("Via") == ["0", "a b", "c"]


def test_copy_from_itself_doubles_the_fields() -> None:
    headers = made(("A", "1"), ("B", "2"))
    headers.copy_from(headers, "A")
    assert headers.items() == [("A", "1"), ("B", "2"), ("A", "1")]


def test_equal_means_the_same_names_and_values_in_the_same_order() -> None:
    one, two = made(("Via", "1"), ("X-A", "2")), made(("v", "1"), ("x-a", "2"))
    assert one == two
    assert one != made(("X-A", "2"), ("Via", "1"))
    assert one != made(("Via", "1"))
    assert one.__eq__("Via: 1") is NotImplemented
    assert repr(one) == "Headers([('Via', '1'), ('X-A', '2')])"
    with pytest.raises(TypeError):
        hash(one)


def test_they_are_sipmessages_headers() -> None:
    theirs, ours = sipmessage.Headers(), Headers()
    assert isinstance(ours, sipmessage.Headers)
    for headers in (theirs, ours):
        headers.add("Subject", "a")
        headers.add("subject", "b")
        headers.set("Expires", "60")
        headers.setlist("Allow", ["INVITE", "ACK"])
        headers.add("X-Gone", "1")
        headers.remove("x-gone")
    assert ours.keys() == theirs.keys()
    for key in theirs.keys():  # noqa: SIM118  (sipmessage has keys() and no __iter__)
        assert ours.getlist(key) == theirs.getlist(key)
        assert ours.get(key) == theirs.get(key) == ours[key]
    assert str(ours).lower() == str(theirs).lower()  # ours keep the spelling of each field


NAMES = st.sampled_from(["Via", "v", "VIA", "Subject", "s", "X-One", "x-one", "X-Two"])
VALUES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\0"), max_size=6)
CHANGES = st.one_of(
    st.tuples(st.sampled_from(["add", "prepend", "set"]), NAMES, VALUES),
    st.tuples(st.just("setlist"), NAMES, st.lists(VALUES, max_size=3)),
    st.tuples(st.just("remove"), NAMES),
)


@settings(deadline=None)
@given(st.lists(st.tuples(CHANGES, st.booleans()), max_size=12))
def test_any_changes_give_what_a_plain_list_gives(changes: list[tuple[tuple[str, ...], bool]]) -> None:
    headers = Headers()
    model: list[tuple[str, str]] = []
    for (method, name, *rest), look in changes:
        getattr(headers, method)(name, *rest)
        key = str(key_of(name))
        if method == "add":
            model.append((key, rest[0].strip(" \t")))
        elif method == "prepend":
            model.insert(0, (key, rest[0].strip(" \t")))
        else:
            values = list(rest[0]) if method == "setlist" else rest
            place = next((place for place, (other, _) in enumerate(model) if other == key), len(model))
            model = [field for field in model if field[0] != key]
            model[place:place] = [(key, value.strip(" \t")) for value in values]
        if look:
            assert headers.getlist(name) == [value for other, value in model if other == key]
    assert [field[:2] for field in headers.fields] == model
    for key in {key for key, _ in model}:
        assert headers.getlist(key) == [value for other, value in model if other == key]


@pytest.mark.parametrize("name", ["Max-Forwards", "max-forwards", "MAX-FORWARDS", "Max-forwardS"])
def test_every_spelling_is_contained(name: str) -> None:
    headers = Headers()
    headers.add("Max-Forwards", "70")
    assert name in headers
    assert "Expires" not in headers
