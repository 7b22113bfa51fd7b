"""Named bounds of everything that a peer can make grow.

SIP itself names few numbers (:rfc:`3261#section-21.4.11`, :rfc:`3261#section-21.5.7`); these are the defaults of a
server in the open, each to be changed by whoever knows its peers better.
"""

from __future__ import annotations

import attrs

__all__ = ["DEFAULT_LIMITS", "Limits"]


@attrs.frozen(kw_only=True)
class Limits:
    """Say how much of everything an endpoint holds before it sheds load."""

    message_size: int = 65_535
    "Bytes of one whole message: the largest UDP datagram (:rfc:`3261#section-18.1.1`)."
    header_section_size: int = 65_535
    "Bytes of start line and header fields together."
    header_count: int = 1_024
    "Header fields in one message."
    body_size: int = 65_535
    "Bytes of one body."

    transactions: int = 200_000
    "Transactions alive at once; more requests are answered 503."
    dialogs: int = 100_000
    "Dialogs alive at once; more INVITEs are answered 503."
    event_queue: int = 1_000
    "Events of an endpoint that its user has not taken yet; more requests are answered 503."
    call_queue: int = 64
    "Events of one call that its user has not taken yet; more requests in it are answered 503."

    connections: int = 10_000
    "Stream connections open at once."
    connections_per_source: int = 1_000
    "Stream connections accepted from one address."
    write_buffer: int = 1_048_576
    "Bytes that wait for a slow stream peer; beyond them the connection is closed."
    requests_per_second_per_source: float | None = None
    "Requests taken from one address a second, on average; None takes all."
    resolutions: int = 1_000
    "Host names being looked up at once."

    idle_seconds: float = 600.0
    "A stream connection on which nothing came for so long is closed."
    message_seconds: float = 32.0
    "A stream peer has so long to finish a message it began (64*T1)."
    connect_seconds: float = 10.0
    "Opening a stream connection may take so long, with all its handshakes."
    handshake_seconds: float = 10.0
    "A peer that connected has so long for the handshakes of TLS and WebSocket."
    ping_seconds: float = 25.0
    "A WebSocket peer that is silent for so long is pinged, and closed if it stays silent (proxies often allow 30 s)."


DEFAULT_LIMITS = Limits()
