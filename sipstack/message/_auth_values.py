"""Challenges and credentials (:rfc:`3261#section-22`, :rfc:`7616`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import sipmessage

from ._errors import LocalProtocolError
from ._grammar import QUOTED, TOKEN, VALUES_MAX, check_text, check_token, is_token, malformed, quote, unquote

__all__ = ["AuthChallenge", "AuthCredentials", "AuthParameters"]

_Item = tuple[str, str, str | None]
"""Name as spelled, value as meant, and the text it came as (None for one that never had any)."""

_SCHEME_PATTERN = re.compile(rf"[ \t]*+({TOKEN})[ \t]++")
_PARAMETER_PATTERN = re.compile(rf"({TOKEN})[ \t]*+=[ \t]*+({TOKEN}|{QUOTED})[ \t]*+")
_COMMA_PATTERN = re.compile(r",[ \t]*+")
_NEXT_SCHEME_PATTERN = re.compile(rf"{TOKEN}[ \t]++{TOKEN}[ \t]*+=")
# RFC 8898 carries the token68 of RFC 9110 11.2; other schemes carry a token.
_TOKEN_PATTERN = re.compile(rf"(?:[A-Za-z0-9\-._~+/]++=*+|{TOKEN})(?![^ \t])")

# RFC 3261 25.1 and RFC 7616 3.3 to 3.5: these are quoted strings even where a token would do ...
_QUOTED = frozenset(
    ["auts", "cnonce", "domain", "nextnonce", "nonce", "opaque", "realm", "response", "rspauth", "uri", "username"]
)
# ... and qop is a quoted list in a challenge, but a bare token everywhere else.
_QUOTED_IN_CHALLENGE = _QUOTED | {"qop"}


class AuthParameters(sipmessage.AuthParameters):
    """Map the parameters of a challenge or of credentials; names compare without case (:rfc:`3261#section-25.1`)."""

    _items: dict[str, _Item]

    def __init__(self, parameters: Mapping[str, str] | Iterable[tuple[str, str]] = (), /, **kwargs: str) -> None:
        items: dict[str, _Item] = {}
        pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
        for name, value in (*pairs, *kwargs.items()):
            key = name.lower()
            if key in items:
                raise LocalProtocolError(f"the parameter {name!r} is given twice; give it once")
            items[key] = _new_item(name, value)
        self._items = items

    @classmethod
    def parse(cls, value: str) -> AuthParameters:
        """Read comma-separated ``name=value`` pairs."""
        value = value.strip(" \t")
        if not value:
            return cls()
        items, position = _scan(value, 0)
        if position < len(value):
            malformed("the list of authentication parameters", value[position:])
        return _make(items)

    def replace(self, /, **changes: str) -> AuthParameters:
        """Return a copy with `changes` made."""
        items = self._items.copy()
        for name, value in changes.items():
            key = name.lower()
            old = items.get(key)
            items[key] = _new_item(name if old is None else old[0], value)
        return _make(items)

    def without(self, name: str) -> AuthParameters:
        """Return a copy that lacks `name`."""
        return _make({key: item for key, item in self._items.items() if key != name.lower()})

    def __getitem__(self, key: str) -> str:
        return self._items[key.lower()][1]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._items

    def __iter__(self) -> Iterator[str]:
        return iter([item[0] for item in self._items.values()])

    def __len__(self) -> int:
        return len(self._items)

    def _values(self) -> dict[object, object]:
        return {key: item[1] for key, item in self._items.items()}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AuthParameters):
            return self._values() == other._values()
        if isinstance(other, Mapping):
            return self._values() == {
                (key.lower() if isinstance(key, str) else key): value for key, value in other.items()
            }
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._values().items()))

    def __repr__(self) -> str:
        return f"AuthParameters({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def __str__(self) -> str:
        return self.in_challenge()

    def in_challenge(self) -> str:
        """Return the text that stands in a challenge, with a quoted qop."""
        return self._text(_QUOTED_IN_CHALLENGE)

    def in_credentials(self) -> str:
        """Return the text that stands in credentials and in Authentication-Info, with a bare qop."""
        return self._text(_QUOTED)

    def _text(self, quoted: frozenset[str]) -> str:
        pieces = []
        for key, (name, value, raw) in self._items.items():
            if raw is not None:
                pieces.append(raw)
            elif key not in quoted and is_token(value):
                pieces.append(f"{name}={value}")
            else:
                pieces.append(f"{name}={quote(value)}")
        return ", ".join(pieces)


class AuthChallenge(sipmessage.AuthChallenge):
    """Hold what WWW-Authenticate or Proxy-Authenticate ask for (:rfc:`3261#section-20.44`)."""

    parameters: AuthParameters

    def __init__(self, scheme: str, parameters: sipmessage.AuthParameters | None = None) -> None:
        check_token("the scheme of a challenge", scheme)
        if not parameters:
            raise LocalProtocolError("a challenge has parameters, a realm at least; give them")
        if not isinstance(parameters, AuthParameters):
            parameters = AuthParameters(parameters)
        self.__dict__.update(scheme=scheme, parameters=parameters)

    @classmethod
    def parse(cls, value: str) -> AuthChallenge:
        """Read one challenge."""
        challenges = cls.parse_many(value)
        if len(challenges) != 1:
            malformed("a challenge", value, "it must be exactly one")
        return challenges[0]

    @classmethod
    def parse_many(cls, value: str) -> list[AuthChallenge]:
        """Read challenges with commas between them, which some servers send (:rfc:`9110#section-11.6.1`)."""
        challenges = []
        position = 0
        while True:
            match = _SCHEME_PATTERN.match(value, position)
            if match is None:
                malformed("a challenge", value[position:], "it must read scheme name=value")
            items, end = _scan(value, match.end())
            if not items:
                malformed("a challenge", value[position:], "it has no parameters")
            made = AuthChallenge.__new__(AuthChallenge)
            made.__dict__.update(scheme=match[1], parameters=_make(items), _text=value[position:end])
            challenges.append(made)
            if end == len(value):
                return challenges
            if len(challenges) == VALUES_MAX:
                malformed("the list of challenges", value, f"it must have at most {VALUES_MAX} elements")
            comma = _COMMA_PATTERN.match(value, end)
            if comma is None:
                malformed("a challenge", value[end:])
            position = comma.end()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AuthChallenge):
            return NotImplemented
        return self.scheme.lower() == other.scheme.lower() and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash((self.scheme.lower(), self.parameters))

    def __str__(self) -> str:
        text: str | None = self.__dict__.get("_text")
        return f"{self.scheme} {self.parameters.in_challenge()}" if text is None else text


class AuthCredentials(sipmessage.AuthCredentials):
    """Hold what Authorization or Proxy-Authorization prove: parameters, or a token (:rfc:`3261#section-20.7`)."""

    parameters: AuthParameters | None

    def __init__(
        self, scheme: str, parameters: sipmessage.AuthParameters | None = None, token: str | None = None
    ) -> None:
        check_token("the scheme of credentials", scheme)
        if (parameters is None) == (token is None):
            raise LocalProtocolError("credentials hold either parameters or a token; give exactly one of them")
        if token is not None and _TOKEN_PATTERN.fullmatch(token) is None:
            raise LocalProtocolError("the token of credentials holds a character that no token may")
        if parameters is not None and not parameters:
            raise LocalProtocolError("credentials without a token have parameters; give them")
        if parameters is not None and not isinstance(parameters, AuthParameters):
            parameters = AuthParameters(parameters)
        self.__dict__.update(scheme=scheme, parameters=parameters, token=token)

    @classmethod
    def parse(cls, value: str) -> AuthCredentials:
        """Read credentials."""
        match = _SCHEME_PATTERN.match(value)
        if match is None:
            malformed("the credentials", value, "they must read scheme name=value")
        rest = value[match.end() :].rstrip(" \t")
        parameters = token = None
        if _TOKEN_PATTERN.fullmatch(rest) is not None:
            token = rest
        else:
            parameters = AuthParameters.parse(rest)
            if not parameters:
                malformed("the credentials", value, "they have no parameters")
        made = AuthCredentials.__new__(AuthCredentials)
        made.__dict__.update(scheme=match[1], parameters=parameters, token=token, _text=value)
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AuthCredentials):
            return NotImplemented
        return (self.scheme.lower(), self.parameters, self.token) == (
            other.scheme.lower(),
            other.parameters,
            other.token,
        )

    def __hash__(self) -> int:
        return hash((self.scheme.lower(), self.parameters, self.token))

    def __str__(self) -> str:
        text: str | None = self.__dict__.get("_text")
        if text is not None:
            return text
        return f"{self.scheme} {self.token if self.parameters is None else self.parameters.in_credentials()}"

    def __repr__(self) -> str:
        # What proves an identity has no place in a log.
        return f"AuthCredentials(scheme={self.scheme!r}, ...)"


def _new_item(name: str, value: str) -> _Item:
    check_token("the name of an authentication parameter", name)
    check_text(f"the parameter {name!r}", value)
    return (name, value, None)


def _make(items: dict[str, _Item]) -> AuthParameters:
    made = AuthParameters.__new__(AuthParameters)
    made._items = items
    return made


def _scan(text: str, position: int) -> tuple[dict[str, _Item], int]:
    """Read parameters until the text ends or another challenge begins; return them and where they end."""
    items: dict[str, _Item] = {}
    while True:
        match = _PARAMETER_PATTERN.match(text, position)
        if match is None:
            malformed("an authentication parameter", text[position:], "it must read name=value")
        name, value = match.groups()
        key = name.lower()
        if key in items:
            malformed("the list of authentication parameters", name, "a parameter stands twice")
        items[key] = (name, unquote(value), match.group().rstrip(" \t"))
        end = match.end()
        comma = _COMMA_PATTERN.match(text, end)
        if comma is None or _NEXT_SCHEME_PATTERN.match(text, comma.end()) is not None:
            return items, end
        position = comma.end()
