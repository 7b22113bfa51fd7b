"""Finding the server and failing over, between endpoints on the virtual network (RFC 3263)."""

from __future__ import annotations

import itertools
import re
from contextlib import AsyncExitStack

import pytest
import trio

import sipstack as sip
from sipstack.message import LocalProtocolError
from sipstack.resolver import Naptr, Query, Srv
from sipstack.testing import response_to
from sipstack.trace import Note, Trace

from .kit import SDP, answer, collecting, opened, phone, scripted

SERVICE = "_sip._udp.example.com"
TCP_SERVICE = "_sip._tcp.example.com"
WS_SERVICE = "_sip._ws.example.com"


def two_servers(net, service: str = SERVICE) -> None:
    """Let example.com be served by b, and by c where b does not."""
    for host in "abc":
        net.host(host)
    net.dns.add(service, Srv(10, 0, 5060, "b"), Srv(20, 0, 5060, "c"))


def texts(trace: Trace) -> list[str]:
    return [note.text for note in trace.notes]


async def refuse(event) -> None:
    await event.respond(503, headers=[("Retry-After", "100")])


@pytest.mark.rfc("R3263-4.3-1", "R3263-4.2-2", "R3263-4-2", "R3263-4-1", "R3261-8.1.2-9")
def test_black_holed_server_is_left_for_the_next() -> None:
    async def scenario(net) -> None:
        two_servers(net)
        net.partition("a", "b")
        async with phone(net, "udp://c:5060"), opened(net, "udp://a:5060") as ep:
            assert (await ep.request("OPTIONS", "sip:example.com")).code == 200
            assert trio.current_time() == 32.0
            # What was silent is not asked first again for a while.
            assert (await ep.request("OPTIONS", "sip:example.com")).code == 200
            assert trio.current_time() == 32.0
            assert ep._transport.counters.targets_failed == 1

    trace = sip.testing.run(scenario)
    assert len(trace.times("a>b OPTIONS")) == 11  # every retransmission went to the server that was chosen first
    assert trace.times("a>c OPTIONS") == [32.0, 32.0]


@pytest.mark.rfc("R3263-4.3-1", "R3263-4.1-1")
def test_refused_connection_is_left_for_the_next_at_once() -> None:
    async def scenario(net) -> None:
        two_servers(net, TCP_SERVICE)
        async with phone(net, "tcp://c:5060"), opened(net, "tcp://a:5060") as ep:
            assert (await ep.request("OPTIONS", "sip:example.com;transport=tcp")).code == 200
            assert trio.current_time() == 0.0

    sip.testing.run(scenario)


@pytest.mark.rfc("R3263-4.3-1")
def test_refused_datagram_is_left_for_the_next_at_once() -> None:
    async def scenario(net) -> None:
        two_servers(net)
        async with phone(net, "udp://c:5060"), opened(net, "udp://a:5060") as ep:
            assert (await ep.request("OPTIONS", "sip:example.com")).code == 200
            assert trio.current_time() < 1.0

    sip.testing.run(scenario, refuses=True)


@pytest.mark.rfc("R3263-4.3-1")
def test_server_that_dies_in_mid_transaction_is_left_for_the_next() -> None:
    async def scenario(net) -> None:
        two_servers(net, TCP_SERVICE)
        async with scripted(net, "tcp://b:5060") as b, phone(net, "tcp://c:5060"), opened(net, "tcp://a:5060") as ep:

            async def die() -> None:
                await b.expect("INVITE")
                net.reset("a", "b")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(die)
                async with ep.call("sip:bob@example.com;transport=tcp", offer=SDP):
                    pass

    trace = sip.testing.run(scenario)
    assert len(trace.times("a>b INVITE")) == 1
    assert len(trace.times("a>c INVITE")) == 1
    assert not trace.times("a>b ACK")
    assert len(trace.times("a>c ACK")) == 1
    assert len(trace.times("a>c BYE")) == 1


@pytest.mark.rfc("R3263-4.3-1")
def test_503_goes_elsewhere_and_the_server_is_left_alone_for_as_long_as_it_asked() -> None:
    async def scenario(net) -> None:
        two_servers(net)
        async with (
            phone(net, "udp://b:5060", take=refuse),
            phone(net, "udp://c:5060"),
            opened(net, "udp://a:5060") as ep,
        ):
            for _ in range(2):
                assert (await ep.request("OPTIONS", "sip:example.com")).code == 200
            await trio.sleep(101)
            assert (await ep.request("OPTIONS", "sip:example.com")).code == 200

    trace = sip.testing.run(scenario)
    assert trace.times("a>b OPTIONS") == [0.0, 101.0]
    assert trace.times("a>c OPTIONS") == [0.0, 0.0, 101.0]


@pytest.mark.parametrize("outcomes", list(itertools.product(["silent", "503", "200"], repeat=3)), ids="-".join)
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_each_server_is_asked_once_in_order_until_one_serves(outcomes, method) -> None:
    async def busy(event) -> None:
        if isinstance(event, sip.InviteReceived):
            await event.call.reject(503)
        else:
            await event.respond(503)

    async def scenario(net) -> None:
        for host in "abcd":
            net.host(host)
        net.dns.add(SERVICE, *(Srv(number, 0, 5060, host) for number, host in enumerate("bcd")))
        async with AsyncExitStack() as stack:
            for host, outcome in zip("bcd", outcomes, strict=True):
                take = answer if outcome == "200" else busy
                await stack.enter_async_context(phone(net, f"udp://{host}:5060", take=take))
                if outcome == "silent":
                    net.partition("a", host)
            async with opened(net, "udp://a:5060") as ep:
                try:
                    if method == "INVITE":
                        async with ep.call("sip:bob@example.com", offer=SDP):
                            code = 200
                    else:
                        code = (await ep.request(method, "sip:bob@example.com")).code
                except sip.CallFailed as error:
                    code = error.response.code
                except sip.TransactionTimeout:
                    code = None
        serving = outcomes.index("200") if "200" in outcomes else None
        assert code == (200 if serving is not None else 503 if outcomes[-1] == "503" else None)

    trace = sip.testing.run(scenario)
    asked = outcomes.index("200") + 1 if "200" in outcomes else 3
    branches = dict.fromkeys(
        (record.remote, re.search(rb"branch=[^;\r]+", record.data)[0])
        for record in trace.records
        if record.direction == "sent" and record.local[0] == "10.0.0.1" and record.method == method
    )
    assert [remote[0] for remote, _ in branches] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"][:asked]
    assert len({branch for _, branch in branches}) == asked


def test_503_from_all_is_the_answer() -> None:
    async def scenario(net) -> None:
        two_servers(net)
        async with (
            phone(net, "udp://b:5060", take=refuse),
            phone(net, "udp://c:5060", take=refuse),
            opened(net, "udp://a:5060") as ep,
        ):
            assert (await ep.request("OPTIONS", "sip:example.com")).code == 503

    sip.testing.run(scenario)


@pytest.mark.parametrize("code", [404, 408, 500, 504, 603])
def test_any_other_final_response_is_the_answer(code) -> None:
    async def scenario(net) -> None:
        two_servers(net)
        async with scripted(net, "b:5060") as b, opened(net, "udp://a:5060") as ep:

            async def serve() -> None:
                await b.send(response_to(await b.expect("OPTIONS"), code))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                assert (await ep.request("OPTIONS", "sip:example.com")).code == code

    assert not sip.testing.run(scenario).times("a>c")


@pytest.mark.rfc("R3263-4-2", "R3263-4-3", "R3263-4.4-1")
def test_ack_and_cancel_follow_their_invite() -> None:
    async def take(event) -> None:
        await event.call.ring()
        await trio.sleep(10)

    async def scenario(net) -> None:
        two_servers(net)

        async def busy(event) -> None:
            await event.call.reject(503)

        async with (
            phone(net, "udp://b:5060", take=busy),
            phone(net, "udp://c:5060", take=take),
            opened(net, "udp://a:5060") as ep,
        ):
            with trio.move_on_after(5):
                async with ep.call("sip:bob@example.com", offer=SDP):
                    pass

    trace = sip.testing.run(scenario)
    assert len(trace.times("a>b ACK")) == 1  # of the 503
    assert trace.times("a>c CANCEL") == [5.0]
    assert trace.times("a>c ACK") == [5.0]
    assert not trace.times("a>b CANCEL")


def test_registrar_that_asks_for_credentials_is_the_one_that_gets_them() -> None:
    events: list = []

    async def scenario(net) -> None:
        for host in "abc":
            net.host(host)
        net.dns.add(SERVICE, Srv(10, 50, 5060, "b"), Srv(10, 50, 5060, "c"))

        async def challenge(event) -> None:
            if "Authorization" in event.request.headers:
                await event.accept()
            else:
                await event.respond(401, headers=[("WWW-Authenticate", 'Digest realm="example.com", nonce="n"')])

        take = collecting(events, challenge)
        async with phone(net, "udp://b:5060", take=take), phone(net, "udp://c:5060", take=take):
            async with opened(net, "udp://a:5060") as ep:
                for _ in range(6):
                    async with ep.register("sip:alice@example.com", credentials=sip.Credentials("alice", "pw")):
                        pass

    trace = sip.testing.run(scenario, seed=3)
    challenged = len(trace.times("b>a 401")), len(trace.times("c>a 401"))
    assert min(challenged) > 0  # both were chosen at times
    for server, count in zip("bc", challenged, strict=True):
        assert len(trace.times(f"a>{server} REGISTER")) >= 2 * count


@pytest.mark.rfc("R3263-4.1-5", "R3263-4.1-8")
def test_naptr_srv_and_address_lead_to_the_server_and_are_kept_for_their_ttl() -> None:
    async def scenario(net) -> None:
        for host in "ab":
            net.host(host)
        net.dns.add(
            "example.com",
            Naptr(10, 50, "s", "SIP+D2S", "", "_sip._sctp.example.com"),
            Naptr(20, 50, "s", "SIP+D2T", "", TCP_SERVICE),
            Naptr(30, 50, "s", "SIP+D2U", "", SERVICE),
            ttl=600,
        )
        net.dns.add(TCP_SERVICE, Srv(1, 0, 5070, "b"), ttl=600)
        net.dns.alias("b", "b.example.com")
        net.dns.add("b.example.com", net.host("b").addresses[0], ttl=60)
        net.dns.delay = 0.1
        async with phone(net, "tcp://b:5070"), opened(net, "udp://a:5060", "tcp://a:5060") as ep:
            for _ in range(2):
                assert (await ep.request("OPTIONS", "sip:example.com")).code == 200
            assert [str(query) for _, query in net.dns.asked] == [
                "NAPTR example.com", f"SRV {TCP_SERVICE}", "A/AAAA b", "A/AAAA b.example.com"
            ]  # fmt: skip
            assert trio.current_time() == pytest.approx(0.4)
            await trio.sleep(61)
            assert (await ep.request("OPTIONS", "sip:example.com")).code == 200
            assert [str(query) for _, query in net.dns.asked[4:]] == ["A/AAAA b.example.com"]

    trace = sip.testing.run(scenario)
    assert trace.records[0].transport == "TCP"


def test_name_that_is_not_there_is_not_asked_for_every_time() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            for _ in range(3):
                with pytest.raises(sip.ResolveError, match=r"nobody\.invalid has no address"):
                    await ep.request("OPTIONS", "sip:nobody.invalid")
            assert [query for _, query in net.dns.asked] == [Query("nobody.invalid", "address")]

    sip.testing.run(scenario)


def test_services_that_cannot_be_asked_for_do_not_hinder() -> None:
    async def scenario(net) -> None:
        net.host("a")
        net.dns.fail("b", "NAPTR")
        net.dns.fail("_sip._udp.b", "SRV")
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            assert (await ep.request("OPTIONS", "sip:b")).code == 200

    sip.testing.run(scenario)


@pytest.mark.rfc("R3263-7-1", "R3263-7-2")
def test_alarm_when_a_domain_offers_tls_no_more() -> None:
    trace = Trace()

    async def scenario(net) -> None:
        net.host("a")
        udp = Naptr(10, 50, "s", "SIP+D2U", "", SERVICE)
        net.dns.add("example.com", udp, Naptr(20, 50, "s", "SIPS+D2T", "", "_sips._tcp.example.com"), ttl=10)
        net.dns.add(SERVICE, Srv(1, 0, 5060, "b"))
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060", trace=trace) as ep:
            await ep.request("OPTIONS", "sip:example.com")
            assert ep._transport.counters.tls_withdrawn == 0
            net.dns.remove("example.com")
            net.dns.add("example.com", udp)
            await trio.sleep(11)
            await ep.request("OPTIONS", "sip:example.com")
            assert ep._transport.counters.tls_withdrawn == 1

    sip.testing.run(scenario)
    assert any(text.startswith("alarm: example.com offered SIPS") for text in texts(trace))


def test_trace_tells_what_was_asked_what_was_chosen_and_why() -> None:
    trace = Trace()

    async def scenario(net) -> None:
        two_servers(net)
        async with (
            phone(net, "udp://b:5060", take=refuse),
            phone(net, "udp://c:5060"),
            opened(net, "udp://a:5060", trace=trace) as ep,
        ):
            for _ in range(2):
                await ep.request("OPTIONS", "sip:example.com")

    sip.testing.run(scenario)
    assert texts(trace) == [
        "NAPTR example.com: none",
        f"SRV {SERVICE}: 10 0 5060 b, 20 0 5060 c",
        f"SRV {TCP_SERVICE}: none",
        f"SRV {WS_SERVICE}: none",
        "A/AAAA b: 10.0.0.2",
        "A/AAAA c: 10.0.0.3",
        "targets of sip:example.com: UDP 10.0.0.2:5060 (b); UDP 10.0.0.3:5060 (c)",
        "UDP 10.0.0.2:5060 (b) failed: 503 Service Unavailable; tried last for 100 s",
        "NAPTR example.com: none",
        f"SRV {SERVICE}: 10 0 5060 b, 20 0 5060 c",
        f"SRV {TCP_SERVICE}: none",
        f"SRV {WS_SERVICE}: none",
        "A/AAAA b: 10.0.0.2",
        "A/AAAA c: 10.0.0.3",
        "targets of sip:example.com: UDP 10.0.0.3:5060 (c); UDP 10.0.0.2:5060 (b) [failed; last for 100 s]",
    ]
    lines = trace.ladder().splitlines()
    at = {word: next(i for i, line in enumerate(lines) if word in line) for word in ("targets", "503 Serv", "failed:")}
    first = next(i for i, line in enumerate(lines) if "OPTIONS" in line)
    assert at["targets"] < first < at["503 Serv"] <= at["failed:"]
    assert all(len(line) <= 100 for line in lines)
    assert all(isinstance(note, Note) for note in trace.notes)


def test_call_is_made_and_ended_through_the_server_that_answered() -> None:
    events: list = []

    async def scenario(net) -> None:
        two_servers(net)
        net.partition("a", "b")
        async with phone(net, "udp://c:5060", take=collecting(events, answer)), opened(net, "udp://a:5060") as ep:
            async with ep.call("sip:bob@example.com", offer=SDP) as call:
                assert (await call.request("INFO")).code == 200

    trace = sip.testing.run(scenario)
    assert len(trace.times("a>c BYE")) == 1
    assert len(trace.times("a>b INVITE")) == 7
    assert len(events) == 1


def test_name_servers_are_for_the_real_network() -> None:
    async def scenario(net) -> None:
        with pytest.raises(LocalProtocolError, match="looks names up its own way"):
            async with sip.open_endpoint(network=net, nameservers=["192.0.2.53"]):
                pass

    sip.testing.run(scenario)


def test_name_server_that_is_none() -> None:
    async def main() -> None:
        with pytest.raises(LocalProtocolError, match=r"'ns\.example' is no name server: write"):
            async with sip.open_endpoint(nameservers=["ns.example"]):
                pass

    trio.run(main)
