import datetime

import pytest
import sipmessage

from sipstack.message._address import Address
from sipstack.message._auth_values import AuthChallenge, AuthCredentials, AuthParameters
from sipstack.message._cseq import CSeq
from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._headers import Headers
from sipstack.message._media_type import MediaType
from sipstack.message._rack import RAck
from sipstack.message._reason import Reason
from sipstack.message._typed import _ATTRIBUTES, HEADER_NAMES, SINGLE_HEADERS, TypedHeaders, validate_typed
from sipstack.message._uri import URI
from sipstack.message._via import Via


class Message(TypedHeaders):
    def __init__(self, *fields):
        self.headers = Headers()
        for name, value in fields:
            self.headers.add(name, value)


ADDRESS = '"A, B" <sip:a,b@c>;tag=x'
SAMPLES = {
    "Accept": ("accept", "application/sdp, text/*;q=0.5", 2),
    "Accept-Contact": ("accept_contact", "*;audio, *;video", 2),
    "Accept-Encoding": ("accept_encoding", "gzip, *;q=0", 2),
    "Accept-Language": ("accept_language", "da, en-gb;q=0.8", 2),
    "Alert-Info": ("alert_info", "<http://a/b,c>, <http://d>", 2),
    "Allow": ("allow", "INVITE, ACK", ["INVITE", "ACK"]),
    "Allow-Events": ("allow_events", "presence,dialog", ["presence", "dialog"]),
    "Authentication-Info": (
        "authentication_info",
        'nextnonce="a", qop=auth',
        AuthParameters(nextnonce="a", qop="auth"),
    ),
    "Authorization": ("authorization", 'Digest username="u", realm="r"', None),
    "Call-ID": ("call_id", "f81d4fae@x", "f81d4fae@x"),
    "Call-Info": ("call_info", "<http://a>;purpose=icon,<http://b>", 2),
    "Contact": ("contact", f"{ADDRESS}, <sip:d@e>;q=1", 2),
    "Content-Disposition": ("content_disposition", "session;handling=optional", None),
    "Content-Encoding": ("content_encoding", "gzip", ["gzip"]),
    "Content-Language": ("content_language", "fr, en", "fr, en"),
    "Content-Length": ("content_length", "0349", 349),
    "Content-Type": ("content_type", "application/sdp", MediaType("application/sdp")),
    "CSeq": ("cseq", "1 INVITE", CSeq(1, "INVITE")),
    "Date": ("date", "Sat, 13 Nov 2010 23:29:00 GMT", datetime.datetime(2010, 11, 13, 23, 29, tzinfo=datetime.UTC)),
    "Diversion": ("diversion", "<sip:a@b>;reason=unconditional, <sip:c@d>", 2),
    "Error-Info": ("error_info", "<sip:a@b>", 1),
    "Event": ("event", "dialog;id=1", None),
    "Expires": ("expires", "5", 5),
    "Flow-Timer": ("flow_timer", "126", 126),
    "From": ("from_address", ADDRESS, Address.parse(ADDRESS)),
    "History-Info": ("history_info", "<sip:a@b?Reason=x>;index=1, <sip:c@d>;index=1.1", 2),
    "Identity": ("identity", "a.b.c;info=<https://x,y>;alg=ES256", 1),
    "In-Reply-To": ("in_reply_to", "70710@saturn.bell-tel.com, 17320@x", ["70710@saturn.bell-tel.com", "17320@x"]),
    "Join": ("join", "a;to-tag=b;from-tag=c", None),
    "Max-Forwards": ("max_forwards", "0068", 68),
    "MIME-Version": ("mime_version", "1.0", "1.0"),
    "Min-Expires": ("min_expires", "60", 60),
    "Min-SE": ("min_se", "90;x=y", 90),
    "Organization": ("organization", "Boxes by B\u00f6b", "Boxes by B\u00f6b"),
    "P-Asserted-Identity": ("p_asserted_identity", '"C" <sip:c@d>, tel:+1', 2),
    "P-Preferred-Identity": ("p_preferred_identity", "<sip:c@d>", 1),
    "Path": ("path", "<sip:p1;lr>,<sip:p2;lr>", 2),
    "Priority": ("priority", "emergency", "emergency"),
    "Privacy": ("privacy", "id; critical", ["id", "critical"]),
    "Proxy-Authenticate": (
        "proxy_authenticate",
        'Digest realm="a"',
        AuthChallenge("Digest", AuthParameters(realm="a")),
    ),
    "Proxy-Authorization": ("proxy_authorization", 'Digest realm="a"', None),
    "Proxy-Require": ("proxy_require", "foo", ["foo"]),
    "RAck": ("rack", "1 2 INVITE", RAck(1, 2, "INVITE")),
    "Reason": ("reason", 'SIP;cause=200;text="a,b", Q.850;cause=16', 2),
    "Record-Route": ("record_route", "<sip:p1;lr>,<sip:p2;lr>", 2),
    "Refer-To": ("refer_to", "<sip:a@b?Replaces=c%3Bto-tag%3Dd>", None),
    "Referred-By": ("referred_by", '<sip:a@b>;cid="x@y"', None),
    "Reject-Contact": ("reject_contact", "*;video", 1),
    "Replaces": ("replaces", "a;to-tag=b;from-tag=c", None),
    "Reply-To": ("reply_to", "Bob <sip:bob@biloxi.com>", None),
    "Request-Disposition": ("request_disposition", "proxy, no-fork", ["proxy", "no-fork"]),
    "Require": ("require", "100rel", ["100rel"]),
    "Retry-After": ("retry_after", "18000 (c);duration=5", None),
    "Route": ("route", "<sip:p1;lr>", 1),
    "RSeq": ("rseq", "988789", 988789),
    "Security-Client": ("security_client", "ipsec-ike, tls;q=0.2", 2),
    "Security-Server": ("security_server", "ipsec-ike;q=0.1", 1),
    "Security-Verify": ("security_verify", "tls", 1),
    "Server": ("server", "HomeServer v2 (x, y)", "HomeServer v2 (x, y)"),
    "Service-Route": ("service_route", "<sip:p2;lr>", 1),
    "Session-Expires": ("session_expires", "4000;refresher=uac", None),
    "SIP-ETag": ("sip_etag", "12345", "12345"),
    "SIP-If-Match": ("sip_if_match", "12345", "12345"),
    "Subject": ("subject", "Need more \udcff boxes", "Need more \udcff boxes"),
    "Subscription-State": ("subscription_state", "active;expires=5", None),
    "Supported": ("supported", "100rel,timer", ["100rel", "timer"]),
    "Timestamp": ("timestamp", "54 0.1", None),
    "To": ("to_address", ADDRESS, Address.parse(ADDRESS)),
    "Unsupported": ("unsupported", "foo", ["foo"]),
    "User-Agent": ("user_agent", "Softphone Beta1.5", "Softphone Beta1.5"),
    "Via": ("via", "SIP/2.0/UDP a;branch=x, SIP/2.0/TCP b;branch=y", 2),
    "Warning": ("warning", '307 isi.edu "a, b", 301 c "d"', 2),
    "WWW-Authenticate": ("www_authenticate", 'Digest realm="a"', None),
}
BROKEN = {
    "Accept": "a",
    "Authentication-Info": "a",
    "Call-ID": "a b",
    "Contact": "*, <sip:a@b>",
    "Content-Length": "+5",
    "Content-Language": None,
    "Expires": "4294967296",
    "In-Reply-To": "a,",
    "Max-Forwards": "300",
    "MIME-Version": "1",
    "Min-SE": "x",
    "Organization": None,
    "Privacy": "id;",
    "RSeq": "0",
    "Server": None,
    "SIP-ETag": "a b",
    "Subject": None,
    "User-Agent": None,
}


def test_every_typed_header_has_a_sample():
    assert set(_ATTRIBUTES) == {name.lower() for name in SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_header_is_read_kept_written_and_removed(name):
    attribute, text, expected = SAMPLES[name]
    message = Message((name, text))
    value = getattr(message, attribute)
    if isinstance(expected, int) and isinstance(value, list):
        assert len(value) == expected
    elif expected is not None:
        assert value == expected
    assert value not in (None, [])
    again = getattr(message, attribute)
    assert again == value
    if isinstance(value, list):
        assert again is not value
        value.append(value[0])
        assert getattr(message, attribute) == again
    assert name in message.headers.typed
    validate_typed(message)

    setattr(message, attribute, again)
    assert getattr(message, attribute) == again
    other = Message()
    setattr(other, attribute, again)
    assert getattr(other, attribute) == again
    assert other.headers.keys() == [name]

    if name not in ("Call-ID", "CSeq", "From", "To"):
        setattr(other, attribute, None)
        assert name not in other.headers
        assert getattr(other, attribute) == (None if attribute == "accept" or not isinstance(again, list) else [])
    assert isinstance(getattr(TypedHeaders, attribute), object)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_bad_value_is_malformed_at_first_use(name):
    text = BROKEN.get(name, "\u00e9 ,")
    if text is None:
        return
    message = Message((name, text))
    for _ in range(2):
        with pytest.raises(MalformedMessage) as caught:
            getattr(message, SAMPLES[name][0])
        assert caught.value.reason.startswith(f"{name}: ")
        assert caught.value.status_hint == 400
    with pytest.raises(MalformedMessage):
        validate_typed(message)


@pytest.mark.parametrize("name", sorted(SINGLE_HEADERS & SAMPLES.keys()))
def test_a_single_header_that_stands_twice_is_malformed(name):
    attribute, text, _ = SAMPLES[name]
    with pytest.raises(MalformedMessage):
        getattr(Message((name, text), (name, text)), attribute)


@pytest.mark.parametrize("name", ["Call-ID", "CSeq", "From", "To"])
def test_a_mandatory_header_that_is_missing_is_malformed(name):
    with pytest.raises(MalformedMessage):
        getattr(Message(), SAMPLES[name][0])


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - SINGLE_HEADERS))
def test_the_values_of_several_fields_are_one_list(name):
    attribute, text, _ = SAMPLES[name]
    one = getattr(Message((name, text)), attribute)
    both = getattr(Message((name, text), (name, text)), attribute)
    assert both == (one + one if isinstance(one, list) else f"{one}, {one}" if isinstance(one, str) else one)


def test_changing_a_header_forgets_its_value():
    message = Message(("v", "SIP/2.0/UDP a"))
    assert message.via[0].host == "a"
    message.headers.set("via", "SIP/2.0/UDP b")
    assert message.via[0].host == "b"
    message.headers.add("V", "SIP/2.0/UDP c")
    assert [via.host for via in message.via] == ["b", "c"]


def test_contact_may_be_a_star():
    message = Message(("Contact", " * "))
    assert message.contact == []
    assert message.contact_is_star
    message.contact_is_star = False
    assert "Contact" not in message.headers
    assert not message.contact_is_star
    message.contact_is_star = True
    assert message.headers.getlist("m") == ["*"]
    message.contact = [Address(URI.parse("sip:a@b"))]
    assert not message.contact_is_star
    message.contact_is_star = False
    assert len(message.contact) == 1
    for fields in ([("Contact", "*"), ("m", "<sip:a@b>")], [("m", "*"), ("m", "*")]):
        with pytest.raises(MalformedMessage):
            _ = Message(*fields).contact
        with pytest.raises(MalformedMessage):
            _ = Message(*fields).contact_is_star


def test_an_empty_accept_is_not_an_absent_one():
    message = Message()
    assert message.accept is None
    message.accept = []
    assert message.headers.getlist("Accept") == [""]
    assert message.accept == []
    message.accept = None
    assert message.accept is None
    assert Message(("Allow", ""), ("Supported", " ")).allow == []


def test_all_credentials_and_challenges_can_be_had():
    message = Message(
        ("WWW-Authenticate", 'Digest realm="a", algorithm=SHA-256'),
        ("WWW-Authenticate", 'Digest realm="a", Basic realm="b"'),
        ("Authorization", 'Digest realm="a"'),
        ("Authorization", "Bearer x"),
    )
    assert [challenge.scheme for challenge in message.www_authenticate_all] == ["Digest", "Digest", "Basic"]
    assert message.www_authenticate == message.www_authenticate_all[0]
    assert [credentials.token for credentials in message.authorization_all] == [None, "x"]
    message.authorization_all = [AuthCredentials("Bearer", token="y"), AuthCredentials("Bearer", token="z")]
    assert message.authorization == AuthCredentials("Bearer", token="y")
    assert message.proxy_authenticate_all == message.proxy_authorization_all == []


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("expires", -1),
        ("expires", 2**32),
        ("max_forwards", 256),
        ("rseq", 0),
        ("subject", "a\r\nb"),
        ("user_agent", "a\0b"),
        ("call_id", "a\nb"),
        ("allow", ["A B"]),
        ("supported", ["a\r\n"]),
        ("privacy", ["a;b"]),
        ("priority", "a b"),
        ("date", datetime.datetime(2010, 1, 1)),  # noqa: DTZ001  (the point)
    ],
)
def test_a_value_that_cannot_be_sent_is_refused(attribute, value):
    with pytest.raises(LocalProtocolError):
        setattr(Message(), attribute, value)


def test_lists_of_tokens_are_one_field_and_others_one_each():
    message = Message()
    message.supported = ["a", "b"]
    message.via = [Via("UDP", "a"), Via("UDP", "b")]
    message.privacy = ["id", "critical"]
    message.reason = (Reason("SIP"),)
    assert message.headers.getlist("k") == ["a, b"]
    assert message.headers.getlist("v") == ["SIP/2.0/UDP a", "SIP/2.0/UDP b"]
    assert message.headers.getlist("Privacy") == ["id;critical"]
    message.supported = []
    message.privacy = []
    assert "Supported" not in message.headers
    assert "Privacy" not in message.headers


def test_names_and_compact_forms():
    for short, name in sipmessage.message.COMPACT_FORMS.items():
        assert HEADER_NAMES[short] == name
    for lower, name in HEADER_NAMES.items():
        assert len(lower) == 1 or lower == name.lower()
        assert HEADER_NAMES[name.lower()] == name
    assert set(HEADER_NAMES.values()) >= SINGLE_HEADERS


def test_sipmessage_has_no_property_that_we_lack():
    for name, value in vars(sipmessage.Message).items():
        if isinstance(value, property):
            assert name in vars(TypedHeaders)


def test_unknown_headers_are_not_looked_at():
    validate_typed(Message(("X-Unknown", ","), ("P-Visited-Network-ID", "x")))
