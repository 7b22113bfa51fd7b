"""Trio at the edge: sockets, connections, and the tasks that drive the core (:rfc:`3261#section-18`)."""

from ._certificate import PeerCertificate
from ._context import Core, Counters, Recorder
from ._dns import parse_nameserver
from ._groups import open_quiet_nursery, single_exception, unwrapping
from ._network import DatagramSocket, HostPort, Network, Stream, StreamListener, TrioNetwork
from ._tls import TLSConfig
from ._transport import TRANSPORTS, Transport
from ._url import ListenURL

__all__ = [
    "TRANSPORTS",
    "Core",
    "Counters",
    "DatagramSocket",
    "HostPort",
    "ListenURL",
    "Network",
    "PeerCertificate",
    "Recorder",
    "Stream",
    "StreamListener",
    "TLSConfig",
    "Transport",
    "TrioNetwork",
    "open_quiet_nursery",
    "parse_nameserver",
    "single_exception",
    "unwrapping",
]
