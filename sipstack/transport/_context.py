"""What all tasks of one transport share: the core they drive, and what they count."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Protocol

import attrs
import trio

from sipstack.message import Limits, MalformedMessage, Request, Response
from sipstack.transactions import Flow, Send

from ._network import HostPort
from ._rate import SourceRate

__all__ = ["Context", "Core", "Counters", "Recorder"]


class Core(Protocol):
    """Decide what to do about messages and time, and say so in `outputs`; never touch a socket.

    A transaction layer is one, and so is a dialog layer, which also asks for routes.
    """

    outputs: deque[Any]

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram."""
        ...

    def receive_message(self, message: Request | Response, flow: Flow, now: float) -> None:
        """Take one message of a stream."""
        ...

    def reject_malformed(self, error: MalformedMessage, flow: Flow) -> None:
        """Answer what a stream's framer refused."""
        ...

    def transport_failed(self, transaction: Any, detail: str, now: float) -> None:
        """Take note that a transaction's message could not be sent."""
        ...

    def connection_lost(self, flow: Flow, detail: str, now: float) -> None:
        """Take note that a connection is gone, with what was sent on its flow or on whichever leads there."""
        ...

    def routed(self, outgoing: Any, flow: Flow, now: float) -> None:
        """Take the way that a request goes; only a core that emits Route is called."""
        ...

    def unroutable(
        self, outgoing: Any, detail: str, now: float, *, kind: Literal["unroutable", "transport"] = "unroutable"
    ) -> None:
        """Take note that no way was found for a request: there is no address, or none that could be reached."""
        ...

    def expire(self, now: float) -> None:
        """Fire the timers that are due."""
        ...

    def next_deadline(self) -> float | None:
        """Return when `expire` wants to be called."""
        ...

    def take_earliest(self) -> float:
        """Return the earliest time to call `expire` that has come up since the last call; infinity for none."""
        ...


class Recorder(Protocol):
    """Keep what crossed the sockets."""

    def record(
        self,
        time: float,
        direction: Literal["sent", "received"],
        transport: str,
        local: HostPort,
        remote: HostPort,
        data: bytes,
        /,
    ) -> None:
        """Note one message."""
        ...

    def note(self, time: float, text: str, /) -> None:
        """Note what was decided, for people to read."""
        ...


@attrs.define
class Counters:
    """Count what the transport did, and what it shed."""

    received: int = 0
    "Messages taken off datagram sockets and streams."
    sent: int = 0
    "Messages handed to a socket or a connection."
    keepalives: int = 0
    "Double CRLFs answered on streams, and empty datagrams ignored."
    requests_shed: int = 0
    "Requests dropped because their source sent too many in a second."
    sends_shed: int = 0
    "Datagrams dropped because the system had no room for them, and messages for which no queue had any."
    sends_failed: int = 0
    "Messages that could not be sent."
    connections_opened: int = 0
    connections_accepted: int = 0
    connections_refused: int = 0
    "Connections turned away because there were too many, in all or from one source."
    connections_expired: int = 0
    "Connections closed because they were idle, or slow to finish a message or to take one."
    connections_overrun: int = 0
    "Connections closed because more waited to be written than their buffer may hold."
    handshakes_failed: int = 0
    "Connections of peers that did not get through TLS or WebSocket, or not in time."
    certificates_refused: int = 0
    "Changed certificate files that could not be used; what was read before stays in use."
    accept_failures: int = 0
    "Connections lost before they were accepted, for want of file descriptors or through the peer."
    routes_shed: int = 0
    "Requests not sent because too many were waiting for a name or a connection."
    answers_moved: int = 0
    "Answers whose connection was gone, sent to another server of the peer's (:rfc:`3263#section-5`)."
    targets_failed: int = 0
    "Targets that did not serve a request: out of reach, silent, or 503."
    tls_withdrawn: int = 0
    "Times that a domain which had offered TLS in its NAPTR records did so no more: perhaps a forged answer."


@attrs.define
class Context:
    """Hold what every task needs."""

    core: Core
    limits: Limits
    counters: Counters
    trace: Recorder | None
    rate: SourceRate | None
    flush: Callable[[], None]
    send_elsewhere: Callable[[Send, str], bool]
    "Takes over an answer for which no connection could be opened, if there is somewhere else to send it."

    def admits_request(self, source: str, now: float) -> bool:
        """Take a request of a source, or count it as shed."""
        if self.rate is None or self.rate.admits(source, now):
            return True
        self.counters.requests_shed += 1
        return False

    def send_failed(self, output: Send, detail: str) -> None:
        """Tell the core that an output of its own could not be sent."""
        self.counters.sends_failed += 1
        if output.transaction is not None:
            self.core.transport_failed(output.transaction, detail, trio.current_time())
