"""The arithmetic of Digest, the same for both sides (:rfc:`7616#section-3.4`, :rfc:`8760#section-2`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

__all__ = ["SUPPORTED_ALGORITHMS", "digest_ha1", "digest_response", "hash_body", "hash_username", "is_session"]

_SESSION: Final = "-sess"
_NAMES: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


def _find_hash(name: str) -> Callable[[bytes], str] | None:
    """Return what hashes to hexadecimal, or None where this OpenSSL lacks it or forbids it.

    SHA-512/256 is not in every build, and MD5 is off in FIPS mode. Neither can be made from what is there: SHA-512/256
    starts from values of its own. A challenge for such an algorithm is one we do not understand.
    """
    try:
        hashlib.new(name)
    except ValueError:
        return None
    return lambda data: hashlib.new(name, data).hexdigest()


_HASHES: Final = {name: found for name, openssl in _NAMES.items() if (found := _find_hash(openssl)) is not None}

SUPPORTED_ALGORITHMS: Final = tuple(name + suffix for name in _HASHES for suffix in ("", _SESSION))
"The algorithms this Python can compute; names compare without case."

_BY_NAME: Final = {(name + suffix).lower(): found for name, found in _HASHES.items() for suffix in ("", _SESSION)}


def _hash(algorithm: str, *parts: str) -> str:
    # Bytes of a header field that were not UTF-8 are surrogates by now, and hash as the bytes they were.
    return _BY_NAME[algorithm.lower()](":".join(parts).encode("utf-8", "surrogateescape"))


def is_session(algorithm: str) -> bool:
    """Tell whether this is the variant with a session key."""
    return algorithm.lower().endswith(_SESSION)


def digest_ha1(
    algorithm: str,
    *,
    username: str,
    realm: str,
    password: str,
) -> str:
    """Compute H(username:realm:password), which a server may store instead of the password.

    A session variant hashes as its base algorithm does; its session key is made in :func:`digest_response`.
    """
    return _hash(algorithm, username, realm, password)


def hash_username(algorithm: str, *, username: str, realm: str) -> str:
    """Compute the user name that hides the user name (:rfc:`7616#section-3.4.4`)."""
    return _hash(algorithm, username, realm)


def hash_body(algorithm: str, body: bytes) -> str:
    """Compute H(entity-body); a message without a body has an empty one (:rfc:`8760#section-2.6`)."""
    return _BY_NAME[algorithm.lower()](body)


def digest_response(
    algorithm: str,
    *,
    ha1: str,
    nonce: str,
    method: str,
    uri: str,
    qop: str | None = None,
    count: int = 1,
    cnonce: str = "",
    body: bytes = b"",
    session_nonce: str | None = None,
    session_cnonce: str | None = None,
) -> str:
    """Compute the response parameter; with an empty method, rspauth (:rfc:`7616#section-3.5`).

    :param ha1: H(username:realm:password), also for a session variant.
    :param qop: ``auth``, ``auth-int``, or None for a server that sent none (RFC 2069).
    :param session_nonce: of a session variant, the nonce of the challenge that began the session, if it is not `nonce`.
    :param session_cnonce: likewise.
    """
    if is_session(algorithm):
        ha1 = _hash(
            algorithm,
            ha1,
            nonce if session_nonce is None else session_nonce,
            cnonce if session_cnonce is None else session_cnonce,
        )
    a2 = [method, uri]
    if qop == "auth-int":
        a2.append(hash_body(algorithm, body))
    ha2 = _hash(algorithm, *a2)
    if qop is None:
        return _hash(algorithm, ha1, nonce, ha2)
    return _hash(algorithm, ha1, nonce, f"{count:08x}", cnonce, qop, ha2)
