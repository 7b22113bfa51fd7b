"""Where to listen, as one word: `udp://host:port`, `tls://host:port?cert=FILE&key=FILE`, `ws://host:port/path`."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import parse_qsl

import attrs

from sipstack.message import LocalProtocolError

from ._tls import TLSConfig

__all__ = ["ListenURL"]

_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[^\[\]/@?#]*\]|[^:\[\]/@?#]*)(?::([0-9]{1,5}))?(/[^?#\s]*)?(?:\?([^#]*))?",
    re.ASCII,
)
_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}
_SECURE = frozenset({"tls", "wss"})
_WEBSOCKET = frozenset({"ws", "wss"})


@attrs.frozen
class ListenURL:
    """Name a transport, a local host and a port to listen on.

    :param scheme: "udp", "tcp", "tls", "ws" or "wss".
    :param host: an address or a name, without brackets; "0.0.0.0" and "::" are all addresses of their family.
    :param port: 0 lets the system choose.
    :param tls: certificates and trust, if the URL says so; `str` leaves them out.
    :param path: the only path at which WebSocket is served; "" is all.
    :param origins: the only web pages that may connect by WebSocket; none at all is all. `str` leaves them out.
    """

    scheme: str
    host: str
    port: int
    tls: TLSConfig | None = None
    path: str = ""
    origins: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; no host means all IPv4 addresses, no port the transport's own.

        :raises LocalProtocolError: it is none.
        """
        match = _URL.fullmatch(text)
        if match is None:
            raise LocalProtocolError(
                f"{text!r} is no place to listen; write it like udp://0.0.0.0:5060 or tcp://[::1]:0."
            )
        scheme, host, port = match[1].lower(), match[2], match[3]
        if scheme not in _PORTS:
            raise LocalProtocolError(f"{text!r} asks for {scheme}, and only {', '.join(_PORTS)} can be listened on.")
        number = int(port) if port is not None else _PORTS[scheme]
        if number > 65_535:
            raise LocalProtocolError(f"{text!r} has port {number}, and ports end at 65535.")
        path = "" if match[4] in (None, "/") else match[4]
        if path and scheme not in _WEBSOCKET:
            raise LocalProtocolError(f"{text!r} has a path, and {scheme} has none.")
        pairs = parse_qsl(match[5] or "", keep_blank_values=True)
        origins: list[str] = []
        if scheme in _WEBSOCKET:
            origins = [value for name, value in pairs if name == "origin"]
            pairs = [(name, value) for name, value in pairs if name != "origin"]
        if pairs and scheme not in _SECURE:
            raise LocalProtocolError(f"{text!r} has the parameter {pairs[0][0]!r}, and {scheme} has no such thing.")
        tls = TLSConfig.from_pairs(pairs) if pairs else None
        return cls(scheme, host.strip("[]") or "0.0.0.0", number, tls, path, tuple(origins))  # noqa: S104  (what no host means)

    @property
    def transport(self) -> str:
        """Return the transport's name in a Via."""
        return self.scheme.upper()

    @property
    def is_secure(self) -> bool:
        """Tell whether it listens for TLS."""
        return self.scheme in _SECURE

    @property
    def is_websocket(self) -> bool:
        """Tell whether it listens for WebSocket."""
        return self.scheme in _WEBSOCKET

    @property
    def is_wildcard(self) -> bool:
        """Tell whether it means all addresses of a family."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104  (recognised, not bound)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"
