"""Which way a peer is, before an endpoint is open: its addresses, and where we must listen to talk to it."""

from __future__ import annotations

import argparse
import os

import trio

from sipstack.message import URI
from sipstack.resolver import Resolution, ResolveError
from sipstack.trace import Trace
from sipstack.transactions import TransportError
from sipstack.transport import TRANSPORTS, ListenURL, Network, TrioNetwork

from ._session import media_address

__all__ = ["addresses_of", "local_urls", "network_of", "own_uri", "unreachable"]


def network_of(arguments: argparse.Namespace) -> TrioNetwork:
    """Return the network with the name servers the user wants asked.

    :raises LocalProtocolError: they cannot be.
    """
    return TrioNetwork(nameservers=arguments.nameserver or ())


async def addresses_of(uri: str, network: Network, trace: Trace | None = None) -> list[str]:
    """Look up the numeric addresses that a URI leads to, the preferred one first.

    :param trace: is told what was asked where that leads nowhere; else the endpoint tells when it sends.
    :raises ResolveError: it leads to none.
    """
    resolution = Resolution(URI.parse(uri), transports=TRANSPORTS, randbytes=os.urandom)
    path: list[str] = []
    try:
        while queries := resolution.queries():
            for query in queries:
                answer = await network.look_up(query)
                path.append(f"{query}: {answer}")
                resolution.feed(query, answer)
    except ResolveError:
        if trace is not None:
            for line in path:
                trace.note(trio.current_time(), line)
        raise
    return [target.host for target in resolution.targets]


def local_urls(listen: str | None, peers: list[str], network: Network) -> list[str]:
    """Say where to listen so that at least one of a peer's addresses can be talked to.

    :param listen: where the user wants it; None leaves the choice to us: any port, UDP and TCP, in each family that a
        route leads to the peer in.
    """
    if listen is not None:
        return [listen]
    hosts = dict.fromkeys("::" if ":" in peer else "0.0.0.0" for peer in peers if _has_route(peer, network))  # noqa: S104
    return [str(ListenURL(scheme, host, 0)) for host in hosts or ["0.0.0.0"] for scheme in ("udp", "tcp")]  # noqa: S104


def own_uri(arguments: argparse.Namespace, urls: list[str], peers: list[str], network: Network) -> str:
    """Say who a request is from.

    That is who the user says; else the user who has a password, in the domain of the proxy or the target, which knows
    such a user; else nobody in particular at our own address.
    """
    if arguments.from_uri is not None:
        return str(arguments.from_uri)
    if arguments.user is not None:
        home = URI.parse(arguments.proxy or arguments.uri)
        return str(URI("sip", home.host, user=arguments.user))
    address = media_address(urls, peers[0], network)
    return str(URI("sip", f"[{address}]" if ":" in address else address, user="sipstack"))


def unreachable(uri: str, error: TransportError) -> TransportError:
    """Say of an error of the system whom it kept us from reaching."""
    return TransportError(f"{uri} cannot be reached: {error}")


def _has_route(peer: str, network: Network) -> bool:
    try:
        network.local_host_towards(peer)
    except OSError:
        return False
    return True
