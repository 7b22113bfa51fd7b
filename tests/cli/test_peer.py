from __future__ import annotations

from argparse import Namespace

import pytest
import trio

from sipstack.cli._peer import addresses_of, local_urls, own_uri
from sipstack.resolver import Answer, Query, ResolveError
from sipstack.trace import Trace


class OneWay:
    """A machine with one IPv4 address, and a name service that knows one name."""

    def local_host_towards(self, host: str) -> str:
        if ":" in host:
            raise OSError("no route")
        return "192.0.2.5"

    async def look_up(self, query: Query) -> Answer:
        await trio.lowlevel.checkpoint()
        if query == Query("bob.example", "address"):
            return Answer(("2001:db8::9", "192.0.2.9"))
        return Answer(detail="Name or service not known" if query.kind == "address" else "")


NETWORK = OneWay()


def test_a_name_is_looked_up() -> None:
    assert trio.run(addresses_of, "sip:bob@bob.example", NETWORK) == ["2001:db8::9", "192.0.2.9"]


def test_an_address_is_not() -> None:
    assert trio.run(addresses_of, "sip:bob@[2001:db8::7]:5080;transport=tcp", NETWORK) == ["2001:db8::7"]


def test_an_unknown_name_is_a_sentence() -> None:
    with pytest.raises(ResolveError, match=r"nobody\.example .*not known"):
        trio.run(addresses_of, "sip:bob@nobody.example", NETWORK)


def test_what_was_asked_for_an_unknown_name_is_told() -> None:
    trace = Trace()
    with pytest.raises(ResolveError):
        trio.run(addresses_of, "sip:bob@nobody.example", NETWORK, trace)
    told = [note.text for note in trace.notes]
    assert told[0] == "NAPTR nobody.example: none"
    assert told[-1] == "A/AAAA nobody.example: none (Name or service not known)"


def test_where_we_listen_has_a_route_to_the_peer() -> None:
    urls = local_urls(None, ["2001:db8::9", "192.0.2.9"], NETWORK)
    assert urls == ["udp://0.0.0.0:0", "tcp://0.0.0.0:0"]


def test_where_the_user_listens_is_up_to_the_user() -> None:
    assert local_urls("udp://[::1]:0", ["192.0.2.9"], NETWORK) == ["udp://[::1]:0"]


@pytest.mark.parametrize(
    ("said", "uri"),
    [
        ({"from_uri": "sip:carol@example.com", "user": "alice"}, "sip:carol@example.com"),
        ({"user": "alice"}, "sip:alice@bob.example"),
        ({"user": "alice", "proxy": "sip:proxy.example"}, "sip:alice@proxy.example"),
        ({}, "sip:sipstack@192.0.2.5"),
    ],
)
def test_who_we_are(said: dict[str, str], uri: str) -> None:
    arguments = Namespace(**{"from_uri": None, "user": None, "proxy": None, "uri": "sip:bob@bob.example", **said})
    assert own_uri(arguments, ["udp://0.0.0.0:5060"], ["192.0.2.9"], NETWORK) == uri
