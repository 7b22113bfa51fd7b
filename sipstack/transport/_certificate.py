"""Whom a certificate is for (:rfc:`5922#section-7`).

Python's `ssl` module reads the certificates: it gives the fields of one only after OpenSSL has verified its chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sipstack.message import URI, MalformedMessage
from sipstack.resolver import numeric_host

__all__ = ["PeerCertificate", "identity_of_host"]

_SEVERAL = 64
"Identities of one certificate that are kept: a provider's certificate names some dozen domains."


def identity_of_host(host: str) -> str:
    """Return a host as identities are compared: DNS names without case, addresses in their usual spelling."""
    return numeric_host(host) or host.lower().rstrip(".")


@attrs.frozen
class PeerCertificate:
    """Say who the other end of a connection has proved to be."""

    identities: tuple[str, ...]
    "SIP domains, and addresses, that the certificate is for; compared with `is_for`."
    subject: str
    issuer: str
    not_after: str
    'When it expires, as OpenSSL writes it: "Jun  1 12:00:00 2027 GMT".'

    @classmethod
    def from_fields_untrusted(cls, fields: Mapping[str, Any]) -> PeerCertificate:
        """Read what `ssl.SSLObject.getpeercert` returned.

        :rfc:`5922#section-7.1`
        """
        return cls(
            tuple(dict.fromkeys(_identities(fields)))[:_SEVERAL],
            _name(fields.get("subject", ())),
            _name(fields.get("issuer", ())),
            str(fields.get("notAfter", "")),
        )

    def is_for(self, host: str) -> bool:
        """Tell whether it is for a host, in full: a wildcard is for nobody (:rfc:`5922#section-7.2`)."""
        return identity_of_host(host) in self.identities

    @property
    def names(self) -> str:
        """Return the identities in a row, for a message to the user."""
        return ", ".join(self.identities) or "nobody"


def _identities(fields: Mapping[str, Any]) -> list[str]:
    alternatives = fields.get("subjectAltName")
    if alternatives is None:
        # Only a certificate without the extension may be judged by its common name.
        names = [value for part in fields.get("subject", ()) for kind, value in part if kind == "commonName"]
        return [name.lower().rstrip(".") for name in names if _is_dns_name(name)]
    uris = [host for kind, value in alternatives if kind == "URI" and (host := _domain_of_uri(value))]
    # Addresses are no SIP identities; they are what a URI with a numeric host can be held against.
    addresses = [
        address
        for kind, value in alternatives
        if kind == "IP Address" and (address := numeric_host(value.strip())) is not None
    ]
    if uris:
        return uris + addresses
    return [value.lower().rstrip(".") for kind, value in alternatives if kind == "DNS"] + addresses


def _domain_of_uri(text: str) -> str:
    try:
        uri = URI.parse(text)
    except MalformedMessage:
        return ""
    # Another scheme's URI is no SIP identity, and one with a user is the user's.
    return identity_of_host(uri.host) if uri.scheme == "sip" and uri.user is None else ""


def _is_dns_name(name: str) -> bool:
    labels = name.rstrip(".").split(".")
    return name.isascii() and all(label and label.replace("-", "").replace("_", "").isalnum() for label in labels)


def _name(parts: Any) -> str:
    """Write a distinguished name in one line, the most telling attribute first."""
    return ", ".join(f"{kind}={value}" for part in reversed(parts) for kind, value in part)
