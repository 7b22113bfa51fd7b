"""Digest authentication (:rfc:`3261#section-22`, :rfc:`7616`, :rfc:`8760`)."""

from ._authenticator import AuthenticationFailed, Authenticator, Credentials, put_credentials
from ._challenge import Challenge
from ._digest import SUPPORTED_ALGORITHMS, digest_ha1, digest_response, hash_username

__all__ = [
    "SUPPORTED_ALGORITHMS",
    "AuthenticationFailed",
    "Authenticator",
    "Challenge",
    "Credentials",
    "digest_ha1",
    "digest_response",
    "hash_username",
    "put_credentials",
]
