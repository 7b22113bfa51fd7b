"""A flow: the two ends between which messages travel, and over what (:rfc:`3261#section-18`)."""

from __future__ import annotations

import attrs

__all__ = ["Flow", "is_unicast"]

_SECURE = frozenset({"TLS", "WSS", "TLS-SCTP"})


def is_unicast(host: str) -> bool:
    """Tell whether a numeric address is one host's: not multicast, broadcast or unspecified."""
    if ":" in host:
        lower = host.lower()
        if lower.startswith("::ffff:") and "." in lower:
            return is_unicast(host[7:])
        return not lower.startswith("ff") and lower != "::"
    first = host.partition(".")[0]
    return not first.isdecimal() or 0 < int(first) < 224


@attrs.frozen(cache_hash=True)
class Flow:
    """Name the way a message came or is to go; hosts are numeric and without brackets."""

    transport: str
    "As in Via, in capitals: UDP, TCP, TLS, WS, WSS."
    local: tuple[str, int]
    "Our address and port."
    remote: tuple[str, int]
    "The peer's address and port."
    sent_by: str
    "What our own Via says, ``host:port``; an IPv6 host is in brackets."
    connection: int = 0
    "Number of a stream connection; 0 for datagrams, or for whichever connection leads to the remote."
    is_alias: bool = False
    "Whether our Via asks for requests to us to come by this connection too (:rfc:`5923#section-8.1`)."

    is_reliable: bool = attrs.field(init=False, eq=False, repr=False)
    "Whether the transport itself retransmits."
    is_answerable: bool = attrs.field(init=False, eq=False, repr=False)
    "Whether what came by it may be answered: not what claims to come from many hosts, or from port 0."

    @is_reliable.default
    def _(self) -> bool:
        return self.transport != "UDP"

    @is_answerable.default
    def _(self) -> bool:
        host, port = self.remote
        return self.is_reliable or (port != 0 and is_unicast(host))

    @property
    def is_secure(self) -> bool:
        """Tell whether the transport is TLS."""
        return self.transport in _SECURE
