"""Session descriptions (:rfc:`8866#section-9`)."""

from __future__ import annotations

import string

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ._basic import TOKEN_CHARS, characters, decimals, host_names, ipv4_addresses, ipv6_addresses, joined, optional

__all__ = ["session_descriptions"]

_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
# RFC 8866 9: what SIP's tokens have, and # $ & ^ { | }
_TOKEN = characters("".join(dict.fromkeys(TOKEN_CHARS + "#$&^{|}")), most=8)
_INTEGER = joined(characters("123456789", most=1), characters(string.digits, least=0, most=4))
_NUMBER = characters(string.digits, most=20)
_TIME = st.just("0") | joined(characters("123456789", most=1), characters(string.digits, least=9, most=12))
# A byte-string is any byte but CR, LF and NUL.
_TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
_ADDRESS = st.one_of(joined("IP4 ", ipv4_addresses()), joined("IP6 ", ipv6_addresses()), joined("IP4 ", host_names()))
_CONNECTION = st.one_of(
    joined("IN ", _ADDRESS),
    joined(
        "IN IP4 224.2.1.",
        st.integers(0, 255).map(str),
        "/",
        st.integers(0, 255).map(str),
        optional(joined("/", _INTEGER)),
    ),
    joined("IN IP6 ff15::", optional(joined("/", _INTEGER))),
)
_TYPED_TIME = joined(_INTEGER, st.sampled_from(["", "d", "h", "m", "s"]))
_PAYLOAD_TYPE = st.integers(0, 127).map(str)
_CODEC = joined(
    st.sampled_from(["PCMU/8000", "opus/48000/2", "telephone-event/8000", "H264/90000"])
    | joined(_TOKEN, "/", characters(string.digits, most=6))
)
_DIRECTION = st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"])
_ATTRIBUTE = st.one_of(
    _DIRECTION,
    joined("rtpmap:", _PAYLOAD_TYPE, " ", _CODEC),
    joined("fmtp:", _PAYLOAD_TYPE, " ", _TEXT),
    joined("ptime:", _INTEGER),
    _TOKEN,
    joined(_TOKEN, ":", _TEXT),
)


def _lines(letter: str, value: SearchStrategy[str], *, least: int = 0, most: int = 1) -> SearchStrategy[str]:
    line = joined(letter, "=", value, "\r\n")
    return st.lists(line, min_size=least, max_size=most).map("".join)


def _bandwidths() -> SearchStrategy[str]:
    return _lines("b", joined(st.sampled_from(["AS", "CT", "TIAS"]) | _TOKEN, ":", _NUMBER), most=2)


def _keys() -> SearchStrategy[str]:
    return _lines("k", st.just("prompt") | joined("clear:", _TEXT))


def _media() -> SearchStrategy[str]:
    protocol = st.sampled_from(["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udptl"]) | _TOKEN
    formats = st.lists(_PAYLOAD_TYPE | _TOKEN, min_size=1, max_size=4).map(" ".join)
    port = joined(st.integers(0, 65_535).map(str), optional(joined("/", st.integers(1, 65_535).map(str))))
    kind = st.sampled_from(["audio", "video", "image", "message"]) | _TOKEN
    return joined(
        _lines("m", joined(kind, " ", port, " ", protocol, " ", formats), least=1),
        _lines("i", _TEXT),
        _lines("c", _CONNECTION, most=2),
        _bandwidths(),
        _keys(),
        _lines("a", _ATTRIBUTE, most=4),
    )


def session_descriptions() -> SearchStrategy[bytes]:
    """Draw a session description."""
    origin = joined(characters(_VISIBLE, most=8), " ", _NUMBER, " ", _NUMBER, " IN ", _ADDRESS)
    repeat = joined("r=", _TYPED_TIME, " ", _TYPED_TIME, " ", _TYPED_TIME, "\r\n")
    times = joined(_lines("t", joined(_TIME, " ", _TIME), least=1), st.lists(repeat, max_size=2).map("".join))
    phone = joined("+1 ", characters(string.digits + " -", least=2))
    text = joined(
        "v=0\r\n",
        _lines("o", origin, least=1),
        _lines("s", _TEXT, least=1),
        _lines("i", _TEXT),
        _lines("u", st.just("http://example.com/")),
        _lines("e", st.just("a@example.com") | st.just("A <a@example.com>"), most=2),
        _lines("p", phone, most=2),
        _lines("c", _CONNECTION),
        _bandwidths(),
        st.lists(times, min_size=1, max_size=2).map("".join),
        _lines("z", joined(decimals(1), " ", st.sampled_from(["", "-"]), _TYPED_TIME)),
        _keys(),
        _lines("a", _ATTRIBUTE, most=3),
        st.lists(_media(), max_size=3).map("".join),
    )
    return text.map(str.encode)
