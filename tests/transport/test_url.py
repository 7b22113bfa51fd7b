from __future__ import annotations

import pytest

from sipstack.message import LocalProtocolError
from sipstack.transport import ListenURL


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("udp://127.0.0.1:5070", ListenURL("udp", "127.0.0.1", 5070)),
        ("TCP://[::1]:0", ListenURL("tcp", "::1", 0)),
        ("udp://a", ListenURL("udp", "a", 5060)),
        ("udp://:5060/", ListenURL("udp", "0.0.0.0", 5060)),
    ],
)
def test_parse(text, url):
    assert ListenURL.parse(text) == url


def test_str_gives_brackets_back():
    assert str(ListenURL("tcp", "::1", 5060)) == "tcp://[::1]:5060"
    assert ListenURL("tcp", "::1", 5060).transport == "TCP"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5060", "no place to listen"),
        ("udp:127.0.0.1:5060", "no place to listen"),
        ("udp://::1:5060", "no place to listen"),
        ("udp://h:66000", "ports end at 65535"),
        ("gopher://h:1", "asks for gopher"),
        ("udp://h:٣", "no place to listen"),
    ],
)
def test_errors_are_one_sentence(text, words):
    with pytest.raises(LocalProtocolError, match=words) as caught:
        ListenURL.parse(text)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
