"""The values that are a word or two and parameters."""

import datetime

import attrs
import pytest

from sipstack.message._accept import AcceptEncoding, AcceptLanguage
from sipstack.message._content_disposition import ContentDisposition
from sipstack.message._date import date_text, date_untrusted
from sipstack.message._errors import LocalProtocolError, MalformedMessage
from sipstack.message._event import Event, SubscriptionState
from sipstack.message._feature_set import FeatureSet
from sipstack.message._identity import Identity
from sipstack.message._info import AlertInfo, CallInfo, ErrorInfo
from sipstack.message._parameters import Parameters
from sipstack.message._rack import RAck
from sipstack.message._reason import Reason
from sipstack.message._replaces import Join, Replaces
from sipstack.message._retry_after import RetryAfter
from sipstack.message._security import SecurityMechanism
from sipstack.message._session_expires import SessionExpires
from sipstack.message._timestamp import Timestamp
from sipstack.message._uri import URI
from sipstack.message._warning import Warning as WarningValue

VALID = [
    (AcceptEncoding, "gzip;q=0.5", {"coding": "gzip", "q": 0.5}),
    (AcceptEncoding, "*", {"coding": "*", "q": None}),
    (AcceptLanguage, "en-gb ; q = 0.8", {"language": "en-gb", "q": 0.8}),
    (AcceptLanguage, "es-419", {"language": "es-419", "q": None}),
    (AcceptLanguage, "*", {"language": "*"}),
    (AlertInfo, "<http://www.example.com/sounds/moo.wav>", {"uri": URI.parse("http://www.example.com/sounds/moo.wav")}),
    (AlertInfo, "<urn:alert:service:normal@example.com>;x=y", {"parameters": Parameters(x="y")}),
    (CallInfo, "<http://www.example.com/a,b;c> ;purpose=icon", {"purpose": "icon"}),
    (CallInfo, " <sip:a@b>", {"purpose": None}),
    (ErrorInfo, "<sip:not-in-service-recording@atlanta.com>", {"parameters": {}}),
    (ContentDisposition, "session", {"disposition": "session", "handling": "required"}),
    (ContentDisposition, "attachment; filename=smime.p7s; handling=optional", {"handling": "optional"}),
    (Event, 'dialog;id=7;call-id="a"', {"package": "dialog", "id": "7"}),
    (Event, "presence.winfo", {"package": "presence.winfo", "id": None}),
    (
        SubscriptionState,
        "active;expires=3600",
        {"state": "active", "expires": 3600, "reason": None, "retry_after": None},
    ),
    (SubscriptionState, "pending", {"retry_after": None}),
    (SubscriptionState, "terminated;reason=probation;retry-after=5", {"reason": "probation", "retry_after": 5}),
    (FeatureSet, '*;mobility="fixed";+sip.x;require', {"is_required": True, "is_explicit": False}),
    (FeatureSet, "* ;explicit", {"is_explicit": True}),
    (Reason, 'Q.850 ;cause=16 ;text="Terminated, so"', {"protocol": "Q.850", "cause": 16, "text": "Terminated, so"}),
    (Reason, "SIP", {"cause": None, "text": None}),
    (
        Replaces,
        "425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only",
        {"call_id": "425928@bobster.example.org", "to_tag": "7743", "from_tag": "6472", "is_early_only": True},
    ),
    (Replaces, "a ;from-tag=b; To-Tag=c;x=y", {"to_tag": "c", "from_tag": "b", "parameters": {"x": "y"}}),
    (Join, "12adf2f34456gs5;to-tag=12345;from-tag=54321", {"call_id": "12adf2f34456gs5"}),
    (RetryAfter, "18000;duration=3600", {"seconds": 18000, "duration": 3600, "comment": None}),
    (RetryAfter, "120 (I'm in a (small) meeting\\))", {"comment": "I'm in a (small) meeting)", "duration": None}),
    (RetryAfter, "0(\\\0\\\x1b)", {"comment": "\0\x1b"}),
    (RetryAfter, "0(\udcff) ; x", {"comment": "\udcff", "parameters": {"x": None}}),
    (SecurityMechanism, "ipsec-ike;q=0.1;d-alg=md5", {"mechanism": "ipsec-ike", "q": 0.1}),
    (SecurityMechanism, "tls", {"q": None}),
    (SessionExpires, "1800;refresher=UAC", {"seconds": 1800, "refresher": "uac"}),
    (SessionExpires, "4000 ; x", {"seconds": 4000, "refresher": None}),
    (Timestamp, "54", {"time": 54, "delay": None}),
    (Timestamp, "54.21 0.5", {"time": 54.21, "delay": 0.5}),
    (Timestamp, "54. .5", {"time": 54, "delay": 0.5}),
    (WarningValue, "307 isi.edu \"Session parameter 'foo' not understood\"", {"code": 307, "agent": "isi.edu"}),
    (WarningValue, '399 [::1]:5060 "a \\" \udcff \\\0"', {"agent": "[::1]:5060", "text": 'a " \udcff \0'}),
    (WarningValue, '399 192.0.2.1:5060 ""', {"agent": "192.0.2.1:5060", "text": ""}),
    (WarningValue, '399 a!b "x"', {"agent": "a!b"}),
    (RAck, "776656 1 INVITE", {"rseq": 776656, "sequence": 1, "method": "INVITE"}),
    (
        Identity,
        'eyJ.eyJ.aQ-_;info=<https://biloxi.example.org/b,c;d.cert>;alg=ES256;ppt="div"',
        {"digest": "eyJ.eyJ.aQ-_", "info": URI.parse("https://biloxi.example.org/b,c;d.cert")},
    ),
    (
        Identity,
        '..aQ ; alg = ES256;x="<;>" ;info = <https://a/>;y',
        {"parameters": {"alg": "ES256", "x": "<;>", "y": None}},
    ),
    (Identity, '"ZYNBbHC00VMZr2kZt6VmCvPonWJMGvQTBDqghoWeLxJf=";alg=rsa-sha1', {"info": None}),
]


@pytest.mark.parametrize(("kind", "text", "fields"), VALID)
def test_a_value_is_read_and_its_text_kept(kind, text, fields):
    value = kind.parse(text)
    assert {name: getattr(value, name) for name in fields} == fields
    assert str(value) == text
    if "\0" not in text:
        made = attrs.evolve(value)
        assert made == value
        assert kind.parse(str(made)) == value
        assert hash(made) == hash(value)
    assert kind.parse_many(f"{text}, {text}") == [value, value]
    assert kind.parse_many("") == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (AcceptEncoding, ""),
        (AcceptEncoding, "a b"),
        (AcceptLanguage, "toolonglanguage"),
        (AcceptLanguage, "en-"),
        (AcceptLanguage, "e\u00e9"),
        (AlertInfo, "http://x"),
        (AlertInfo, "<x>"),
        (AlertInfo, "<sip:a@b>x"),
        (ContentDisposition, ""),
        (ContentDisposition, "a/b"),
        (Event, ""),
        (Event, "a;;"),
        (Event, "a;id=1;ID=2"),
        (SubscriptionState, ";x"),
        (FeatureSet, "x"),
        (FeatureSet, ""),
        (Reason, ""),
        (Replaces, "a"),
        (Replaces, "a;to-tag=b"),
        (Replaces, "a b;to-tag=b;from-tag=c"),
        (Replaces, "a;to-tag;from-tag=c"),
        (Join, 'a;to-tag="b c";from-tag=c'),
        (RetryAfter, ""),
        (RetryAfter, "x"),
        (RetryAfter, "-1"),
        (RetryAfter, "1 (a"),
        (RetryAfter, "1 (a\\)"),
        (RetryAfter, "1 a"),
        (RetryAfter, "949302838503028349304023988"),
        (SecurityMechanism, ""),
        (SessionExpires, "x"),
        (SessionExpires, "1;refresher=me"),
        (SessionExpires, "1;refresher"),
        (Timestamp, ""),
        (Timestamp, "."),
        (Timestamp, "1 ."),
        (Timestamp, "1e5"),
        (Timestamp, "nan"),
        (Timestamp, "1" * 5000),
        (WarningValue, '1812 overture "In Progress"'),
        (WarningValue, '99 a "b"'),
        (WarningValue, '099 a "b"'),
        (WarningValue, "399 a b"),
        (WarningValue, '399 a "b'),
        (WarningValue, '399 a/b "c"'),
        (RAck, "1 INVITE"),
        (RAck, "1 2 3 INVITE"),
        (RAck, "4294967296 1 INVITE"),
        (Identity, ""),
        (Identity, "a;info=b;info=<c:d>"),
        (Identity, "a;info=<x>"),
        (Identity, "a;info=<x:y"),
        (Identity, "a;info=x"),
    ],
)
def test_what_is_no_value_is_malformed(kind, text):
    with pytest.raises(MalformedMessage):
        kind.parse(text)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Reason("SIP", Parameters(text="Busy", cause="486")), 'SIP;cause=486;text="Busy"'),
        (lambda: Reason("SIP", Parameters(cause="200")), "SIP;cause=200"),
        (lambda: RetryAfter(5, "a (b) \\"), "5 (a \\(b\\) \\\\)"),
        (lambda: Timestamp(0.0000001, 2.5), "0.0000001 2.5"),
        (lambda: Timestamp(100), "100"),
        (lambda: WarningValue(399, "h:5", 'a"b'), '399 h:5 "a\\"b"'),
        (lambda: Replaces("a@b", "c", "d", Parameters({"early-only": None})), "a@b;to-tag=c;from-tag=d;early-only"),
        (lambda: CallInfo(URI.parse("http://a,b"), Parameters(purpose="icon")), "<http://a,b>;purpose=icon"),
        (
            lambda: Identity("a.b.c", URI.parse("https://x"), Parameters(alg="ES256")),
            "a.b.c;info=<https://x>;alg=ES256",
        ),
        (lambda: FeatureSet(Parameters({"+sip.x": "<y>"})), '*;+sip.x="<y>"'),
    ],
)
def test_a_made_value_has_its_text(make, text):
    assert str(make()) == text
    assert type(make()).parse(text) == make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Event("a b"),
        lambda: Event("a", Parameters({"b c": "d"})),
        lambda: Reason("a\r\n"),
        lambda: RetryAfter(-1),
        lambda: RetryAfter(1, "a\r\nb"),
        lambda: SessionExpires(-1),
        lambda: SessionExpires(1, Parameters(refresher="me")),
        lambda: Timestamp(-1),
        lambda: Timestamp(1, float("nan")),
        lambda: WarningValue(99, "a", "b"),
        lambda: WarningValue(399, "a b", "c"),
        lambda: WarningValue(399, "h:\u0665", "c"),
        lambda: WarningValue(399, "a", "b\r\nc"),
        lambda: RAck(-1, 1, "A"),
        lambda: Replaces("a b", "c", "d"),
        lambda: Replaces("a", "", "d"),
        lambda: Replaces("a", "b", "c", Parameters({"to-tag": "d"})),
        lambda: Identity("a b"),
        lambda: Identity("a", None, Parameters(info="b")),
        lambda: AcceptLanguage("e_n"),
        lambda: AcceptEncoding(""),
        lambda: ContentDisposition(""),
        lambda: SecurityMechanism(""),
        lambda: SubscriptionState(""),
    ],
)
def test_what_makes_no_value_is_refused(make):
    with pytest.raises(LocalProtocolError):
        make()


def test_words_compare_without_case():
    assert SubscriptionState("Active") == SubscriptionState("active")
    assert Reason.parse("sip;cause=200") == Reason.parse("SIP;cause=200")
    assert Event("Dialog") != Event("dialog")


def test_a_number_in_a_parameter_is_checked_when_it_is_asked_for():
    for make in (
        lambda: Reason.parse("SIP;cause=x").cause,
        lambda: SubscriptionState.parse("active;expires=x").expires,
        lambda: RetryAfter.parse("1;duration=x").duration,
        lambda: AcceptLanguage.parse("en;q=2").q,
    ):
        with pytest.raises(MalformedMessage):
            make()


def test_a_date_is_in_gmt():
    moment = datetime.datetime(2010, 11, 13, 23, 29, tzinfo=datetime.UTC)
    assert date_untrusted("Sat, 13 Nov 2010 23:29:00 GMT") == moment
    assert date_text(moment) == "Sat, 13 Nov 2010 23:29:00 GMT"
    later = datetime.timezone(datetime.timedelta(hours=2))
    assert date_text(moment.astimezone(later)) == "Sat, 13 Nov 2010 23:29:00 GMT"
    with pytest.raises(LocalProtocolError):
        date_text(moment.replace(tzinfo=None))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Fri, 01 Jan 2010 16:00:00 EST",
        "Fri, 01 Jan 2010 16:00:00 +0000",
        "Fri, 32 Jan 2010 16:00:00 GMT",
        "Fri, 01 Jan 2010 24:00:00 GMT",
        "Fri, 01 Jan 0000 16:00:00 GMT",
        "Fri, \u0660\u0661 Jan 2010 16:00:00 GMT",
        "01 Jan 2010 16:00:00 GMT",
    ],
)
def test_what_is_no_date_is_malformed(text):
    with pytest.raises(MalformedMessage):
        date_untrusted(text)


def test_retry_after_writes_what_a_comment_may_hold_only_in_pairs() -> None:
    # RFC 3261 25.1: ctext has neither parentheses nor controls.
    made = RetryAfter(5, "a(b)\\\x1b\x7f")
    assert str(made) == "5 (a\\(b\\)\\\\\\\x1b\\\x7f)"
    assert RetryAfter.parse(str(made)) == made


@pytest.mark.parametrize("time", [0.0, 5, 54.21, 1e-07, 522602.18446744076, 1e22])
def test_timestamp_reads_back_as_it_was(time: float) -> None:
    assert Timestamp.parse(str(Timestamp(time, time))) == Timestamp(time, time)
