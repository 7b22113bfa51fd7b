"""Tokens that must be unique or unguessable: branches, tags, Call-IDs, nonces (:rfc:`3261#section-19.3`).

Chance enters the stack here and nowhere else, so that one seed replays a whole run.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["BRANCH_COOKIE", "Tokens"]

BRANCH_COOKIE = "z9hG4bK"
"What every branch of an RFC 3261 element begins with (:rfc:`3261#section-8.1.1.7`)."


class Tokens:
    """Draw SIP's random tokens from one source of bytes.

    :param randbytes: returns that many bytes: ``os.urandom`` for real, ``random.Random(seed).randbytes`` in tests.
    """

    __slots__ = ("_randbytes",)

    def __init__(self, randbytes: Callable[[int], bytes]) -> None:
        self._randbytes = randbytes

    def branch(self) -> str:
        """Draw a Via branch, with the cookie (:rfc:`3261#section-8.1.1.7`)."""
        return BRANCH_COOKIE + self._randbytes(12).hex()

    def tag(self) -> str:
        """Draw a From or To tag of 64 random bits (:rfc:`3261#section-19.3`)."""
        return self._randbytes(8).hex()

    def call_id(self) -> str:
        """Draw a Call-ID of 128 random bits (:rfc:`3261#section-8.1.1.4`)."""
        return self._randbytes(16).hex()

    def cnonce(self) -> str:
        """Draw a client nonce of 128 random bits (:rfc:`7616#section-3.4`)."""
        return self._randbytes(16).hex()

    def number(self, bits: int) -> int:
        """Draw an integer below ``2**bits``."""
        size = (bits + 7) // 8
        return int.from_bytes(self._randbytes(size), "big") >> (size * 8 - bits)

    def fraction(self) -> float:
        """Draw a number from 0 up to but not including 1."""
        return self.number(53) / (1 << 53)
