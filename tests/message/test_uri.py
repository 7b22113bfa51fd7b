import copy
import dataclasses
import pickle

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._parameters import Parameters
from sipstack.message._uri import URI

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
HOSTS = st.sampled_from(["example.com", "a_b.c.", "192.0.2.1", "[2001:db8::1]", "X-1.Org"])


@st.composite
def uris(draw):
    user = draw(st.none() | TEXTS)
    return URI(
        draw(st.sampled_from(["sip", "sips"])),
        draw(HOSTS),
        user=user,
        password=None if user is None else draw(st.none() | TEXTS),
        port=draw(st.none() | st.integers(0, 65535)),
        parameters=Parameters(
            draw(st.dictionaries(st.sampled_from(["transport", "lr", "maddr", "x y", "é"]), st.none() | st.just("a;b")))
        ),
        headers=tuple(draw(st.lists(st.tuples(TEXTS, st.text(st.characters(codec="utf-8"))), max_size=3))),
    )


@given(uris())
def test_a_round_trip_keeps_all(uri):
    again = URI.parse(str(uri))
    assert again == uri
    assert hash(again) == hash(uri)
    assert str(again) == str(uri)
    assert dataclasses.astuple(again)[:4] == dataclasses.astuple(uri)[:4]
    assert (again.user, again.password, again.port, again.headers) == (uri.user, uri.password, uri.port, uri.headers)
    assert again.parameters == uri.parameters


TEXTS_OF_URIS = [
    "sip:alice@atlanta.com",
    "sip:alice:secretword@atlanta.com;transport=tcp",
    "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:+1-212-555-1212:1234@gateway.com;user=phone",
    "sips:1212@gateway.com",
    "sip:alice@192.0.2.4",
    "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
    "sip:alice;day=tuesday@atlanta.com",
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    "sip:sips%3Auser%40example.com@example.net",
    "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31",
    "sip:null-%00-null@example.com",
    "sip:user;par=u%40example.net@example.com",
    "SIP:Bob@EXAMPLE.com",
    "sip:[2001:db8::10:5070]",
    "sip:user@[2001:db8::10]:5070;lr",
    "sip:a@under_score.example",
    "sip:a@b;self=1",
    "sip:a@b;x=",
    "sip:a:@b",
    "sip:caf\u00e9@example.com",
    "sip:\udcff@example.com",
    "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
    "tel:+1-201-555-0123",
    "TEL:7042;phone-context=example.com",
    "tel:*#06#",
    "tel:863-1234;phone-context=+1-914-555",
    "nobodyKnowsThisScheme:totallyopaquecontent",
    "soap.beep://192.0.2.103:3002",
    "isbn:2983792873",
    "http://www.example.com/a?b=c#d",
    "urn:service:sos",
]


@pytest.mark.parametrize("text", TEXTS_OF_URIS)
def test_parsed_text_comes_back_as_it_was(text):
    uri = URI.parse(text)
    assert str(uri) == text
    assert uri == URI.parse(text)
    assert URI.parse(str(uri.replace())) == uri
    assert pickle.loads(pickle.dumps(uri)) == uri
    assert copy.copy(uri) == uri
    assert isinstance(uri, sipmessage.URI)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip: a@b",
        "sip:a@b ",
        "sip:a@b;",
        "sip:a@b;;lr",
        "sip:a@b; lr",
        "sip:user@example.com; lr",
        "sip:a@b;lr;LR",
        "sip:a@b;x=1;x=2",
        "sip:a@b:65536",
        "sip:a@b:+5060",
        "sip:a@b:5_0",
        "sip:a@b:\u0665",
        "sip:a@b:",
        "sip:a@b?",
        "sip:a@b?x",
        "sip:a@b?x=1&",
        "sip:a@b?x=<",
        "sip:a%4@b",
        "sip:a%zz@b",
        "sip:a@b@c",
        "sip:2001:db8::10",
        "sip:a\x00@b",
        "sip:a@b\r\n",
        "sip:a#b@c",
        "sips",
        "alan@jasomi.com",
        "tel:",
        "tel:+",
        "tel:+-",
        "tel:abc xyz",
        "tel:+1x",
        "<sip:a@b>",
        "1x:y",
        "x:",
        "x:a b",
        "x:<y>",
    ],
)
@pytest.mark.rfc("R3261-19.1.1-7", "R3261-19.1.2-2", "R3261-19.1.2-3")
def test_what_is_no_uri_is_malformed(text):
    with pytest.raises(MalformedMessage):
        URI.parse(text)


def test_the_parts_of_a_uri():
    uri = URI.parse("SIPS:al%69ce:s%20w@[2001:DB8::1]:5061;Transport=tcp;lr?Subject=a%20b&x=")
    assert uri.scheme == "sips"
    assert uri.is_secure
    assert uri.user == "alice"
    assert uri.password == "s w"
    assert uri.host == "[2001:DB8::1]"
    assert uri.host_address == "2001:DB8::1"
    assert uri.port == 5061
    assert uri.parameters["transport"] == "tcp"
    assert uri.headers == (("Subject", "a b"), ("x", ""))
    assert uri.opaque is None
    assert str(uri.aor()) == "sips:alice@[2001:db8::1]:5061"


def test_the_parts_of_other_uris():
    tel = URI.parse("tel:+1-201-555-0123;phone-context=a.b;x")
    assert (tel.scheme, tel.host, tel.user) == ("tel", "", "+1-201-555-0123")
    assert tel.global_phone_number == "+12015550123"
    assert str(tel.aor()) == "tel:+12015550123;phone-context=a.b"
    other = URI.parse("HTTP://x/y?z=1")
    assert (other.scheme, other.opaque, other.host) == ("http", "//x/y?z=1", "")
    assert other.aor() is other


@pytest.mark.parametrize(
    ("user", "number"),
    [("+1-(212)555.1212", "+12125551212"), ("1212", None), ("+", None), ("+1x", None), ("+-", None), (None, None)],
)
def test_a_global_number_loses_its_separators(user, number):
    assert URI("sip", "h", user).global_phone_number == number


EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:carol@chicago.com;security=off", "sip:carol@chicago.com"),
    ("sip:a%c3%a9@b", "sip:a%C3%A9@b"),
    ("sip:a\u00e9@b", "sip:a%C3%A9@b"),
    ("sip:a@b;x=%61", "sip:a@b;x=A"),
    ("tel:+1-201-555-0123", "TEL:+12015550123"),
    ("tel:7042;phone-context=Example.com", "tel:70-42;phone-context=example.COM"),
    ("tel:7042;phone-context=+1-9", "tel:7042;Phone-Context=+19"),
    ("tel:+1;ext=1-2;x=y", "tel:+1;x=Y;ext=12"),
    ("HTTP://a/b", "http://a/b"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com;transport=tcp", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=tcp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@b", "sips:a@b"),
    ("sip:a@b", "sip:b"),
    ("sip:a@b", "sip:a:p@b"),
    ("sip:a:p@b", "sip:a:P@b"),
    ("sip:a@b", "sip:a@b;user=ip"),
    ("sip:a@b", "sip:a@b;ttl=1"),
    ("sip:a@b", "sip:a@b;method=INVITE"),
    ("sip:a@b", "sip:a@b;maddr=c"),
    ("sip:a%3Bb@c", "sip:a;b@c"),
    ("sip:a@b?x=1", "sip:a@b?x=1&x=1"),
    ("tel:+12015550123", "tel:12015550123"),
    ("tel:+1;ext=1", "tel:+1"),
    ("tel:1;phone-context=a.b", "tel:1;phone-context=a.c"),
    ("sip:+1@h;user=phone", "tel:+1"),
    ("http://a/b", "http://a/B"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_uris_are_equal_and_hash_alike(one, other):
    assert URI.parse(one) == URI.parse(other)
    assert URI.parse(other) == URI.parse(one)
    assert hash(URI.parse(one)) == hash(URI.parse(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
@pytest.mark.rfc("R3261-19.1.4-1")
def test_different_uris_are_not_equal(one, other):
    assert URI.parse(one) != URI.parse(other)
    assert URI.parse(other) != URI.parse(one)
    assert URI.parse(one) != one


def test_only_what_needs_it_is_escaped():
    assert str(URI("SIP", "h.example", "a@b:c d;e")) == "sip:a%40b%3Ac%20d;e@h.example"
    assert str(URI("sip", "h", "a\r\n\0b")) == "sip:a%0D%0A%00b@h"
    assert str(URI("sip", "h", "u", "p:w", headers=(("a", "b&c"),))) == "sip:u:p%3Aw@h?a=b%26c"
    assert URI.parse("sip:\udcff@h").replace(host="i").user == "\udcff"


def test_what_is_not_replaced_keeps_its_spelling():
    uri = URI.parse("sip:a%3Bb@c;x=%61")
    assert str(uri.replace(host="d")) == "sip:a%3Bb@d;x=%61"
    assert str(uri.replace(user="e")) == "sip:e@c;x=%61"
    assert str(dataclasses.replace(URI.parse("sip:a@b;lr"), port=5)) == "sip:a@b:5;lr"


@pytest.mark.parametrize(
    "fields",
    [
        {"scheme": "sip", "host": ""},
        {"scheme": "sip", "host": "a\r\nb"},
        {"scheme": "sip", "host": "a b"},
        {"scheme": "sip", "host": "::1"},
        {"scheme": "sip\n", "host": "h"},
        {"scheme": "", "host": "h"},
        {"scheme": "sip", "host": "h", "port": 65536},
        {"scheme": "sip", "host": "h", "port": -1},
        {"scheme": "sip", "host": "h", "user": ""},
        {"scheme": "sip", "host": "h", "password": "x"},
        {"scheme": "sip", "host": "h", "user": "\ud800"},
        {"scheme": "sip", "host": "h", "opaque": "x"},
        {"scheme": "sip", "host": "h", "headers": (("", "x"),)},
        {"scheme": "tel", "user": None},
        {"scheme": "tel", "user": "x"},
        {"scheme": "tel", "user": "+"},
        {"scheme": "tel", "user": "1", "host": "h"},
        {"scheme": "http", "host": "h"},
        {"scheme": "http", "opaque": "a b"},
        {"scheme": "http", "opaque": ""},
    ],
)
def test_what_makes_no_uri_is_refused(fields):
    with pytest.raises(LocalProtocolError):
        URI(**fields)


def test_a_sipmessage_parameters_value_is_taken():
    uri = URI("sip", "h", parameters=sipmessage.Parameters(lr=None))
    assert str(uri) == "sip:h;lr"
    assert repr(uri) == "URI('sip:h;lr')"
    with pytest.raises(AttributeError):
        _ = uri.nothing
