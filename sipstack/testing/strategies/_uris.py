"""URIs: SIP, SIPS, tel and all others (:rfc:`3261#section-25.1`, :rfc:`3966#section-3`)."""

from __future__ import annotations

import string
from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ._basic import (
    UNRESERVED,
    URIC,
    characters,
    escaped,
    host_names,
    hosts,
    joined,
    kept,
    optional,
    ports,
    spelled,
)

__all__ = ["absolute_uris", "sip_uris", "sips_uris", "tel_uris", "uris"]

_PARAMETER_CHARS = UNRESERVED + "[]/:&+$"
_HEADER_CHARS = UNRESERVED + "[]/?:+$"


@kept
def _escapable(alphabet: str, *, least: int = 1, most: int = 8) -> SearchStrategy[str]:
    """Draw characters of an alphabet and escaped octets; most texts have none of the latter."""
    plain = characters(alphabet, least=least, most=most)
    mixed = st.lists(st.one_of(st.sampled_from(alphabet), escaped()), min_size=least, max_size=most).map("".join)
    return st.one_of(plain, plain, mixed)


# A method, a transport and a user type are tokens, of which only some characters need no escape in a URI.
_URI_TOKEN = characters("".join(c for c in _PARAMETER_CHARS if c.isalnum() or c in "-.!*_+'~"), most=6)

_SIP_PARAMETERS: Mapping[str, SearchStrategy[str] | None] = {
    "transport": st.sampled_from(["udp", "tcp", "tls", "sctp", "ws"]) | _URI_TOKEN,
    "user": st.sampled_from(["phone", "ip"]) | _URI_TOKEN,
    "method": st.sampled_from(["INVITE", "REGISTER", "SUBSCRIBE"]) | _URI_TOKEN,
    "ttl": st.integers(0, 255).map(str),
    "maddr": hosts(),
    "lr": None,
}


@st.composite
def _uri_parameters(draw: st.DrawFn, known: Mapping[str, SearchStrategy[str] | None], most: int = 3) -> str:
    seen: set[str] = set()
    pieces: list[str] = []
    for name in draw(st.lists(st.sampled_from([*known, ""]), max_size=most)):
        if name:
            strategy = known[name]
            value = None if strategy is None else draw(strategy)
            spelling = draw(spelled(name))
        else:
            # Without escapes, so that whoever reads this can tell two names apart by their letters.
            name = spelling = draw(characters(_PARAMETER_CHARS, most=6))
            value = draw(st.one_of(st.none(), _escapable(_PARAMETER_CHARS)))
        if name.lower() in seen or (spelling != name and spelling.lower() != name.lower()):
            continue
        if name not in known and name.lower() in known:
            continue
        seen.add(name.lower())
        pieces.append(f";{spelling}" if value is None else f";{spelling}={value}")
    return "".join(pieces)


@kept
def _sip(scheme: str, *, with_headers: bool, bare: bool) -> SearchStrategy[str]:
    # Outside angle brackets, a comma, a question mark and a semicolon belong to the header field (RFC 3261 20).
    user_chars = UNRESERVED + ("&=+$/" if bare else "&=+$,;?/")
    password_chars = UNRESERVED + ("&=+$" if bare else "&=+$,")
    user = _escapable(user_chars, most=10) | joined("+", characters(string.digits + "-.()", least=3, most=12))
    userinfo = joined(user, optional(joined(":", _escapable(password_chars, least=0))), "@")
    header = joined(_escapable(_HEADER_CHARS), "=", _escapable(_HEADER_CHARS, least=0))
    headers = joined("?", st.lists(header, min_size=1, max_size=3).map("&".join))
    return joined(
        spelled(scheme),
        ":",
        optional(userinfo),
        hosts(),
        optional(joined(":", ports())),
        "" if bare else _uri_parameters(_SIP_PARAMETERS),
        optional(headers) if with_headers and not bare else "",
    )


@kept
def sip_uris(*, with_headers: bool = False, bare: bool = False) -> SearchStrategy[str]:
    """Draw a SIP URI.

    :param with_headers: whether header fields may stand at its end, as no Request-URI has them.
    :param bare: only what may stand without angle brackets: no comma, semicolon or question mark.
    """
    return _sip("sip", with_headers=with_headers, bare=bare)


@kept
def sips_uris(*, with_headers: bool = False, bare: bool = False) -> SearchStrategy[str]:
    """Draw a SIPS URI; see `sip_uris`."""
    return _sip("sips", with_headers=with_headers, bare=bare)


_SEPARATED = string.digits + "-.()"


@kept
def tel_uris(*, bare: bool = False) -> SearchStrategy[str]:
    """Draw a tel URI: a global number, or a local one with its context; see `sip_uris`."""
    return _tel_uris(bare)


@st.composite
def _tel_uris(draw: st.DrawFn, bare: bool) -> str:
    global_digits = joined(
        "+", characters(_SEPARATED, least=0), characters(string.digits, most=3), characters(_SEPARATED, least=0)
    )
    hexadecimal = string.hexdigits + "*#"
    local_digits = joined(
        characters(hexadecimal + "-.()", least=0),
        characters(hexadecimal, most=3),
        characters(hexadecimal + "-.()", least=0),
    )
    is_global = bare or draw(st.booleans())
    pieces = [draw(spelled("tel")), ":", draw(global_digits if is_global else local_digits)]
    if bare:
        return "".join(pieces)
    if draw(st.booleans()):
        pieces.append(draw(joined(";ext=", characters(_SEPARATED, least=0), characters(string.digits, most=3))))
    if not is_global:
        pieces.append(draw(joined(";phone-context=", host_names() | global_digits)))
    name = characters(string.ascii_letters + string.digits + "-", most=6).filter(
        lambda text: text.lower() not in ("ext", "isub", "phone-context")
    )
    # In the order of their names, as RFC 3966 section 3 asks.
    for one in sorted(draw(st.lists(name, max_size=2, unique_by=str.lower))):
        pieces.append(f";{one}" + draw(optional(joined("=", _escapable(_PARAMETER_CHARS)))))
    return "".join(pieces)


@kept
def absolute_uris(*, bare: bool = False) -> SearchStrategy[str]:
    """Draw a URI that is neither SIP, SIPS nor tel."""
    schemes = st.sampled_from(["http", "https", "urn", "mailto", "im", "pres", "cid", "x-other+1.0"]) | joined(
        characters(string.ascii_letters, most=1), characters(string.ascii_letters + string.digits + "+-.", least=0)
    ).filter(lambda text: text.lower() not in ("sip", "sips", "tel"))
    uric = "".join(c for c in URIC if c not in ",;?") if bare else URIC
    first = "".join(c for c in uric if c != "/")
    segment = _escapable(UNRESERVED + (":@&=+$" if bare else ":@&=+$,;"), least=0, most=6)
    path = joined("/", st.lists(segment, min_size=1, max_size=3).map("/".join))
    query = "" if bare else optional(joined("?", _escapable(uric, least=0)))
    net_path = joined("//", hosts(), optional(joined(":", ports())), optional(path))
    return joined(
        schemes,
        ":",
        st.one_of(joined(_escapable(first, most=1), _escapable(uric, least=0)), joined(net_path | path, query)),
    )


@kept
def uris(*, with_headers: bool = False, bare: bool = False) -> SearchStrategy[str]:
    """Draw any URI; see `sip_uris`."""
    sip = sip_uris(with_headers=with_headers, bare=bare)
    return st.one_of(
        sip, sip, sips_uris(with_headers=with_headers, bare=bare), tel_uris(bare=bare), absolute_uris(bare=bare)
    )
