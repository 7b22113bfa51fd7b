"""Reading what a URI says about where to send (:rfc:`3263#section-4.1`, :rfc:`3263#section-4.2`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import attrs

from sipstack.message import URI

from ._errors import ResolveError

__all__ = ["DEFAULT_PORTS", "Destination", "Target", "numeric_host"]

DEFAULT_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443}
"The port of a transport where none is said (:rfc:`3261#section-19.1.2`, :rfc:`7118#section-8`)."

_SECURE_FORM = {"TCP": "TLS", "TLS": "TLS", "WS": "WSS", "WSS": "WSS"}
_SECURE = frozenset({"TLS", "WSS"})


@attrs.frozen
class Target:
    """Name one place to send to.

    :param transport: "UDP", "TCP", "TLS", "WS" or "WSS".
    :param host: a numeric address without brackets.
    :param name: the host of the URI, which a certificate must be good for (:rfc:`5922#section-4`).
    :param server: the name that has the address, where it is another than that of the URI.
    """

    transport: str
    host: str
    port: int
    name: str = ""
    server: str = attrs.field(default="", eq=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport} {host}:{self.port}" + (f" ({self.server})" if self.server else "")


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


@attrs.frozen
class Destination:
    """Hold what a URI itself says about where to send.

    :param transports: those it may be sent with, the preferred one first; one alone where the URI settles it.
    :param host: the TARGET of :rfc:`3263#section-4`, a numeric address or a name.
    :param port: None where the URI has none.
    :param name: the host of the URI.
    """

    transports: tuple[str, ...]
    host: str
    port: int | None
    name: str
    is_numeric: bool
    is_transport_said: bool

    @classmethod
    def of(cls, uri: URI, transports: Sequence[str]) -> Destination:
        """Read a URI.

        :param transports: what can be sent with, the preferred one first; where only the scheme is left to decide, UDP
            and TLS come before all others.
        :raises ResolveError: the URI is none to send to, or asks for a transport that is not there.
        """
        is_secure = uri.scheme == "sips"
        if not is_secure and uri.scheme != "sip":
            raise ResolveError(f"A {uri.scheme}: URI says no place to send to; use a sip: or sips: URI or a Route.")
        parameters = uri.parameters
        target = parameters.get("maddr") or uri.host
        numeric = numeric_host(target)
        if not target:
            raise ResolveError("The URI has no host to send to.")
        port = uri.port
        if port is not None and not 0 < port < 65_536:
            raise ResolveError(f"{port} is no port to send to.")
        asked = parameters.get("transport")
        if asked:
            allowed: tuple[str, ...] = (_asked_transport(asked, transports, is_secure=is_secure),)
        elif is_secure:
            allowed = tuple(each for each in transports if each in _SECURE)
            if not allowed:
                raise ResolveError(f"A sips: URI needs TLS, and this endpoint has only {', '.join(transports)}.")
        else:
            allowed = tuple(transports)
        if not asked and (numeric or port is not None):
            # Nothing but the scheme says which: UDP, or TLS over TCP.
            usual = "TLS" if is_secure else "UDP"
            allowed = (usual,) if usual in allowed else allowed[:1]
        return cls(allowed, numeric or target, port, uri.host, numeric is not None, bool(asked))


def _asked_transport(asked: str, transports: Sequence[str], *, is_secure: bool) -> str:
    transport = asked.upper()
    if transport not in DEFAULT_PORTS:
        raise ResolveError(f"The transport {asked!r} is not one of {', '.join(DEFAULT_PORTS)}.")
    if is_secure:
        if transport not in _SECURE_FORM:
            raise ResolveError(f"A sips: URI cannot go by {transport}, which carries no TLS.")
        transport = _SECURE_FORM[transport]
    if transport not in transports:
        raise ResolveError(f"The URI asks for {transport}, and this endpoint has only {', '.join(transports)}.")
    return transport
