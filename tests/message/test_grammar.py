import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message import _grammar as grammar
from sipstack.message._address import Address, tag_of
from sipstack.message._auth_values import AuthChallenge, AuthCredentials, AuthParameters
from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._identity import Identity
from sipstack.message._media_type import MediaType
from sipstack.message._parameters import Parameters
from sipstack.message._retry_after import RetryAfter
from sipstack.message._uri import URI
from sipstack.message._via import Via
from sipstack.message._warning import Warning as WarningValue


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("", []),
        (" \t", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a ,\tb ", ["a", "b"]),
        ('"a,b",c', ['"a,b"', "c"]),
        ('"a\\",b" <sip:x>,c', ['"a\\",b" <sip:x>', "c"]),
        ("<sip:a,b@c>;x=1,<sip:d>", ["<sip:a,b@c>;x=1", "<sip:d>"]),
        ('"<", "\\\\",<x>', ['"<"', '"\\\\"', "<x>"]),
    ],
)
def test_a_list_is_split_outside_quotes_and_angle_brackets(value, items):
    assert grammar.list_untrusted(value, "the list") == items


@pytest.mark.parametrize("value", ["a,", ",a", "a,,b", ",", '"a', "<a", 'a,"b', '"a\\"', "a, <b", 'x"y'])
def test_a_list_with_a_hole_or_something_unclosed_is_malformed(value):
    with pytest.raises(MalformedMessage):
        grammar.list_untrusted(value, "the list")


def test_a_list_has_no_more_elements_than_a_message_has_fields():
    assert len(grammar.list_untrusted(",".join("a" * grammar.VALUES_MAX), "the list")) == grammar.VALUES_MAX
    for parse in (Via.parse_many, MediaType.parse_many, AuthChallenge.parse_many, Address.parse_many):
        text = {Via: "SIP/2.0/UDP h", MediaType: "a/b", AuthChallenge: "a b=c", Address: "x:y"}[parse.__self__]
        assert len(parse(", ".join([text] * grammar.VALUES_MAX))) == grammar.VALUES_MAX
        with pytest.raises(MalformedMessage):
            parse(", ".join([text] * (grammar.VALUES_MAX + 1)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("plain", "plain"),
        ('""', ""),
        ('"a b"', "a b"),
        (r'"a\"b"', 'a"b'),
        (r'"a\\"', "a\\"),
        ('"a\\\0b"', "a\0b"),
        ('"a\\éb"', "aéb"),
        ('"\\\udcff"', "\udcff"),
    ],
)
def test_a_quoted_string_says_what_stands_in_it(text, says):
    assert grammar.unquote(text) == says


@given(st.text())
def test_unquote_undoes_quote(text):
    assert grammar.unquote(grammar.quote(text)) == text


@pytest.mark.parametrize("text", ["", "+5", "-1", "5_0", "5.0", " 5", "\u0665", "0x5", "5\n", "1" * 5000, "4294967296"])
def test_a_number_is_ascii_digits_in_range(text):
    with pytest.raises(MalformedMessage):
        grammar.decimal_untrusted(text, "the number", grammar.DELTA_SECONDS_MAX)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("0009", 9), ("4294967295", 2**32 - 1), ("0" * 5000 + "7", 7)])
def test_leading_zeros_of_a_number_do_not_count(text, number):
    assert grammar.decimal_untrusted(text, "the number", grammar.DELTA_SECONDS_MAX) == number


@pytest.mark.parametrize(("text", "q"), [("0", 0), ("1", 1), ("0.", 0), ("0.5", 0.5), ("0.123", 0.123), ("1.000", 1)])
def test_a_qvalue_has_at_most_three_decimals(text, q):
    assert grammar.qvalue_untrusted(text) == q


@pytest.mark.parametrize("text", ["", "2", "1.001", "0.1234", "-0.1", ".5", "1e0", "nan", "\u0660.5"])
def test_a_qvalue_outside_its_range_is_malformed(text):
    with pytest.raises(MalformedMessage):
        grammar.qvalue_untrusted(text)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "example.com.",
        "a_b.example",
        "3f2a1b9c8d7e",
        "host1",
        "192.0.2.1",
        "255.255.255.255",
        "[::1]",
        "[2001:db8::9:1]",
        "[::ffff:192.0.2.1]",
        "[2001:db8:::192.0.2.1]",
        "df7jal23ls0d.invalid",
    ],
)
def test_a_host(host):
    assert grammar.is_host(host)
    assert str(URI.parse(f"sip:{host}")) == f"sip:{host}"


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a..b",
        "-a.b",
        "256.1.1.1",
        "1.2.3",
        "01.2.3.4",
        "1234",
        "example.1",
        "[::1",
        "::1",
        "[1::2::3]",
        "[12345::]",
        "[::1%25eth0]",
        "[]",
        "a b",
        "é.com",
        "a%41.com",
        "[" + ":" * 70 + "]",
    ],
)
def test_not_a_host(host):
    assert not grammar.is_host(host)
    with pytest.raises(MalformedMessage):
        URI.parse(f"sip:{host}")


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_unescape_undoes_escape(text):
    assert grammar.unescape(grammar.escape(text, "")) == text


def test_escapes_that_are_not_utf8_come_back_as_the_same_bytes():
    assert grammar.unescape("%ff%FE") == "\udcff\udcfe"
    assert grammar.escape("\udcff\udcfe", "") == "%FF%FE"


def test_what_cannot_be_sent_is_refused():
    for text in ("a\rb", "a\nb", "a\0b", "\ud800", "\udc00", "\udfff"):
        with pytest.raises(LocalProtocolError):
            grammar.check_text("a text", text)
    assert grammar.check_text("a text", "é \udc80 \udcff \U0001f600") == "é \udc80 \udcff \U0001f600"


N = 65_000
HOSTILE = [
    '"' * N,
    '"' + "\\" * N,
    '"' + '\\"' * (N // 2),
    "<" * N,
    "a" * N,
    "a " * (N // 2),
    "\t" * N + "x",
    ";" * N,
    ";a" * (N // 2),
    ";a=" * (N // 3),
    " ; " * (N // 3),
    "," * N,
    "a," * (N // 2),
    '"",' * (N // 3),
    "sip:" + "a" * N,
    "sip:" + "a" * N + "@",
    "sip:" + "a:" * (N // 2) + "@h",
    "sip:a@" + "a." * (N // 2),
    "sip:a@" + "a-" * (N // 2) + "%",
    "sip:a@" + "1." * (N // 2),
    "sip:a@[" + ":" * N + "]",
    "sip:a@b" + ";a" * (N // 2) + "\x00",
    "sip:a@b?" + "a=b&" * (N // 4),
    "sip:" + "%41" * (N // 3) + "@h",
    "tel:+" + "0" * N + "x",
    "tel:+" + "-" * N,
    "tel:" + "*-" * (N // 2) + "!",
    "x:" + "/" * N + " ",
    'Digest a="x"' + ',a="x"' * (N // 6),
    "Digest " + "a" * N,
    "Digest " + "a = b , " * (N // 8),
    'Digest realm="' + " " * N,
    "Digest a=b" + " " * N + "x",
    "a b=c, " * (N // 7),
    "SIP/2.0/UDP " + "a" * N,
    "SIP " + " " * N + "/",
    "SIP/2.0/UDP h" + ";a=b" * (N // 4),
    "SIP/2.0/UDP h;branch=" + "a" * N + '"',
    "1 (" + "(" * N,
    "1 (" + "\\(" * (N // 2),
    "307 " + "a" * N,
    "307 a " + '"' + "a\\" * (N // 2),
    "a/" * (N // 2),
    "a/b" + ";c=d" * (N // 4),
    "a" * 100 + ";x=y" * (N // 4) + ";info=<",
    "a" + ';x="<' * (N // 5),
    "0" * N,
    "1" * N,
    "1." + "0" * N,
    "*" + ";x" * (N // 2),
    "<sip:a@b>" + ";q" * (N // 2),
    '"' + "a" * N + '" <sip:a@b>',
    "a" * N + " <sip:a@b",
    "<sip:a" + " " * N + "b>",
    "<sip:a" + " ;" * (N // 2) + "b>",
    "é" * N,
    "\udcff" * N + "<sip:a@b>",
]
PARSERS = [
    Address.parse,
    Address.parse_many,
    tag_of,
    AuthChallenge.parse_many,
    AuthCredentials.parse,
    AuthParameters.parse,
    Identity.parse_many,
    MediaType.parse_many,
    Parameters.parse,
    Parameters.parse_uri,
    RetryAfter.parse,
    URI.parse,
    Via.parse_many,
    WarningValue.parse_many,
]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__qualname__)
def test_hostile_text_is_read_or_refused_in_reasonable_time(parser):
    # Quadratic work on any one of these takes minutes, so that finishing at all is the assertion.
    for text in HOSTILE:
        try:
            parser(text)
        except MalformedMessage as error:
            reason = error.reason
        else:
            continue
        assert len(reason) < 1000
        assert reason.isascii()


def test_no_pattern_of_the_values_can_backtrack_far():
    # A run of 65,000 characters that almost matches, for every pattern of every module of values.
    names = [name for name in sys.modules if name.startswith("sipstack.message._")]
    patterns = [
        value for name in sorted(names) for value in vars(sys.modules[name]).values() if isinstance(value, re.Pattern)
    ]
    assert len(patterns) > 20
    for pattern in patterns:
        for text in ("a" * N, "0" * N, " " * N, ";a" * N, '"' + "\\a" * N, "a." * N, "%41" * N, "-" * N, "=" * N):
            pattern.fullmatch(text + "\x00")
            pattern.match(text + "\x00")
