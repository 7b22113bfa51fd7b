"""Where to listen, as one word: `udp://host:port`."""

from __future__ import annotations

import re
from typing import Self

import attrs

from sipstack.message import LocalProtocolError

__all__ = ["ListenURL"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[^\[\]/@?#]*\]|[^:\[\]/@?#]*)(?::([0-9]{1,5}))?/?", re.ASCII)
_PORTS = {"udp": 5060, "tcp": 5060}


@attrs.frozen
class ListenURL:
    """Name a transport, a local host and a port to listen on.

    :param scheme: "udp" or "tcp".
    :param host: an address or a name, without brackets; "0.0.0.0" and "::" are all addresses of their family.
    :param port: 0 lets the system choose.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; no host means all IPv4 addresses, no port means 5060.

        :raises LocalProtocolError: it is none.
        """
        match = _URL.fullmatch(text)
        if match is None:
            raise LocalProtocolError(
                f"{text!r} is no place to listen; write it like udp://0.0.0.0:5060 or tcp://[::1]:0."
            )
        scheme, host, port = match[1].lower(), match[2], match[3]
        if scheme not in _PORTS:
            raise LocalProtocolError(f"{text!r} asks for {scheme}, and only {' and '.join(_PORTS)} can be listened on.")
        number = int(port) if port is not None else _PORTS[scheme]
        if number > 65_535:
            raise LocalProtocolError(f"{text!r} has port {number}, and ports end at 65535.")
        return cls(scheme, host.strip("[]") or "0.0.0.0", number)  # noqa: S104  (what no host means)

    @property
    def transport(self) -> str:
        """Return the transport's name in a Via."""
        return self.scheme.upper()

    @property
    def is_wildcard(self) -> bool:
        """Tell whether it means all addresses of a family."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104  (recognised, not bound)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"
