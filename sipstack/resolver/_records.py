"""What is asked of DNS, and what it answers (:rfc:`3263#section-4.1`, :rfc:`3263#section-4.2`)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

__all__ = ["Answer", "Naptr", "Query", "QueryKind", "RecordValue", "Srv"]

QueryKind: TypeAlias = Literal["NAPTR", "SRV", "address"]
"What is asked for; an address is A and AAAA records together."


def _bare(name: str) -> str:
    return name.rstrip(".").lower()


@attrs.frozen
class Query:
    """Ask for the records of one name."""

    name: str = attrs.field(converter=_bare)
    kind: QueryKind

    def __str__(self) -> str:
        return f"{'A/AAAA' if self.kind == 'address' else self.kind} {self.name}"


@attrs.frozen
class Naptr:
    """Lead from a domain to the SRV records of one transport (:rfc:`3263#section-4.1`)."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str

    def __str__(self) -> str:
        return f"{self.order} {self.preference} {self.flags} {self.service} {self.replacement}"


@attrs.frozen
class Srv:
    """Lead from a service to one of its servers (:rfc:`2782`); the target "." says that there is none."""

    priority: int
    weight: int
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.priority} {self.weight} {self.port} {self.target}"


RecordValue: TypeAlias = Naptr | Srv | str
"One record; an address is its numeric text."


@attrs.frozen
class Answer:
    """Hold what was found for one query.

    :param records: those of the kind that was asked for; addresses with the preferred one first.
    :param ttl: seconds for which this answer holds, be it that there is nothing.
    :param alias: the name to ask for instead, where the name is a CNAME and the answer holds only that.
    :param detail: why there are no records.
    """

    records: tuple[RecordValue, ...] = ()
    ttl: float = 0.0
    alias: str = ""
    detail: str = ""

    def __str__(self) -> str:
        if self.records:
            return ", ".join(map(str, self.records))
        if self.alias:
            return f"is {self.alias}"
        return f"none ({self.detail})" if self.detail else "none"
