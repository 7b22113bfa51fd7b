"""SIP, SIPS, tel and other URIs (:rfc:`3261#section-19.1`, :rfc:`3966`)."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sipmessage

from ._errors import LocalProtocolError
from ._grammar import (
    C_UNRESERVED,
    HOST,
    HOST_FAST,
    PORT_FAST,
    PORT_MAX,
    check_host_untrusted,
    check_text,
    decimal_untrusted,
    escape,
    escape_key,
    host_address,
    is_host,
    malformed,
    unescape,
)
from ._parameters import EMPTY, URI_PARAMETERS, Parameters

__all__ = ["URI", "URI_FAST", "uri_from_fast_groups"]

_USER_CHARS = rf"{C_UNRESERVED}&=+$,;?/"
_USER_SAFE = "!*'()&=+$,;?/"
_PASSWORD_SAFE = "!*'()&=+$,"  # noqa: S105 (a set of characters)
_HEADER_SAFE = "!*'()[]/?:+$"
_HEADERCHARS = rf"(?:[{C_UNRESERVED}\[\]/?:+$]++|%[0-9A-Fa-f]{{2}})"

URI_FAST = rf"(sips?):(?:([{_USER_CHARS}]++)@)?({HOST_FAST})(?::({PORT_FAST}))?+({URI_PARAMETERS})"
"""The common form of a SIP URI in five groups, with neither escapes nor password nor headers."""

_FAST_PATTERN = re.compile(URI_FAST)
# Raw non-ASCII in the user part is against the grammar, and some phones send it; it loses nothing to take it.
_SIP_PATTERN = re.compile(
    r"([sS][iI][pP][sS]?+):"
    rf"(?:((?:[{_USER_CHARS}\x80-\U0010ffff]++|%[0-9A-Fa-f]{{2}})++)"
    rf"(?::((?:[{C_UNRESERVED}&=+$,]++|%[0-9A-Fa-f]{{2}})*+))?+@)?"
    rf"({HOST})"
    r"(?::([0-9]++))?+"
    rf"({URI_PARAMETERS})"
    rf"(\?{_HEADERCHARS}++={_HEADERCHARS}*+(?:&{_HEADERCHARS}++={_HEADERCHARS}*+)*+)?+"
)
_TEL_PATTERN = re.compile(rf"[tT][eE][lL]:(\+?+[0-9A-Fa-f*#\-.()]++)({URI_PARAMETERS})")
_GLOBAL_NUMBER_PATTERN = re.compile(r"\+[0-9\-.()]++")
_ABSOLUTE_PATTERN = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*+):([!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]++)")
_SCHEME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*+")
_VISUAL_SEPARATORS = str.maketrans("", "", "-.()")
# transport is not in the list of RFC 3261 19.1.4, and in its rule on defaults and in its examples.
_MUST_MATCH = ("user", "ttl", "method", "maddr", "transport")


class URI(sipmessage.URI):
    """Name a resource (:rfc:`3261#section-19.1.1`).

    ``==`` is the comparison of :rfc:`3261#section-19.1.4` (tel: :rfc:`3966#section-4`), which ignores unknown
    parameters that only one side has. All fields are decoded; ``str()`` of a parsed value is its text.
    """

    parameters: Parameters
    headers: tuple[tuple[str, str], ...]
    "Header fields of a request made from the URI, decoded, in order (:rfc:`3261#section-19.1.5`)."
    opaque: str | None
    "All after the scheme and its colon, in a URI that is neither SIP, SIPS nor tel."

    def __init__(
        self,
        scheme: str,
        host: str = "",
        user: str | None = None,
        password: str | None = None,
        port: int | None = None,
        parameters: sipmessage.Parameters = EMPTY,
        headers: tuple[tuple[str, str], ...] = (),
        opaque: str | None = None,
    ) -> None:
        scheme = scheme.lower()
        if not isinstance(parameters, Parameters):
            parameters = Parameters(parameters)
        headers = tuple(headers)
        _check(scheme, host, user, password, port, headers, opaque)
        self.__dict__.update(
            scheme=scheme,
            host=host,
            user=user,
            password=password,
            port=port,
            parameters=parameters,
            headers=headers,
            opaque=opaque,
        )

    if not TYPE_CHECKING:

        @cached_property
        def parameters(self) -> Parameters:
            # Most URIs are routed by host and port; nobody looks at their parameters.
            return Parameters.parse_uri(self.__dict__["_parameters_text"])

    @classmethod
    def parse(cls, value: str) -> URI:
        """Read a URI: one whole text without anything around it."""
        match = _FAST_PATTERN.fullmatch(value)
        if match is not None:
            return uri_from_fast_groups(value, *match.groups())
        match = _SIP_PATTERN.fullmatch(value)
        if match is not None:
            return _from_sip_match(value, match)
        return _parse_other(value)

    def replace(self, **changes: Any) -> URI:
        """Return a copy with the fields in `changes` replaced; what stays keeps its spelling."""
        fields = {
            name: changes.pop(name) if name in changes else getattr(self, name)
            for name in ("scheme", "host", "user", "password", "port", "parameters", "headers", "opaque")
        }
        made = type(self)(**fields, **changes)
        if made.user == self.user and "_user_text" in self.__dict__:
            made.__dict__["_user_text"] = self.__dict__["_user_text"]
        return made

    @property
    def is_secure(self) -> bool:
        """Say whether the scheme is sips."""
        return self.scheme == "sips"

    @property
    def host_address(self) -> str:
        """Return the host without the brackets of an IPv6 reference."""
        return host_address(self.host)

    @property
    def global_phone_number(self) -> str | None:
        """Return the E.164 number in the user part without visual separators, or None (:rfc:`3966#section-5.1.4`)."""
        user = self.user
        if user is None or _GLOBAL_NUMBER_PATTERN.fullmatch(user) is None:
            return None
        number = user.translate(_VISUAL_SEPARATORS)
        return number if len(number) > 1 else None

    def aor(self) -> URI:
        """Return the address-of-record in canonical form: scheme, user, host and port (:rfc:`3261#section-10.3`)."""
        if self.opaque is not None:
            return self
        if self.scheme == "tel":
            context = self.parameters.get("phone-context")
            return URI(
                "tel",
                user=(self.user or "").translate(_VISUAL_SEPARATORS).lower(),
                parameters=EMPTY if context is None else Parameters({"phone-context": context.lower()}),
            )
        return URI(self.scheme, self.host.lower(), self.user, port=self.port)

    def __str__(self) -> str:
        text: str | None = self.__dict__.get("_text")
        if text is None:
            text = self.__dict__["_text"] = self._render()
        return text

    def _render(self) -> str:
        if self.opaque is not None:
            return f"{self.scheme}:{self.opaque}"
        if self.scheme == "tel":
            return f"tel:{self.user}{self.parameters.in_uri()}"
        parts = [self.scheme, ":"]
        if self.user is not None:
            parts.append(self._escaped_user())
            if self.password is not None:
                parts += (":", escape(self.password, _PASSWORD_SAFE))
            parts.append("@")
        parts.append(self.host)
        if self.port is not None:
            parts.append(f":{self.port}")
        parts.append(self.parameters.in_uri())
        if self.headers:
            pairs = [f"{escape(name, _HEADER_SAFE)}={escape(value, _HEADER_SAFE)}" for name, value in self.headers]
            parts += ("?", "&".join(pairs))
        return "".join(parts)

    def _escaped_user(self) -> str:
        text: str | None = self.__dict__.get("_user_text")
        return escape(self.user or "", _USER_SAFE) if text is None else text

    def _identity(self) -> tuple[object, ...]:
        """Return what must be the same in equal URIs, whatever their parameters."""
        identity: tuple[object, ...] | None = self.__dict__.get("_identity_key")
        if identity is None:
            scheme = self.scheme
            if self.opaque is not None:
                identity = (scheme, self.opaque)
            elif scheme == "tel":
                identity = (scheme, (self.user or "").translate(_VISUAL_SEPARATORS).lower())
            else:
                user = None if self.user is None else escape_key(self._escaped_user())
                password = None if self.password is None else escape_key(escape(self.password, _PASSWORD_SAFE))
                identity = (scheme, user, password, self.host.lower(), self.port)
            self.__dict__["_identity_key"] = identity
        return identity

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, URI):
            return NotImplemented
        if self._identity() != other._identity():
            return False
        if self.opaque is not None or (not self.parameters and not other.parameters and self.headers == other.headers):
            return True
        mine = self.parameters.uri_keys()
        theirs = other.parameters.uri_keys()
        if self.scheme == "tel":
            return _tel_keys(mine) == _tel_keys(theirs)
        if any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys()):
            return False
        if any((name in mine) != (name in theirs) for name in _MUST_MATCH):
            return False
        return _header_keys(self.headers) == _header_keys(other.headers)

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        return f"URI({str(self)!r})"


def uri_from_fast_groups(text: str, scheme: str, user: str | None, host: str, port: str | None, parameters: str) -> URI:
    """Make a URI of what the groups of `URI_FAST` hold."""
    made = URI.__new__(URI)
    fields = made.__dict__
    fields["_text"] = text
    fields["scheme"] = scheme
    fields["user"] = user
    fields["host"] = host
    fields["port"] = None if port is None else int(port)
    fields["password"] = None
    fields["headers"] = ()
    fields["opaque"] = None
    if not parameters:
        fields["parameters"] = EMPTY
    elif parameters.count(";") == 1:
        fields["_parameters_text"] = parameters
    else:
        # More than one can stand twice, which must be found now.
        fields["parameters"] = Parameters.parse_uri(parameters)
    return made


def _from_sip_match(text: str, match: re.Match[str]) -> URI:
    scheme, user, password, host, port, parameters, headers = match.groups()
    check_host_untrusted(host, "the host of a URI")
    made = URI.__new__(URI)
    made.__dict__.update(
        _text=text,
        scheme=scheme.lower(),
        user=None if user is None else unescape(user),
        password=None if password is None else unescape(password),
        host=host,
        port=None if port is None else decimal_untrusted(port, "the port of a URI", PORT_MAX),
        parameters=Parameters.parse_uri(parameters),
        headers=() if headers is None else _parse_headers(headers[1:]),
        opaque=None,
    )
    if user is not None and "%" in user:
        made.__dict__["_user_text"] = user
    return made


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        pairs.append((unescape(name), unescape(value)))
    return tuple(pairs)


def _parse_other(text: str) -> URI:
    made = URI.__new__(URI)
    fields = made.__dict__
    match = _TEL_PATTERN.fullmatch(text)
    if match is not None:
        user, parameters = match.groups()
        if not _is_subscriber(user):
            malformed("a tel URI", text, "it must hold a number")
        fields.update(_text=text, scheme="tel", host="", user=user, password=None, port=None, headers=(), opaque=None)
        fields["parameters"] = Parameters.parse_uri(parameters)
        return made
    match = _ABSOLUTE_PATTERN.fullmatch(text)
    if match is None or (scheme := match[1].lower()) in ("sip", "sips", "tel"):
        malformed("a URI", text)
    fields.update(_text=text, scheme=scheme, host="", user=None, password=None, port=None, headers=(), opaque=match[2])
    fields["parameters"] = EMPTY
    return made


def _is_subscriber(text: str) -> bool:
    if text.startswith("+"):
        return _GLOBAL_NUMBER_PATTERN.fullmatch(text) is not None and len(text.translate(_VISUAL_SEPARATORS)) > 1
    return text.translate(_VISUAL_SEPARATORS) != ""


def _check(
    scheme: str,
    host: str,
    user: str | None,
    password: str | None,
    port: int | None,
    headers: tuple[tuple[str, str], ...],
    opaque: str | None,
) -> None:
    """Refuse fields of which no URI can be made."""
    if _SCHEME_PATTERN.fullmatch(scheme) is None:
        raise LocalProtocolError(f"a URI scheme is a letter, then letters, digits and +-. : {scheme!r}")
    if opaque is not None:
        if scheme in ("sip", "sips", "tel") or host or user is not None:
            raise LocalProtocolError(f"a {scheme} URI has either an opaque part or a host and a user; give one of them")
        if _ABSOLUTE_PATTERN.fullmatch(f"{scheme}:{opaque}") is None:
            raise LocalProtocolError(f"the opaque part of a URI must be URI characters, others escaped: {opaque!r}")
        return
    if scheme == "tel":
        if host or password is not None or port is not None or headers or user is None:
            raise LocalProtocolError("a tel URI has a user, which is the number, and parameters; leave the rest out")
        if _TEL_PATTERN.fullmatch("tel:" + user) is None or not _is_subscriber(user):
            raise LocalProtocolError(f"the user of a tel URI must be a telephone number: {user!r}")
        return
    if scheme not in ("sip", "sips"):
        raise LocalProtocolError(f"a {scheme} URI needs an opaque part; give opaque=...")
    if not is_host(host):
        raise LocalProtocolError(
            f"the host of a URI must be a host name, an IPv4 address or an IPv6 address in brackets: {host!r}"
        )
    if port is not None and not 0 <= port <= PORT_MAX:
        raise LocalProtocolError(f"a port is between 0 and {PORT_MAX}: {port}")
    if user == "" or (user is None and password is not None):
        raise LocalProtocolError("a URI has either a user or neither user nor password; give user=None for none")
    if any(not name for name, _ in headers):
        raise LocalProtocolError("a header in a URI must have a name; leave the nameless one out")
    for text in (user or "", password or "", *[part for pair in headers for part in pair]):
        if not text.isascii():
            # Escaping protects CR, LF and NUL; half a character nothing can.
            check_text("a part of a URI", text.replace("\r", "").replace("\n", "").replace("\0", ""))


def _tel_keys(keys: dict[str, str | None]) -> dict[str, str | None]:
    for name in ("ext", "phone-context"):
        value = keys.get(name)
        if value is not None and (name == "ext" or value.startswith("+")):
            keys[name] = value.translate(_VISUAL_SEPARATORS)
    return keys


def _header_keys(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in headers)
