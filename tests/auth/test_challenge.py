import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.auth import Challenge
from sipstack.auth._challenge import (
    digest_challenges,
    quote,
    read_credentials_untrusted,
    read_parameters_untrusted,
)
from sipstack.message import AuthParameters


def read(*fields: str) -> list[Challenge]:
    return digest_challenges(fields)[0]


def test_everything_a_challenge_may_hold() -> None:
    field = (
        'Digest realm="a\\"b, c", nonce="n=1", opaque="", qop="auth-int, auth , x", algorithm=sha-256, '
        "stale=TRUE, userhash=true, charset=UTF-8"
    )
    assert read(field) == [
        Challenge(
            realm='a"b, c',
            nonce="n=1",
            algorithm="sha-256",
            qop="auth",
            opaque="",
            is_stale=True,
            has_userhash=True,
        )
    ]


def test_spaces_and_case_do_not_matter() -> None:
    assert read('DIGEST   REALM = "r" ,, NONCE\t=\t"n",QoP=auth-int') == [
        Challenge(realm="r", nonce="n", has_algorithm=False, qop="auth-int")
    ]


def test_several_challenges_in_one_field_and_in_several() -> None:
    one = 'Basic realm="x", Digest realm="r", nonce="1", algorithm=SHA-256, Negotiate YII==, Digest realm="r",nonce="2"'
    assert [challenge.nonce for challenge in read(one, 'Digest nonce="3", realm="s"')] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ('Basic realm="r"', "the scheme 'Basic' is not Digest"),
        ('Digest realm="r"', "a challenge has no realm or no nonce"),
        ('Digest nonce="n"', "a challenge has no realm or no nonce"),
        ('Digest realm="r", nonce="n", algorithm=AKAv1-MD5', "the algorithm 'AKAv1-MD5' is not supported"),
        ('Digest realm="r", nonce="n", qop="token"', "no quality of protection offered is supported"),
        ('Digest realm="r", nonce="n", algorithm=MD5-sess', "the algorithm MD5-sess needs a qop, and none was offered"),
        ('Digest realm="r", realm="s", nonce="n"', "a challenge cannot be read"),
        ('Digest realm="r", nonce="n', "a challenge cannot be read"),
        ('Digest realm="r"x, nonce="n"', "a challenge cannot be read"),
        ('Digest realm="r", nonce="n\0"', "a challenge cannot be read"),
        ("Digest " + ",".join(f"p{i}=1" for i in range(100)), "a challenge cannot be read"),
    ],
)
def test_what_cannot_be_answered_says_why(field: str, reason: str) -> None:
    assert digest_challenges([field]) == ([], [reason])


def test_an_unreadable_challenge_does_not_hide_the_next() -> None:
    assert [one.nonce for one in read('Digest realm=="r" "x", nonce="1", Digest realm="r", nonce="2"')] == ["2"]


def test_an_empty_qop_is_none() -> None:
    assert read('Digest realm="r", nonce="n", qop=""')[0].qop is None


@pytest.mark.parametrize(
    "text",
    [
        'Digest a="x",' * 20_000,
        "Digest " + 'realm="' * 40_000,
        "Digest " + 'a="x"b' * 40_000,
        "Digest realm=" + "\\" * 100_000,
        'Digest realm="' + '\\"' * 50_000,
        "Digest " + " " * 100_000 + "=",
        "a " * 50_000,
        "," * 100_000,
    ],
)
def test_reading_takes_linear_time(text: str) -> None:
    begin = time.process_time()
    digest_challenges([text])
    assert time.process_time() - begin < 2  # some 50 ms; quadratic would be minutes


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    digest_challenges([text, f"Digest {text}"])
    read_credentials_untrusted(text)
    read_parameters_untrusted(text)


@given(st.text(st.characters(blacklist_characters="\r\n\0")), st.text(st.characters(blacklist_characters="\r\n\0")))
def test_what_is_quoted_reads_back(realm: str, nonce: str) -> None:
    (challenge,) = read(f"Digest realm={quote(realm)}, nonce={quote(nonce)}")
    assert (challenge.realm, challenge.nonce) == (realm, nonce)


def test_credentials_of_another_scheme_are_none() -> None:
    assert read_credentials_untrusted("Basic YTpi") is None
    assert read_credentials_untrusted('Digest username="a", nc=00000001') == {"username": "a", "nc": "00000001"}


def test_parameters_without_a_scheme() -> None:
    assert read_parameters_untrusted('nextnonce="x", qop=auth') == {"nextnonce": "x", "qop": "auth"}
    assert read_parameters_untrusted('nextnonce="x') is None


@pytest.mark.parametrize("text", ["a\x1bb", "\x7f", "\0", "\x0b", 'a"\\'])
def test_what_a_quoted_string_may_hold_only_in_pairs_is_written_so(text: str) -> None:
    # A nonce may come with such pairs, and must go back with them (RFC 3261 25.1: qdtext has no controls).
    assert quote(text) == '"' + "".join(f"\\{c}" if c in '"\\' or not " " <= c < "\x7f" else c for c in text) + '"'
    assert AuthParameters.parse(f"nonce={quote(text)}")["nonce"] == text


@pytest.mark.parametrize(
    "text", ["Digest " + "1@5" * 16_000, f'Digest a="{"x" * 48_000}"', 'Digest a="' + "\\x" * 24_000]
)
def test_reading_takes_little_memory(text: str) -> None:
    tracemalloc.start()
    try:
        read(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(text)  # a pattern that may give back what it took needs over a hundred bytes for each
