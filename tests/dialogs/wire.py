"""Two user agents joined by a wire in memory, in virtual time; the wire may lose, repeat and delay."""

from __future__ import annotations

import heapq
from random import Random

import attrs

from sipstack.dialogs import (
    AckReceived,
    Capabilities,
    ClientInvite,
    DialogLayer,
    DialogRequest,
    InviteAnswered,
    InviteReceived,
    InviteUsage,
    Output,
    Route,
    ServerInvite,
)
from sipstack.message import DEFAULT_LIMITS, Address, Limits, Request, Response, Tokens, parse_message
from sipstack.timers import TimerValues
from sipstack.transactions import Flow, Send, TransactionLayer

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "MESSAGE", "UPDATE")
RELIABLE = Capabilities(methods=(*METHODS, "PRACK"), supported=("100rel",), user_agent="test", server="test")
"What a peer can do that takes reliable provisional responses."
SDP = b"v=0\r\n"
SDP_TYPE = "application/sdp"


@attrs.define(eq=False)
class Peer:
    """One user agent: its layer, its address, and what came out of it so far."""

    name: str
    host: str
    layer: DialogLayer
    events: list[Output] = attrs.field(factory=list)
    is_routing: bool = True

    def flow_to(self, other: Peer, transport: str = "UDP") -> Flow:
        connection = 0 if transport == "UDP" else 1
        return Flow(transport, (self.host, 5060), (other.host, 5060), f"{self.host}:5060", connection)

    def of(self, kind: type) -> list:
        """Return the events of a class, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def one(self, kind: type):
        """Return the only event of a class."""
        (event,) = self.of(kind)
        return event


@attrs.define
class Passage:
    """One message on the wire."""

    time: float
    sender: str
    what: str
    message: Request | Response
    is_lost: bool

    def __str__(self) -> str:
        return f"{self.sender} {self.what}"


class Wire:
    """Carry datagrams between peers, and keep the time."""

    def __init__(
        self,
        seed: int = 1,
        *,
        loss: float = 0.0,
        duplication: float = 0.0,
        jitter: float = 0.0,
        transport: str = "UDP",
        capabilities: Capabilities | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.random = Random(seed)
        self.loss, self.duplication, self.jitter = loss, duplication, jitter
        self.transport = transport
        self.now = 0.0
        self.delay = 0.01
        self.passages: list[Passage] = []
        self.peers: dict[str, Peer] = {}
        self._queue: list[tuple[float, int, Peer, bytes, Flow]] = []
        self._serial = 0
        self.drop_next: list[str] = []
        capabilities = capabilities or Capabilities(methods=METHODS, user_agent="test", server="test")
        for number, name in enumerate("ab", 1):
            tokens = Tokens(self.random.randbytes)
            transactions = TransactionLayer(tokens=tokens, timers=TimerValues(), limits=limits)
            layer = DialogLayer(transactions, tokens=tokens, capabilities=capabilities, limits=limits)
            self.peers[name] = Peer(name, f"192.0.2.{number}", layer)
        self.a, self.b = self.peers["a"], self.peers["b"]

    @property
    def is_carrying(self) -> bool:
        """Whether a message is on its way, or waits to be sent."""
        return bool(self._queue) or any(peer.layer.outputs for peer in self.peers.values())

    def other(self, peer: Peer) -> Peer:
        return self.b if peer is self.a else self.a

    def flush(self) -> None:
        """Take what the layers put out: send, route, keep."""
        again = True
        while again:
            again = False
            for peer in self.peers.values():
                outputs = peer.layer.outputs
                while outputs:
                    again = True
                    output = outputs.popleft()
                    if isinstance(output, Send):
                        self._carry(peer, output)
                    elif isinstance(output, Route) and peer.is_routing:
                        flow = peer.flow_to(self.other(peer), self.transport)
                        peer.layer.routed(output.outgoing, flow, self.now)
                    else:
                        peer.events.append(output)

    def _carry(self, peer: Peer, output: Send) -> None:
        message = parse_message(output.data)
        what = message.method if isinstance(message, Request) else f"{message.code} {message.cseq.method}"
        is_lost = self.random.random() < self.loss
        if f"{peer.name} {what}" in self.drop_next:
            self.drop_next.remove(f"{peer.name} {what}")
            is_lost = True
        self.passages.append(Passage(self.now, peer.name, what, message, is_lost))
        if is_lost:
            return
        copies = 2 if self.random.random() < self.duplication else 1
        target = self.other(peer)
        for _ in range(copies):
            self._serial += 1
            at = self.now + self.delay + self.random.random() * self.jitter
            heapq.heappush(self._queue, (at, self._serial, target, output.data, target.flow_to(peer, self.transport)))

    def step(self, until: float) -> bool:
        """Go to the next thing that happens, at the latest to ``until``; False when nothing happens before."""
        self.flush()
        times = [self._queue[0][0]] if self._queue else []
        for peer in self.peers.values():
            deadline = peer.layer.next_deadline()
            if deadline is not None:
                times.append(deadline)
        if not times or min(times) > until:
            self.now = max(self.now, until)
            return False
        self.now = max(self.now, *[min(times)])
        while self._queue and self._queue[0][0] <= self.now:
            _, _, target, data, flow = heapq.heappop(self._queue)
            if self.transport == "UDP":
                target.layer.receive(data, flow, self.now)
            else:
                target.layer.receive_message(parse_message(data), flow, self.now)
            self.flush()
        for peer in self.peers.values():
            peer.layer.expire(self.now)
        self.flush()
        return True

    def run(self, seconds: float = 1.0) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.step(until):
            pass

    def drain(self) -> None:
        """Let everything end that ends by itself."""
        while self.step(self.now + 400.0):
            pass

    def sent(self, since: float = -1.0) -> list[str]:
        """Return what was sent, lost or not, in order."""
        return [str(passage) for passage in self.passages if passage.time > since]

    def times(self, what: str) -> list[float]:
        """Return when something was sent, in seconds after its first time."""
        times = [passage.time for passage in self.passages if str(passage) == what]
        return [round(time - times[0], 3) for time in times]

    def last(self, what: str):
        """Return the last message sent of a kind, as it went over the wire."""
        return [passage.message for passage in self.passages if str(passage) == what][-1]

    def inject(self, target: Peer, data: bytes) -> None:
        """Deliver bytes that nobody sent."""
        target.layer.receive(data, target.flow_to(self.other(target), self.transport), self.now)
        self.flush()

    # Common beginnings.

    def invite(self, *, body: bytes = SDP, headers: tuple[tuple[str, str], ...] = ()) -> ClientInvite:
        return self.a.layer.invite(make_invite(body=body, headers=headers))

    def ring(self, *, body: bytes = SDP) -> tuple[ClientInvite, ServerInvite]:
        """Bring a call to ringing."""
        invite = self.invite(body=body)
        self.run(0.1)
        received = self.b.one(InviteReceived).invite
        self.b.layer.respond(received, 180, self.now)
        self.run(0.1)
        return invite, received

    def accept(self, invite: ServerInvite, *, contact: Address | None = None) -> None:
        """Answer an INVITE with 200 and a description."""
        self.b.layer.respond(invite, 200, self.now, body=SDP, content_type=SDP_TYPE, contact=contact)

    def answer(self, *, body: bytes = SDP, answer: bytes = SDP) -> tuple[InviteUsage, InviteUsage]:
        """Bring a call up and return both legs."""
        _, received = self.ring(body=body)
        self.b.layer.respond(received, 200, self.now, body=answer, content_type=SDP_TYPE if answer else None)
        self.run(0.1)
        usage = self.a.one(InviteAnswered).usage
        assert body == b"" or self.b.one(AckReceived).usage is received.usage
        return usage, received.usage

    def reinvited(self, peer: Peer) -> DialogRequest:
        """Return the last request a peer got within a dialog."""
        return peer.of(DialogRequest)[-1]


def make_invite(
    *, uri: str = "sip:bob@192.0.2.2", body: bytes = SDP, headers: tuple[tuple[str, str], ...] = ()
) -> Request:
    fields = [("From", "Alice <sip:alice@192.0.2.1>"), *headers]
    if body:
        fields.append(("Content-Type", SDP_TYPE))
    return Request("INVITE", uri, body, fields)


def make_request(method: str, *, uri: str = "sip:bob@192.0.2.2", **fields: str) -> Request:
    headers = [("From", "<sip:alice@192.0.2.1>")]
    headers += [(name.replace("_", "-"), value) for name, value in fields.items()]
    return Request(method, uri, b"", headers)


def assert_idle(wire: Wire) -> None:
    """Check that nothing is left of any call at either end."""
    for peer in wire.peers.values():
        layer = peer.layer
        assert not layer.dialogs
        assert not layer.invites
        assert not layer.requests
        assert not layer.unanswered
        assert not layer.superseded
        assert len(layer.transactions) == 0
        assert len(layer.transactions.queue) == 0
        assert layer.next_deadline() is None
        assert not layer.outputs
