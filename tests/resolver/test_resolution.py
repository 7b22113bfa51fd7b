"""Every branch of RFC 3263 section 4, as tables: a URI, what DNS holds, what is asked and what comes of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message import URI
from sipstack.resolver import (
    LONGEST_ALIAS_CHAIN,
    MOST_SERVERS,
    MOST_TARGETS,
    Answer,
    Naptr,
    Query,
    Resolution,
    ResolveError,
    Srv,
    Target,
)

ALL = ("UDP", "TCP", "TLS", "WS", "WSS")
RANDBYTES = random.Random(1).randbytes


def naptr(order: int, service: str, replacement: str, *, preference: int = 50, flags: str = "s") -> Naptr:
    return Naptr(order, preference, flags, service, "", replacement)


EXAMPLE = {
    "example.com": (
        naptr(50, "SIPS+D2T", "_sips._tcp.example.com."),
        naptr(90, "SIP+D2T", "_sip._tcp.example.com"),
        naptr(100, "SIP+D2U", "_sip._udp.example.com."),
        "192.0.2.99",
    ),
    "_sips._tcp.example.com": (Srv(1, 0, 5061, "tls.example.com."),),
    "_sip._tcp.example.com": (Srv(1, 0, 5062, "tcp.example.com"), Srv(2, 0, 5063, "tcp2.example.com")),
    "_sip._udp.example.com": (Srv(1, 0, 5064, "udp.example.com"),),
    "tls.example.com": ("192.0.2.1",),
    "tcp.example.com": ("2001:db8::2", "192.0.2.2"),
    "tcp2.example.com": ("2001:db8::3", "192.0.2.3"),
    "udp.example.com": ("192.0.2.4",),
}
"The example of RFC 3263 section 4.1, with addresses."


def answer_of(zone: dict, query: Query) -> Answer:
    kind = {"NAPTR": Naptr, "SRV": Srv, "address": str}[query.kind]
    return Answer(tuple(each for each in zone.get(query.name, ()) if isinstance(each, kind)))


def resolve(zone: dict, uri: str, transports=ALL, **options) -> tuple[list[str], Resolution]:
    """Return what was asked, in order, and the resolution."""
    options.setdefault("randbytes", RANDBYTES)
    resolution = Resolution(URI.parse(uri), transports=transports, **options)
    asked: list[str] = []
    while queries := resolution.queries():
        for query in queries:
            asked.append(str(query))
            resolution.feed(query, answer_of(zone, query))
    return asked, resolution


def shown(resolution: Resolution) -> list[str]:
    return [f"{each.transport} {each.host} {each.port}" for each in resolution.targets]


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:192.0.2.1:5070", "UDP 192.0.2.1 5070"),
        ("sip:192.0.2.1", "UDP 192.0.2.1 5060"),
        ("sips:192.0.2.1", "TLS 192.0.2.1 5061"),
        ("sip:[2001:db8::1];transport=tcp", "TCP 2001:db8::1 5060"),
        ("sip:192.0.2.1;transport=ws", "WS 192.0.2.1 80"),
        ("sips:192.0.2.1;transport=ws", "WSS 192.0.2.1 443"),
        ("sip:example.com;maddr=192.0.2.7", "UDP 192.0.2.7 5060"),
    ],
)
def test_numeric_target_needs_no_query(uri, target):
    asked, resolution = resolve({}, uri)
    assert not asked
    assert shown(resolution) == [target]


@pytest.mark.rfc("R3263-4.2-1", "R3263-4.2-2", "R3263-4.1-3")
def test_port_means_addresses_alone():
    asked, resolution = resolve({"example.com": ("192.0.2.1", "2001:DB8::1", "192.0.2.1")}, "sip:example.com:5060")
    assert asked == ["A/AAAA example.com"]
    assert resolution.targets == (
        Target("UDP", "192.0.2.1", 5060, "example.com"),
        Target("UDP", "2001:db8::1", 5060, "example.com"),
    )


@pytest.mark.rfc("R3263-4.1-5", "R3263-4.1-7", "R3263-4.1-8")
@pytest.mark.parametrize(
    ("transports", "asked", "targets"),
    [
        (ALL, ["SRV _sips._tcp.example.com", "A/AAAA tls.example.com"], ["TLS 192.0.2.1 5061"]),
        (
            ("UDP", "TCP"),
            ["SRV _sip._tcp.example.com", "A/AAAA tcp.example.com", "A/AAAA tcp2.example.com"],
            ["TCP 2001:db8::2 5062", "TCP 192.0.2.2 5062", "TCP 2001:db8::3 5063", "TCP 192.0.2.3 5063"],
        ),
        (("UDP",), ["SRV _sip._udp.example.com", "A/AAAA udp.example.com"], ["UDP 192.0.2.4 5064"]),
    ],
)
def test_naptr_chooses_the_best_transport_that_is_there(transports, asked, targets):
    got, resolution = resolve(EXAMPLE, "sip:example.com", transports)
    assert got == ["NAPTR example.com", *asked]
    assert shown(resolution) == targets
    assert resolution.offers_tls is True


@pytest.mark.rfc("R3263-4.1-6")
def test_sips_takes_no_service_but_sips():
    zone = {**EXAMPLE, "example.com": EXAMPLE["example.com"][1:]}
    asked, resolution = resolve(zone, "sips:example.com")
    assert "SRV _sip._tcp.example.com" not in asked
    assert {each.transport for each in resolution.targets} == {"TLS"}
    assert resolution.offers_tls is False


@pytest.mark.rfc("R3263-4.1-8")
@pytest.mark.parametrize(
    "record",
    [
        naptr(10, "SIP+D2S", "_sip._sctp.example.com"),
        naptr(10, "SIPS+D2U", "_sips._udp.example.com"),
        naptr(10, "E2U+sip", "_sip._udp.example.com"),
        naptr(10, "SIP+D2T", "a.example.com", flags="a"),
        naptr(10, "SIP+D2T", "."),
        Naptr(10, 50, "s", "SIP+D2T", "!^.*$!sip:x@y!", "_sip._tcp.example.com"),
    ],
)
def test_services_that_are_of_no_use_are_discarded(record):
    asked, resolution = resolve({"example.com": (record, "192.0.2.9")}, "sip:example.com", ("UDP", "TCP"))
    assert asked[1:3] == ["SRV _sip._udp.example.com", "SRV _sip._tcp.example.com"]
    assert shown(resolution) == ["UDP 192.0.2.9 5060"]


def test_one_order_of_naptr_is_used_by_preference_and_no_other():
    zone = {
        "example.com": (
            naptr(10, "sip+d2t", "_sip._tcp.b.example", preference=20),
            naptr(10, "SIP+D2U", "_sip._udp.a.example", preference=10),
            naptr(20, "SIP+D2U", "_sip._udp.c.example"),
        ),
        "_sip._udp.a.example": (Srv(1, 0, 5060, "a.example"),),
        "_sip._tcp.b.example": (Srv(1, 0, 5060, "b.example"),),
        "a.example": ("192.0.2.1",),
        "b.example": ("192.0.2.2",),
    }
    asked, resolution = resolve(zone, "sip:example.com", ("UDP", "TCP"))
    assert "SRV _sip._udp.c.example" not in asked
    assert shown(resolution) == ["UDP 192.0.2.1 5060", "TCP 192.0.2.2 5060"]


def test_websocket_services():
    zone = {
        "example.com": (naptr(1, "SIPS+D2W", "_sips._ws.example.com"), naptr(2, "SIP+D2W", "_sip._ws.example.com")),
        "_sips._ws.example.com": (Srv(1, 0, 8443, "w.example.com"),),
        "w.example.com": ("192.0.2.8",),
    }
    assert shown(resolve(zone, "sip:example.com")[1]) == ["WSS 192.0.2.8 8443"]


@pytest.mark.rfc("R3263-4.1-16")
@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        ("sip:example.com", ["SRV _sip._udp.example.com", "SRV _sip._tcp.example.com", "SRV _sip._ws.example.com"]),
        ("sips:example.com", ["SRV _sips._tcp.example.com", "SRV _sips._ws.example.com"]),
    ],
)
def test_without_naptr_each_transport_is_asked_for(uri, asked):
    got, _ = resolve({"example.com": ("192.0.2.1",)}, uri)
    assert got == ["NAPTR example.com", *asked, "A/AAAA example.com"]


def test_without_naptr_the_servers_of_every_transport_are_targets():
    zone = {name: records for name, records in EXAMPLE.items() if name != "example.com"}
    _, resolution = resolve(zone, "sip:example.com", ("UDP", "TCP"))
    assert [each.transport for each in resolution.targets] == ["UDP", "TCP", "TCP", "TCP", "TCP"]


@pytest.mark.parametrize(
    ("uri", "query"),
    [
        ("sip:example.com;transport=udp", "SRV _sip._udp.example.com"),
        ("sip:example.com;transport=tcp", "SRV _sip._tcp.example.com"),
        ("sip:example.com;transport=tls", "SRV _sips._tcp.example.com"),
        ("sips:example.com;transport=tcp", "SRV _sips._tcp.example.com"),
        ("sip:example.com;transport=ws", "SRV _sip._ws.example.com"),
        ("sip:x.org;maddr=example.com;transport=udp", "SRV _sip._udp.example.com"),
    ],
)
def test_a_transport_that_is_said_is_asked_for_alone(uri, query):
    assert resolve(EXAMPLE, uri)[0][0] == query


@pytest.mark.rfc("R3263-4.1-17")
@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:example.com", "UDP 192.0.2.9 5060"),
        ("sips:example.com", "TLS 192.0.2.9 5061"),
        ("sip:example.com;transport=tcp", "TCP 192.0.2.9 5060"),
    ],
)
def test_without_srv_the_name_itself_is_the_server(uri, target):
    assert shown(resolve({"example.com": ("192.0.2.9",)}, uri)[1]) == [target]


def test_naptr_whose_srv_is_missing_still_settles_the_transport():
    zone = {"example.com": (naptr(1, "SIP+D2T", "_sip._tcp.elsewhere.example"), "192.0.2.9")}
    assert shown(resolve(zone, "sip:example.com", ("UDP", "TCP"))[1]) == ["TCP 192.0.2.9 5060"]


def test_srv_that_says_no_is_believed():
    zone = {"_sip._udp.example.com": (Srv(0, 0, 0, "."),), "example.com": ("192.0.2.9",)}
    assert shown(resolve(zone, "sip:example.com", ("UDP", "TCP"))[1]) == ["TCP 192.0.2.9 5060"]
    with pytest.raises(ResolveError, match=r"example\.com takes no SIP by UDP"):
        resolve(zone, "sip:example.com;transport=udp")


@pytest.mark.rfc("R3263-4.1-4", "R3263-4.1-18")
def test_large_request_prefers_what_carries_it():
    assert {
        each.transport for each in resolve(EXAMPLE, "sip:example.com", ("UDP", "TCP"), is_large=True)[1].targets
    } == {"TCP"}
    zone = {name: records for name, records in EXAMPLE.items() if name != "example.com"}
    _, resolution = resolve(zone, "sip:example.com", ("UDP", "TCP"), is_large=True)
    assert [each.transport for each in resolution.targets] == ["TCP", "TCP", "TCP", "TCP", "UDP"]
    only_udp = {**EXAMPLE, "example.com": EXAMPLE["example.com"][2:]}
    assert shown(resolve(only_udp, "sip:example.com", ("UDP", "TCP"), is_large=True)[1]) == ["UDP 192.0.2.4 5064"]


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "x.invalid", "printer.LOCAL", "localhost."])
def test_names_outside_of_dns_have_no_services(host):
    resolution = Resolution(URI.parse(f"sip:{host}"), randbytes=RANDBYTES)
    assert [query.kind for query in resolution.queries()] == ["address"]


def test_server_whose_name_is_missing_is_passed_over():
    zone = {name: records for name, records in EXAMPLE.items() if name != "tcp.example.com"}
    _, resolution = resolve(zone, "sip:example.com;transport=tcp")
    assert shown(resolution) == ["TCP 2001:db8::3 5063", "TCP 192.0.2.3 5063"]
    assert resolution.targets[0].server == "tcp2.example.com"


def test_srv_that_names_an_address_is_taken_at_its_word():
    assert shown(resolve({"_sip._udp.a.example": (Srv(1, 1, 5070, "192.0.2.5"),)}, "sip:a.example")[1]) == [
        "UDP 192.0.2.5 5070"
    ]


def test_no_address_is_an_error_that_says_why():
    resolution = Resolution(URI.parse("sip:example.com;transport=udp"), randbytes=RANDBYTES)
    resolution.feed(Query("_sip._udp.example.com", "SRV"), Answer(detail="install it"))
    with pytest.raises(ResolveError) as caught:
        resolution.feed(Query("example.com", "address"), Answer(detail="Name not known."))
    assert str(caught.value) == (
        "The name example.com has no address: Name not known; install it (SRV _sip._udp.example.com)."
    )


def test_feeding_what_nobody_asked_for_is_an_error():
    with pytest.raises(ResolveError, match="Nobody asked"):
        Resolution(URI.parse("sip:192.0.2.1"), randbytes=RANDBYTES).feed(Query("a", "address"), Answer())


def test_aliases_are_followed():
    resolution = Resolution(URI.parse("sip:example.com:5060"), randbytes=RANDBYTES)
    resolution.feed(Query("example.com", "address"), Answer(alias="www.example.net."))
    assert resolution.queries() == (Query("www.example.net", "address"),)
    resolution.feed(Query("www.example.net", "address"), Answer(("192.0.2.1",)))
    assert resolution.targets == (Target("UDP", "192.0.2.1", 5060, "example.com"),)


def test_two_servers_that_are_aliases_of_one_keep_their_ports():
    zone = {"_sip._udp.x.example": (Srv(1, 0, 5070, "a.x.example"), Srv(2, 0, 5071, "b.x.example"))}
    resolution = Resolution(URI.parse("sip:x.example;transport=udp"), randbytes=RANDBYTES)
    resolution.feed(query := resolution.queries()[0], answer_of(zone, query))
    for query in resolution.queries():
        resolution.feed(query, Answer(alias="one.example"))
    (query,) = resolution.queries()
    resolution.feed(query, Answer(("192.0.2.1",)))
    assert shown(resolution) == ["UDP 192.0.2.1 5070", "UDP 192.0.2.1 5071"]


def test_aliases_that_go_round_end():
    resolution = Resolution(URI.parse("sip:a.example:5060"), randbytes=RANDBYTES)
    for _ in range(LONGEST_ALIAS_CHAIN):
        (query,) = resolution.queries()
        resolution.feed(query, Answer(alias="b.example" if query.name == "a.example" else "a.example"))
    (query,) = resolution.queries()
    with pytest.raises(ResolveError, match=f"more than {LONGEST_ALIAS_CHAIN} aliases"):
        resolution.feed(query, Answer(alias="c.example"))
    assert not resolution.queries()


def test_servers_and_targets_are_bounded():
    addresses = tuple(f"192.0.2.{number}" for number in range(10))
    zone = {"_sip._udp.x.example": tuple(Srv(1, 1, 5060, f"s{number}.x.example") for number in range(100))}
    zone |= {f"s{number}.x.example": addresses for number in range(100)}
    asked, resolution = resolve(zone, "sip:x.example;transport=udp")
    assert len(asked) == 1 + MOST_SERVERS
    # One address at one port is one target, whatever the server is called.
    assert len(resolution.targets) == len(addresses)
    zone |= {f"s{number}.x.example": tuple(f"2001:db8::{number}:{each}" for each in range(9)) for number in range(100)}
    assert len(resolve(zone, "sip:x.example;transport=udp")[1].targets) == MOST_TARGETS


names = st.sampled_from(["a.x", "b.x", "c.x", ".", "192.0.2.1", "x"])
srvs = st.builds(Srv, st.integers(0, 3), st.integers(0, 65_535), st.integers(0, 65_535), names)
services = st.sampled_from(["SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIP+D2S", "SIPS+D2W", "E2U", ""])
naptrs = st.builds(Naptr, st.integers(0, 3), st.integers(0, 3), st.sampled_from("sSua"), services, st.just(""), names)
answers = st.one_of(
    st.builds(Answer, st.lists(srvs | naptrs | names, max_size=8).map(tuple)), st.builds(Answer, alias=names)
)
uris = st.sampled_from(["sip:x", "sips:x", "sip:x;transport=tcp", "sip:x:5070", "sip:y;maddr=x", "sip:192.0.2.1"])


@given(uris, st.data(), st.integers())
def test_whatever_dns_says_the_targets_are_numeric_bounded_and_allowed(uri, data, seed):
    resolution = Resolution(URI.parse(uri), transports=ALL, randbytes=random.Random(seed).randbytes)
    asked = 0
    try:
        while queries := resolution.queries():
            asked += 1
            assert asked < 1_000
            resolution.feed(queries[0], data.draw(answers))
    except ResolveError:
        assert not resolution.targets
        return
    assert 0 < len(resolution.targets) <= MOST_TARGETS
    assert len(set(resolution.targets)) == len(resolution.targets)
    for target in resolution.targets:
        assert target.transport in resolution.transports
        assert uri[:4] != "sips" or target.transport in ("TLS", "WSS")
        assert 0 < target.port < 65_536


@pytest.mark.rfc("R3263-4-1")
@given(st.integers())
def test_a_seed_replays_the_choice(seed):
    zone = {"_sip._udp.x": tuple(Srv(1, weight, 5060, f"192.0.2.{weight}") for weight in (0, 10, 20, 30))}
    first, again = (
        resolve(zone, "sip:x;transport=udp", randbytes=random.Random(seed).randbytes)[1].targets for _ in range(2)
    )
    assert first == again
