"""From a URI to targets, as an object that asks and is told (:rfc:`3263#section-4`).

Whoever can look names up drives it: while `next_query` returns one, look it up and `feed` what came; `targets` is
complete then. A numeric host needs no query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import attrs

from sipstack.message import URI

from ._errors import ResolveError
from ._target import Target, numeric_host, target_of

__all__ = ["Query", "QueryKind", "Resolution"]

QueryKind: TypeAlias = Literal["address"]
"What is asked for: A and AAAA records together."


@attrs.frozen
class Query:
    """Ask for the records of one name."""

    name: str
    kind: QueryKind = "address"


class Resolution:
    """Find the targets of one URI, in the order they should be tried.

    :raises ResolveError: the URI is none to send to.
    :rfc:`3263#section-4`
    """

    __slots__ = ("_query", "_target", "targets")

    def __init__(self, uri: URI, *, transports: Sequence[str] = ("UDP", "TCP")) -> None:
        self._target = target_of(uri, transports=transports)
        self._query: Query | None = None
        self.targets: tuple[Target, ...] = ()
        "Where to send; empty until no query is left."
        if self._target.is_numeric:
            self.targets = (self._target,)
        else:
            self._query = Query(self._target.host)

    @property
    def transport(self) -> str:
        """Return the transport that the targets will have."""
        return self._target.transport

    def next_query(self) -> Query | None:
        """Return what must be looked up next, or None when the targets are there."""
        return self._query

    def feed(self, answers: Sequence[str]) -> None:
        """Take the answers to the query: numeric addresses, the preferred one first.

        :raises ResolveError: there is none.
        """
        query = self._query
        if query is None:
            raise ResolveError("No query is open: the targets are there already.")
        hosts = dict.fromkeys(host for answer in answers if (host := numeric_host(answer)) is not None)
        if not hosts:
            raise ResolveError(f"The name {query.name} has no address.")
        self._query = None
        self.targets = tuple(attrs.evolve(self._target, host=host) for host in hosts)
