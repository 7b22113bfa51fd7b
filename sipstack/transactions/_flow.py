"""A flow: the two ends between which messages travel, and over what (:rfc:`3261#section-18`)."""

from __future__ import annotations

import attrs

__all__ = ["Flow"]

_SECURE = frozenset({"TLS", "WSS", "TLS-SCTP"})


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

    @property
    def is_reliable(self) -> bool:
        """Tell whether the transport itself retransmits."""
        return self.transport != "UDP"

    @property
    def is_secure(self) -> bool:
        """Tell whether the transport is TLS."""
        return self.transport in _SECURE
