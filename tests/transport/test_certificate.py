from __future__ import annotations

import pytest

from sipstack.transport._certificate import PeerCertificate

CN = ((("commonName", "CN.example.com"),),)


def certificate(*alternatives, subject=CN):
    fields = {"subject": subject, "issuer": ((("organizationName", "Us"),),), "notAfter": "Jun  1 12:00:00 2027 GMT"}
    if alternatives:
        fields["subjectAltName"] = alternatives
    return PeerCertificate.from_fields_untrusted(fields)


@pytest.mark.rfc("R5922-7.1-3", "R5922-7.1-4", "R5922-7.1-5", "R5922-7.1-6", "R5922-7.1-7", "R5922-7.2-1")
@pytest.mark.parametrize(
    ("alternatives", "identities"),
    [
        ([("DNS", "A.example.com."), ("DNS", "b.example.com")], ("a.example.com", "b.example.com")),
        # With a sip URI, the DNS names are those of hosts, and no identities.
        ([("URI", "SIP:Example.com"), ("DNS", "host7.example.com")], ("example.com",)),
        ([("URI", "sip:example.com:5061;transport=tls")], ("example.com",)),
        ([("URI", "sip:alice@example.com"), ("DNS", "example.com")], ("example.com",)),
        ([("URI", "sips:example.org"), ("URI", "https://example.net")], ()),
        ([("URI", "sip:"), ("URI", "sip:a b"), ("URI", "\0")], ()),
        ([("email", "alice@example.com")], ()),
        ([("DNS", "example.com"), ("IP Address", "0:0:0:0:0:0:0:1")], ("example.com", "::1")),
    ],
)
def test_identities(alternatives, identities):
    assert certificate(*alternatives).identities == identities


@pytest.mark.rfc("R5922-7.1-8", "R5922-7.1-9")
def test_common_name_counts_only_without_alternatives():
    assert certificate().identities == ("cn.example.com",)
    assert certificate(("email", "a@example.com")).identities == ()
    assert certificate(subject=((("commonName", "Example Company, Inc."),),)).identities == ()


@pytest.mark.rfc("R5922-7.2-2", "R5922-7.2-4", "R5922-7.2-5", "R5922-7.2-6")
@pytest.mark.parametrize(
    ("host", "is_for"),
    [
        ("example.com", True),
        ("EXAMPLE.COM", True),
        ("example.com.", True),
        ("foo.example.com", False),
        ("com", False),
        ("a.example.org", False),
        ("*.example.org", True),
        ("192.0.2.1", True),
        ("[2001:db8::1]", True),
        ("192.0.2.2", False),
    ],
)
def test_names_match_in_full_or_not_at_all(host, is_for):
    names = [("DNS", "example.com"), ("DNS", "*.example.org"), ("IP Address", "192.0.2.1")]
    assert certificate(*names, ("IP Address", "2001:DB8:0:0:0:0:0:1")).is_for(host) is is_for


def test_a_certificate_of_thousands_of_names_is_cut_short():
    assert len(certificate(*[("DNS", f"{number}.example.com") for number in range(5_000)]).identities) == 64
