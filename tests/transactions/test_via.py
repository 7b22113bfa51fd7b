"""Where responses go, whatever the Via says (RFC 3261 sections 18.2.1 and 18.2.2, RFC 3581)."""

import pytest

from sipstack.message import Via, parse_message
from sipstack.transactions import Flow, RequestReceived, Send
from sipstack.transactions._flow import is_unicast
from sipstack.transactions._via import default_port, response_flow, stamp_untrusted

HERE = ("192.0.2.9", 5060)
NAT = ("198.51.100.7", 40123)


def stamped(kit, via, remote=NAT, transport="UDP"):
    request = parse_message(kit.request_bytes(via=via))
    stamp_untrusted(request, kit.flow(transport, remote))
    return request


@pytest.mark.rfc("R3581-4-1", "R3581-4-2")
@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1",
        "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport",
        "SIP/2.0/UDP 198.51.100.7:40123;branch=z9hG4bK1;rport",
        "SIP/2.0/UDP host.example.com;branch=z9hG4bK1;rport;x=y",
        'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;x=";rport;";rport',
        "SIP / 2.0 / UDP 10.0.0.1 : 5060 ;rport ;branch=z9hG4bK1",
        "SIP/2.0/UDP 10.0.0.1;RPORT;branch=z9hG4bK1",
        "SIP/2.0/UDP 10.0.0.1;rportx=1;branch=z9hG4bK1;rport",
        "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=203.0.113.66;rport",
        "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport=9;received=203.0.113.66",
    ],
)
def test_rport_and_received_are_what_was_seen(kit, via):
    request = stamped(kit, via)
    before = Via.parse(via)
    for seen in (request.top_via, Via.parse(request.headers["Via"])):
        assert (seen.received, seen.rport) == NAT
        assert (seen.branch, seen.host, seen.port) == (before.branch, before.host, before.port)
        assert set(seen.parameters) >= set(before.parameters)
    assert b"rport=40123" in request.serialise().lower()
    assert request.serialise().count(b"received") == 1


@pytest.mark.rfc("R3261-18.2.1-4", "R3261-18.2.1-5", "R3261-18.2.1-6")
@pytest.mark.parametrize("host", ["10.0.0.1", "phone.example.com"])
def test_without_rport_received_is_added_where_the_host_differs(kit, host):
    via = stamped(kit, f"SIP/2.0/UDP {host};branch=z9hG4bK1").top_via
    assert (via.received, via.has_rport) == ("198.51.100.7", False)


def test_without_rport_nothing_is_added_where_the_host_is_the_source(kit):
    request = stamped(kit, "SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bK1")
    assert request.headers["Via"] == "SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bK1"


def test_a_forged_received_is_overwritten_even_where_the_host_is_the_source(kit):
    assert stamped(kit, "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1;received=203.0.113.66").top_via.received == NAT[0]


def test_ipv6_hosts_compare_without_their_brackets(kit):
    remote = ("2001:db8::1", 5060)
    assert stamped(kit, "SIP/2.0/UDP [2001:DB8::1];branch=z9hG4bK1", remote).top_via.received is None
    via = stamped(kit, "SIP/2.0/UDP [2001:db8::2];branch=z9hG4bK1;rport", remote).top_via
    assert (via.received, via.rport) == remote


def test_only_the_top_via_is_stamped(kit):
    request = parse_message(kit.request_bytes(via="SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/UDP b.example;rport"))
    stamp_untrusted(request, kit.flow("UDP", NAT))
    top, below = request.via
    assert top.received == NAT[0]
    assert (below.received, below.rport) == (None, None)


@pytest.mark.rfc("R3581-4-3", "R3581-4-4")
def test_with_rport_the_response_goes_to_the_source(kit):
    flow = kit.flow("UDP", NAT)
    assert response_flow(stamped(kit, "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport").top_via, flow) is flow


@pytest.mark.rfc("R3261-18.2.2-7")
@pytest.mark.parametrize(("sent_by", "port"), [("10.0.0.1:5070", 5070), ("10.0.0.1", 5060), ("10.0.0.1:0", 5060)])
def test_without_rport_the_response_goes_to_the_source_address_and_the_sent_by_port(kit, sent_by, port):
    flow = kit.flow("UDP", NAT)
    way = response_flow(stamped(kit, f"SIP/2.0/UDP {sent_by};branch=z9hG4bK1").top_via, flow)
    assert way == Flow("UDP", HERE, (NAT[0], port), flow.sent_by)


@pytest.mark.rfc("R3261-18.2.2-2")
def test_on_a_stream_the_response_goes_by_its_connection(kit):
    flow = kit.flow("TCP", NAT, 7)
    assert response_flow(stamped(kit, "SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1", NAT, "TCP").top_via, flow) is flow


@pytest.mark.parametrize("maddr", ["203.0.113.66", "239.255.255.1", "255.255.255.255", "victim.example.com"])
@pytest.mark.parametrize("rport", ["", ";rport"])
def test_maddr_moves_nothing(lab, kit, maddr, rport):
    flow = kit.flow("UDP", NAT)
    lab.receive(kit.request_bytes(via=f"SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;maddr={maddr}{rport}"), flow)
    lab.respond(lab.last(RequestReceived).transaction, 200)
    assert lab.last(Send).flow.remote == (NAT[0], NAT[1] if rport else 5070)


def test_forged_values_move_nothing(lab, kit):
    via = "SIP/2.0/UDP 203.0.113.66:5070;branch=z9hG4bK1;received=203.0.113.67;rport=7"
    lab.receive(kit.request_bytes(via=via), kit.flow("UDP", NAT))
    transaction = lab.last(RequestReceived).transaction
    lab.respond(transaction, 200)
    send = lab.last(Send)
    assert send.flow.remote == NAT
    assert b"203.0.113.67" not in send.data


@pytest.mark.parametrize(
    "remote", [("255.255.255.255", 5060), ("239.1.1.1", 5060), ("0.0.0.0", 5060), ("ff02::1", 5060), ("192.0.2.1", 0)]
)
@pytest.mark.parametrize("wrong", [{}, {"cseq_method": "INFO"}], ids=["sound", "malformed"])
def test_nothing_is_sent_to_an_address_that_is_not_one_hosts(lab, kit, remote, wrong):
    assert lab.receive(kit.request_bytes(**wrong), kit.flow("UDP", remote)) == ["dropped unroutable"]
    assert lab.layer.counters["unroutable"] == 1
    assert lab.is_empty()


@pytest.mark.parametrize(
    ("host", "unicast"),
    [
        ("192.0.2.1", True),
        ("223.255.255.255", True),
        ("127.0.0.1", True),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),
        ("2001:db8::1", True),
        ("::1", True),
        ("fe80::1", True),
        ("::", False),
        ("FF02::1", False),
        ("::ffff:192.0.2.1", True),
        ("::ffff:239.0.0.1", False),
    ],
)
def test_is_unicast(host, unicast):
    assert is_unicast(host) is unicast


@pytest.mark.rfc("R3261-18.2.2-3")
@pytest.mark.parametrize(
    ("transport", "sent_by", "port"),
    [("TCP", "10.0.0.1:5070", 5070), ("TCP", "10.0.0.1", 5060), ("TLS", "10.0.0.1", 5061), ("WSS", "10.0.0.1", 5061)],
)
def test_when_the_connection_is_gone_a_new_one_leads_to_the_source_address(kit, transport, sent_by, port):
    lab = kit.Lab(transport)
    transaction = lab.accept(flow=kit.flow(transport, NAT, 7), via=f"SIP/2.0/{transport} {sent_by};branch=z9hG4bK1")
    assert transaction.fallback_target() == (transport, NAT[0], port)


def test_default_ports():
    assert [default_port(transport) for transport in ("UDP", "TCP", "TLS", "WS", "WSS")] == [
        5060,
        5060,
        5061,
        5060,
        5061,
    ]


def test_a_flow_says_what_it_is(kit):
    assert [kit.flow(transport).is_reliable for transport in ("UDP", "TCP", "TLS", "WS", "WSS")] == [False] + [True] * 4
    assert [kit.flow(transport).is_secure for transport in ("UDP", "TCP", "TLS", "WS", "WSS")] == [
        False,
        False,
        True,
        False,
        True,
    ]
    assert hash(kit.flow()) == hash(kit.flow())
    assert kit.flow() == kit.flow() != kit.flow("TCP")
