from __future__ import annotations

import pytest

from sipstack.message import URI
from sipstack.resolver import Destination, ResolveError, Target, numeric_host

ALL = ("UDP", "TCP", "TLS", "WS", "WSS")


def destination_of(uri: str, transports=ALL) -> Destination:
    return Destination.of(URI.parse(uri), transports)


@pytest.mark.parametrize(
    ("uri", "transports"),
    [
        pytest.param("sip:192.0.2.1", ("UDP",), marks=pytest.mark.rfc("R3263-4.1-2")),
        pytest.param("sips:192.0.2.1", ("TLS",), marks=pytest.mark.rfc("R3263-4.1-2")),
        pytest.param("sip:[2001:db8::1]", ("UDP",), marks=pytest.mark.rfc("R3263-4.1-2")),
        pytest.param("sip:example.com:5080", ("UDP",), marks=pytest.mark.rfc("R3263-4.1-3")),
        pytest.param("sips:example.com:5080", ("TLS",), marks=pytest.mark.rfc("R3263-4.1-3")),
        pytest.param("sip:example.com;transport=tcp", ("TCP",), marks=pytest.mark.rfc("R3263-4.1-1")),
        pytest.param("sip:example.com;transport=TLS", ("TLS",), marks=pytest.mark.rfc("R3263-4.1-1")),
        pytest.param("sip:192.0.2.1:99;transport=udp", ("UDP",), marks=pytest.mark.rfc("R3263-4.1-1")),
        ("sips:example.com;transport=tcp", ("TLS",)),
        ("sips:example.com;transport=ws", ("WSS",)),
        ("sip:example.com", ALL),
        ("sips:example.com", ("TLS", "WSS")),
        ("sip:example.com;maddr=192.0.2.9", ("UDP",)),
    ],
)
def test_what_the_uri_leaves_open(uri, transports):
    assert destination_of(uri).transports == transports


def test_maddr_is_the_host_and_the_name_stays():
    destination = destination_of("sip:a@example.com:5070;maddr=192.0.2.9")
    assert (destination.host, destination.port, destination.name) == ("192.0.2.9", 5070, "example.com")


def test_ipv6_reference_loses_its_brackets_and_odd_spelling():
    assert destination_of("sip:a@[2001:DB8:0:0::1]:5066").host == "2001:db8::1"


@pytest.mark.parametrize(
    ("uri", "transports", "chosen"), [("sip:192.0.2.1", ("TCP", "TLS"), "TCP"), ("sips:192.0.2.1", ("WSS",), "WSS")]
)
def test_without_the_usual_transport_the_first_is_taken(uri, transports, chosen):
    assert destination_of(uri, transports).transports == (chosen,)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("tel:+1234", "a tel: URI"),
        ("sip:a@h;transport=sctp", "'sctp' is not one of"),
        ("sips:a@h;transport=udp", "no TLS"),
        ("sip:a@h;transport=tls", "asks for TLS"),
        ("sips:a@h", "needs TLS"),
        ("sip:a@h:0", "0 is no port"),
    ],
)
def test_what_cannot_be_sent_to_is_said_in_a_sentence(uri, words):
    with pytest.raises(ResolveError, match="(?i)" + words) as caught:
        destination_of(uri, ("UDP", "TCP"))
    assert str(caught.value).endswith(".")


def test_target_is_shown_as_it_is_reached():
    assert str(Target("TCP", "2001:db8::1", 5060, "example.com", "a.example.com")) == (
        "TCP [2001:db8::1]:5060 (a.example.com)"
    )
    assert str(Target("UDP", "192.0.2.1", 5070)) == "UDP 192.0.2.1:5070"


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
