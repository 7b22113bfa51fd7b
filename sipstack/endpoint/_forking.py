"""Which of several answers to one INVITE are kept, and which redirections are followed.

:rfc:`3261#section-13.2.2.4` leaves the first to the caller, 8.1.3.4 the second: both are values here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import attrs

from sipstack.message import URI, Address, MalformedMessage, Request, Response

if TYPE_CHECKING:
    from ._fork import Leg

__all__ = ["FollowRedirects", "KeepAll", "KeepFirst", "KeepPolicy", "Targets"]

KeepPolicy = Callable[[Sequence["Leg"]], Collection["Leg"]]
"""Given the legs that have answered and live, in order, return those to keep; the others are hung up."""


@attrs.frozen
class KeepFirst:
    """Keep the leg that answered first."""

    def __call__(self, answered: Sequence[Leg]) -> Collection[Leg]:
        """Return the first."""
        return answered[:1]


@attrs.frozen
class KeepAll:
    """Keep every leg that answers."""

    def __call__(self, answered: Sequence[Leg]) -> Collection[Leg]:
        """Return them all."""
        return answered


@attrs.frozen
class FollowRedirects:
    """Follow 3xx responses: the contacts in the order of their ``q``, each once (:rfc:`3261#section-8.1.3.4`).

    A redirection from SIPS to anything less is not followed.

    :param limit: how many contacts are tried in all.
    """

    limit: int = 10


class Targets:
    """Hold the contacts that redirections have named and that were not tried yet (:rfc:`3261#section-8.1.3.4`)."""

    def __init__(self, policy: FollowRedirects, first: URI) -> None:
        self._left = policy.limit
        self._tried = [first]
        self._waiting: list[tuple[float, URI]] = []

    def add(self, response: Response) -> None:
        """Take the contacts of a 3xx."""
        try:
            contacts = response.contact
        except MalformedMessage:
            return
        for contact in contacts:
            if contact.uri.parameters.get("method", "INVITE") != "INVITE":
                continue
            # What else a contact URI wants in the request is its owner's wish, not ours (19.1.5).
            uri = contact.uri.replace(headers=(), parameters=contact.uri.parameters.without("method"))
            known = self._tried + [waiting for _, waiting in self._waiting]
            if uri.scheme in ("sip", "sips") and uri not in known and len(self._waiting) < self._left:
                self._waiting.append((_preference(contact), uri))
        self._waiting.sort(key=lambda entry: -entry[0])  # stable: of equals, the one named first

    def next_request(self, request: Request) -> Request | None:
        """Return the request to the best contact that is left, None when there is none."""
        while self._waiting and self._left > 0:
            _, uri = self._waiting.pop(0)
            if request.uri.is_secure and not uri.is_secure:
                continue
            self._left -= 1
            self._tried.append(uri)
            copy = request.copy()
            copy.uri = uri
            return copy
        return None


def _preference(contact: Address) -> float:
    text = contact.parameters.get("q")
    if text is None:
        return 1.0  # RFC 3261 names no default for redirections; for registrations a contact without q comes first
    try:
        return min(1.0, max(0.0, float(text))) if text.replace(".", "", 1).isdecimal() and text.isascii() else 0.0
    except ValueError:
        return 0.0
