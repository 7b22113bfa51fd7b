"""The proxy of the demo: it takes registrations and forks INVITEs over UDP (:rfc:`3261#section-16`).

It does what that scene needs on loopback, where nothing is lost, and no more: no record-route, no timers, no choice of
the best refusal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from sipstack.message import MalformedMessage, Request, Response, Via, parse_message
from sipstack.transport import open_quiet_nursery

__all__ = ["ForkRelay", "open_fork_relay"]

_LARGEST = 65_535  # bytes of a UDP datagram
_ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'  # RFC 3326, section 3.1

_Place = tuple[str, int]


@asynccontextmanager
async def open_fork_relay(host: str) -> AsyncIterator[ForkRelay]:
    """Serve at any port of an address until the block is left.

    Cancelling the block does not end the service before: those in it have yet to hang up and to un-register.
    """
    serving = trio.CancelScope(shield=True)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as socket:
        await socket.bind((host, 0))
        relay = ForkRelay(socket)

        async def serve() -> None:
            with serving:
                await relay.run()

        async with open_quiet_nursery() as nursery:
            nursery.start_soon(serve)
            try:
                yield relay
            finally:
                serving.cancel()


@attrs.define(eq=False)
class _Branch:
    """Hold an INVITE as it went to one contact.

    :ivar source: where it came from.
    :ivar code: of its final response; 0 for none yet.
    """

    invite: Request
    target: _Place
    source: _Place
    code: int = 0


class ForkRelay:
    """Forward an INVITE for a registered user, the only one of its life, to all of the user's contacts.

    :param socket: a bound UDP socket.
    """

    def __init__(self, socket: trio.socket.SocketType) -> None:
        self._socket = socket
        self.host, self.port = socket.getsockname()
        self._contacts: dict[str | None, dict[str, _Place]] = {}
        self._branches: dict[str, _Branch] = {}

    @property
    def place(self) -> str:
        """Where it listens: ``host:port``."""
        return f"{self.host}:{self.port}"

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            data, source = await self._socket.recvfrom(_LARGEST)
            try:
                message = parse_message(data)
                if isinstance(message, Request):
                    await self._take_request(message, source)
                else:
                    await self._take_response(message)
            except MalformedMessage:  # not from the scene
                continue

    async def _take_request(self, request: Request, source: _Place) -> None:
        match request.method:
            case "REGISTER":
                await self._register(request, source)
            case "INVITE":
                await self._fork(request, source)
            case "CANCEL":
                await self._send(request.create_response(200), source)
                await self._cancel(source, request.headers.get("Reason"))

    async def _register(self, request: Request, source: _Place) -> None:
        contacts = self._contacts.setdefault(request.to_address.uri.user, {})
        response = request.create_response(200, to_tag="registrar")
        for contact in request.contact:
            contacts.pop(str(contact.uri), None)
            if request.expires:
                contacts[str(contact.uri)] = source
                response.headers.add("Contact", f"<{contact.uri}>;expires={request.expires}")
        await self._send(response, source)

    async def _fork(self, request: Request, source: _Place) -> None:
        for number, (uri, target) in enumerate(self._contacts.get(request.uri.user, {}).items(), 1):
            invite = Request("INVITE", uri, request.body, request.headers.items())
            branch = f"{request.top_via.branch}-{number}"
            invite.headers.prepend("Via", str(Via.parse(f"SIP/2.0/UDP {self.place};branch={branch}")))
            invite.headers.set("Max-Forwards", "69")
            self._branches[branch] = _Branch(invite, target, source)
            await self._send(invite, target)

    async def _take_response(self, response: Response) -> None:
        branch = self._branches.get(response.top_via.branch or "")
        if branch is None or response.code == 100 or response.cseq.method != "INVITE":
            return
        if response.is_final:
            branch.code = response.code
        if response.code >= 300:
            ack = self._hop_by_hop("ACK", branch)
            ack.headers.set("To", response.headers["To"])
            await self._send(ack, branch.target)
            if any(other.code < 300 for other in self._branches.values()):
                return
        response.headers.setlist("Via", response.headers.getlist("Via")[1:])
        await self._send(response, branch.source)
        if response.is_success:
            await self._cancel(branch.source, _ELSEWHERE)

    async def _cancel(self, source: _Place, reason: str | None) -> None:
        """Cancel what is still open of the INVITE that came from somewhere."""
        for branch in self._branches.values():
            if not branch.code and branch.source == source:
                cancel = self._hop_by_hop("CANCEL", branch)
                if reason is not None:
                    cancel.headers.set("Reason", reason)
                await self._send(cancel, branch.target)

    def _hop_by_hop(self, method: str, branch: _Branch) -> Request:
        """Make a request that goes the way of an INVITE, under the same branch."""
        invite = branch.invite
        request = Request(method, invite.uri)
        request.headers.add("Via", str(invite.top_via))
        request.headers.add("Max-Forwards", "70")
        for name in ("From", "To", "Call-ID"):
            request.headers.copy_from(invite.headers, name)
        request.headers.add("CSeq", f"{invite.cseq.sequence} {method}")
        return request

    async def _send(self, message: Request | Response, target: _Place) -> None:
        await self._socket.sendto(bytes(message), target)
