from __future__ import annotations

import pytest
import trio

from sipstack.message import Limits
from sipstack.testing import ScriptedPeer, request, response_to, run
from sipstack.transactions import ResponseReceived
from sipstack.transport._size import is_too_large_for_udp


def large(**options):
    return request(via=None, body=b"x" * 1_300, **options)


def test_numeric_host_is_routed_within_the_flush(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a:
            a.send(request(via=None), "sip:10.7.7.7:5070")
            assert [flow.remote for flow in a.core.flows] == [("10.7.7.7", 5070)]

    run(scenario)


def test_name_is_looked_up(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a, ScriptedPeer(net, "b:5070") as b:
            a.send(request(via=None), "sip:b:5070")
            await b.send(response_to(await b.expect("OPTIONS"), 200))
            await a.wait(ResponseReceived)

    run(scenario)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("sip:x.invalid", "x.invalid has no address"),
        ("tel:+123", "tel"),
        ("sip:[fd00::9]", "no UDP socket for IPv6"),
        ("sips:10.0.0.2", "10.0.0.2:5061: Connection refused"),
    ],
)
def test_what_cannot_be_routed_is_said(open_party, uri, words):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a:
            a.send(request(via=None), uri)
            await trio.sleep(1)
            (detail,) = a.core.unroutables
            assert words in detail

    run(scenario)


@pytest.mark.rfc("R3261-18.1.1-14")
def test_open_connection_is_used_again(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a, open_party(net, "tcp://b:5060", seed=2) as b:
            for number in range(3):
                a.send(request(via=None, call_id=f"{number}"), f"sip:{net.address_of('b')};transport=tcp")
                await a.wait(ResponseReceived, number + 1)
            assert a.transport.counters.connections_opened == 1
            assert b.transport.counters.connections_accepted == 1
            # What we say is where we listen, not the port we happen to have connected from.
            assert a.core.flows[0].sent_by == "10.0.0.1:5060"
            assert a.core.flows[0].local[1] != 5060

    run(scenario)


def test_requests_while_a_connection_opens_share_it(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a, open_party(net, "tcp://b:5060", seed=2):
            for number in range(5):
                a.send(request(via=None, call_id=f"{number}"), f"sip:{net.address_of('b')};transport=tcp")
            await a.wait(ResponseReceived, 5)
            assert a.transport.counters.connections_opened == 1

    run(scenario, delay=0.02)


def test_connection_that_a_peer_opened_is_used_towards_it(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060") as b, ScriptedPeer(net, "tcp://a:5060") as a:
            await a.connect("b", 5060)
            await trio.sleep(1)
            (connection,) = b.transport._pool._connections.values()
            host, port = connection.flow.remote
            b.send(request(via=None), f"sip:{host}:{port};transport=tcp")
            assert b.core.flows == [connection.flow]
            await a.expect("OPTIONS")

    run(scenario)


def test_connection_of_a_dialog_is_used_though_its_contact_leads_nowhere(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060") as b, ScriptedPeer(net, "tcp://a:5060") as a:
            await a.connect("b", 5060)
            await trio.sleep(1)
            (connection,) = b.transport._pool._connections.values()
            b.send(request(via=None), "sip:192.168.1.1:5060;transport=tcp", connection.flow)
            assert b.core.flows == [connection.flow]
            # Asked for another transport, it is no way.
            b.send(request(via=None, call_id="2"), "sip:192.168.1.1:5060;transport=udp", connection.flow)
            assert len(b.core.unroutables) == 1

    run(scenario)


def test_refused_connection_is_unroutable(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a:
            a.send(request(via=None), f"sip:{net.address_of('b')};transport=tcp")
            await trio.sleep(1)
            assert a.core.unroutables == ["no TCP connection to 10.0.0.2:5060: Connection refused"]
            assert a.core.kinds == ["transport"]

    run(scenario)


@pytest.mark.rfc("R3263-4.2-2")
def test_next_address_of_a_name_is_tried(open_party):
    async def scenario(net):
        net.dns.add("two", "10.9.9.9", net.address_of("b"))
        async with open_party(net, "tcp://a:5060") as a, open_party(net, "tcp://b:5060", seed=2):
            a.send(request(via=None), "sip:two;transport=tcp")
            await a.wait(ResponseReceived)
            assert a.core.flows[0].remote == (net.address_of("b"), 5060)

    run(scenario)


@pytest.mark.rfc("R3261-18.1.1-1", "R3261-18.1.1-2")
@pytest.mark.parametrize("uri", ["sip:10.0.0.2", "sip:10.0.0.2;transport=udp"])
def test_large_request_goes_by_tcp_and_its_via_says_so(open_party, uri):
    async def scenario(net):
        async with open_party(net, "udp://a:5060", "tcp://a:5060") as a, ScriptedPeer(net, "tcp://b:5060") as b:
            a.send(large(), uri)
            got = await b.expect("OPTIONS")
            assert (got.top_via.transport, got.top_via.sent_by) == ("TCP", "10.0.0.1:5060")

    run(scenario)


@pytest.mark.rfc("R3261-18.1.1-4")
def test_large_request_goes_by_udp_after_all_where_tcp_is_refused(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a, ScriptedPeer(net, "udp://b:5060") as b:
            a.send(large(), f"sip:{net.address_of('b')}")
            assert (await b.expect("OPTIONS")).top_via.transport == "UDP"

    run(scenario)


def test_large_request_to_a_name(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a, ScriptedPeer(net, "udp://b:5060") as b:
            a.send(large(), "sip:b")
            assert (await b.expect("OPTIONS")).top_via.transport == "UDP"

    run(scenario)


@pytest.mark.parametrize(
    ("body", "is_large"), [(b"", False), (b"x" * 800, False), (b"x" * 1_100, True), (b"x" * 1_300, True)]
)
def test_size_counts_the_via_that_is_to_come(body, is_large):
    # Without body the request has 143 bytes; the Via and Content-Length count as 120.
    assert is_too_large_for_udp(request(via=None, body=body)) == is_large


def test_size_counts_bytes_not_characters():
    assert is_too_large_for_udp(request(via=None, headers=[("Subject", "ü" * 600)]))
    assert not is_too_large_for_udp(request(via=None, headers=[("Subject", "u" * 600)]))


def test_waiting_routes_are_bounded(open_party):
    async def scenario(net):
        limits = Limits(resolutions=2, connect_seconds=3)
        async with open_party(net, "tcp://a:5060", limits=limits) as a:
            net.partition("a", "b")
            for number in range(3):
                a.send(request(via=None, call_id=f"{number}"), f"sip:{net.address_of('b')};transport=tcp")
            assert a.core.unroutables == ["too many requests wait for a name or a connection"]
            await trio.sleep(4)
            assert len(a.core.unroutables) == 3
            assert a.transport.counters.routes_shed == 1

    run(scenario)


def test_slow_look_up_is_given_up(open_party):
    async def scenario(net):
        net.dns.delay = 5.0
        async with open_party(net, "udp://a:5060", limits=Limits(connect_seconds=3)) as a:
            a.send(request(via=None), "sip:slow")
            await trio.sleep(4)
            assert a.core.unroutables == ["Looking up slow took more than 3 seconds."]
            assert a.core.kinds == ["unroutable"]

    run(scenario)


def test_socket_is_chosen_by_family_and_address(open_party):
    async def scenario(net):
        host = net.host("a")
        async with open_party(host, "udp://10.0.0.1:5070", "udp://[fd00::1]:5080", "udp://0.0.0.0:5090") as a:
            a.send(request(via=None, call_id="1"), "sip:10.0.0.2")
            a.send(request(via=None, call_id="2"), "sip:[fd00::2]")
            assert [flow.sent_by for flow in a.core.flows] == ["10.0.0.1:5070", "[fd00::1]:5080"]

    run(scenario, ipv6=True)


def test_without_a_tcp_listener_the_via_names_the_connection_itself(open_party):
    async def scenario(net):
        async with open_party(net.host("a"), "udp://0.0.0.0:5060") as a, ScriptedPeer(net, "tcp://b:5060") as b:
            a.send(request(via=None), f"sip:{net.address_of('b')};transport=tcp")
            got = await b.expect("OPTIONS")
            host, port = a.core.flows[0].local
            assert got.top_via.sent_by == f"{host}:{port}"

    run(scenario)
