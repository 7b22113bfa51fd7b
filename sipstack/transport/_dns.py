"""NAPTR, SRV and address records by DNS, through dnspython (the extra ``dns``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

from sipstack.message import LocalProtocolError
from sipstack.resolver import Answer, Naptr, Query, RecordValue, Srv, numeric_host

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver
    from dns.message import QueryMessage

__all__ = ["NEEDS_DNSPYTHON", "DNSClient", "parse_nameserver"]

NEEDS_DNSPYTHON: Final = "that needs dnspython: install sipstack[dns]"

_PATIENCE: Final = 4.0
"Seconds for one query with its repetitions, so that a route can do without the answer before it is given up."
_FAILURE_TTL: Final = 5.0
"Seconds before a query that failed is asked again (:rfc:`9520#section-3.2`)."
_LONGEST_NEGATIVE: Final = 10_800.0
"Seconds: three hours, for which that there is nothing holds at most (:rfc:`2308#section-5`)."
_PORT: Final = 53


class DNSClient:
    """Ask name servers; those of the system if none are given.

    :param nameservers: numeric addresses, with a port where it is not 53: ``192.0.2.53``, ``[::1]:5353``.
    :raises LocalProtocolError: a name server is no numeric address, or dnspython is not installed.
    """

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._nameservers = [parse_nameserver(text) for text in nameservers]
        # Why nothing can be asked; known once something is.
        self._defect = ""
        self._resolver: Resolver | None = None
        if nameservers:
            self._resolver = self._create_resolver()
            if self._resolver is None:
                raise LocalProtocolError(f"The name servers given cannot be asked: {self._defect}.")

    async def look_up(self, query: Query) -> Answer:
        """Ask for the records of a name; what goes wrong is in the answer."""
        if self._resolver is None and not self._defect:
            self._resolver = self._create_resolver()
        if self._resolver is None:
            return Answer(ttl=_FAILURE_TTL, detail=self._defect)
        if query.kind != "address":
            return await self._ask(self._resolver, query.name, query.kind)
        answers: dict[str, Answer] = {}

        async def ask(kind: str, resolver: Resolver) -> None:
            answers[kind] = await self._ask(resolver, query.name, kind)

        async with trio.open_nursery() as nursery:
            for kind in ("AAAA", "A"):
                nursery.start_soon(ask, kind, self._resolver)
        # IPv6 first, as the default policy of RFC 6724, section 2.1 has it.
        found = [answers[kind] for kind in ("AAAA", "A") if answers[kind].records]
        if found:
            records = tuple(record for answer in found for record in answer.records)
            return Answer(records, min(answer.ttl for answer in found))
        return min((answers["A"], answers["AAAA"]), key=lambda answer: (not answer.alias, answer.ttl))

    def _create_resolver(self) -> Resolver | None:
        try:
            # Loaded when it is first needed: it takes longer to load than all of this package.
            import dns.asyncresolver
            import dns.nameserver
            import dns.resolver
        except ImportError:
            self._defect = NEEDS_DNSPYTHON
            return None
        try:
            resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
        except dns.resolver.NoResolverConfiguration:
            self._defect = "the system names no name server"
            return None
        if self._nameservers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._nameservers]
        return resolver

    async def _ask(self, resolver: Resolver, name: str, kind: str) -> Answer:
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            qname = dns.name.from_text(name)
            found = await resolver.resolve(qname, kind, raise_on_no_answer=False, search=False, lifetime=_PATIENCE)
        except dns.resolver.NXDOMAIN as error:
            responses: dict[object, QueryMessage] = error.kwargs["responses"]
            return Answer(ttl=min(map(_negative_ttl, responses.values())), detail="there is no such name")
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            # UnicodeError: no name that DNS could hold, which a peer may well have sent.
            return Answer(ttl=_FAILURE_TTL, detail=_sentence_of(error))
        chain = found.chaining_result
        if found.rrset is None:
            alias = "" if chain.canonical_name == qname else chain.canonical_name.to_text(omit_final_dot=True)
            return Answer(ttl=_negative_ttl(found.response), alias=alias)
        return Answer(tuple(map(_record_of, found.rrset)), float(chain.minimum_ttl))


def parse_nameserver(text: str) -> tuple[str, int]:
    """Read the address of a name server.

    :raises LocalProtocolError: it is no numeric address.
    """
    whole = numeric_host(text)
    if whole is not None:
        return whole, _PORT
    host, _, port = text.rpartition(":")
    numeric = numeric_host(host)
    if numeric is None or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65_536:
        raise LocalProtocolError(
            f"{text!r} is no name server: write a numeric address, like 192.0.2.53, 127.0.0.1:5353 or [::1]:53."
        )
    return numeric, int(port)


def _record_of(rdata: object) -> RecordValue:
    from dns.rdtypes.IN.NAPTR import NAPTR
    from dns.rdtypes.IN.SRV import SRV

    if isinstance(rdata, SRV):
        return Srv(rdata.priority, rdata.weight, rdata.port, rdata.target.to_text(omit_final_dot=True))
    if isinstance(rdata, NAPTR):
        flags, service, regexp = (
            part.decode("utf-8", "backslashreplace") for part in (rdata.flags, rdata.service, rdata.regexp)
        )
        replacement = rdata.replacement.to_text(omit_final_dot=True)
        return Naptr(rdata.order, rdata.preference, flags, service, regexp, replacement)
    return str(rdata)


def _negative_ttl(response: QueryMessage) -> float:
    return min(float(response.resolve_chaining().minimum_ttl), _LONGEST_NEGATIVE)


def _sentence_of(error: Exception) -> str:
    import dns.exception
    import dns.resolver

    if isinstance(error, dns.exception.Timeout):
        return f"no name server answered within {_PATIENCE:g} seconds"
    if isinstance(error, dns.resolver.NoNameservers):
        return "no name server could answer"
    return str(error).rstrip(".") or type(error).__name__
