"""Tokens of chance, bounds, errors and phrases."""

from __future__ import annotations

import random
import re

import pytest

from sipstack.message import (
    BRANCH_COOKIE,
    DEFAULT_LIMITS,
    REASON_PHRASES,
    Limits,
    LocalProtocolError,
    MalformedMessage,
    ProtocolError,
    RemoteProtocolError,
    Request,
    Response,
    SipError,
    Tokens,
)


class Source:
    """Bytes that count up, and how many of them were drawn."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, size: int) -> bytes:
        self.drawn += size
        return bytes((self.drawn - size + place) % 256 for place in range(size))


@pytest.mark.rfc("R3261-8.1.1.7-4", "R3261-8.1.1.7-5", "R3261-20.42-1")
def test_a_branch_has_the_cookie_and_96_bits() -> None:
    branch = Tokens(Source()).branch()
    assert branch == BRANCH_COOKIE + "000102030405060708090a0b"
    assert branch.startswith("z9hG4bK")


@pytest.mark.rfc("R3261-19.3-1", "R3261-8.1.1.4-3", "R3261-8.1.1.4-4")
@pytest.mark.parametrize(("kind", "bits"), [("tag", 64), ("call_id", 128), ("cnonce", 128)])
def test_a_token_holds_all_bits_drawn_for_it(kind: str, bits: int) -> None:
    token = getattr(Tokens(Source()), kind)()
    assert token == bytes(range(bits // 8)).hex()
    assert re.fullmatch("[0-9a-f]+", token)


def test_bytes_are_drawn_many_at_a_time_and_used_once() -> None:
    source = Source()
    tokens = Tokens(source)
    drawn = [tokens.tag() for _ in range(200)]
    assert len(set(drawn[:32])) == 32  # the source counts modulo 256
    assert source.drawn < 8 * 200 + 1024


def test_no_two_tokens_are_the_same() -> None:
    tokens = Tokens(random.Random(1).randbytes)
    drawn = [draw() for draw in (tokens.branch, tokens.tag, tokens.call_id, tokens.cnonce) for _ in range(200)]
    assert len(set(drawn)) == len(drawn)


def test_one_seed_replays_a_run() -> None:
    one, two = (Tokens(random.Random(7).randbytes) for _ in range(2))
    assert [one.tag(), one.branch(), one.number(31), one.fraction()] == [
        two.tag(),
        two.branch(),
        two.number(31),
        two.fraction(),
    ]


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 31, 32, 53])
def test_a_number_takes_all_values_below_its_bound(bits: int) -> None:
    assert Tokens(lambda size: b"\xff" * size).number(bits) == 2**bits - 1
    assert Tokens(bytes).number(bits) == 0


def test_a_fraction_is_at_least_0_and_below_1() -> None:
    assert Tokens(bytes).fraction() == 0
    assert Tokens(lambda size: b"\xff" * size).fraction() == 1 - 2**-53
    drawn = [Tokens(random.Random(seed).randbytes).fraction() for seed in range(50)]
    assert min(drawn) < 0.2 < 0.8 < max(drawn)


def test_limits_are_frozen_named_and_positive() -> None:
    assert Limits() == DEFAULT_LIMITS
    assert Limits(body_size=5).body_size == 5
    with pytest.raises(AttributeError):
        DEFAULT_LIMITS.body_size = 5  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        Limits(5)  # type: ignore[call-arg]  # that is the point
    for name in Limits.__attrs_attrs__:
        value = getattr(DEFAULT_LIMITS, name.name)
        assert value is None or value > 0, name.name


def test_errors_say_who_broke_the_protocol() -> None:
    assert issubclass(ProtocolError, SipError)
    assert issubclass(LocalProtocolError, ProtocolError)
    assert issubclass(RemoteProtocolError, ProtocolError)
    assert issubclass(MalformedMessage, RemoteProtocolError)
    assert issubclass(MalformedMessage, ValueError)  # what code written for sipmessage catches


def test_a_malformed_message_carries_its_answer() -> None:
    error = MalformedMessage("the reason")
    assert (str(error), error.reason, error.status_hint, error.partial) == ("the reason", "the reason", 400, None)
    partial = Request("OPTIONS", "sip:h")
    error = MalformedMessage("other", 505, partial)
    assert (error.status_hint, error.partial) == (505, partial)


@pytest.mark.parametrize(
    ("reason", "phrase"),
    [
        ("Via is missing", "Via is missing"),
        ("a\r\nX: b", "a?X: b"),
        ("caf\u00e9 \udcff\0!", "caf? ?!"),
        ("x" * 500, "x" * 120),
    ],
)
def test_its_phrase_is_fit_for_a_status_line(reason: str, phrase: str) -> None:
    error = MalformedMessage(reason)
    assert error.phrase == phrase
    assert Response(400, error.phrase).serialise().startswith(b"SIP/2.0 400 " + phrase.encode() + b"\r\n")


def test_every_standard_phrase_makes_a_response() -> None:
    assert list(REASON_PHRASES) == sorted(REASON_PHRASES)
    for code, phrase in REASON_PHRASES.items():
        assert Response(code).phrase == phrase
        assert re.fullmatch(r"[A-Z][A-Za-z/ -]+", phrase), phrase
