"""The DNS of a virtual network: records by name, names that fail, and what was asked."""

from __future__ import annotations

import trio

from sipstack.resolver import Answer, Naptr, Query, QueryKind, RecordValue, Srv

__all__ = ["VirtualDNS"]


class VirtualDNS:
    """Hold the records of a virtual network.

    A name without address records is that of a host: see `VirtualNetwork.resolve`.

    :ivar delay: seconds that an answer takes.
    :ivar asked: every query, with its time.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.asked: list[tuple[float, Query]] = []
        self._answers: dict[Query, Answer] = {}
        self._failures: dict[Query, str] = {}

    def add(self, name: str, *records: RecordValue, ttl: float = 300.0) -> None:
        """Give a name records: `Naptr`, `Srv`, and addresses as text, whose order is kept."""
        for record in records:
            kind: QueryKind = "NAPTR" if isinstance(record, Naptr) else "SRV" if isinstance(record, Srv) else "address"
            query = Query(name, kind)
            before = self._answers.get(query, Answer()).records
            self._answers[query] = Answer((*before, record), ttl)

    def alias(self, name: str, canonical: str, *, ttl: float = 300.0) -> None:
        """Make a name a CNAME for another."""
        kinds: tuple[QueryKind, ...] = ("NAPTR", "SRV", "address")
        for kind in kinds:
            self._answers[Query(name, kind)] = Answer(ttl=ttl, alias=canonical)

    def remove(self, name: str) -> None:
        """Take all records of a name away."""
        for query in [each for each in self._answers if each.name == name]:
            del self._answers[query]

    def fail(self, name: str, kind: QueryKind, detail: str = "no name server could answer") -> None:
        """Let one kind of query for a name fail."""
        self._failures[Query(name, kind)] = detail

    async def look_up(self, query: Query) -> Answer | None:
        """Answer a query; None for the addresses of a name that has no records of its own."""
        self.asked.append((trio.current_time(), query))
        await trio.sleep(self.delay)
        if query in self._failures:
            return Answer(ttl=5.0, detail=self._failures[query])
        answer = self._answers.get(query)
        return Answer(ttl=60.0) if answer is None and query.kind != "address" else answer
