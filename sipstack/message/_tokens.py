"""Tokens that must be unique or unguessable: branches, tags, Call-IDs, nonces (:rfc:`3261#section-19.3`).

Chance enters the stack here and nowhere else, so that one seed replays a whole run.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["BRANCH_COOKIE", "Tokens"]

BRANCH_COOKIE = "z9hG4bK"
"What every branch of an RFC 3261 element begins with (:rfc:`3261#section-8.1.1.7`)."


_POOL_SIZE = 1024


class Tokens:
    """Draw SIP's random tokens from one source of bytes.

    :param randbytes: returns that many bytes: ``os.urandom`` for real, ``random.Random(seed).randbytes`` in tests.
    """

    __slots__ = ("_at", "_pool", "_randbytes")

    def __init__(self, randbytes: Callable[[int], bytes]) -> None:
        self._randbytes = randbytes
        self._pool = b""
        self._at = 0

    def _take(self, count: int) -> bytes:
        # A call to the system for each token would cost more than the token.
        end = self._at + count
        if end > len(self._pool):
            self._pool = self._randbytes(_POOL_SIZE)
            self._at, end = 0, count
        taken = self._pool[self._at : end]
        self._at = end
        return taken

    def branch(self) -> str:
        """Draw a Via branch, with the cookie (:rfc:`3261#section-8.1.1.7`)."""
        return BRANCH_COOKIE + self._take(12).hex()

    def tag(self) -> str:
        """Draw a From or To tag of 64 random bits (:rfc:`3261#section-19.3`)."""
        return self._take(8).hex()

    def call_id(self) -> str:
        """Draw a Call-ID of 128 random bits (:rfc:`3261#section-8.1.1.4`)."""
        return self._take(16).hex()

    def cnonce(self) -> str:
        """Draw a client nonce of 128 random bits (:rfc:`7616#section-3.4`)."""
        return self._take(16).hex()

    def number(self, bits: int) -> int:
        """Draw an integer below ``2**bits``."""
        size = (bits + 7) // 8
        return int.from_bytes(self._take(size), "big") >> (size * 8 - bits)

    def fraction(self) -> float:
        """Draw a number from 0 up to but not including 1."""
        return self.number(53) / (1 << 53)
