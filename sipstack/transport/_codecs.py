"""Which codec a transport has: none for TCP; TLS, WebSocket, or one upon the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sipstack.message import Limits
from sipstack.transactions import TransportError

from ._codec import Codec
from ._context import Counters
from ._network import HostPort
from ._tls import TLSCodec, TLSConfig, TLSContexts
from ._url import ListenURL

if TYPE_CHECKING:
    from ._websocket import WebSocketCodec

__all__ = ["Codecs"]


class Codecs:
    """Make codecs for connections that are accepted and opened.

    :param tls: what to show and whom to trust where the URL of a listener does not say.
    :param websocket_path: the path to ask WebSocket servers for.
    """

    def __init__(self, limits: Limits, counters: Counters, tls: TLSConfig | None, websocket_path: str) -> None:
        self._limits = limits
        self._counters = counters
        self._tls = TLSContexts(tls or TLSConfig(), counters)
        self._websocket_path = websocket_path

    def contexts_for(self, place: ListenURL) -> TLSContexts | None:
        """Return the certificates and trust of a place to listen at; None for one without TLS."""
        if not place.is_secure:
            return None
        return self._tls if place.tls is None else TLSContexts(place.tls, self._counters)

    def server_maker(self, place: ListenURL, contexts: TLSContexts | None) -> Callable[[], Codec] | None:
        """Return what makes the codec of each connection that is accepted at a place.

        :raises TransportError: a file or a library that it needs cannot be used.
        """
        new_tls: Callable[[], TLSCodec] | None = None
        if contexts is not None:
            contexts.server()  # what is wrong with its files is to be known now
            new_tls = partial(_new_tls, contexts)
        if not place.is_websocket:
            return new_tls
        codec, limits = _websocket_codec(), self._limits
        return lambda: codec.for_server(
            limits, None if new_tls is None else new_tls(), path=place.path, origins=place.origins
        )

    def for_client(self, transport: str, remote: HostPort, name: str, contexts: TLSContexts | None) -> Codec | None:
        """Make the codec of a connection to be opened.

        :param contexts: those of our own listener for this transport, if there is one.
        :raises TransportError: a file or a library that it needs cannot be used.
        """
        if transport == "TCP":
            return None
        tls: TLSCodec | None = None
        if transport != "WS":
            tls = (contexts or self._tls).client_codec(name, (transport, remote, name), is_web=transport == "WSS")
        if transport == "TLS":
            return tls
        return _websocket_codec().for_client(self._limits, tls, host=name, port=remote[1], path=self._websocket_path)


def _new_tls(contexts: TLSContexts) -> TLSCodec:
    return TLSCodec(contexts.server())


def _websocket_codec() -> type[WebSocketCodec]:
    try:
        from ._websocket import WebSocketCodec
    except ImportError as error:
        raise TransportError("WebSocket needs the websockets library: pip install 'sipstack[ws]'") from error
    return WebSocketCodec
