from __future__ import annotations

import pytest

from sipstack.message import URI
from sipstack.resolver import ResolveError, Target, numeric_host, target_of

ALL = ("UDP", "TCP", "TLS", "WS", "WSS")


@pytest.mark.rfc("R3263-4.1-2")
def test_numeric_sip_goes_by_udp_to_5060():
    assert target_of(URI.parse("sip:a@192.0.2.1")) == Target("UDP", "192.0.2.1", 5060, "192.0.2.1")


@pytest.mark.rfc("R3263-4.1-2")
def test_numeric_sips_goes_by_tls_to_5061():
    target = target_of(URI.parse("sips:a@192.0.2.1"), transports=ALL)
    assert (target.transport, target.port) == ("TLS", 5061)


@pytest.mark.rfc("R3263-4.1-3")
def test_name_with_port_goes_by_udp():
    target = target_of(URI.parse("sip:a@example.com:5080"))
    assert target == Target("UDP", "example.com", 5080, "example.com")
    assert not target.is_numeric


@pytest.mark.rfc("R3263-4.1-1")
@pytest.mark.parametrize(
    ("asked", "transport", "port"), [("tcp", "TCP", 5060), ("UDP", "UDP", 5060), ("tls", "TLS", 5061)]
)
def test_transport_parameter_is_used(asked, transport, port):
    target = target_of(URI.parse(f"sip:a@192.0.2.1;transport={asked}"), transports=ALL)
    assert (target.transport, target.port) == (transport, port)


def test_sips_with_transport_tcp_means_tls():
    assert target_of(URI.parse("sips:a@192.0.2.1;transport=tcp"), transports=ALL).transport == "TLS"


def test_sips_with_transport_ws_means_wss():
    target = target_of(URI.parse("sips:a@192.0.2.1;transport=ws"), transports=ALL)
    assert (target.transport, target.port) == ("WSS", 443)


def test_maddr_overrides_the_host_and_keeps_the_name():
    target = target_of(URI.parse("sip:a@example.com:5070;maddr=192.0.2.9"))
    assert target == Target("UDP", "192.0.2.9", 5070, "example.com")


def test_ipv6_reference_loses_its_brackets_and_odd_spelling():
    assert target_of(URI.parse("sip:a@[2001:DB8:0:0::1]:5066")).host == "2001:db8::1"


def test_without_udp_the_first_transport_is_taken():
    assert target_of(URI.parse("sip:192.0.2.1"), transports=("TCP",)).transport == "TCP"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("tel:+1234", "a tel: URI"),
        ("sip:a@h;transport=sctp", "'sctp' is not one of"),
        ("sips:a@h;transport=udp", "no TLS"),
        ("sip:a@h;transport=tls", "asks for TLS"),
        ("sips:a@h", "needs TLS"),
    ],
)
def test_what_cannot_be_sent_to_is_said_in_a_sentence(uri, words):
    with pytest.raises(ResolveError, match="(?i)" + words) as caught:
        target_of(URI.parse(uri))
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("host", "numeric"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("example.com", None),
        ("1.2.3", None),
        ("", None),
        ("[]", None),
        ("256.1.1.1", None),
    ],
)
def test_numeric_host(host, numeric):
    assert numeric_host(host) == numeric
