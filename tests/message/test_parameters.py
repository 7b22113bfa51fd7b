import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._parameters import Parameters

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=12)


def pairs(names):
    return st.dictionaries(names, st.none() | TEXTS).map(
        lambda found: dict({name.lower(): (name, value) for name, value in found.items()}.values())
    )


@given(pairs(TOKENS))
def test_a_header_round_trip_keeps_all(found):
    made = Parameters(found)
    assert Parameters.parse(str(made)) == made
    assert hash(Parameters.parse(str(made))) == hash(made)
    assert dict(made) == found


@given(pairs(st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), min_size=1, max_size=8)))
def test_a_uri_round_trip_keeps_all(found):
    folded = {name.lower() for name in found}
    if len(folded) == len(found):
        made = Parameters(found)
        assert Parameters.parse_uri(made.in_uri()) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";a",
        ";a=b;lr",
        "; a = b ;\tlr",
        ";tag=a!*'+%`~_.-;branch=z9hG4bK-.!%66*_+`'~",
        ';+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"',
        ';x="a;b,c"',
        ";host=[::1]",
        ';x="\udcff \\\0"',
        ";fromParam''~+*_!.-%=\"работающий\"",
    ],
)
def test_parsed_text_comes_back_as_it_was(text):
    assert str(Parameters.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["a", ";", ";;", ";a;", ";a;;b", ";=b", ";a=", ";a b", ";a=b c", ';a="b', ";a=b;A=c", ";a,b", ";é", ";a=\x00"],
)
def test_what_is_no_parameter_list_is_malformed(text):
    with pytest.raises(MalformedMessage):
        Parameters.parse(text)


@pytest.mark.parametrize("text", [";a b", ";", ";;", ";a;;b", ";a;%61=1", ";a=%4", ";a=%zz", ';a="b"', " ;a", ";a=é"])
def test_what_is_no_uri_parameter_list_is_malformed(text):
    with pytest.raises(MalformedMessage):
        Parameters.parse_uri(text + ";z")


def test_names_compare_without_case_and_keep_their_spelling():
    parameters = Parameters.parse(";Tag=X;LR")
    assert parameters["tag"] == "X"
    assert "lr" in parameters
    assert list(parameters) == ["Tag", "LR"]
    assert parameters == Parameters(tag="X", lr=None) == {"TAG": "X", "lr": None}
    assert parameters != Parameters(tag="x", lr=None)
    assert parameters != Parameters(tag="X")
    assert parameters != 1


def test_a_parameter_may_be_called_self():
    assert Parameters.parse(";self=1;cls=2")["self"] == "1"
    assert Parameters(self="1").replace(self="2", parameters="3") == {"self": "2", "parameters": "3"}


def test_what_is_not_changed_keeps_its_text():
    parameters = Parameters.parse('; A = "b" ;c')
    assert str(parameters.replace(c="d")) == ';A = "b";c=d'
    assert str(parameters.replace(a="e")) == ";A=e;c"
    assert str(parameters.without("a")) == ";c"
    assert parameters.without("x") is parameters
    assert str(parameters.replace(a=None)) == ";A;c"


def test_only_what_needs_it_is_quoted_or_escaped():
    parameters = Parameters({"tag": "a!*'+%`~", "+sip.instance": "<urn:x>", "maddr": "[::1]", "e": ""})
    assert str(parameters) == ';tag=a!*\'+%`~;+sip.instance="<urn:x>";maddr=[::1];e=""'
    assert Parameters(a="b c;[1]/:&+$", lr=None).in_uri() == ";a=b%20c%3B[1]/:&+$;lr"


def test_uri_escapes_are_decoded():
    parameters = Parameters.parse_uri(";%6C%72;n%61me=v%61lue%25%34%31;x=%ff")
    assert parameters == {"lr": None, "name": "value%41", "x": "\udcff"}
    assert str(parameters) == ";%6C%72;n%61me=v%61lue%25%34%31;x=%ff"
    assert parameters.in_header().startswith(";lr;name=value%41;x=")


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\0b", "\ud800"])
def test_what_would_break_a_line_is_refused(value):
    with pytest.raises(LocalProtocolError):
        Parameters(a=value)
    with pytest.raises(LocalProtocolError):
        Parameters().replace(a=value)
    with pytest.raises(LocalProtocolError):
        Parameters({value: "a"})


def test_a_given_name_stands_once_and_is_not_empty():
    with pytest.raises(LocalProtocolError):
        Parameters([("a", "1"), ("A", "2")])
    with pytest.raises(LocalProtocolError):
        Parameters({"": None})
    with pytest.raises(LocalProtocolError):
        Parameters({"a b": None}).in_header()


def test_it_is_a_sipmessage_value():
    assert isinstance(Parameters.parse(";a"), sipmessage.Parameters)
    assert repr(Parameters(a="b", c=None)) == "Parameters(a='b', c=None)"
    assert len(Parameters(a="b")) == 1
    assert 1 not in Parameters()
