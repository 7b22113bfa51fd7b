"""The media side of a call that moves no media: offers and answers that are right but for nobody sending RTP."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sipstack.message import Request
from sipstack.resolver import numeric_host
from sipstack.sdp import Capabilities, Direction, MediaCapability, SessionDescription, answer_to, next_version, offer
from sipstack.transport import ListenURL, Network

__all__ = ["LocalSession", "media_address", "peer_of"]

_PORT = 5004  # the port registered for RTP (RFC 3551, section 8); nothing listens at it
_OFFERED = Capabilities.audio(_PORT)
_ANSWERED = Capabilities(
    (
        MediaCapability(
            "audio",
            _PORT,
            ("PCMU", "PCMA", "G722", "opus", "GSM", "G729", "telephone-event"),
            protocols=("RTP/AVP", "RTP/AVPF"),
        ),
    )
)
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  (recognised, not bound)


class LocalSession:
    """Make the descriptions of one call, each new one with the next version (:rfc:`3264#section-8`).

    :param address: where media would be received.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._session_id = secrets.randbits(62)
        self._latest: SessionDescription | None = None

    def offer(self, direction: Direction = "sendrecv") -> bytes:
        """Offer audio; in a session that stands, what it has, in the direction that is asked for."""
        latest = self._latest
        if latest is None:
            latest = offer(_OFFERED, address=self._address, session_id=self._session_id)
        return self._keep(latest.with_directions(direction))

    def answer(self, offered: bytes) -> bytes | None:
        """Answer an offer; None if nothing in it can be taken, which is a 488.

        :raises SdpError: the offer is none.
        """
        answer = self._answer(offered, _ANSWERED)
        return None if answer.is_rejected else self._keep(answer)

    def refuse(self, offered: bytes) -> bytes:
        """Answer an offer that no response can refuse: that of a 2xx or a PRACK; every stream of it is.

        :raises SdpError: the offer is none.
        """
        return self._keep(self._answer(offered, Capabilities(())))

    def adopt(self, description: bytes) -> None:
        """Go on from a description of ours that somebody else made: the call, to hold the peer."""
        self._latest = SessionDescription.parse(description)

    def _answer(self, offered: bytes, capabilities: Capabilities) -> SessionDescription:
        return answer_to(
            SessionDescription.parse(offered), capabilities, address=self._address, session_id=self._session_id
        )

    def _keep(self, description: SessionDescription) -> bytes:
        self._latest = description if self._latest is None else next_version(self._latest, description)
        return bytes(self._latest)


def peer_of(request: Request) -> str | None:
    """Return the numeric host that a request came from, if it can be told: the source that our own Via stamp names."""
    via = request.top_via
    return numeric_host(via.received or via.host)


def media_address(urls: Iterable[str], peer: str, network: Network) -> str:
    """Return the local address to name to a peer.

    It is the one we listen at, where that is one address of the peer's family; else the one packets to the peer leave
    from.

    :raises OSError: no route leads to the peer.
    """
    hosts = [place.host for place in map(ListenURL.parse, urls) if (":" in place.host) == (":" in peer)]
    if len(set(hosts)) == 1 and hosts[0] not in _WILDCARDS:
        return hosts[0]
    return network.local_host_towards(peer)
