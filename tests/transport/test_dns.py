"""The DNS client, against a name server in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio

from sipstack.message import LocalProtocolError
from sipstack.resolver import Answer, Naptr, Query, Srv
from sipstack.transport import TrioNetwork, parse_nameserver
from sipstack.transport._dns import DNSClient

SOA = ". 500 IN SOA ns. hostmaster. 1 3600 600 86400 60"


def rrset(*lines: str) -> dns.rrset.RRset:
    name, ttl, _, kind = lines[0].split()[:4]
    return dns.rrset.from_text(name, int(ttl), "IN", kind, *(line.split(None, 4)[4] for line in lines))


@asynccontextmanager
async def name_server(respond: Callable[[str, dns.message.Message], None]):
    """Answer each question by a function that fills in the response."""
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))

        async def serve() -> None:
            while True:
                data, peer = await sock.recvfrom(4_096)
                question = dns.message.from_wire(data)
                response = dns.message.make_response(question)
                asked = question.question[0]
                respond(f"{asked.name} {asked.rdtype.name}", response)
                await sock.sendto(response.to_wire(), peer)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield f"127.0.0.1:{sock.getsockname()[1]}"
            nursery.cancel_scope.cancel()


def ask(query: Query, respond: Callable[[str, dns.message.Message], None]) -> Answer:
    async def main() -> Answer:
        with trio.fail_after(10):
            async with name_server(respond) as server:
                return await DNSClient([server]).look_up(query)

    return trio.run(main)


def holding(**sets: tuple[str, ...]) -> Callable[[str, dns.message.Message], None]:
    def respond(asked: str, response: dns.message.Message) -> None:
        kind = asked.split()[1]
        if kind in sets:
            response.answer.append(rrset(*sets[kind]))
        else:
            response.authority.append(rrset(SOA))

    return respond


def test_naptr() -> None:
    answer = ask(
        Query("example.com", "NAPTR"),
        holding(NAPTR=('example.com. 99 IN NAPTR 10 50 "s" "SIP+D2T" "" _sip._tcp.example.com.',)),
    )
    assert answer == Answer((Naptr(10, 50, "s", "SIP+D2T", "", "_sip._tcp.example.com"),), 99.0)


def test_srv() -> None:
    answer = ask(Query("x.com", "SRV"), holding(SRV=("x.com. 9 IN SRV 1 2 3 a.com.", "x.com. 9 IN SRV 4 5 6 .")))
    assert set(answer.records) == {Srv(1, 2, 3, "a.com"), Srv(4, 5, 6, ".")}


def test_addresses_of_both_families_with_ipv6_first() -> None:
    answer = ask(Query("x.com", "address"), holding(A=("x.com. 9 IN A 192.0.2.1",), AAAA=("x.com. 7 IN AAAA ::1",)))
    assert answer == Answer(("::1", "192.0.2.1"), 7.0)


def test_one_family_is_enough() -> None:
    assert ask(Query("x.com", "address"), holding(A=("x.com. 9 IN A 192.0.2.1",))) == Answer(("192.0.2.1",), 9.0)


def test_nothing_holds_for_as_long_as_the_soa_says() -> None:
    assert ask(Query("x.com", "SRV"), holding()) == Answer(ttl=60.0)


def test_name_that_is_not_there() -> None:
    def respond(asked: str, response: dns.message.Message) -> None:
        response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(rrset(SOA))

    for kind in ("SRV", "address"):
        assert ask(Query("x.com", kind), respond) == Answer(ttl=60.0, detail="there is no such name")


def test_alias_alone_is_to_be_followed() -> None:
    answer = ask(
        Query("x.com", "address"), holding(A=("x.com. 9 IN CNAME y.org.",), AAAA=("x.com. 9 IN CNAME y.org.",))
    )
    assert (answer.records, answer.alias) == ((), "y.org")


def test_server_that_fails_is_said_and_kept_for_a_short_time() -> None:
    def respond(asked: str, response: dns.message.Message) -> None:
        response.set_rcode(dns.rcode.REFUSED)

    assert ask(Query("x.com", "SRV"), respond) == Answer(ttl=5.0, detail="no name server could answer")


@pytest.mark.parametrize("name", ["a" * 64 + ".com", "a..b", "\u0378.com", ".".join(["abcdefgh"] * 40)])
def test_name_that_dns_cannot_hold(name) -> None:
    answer = ask(Query(name, "address"), holding())
    assert not answer.records
    assert answer.detail


def test_silent_server_is_given_up_in_time_for_a_route(monkeypatch) -> None:
    monkeypatch.setattr("sipstack.transport._dns._PATIENCE", 0.1)

    async def main() -> Answer:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
            await sock.bind(("127.0.0.1", 0))
            return await DNSClient([f"127.0.0.1:{sock.getsockname()[1]}"]).look_up(Query("x.com", "SRV"))

    assert trio.run(main) == Answer(ttl=5.0, detail="no name server answered within 0.1 seconds")


def test_without_dnspython_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "dns", None)
    monkeypatch.setitem(sys.modules, "dns.asyncresolver", None)
    answer = trio.run(TrioNetwork().look_up, Query("x.com", "SRV"))
    assert answer.detail == "that needs dnspython: install sipstack[dns]"
    with pytest.raises(LocalProtocolError, match=r"install sipstack\[dns\]"):
        TrioNetwork(nameservers=["192.0.2.1"])


def test_system_without_name_servers(monkeypatch) -> None:
    import dns.resolver

    def refuse(*_args: object, **_options: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr("dns.asyncresolver.Resolver", refuse)
    assert trio.run(DNSClient().look_up, Query("x.com", "SRV")).detail == "the system names no name server"


def test_addresses_come_from_the_system_unless_name_servers_are_given() -> None:
    async def main() -> None:
        assert "127.0.0.1" in (await TrioNetwork().look_up(Query("localhost", "address"))).records
        async with name_server(holding(A=("x.com. 9 IN A 127.0.0.7",))) as server:
            network = TrioNetwork(nameservers=[server])
            assert (await network.look_up(Query("x.com", "address"))).records == ("127.0.0.7",)
            assert "127.0.0.1" in (await network.look_up(Query("localhost", "address"))).records

    trio.run(main)


def test_address_that_nothing_leads_to_comes_last(monkeypatch) -> None:
    def no_ipv6(_network: TrioNetwork, host: str) -> str:
        if ":" in host:
            raise OSError("no route")
        return "127.0.0.1"

    monkeypatch.setattr(TrioNetwork, "local_host_towards", no_ipv6)

    async def main() -> None:
        both = holding(A=("x.com. 9 IN A 192.0.2.1",), AAAA=("x.com. 9 IN AAAA 2001:db8::1",))
        async with name_server(both) as server:
            answer = await TrioNetwork(nameservers=[server]).look_up(Query("x.com", "address"))
            assert answer.records == ("192.0.2.1", "2001:db8::1")

    trio.run(main)


def test_unknown_name_of_the_system_is_said() -> None:
    answer = trio.run(TrioNetwork().look_up, Query("nobody.invalid", "address"))
    assert not answer.records
    assert answer.detail


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_name_server_address(text, address) -> None:
    assert parse_nameserver(text) == address


@pytest.mark.parametrize(
    "text", ["ns.example.com", "", "192.0.2.1:0", "192.0.2.1:99999", "192.0.2.1:x", "127.0.0.1:\u0665"]
)
def test_what_is_no_name_server_address(text) -> None:
    with pytest.raises(LocalProtocolError, match="is no name server: write"):
        parse_nameserver(text)
