"""From a URI to targets, as an object that asks and is told (:rfc:`3263#section-4`).

Whoever can look names up drives it: while `queries` returns some, look them up, in any order or at once, and `feed`
each answer; `targets` is complete then. A numeric host needs no query. Without DNS, NAPTR and SRV queries are answered
with nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Final

from sipstack.message import URI

from ._errors import ResolveError
from ._ordering import order_srv, usable_naptr
from ._records import Answer, Naptr, Query, Srv
from ._target import DEFAULT_PORTS, Destination, Target, numeric_host

__all__ = ["LONGEST_ALIAS_CHAIN", "MOST_SERVERS", "MOST_TARGETS", "Resolution"]

MOST_TARGETS: Final = 32
"Targets of one URI: with 32 s of silence from each, a request has tried for a quarter of an hour."
MOST_SERVERS: Final = 16
"SRV targets of one URI whose addresses are asked for."
LONGEST_ALIAS_CHAIN: Final = 8
"CNAMEs that are followed from one name, as many as common resolvers do."

_SRV_LABELS = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp", "WS": "_sip._ws", "WSS": "_sips._ws"}

_SPECIAL = ("localhost", "invalid", "local")
"Domains that are not in DNS (:rfc:`6761#section-6`, :rfc:`6762#section-3`); a local file may know an address."


class _Stage(enum.Enum):
    NAPTR = "the transport is asked for"
    SRV = "the servers are asked for"
    ADDRESS = "the addresses are asked for"


class Resolution:
    """Find the targets of one URI, in the order they should be tried.

    :param transports: what can be sent with, the preferred one first.
    :param randbytes: the source of chance for the weighted choice among servers.
    :param is_large: whether the request is too large for UDP, so that others are preferred
        (:rfc:`3261#section-18.1.1`).
    :ivar transports: those the targets may have.
    :ivar targets: where to send, in order; empty until no query is left.
    :ivar offers_tls: whether the domain's NAPTR records offer SIPS (:rfc:`3263#section-7`); None if it has none.
    :raises ResolveError: the URI is none to send to.
    """

    __slots__ = (
        "_answers",
        "_chain",
        "_destination",
        "_is_large",
        "_open",
        "_randbytes",
        "_servers",
        "_services",
        "_stage",
        "offers_tls",
        "targets",
        "uri",
    )

    def __init__(
        self,
        uri: URI,
        *,
        randbytes: Callable[[int], bytes],
        transports: Sequence[str] = ("UDP", "TCP"),
        is_large: bool = False,
    ) -> None:
        self.uri = uri
        self.targets: tuple[Target, ...] = ()
        self.offers_tls: bool | None = None
        self._destination = destination = Destination.of(uri, transports)
        # Each open query, and those that it is asked for: an alias is asked in the place of a name, or of several.
        self._open: dict[Query, list[Query]] = {}
        if destination.is_numeric:  # as nearly all are: nothing more is made for them
            transport = destination.transports[0]
            port = destination.port or DEFAULT_PORTS[transport]
            self.targets = (Target(transport, destination.host, port, destination.name),)
            return
        self._randbytes = randbytes
        self._is_large = is_large
        self._answers: dict[Query, Answer] = {}
        self._chain: dict[Query, int] = {}
        # SRV names, each with its transport; then servers, in order.
        self._services: list[tuple[str, str]] = []
        self._servers: list[tuple[str, str, int]] = []
        self._stage = _Stage.NAPTR
        if destination.port is not None:
            self._ask_addresses([(destination.transports[0], destination.host, destination.port)])
        elif _is_special(destination.host):
            self._ask_addresses([self._usual_server(destination.transports)])
        elif destination.is_transport_said:
            self._ask_services()
        else:
            self._ask(Query(destination.host, "NAPTR"))

    @property
    def transports(self) -> tuple[str, ...]:
        """Return the transports that a target may have."""
        return self._destination.transports

    @property
    def is_numeric(self) -> bool:
        """Tell whether the URI names an address, so that nothing was to be found out."""
        return self._destination.is_numeric

    def queries(self) -> tuple[Query, ...]:
        """Return what must be looked up next, in any order; nothing when the targets are there."""
        return tuple(self._open)

    def feed(self, query: Query, answer: Answer) -> None:
        """Take the answer to a query.

        :raises ResolveError: the query is not open, or there is no target.
        """
        originals = self._open.pop(query, None)
        if originals is None:
            raise ResolveError(f"Nobody asked for {query}.")
        for original in originals:
            if answer.records or not answer.alias:
                self._answers[original] = answer
            else:
                self._follow(original, answer.alias)
        if self._open:
            return
        if self._stage is _Stage.NAPTR:
            self._take_naptr()
        elif self._stage is _Stage.SRV:
            self._take_servers()
        else:
            self._take_addresses()

    def _ask(self, query: Query) -> None:
        self._open.setdefault(query, [query])

    def _follow(self, original: Query, alias: str) -> None:
        """Ask for the name behind an alias, unless that has gone on for too long."""
        length = self._chain[original] = self._chain.get(original, 0) + 1
        if length > LONGEST_ALIAS_CHAIN:
            self._answers[original] = Answer(detail=f"more than {LONGEST_ALIAS_CHAIN} aliases in a row")
        else:
            self._open.setdefault(Query(alias, original.kind), []).append(original)

    # The transport

    def _take_naptr(self) -> None:
        answer = self._answers[Query(self._destination.host, "NAPTR")]
        records = [each for each in answer.records if isinstance(each, Naptr)]
        usable = usable_naptr(records, self.transports)
        if records:
            self.offers_tls = any(each.service.upper().startswith("SIPS+") for each in records)
        if self._is_large:
            usable = [each for each in usable if each[1] != "UDP"] or usable
        self._services = [(transport, record.replacement) for record, transport in usable[:MOST_SERVERS]]
        self._ask_services()

    def _ask_services(self) -> None:
        self._stage = _Stage.SRV
        if not self._services:
            is_secure = self.uri.scheme == "sips" or self._destination.is_transport_said
            asked = [
                each
                for each in self.transports
                # A SIP URI that does not ask for TLS has its services under _sip alone.
                if is_secure or not _SRV_LABELS[each].startswith("_sips")
            ] or list(self.transports)
            if self._is_large:
                asked.sort(key=lambda each: each == "UDP")
            self._services = [(each, f"{_SRV_LABELS[each]}.{self._destination.host}") for each in asked]
        for _, name in self._services:
            self._ask(Query(name, "SRV"))

    # The servers

    def _take_servers(self) -> None:
        servers: list[tuple[str, str, int]] = []
        refused: set[str] = set()
        for transport, name in self._services:
            records = [each for each in self._answers[Query(name, "SRV")].records if isinstance(each, Srv)]
            offered = [each for each in records if each.target.rstrip(".") and 0 < each.port < 65_536]
            if records and not offered:
                refused.add(transport)  # a target of "." says: decidedly not here
            servers += [(transport, each.target, each.port) for each in order_srv(offered, self._randbytes)]
        if not servers:
            left = [transport for transport, _ in self._services if transport not in refused]
            if not left:
                raise ResolveError(
                    f"{self._destination.host} takes no SIP by {' or '.join(sorted(refused))}: its SRV record says so."
                )
            servers = [self._usual_server(left)]
        self._ask_addresses(servers[:MOST_SERVERS])

    def _usual_server(self, transports: Sequence[str]) -> tuple[str, str, int]:
        """Return the host itself as the server, with the transport that is used where DNS says nothing."""
        usual = "TLS" if self.uri.scheme == "sips" else "UDP"
        transport = usual if usual in transports else transports[0]
        return transport, self._destination.host, DEFAULT_PORTS[transport]

    # The addresses

    def _ask_addresses(self, servers: list[tuple[str, str, int]]) -> None:
        self._stage = _Stage.ADDRESS
        self._servers = servers
        for _, host, _ in servers:
            if numeric_host(host) is None:
                self._ask(Query(host, "address"))
        if not self._open:  # SRV records that name addresses, which they must not
            self._take_addresses()

    def _take_addresses(self) -> None:
        found: dict[Target, None] = {}
        for transport, host, port in self._servers:
            server = Query(host, "address")
            answer = self._answers.get(server, Answer((host,)))
            # All addresses of one server before those of the next: RFC 7984, section 4.
            for record in answer.records:
                address = numeric_host(record) if isinstance(record, str) else None
                if address is not None:
                    other_name = "" if server.name == self._destination.host.rstrip(".").lower() else server.name
                    target = Target(transport, address, port, self._destination.name, other_name)
                    found.setdefault(target)
        if not found:
            names = " and ".join(dict.fromkeys(host.rstrip(".") for _, host, _ in self._servers))
            # That services could not be asked for may be the reason why there was nothing left but the name itself.
            defects = [
                f"{answer.detail.rstrip('.')} ({query})" if query.kind != "address" else answer.detail.rstrip(".")
                for query, answer in reversed(self._answers.items())
                if answer.detail
            ]
            why = "; ".join(dict.fromkeys(defects))
            raise ResolveError(f"The name {names} has no address{': ' if why else ''}{why}.")
        self.targets = tuple(found)[:MOST_TARGETS]


def _is_special(host: str) -> bool:
    return host.rstrip(".").lower().rpartition(".")[2] in _SPECIAL
