import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message._auth_values import AuthChallenge, AuthCredentials, AuthParameters
from sipstack.message._errors import LocalProtocolError, MalformedMessage

TOKENS = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=12)
FIELDS = st.dictionaries(
    st.sampled_from(["realm", "nonce", "qop", "algorithm", "uri", "stale", "x!"]), TEXTS, min_size=1
)


@given(TOKENS, FIELDS)
def test_a_round_trip_keeps_all(scheme, fields):
    challenge = AuthChallenge(scheme, AuthParameters(fields))
    assert AuthChallenge.parse(str(challenge)) == challenge
    assert hash(AuthChallenge.parse(str(challenge))) == hash(challenge)
    credentials = AuthCredentials(scheme, AuthParameters(fields))
    assert AuthCredentials.parse(str(credentials)) == credentials
    assert hash(AuthCredentials.parse(str(credentials))) == hash(credentials)
    assert AuthChallenge.parse_many(f"{challenge}, {challenge}") == [challenge, challenge]


CHALLENGE = 'Digest realm="atlanta.com", domain="sip:boxesbybob.com", qop="auth,auth-int",nonce="a\\"b", stale=FALSE'


def test_a_challenge():
    challenge = AuthChallenge.parse(CHALLENGE)
    assert challenge.scheme == "Digest"
    assert challenge.parameters["QOP"] == "auth,auth-int"
    assert challenge.parameters["nonce"] == 'a"b'
    assert list(challenge.parameters) == ["realm", "domain", "qop", "nonce", "stale"]
    assert str(challenge) == CHALLENGE
    assert isinstance(challenge, sipmessage.AuthChallenge)
    assert challenge == AuthChallenge.parse(CHALLENGE.replace("Digest", "DIGEST"))
    assert challenge != CHALLENGE


def test_challenges_of_one_field_are_told_apart():
    one, two, three = AuthChallenge.parse_many('Digest realm="a, Basic b=c", x=y , Basic realm=z,Digest q = w , e=r')
    assert one.parameters == {"realm": "a, Basic b=c", "x": "y"}
    assert (two.scheme, two.parameters) == ("Basic", {"realm": "z"})
    assert three.parameters == {"q": "w", "e": "r"}
    assert str(two) == "Basic realm=z"
    with pytest.raises(MalformedMessage):
        AuthChallenge.parse("Basic realm=z, Digest q=w")


def test_qop_is_quoted_in_a_challenge_only():
    parameters = AuthParameters(realm="r", qop="auth", nc="00000001", algorithm="MD5", uri="sip", response="x")
    assert str(AuthChallenge("Digest", parameters)) == (
        'Digest realm="r", qop="auth", nc=00000001, algorithm=MD5, uri="sip", response="x"'
    )
    assert str(AuthCredentials("Digest", parameters)) == (
        'Digest realm="r", qop=auth, nc=00000001, algorithm=MD5, uri="sip", response="x"'
    )


@pytest.mark.parametrize(
    ("text", "token"),
    [("Bearer abc.d-e_f~g+h/i==", "abc.d-e_f~g+h/i=="), ("X !%*'`", "!%*'`"), ("Bearer a=", "a=")],
)
def test_credentials_may_be_a_token(text, token):
    credentials = AuthCredentials.parse(text)
    assert (credentials.token, credentials.parameters) == (token, None)
    assert str(credentials) == text
    assert AuthCredentials.parse(str(AuthCredentials("Bearer", token=token))).token == token


def test_credentials_do_not_show_in_their_repr():
    assert "secret" not in repr(AuthCredentials.parse('Digest username="u", response="secret"'))
    assert "secret" not in repr(AuthCredentials.parse("Bearer secret"))


def test_an_unknown_scheme_is_read():
    credentials = AuthCredentials.parse("NoOneKnowsThisScheme opaque-data=here")
    assert credentials.parameters == AuthParameters({"opaque-data": "here"})
    assert AuthCredentials.parse("NoOneKnowsThisScheme opaque-data=there") != credentials
    assert credentials != 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Digest",
        "Digest ",
        "Digest ,",
        "Digest a",
        "Digest a=",
        "Digest a=b,",
        "Digest a=b,,c=d",
        "Digest a=b c=d",
        'Digest a="b',
        'Digest a="x",a="x"',
        'Digest a="x",A="x"',
        'Digest a="b\x00"',
        "Digest a=b;c=d",
        'a="b"',
        "Digest a=b, Basic",
        'Digest username="bob", realm="a" nonce="e"',
    ],
)
def test_what_is_no_challenge_is_malformed(text):
    with pytest.raises(MalformedMessage):
        AuthChallenge.parse(text)
    if text not in ("Digest a", "Digest a="):
        with pytest.raises(MalformedMessage):
            AuthCredentials.parse(text)


def test_the_mapping():
    parameters = AuthParameters.parse(' Realm = "a" ,self=1')
    assert parameters == AuthParameters(realm="a", self="1") == {"REALM": "a", "self": "1"}
    assert parameters != AuthParameters(realm="A", self="1")
    assert parameters != 1
    assert hash(parameters) == hash(AuthParameters(realm="a", self="1"))
    assert str(parameters) == 'Realm = "a", self=1'
    assert str(parameters.replace(realm="b", self="2")) == 'Realm="b", self=2'
    assert str(parameters.without("realm")) == "self=1"
    assert "REALM" in parameters
    assert 1 not in parameters
    assert len(parameters) == 2
    assert repr(parameters) == "AuthParameters(Realm='a', self='1')"
    assert not AuthParameters.parse(" ")
    with pytest.raises(MalformedMessage):
        AuthParameters.parse("a=b, Basic c=d")


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\0b", "\ud800"])
def test_what_would_break_a_line_is_refused(value):
    with pytest.raises(LocalProtocolError):
        AuthParameters(a=value)
    with pytest.raises(LocalProtocolError):
        AuthParameters({value: "a"})
    with pytest.raises(LocalProtocolError):
        AuthCredentials("Bearer", token=value)


def test_what_makes_no_value_is_refused():
    some = AuthParameters(a="b")
    for make in (
        lambda: AuthChallenge("Digest"),
        lambda: AuthChallenge("Di gest", some),
        lambda: AuthCredentials("Digest"),
        lambda: AuthCredentials("Digest", AuthParameters()),
        lambda: AuthCredentials("Digest", some, "t"),
        lambda: AuthParameters([("a", "b"), ("A", "b")]),
    ):
        with pytest.raises(LocalProtocolError):
            make()


def test_sipmessage_parameters_are_taken():
    theirs = sipmessage.AuthParameters(realm="r")
    assert str(AuthChallenge("Digest", theirs)) == 'Digest realm="r"'
    assert str(AuthCredentials("Digest", theirs)) == 'Digest realm="r"'
