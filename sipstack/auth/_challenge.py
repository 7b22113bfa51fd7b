"""Challenges as they come: several in one field or in several, of any scheme (:rfc:`3261#section-25.1`).

One linear pass over the text. What cannot be read is no challenge, and does not hide those beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from ._digest import SUPPORTED_ALGORITHMS, is_session

__all__ = ["Challenge", "digest_challenges", "quote", "read_credentials_untrusted", "read_parameters_untrusted"]

_SEPARATORS = re.compile(r"[\s,]*")
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_EQUALS = re.compile(r"\s*=\s*")
# Possessive: a repeat that may give back keeps a hundred bytes for every one that it took.
_VALUE = re.compile(r'"((?:[^"\\]++|\\.)*+)"|([^\s,"]*+)', re.DOTALL)
_NEXT_COMMA = re.compile(r'(?:[^,"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'(["\\\x00-\x08\x0a-\x1f\x7f])')
_UNSAFE = re.compile(r"[\r\n\0]")

_SUPPORTED = frozenset(name.lower() for name in SUPPORTED_ALGORITHMS)
_MOST_PARAMETERS = 64  # RFC 7616 defines nine for a challenge


def quote(value: str) -> str:
    """Write a quoted string."""
    return '"' + _SPECIAL.sub(r"\\\1", value) + '"'


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return position if found is None else found.end()


def _items_untrusted(text: str) -> Iterable[tuple[str, dict[str, str] | None]]:
    """Yield scheme and parameters (lower-case names); None for parameters nobody can read, or written twice."""
    scheme: str | None = None
    parameters: dict[str, str] | None = {}
    position = _skip(_SEPARATORS, text, 0)
    while position < len(text):
        token = _TOKEN.match(text, position)
        equals = _EQUALS.match(text, token.end()) if token else None
        if token and equals is None and (token.end() == len(text) or text[token.end()].isspace()):
            if scheme is not None:
                yield scheme, parameters
            scheme, parameters = token[0], {}
            position = token.end()
        else:
            value = _VALUE.match(text, equals.end()) if equals else None
            if token and value and (value.end() == len(text) or text[value.end()] in ", \t\r\n"):
                name = token[0].lower()
                content = value[2] if value[1] is None else _ESCAPED.sub(r"\1", value[1])
                if parameters is not None and (
                    name in parameters or len(parameters) >= _MOST_PARAMETERS or _UNSAFE.search(content)
                ):
                    parameters = None
                if parameters is not None:
                    parameters[name] = content
                position = value.end()
            else:
                parameters = None
                following = _skip(_NEXT_COMMA, text, position)
                if following < len(text) and text[following] != ",":
                    break  # a quote that never ends: nothing behind it means anything
                position = following
        position = _skip(_SEPARATORS, text, position)
    if scheme is not None:
        yield scheme, parameters


@attrs.frozen
class Challenge:
    """Hold one Digest challenge that can be answered (:rfc:`7616#section-3.3`)."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    has_algorithm: bool = True
    "The server wrote the algorithm; the answer repeats it only then."
    qop: str | None = None
    "The one we take of those offered; None when the server sent no qop."
    opaque: str | None = None
    is_stale: bool = False
    has_userhash: bool = False

    @classmethod
    def read(cls, parameters: dict[str, str]) -> Challenge | str:
        """Take the parameters of a Digest challenge; or return, as part of a sentence, why it cannot be answered."""
        realm, nonce = parameters.get("realm"), parameters.get("nonce")
        if realm is None or nonce is None:
            return "a challenge has no realm or no nonce"
        algorithm = parameters.get("algorithm", "MD5")
        if algorithm.lower() not in _SUPPORTED:
            return f"the algorithm {algorithm[:40]!r} is not supported"
        qop: str | None = None
        if "qop" in parameters:
            offered = [option.strip().lower() for option in parameters["qop"].split(",")]
            # Bodies are rewritten on the way often enough that integrity costs calls; it is kept for who insists.
            qop = next((option for option in ("auth", "auth-int") if option in offered), None)
            if qop is None and any(offered):
                return "no quality of protection offered is supported"
        if qop is None and is_session(algorithm):
            return f"the algorithm {algorithm} needs a qop, and none was offered"
        return cls(
            realm=realm,
            nonce=nonce,
            algorithm=algorithm,
            has_algorithm="algorithm" in parameters,
            qop=qop,
            opaque=parameters.get("opaque"),
            is_stale=parameters.get("stale", "").lower() == "true",
            has_userhash=parameters.get("userhash", "").lower() == "true",
        )


def digest_challenges(fields: Iterable[str]) -> tuple[list[Challenge], list[str]]:
    """Read the challenges that can be answered, topmost first, and why the others cannot."""
    challenges: list[Challenge] = []
    refusals: list[str] = []
    for field in fields:
        for scheme, parameters in _items_untrusted(field):
            if scheme.lower() != "digest":
                refusals.append(f"the scheme {scheme[:40]!r} is not Digest")
            elif parameters is None:
                refusals.append("a challenge cannot be read")
            else:
                challenge = Challenge.read(parameters)
                if isinstance(challenge, Challenge):
                    challenges.append(challenge)
                else:
                    refusals.append(challenge)
    return challenges, refusals


def read_credentials_untrusted(field: str) -> dict[str, str] | None:
    """Read the parameters of Digest credentials; None for another scheme or for what cannot be read."""
    items = list(_items_untrusted(field))
    return items[0][1] if len(items) == 1 and items[0][0].lower() == "digest" else None


def read_parameters_untrusted(field: str) -> dict[str, str] | None:
    """Read parameters without a scheme, as Authentication-Info has them; None for what cannot be read."""
    items = list(_items_untrusted(f"Info {field}"))
    return items[0][1] if len(items) == 1 else None
