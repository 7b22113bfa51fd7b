"""A forking proxy, no larger than a test needs: one INVITE goes to every callee (RFC 3261, 16)."""

from __future__ import annotations

import attrs
import trio

from sipstack.message import Request, Response, parse_message
from sipstack.testing import VirtualNetwork
from sipstack.transport import DatagramSocket, HostPort

_TICK = 0.5  # T1: what waits for a response, or for an ACK, is sent so often again
_PATIENCE = 64  # ticks: 64*T1 without any response are a 408


@attrs.define
class Branch:
    """One callee that the INVITE goes to."""

    address: HostPort
    invite: Request
    ticks: int = 0
    is_answered: bool = False
    final: Response | None = None
    cancel: Request | None = None
    is_cancel_answered: bool = False


@attrs.define
class Context:
    """One INVITE that is being forked."""

    source: HostPort
    invite: Request
    branches: dict[str, Branch]
    final: Response | None = None
    final_ticks: int = 0
    has_success: bool = False


class ForkingProxy:
    """Fork each INVITE to all callees; requests within dialogs do not come this way."""

    def __init__(self, network: VirtualNetwork, address: HostPort, callees: list[HostPort]) -> None:
        self.network, self.address, self.callees = network, address, callees
        self.contexts: dict[str, Context] = {}
        self._socket: DatagramSocket

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self._socket = await self.network.open_datagram(*self.address)
        try:
            task_status.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._tick)
                while True:
                    await self._socket.wait_readable()
                    data, source = self._socket.receive_nowait()
                    self._receive(parse_message(data), source)
        finally:
            self._socket.close()

    async def _tick(self) -> None:
        while True:
            await trio.sleep(_TICK)
            for context in self.contexts.values():
                for branch in context.branches.values():
                    if not branch.is_answered:
                        branch.ticks += 1
                        if branch.ticks > _PATIENCE:
                            branch.is_answered = True
                            branch.final = branch.invite.create_response(408, to_tag="timeout")
                            self._choose(context)
                        else:
                            self._send(branch.invite, branch.address)
                    elif branch.cancel is not None and branch.final is None and not branch.is_cancel_answered:
                        self._send(branch.cancel, branch.address)
                if context.final is not None and context.final_ticks < _PATIENCE:
                    context.final_ticks += 1
                    self._send(context.final, context.source)

    def _send(self, message: Request | Response, address: HostPort) -> None:
        self._socket.send_nowait(message.serialise(), address)

    def _receive(self, message: Request | Response, source: HostPort) -> None:
        if isinstance(message, Response):
            self._take_response(message)
            return
        key = message.top_via.branch or ""
        context = self.contexts.get(key)
        if message.method == "INVITE":
            if context is None:
                self._fork(key, message, source)
            elif context.final is not None:
                self._send(context.final, source)
        elif message.method == "CANCEL":
            self._send(message.create_response(200, to_tag="proxy"), source)
            if context is not None:
                self._cancel(context)
        elif message.method == "ACK" and context is not None:
            context.final_ticks = _PATIENCE

    def _fork(self, key: str, invite: Request, source: HostPort) -> None:
        context = self.contexts[key] = Context(source, invite, {})
        self._send(invite.create_response(100), source)
        for number, address in enumerate(self.callees):
            copy = invite.copy()
            host, port = self.address
            branch = f"{key}-{number}"
            vias = copy.headers.getlist("Via")
            copy.headers.remove("Via")
            for value in (f"SIP/2.0/UDP {host}:{port};branch={branch}", *vias):
                copy.headers.add("Via", value)
            context.branches[branch] = Branch(address, copy)
            self._send(copy, address)

    def _take_response(self, response: Response) -> None:
        name = response.top_via.branch or ""
        context = self.contexts[name.rpartition("-")[0]]
        branch = context.branches[name]
        if response.cseq.method == "CANCEL":
            branch.is_cancel_answered = True
            return
        branch.is_answered = True
        if response.code == 100:
            if branch.cancel is not None:
                self._send(branch.cancel, branch.address)
        elif response.code < 300:
            if response.code >= 200:
                branch.final = response
                context.has_success = True
                self._cancel(context)
            if context.final is None or response.code >= 200:
                self._forward(context, response)
        else:
            self._send(_hop_by_hop(branch.invite, "ACK", response), branch.address)
            if branch.final is None:
                branch.final = response
                self._choose(context)

    def _forward(self, context: Context, response: Response) -> None:
        copy = response.copy()
        vias = copy.headers.getlist("Via")
        copy.headers.remove("Via")
        for value in vias[1:]:
            copy.headers.add("Via", value)
        self._send(copy, context.source)

    def _choose(self, context: Context) -> None:
        """Pass the best refusal on once there is nothing better to hope for (16.7)."""
        finals = [branch.final for branch in context.branches.values()]
        if context.has_success or context.final is not None or None in finals:
            return
        best = min((final for final in finals if final is not None), key=lambda final: final.code)
        context.final = context.invite.create_response(best.code, to_tag="proxy")
        self._send(context.final, context.source)

    def _cancel(self, context: Context) -> None:
        for branch in context.branches.values():
            if branch.final is None and branch.cancel is None:
                branch.cancel = _hop_by_hop(branch.invite, "CANCEL")
                if branch.is_answered:
                    self._send(branch.cancel, branch.address)


def _hop_by_hop(invite: Request, method: str, response: Response | None = None) -> Request:
    """Build what goes no further than the next hop: the CANCEL, or the ACK to a refusal (17.1.1.3)."""
    request = Request(method, invite.uri, b"")
    fields = request.headers
    fields.add("Via", invite.headers.getlist("Via")[0])
    fields.add("Max-Forwards", "70")
    fields.add("From", invite.headers["From"])
    fields.add("To", invite.headers["To"] if response is None else response.headers["To"])
    fields.add("Call-ID", invite.call_id)
    fields.add("CSeq", f"{invite.cseq.sequence} {method}")
    return request
