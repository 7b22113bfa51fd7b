"""The scanner under every header value: tokens, quoted strings, lists, numbers, hosts (:rfc:`3261#section-25`).

Every pattern here is possessive or reads disjoint character sets, so that none of them can look at a character more
than a constant number of times: a peer chooses the text, and 64 KB of it must cost 64 KB of work.
Texts are what ``bytes.decode("utf-8", "surrogateescape")`` gives, with folded lines already joined.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from typing import NoReturn

from ._errors import LocalProtocolError, MalformedMessage
from ._limits import DEFAULT_LIMITS

__all__ = [
    "DELTA_SECONDS_MAX",
    "HOST",
    "HOST_FAST",
    "IPV4",
    "IPV6_REFERENCE",
    "PORT_FAST",
    "PORT_MAX",
    "QUOTED",
    "TOKEN",
    "VALUES_MAX",
    "check_host_untrusted",
    "check_text",
    "check_token",
    "decimal_untrusted",
    "escape",
    "escape_key",
    "excerpt",
    "host_address",
    "is_host",
    "is_ip_address",
    "is_token",
    "list_untrusted",
    "malformed",
    "quote",
    "qvalue_untrusted",
    "tokens_untrusted",
    "unescape",
    "unquote",
]

C_ALPHANUM = "A-Za-z0-9"
C_TOKEN = C_ALPHANUM + r"\-.!%*_+`'~"
C_UNRESERVED = C_ALPHANUM + r"\-_.!~*'()"

TOKEN = f"[{C_TOKEN}]++"
"A token; ASCII only, unlike ``\\w``."
QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]++|\\[^\r\n])*+"'
"A quoted string with its quotes; a quoted pair may hold anything but CR and LF, even NUL."

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}"
_LABEL = r"[A-Za-z0-9_][A-Za-z0-9_\-]*+"
_HOSTNAME = rf"{_LABEL}(?:\.{_LABEL})*+"
IPV6_REFERENCE = r"\[[0-9A-Fa-f:.]++\]"
HOST = rf"(?:{_HOSTNAME}\.?|{IPV6_REFERENCE})"
"The shape of a host; `check_host_untrusted` has the last word on numbers and IPv6."
HOST_FAST = rf"(?:{_IPV4}(?![A-Za-z0-9_.\-])|{_HOSTNAME}(?<=[A-Za-z]))"
"A host that needs no second look: an IPv4 address, or a name whose last letter is one."
PORT_FAST = "(?:[1-5]?[0-9]{1,4}+(?![0-9])|6(?:[0-4][0-9]{3}|5(?:[0-4][0-9]{2}|5(?:[0-2][0-9]|3[0-5])))(?![0-9]))"
"A port that needs no look at its range."
IPV4 = _IPV4

PORT_MAX = 65_535
VALUES_MAX = DEFAULT_LIMITS.header_count
"The values one header field may list: as many as there may be fields, which could say the same."
DELTA_SECONDS_MAX = 2**32 - 1  # RFC 3261 20.19: between 0 and (2**32)-1

_TOKEN_PATTERN = re.compile(TOKEN)
_TOKEN_LIST_PATTERN = re.compile(rf"{TOKEN}(?:[ \t]*+,[ \t]*+{TOKEN})*+")
_QUOTED_PATTERN = re.compile(QUOTED)
_PAIR_PATTERN = re.compile(r"\\(.)", re.DOTALL)
_QUOTED_NEED_PATTERN = re.compile(r'["\\\x00-\x08\x0a-\x1f\x7f]')
_ITEM_PATTERN = re.compile(rf'(?:[^",<]++|{QUOTED}|<[^<>]*+>)*+')
_DIGITS_PATTERN = re.compile("[0-9]++")
_QVALUE_PATTERN = re.compile(r"0(?:\.[0-9]{0,3}+)?+|1(?:\.0{0,3}+)?+")
_HOSTNAME_PATTERN = re.compile(rf"{_HOSTNAME}\.?")
_IPV4_PATTERN = re.compile(_IPV4)
_IPV6_PATTERN = re.compile("[0-9A-Fa-f:.]++")
# Halves of surrogate pairs that do not stand for an undecodable byte cannot be sent.
_UNSENDABLE_PATTERN = re.compile("[\r\n\0\ud800-\udc7f\udd00-\udfff]")
_ESCAPED_RUN_PATTERN = re.compile("(?:%[0-9A-Fa-f]{2}|[^\x00-\x7f])++")


def excerpt(text: str, size: int = 60) -> str:
    """Return `text` fit for an error message: short, printable, on one line."""
    return ascii(text if len(text) <= size else text[:size] + "...")


def malformed(what: str, text: str, why: str = "") -> NoReturn:
    """Raise the `MalformedMessage` that says what `text` should have been."""
    raise MalformedMessage(f"{what} is not valid{': ' + why if why else ''}: {excerpt(text)}") from None


def check_text(what: str, text: str) -> str:
    """Return `text` if it can be sent, else raise `LocalProtocolError`."""
    if _UNSENDABLE_PATTERN.search(text) is not None:
        raise LocalProtocolError(f"{what} must not hold CR, LF, NUL or half a character; take it out: {excerpt(text)}")
    return text


def is_token(text: str) -> bool:
    """Say whether `text` is a token (:rfc:`3261#section-25.1`)."""
    # Tags and the like are mostly letters and digits alone, which takes no pattern to see.
    return (text.isalnum() and text.isascii()) or _TOKEN_PATTERN.fullmatch(text) is not None


def check_token(what: str, text: str) -> str:
    """Return `text` if it is a token, else raise `LocalProtocolError`."""
    if not is_token(text):
        raise LocalProtocolError(f"{what} must be a token (letters, digits and -.!%*_+`'~): {excerpt(text)}")
    return text


def quote(text: str) -> str:
    """Return `text` as a quoted string."""
    return '"' + _QUOTED_NEED_PATTERN.sub(r"\\\g<0>", text) + '"'


def unquote(text: str) -> str:
    """Return what a quoted string says; any other text says itself."""
    if not text.startswith('"'):
        return text
    inner = text[1:-1]
    return _PAIR_PATTERN.sub(r"\1", inner) if "\\" in inner else inner


def list_untrusted(value: str, what: str) -> list[str]:
    """Split `value` at the commas that stand outside quotes and angle brackets (:rfc:`3261#section-7.3.1`).

    An empty element is malformed, and so are more than `VALUES_MAX`; an empty value is an empty list.
    """
    value = value.strip(" \t")
    if not value:
        return []
    if '"' not in value and "<" not in value:
        items = [item.strip(" \t") for item in value.split(",")]
    else:
        items = []
        position = 0
        end = len(value)
        while True:
            match = _ITEM_PATTERN.match(value, position)
            assert match is not None
            position = match.end()
            items.append(match.group().strip(" \t"))
            if position == end:
                break
            if value[position] != ",":
                malformed(what, value[position:], "a quote or an angle bracket is never closed")
            position += 1
    if "" in items:
        malformed(what, value, "an element of the list is empty")
    if len(items) > VALUES_MAX:
        malformed(what, value, f"it must have at most {VALUES_MAX} elements")
    return items


def tokens_untrusted(value: str, what: str) -> list[str]:
    """Read a comma-separated list of tokens; an empty value is an empty list."""
    value = value.strip(" \t")
    if not value:
        return []
    if _TOKEN_LIST_PATTERN.fullmatch(value) is None:
        malformed(what, value, "it must be tokens with commas between them")
    return [item.strip(" \t") for item in value.split(",")]


def decimal_untrusted(text: str, what: str, maximum: int, minimum: int = 0) -> int:
    """Read ASCII digits as a number between `minimum` and `maximum`; leading zeros do not count."""
    if _DIGITS_PATTERN.fullmatch(text) is None:
        malformed(what, text, "it must be decimal digits")
    if len(text) > 10:
        # int() itself refuses thousands of digits, and takes quadratic time for fewer.
        text = text.lstrip("0") or "0"
        if len(text) > 20:
            malformed(what, text, f"it must be at most {maximum}")
    number = int(text)
    if not minimum <= number <= maximum:
        malformed(what, text, f"it must be between {minimum} and {maximum}")
    return number


def qvalue_untrusted(text: str, what: str = "q") -> float:
    """Read a preference between 0 and 1 with at most three decimals (:rfc:`3261#section-25.1`)."""
    if _QVALUE_PATTERN.fullmatch(text) is None:
        malformed(what, text, "it must be between 0 and 1 with at most three decimals")
    return float(text)


def _is_ipv6_address(text: str) -> bool:
    if _IPV6_PATTERN.fullmatch(text) is None or len(text) > 64:
        return False
    try:
        # The grammar of RFC 3261 asks for a colon too many before an embedded IPv4 address (RFC 5118 4.10).
        ipaddress.IPv6Address(text.replace(":::", "::") if ":::" in text else text)
    except ValueError:
        return False
    return True


def is_ip_address(text: str) -> bool:
    """Say whether `text` is an IPv4 address, or an IPv6 address without brackets."""
    return _IPV4_PATTERN.fullmatch(text) is not None or (":" in text and _is_ipv6_address(text))


def is_host(text: str) -> bool:
    """Say whether `text` is a host name, an IPv4 address or an IPv6 reference (:rfc:`3261#section-25.1`).

    Underscores and labels that begin with a digit are taken, for DNS and containers have them; a name whose last label
    is a number is taken only if it is an IPv4 address.
    """
    if text.startswith("["):
        return text.endswith("]") and _is_ipv6_address(text[1:-1])
    if _HOSTNAME_PATTERN.fullmatch(text) is None:
        return False
    last = text.rstrip(".").rpartition(".")[2]
    return not last.isdigit() or _IPV4_PATTERN.fullmatch(text) is not None


def check_host_untrusted(text: str, what: str) -> None:
    """Raise `MalformedMessage` unless `text` is a host."""
    if not is_host(text):
        malformed(what, text, "it must be a host name, an IPv4 address or an IPv6 address in brackets")


def host_address(host: str) -> str:
    """Return `host` without the brackets of an IPv6 reference, as sockets want it."""
    if host.startswith("["):
        return host[1:-1].replace(":::", "::")
    return host


def unescape(text: str) -> str:
    """Decode the ``%`` escapes in `text` (:rfc:`3261#section-19.1.2`), bytes that are not UTF-8 to surrogates."""
    if "%" not in text:
        return text
    data = urllib.parse.unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return data.decode("utf-8", "surrogateescape")


def escape(text: str, safe: str) -> str:
    """Encode all of `text` that is neither a letter, a digit, one of ``_.-~`` nor in `safe`."""
    return urllib.parse.quote(text, safe=safe, encoding="utf-8", errors="surrogateescape")


_UNRESERVED_MARKS = "!*'()"


def _normal_escapes(match: re.Match[str]) -> str:
    data = urllib.parse.unquote_to_bytes(match.group().encode("utf-8", "surrogateescape"))
    return urllib.parse.quote_from_bytes(data, safe=_UNRESERVED_MARKS)


def escape_key(text: str) -> str:
    """Return the form of an escaped `text` in which equivalent texts are equal (:rfc:`3261#section-19.1.4`).

    An escaped character equals its plain self unless it is reserved.
    """
    if text.isascii() and "%" not in text:
        return text
    return _ESCAPED_RUN_PATTERN.sub(_normal_escapes, text)
