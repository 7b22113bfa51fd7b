"""Header field values, from the grammar of the RFC that defines each (:rfc:`3261#section-25.1` where none is named)."""

from __future__ import annotations

import datetime
import string
from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipstack.message import HEADER_NAMES

from ._basic import (
    TOKEN_CHARS,
    URIC,
    addresses,
    characters,
    comments,
    decimals,
    delta_seconds,
    host_names,
    hosts,
    joined,
    kept,
    languages,
    listed,
    lws,
    optional,
    parameters,
    ports,
    quoted_strings,
    qvalues,
    separator,
    spelled,
    sws,
    text_utf8,
    tokens,
    words,
)
from ._uris import absolute_uris, sip_uris, sips_uris, tel_uris, uris

__all__ = ["GRAMMAR", "METHODS", "folded", "header_fields", "header_values", "methods"]

METHODS = (
    "INVITE", "ACK", "OPTIONS", "BYE", "CANCEL", "REGISTER", "PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO", "REFER",
    "MESSAGE", "UPDATE",
)  # fmt: skip
"The methods of RFC 3261 and of the RFCs that add to it."

CSEQ_MAX = 2**31 - 1  # RFC 3261 8.1.1.5


@kept
def methods() -> SearchStrategy[str]:
    """Draw a method: mostly a known one, sometimes any token."""
    return st.one_of(st.sampled_from(METHODS), st.sampled_from(METHODS), tokens())


# Parts that several header fields share.

_tag = tokens()
_token_text = tokens()
_slash = separator("/")
_call_id = words() | joined(words(), "@", words())
_no_dot = characters(TOKEN_CHARS.replace(".", ""), most=8)
_event_type = listed(_no_dot, st.just("."), most=3)
_media_type = joined(
    st.sampled_from(["application", "text", "multipart", "message"]) | tokens(),
    _slash,
    st.sampled_from(["sdp", "plain", "mixed", "sipfrag"]) | tokens(),
)
_accept_parameters = parameters({"q": qvalues()})
_feature_tags: Mapping[str, SearchStrategy[str] | None] = dict.fromkeys(
    ("audio", "automata", "video", "isfocus", "text")
)
_number = joined(st.sampled_from(["", "+", "-"]), characters(string.digits, most=4))
_tag_value = joined(
    optional(st.just("!")),
    characters(TOKEN_CHARS.replace("!", ""), most=8)
    | st.sampled_from(["TRUE", "FALSE"])
    | joined("#", st.sampled_from([">=", "<=", "="]) | joined(_number, ":"), _number),
)
_feature_value = listed(_tag_value, st.just(",")).map(lambda text: f'"{text}"')
_feature_sets: Mapping[str, SearchStrategy[str] | None] = {
    **_feature_tags,
    "class": _feature_value,
    "methods": _feature_value,
    "language": _feature_value,
    "+sip.rendering": _feature_value,
}


def _display_name() -> SearchStrategy[str]:
    plain = st.lists(joined(tokens(), lws), max_size=3).map("".join)
    return plain | joined(quoted_strings(), sws)


def _name_addr(uri: SearchStrategy[str]) -> SearchStrategy[str]:
    return joined(optional(_display_name()), "<", uri, ">")


def _address(
    known: Mapping[str, SearchStrategy[str] | None] | None = None, *, bare: bool = True, with_headers: bool = True
) -> SearchStrategy[str]:
    """Draw a name-addr, or an addr-spec where one may stand; then parameters."""
    name_addr = _name_addr(uris(with_headers=with_headers))
    head = st.one_of(name_addr, name_addr, uris(bare=True)) if bare else name_addr
    return joined(head, parameters(known))


def _route() -> SearchStrategy[str]:
    return listed(_address(bare=False, with_headers=False))


def _info(known: Mapping[str, SearchStrategy[str] | None] | None = None) -> SearchStrategy[str]:
    # absoluteURI takes in SIP URIs too, as its scheme may be any.
    return listed(joined(sws, "<", absolute_uris() | sip_uris(), ">", parameters(known)))


def _option_tags(*, least: int = 1) -> SearchStrategy[str]:
    return listed(st.sampled_from(["100rel", "timer", "path", "outbound"]) | tokens(), least=least)


def _products() -> SearchStrategy[str]:
    product = joined(tokens(), optional(joined(_slash, tokens())))
    return listed(product | comments(), lws)


def _mechanisms() -> SearchStrategy[str]:
    # RFC 3329 2.2
    known: Mapping[str, SearchStrategy[str] | None] = {
        "q": qvalues(),
        "d-alg": st.sampled_from(["md5", "sha-256"]),
        "d-qop": st.sampled_from(["auth", "auth-int"]),
        "d-ver": characters("0123456789abcdef", least=32, most=32).map(lambda text: f'"{text}"'),
    }
    return listed(joined(st.sampled_from(["digest", "tls", "ipsec-ike"]) | tokens(), parameters(known)))


_LOWER_HEX = "0123456789abcdef"
_hex_response = characters(_LOWER_HEX, least=32, most=64).map(lambda text: f'"{text}"')
_algorithm = st.sampled_from(["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256"]) | tokens()
_qop = st.sampled_from(["auth", "auth-int"]) | tokens()

_CREDENTIALS: Mapping[str, SearchStrategy[str]] = {
    "username": quoted_strings(),
    "realm": quoted_strings(),
    "nonce": quoted_strings(),
    "uri": uris().map(lambda text: f'"{text}"'),
    "response": _hex_response,
    "algorithm": _algorithm,
    "cnonce": quoted_strings(),
    "opaque": quoted_strings(),
    "qop": _qop,
    "nc": characters(_LOWER_HEX, least=8, most=8),
    "userhash": st.sampled_from(["true", "false"]),
}
_CHALLENGE: Mapping[str, SearchStrategy[str]] = {
    "realm": quoted_strings(),
    "domain": listed(uris(), st.just(" ")).map(lambda text: f'"{text}"'),
    "nonce": quoted_strings(),
    "opaque": quoted_strings(),
    "stale": st.sampled_from(["true", "false", "TRUE"]),
    "algorithm": _algorithm,
    "qop": listed(_qop, st.just(",")).map(lambda text: f'"{text}"'),
    "userhash": st.sampled_from(["true", "false"]),
}
_AUTHENTICATION_INFO: Mapping[str, SearchStrategy[str]] = {
    "nextnonce": quoted_strings(),
    "qop": _qop,
    "rspauth": characters(_LOWER_HEX, least=0, most=64).map(lambda text: f'"{text}"'),
    "cnonce": quoted_strings(),
    "nc": characters(_LOWER_HEX, least=8, most=8),
}


@st.composite
def _auth_parameters(draw: st.DrawFn, known: Mapping[str, SearchStrategy[str]]) -> str:
    names = draw(st.lists(st.sampled_from([*known, ""]), min_size=1, max_size=6, unique=True))
    pieces: list[str] = []
    for name in names:
        spelling = draw(spelled(name)) if name else draw(tokens().filter(lambda text: text.lower() not in known))
        value = draw(known[name]) if name else draw(tokens() | quoted_strings())
        equals = draw(separator("="))
        pieces += [draw(st.sampled_from([", ", ", ", ","])) if pieces else "", spelling, equals, value]
    return "".join(pieces)


def _authenticated(known: Mapping[str, SearchStrategy[str]]) -> SearchStrategy[str]:
    other_scheme = tokens().filter(lambda text: text.lower() != "digest")
    digest = joined(spelled("Digest"), lws, _auth_parameters(known))
    return st.one_of(digest, digest, joined(other_scheme, lws, _auth_parameters(known)))


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date(moment: datetime.datetime) -> str:
    day = f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} {moment.year:04}"
    return f"{day} {moment:%H:%M:%S} GMT"


def _via() -> SearchStrategy[str]:
    known: Mapping[str, SearchStrategy[str] | None] = {
        "ttl": decimals(0, 255).filter(lambda text: len(text) <= 3),
        "maddr": hosts(),
        "received": addresses(),
        "branch": tokens().map("z9hG4bK".__add__) | tokens(),
    }
    with_rport: Mapping[str, SearchStrategy[str] | None] = {**known, "rport": None}
    answered: Mapping[str, SearchStrategy[str] | None] = {**known, "rport": ports(1)}  # RFC 3581 4
    protocol = joined(
        st.one_of(st.just("SIP"), st.just("SIP"), tokens()),
        _slash,
        st.one_of(st.just("2.0"), st.just("2.0"), tokens()),
        _slash,
        st.sampled_from(["UDP", "TCP", "TLS", "SCTP", "WS", "WSS"]) | tokens(),
    )
    sent_by = joined(hosts(), optional(joined(separator(":"), ports())))
    return joined(protocol, lws, sent_by, parameters(with_rport) | parameters(answered))


def _history_index() -> SearchStrategy[str]:
    return listed(decimals(0, 999).map(lambda text: str(int(text))), st.just("."), most=4)


def _dialog_name(first: str, second: str, flags: tuple[str, ...] = ()) -> SearchStrategy[str]:
    known: Mapping[str, SearchStrategy[str] | None] = {first: tokens(), second: tokens(), **dict.fromkeys(flags)}
    # A comma begins no second value here, but a semicolon would begin the parameters.
    return joined(_call_id, parameters(known, required=(first, second), most=1))


_CONTACT: Mapping[str, SearchStrategy[str] | None] = {
    "q": qvalues(),
    "expires": delta_seconds(),
    "reg-id": decimals(1, 2**31 - 1),
    "+sip.instance": characters(URIC, most=12).map(lambda text: f'"<{text}>"'),
    **_feature_tags,
}
_SECONDS: Mapping[str, SearchStrategy[str] | None] = {"duration": delta_seconds()}
_PERSONS: Mapping[str, SearchStrategy[str] | None] = {"tag": _tag}
_DIVERSION: Mapping[str, SearchStrategy[str] | None] = {
    "reason": st.sampled_from(["unknown", "user-busy", "no-answer", "unconditional"]) | tokens() | quoted_strings(),
    "counter": characters(string.digits, most=2),
    "limit": characters(string.digits, most=2),
    "privacy": st.sampled_from(["full", "name", "uri", "off"]) | tokens() | quoted_strings(),
    "screen": st.sampled_from(["yes", "no"]) | tokens() | quoted_strings(),
}
_ATOM = characters(string.ascii_letters + string.digits + "-!%*_+'`~", most=8)
_DOT_ATOM = listed(_ATOM, st.just("."))
_IDENTITY: Mapping[str, SearchStrategy[str] | None] = {"alg": tokens(), "ppt": tokens() | quoted_strings()}

GRAMMAR: Mapping[str, SearchStrategy[str]] = {
    "Accept": listed(
        joined(st.one_of(_media_type, st.just("*/*"), joined(tokens(), _slash, "*")), _accept_parameters), least=0
    ),
    "Accept-Contact": listed(joined("*", parameters({**_feature_sets, "require": None, "explicit": None}))),
    "Accept-Encoding": listed(
        joined(st.sampled_from(["gzip", "identity", "*"]) | tokens(), _accept_parameters), least=0
    ),
    "Accept-Language": listed(joined(languages() | st.just("*"), _accept_parameters), least=0),
    "Alert-Info": _info(),
    "Allow": listed(methods(), least=0),
    "Allow-Events": listed(_event_type),  # RFC 6665 8.4
    "Authentication-Info": _auth_parameters(_AUTHENTICATION_INFO),
    "Authorization": _authenticated(_CREDENTIALS),
    "Call-ID": _call_id,
    "Call-Info": _info({"purpose": st.sampled_from(["icon", "info", "card"]) | tokens()}),
    "Contact": st.just("*") | listed(_address(_CONTACT)),
    "Content-Disposition": joined(
        st.sampled_from(["render", "session", "icon", "alert"]) | tokens(),
        parameters({"handling": st.sampled_from(["optional", "required"]) | tokens()}),
    ),
    "Content-Encoding": listed(st.sampled_from(["gzip", "deflate"]) | tokens()),
    "Content-Language": listed(languages()),
    "Content-Length": decimals(0, 9_999),
    "Content-Type": joined(
        _media_type, parameters({"charset": tokens(), "boundary": tokens() | quoted_strings()}, generic=False)
    ),
    "CSeq": joined(decimals(0, CSEQ_MAX), lws, methods()),
    "Date": st.datetimes(min_value=datetime.datetime(1000, 1, 1)).map(_date),  # noqa: DTZ001  (GMT is in the text)
    "Diversion": listed(_address(_DIVERSION, bare=False)),  # RFC 5806 4
    "Error-Info": _info(),
    "Event": joined(_event_type, parameters({"id": tokens()})),  # RFC 6665 8.4
    "Expires": delta_seconds(),
    "Flow-Timer": decimals(),  # RFC 5626 10
    "From": _address(_PERSONS),
    "History-Info": listed(  # RFC 7044 10.1
        _address(
            {"index": _history_index(), "rc": _history_index(), "mp": _history_index(), "np": _history_index()},
            bare=False,
        )
    ),
    "Identity": joined(  # RFC 8224 4
        characters(string.ascii_letters + string.digits + "/+.", most=40),
        separator(";"),
        "info",
        separator("="),
        "<",
        absolute_uris(),
        ">",
        parameters(_IDENTITY),
    ),
    "In-Reply-To": listed(_call_id),
    "Join": _dialog_name("to-tag", "from-tag"),  # RFC 3911 7.1
    "Max-Forwards": decimals(0, 255),
    "MIME-Version": joined(characters(string.digits, most=3), ".", characters(string.digits, most=3)),
    "Min-Expires": delta_seconds(),
    "Min-SE": joined(delta_seconds(), parameters()),  # RFC 4028 5
    "Organization": optional(text_utf8()),
    "P-Asserted-Identity": listed(  # RFC 3325 9.1
        _name_addr(sip_uris() | sips_uris() | tel_uris()) | sip_uris(bare=True) | tel_uris(bare=True), most=2
    ),
    "P-Preferred-Identity": listed(
        _name_addr(sip_uris() | sips_uris() | tel_uris()) | sip_uris(bare=True) | tel_uris(bare=True), most=2
    ),
    "Path": _route(),  # RFC 3327 4
    "Priority": st.sampled_from(["emergency", "urgent", "normal", "non-urgent"]) | tokens(),
    "Privacy": listed(  # RFC 3323 4.2
        st.sampled_from(["header", "session", "user", "none", "critical", "id", "history"]) | tokens(), st.just(";")
    ),
    "Proxy-Authenticate": _authenticated(_CHALLENGE),
    "Proxy-Authorization": _authenticated(_CREDENTIALS),
    "Proxy-Require": _option_tags(),
    "RAck": joined(decimals(), lws, decimals(0, CSEQ_MAX), lws, methods()),  # RFC 3262 10
    "Reason": listed(  # RFC 3326 2
        joined(
            st.sampled_from(["SIP", "Q.850"]) | tokens(),
            parameters({"cause": decimals(0, 699), "text": quoted_strings()}),
        )
    ),
    "Record-Route": _route(),
    "Refer-To": _address(),  # RFC 3515 2.1
    "Referred-By": _address(  # RFC 3892 3
        {"cid": joined(_DOT_ATOM, "@", _DOT_ATOM | host_names()).map(lambda text: f'"{text}"')}
    ),
    "Reject-Contact": listed(joined("*", parameters(_feature_sets))),
    "Replaces": _dialog_name("to-tag", "from-tag", ("early-only",)),  # RFC 3891 6.1
    "Reply-To": _address(),
    "Request-Disposition": listed(  # RFC 3841 10
        st.sampled_from(
            [
                "proxy",
                "redirect",
                "cancel",
                "no-cancel",
                "fork",
                "no-fork",
                "recurse",
                "no-recurse",
                "parallel",
                "sequential",
                "queue",
                "no-queue",
            ]
        )
    ),
    "Require": _option_tags(),
    "Retry-After": joined(delta_seconds(), optional(joined(sws, comments(), sws)), parameters(_SECONDS)),
    "Route": _route(),
    "RSeq": decimals(1),  # RFC 3262 7.1
    "Security-Client": _mechanisms(),
    "Security-Server": _mechanisms(),
    "Security-Verify": _mechanisms(),
    "Server": _products(),
    "Service-Route": _route(),  # RFC 3608 5
    "Session-Expires": joined(
        delta_seconds(), parameters({"refresher": st.sampled_from(["uac", "uas"])})
    ),  # RFC 4028 4
    "SIP-ETag": tokens(),  # RFC 3903 12
    "SIP-If-Match": tokens(),
    "Subject": optional(text_utf8()),
    "Subscription-State": joined(  # RFC 6665 8.4
        st.sampled_from(["active", "pending", "terminated"]) | tokens(),
        parameters(
            {
                "reason": st.sampled_from(["deactivated", "rejected", "noresource"]) | tokens(),
                "expires": delta_seconds(),
                "retry-after": delta_seconds(),
            }
        ),
    ),
    "Supported": _option_tags(least=0),
    "Timestamp": joined(
        characters(string.digits, most=10),
        optional(joined(".", characters(string.digits, least=0, most=6))),
        optional(
            joined(lws, characters(string.digits), optional(joined(".", characters(string.digits, least=0, most=6))))
        ),
    ),
    "To": _address(_PERSONS),
    "Unsupported": _option_tags(),
    "User-Agent": _products(),
    "Via": listed(_via()),
    "Warning": listed(
        joined(
            st.integers(100, 999).map(str),
            " ",
            joined(hosts(), optional(joined(":", ports()))) | tokens(),
            " ",
            quoted_strings(),
        )
    ),
    "WWW-Authenticate": _authenticated(_CHALLENGE),
}
"""A strategy for the value of each header field that sipstack reads, by its standard name."""


@kept
def header_values(name: str) -> SearchStrategy[str]:
    """Draw a value of the header field `name`, unfolded, as its grammar allows.

    A name that no RFC of ours defines has any text for people.

    :param name: in any spelling, the compact form included.
    """
    return GRAMMAR.get(HEADER_NAMES.get(name.lower(), name), optional(text_utf8()))


@kept
def folded(values: SearchStrategy[str]) -> SearchStrategy[str]:
    """Draw a value and break it into lines where white space stands, some of the time (:rfc:`3261#section-7.3.1`)."""
    return _folded(values)


@st.composite
def _folded(draw: st.DrawFn, values: SearchStrategy[str]) -> str:
    value = draw(values)
    places = [place for place, character in enumerate(value) if character in " \t" and 0 < place < len(value) - 1]
    # Not behind a backslash: that white space is one half of a quoted pair.
    places = [place for place in places if value[place - 1] != "\\"]
    for place in sorted(
        draw(st.lists(st.sampled_from(places), max_size=2, unique=True)) if places else (), reverse=True
    ):
        value = value[:place] + "\r\n" + value[place:]
    return value


_COMPACT = {long: short for short, long in HEADER_NAMES.items() if len(short) == 1}
_STRICT_SPACE = frozenset(["Date", "Warning"])
"Where the grammar says SP, no fold may stand."


_COLONS = st.sampled_from([": ", ": ", ": ", ":", " :", "\t: ", ":  ", ":\r\n "])


@kept
def header_fields(name: str) -> SearchStrategy[str]:
    """Draw a whole header field without its line end: in any spelling, compact, folded, with white space around it."""
    standard = HEADER_NAMES.get(name.lower(), name)
    spellings = [standard, standard, standard, standard.lower(), standard.upper()]
    if standard in _COMPACT:
        spellings += [_COMPACT[standard], _COMPACT[standard].upper()]
    values = header_values(standard) if standard in _STRICT_SPACE else folded(header_values(standard))
    return st.tuples(st.sampled_from(spellings), _COLONS, values).map(_field)


def _field(parts: tuple[str, str, str]) -> str:
    name, colon, value = parts
    # A line of white space alone would be a fold with nothing behind it.
    return name + (colon + value if value else colon.rstrip())
