"""The basic rules of SIP's grammar: tokens, white space, quoted strings, hosts, parameters (:rfc:`3261#section-25.1`).

Every strategy gives text as it stands in an unfolded header field. Where the grammar lets numbers grow for ever, the
bounds of the prose hold: octets of an IPv4 address, ports, seconds.
"""

from __future__ import annotations

import functools
import ipaddress
import string
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = [
    "EQUAL",
    "GENERIC",
    "TOKEN_CHARS",
    "UNRESERVED",
    "URIC",
    "addresses",
    "characters",
    "comments",
    "decimals",
    "delta_seconds",
    "escaped",
    "generic_values",
    "host_names",
    "hosts",
    "ipv4_addresses",
    "ipv6_addresses",
    "ipv6_references",
    "joined",
    "kept",
    "languages",
    "listed",
    "lws",
    "optional",
    "parameters",
    "ports",
    "quoted_strings",
    "qvalues",
    "separator",
    "spelled",
    "sws",
    "text_utf8",
    "tokens",
    "words",
]

_Make = TypeVar("_Make", bound=Callable[..., SearchStrategy[str]])

ALPHANUM = string.ascii_letters + string.digits
MARK = "-_.!~*'()"
UNRESERVED = ALPHANUM + MARK
URIC = UNRESERVED + ";/?:@&=+$,"
TOKEN_CHARS = ALPHANUM + "-.!%*_+`'~"
WORD_CHARS = TOKEN_CHARS + '()<>:\\"/[]?{}'

DELTA_SECONDS_MAX = 2**32 - 1
"RFC 3261 20.19."


def kept(make: _Make) -> _Make:
    """Make a strategy once for the same arguments: making one costs more than drawing from it."""
    return cast(_Make, functools.cache(make))


def joined(*parts: SearchStrategy[str] | str) -> SearchStrategy[str]:
    """Draw one part after the other, and write them without anything between them."""
    return st.tuples(*[st.just(part) if isinstance(part, str) else part for part in parts]).map("".join)


def optional(part: SearchStrategy[str]) -> SearchStrategy[str]:
    """Draw the part, or nothing."""
    return st.just("") | part


@kept
def characters(alphabet: str, *, least: int = 1, most: int = 12) -> SearchStrategy[str]:
    """Draw some characters of an alphabet."""
    return st.text(alphabet, min_size=least, max_size=most)


@kept
def spelled(word: str) -> SearchStrategy[str]:
    """Draw a literal of the grammar in small letters, in capitals, or as given (:rfc:`5234#section-2.3`)."""
    return st.sampled_from(list(dict.fromkeys([word, word.lower(), word.upper(), word.title()])))


# Fuzzers want white space everywhere it may stand, and readers of a failure want it almost nowhere.
sws: SearchStrategy[str] = st.sampled_from(["", "", "", "", " ", "\t", "  "])
lws: SearchStrategy[str] = st.sampled_from([" ", " ", " ", "\t", " \t "])


@kept
def separator(character: str) -> SearchStrategy[str]:
    """Draw a separator with the white space that may stand around it: SEMI, COMMA, EQUAL, SLASH, COLON."""
    return joined(sws, character, sws)


EQUAL = separator("=")
SEMI = separator(";")
COMMA = st.sampled_from([", ", ", ", ",", " ,", "\t, "])


@st.composite
def _interleaved(
    draw: st.DrawFn, item: SearchStrategy[str], between: SearchStrategy[str], least: int, most: int
) -> str:
    items = draw(st.lists(item, min_size=least, max_size=most))
    pieces = items[:1]
    for one in items[1:]:
        pieces += [draw(between), one]
    return "".join(pieces)


def listed(
    item: SearchStrategy[str], between: SearchStrategy[str] = COMMA, *, least: int = 1, most: int = 3
) -> SearchStrategy[str]:
    """Draw a list with separators, by default commas."""
    return _interleaved(item, between, least, most)


@kept
def tokens(*, most: int = 12) -> SearchStrategy[str]:
    """Draw a token."""
    return characters(TOKEN_CHARS, most=most)


@kept
def words() -> SearchStrategy[str]:
    """Draw a word, of which a Call-ID is made."""
    return characters(WORD_CHARS, most=16)


@kept
def decimals(least: int = 0, most: int = DELTA_SECONDS_MAX) -> SearchStrategy[str]:
    """Draw a number in decimal digits, sometimes with leading zeros; its least, its greatest and small ones often."""
    numbers = st.sampled_from([least, most]) | st.integers(least, min(most, least + 300)) | st.integers(least, most)
    zeros = st.sampled_from(["", "", "", "", "0", "000000000000"])
    return joined(zeros, numbers.map(str))


@kept
def delta_seconds() -> SearchStrategy[str]:
    """Draw a number of seconds."""
    return decimals()


@kept
def qvalues() -> SearchStrategy[str]:
    """Draw a preference between 0 and 1 with at most three decimals."""
    return joined("0", optional(joined(".", characters(string.digits, least=0, most=3)))) | joined(
        "1", optional(joined(".", characters("0", least=0, most=3)))
    )


@kept
def escaped(*, ascii_only: bool = False) -> SearchStrategy[str]:
    """Draw an escaped octet, such as ``%2f``."""
    numbers = st.integers(0, 127) if ascii_only else st.integers(0, 255)
    return numbers.map(lambda number: f"%{number:02x}") | numbers.map(lambda number: f"%{number:02X}")


_NON_ASCII = st.characters(min_codepoint=0x80, exclude_categories=["Cs"])
_QDTEXT = st.sampled_from(" \t!" + "".join(map(chr, (*range(0x23, 0x5C), *range(0x5D, 0x7F))))) | _NON_ASCII
_QUOTED_PAIR = st.sampled_from([chr(code) for code in range(0x80) if code not in (10, 13)]).map("\\".__add__)


@kept
def quoted_strings(*, most: int = 10) -> SearchStrategy[str]:
    """Draw a quoted string, with quoted pairs and characters beyond ASCII in it."""
    plain = characters(TOKEN_CHARS + " ,;<>@=?:/", least=0, most=most)
    hard = st.lists(st.one_of(_QDTEXT, _QUOTED_PAIR), max_size=most).map("".join)
    return st.one_of(plain, plain, hard).map(lambda text: f'"{text}"')


@kept
def text_utf8() -> SearchStrategy[str]:
    """Draw text for people, as Subject and Organization have it; it neither begins nor ends with white space."""
    word = st.text(
        st.characters(min_codepoint=0x21, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1, max_size=8
    )
    return listed(word, lws, most=4)


_CTEXT = st.sampled_from(" \t" + "".join(map(chr, (*range(0x21, 0x28), *range(0x2A, 0x5C), *range(0x5D, 0x7F)))))


@kept
def comments() -> SearchStrategy[str]:
    """Draw a comment in parentheses, with comments in it."""
    piece = _CTEXT | _NON_ASCII | _QUOTED_PAIR
    return st.recursive(
        st.lists(piece, max_size=8).map("".join),
        lambda inner: st.lists(st.one_of(piece, inner.map(lambda text: f"({text})")), max_size=4).map("".join),
        max_leaves=6,
    ).map(lambda text: f"({text})")


@kept
def host_names() -> SearchStrategy[str]:
    """Draw a host name: labels of letters, digits and inner hyphens, the last of which begins with a letter."""
    inner = optional(joined(characters(ALPHANUM + "-", least=0, most=6), characters(ALPHANUM, most=1)))
    label = joined(characters(ALPHANUM, most=1), inner, ".")
    top = joined(characters(string.ascii_letters, most=1), inner)
    return joined(st.lists(label, max_size=3).map("".join), top, st.sampled_from(["", "", "", "."]))


@kept
def ipv4_addresses() -> SearchStrategy[str]:
    """Draw an IPv4 address."""
    return st.ip_addresses(v=4).map(str)


def _shortest(number: int) -> str:
    return str(ipaddress.IPv6Address(number))


def _longest(number: int) -> str:
    return ipaddress.IPv6Address(number).exploded.upper()


def _with_ipv4(number: int) -> str:
    return f"::ffff:{ipaddress.IPv4Address(number & 0xFFFFFFFF)}"


@kept
def ipv6_addresses() -> SearchStrategy[str]:
    """Draw an IPv6 address without brackets: compressed, written out, or with an IPv4 address at its end."""
    numbers = st.integers(0, 2**128 - 1) | st.integers(0, 2**16)
    return st.tuples(st.sampled_from([_shortest, _longest, _with_ipv4]), numbers).map(lambda pair: pair[0](pair[1]))


@kept
def ipv6_references() -> SearchStrategy[str]:
    """Draw an IPv6 address in brackets."""
    return joined("[", ipv6_addresses(), "]")


@kept
def hosts() -> SearchStrategy[str]:
    """Draw a host: a name, an IPv4 address or an IPv6 reference."""
    return host_names() | ipv4_addresses() | ipv6_references()


@kept
def addresses() -> SearchStrategy[str]:
    """Draw a numeric address as a Via's received parameter has it: no brackets."""
    return ipv4_addresses() | ipv6_addresses()


@kept
def ports(least: int = 0) -> SearchStrategy[str]:
    """Draw a port."""
    return st.sampled_from(["5060", "5061"]) | st.integers(least, 65_535).map(str)


@kept
def languages() -> SearchStrategy[str]:
    """Draw a language tag."""
    return listed(characters(string.ascii_letters, most=8), st.just("-"))


@kept
def generic_values() -> SearchStrategy[str]:
    """Draw the value of a parameter nobody knows: a token, a host or a quoted string."""
    return tokens() | hosts() | quoted_strings()


GENERIC = "*"
"Among the parameters of a header field: any name that is none of the others."

_FLAG: SearchStrategy[str | None] = st.none()


@st.composite
def _parameter_list(
    draw: st.DrawFn,
    known: Mapping[str, SearchStrategy[str] | None],
    required: tuple[str, ...],
    generic: SearchStrategy[str | None] | None,
    most: int,
) -> str:
    names = draw(st.permutations(required)) if required else []
    names = [*names, *draw(st.lists(st.sampled_from([*known, GENERIC]), max_size=most))]
    seen: set[str] = set()
    pieces: list[str] = []
    for name in names:
        value: str | None
        if name == GENERIC:
            if generic is None:
                continue
            name = draw(tokens(most=8))
            if name.lower() in seen or name.lower() in known:
                continue
            value = draw(generic)
            seen.add(name.lower())
        else:
            if name in seen:
                continue
            seen.add(name)
            strategy = known[name]
            value = None if strategy is None else draw(strategy)
            name = draw(spelled(name))
        pieces += [draw(SEMI), name]
        if value is not None:
            pieces += [draw(EQUAL), value]
    return "".join(pieces)


def parameters(
    known: Mapping[str, SearchStrategy[str] | None] | None = None,
    *,
    required: tuple[str, ...] = (),
    generic: bool = True,
    most: int = 3,
) -> SearchStrategy[str]:
    """Draw parameters, each name once (:rfc:`3261#section-7.3.1`).

    :param known: names in small letters and their values, None for a name without one.
    :param required: the names that always stand there.
    :param generic: whether names nobody knows may stand there too.
    """
    values: SearchStrategy[str | None] | None = None
    if generic:
        values = st.one_of(_FLAG, generic_values())
    return _parameter_list(known or {}, required, values, most)
