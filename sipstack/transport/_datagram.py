"""One UDP socket and the task that reads it (:rfc:`3261#section-18.2.1`)."""

from __future__ import annotations

from collections import deque

import trio

from sipstack.transactions import ClientTransaction, Flow, Send, State

from ._context import Context
from ._network import DatagramSocket, HostPort, Network

__all__ = ["WILDCARDS", "DatagramListener", "host_and_port"]

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  (recognised, not bound)

_BATCH = 64
"Datagrams read between two waits: enough to spread the cost of a wait, too few to starve other tasks."
_FLOWS = 16_384
"Peers whose flow is remembered; a flood of forged sources must not grow the table for ever."
_RECENT = 256
"Requests sent last, which a refusal may be about: it comes within a round trip, and again for a retransmission."


def host_and_port(address: HostPort) -> str:
    """Write an address as a Via's sent-by."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class DatagramListener:
    """Read one socket into the core, and send what the core says on it.

    Driven by `serve`, one task. `flow_to` and `send` are plain calls.
    """

    transport = "UDP"

    def __init__(
        self, socket: DatagramSocket, network: Network, context: Context, senders: dict[HostPort, DatagramListener]
    ) -> None:
        self.address = socket.address
        self.is_wildcard = self.address[0] in WILDCARDS
        self._socket = socket
        self._network = network
        self._context = context
        self._senders = senders
        self._flows: dict[HostPort, Flow] = {}
        self._local_hosts: dict[str, str] = {}
        self._recent: deque[tuple[HostPort, ClientTransaction]] = deque(maxlen=_RECENT)
        if not self.is_wildcard:
            senders[self.address] = self

    def flow_to(self, remote: HostPort) -> Flow:
        """Return the one flow between this socket and a peer.

        :raises OSError: no route leads there.
        """
        flow = self._flows.get(remote)
        if flow is None:
            local = self.address
            if self.is_wildcard:
                local = (self._local_host(remote[0]), local[1])
                self._senders[local] = self
            if len(self._flows) >= _FLOWS:
                self._flows.clear()
            flow = Flow(transport="UDP", local=local, remote=remote, sent_by=host_and_port(local))
            self._flows[remote] = flow
        return flow

    def _local_host(self, host: str) -> str:
        local = self._local_hosts.get(host)
        if local is None:
            local = self._network.local_host_towards(host)
            if len(self._local_hosts) >= _FLOWS:
                self._local_hosts.clear()
            self._local_hosts[host] = local
        return local

    def send(self, output: Send) -> None:
        """Send one datagram now, or tell the core that it cannot be."""
        context, flow = self._context, output.flow
        try:
            self._socket.send_nowait(output.data, flow.remote)
        except BlockingIOError:
            # UDP may lose anything, and the transaction's timer sends it again: later, when there may be room.
            context.counters.sends_shed += 1
            return
        except OSError as error:
            context.send_failed(output, error.strerror or str(error))
            return
        context.counters.sent += 1
        transaction = output.transaction
        if isinstance(transaction, ClientTransaction):
            self._recent.append((flow.remote, transaction))
        if context.trace is not None:
            context.trace.record(trio.current_time(), "sent", "UDP", flow.local, flow.remote, output.data)

    async def serve(self) -> None:
        """Read until the socket is closed."""
        socket = self._socket
        try:
            while True:
                await socket.wait_readable()
                self._drain_untrusted()
        except trio.ClosedResourceError:
            return

    def _drain_untrusted(self) -> None:
        context, flows, receive = self._context, self._flows, self._socket.receive_nowait
        core, flush = context.core, context.flush
        for count in range(_BATCH):
            try:
                data, remote = receive()
            except BlockingIOError:
                if count == 0:
                    self._report_refusals()
                return
            except OSError:
                self._report_refusals()
                continue
            flow = flows.get(remote)
            if flow is None:
                try:
                    flow = self.flow_to(remote)
                except OSError:  # where nothing can be sent back, nothing is taken
                    context.counters.sends_failed += 1
                    continue
            now = trio.current_time()
            context.counters.received += 1
            if context.trace is not None:
                context.trace.record(now, "received", "UDP", flow.local, remote, data)
            if len(data) <= 4 and not data.strip(b"\r\n\0"):
                context.counters.keepalives += 1  # keeps a NAT binding open, and wants no answer on UDP
                continue
            if context.rate is not None and data[:8] != b"SIP/2.0 " and not context.admits_request(remote[0], now):
                continue
            core.receive(data, flow, now)
            if core.outputs:
                flush()

    def _report_refusals(self) -> None:
        refusals = dict(self._socket.refusals_nowait())
        if not refusals:
            return
        core, now = self._context.core, trio.current_time()
        for remote, transaction in list(self._recent):
            if remote in refusals and transaction.state is not State.TERMINATED:
                core.transport_failed(transaction, refusals[remote], now)
        self._context.flush()

    def close(self) -> None:
        """Close the socket; `serve` ends."""
        self._recent.clear()
        self._socket.close()
