"""The driver: sockets and time into the core, what the core says out of it (:rfc:`3261#section-18`)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import cached_property
from ipaddress import ip_address
from typing import Any, Literal, Self

import attrs
import trio

from sipstack.dialogs import Route, TargetFailed
from sipstack.message import DEFAULT_LIMITS, URI, Limits, LocalProtocolError, MalformedMessage, Request, Tokens, Via
from sipstack.outbound import Hook
from sipstack.resolver import Resolution, ResolveError, Target, numeric_host
from sipstack.transactions import Flow, Send, ServerTransaction, TransportError

from ._acceptor import Acceptor
from ._certificate import PeerCertificate
from ._codec import Codec
from ._codecs import Codecs
from ._context import Context, Core, Counters, Recorder
from ._datagram import DatagramListener, host_and_port
from ._groups import unwrapping
from ._locator import Locator
from ._network import HostPort, Network, TrioNetwork
from ._outlet import Outlet
from ._pool import ConnectionRefused, Key, Pool
from ._rate import SourceRate
from ._size import is_too_large_for_udp
from ._tls import TLSConfig
from ._url import ListenURL

__all__ = ["TRANSPORTS", "Transport"]

TRANSPORTS = ("UDP", "TCP", "TLS", "WS", "WSS")
"What requests can be sent with, the preferred one first."

_SHORTEST_NAP = 0.005
"Seconds between two looks at the timers; the shortest of them, that of the automatic 100, has 0.2."

_CHOICES = 16_384
"Destinations whose best local socket is remembered, where there is more than one."


class Transport:
    """Drive one core over one network.

    ``await nursery.start(transport.run)``, or ``async with`` it; then `listen`. Whoever makes the core say something
    calls `flush` at once: it sends what is to be sent and hands everything else to ``deliver``, without a checkpoint.

    :param network: the system's, if none is given.
    :param deliver: takes each output that is neither Send, Route nor TargetFailed; it must not block, and may call the
        core. It may be set later, before anything is listened on.
    :param randbytes: the source of chance for the choice among servers, and of the host name in our Via where we are a
        WebSocket client.
    :param trace: is told of every message that crosses a socket, and of how names were resolved.
    :param outbound: is asked what to send in place of each message; what it raises ends `run`.
    :param tls: what to show and whom to trust where the URL of a listener does not say.
    :param websocket_path: the path to ask WebSocket servers for; no SIP URI can name one.
    """

    def __init__(
        self,
        core: Core,
        network: Network | None = None,
        *,
        deliver: Callable[[Any], None] | None = None,
        limits: Limits = DEFAULT_LIMITS,
        randbytes: Callable[[int], bytes] = os.urandom,
        trace: Recorder | None = None,
        outbound: Hook | None = None,
        tls: TLSConfig | None = None,
        websocket_path: str = "/",
    ) -> None:
        self.counters = Counters()
        self._core = core
        self._network: Network = TrioNetwork() if network is None else network
        self.deliver: Callable[[Any], None] = _refuse if deliver is None else deliver
        self._limits = limits
        rate = limits.requests_per_second_per_source
        self._context = Context(
            core,
            limits,
            self.counters,
            trace,
            None if rate is None else SourceRate(rate),
            self.flush,
            self._send_elsewhere,
        )
        self._outlet = None if outbound is None else Outlet(outbound, self._send, self.flush, self.counters)
        self._emit: Callable[[Send], None] = self._send if self._outlet is None else self._outlet.take
        self._locator = Locator(self._network, limits, self.counters, randbytes, trace)
        self._senders: dict[HostPort, DatagramListener] = {}
        self._listeners: list[DatagramListener | Acceptor] = []
        self._choices: dict[tuple[str, str], DatagramListener | Acceptor | None] = {}
        self._codecs = Codecs(limits, self.counters, tls, websocket_path)
        self._tokens = Tokens(randbytes)
        self._routing = 0
        self._is_flushing = False
        self._awaited: tuple[Callable[[], bool], trio.Event] | None = None
        self._alarm = trio.CancelScope()
        self._armed_for = math.inf
        self._closing = trio.Event()
        self._nursery: trio.Nursery
        self._pool: Pool
        self._manager: Any = None

    # Being run

    async def __aenter__(self) -> Self:
        self._manager = trio.open_nursery(strict_exception_groups=True)
        self._nursery = await self._manager.__aenter__()
        self._pool = Pool(
            self._network,
            self._context,
            self._nursery,
            listener_for=self._listener_for,
            codec_for=self._codec_for,
            sent_by_for=self._sent_by_for,
        )
        self._nursery.start_soon(self._keep_time)
        self._nursery.start_soon(self._pool.serve)
        if self._outlet is not None:
            self._nursery.start_soon(self._outlet.serve)
        return self

    async def __aexit__(self, *exc_info: Any) -> bool:
        self.close()
        self._nursery.cancel_scope.cancel()
        with unwrapping():
            return bool(await self._manager.__aexit__(*exc_info))

    async def run(self, *, task_status: trio.TaskStatus[Self] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until `aclose`; a cancellation does not end it.

        Whoever is cancelled has something left to say, a BYE perhaps, and needs the sockets for it.
        """
        async with self:
            self._nursery.cancel_scope.shield = True
            task_status.started(self)
            await self._closing.wait()

    async def listen(self, url: str | ListenURL) -> ListenURL:
        """Listen at a place; return it with the address and port that it got.

        :raises LocalProtocolError: the URL is none.
        :raises TransportError: the place cannot be had.
        """
        place = ListenURL.parse(url) if isinstance(url, str) else url
        listener: DatagramListener | Acceptor
        try:
            host = numeric_host(place.host) or (await self._network.resolve(place.host))[0]
            if place.transport == "UDP":
                socket = await self._network.open_datagram(host, place.port)
                listener = DatagramListener(socket, self._network, self._context, self._senders)
            else:
                listener = await self._open_acceptor(place, host)
        except OSError as error:
            raise TransportError(f"Cannot listen at {place}: {error.strerror or error}.") from error
        self._listeners.append(listener)
        self._choices.clear()
        self._nursery.start_soon(listener.serve)
        return _url_of(listener)

    async def _open_acceptor(self, place: ListenURL, host: str) -> Acceptor:
        contexts = self._codecs.contexts_for(place)
        try:
            new_codec = self._codecs.server_maker(place, contexts)
        except TransportError as error:
            raise TransportError(f"Cannot listen at {place}: {error}.") from error
        socket = await self._network.listen_stream(host, place.port)
        return Acceptor(place, socket, self._context, self._pool, contexts=contexts, new_codec=new_codec)

    @property
    def listeners(self) -> list[ListenURL]:
        """Return where this transport listens, in the order it was told to."""
        return [_url_of(listener) for listener in self._listeners]

    @property
    def urls(self) -> list[str]:
        """Return the same as text: ``udp://127.0.0.1:5060``."""
        return [str(url) for url in self.listeners]

    def peer_certificate(self, flow: Flow) -> PeerCertificate | None:
        """Return what the peer at the other end of a flow has proved to be, if anything (:rfc:`5922#section-7`)."""
        connection = self._pool.get(flow.connection)
        return None if connection is None else connection.certificate

    async def aclose(self, grace: float = 1.0) -> None:
        """Stop listening, let connections write what they hold for so many seconds, and close everything."""
        for listener in self._listeners:
            if isinstance(listener, Acceptor):
                listener.close()
        with trio.CancelScope(shield=True):
            await self._pool.aclose(grace)
        self.close()

    def close(self) -> None:
        """Close all sockets now; `run` ends."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._senders.clear()
        self._choices.clear()
        self._pool.abandon()
        if self._outlet is not None:
            self._outlet.close()
        self._closing.set()

    # Time

    async def _keep_time(self) -> None:
        woke = -math.inf
        while True:
            deadline = self._core.next_deadline()
            # Under load thousands of transactions end each second; they need no wake-up each.
            self._armed_for = math.inf if deadline is None else max(deadline, woke + _SHORTEST_NAP)
            self._alarm = trio.CancelScope(deadline=self._armed_for)
            with self._alarm:
                await trio.sleep_forever()
            woke = trio.current_time()
            self._core.expire(woke)
            self.flush()
            # A core whose deadline never gets past now would take the whole loop: others get their turn.
            await trio.lowlevel.checkpoint()

    # Out

    def flush(self) -> None:
        """Empty the core's outputs: send, route or deliver each, in order; then see to the next deadline."""
        if self._is_flushing:  # from within `deliver` or a failed send: the loop that is on takes what came
            return
        self._is_flushing = True
        outputs = self._core.outputs
        try:
            while outputs:
                output = outputs.popleft()
                kind = type(output)
                if kind is Send:
                    self._emit(output)
                elif kind is Route:
                    self._route(output.outgoing)
                elif kind is TargetFailed:
                    self._locator.failed(output.target, output.detail, output.retry_after)
                else:
                    self.deliver(output)
        finally:
            self._is_flushing = False
        earliest = self._core.take_earliest()
        if earliest < self._armed_for:
            # Moves the alarm of a sleeping task; a later deadline leaves it, to be found when it fires.
            self._armed_for = self._alarm.deadline = earliest
        if self._awaited is not None and self._awaited[0]():
            self._awaited[1].set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds after something was sent or came in; one task at a time may."""
        if not condition():
            self._awaited = (condition, trio.Event())
            try:
                await self._awaited[1].wait()
            finally:
                self._awaited = None

    def _send(self, output: Send) -> None:
        flow = output.flow
        if flow.transport == "UDP":
            listener = self._senders.get(flow.local)
            if listener is None:
                self._context.send_failed(output, "the socket is closed")
            else:
                listener.send(output)
        elif self._closing.is_set():
            self._context.send_failed(output, "the transport is closed")
        else:
            self._pool.send(output)

    # Answers whose connection is gone

    def _send_elsewhere(self, output: Send, detail: str) -> bool:
        """Begin to send an answer to another server of its sent-by (:rfc:`3263#section-5`); False where that cannot be.

        The connection it should go by and one back to the source have come to nothing. Streams only: over UDP, where
        nobody proves an address, sent-by could name a victim.
        """
        transaction, response = output.transaction, output.message
        if not isinstance(transaction, ServerTransaction) or response is None or not output.flow.is_reliable:
            return False
        if not self._begin_routing():
            return False
        self._nursery.start_soon(self._send_elsewhere_in_time, output, transaction, response.top_via, detail)
        return True

    async def _send_elsewhere_in_time(
        self, output: Send, transaction: ServerTransaction, via: Via, detail: str
    ) -> None:
        # What 18.2.2 tries first, and what has failed.
        tried = transaction.fallback_target()
        try:
            uri = URI.parse(f"sip:{via.sent_by};transport={via.transport}")
            resolution = self._locator.begin(uri, (output.flow.transport,))
            await self._locator.look_up(resolution)
            for target in self._locator.targets_of(resolution):
                if (target.transport, target.host, target.port) == tried:
                    continue
                try:
                    connection = await self._pool.connect(target.transport, (target.host, target.port), target.name)
                except TransportError as error:
                    self._locator.failed(target, str(error))
                    continue
                if connection.send(output.data):
                    self.counters.answers_moved += 1
                    return
        except (ResolveError, MalformedMessage) as error:
            detail = f"{detail}; {error}"
        finally:
            self._routing -= 1
        self._context.send_failed(output, detail)
        self.flush()

    # Routes

    def _route(self, outgoing: Any) -> None:
        """Answer a Route: now, where a socket or connection is at hand; else by a task."""
        resolution: Resolution | None = None
        try:
            if not outgoing.targets:
                resolution = self._resolve(outgoing)
                flow = self._hinted_flow(outgoing, resolution)
            else:
                flow = None
            if flow is None and outgoing.targets:
                flow = self._first_flow_at_hand(outgoing)
        except (ResolveError, TransportError) as error:
            self._give_up_route(outgoing, error)
            return
        if flow is not None:
            self._core.routed(outgoing, flow, trio.current_time())
        elif self._begin_routing():
            self._nursery.start_soon(self._route_in_time, outgoing, resolution)
        else:
            self._give_up_route(outgoing, TransportError(self._why_not_routing()))

    def _resolve(self, outgoing: Any) -> Resolution:
        """Start to resolve the next hop; where all is known already, the request has its targets."""
        request: Request = outgoing.request
        uri: URI = outgoing.next_hop
        transports = self._transports(is_secure=request.uri.is_secure or uri.is_secure)
        is_large = "UDP" in transports and numeric_host(uri.host) is None and is_too_large_for_udp(request)
        resolution = self._locator.begin(uri, transports, is_large=is_large)
        if resolution.targets:
            outgoing.targets = self._locator.targets_of(resolution)
        return resolution

    def _transports(self, *, is_secure: bool) -> tuple[str, ...]:
        """Return what a request can go by: for a SIPS URI, that is nothing without TLS (:rfc:`5630#section-3.1`)."""
        if is_secure:
            return ("TLS", "WSS")
        has_udp = any(listener.transport == "UDP" for listener in self._listeners)
        return TRANSPORTS if has_udp else tuple(each for each in TRANSPORTS if each != "UDP")

    def _give_up_route(self, outgoing: Any, error: ResolveError | TransportError) -> None:
        kind: Literal["unroutable", "transport"] = "unroutable" if isinstance(error, ResolveError) else "transport"
        self._core.unroutable(outgoing, str(error), trio.current_time(), kind=kind)

    def _why_not_routing(self) -> str:
        if self._closing.is_set():
            return "the transport is closed"
        return "too many requests wait for a name or a connection"

    def _begin_routing(self) -> bool:
        if self._closing.is_set():
            return False
        if self._routing >= self._limits.resolutions:
            self.counters.routes_shed += 1
            return False
        self._routing += 1
        return True

    def _hinted_flow(self, outgoing: Any, resolution: Resolution) -> Flow | None:
        """Return the connection that a dialog was last reached by: behind a NAT, the only way to that peer."""
        hint: Flow | None = getattr(outgoing, "flow_hint", None)
        if hint is None or not hint.connection:
            return None
        if hint.transport not in resolution.transports and not (
            # Whose connection is WSS is told by transport=ws all the same (RFC 7118, 5.2), and whose is TLS by a SIP
            # URI that says no transport at all (RFC 5630, 5.1.1.2): it must not go on without TLS.
            (hint.transport == "WSS" and "WS" in resolution.transports)
            or (hint.transport == "TLS" and "transport" not in resolution.uri.parameters)
        ):
            return None
        connection = self._pool.get(hint.connection)
        return None if connection is None else connection.flow

    def _flow_at_hand(self, request: Request, target: Target) -> Flow | None:
        """Return the flow to a numeric target, or None if a connection must be opened first.

        :raises TransportError: it cannot be sent to.
        """
        remote = (target.host, target.port)
        if target.transport == "UDP" and not self._goes_by_tcp(request, target):
            return self._datagram_flow(remote)
        connection = self._pool.find(_connected(target), remote, target.name)
        return None if connection is None else connection.flow

    @staticmethod
    def _goes_by_tcp(request: Request, target: Target) -> bool:
        # The size rule overrides even a transport=udp: it is a MUST, the parameter a SHOULD (RFC 3263, 4.1).
        return is_too_large_for_udp(request) and not ip_address(target.host).is_multicast

    def _datagram_flow(self, remote: HostPort) -> Flow:
        listener = self._listener_for("UDP", remote[0])
        if not isinstance(listener, DatagramListener):
            family = "IPv6" if ":" in remote[0] else "IPv4"
            raise TransportError(f"no UDP socket for {family} is open; listen at one to send to {remote[0]}")
        try:
            return listener.flow_to(remote)
        except OSError as error:
            raise TransportError(f"no way leads to {remote[0]}: {error.strerror or error}") from error

    def _first_flow_at_hand(self, outgoing: Any) -> Flow | None:
        """Return the flow to the first target that can be sent to, or None if a connection must be opened first.

        :raises TransportError: none can be sent to.
        """
        while True:
            try:
                return self._flow_at_hand(outgoing.request, outgoing.targets[0])
            except TransportError as error:
                self._pass_over(outgoing, error)

    def _pass_over(self, outgoing: Any, error: TransportError) -> None:
        """Go on to the next target after one that cannot be reached; raise the error again when there is none."""
        self._locator.failed(outgoing.targets[0], str(error))
        if len(outgoing.targets) == 1:
            raise error
        outgoing.targets = outgoing.targets[1:]

    async def _route_in_time(self, outgoing: Any, resolution: Resolution | None) -> None:
        try:
            if resolution is not None and resolution.queries():
                await self._locator.look_up(resolution)
                outgoing.targets = self._locator.targets_of(resolution)
            flow = await self._find_flow(outgoing)
        except (ResolveError, TransportError) as error:
            self._give_up_route(outgoing, error)
        else:
            self._core.routed(outgoing, flow, trio.current_time())
        finally:
            self._routing -= 1
        self.flush()

    async def _find_flow(self, outgoing: Any) -> Flow:
        while True:
            try:
                return await self._flow_to(outgoing.request, outgoing.targets[0])
            except TransportError as error:
                self._pass_over(outgoing, error)

    async def _flow_to(self, request: Request, target: Target) -> Flow:
        remote = (target.host, target.port)
        if target.transport != "UDP":
            return (await self._pool.connect(target.transport, remote, target.name)).flow
        datagram_flow = self._datagram_flow(remote)
        if not self._goes_by_tcp(request, target):
            return datagram_flow
        try:
            return (await self._pool.connect("TCP", remote, target.name)).flow
        except ConnectionRefused:  # a peer from before RFC 3261
            return datagram_flow

    def _codec_for(self, key: Key) -> Codec | None:
        """Make the codec of a connection to be opened.

        :raises TransportError: what it needs cannot be used.
        """
        transport, remote, name = key
        listener = self._listener_for(transport, remote[0])
        contexts = listener.contexts if isinstance(listener, Acceptor) else None
        return self._codecs.for_client(transport, remote, name, contexts)

    @cached_property
    def _nowhere(self) -> str:
        return f"{self._tokens.tag()}.invalid"

    def _sent_by_for(self, transport: str, local: HostPort) -> str:
        if transport.startswith("WS"):
            return self._nowhere  # a WebSocket client is reached by no connection but its own (RFC 7118, 5)
        # Nobody listens at the port we connect from: what we say in a Via is where we do (18.1.1).
        listener = self._listener_for(transport, local[0])
        return host_and_port(local if listener is None else (local[0], listener.address[1]))

    def _listener_for(self, transport: str, host: str) -> DatagramListener | Acceptor | None:
        """Choose the socket to send from: one whose address packets to the host leave from, where there is a choice."""
        try:
            return self._choices[transport, host]
        except KeyError:
            pass
        is_ipv6 = ":" in host
        fitting = [
            each for each in self._listeners if each.transport == transport and (":" in each.address[0]) == is_ipv6
        ]
        chosen = fitting[0] if fitting else None
        if len(fitting) > 1:
            try:
                local_host = self._network.local_host_towards(host)
            except OSError:  # whichever is chosen will say so
                local_host = ""
            chosen = min(fitting, key=lambda each: (each.address[0] != local_host, not each.is_wildcard))
        if len(self._choices) >= _CHOICES:
            self._choices.clear()
        self._choices[transport, host] = chosen
        return chosen


def _connected(target: Target) -> str:
    """Return the transport of the connection to a target: what is too large for UDP goes by TCP."""
    return "TCP" if target.transport == "UDP" else target.transport


def _refuse(output: object) -> None:
    raise LocalProtocolError(f"Nobody takes {output!r}: set the transport's deliver first.")


def _url_of(listener: DatagramListener | Acceptor) -> ListenURL:
    host, port = listener.address
    if isinstance(listener, Acceptor):
        return attrs.evolve(listener.place, host=host, port=port)
    return ListenURL("udp", host, port)
