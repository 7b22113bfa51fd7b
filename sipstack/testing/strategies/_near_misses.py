"""Values that are wrong by little, and that the grammar or a MUST refuses (:rfc:`3261#section-25.1`).

What careful parsers take all the same is not here, for no RFC says that it must be refused: underscores in host names,
raw UTF-8 in a user part or an unquoted display name, more characters in a Call-ID than its words have, an IPv6 address
with a colon too many before an embedded IPv4 one (:rfc:`5118#section-4.10`), space around a URI in angle brackets
(:rfc:`4475#section-3.1.2.14`), a route without angle brackets, a malformed expires of a Contact
(:rfc:`3261#section-10.2.1.1`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipstack.message import HEADER_NAMES

from ._basic import joined, tokens
from ._uris import sip_uris

__all__ = ["NEAR_MISSES", "near_misses"]

_OTHER_DIGITS = ("\N{ARABIC-INDIC DIGIT FIVE}", "\N{FULLWIDTH DIGIT ONE}", "\N{SUPERSCRIPT TWO}")


def _either(*values: str) -> SearchStrategy[str]:
    return st.sampled_from(values)


def _decimals(most: int, least: int = 0) -> SearchStrategy[str]:
    """Draw what is no decimal number between `least` and `most`."""
    below = [str(number) for number in range(min(least, 3))]
    return st.one_of(
        st.integers(most + 1, most * 2**40).map(str),
        st.integers(1, 10**6).map(lambda number: f"-{number}"),
        _either("+1", "1_0", "0x10", "1.0", "1e3", "1 2", "a", "9" * 5_000, "1,", *below, *_OTHER_DIGITS),
    )


def _tokens(*allowed: str) -> SearchStrategy[str]:
    """Draw two tokens with a character between them that no token has, the `allowed` excepted."""
    separators = [c for c in '()<>@,;:\\"/[]?={} \t\x7f\x01\N{LATIN SMALL LETTER E WITH ACUTE}' if c not in allowed]
    return joined(tokens(), st.sampled_from(separators), tokens())


def _token_lists() -> SearchStrategy[str]:
    return st.one_of(
        _tokens(","),
        joined(tokens(), _either(",,", ", ,", ",;"), tokens()),
        joined(",", tokens()),
        joined(tokens(), ","),
    )


_PARAMETERS = st.one_of(
    _either(
        ";", ";;", ";a;", ";a=", ";=b", ";a==b", ';a="b', ';a="b\\"', ';a="b"c', ";a=b c", ";a b", " a", ";a,", '"'
    ),
    _either(
        ";a=<b>",
        ";a=b/c",
        ";a=b@c",
        ";a=b?",
        ";\N{LATIN SMALL LETTER E WITH ACUTE}=b",
        ';a="\x01"',
        ";a=b\x7f",
        ";a{=b",
    ),
    # 7.3.1: any given parameter name must not appear more than once.
    joined(";", st.just("same"), _either("", "=1", '="x"'), ";", _either("same", "SAME", "Same"), _either("", "=2")),
)
"""What is no list of header parameters."""

_URIS = st.one_of(
    _either(
        "",
        ":",
        "sip",
        "sip:",
        "sips:",
        "tel:",
        "tel:+",
        "tel:-",
        "http:",
        "1x:y",
        "b",
        "*",
        "sip:@b",
        "sip::p@b",
        "sip:a@",
    ),
    _either(
        "sip:a@b:",
        "sip:a@b:65536",
        "sip:a@b:-1",
        "sip:a@b:5 ",
        "sip:a@[::1",
        "sip:a@::1",
        "sip:a@[::g]",
        "sip:a@[1.2.3.4]",
    ),
    _either(
        "sip:a@b;", "sip:a@b;;x", "sip:a@b;x=1;X=2", "sip:a@b;=x", "sip:a@b?", "sip:a@b?x", "sip:a@b?=x", "sip:a@b?x=1&"
    ),
    _either(
        "sip:a%@b", "sip:a%4@b", "sip:a%zz@b", "sip:a b@c", "sip:a@b c", "sip:a@b..c", "sip:a@.b", "sip:a@1.2.3.256"
    ),
    _either(
        "sip:a@1.2.3", "sip:a@b@c", "sip:a[b@c", 'sip:a"@b', "sip:a\\@b", "sip:a@b;x=%", "sip:a@b;x=%4", "sip:a^b@c"
    ),
    _either(
        "tel:+12g",
        "tel:+1 2",
        "tel:1;ext=1;EXT=2",
        "tel:+a",
        "http:a b",
        "http:<a>",
        "http:a\\b",
        "ht tp:a",
        "sip:a@b\x7f",
    ),
)
"""What is no URI."""


def _bracketed(parameters: SearchStrategy[str] = _PARAMETERS) -> SearchStrategy[str]:
    """Draw what is no URI in angle brackets with parameters."""
    return st.one_of(
        joined("<", _URIS.filter(lambda text: not text.endswith(" ")), ">"),
        joined("<", sip_uris(), ">", parameters),
        joined(_either("<", "<<", "><"), sip_uris()),
        joined("<", sip_uris(), _either(">>", "> >", ">x", ">;tag=a<", '>"a"', "><sip:a@b>")),
    )


def _addresses(*, bare: bool = True, is_list: bool = False) -> SearchStrategy[str]:
    """Draw what is no address."""
    named = joined(
        _either('"a', '"a\\"', 'a"b"', '"a"b', '"a""b"', "a;b", "a@b", "(a)", "a=b", "\x01", '"\x01"', "a/b"),
        " <",
        sip_uris(),
        ">",
    )
    parts = [_bracketed(), named, _either("", "<>", '""', "a", '"a"', '"a" sip:a@b')]
    if bare:
        parts += [joined("sip:a@b", _PARAMETERS.filter(lambda text: text not in (" a", '"')))]
        # 20: a URI with a comma, question mark or semicolon must stand in angle brackets.
        parts += [_either("sip:a@b?x=y", "sip:a@b>", "<sip:a@b", "sip:a@b x")]
        if not is_list:
            parts += [_either("sip:a,c@b", "sip:a@b,sip:c@d")]
    if is_list:
        parts += [joined("<sip:a@b>", _either(",", ",,<sip:c@d>", ", ,<sip:c@d>")), st.just(",<sip:a@b>")]
        parts = [part.filter(bool) for part in parts]
    else:
        parts += [st.just("<sip:a@b>,<sip:c@d>")]
    return st.one_of(parts)


def _tagged() -> SearchStrategy[str]:
    return _addresses() | joined(
        "<sip:a@b>", _either(";tag=a;tag=b", ";tag=a;TAG=a", ";tag=", ";tag=a@b", ';tag="a b"', ";tag=[::1]")
    )


def _with_parameters(head: str, bad_heads: SearchStrategy[str], *more: str) -> SearchStrategy[str]:
    """Draw a bad head, or a good one with bad parameters."""
    return st.one_of(bad_heads, joined(head, _PARAMETERS), *([joined(head, _either(*more))] if more else []))


def _listed(value: str, bad: SearchStrategy[str]) -> SearchStrategy[str]:
    """Draw a list with a bad element, or with an empty one."""
    return st.one_of(
        bad,
        joined(value, ", ", bad),
        joined(value, _either(",", ",,", ", ,"), value).filter(lambda text: ",," in text or ", ," in text),
        st.just(f",{value}"),
        st.just(f"{value},"),
    )


_QVALUES = (";q=1.1", ";q=2", ";q=0.1234", ";q=-0", ";q=.5", ";q=1.001", ";q=", ";q=a", ";q=+1", ";q=1e0", ";q")

_AUTH = st.one_of(
    _either(
        "", "Digest", "Digest ", "Digest realm", "Digest realm=", 'Digest realm="a', 'Digest realm="a\\"', "Digest =a"
    ),
    _either(
        'Digest realm="a",', 'Digest realm="a",,nonce="b"', 'Digest realm="a" nonce="b"', 'Digest realm="a";nonce="b"'
    ),
    _either(
        'Digest realm="a",realm="b"',
        'Digest realm="a",REALM="a"',
        'Digest realm="a"b',
        'Dig est realm="a"',
        'realm="a"',
    ),
    _either(
        ', Digest realm="a"',
        'Digest, realm="a"',
        "Digest realm=a b",
        'Digest realm="\x01"',
        'Digest r@lm="a"',
        'Di(gest realm="a"',
    ),
)

# Behind the scheme of credentials a lone token may stand, with equal signs at its end (RFC 9110 11.2).
_CREDENTIALS = st.one_of(
    _AUTH.filter(lambda text: text not in ("Digest realm", "Digest realm=")),
    _either('Digest realm="a", Basic realm="b"'),
)

_VIA = st.one_of(
    _either(
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 UDP h",
        "SIP/2.0/UDPh;branch=a",
        "SIP/UDP h",
        "/2.0/UDP h",
        "SIP//UDP h",
    ),
    _either(
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:65536",
        "SIP/2.0/UDP h:-1",
        "SIP/2.0/UDP h:a",
        "SIP/2.0/UDP h i",
        "SIP/2.0/U@P h",
    ),
    _either(
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP [::g]",
        "SIP/2.0/UDP 1.2.3.256",
        "SIP/2.0/UDP a..b",
        "SIP/2.0/UDP :5060",
    ),
    joined(
        "SIP/2.0/UDP h",
        _either(
            ";branch",
            ";branch=",
            ";branch=a;branch=b",
            ";branch=a;BRANCH=a",
            ";branch=a b",
            ";branch=a@b",
            ';branch="a b"',
        ),
    ),
    joined(
        "SIP/2.0/UDP h",
        _either(
            ";ttl=256", ";ttl=-1", ";ttl=a", ";ttl", ";received=h", ";received", ";received=1.2.3.256", ";maddr=a..b"
        ),
    ),
    joined("SIP/2.0/UDP h", _either(";rport=0", ";rport=65536", ";rport=a", ";rport=-1", ";rport=5060;branch=a;rport")),
    joined("SIP/2.0/UDP h;branch=z9hG4bKa", _PARAMETERS),
)


def _dialog_names() -> SearchStrategy[str]:
    # 3891 6.1 and 3911 7.1: exactly one to-tag and exactly one from-tag.
    return _either(
        "",
        "a",
        "a;to-tag=b",
        "a;from-tag=b",
        "a;to-tag;from-tag=b",
        "a;to-tag=;from-tag=b",
        "a;to-tag=b;from-tag=c;to-tag=d",
        ";to-tag=a;from-tag=b",
        "a b;to-tag=c;from-tag=d",
        "a;to-tag=b@c;from-tag=d",
        'a;to-tag="b c";from-tag=d',
        "a,b;to-tag=c;from-tag=d",
    ) | joined("a;to-tag=b;from-tag=c", _PARAMETERS)


_METHOD_NUMBERS = _either(
    "",
    "1",
    "INVITE",
    "INVITE 1",
    "1INVITE",
    "1  ",
    "1 IN VITE",
    "1 INVITE x",
    "1,INVITE",
    "1 INV@TE",
    "1 INVITE,",
    '1 "INVITE"',
)

_INFO = _listed("<http:a>", st.one_of(_bracketed(), _either("<>", "http:a", "a", '"a" <http:a>', "a <http:a>")))

_DATES = _either(
    "",
    "Sat, 13 Nov 2010",
    "Sat, 13 Nov 2010 23:29:00",
    "Sat, 13 Nov 2010 23:29:00 UTC",
    "Sat, 13 Nov 2010 23:29:00 +0000",
    "Sat 13 Nov 2010 23:29:00 GMT",
    "Sat, 3 Nov 2010 23:29:00 GMT",
    "Sat, 13 Nov 10 23:29:00 GMT",
    "Sat, 13 Xyz 2010 23:29:00 GMT",
    "Sat, 31 Feb 2010 23:29:00 GMT",
    "Sat, 13 Nov 2010 24:00:00 GMT",
    "Sat, 13 Nov 2010 23:60:00 GMT",
    "Saturday, 13-Nov-10 23:29:00 GMT",
    "Sat, 00 Nov 2010 23:29:00 GMT",
    "Sat,13 Nov 2010 23:29:00 GMT",
    "Sat, 13  Nov 2010 23:29:00 GMT",
    "2010-11-13T23:29:00Z",
)

_LIST_OF_TOKENS = (
    "Allow",
    "Allow-Events",
    "Content-Encoding",
    "Proxy-Require",
    "Request-Disposition",
    "Require",
    "Supported",
    "Unsupported",
)
_ROUTES = ("Path", "Record-Route", "Route", "Service-Route")
_SECONDS = 2**32 - 1  # RFC 3261 20.19
_NUMBERS: Mapping[str, tuple[int, int]] = {
    "Content-Length": (2**32 - 1, 0),
    "Expires": (_SECONDS, 0),
    "Flow-Timer": (_SECONDS, 0),
    "Max-Forwards": (255, 0),
    "Min-Expires": (_SECONDS, 0),
    "RSeq": (2**32 - 1, 1),
}


def _of_names(names: Iterable[str], values: SearchStrategy[str]) -> dict[str, SearchStrategy[str]]:
    return dict.fromkeys(names, values)


NEAR_MISSES: Mapping[str, SearchStrategy[str]] = {
    **_of_names(_LIST_OF_TOKENS, _token_lists()),
    **_of_names(_ROUTES, _addresses(bare=False, is_list=True)),
    **{name: _decimals(most, least) | st.just("") for name, (most, least) in _NUMBERS.items()},
    **_of_names(("SIP-ETag", "SIP-If-Match", "Priority"), _tokens() | st.just("")),
    **_of_names(
        ("Security-Client", "Security-Server", "Security-Verify"),
        _listed("tls", _with_parameters("tls", _tokens(",", ";"))),
    ),
    **_of_names(("Alert-Info", "Call-Info", "Error-Info"), _INFO),
    **_of_names(("Authorization", "Proxy-Authorization"), _CREDENTIALS),
    **_of_names(("Proxy-Authenticate", "WWW-Authenticate"), _AUTH),
    **_of_names(("Contact", "P-Asserted-Identity", "P-Preferred-Identity"), _addresses(is_list=True)),
    **_of_names(("Diversion", "History-Info"), _addresses(bare=False, is_list=True)),
    **_of_names(("From", "To"), _tagged()),
    **_of_names(("Refer-To", "Referred-By", "Reply-To"), _addresses()),
    **_of_names(
        ("Accept-Contact", "Reject-Contact"),
        _listed("*;audio", _with_parameters("*", _either("a", "**", "<*>", "*=a"))),
    ),
    **_of_names(("Replaces", "Join"), _dialog_names()),
    "Accept": _listed("a/b", _with_parameters("a/b", _either("a", "a/", "/b", "a/b/c", "a b/c", "a/b c", "a@/b"))),
    "Accept-Encoding": _listed("gzip", _with_parameters("gzip", _tokens(",", ";"))),
    "Accept-Language": _listed(
        "en",
        _with_parameters(
            "en",
            _either("-", "en-", "-en", "en--gb", "abcdefghi", "e n", "en_GB", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ),
    ),
    "Authentication-Info": _either(
        "nextnonce", "nextnonce=", 'nextnonce="a', 'nextnonce="a",', "a=b,A=c", "=b", 'a="b" c="d"', "a=b;c=d"
    ),
    "Call-ID": _either("", "a b", "a\tb", "a\x01", "a\x7f"),
    "Content-Disposition": _with_parameters("session", _tokens(";") | st.just("")),
    "Content-Type": _with_parameters("a/b", _either("", "a", "a/", "/b", "a/b/c", "a b/c", "a/b c", "a@/b", "a/b,c/d")),
    "CSeq": _METHOD_NUMBERS | joined(_decimals(2**31 - 1).filter(lambda text: " " not in text), " INVITE"),
    "Date": _DATES,
    "Event": _with_parameters("presence", _tokens(";") | st.just("")),
    "Identity": _with_parameters(
        "abc;info=<http:a>",
        _either(";info=<http:a>", "a b;info=<http:a>", "abc;info=<>", "abc;info=http:a", "abc;info=<http:a"),
    ),
    "In-Reply-To": _either("a b", "a,,b", ",a", "a,", "a\x01"),
    "MIME-Version": _either(
        "", "1", "1.", ".1", "1.0.0", "1,0", "a.b", "1 .0", "-1.0", "+1.0", *(f"{digit}.0" for digit in _OTHER_DIGITS)
    ),
    "Min-SE": _with_parameters("90", _decimals(_SECONDS) | st.just("")),
    "Privacy": _either("", ";", "id;", ";id", "id;;user", "id user", 'id;"user"', "i@d"),
    "RAck": _either(
        "",
        "1",
        "1 1",
        "1 INVITE",
        "1 1 IN VITE",
        "a 1 INVITE",
        "1 a INVITE",
        "-1 1 INVITE",
        "1 -1 INVITE",
        "4294967296 1 INVITE",
        "1 2147483648 INVITE",
        "1,1,INVITE",
        "1 1 INV@TE",
        "1 1 INVITE 1",
        "1_0 1 INVITE",
    ),
    "Reason": _listed("SIP", _with_parameters("SIP", _tokens(",", ";"))),
    "Retry-After": _with_parameters(
        "1",
        _decimals(_SECONDS).filter(lambda text: " " not in text)
        | _either("", "1 (a", "1 a)", "1 (a) (b)", "(a) 1", "1 (a\\)", "1 ((a)"),
    ),
    "Session-Expires": _with_parameters(
        "90", _decimals(_SECONDS) | st.just(""), ";refresher", ";refresher=a", ";refresher=uac;refresher=uas"
    ),
    "Subscription-State": _with_parameters("active", _tokens(";") | st.just("")),
    "Timestamp": _either(
        "", "-1", "+1", ".5", "1.2.3", "1 .", "1 2 3", "a", "1,5", "1e3", "inf", "nan", "1_0", *_OTHER_DIGITS
    ),
    "Via": _listed("SIP/2.0/UDP h;branch=z9hG4bKa", _VIA),
    "Warning": _listed(
        '399 h "a"',
        _either(
            "399",
            "399 h",
            '399 "a"',
            "399 h a",
            '39 h "a"',
            '3999 h "a"',
            '399 h "a',
            '399h "a"',
            '399 h"a"',
            'a h "a"',
            '399 h "a" b',
            '399 h@i "a"',
            '-99 h "a"',
            '399 h "\x01"',
        ),
    ),
}
"""A strategy for wrong values of each header field that can be wrong, by its standard name."""


def near_misses(name: str) -> SearchStrategy[str]:
    """Draw a value of the header field `name` that is wrong by little, so that an RFC says it must be refused.

    :param name: in any spelling, the compact form included.
    :raises KeyError: the field is text for people, of which nothing is wrong.
    """
    return NEAR_MISSES[HEADER_NAMES.get(name.lower(), name)]
