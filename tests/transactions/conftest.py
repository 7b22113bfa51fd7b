"""A layer in virtual time, machines in any state, and messages to feed them."""

import random

import pytest

from sipstack.message import DEFAULT_LIMITS, Request, Tokens, parse_message
from sipstack.timers import TimerValues
from sipstack.transactions import (
    AckReceived,
    CancelReceived,
    Dropped,
    Flow,
    RequestReceived,
    ResponseReceived,
    Send,
    TransactionEnded,
    TransactionFailed,
    TransactionLayer,
    _effects,
)

PEER = "192.0.2.1"
OURS = "192.0.2.9"


def make_flow(transport="UDP", remote=(PEER, 5060), connection=0):
    port = 5061 if transport in ("TLS", "WSS") else 5060
    return Flow(transport, (OURS, port), remote, f"{OURS}:{port}", connection)


def request_bytes(
    method="OPTIONS",
    *,
    branch="z9hG4bKpeer1",
    sent_by=f"{PEER}:5060",
    via=None,
    uri="sip:us@192.0.2.9",
    from_tag="theirs",
    to_tag=None,
    call_id="call-1",
    cseq=1,
    cseq_method=None,
    extra=(),
    transport="UDP",
):
    via = via or f"SIP/2.0/{transport} {sent_by};branch={branch};rport"
    tag = f";tag={from_tag}" if from_tag else ""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via}",
        "Max-Forwards: 70",
        f"From: <sip:them@192.0.2.1>{tag}",
        "To: <sip:us@192.0.2.9>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {cseq_method or method}",
        *extra,
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def own_request(method="OPTIONS", *, extra=(), cseq=1, body=b""):
    return Request(
        method,
        "sip:them@192.0.2.1",
        body,
        [
            *extra,
            ("Max-Forwards", "70"),
            ("From", "<sip:us@192.0.2.9>;tag=ours"),
            ("To", "<sip:them@192.0.2.1>"),
            ("Call-ID", "call-1"),
            ("CSeq", f"{cseq} {method}"),
        ],
    )


def response_bytes(sent, code, *, to_tag="remote", via=None):
    request = parse_message(sent)
    response = request.create_response(code, to_tag=to_tag)
    if via is not None:
        response.headers.set("Via", via)
    return response.serialise()


def said(output):
    """Say in a few words what came out of a machine or the layer."""
    match output:
        case Send() | _effects.Send():
            return "send " + output.data.partition(b"\r\n")[0].decode().removesuffix(" SIP/2.0").removeprefix(
                "SIP/2.0 "
            )
        case RequestReceived():
            return f"request {output.request.method}"
        case AckReceived():
            return "ack"
        case CancelReceived():
            return "cancel"
        case ResponseReceived():
            return f"response {output.response.code}"
        case TransactionFailed() | _effects.Failed():
            return f"failed {output.kind}"
        case TransactionEnded() | _effects.Ended():
            return "ended"
        case Dropped():
            return f"dropped {output.reason}"
        case _effects.StartTimer():
            return f"start {output.timer.name} {output.delay:g}"
        case _effects.StopTimer():
            return f"stop {output.timer.name}"
        case _effects.Deliver():
            message = output.message
            return f"deliver {message.method if isinstance(message, Request) else message.code}"
    raise AssertionError(output)


def short(word):
    """Keep of a line sent only the method or the code."""
    return " ".join(word.split(" ")[:2]) if word.startswith("send ") else word


class Lab:
    """Drive one layer, and keep what came out of it with its time."""

    def __init__(self, transport="UDP", *, limits=DEFAULT_LIMITS, timers=None, seed=1):
        self.layer = TransactionLayer(
            tokens=Tokens(random.Random(seed).randbytes), limits=limits, timers=timers or TimerValues()
        )
        self.flow = make_flow(transport)
        self.now = 0.0
        self.log = []

    def collect(self):
        """Take what came out; return it in words."""
        taken = list(self.layer.outputs)
        self.layer.outputs.clear()
        self.log += [(self.now, output) for output in taken]
        return [short(said(output)) for output in taken]

    def receive(self, data, flow=None):
        self.layer.receive(data, flow or self.flow, self.now)
        return self.collect()

    def last(self, kind):
        return next(output for _, output in reversed(self.log) if isinstance(output, kind))

    def sent(self):
        return [output for _, output in self.log if isinstance(output, Send)]

    def times(self, words):
        """Say when this came out."""
        return [time for time, output in self.log if short(said(output)) == words]

    def request(self, method="OPTIONS", flow=None, **more):
        transaction = self.layer.send_request(own_request(method, **more), flow or self.flow, self.now)
        words = self.collect()
        return transaction, words

    def respond(self, transaction, code, **more):
        response = transaction.request.create_response(code, to_tag="ours", **more)
        self.layer.respond(transaction, response, self.now)
        return self.collect()

    def accept(self, method="OPTIONS", flow=None, **more):
        """Receive a request and return its transaction."""
        self.receive(request_bytes(method, **more), flow)
        return self.last(RequestReceived).transaction

    def run(self, seconds):
        """Let virtual time pass, one deadline after the other."""
        until = self.now + seconds
        words = []
        while (deadline := self.layer.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.layer.expire(self.now)
            words += self.collect()
        self.now = until
        return words

    def is_empty(self):
        layer = self.layer
        tables = (layer._clients, layer._servers, layer._acks, layer._merges, layer._streams)
        return len(layer) == 0 and len(layer.queue) == 0 and not any(tables)


class Kit:
    """What test modules share."""

    Lab = Lab
    flow = staticmethod(make_flow)
    request_bytes = staticmethod(request_bytes)
    response_bytes = staticmethod(response_bytes)
    own_request = staticmethod(own_request)
    said = staticmethod(said)

    @staticmethod
    def words(effects):
        return [short(said(effect)) for effect in effects]


@pytest.fixture(scope="session")
def kit():
    return Kit


@pytest.fixture
def lab():
    return Lab()


@pytest.fixture
def tcp_lab():
    return Lab("TCP")
