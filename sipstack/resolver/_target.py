"""Reading what a URI says about where to send (:rfc:`3263#section-4.1`, :rfc:`3263#section-4.2`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import attrs

from sipstack.message import URI

from ._errors import ResolveError

__all__ = ["DEFAULT_PORTS", "Target", "numeric_host", "target_of"]

DEFAULT_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443}
"The port of a transport where none is said (:rfc:`3261#section-19.1.2`, :rfc:`7118#section-8`)."

_SECURE_FORM = {"TCP": "TLS", "TLS": "TLS", "WS": "WSS", "WSS": "WSS"}
_SECURE = frozenset({"TLS", "WSS"})


@attrs.frozen
class Target:
    """Name one place to send to.

    :param transport: "UDP", "TCP", "TLS", "WS" or "WSS".
    :param host: a numeric address without brackets, or a name that is still to be looked up.
    :param name: the host of the URI, which a certificate must be good for (:rfc:`5922#section-4`).
    """

    transport: str
    host: str
    port: int
    name: str = ""

    @property
    def is_numeric(self) -> bool:
        """Tell whether the host is an address, so that nothing is left to look up."""
        return numeric_host(self.host) is not None


@lru_cache(maxsize=4_096)
def numeric_host(host: str) -> str | None:
    """Return the usual spelling of a numeric address (brackets are taken off), or None for a name."""
    try:
        address = ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def target_of(uri: URI, *, transports: Sequence[str] = ("UDP", "TCP")) -> Target:
    """Say what a URI itself says about where to send; its host may still be a name.

    :param transports: what can be sent with, the preferred one first; used where the URI leaves the choice, and UDP
        before all others then, for a SIP URI.
    :raises ResolveError: the URI is none to send to, or asks for a transport that is not there.
    :rfc:`3263#section-4.1`
    """
    is_secure = uri.scheme == "sips"
    if not is_secure and uri.scheme != "sip":
        raise ResolveError(f"A {uri.scheme}: URI says no place to send to; use a sip: or sips: URI or a Route.")
    asked = uri.parameters.get("transport")
    if asked:
        transport = asked.upper()
        if transport not in DEFAULT_PORTS:
            raise ResolveError(f"The transport {asked!r} is not one of {', '.join(DEFAULT_PORTS)}.")
        if is_secure:
            if transport not in _SECURE_FORM:
                raise ResolveError(f"A sips: URI cannot go by {transport}, which carries no TLS.")
            transport = _SECURE_FORM[transport]
        if transport not in transports:
            raise ResolveError(f"The URI asks for {transport}, and this endpoint has only {', '.join(transports)}.")
    elif is_secure:
        transport = next((each for each in transports if each in _SECURE), "")
        if not transport:
            raise ResolveError(f"A sips: URI needs TLS, and this endpoint has only {', '.join(transports)}.")
    elif "UDP" in transports or not transports:
        transport = "UDP"
    else:
        transport = transports[0]
    name = uri.parameters.get("maddr") or uri.host
    host = numeric_host(name) or name
    if not host:
        raise ResolveError("The URI has no host to send to.")
    port = uri.port if uri.port is not None else DEFAULT_PORTS[transport]
    if not 0 < port < 65_536:
        raise ResolveError(f"{port} is no port to send to.")
    return Target(transport, host, port, uri.host)
