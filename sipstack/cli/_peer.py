"""Which way a peer is, before an endpoint is open: its addresses, and where we must listen to talk to it."""

from __future__ import annotations

import argparse

from sipstack.message import URI
from sipstack.resolver import DEFAULT_PORTS, Resolution, ResolveError
from sipstack.transactions import TransportError
from sipstack.transport import ListenURL, Network

from ._session import media_address

__all__ = ["addresses_of", "local_urls", "own_uri", "unreachable"]


async def addresses_of(uri: str, network: Network) -> list[str]:
    """Look up the numeric addresses that a URI leads to, the preferred one first.

    :raises ResolveError: it leads to none.
    """
    resolution = Resolution(URI.parse(uri), transports=tuple(DEFAULT_PORTS))
    while (query := resolution.next_query()) is not None:
        try:
            answers = await network.resolve(query.name)
        except OSError as error:
            raise ResolveError(f"The name {query.name} has no address: {error.strerror or error}.") from error
        resolution.feed(answers)
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
