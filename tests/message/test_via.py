import copy
import pickle

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._parameters import Parameters
from sipstack.message._via import Via

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8)


@given(
    st.builds(
        Via,
        TOKENS,
        st.sampled_from(["h", "192.0.2.1", "[2001:db8::1]", "a_b.example."]),
        st.none() | st.integers(0, 65535),
        st.builds(
            Parameters,
            st.fixed_dictionaries(
                {},
                optional={
                    "branch": TOKENS,
                    "rport": st.none() | st.integers(1, 65535).map(str),
                    "received": st.sampled_from(["192.0.2.9", "2001:db8::9", "[2001:db8::9]"]),
                    "maddr": st.just("[::1]"),
                    "ttl": st.just("255"),
                    "x": st.none() | TOKENS | st.just("a b"),
                },
            ),
        ),
    )
)
def test_a_round_trip_keeps_all(via):
    again = Via.parse(str(via))
    assert again == via
    assert hash(again) == hash(via)
    assert (again.branch, again.rport, again.received) == (via.branch, via.rport, via.received)
    assert Via.parse_many(f"{via},{via}") == [via, via]


@pytest.mark.parametrize(
    ("text", "transport", "sent_by", "branch"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1-0", "UDP", "192.0.2.1:5060", "z9hG4bK-1-0"),
        ("SIP/2.0/UDP pc33.atlanta.com;rport;branch=z9hG4bK77", "UDP", "pc33.atlanta.com", "z9hG4bK77"),
        ("SIP/2.0/tcp h:59999;branch=x;rport=59999;received=1.2.3.4", "TCP", "h:59999", "x"),
        ("SIP/2.0/TCP h:65535;branch=x;rport=65535;received=1.2.3.4", "TCP", "h:65535", "x"),
        ("SIP/2.0/UDP 192.0.2.2;branch=390skdjuw", "UDP", "192.0.2.2", "390skdjuw"),
        ("SIP  / 2.0 / UDP 192.0.2.2;branch=390skdjuw", "UDP", "192.0.2.2", "390skdjuw"),
        (
            "SIP  /    2.0 /TCP     spindle.example   ; branch  =   z9hG4bK9  ",
            "TCP",
            "spindle.example",
            "z9hG4bK9",
        ),
        (
            "SIP/2.0/UDP first.example: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7",
            "UDP",
            "first.example:4000",
            "z9hG4bKa7",
        ),
        ("SIP/2.0/TCP h;branch=z9hG4bK-.!%66*_+`'~", "TCP", "h", "z9hG4bK-.!%66*_+`'~"),
        ("SIP/2.0/UNKNOWN [::1]:1;branch=a", "UNKNOWN", "[::1]:1", "a"),
        ("SIP/2.0/UDP h", "UDP", "h", None),
        ("SIP/2.0/UDP h;hidden;self=1", "UDP", "h", None),
        ('SIP/2.0/UDP a_b:0;Branch=q;x="\udcff;,"', "UDP", "a_b:0", "q"),
    ],
)
def test_a_via_is_read_and_its_text_kept(text, transport, sent_by, branch):
    via = Via.parse(text)
    assert str(via) == text
    assert (via.transport, via.sent_by, via.branch, via.protocol) == (transport, sent_by, branch, "SIP/2.0")
    assert isinstance(via, sipmessage.Via)
    assert Via.parse(str(via)) == via
    assert pickle.loads(pickle.dumps(Via.parse(text))) == via
    assert copy.deepcopy(Via.parse(text)) == via


def test_the_parameters_of_a_via():
    via = Via.parse("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];rport=5061;maddr=[::1];ttl=16")
    assert (via.host, via.host_address, via.port) == ("[2001:db8::9:1]", "2001:db8::9:1", None)
    assert (via.received, via.rport, via.has_rport) == ("2001:db8::9:255", 5061, True)
    assert (via.maddr, via.ttl, via.branch) == ("::1", 16, None)
    via = Via.parse("SIP/2.0/UDP h;received=2001:db8::9:255;rport")
    assert (via.received, via.rport, via.has_rport) == ("2001:db8::9:255", None, True)
    via = Via.parse("SIP/2.0/UDP h")
    assert (via.received, via.rport, via.has_rport, via.maddr, via.ttl) == (None, None, False, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 UDP h",
        "SIP/2.0/UDP h h",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP 192.0.2.15;;,;,,",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h:65536",
        "SIP/2.0/UDP h:+1",
        "SIP/2.0/UDP h:5_0",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP 256.0.0.1",
        "SIP/2.0/UDP h;branch",
        "SIP/2.0/UDP h;branch=",
        'SIP/2.0/UDP h;branch="a"b',
        'SIP/2.0/UDP h;branch="a b"',
        "SIP/2.0/UDP h;branch=a:b",
        "SIP/2.0/UDP h;branch=a;branch=b",
        "SIP/2.0/UDP h;rport;branch=a;rport",
        "SIP/2.0/UDP h;rport=0;branch=a",
        "SIP/2.0/UDP h;branch=a;rport=65536",
        "SIP/2.0/UDP h;rport=x",
        "SIP/2.0/UDP h;received",
        "SIP/2.0/UDP h;received=host",
        "SIP/2.0/UDP h;received=1.2.3",
        "SIP/2.0/UDP h;maddr=1.2.3",
        "SIP/2.0/UDP h;ttl=256",
        "SIP/2.0/UDP h;ttl",
        "SIP/2.0/UDP h,SIP/2.0/UDP i",
        "SIP/2.0/UDP h;branch=z9hG4bKcseq-2^31",
        "SIP/2.0/\x16UD~PTo :::]",
    ],
)
def test_what_is_no_via_is_malformed(text):
    with pytest.raises(MalformedMessage):
        Via.parse(text)


def test_another_protocol_version_is_read_so_that_it_can_be_answered():
    via = Via.parse("sip/7.0/UDP c.example.com;branch=z9hG4bKkdjuw")
    assert via.protocol == "SIP/7.0"
    assert str(via.replace(rport=None)) == "SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw;rport"


def test_several_values_of_one_field():
    text = "SIP  / 2.0  /TCP   a   ; branch  =   x  , SIP  /  2.0   / UDP  192.168.255.111   ; branch= y"
    assert [via.branch for via in Via.parse_many(text)] == ["x", "y"]
    assert Via.parse_many("") == []


def test_stamping_keeps_the_rest():
    via = Via.parse('SIP/2.0/UDP h:5060;x="y";rport;branch=a!*\'+%`~')
    assert str(via.replace(received="192.0.2.1", rport=6000)) == (
        'SIP/2.0/UDP h:5060;x="y";rport=6000;branch=a!*\'+%`~;received=192.0.2.1'
    )
    assert via.replace(received="2001:db8::1").received == "2001:db8::1"
    assert str(via.replace(received="2001:db8::1")).endswith(";received=2001:db8::1")
    assert via.replace(self="1").parameters["self"] == "1"


@pytest.mark.parametrize(
    "changes",
    [
        {"branch": "a b"},
        {"branch": None},
        {"received": "x"},
        {"rport": 0},
        {"rport": 65536},
        {"ttl": 256},
        {"maddr": ""},
        {"x": "a\r\nb"},
    ],
)
def test_parameters_that_cannot_stand_there_are_refused(changes):
    with pytest.raises(LocalProtocolError):
        Via.parse("SIP/2.0/UDP h").replace(**changes)


@pytest.mark.parametrize(
    "fields",
    [
        {"transport": "U DP", "host": "h"},
        {"transport": "UDP", "host": "a\r\nb"},
        {"transport": "UDP", "host": "::1"},
        {"transport": "UDP", "host": "h", "port": 65536},
        {"transport": "UDP", "host": "h", "parameters": Parameters(branch="a b")},
        {"transport": "UDP", "host": "h", "parameters": Parameters({"a b": "c"})},
    ],
)
def test_what_makes_no_via_is_refused(fields):
    with pytest.raises(LocalProtocolError):
        Via(**fields)


def test_sipmessage_parameters_are_taken():
    assert str(Via("udp", "h", 1, sipmessage.Parameters(branch="b"))) == "SIP/2.0/UDP h:1;branch=b"
    with pytest.raises(AttributeError):
        _ = Via("udp", "h").nothing
