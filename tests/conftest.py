"""What all tests have in common: a profile of Hypothesis, and certificates made for one run."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import settings

# An example takes as long as the machine lets it, and the tests run side by side: no time says whether one is right.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


class Authority:
    """A certificate authority that issues what it is asked for, also what trustme refuses to: URIs, and no names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)
        self._number = 0

    def issue(self, *dns: str, uris=(), common_name="", days=1.0, use=None, into: str | None = None) -> str:
        """Return a file with a certificate and its key.

        :param dns: DNS names and addresses; without any, and without URIs, there is no subjectAltName.
        :param days: until it expires; it began two days ago.
        :param use: the one thing that it may be used for, by OID.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        issuer = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes())
        issuer_key = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        names = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
                ),
                critical=False,
            )
        )
        alternatives = [x509.UniformResourceIdentifier(uri) for uri in uris] + [_general_name(name) for name in dns]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=not names)
        if use is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=True)
        self._number += 1
        path = Path(into) if into else self.folder / f"{self._number}.pem"
        path.write_bytes(
            builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return str(path)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))
