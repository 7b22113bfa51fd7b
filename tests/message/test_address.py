import copy
import dataclasses
import pickle

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message._address import Address, tag_of
from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._parameters import Parameters
from sipstack.message._uri import URI

TAGS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8)
NAMES = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=12)


@given(
    st.builds(
        Address,
        st.sampled_from(["sip:a@b", "sips:[::1]:1;lr", "tel:+1;ext=2", "urn:x:y", "sip:a,b;c@d?e=f"]).map(URI.parse),
        NAMES,
        st.builds(Parameters, st.dictionaries(st.sampled_from(["tag", "q", "x!"]), TAGS)),
    )
)
def test_a_round_trip_keeps_all(address):
    again = Address.parse(str(address))
    assert again == address
    assert hash(again) == hash(address)
    assert tag_of(str(address)) == address.tag
    assert Address.parse_many(f"{address}, {address}") == [address, address]


VALID = [
    ("<sip:bob@biloxi.com>;tag=8321234356", "", "sip:bob@biloxi.com", "8321234356"),
    ('"Alice" <sip:alice@192.0.2.1:5060>;tag=9fxced76sl', "Alice", "sip:alice@192.0.2.1:5060", "9fxced76sl"),
    ("sipp <sip:sipp@127.0.0.1:5061>;tag=1SIPpTag00", "sipp", "sip:sipp@127.0.0.1:5061", "1SIPpTag00"),
    ("T. A. Watson <sip:a@b>", "T. A. Watson", "sip:a@b", None),
    ("caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", "323"),
    ('"caller"<sip:caller@example.com>;Tag=3', "caller", "sip:caller@example.com", "3"),
    ('"Quoted \\"\\"" <sip:a@b> ; newparam = newvalue ;\t tag  =  x', 'Quoted ""', "sip:a@b", "x"),
    ('"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:a@b>', "BEL:\x07 NUL:\x00 DEL:\x7f", "sip:a@b", None),
    (
        "sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
        "",
        "sip:vivekg@chair-dnrc.example.com",
        "1918181833n",
    ),
    ("sip:a@b;tag=x;lr", "", "sip:a@b", "x"),
    ("tel:+1;tag=x", "", "tel:+1", "x"),
    ("<sip:a@b;tag=y>;tag=x", "", "sip:a@b;tag=y", "x"),
    ("<sip:a@b;x;tag=y>;tag=x", "", "sip:a@b;x;tag=y", "x"),
    ("<sip:a@b>;tag", "", "sip:a@b", None),
    ("<sip:a@b>;tag=_token~1'+`*%!-.", "", "sip:a@b", "_token~1'+`*%!-."),
    ('"J\u00f6rg" <sip:a@b>;tag=x', "J\u00f6rg", "sip:a@b", "x"),
    ('"\udcff, <x>" <sip:a@b>', "\udcff, <x>", "sip:a@b", None),
    ("J\u00f6rg <sip:a@b>", "J\u00f6rg", "sip:a@b", None),
    ('"" <sip:a@b>', "", "sip:a@b", None),
    ("<http://www.example.com/a;b?c>;tag=x", "", "http://www.example.com/a;b?c", "x"),
    ("<sip:a@b>;self=1", "", "sip:a@b", None),
    ("%Z%45 <sip:resource@example.com>;tag=f232jadfj23", "%Z%45", "sip:resource@example.com", "f232jadfj23"),
]


@pytest.mark.parametrize(("text", "name", "uri", "tag"), VALID)
def test_an_address_is_read_and_its_text_kept(text, name, uri, tag):
    address = Address.parse(text)
    assert str(address) == text
    assert address.name == name
    assert str(address.uri) == uri
    assert address.tag == tag
    assert tag_of(text) == tag
    assert Address.parse_many(text) == [address]
    assert Address.parse_many(f"{text},{text}") == [address, address]
    assert Address.parse(f" {text}\t") == address
    assert pickle.loads(pickle.dumps(Address.parse(text))) == address
    assert copy.deepcopy(Address.parse(text)) == address
    assert isinstance(address, sipmessage.Address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "alice",
        "<>",
        "<sip:a@b",
        "sip:a@b>",
        '"Mr. J. User <sip:j.user@example.com>',
        "<sip:t. watson@example.org>",
        "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
        "a@b <sip:a@b>",
        '"x" y <sip:a@b>',
        "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        "sip:a,b@c",
        "sip:alice;day=tuesday@atlanta.com",
        "<sip:a@b>;;",
        "<sip:a@b>;",
        "<sip:a@b>;;;;",
        "<sip:a@b>;tag=x;tag=y",
        "<sip:a@b>;tag=x;TAG=x",
        '<sip:a@b>;tag="x y"',
        "<sip:a@b>;tag=",
        "<sip:a@b>;tag=a:b",
        "<sip:a@b>tag=x",
        "<sip:a@b;x=1;x=2>;tag=y",
        "<sip:a@b;x=1;x=2>",
        "<sip:a@b>, <sip:c@d>",
        "<sip:a@256.1.1.1>",
        "<<sip:a@b>>",
        '"a\x1b[2J" <sip:a@b>',
        '"a\rb" <sip:a@b>',
        "<sip:a@b>;tag=x\r\n",
    ],
)
@pytest.mark.rfc("R3261-20-11", "R3261-20.10-1", "R3261-20.20-2")
def test_what_is_no_address_is_malformed(text):
    with pytest.raises(MalformedMessage):
        Address.parse(text)
    with pytest.raises(MalformedMessage):
        tag_of(text)


def test_a_list_is_not_split_inside_quotes_and_angle_brackets():
    text = '"A, <B>" <sip:a,b@c>;q=0.5, "C\\"," <sip:d@e>,<sip:f@g;x=1>;y="1,2"'
    one, two, three = Address.parse_many(text)
    assert (one.name, one.uri.user, one.q) == ("A, <B>", "a,b", 0.5)
    assert (two.name, two.uri.host) == ('C",', "e")
    assert three.parameters["y"] == "1,2"
    assert Address.parse_many("") == []


def test_contact_parameters():
    contact = Address.parse('<sip:a@b>;q=0.7;expires=60;+sip.instance="<urn:uuid:1>"')
    assert (contact.q, contact.expires) == (0.7, 60)
    assert contact.parameters["+sip.instance"] == "<urn:uuid:1>"
    assert Address.parse("<sip:a@b>;expires=280297596632815").expires == 3600
    assert Address.parse("<sip:a@b>;expires").expires == 3600
    assert (Address.parse("<sip:a@b>").q, Address.parse("<sip:a@b>").expires) == (None, None)
    with pytest.raises(MalformedMessage):
        _ = Address.parse("<sip:a@b>;q=2").q


def test_an_instance_stays_a_quoted_string():
    address = Address(URI.parse("sip:a@b"), parameters=Parameters({"+sip.instance": "<urn:uuid:1>", "reg-id": "1"}))
    assert str(address) == '<sip:a@b>;+sip.instance="<urn:uuid:1>";reg-id=1'


def test_replacing_keeps_the_spelling_of_the_rest():
    address = Address.parse('"a\\\0b"   <SIP:A%3b@B> ; X = "y"')
    tagged = address.replace(parameters=address.parameters.replace(tag="t"))
    assert str(tagged) == '"a\\\0b" <SIP:A%3b@B>;X = "y";tag=t'
    assert tagged.name == "a\0b"
    assert Address.parse(str(tagged)) == tagged
    assert str(address.replace(name="c")) == '"c" <SIP:A%3b@B> ; X = "y"'
    simple = Address.parse("Bob <sip:a@b>")
    assert str(simple.replace(parameters=Parameters(tag="t"))) == '"Bob" <sip:a@b>;tag=t'
    assert str(dataclasses.replace(simple, name="")) == "<sip:a@b>"
    with pytest.raises(TypeError):
        address.replace(nothing=1)
    with pytest.raises(AttributeError):
        _ = address.nothing


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\0b", "\ud800"])
def test_what_would_break_a_line_is_refused(name):
    with pytest.raises(LocalProtocolError):
        Address(URI.parse("sip:a@b"), name)


@pytest.mark.parametrize("parameters", [{"tag": None}, {"tag": ""}, {"tag": "a b"}, {"tag": "a;b"}, {"a b": "c"}])
def test_parameters_that_cannot_stand_there_are_refused(parameters):
    with pytest.raises(LocalProtocolError):
        Address(URI.parse("sip:a@b"), parameters=Parameters(parameters))


def test_sipmessage_values_are_taken():
    theirs = sipmessage.URI(scheme="sip", host="h", user="u")
    address = Address(theirs, "N", sipmessage.Parameters(tag="t"))
    assert str(address) == '"N" <sip:u@h>;tag=t'
    assert isinstance(address.uri, URI)
