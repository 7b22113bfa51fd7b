"""Nothing a peer does escapes the endpoint's core, all it sends is a message, and after silence it holds nothing.

Targets `sipstack.dialogs.DialogLayer` with the transactions under it (:rfc:`3261#section-12` to 15), driven as an
endpoint drives it: datagrams and stream messages in, timers, routes, and a user who answers, calls and hangs up. An
input is a script: see `fuzz/_script.py`.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from functools import partial

import attrs

from fuzz._calls import CALLS
from fuzz._script import FLOWS, OUR_CODES, SCRIPTS, SDP, Script, peer_request, peer_response, sent
from fuzz._world import World
from sipstack.dialogs import (
    Capabilities,
    ClientInvite,
    DialogLayer,
    DialogRequest,
    DialogSnapshot,
    InviteFailed,
    InviteReceived,
    Outgoing,
    OutOfDialogRequest,
    Route,
    ServerInvite,
    SessionTimerPolicy,
    retry_request,
)
from sipstack.message import Limits, LocalProtocolError, Request, Response, Tokens
from sipstack.transactions import Dropped, Flow, Send, ServerTransaction, TransactionLayer

__all__ = ["DRAWS", "check"]

DRAWS = CALLS | SCRIPTS

_LIMITS = Limits(transactions=24, dialogs=8)
_TIMER = SessionTimerPolicy(interval=300)
_MOST_STEPS = 200
_SILENCE = 800.0  # seconds: longer than all timers of a call one after the other
_METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "MESSAGE", "UPDATE", "PRACK", "REGISTER")


def _core() -> DialogLayer:
    tokens = Tokens(random.Random(7).randbytes)
    transactions = TransactionLayer(tokens=tokens, limits=_LIMITS)
    capabilities = Capabilities(methods=_METHODS, supported=("100rel", "timer"), server="us", user_agent="us")
    return DialogLayer(transactions, tokens=tokens, capabilities=capabilities, limits=_LIMITS, session_timer=_TIMER)


@attrs.define
class _World(World):
    """A core, its driver and its user."""

    layer: DialogLayer = attrs.field(factory=_core)
    now: float = 0.0
    flow: Flow = FLOWS[0]
    invites: list[ServerInvite] = attrs.field(factory=list)
    calls: list[ClientInvite] = attrs.field(factory=list)
    waiting: list[ServerTransaction] = attrs.field(factory=list)
    outgoing: list[Outgoing] = attrs.field(factory=list)
    requests: list[Request] = attrs.field(factory=list)
    tags: list[str] = attrs.field(factory=lambda: ["us"])
    refused: list[tuple[ClientInvite, Request]] = attrs.field(factory=list)
    racks: list[str] = attrs.field(factory=list)
    is_routing: bool = True

    def drain(self) -> None:
        outputs = self.layer.outputs
        while outputs:
            output = outputs.popleft()
            match output:
                case Send():
                    self._note(sent(output.data))
                case Route():
                    self.outgoing = [*self.outgoing[-7:], output.outgoing]
                    if self.is_routing:
                        self.layer.routed(output.outgoing, self.flow, self.now)
                    else:
                        self.layer.unroutable(output.outgoing, "no way", self.now)
                case InviteReceived():
                    self.invites = [*self.invites[-7:], output.invite]
                case DialogRequest() | OutOfDialogRequest():
                    self.waiting = [*self.waiting[-7:], output.transaction]
                case InviteFailed(response=Response() as response):
                    request = output.invite.request
                    self.refused = [
                        *self.refused[-3:],
                        (output.invite, retry_request(request, response) or request.copy()),
                    ]
                case Dropped():
                    assert output.reason.isascii()
                case _:
                    pass
        assert len(self.layer.dialogs) <= _LIMITS.dialogs + len(self.calls) * 8, "more dialogs than the limit"

    def _note(self, message: Request | Response) -> None:
        if isinstance(message, Request):
            if message.method != "ACK":
                self.requests = [*self.requests[-7:], message]
            tag = message.from_tag
        else:
            # Not to_tag: a refusal may give back a To that nobody can read.
            if "RSeq" in message.headers:
                self.racks = [*self.racks[-3:], f"RAck: {message.headers['RSeq']} {message.headers['CSeq']}\r\n"]
            tag = (message.headers.get("To") or "").partition(";tag=")[2]
        if tag and tag not in self.tags:
            self.tags = [*self.tags[-5:], tag]


def check(data: bytes) -> None:
    script = Script(data)
    world = _World()
    steps = 0
    while not script.is_over and steps < _MOST_STEPS:
        steps += 1
        _step(script, world)
        world.drain()
    world.is_routing = True
    _end(world)
    layer = world.layer
    assert not layer.dialogs, "a dialog outlives its call"
    assert not layer.invites, "an INVITE outlives its transaction"
    assert not layer.requests, "a request of ours waits for ever"
    assert not layer.superseded, "a leg that was refused waits for ever"
    assert not layer.unanswered, "a request of the peer waits for ever"
    assert len(layer.transactions) == 0, "a transaction outlives its timers"
    assert layer.next_deadline() is None, "a timer outlives its owner"


def _end(world: _World) -> None:
    """Do what a user does when it leaves: refuse, cancel, hang up; then let all timers run out."""
    layer = world.layer
    for _ in range(3):
        for transaction in [*layer.unanswered, *layer.invites]:
            _allowed(partial(layer.respond_request, transaction, 480, world.now))
            world.drain()
        for call in world.calls:
            _allowed(partial(layer.cancel, call, world.now))
            world.drain()
        for usage in list(layer.dialogs.values()):
            _allowed(partial(layer.bye, usage, world.now))
            world.drain()
        world.pass_time(_SILENCE)


def _allowed(command: Callable[[], object]) -> None:
    # What our own user may not do in this state; only its own commands come here, nothing that a peer sent.
    with contextlib.suppress(LocalProtocolError):
        command()


def _step(script: Script, world: _World) -> None:
    flow = script.choose(FLOWS)
    match script.number(8):
        case 0:
            world.receive(script.raw(), flow)
        case 1 | 2 | 3:
            world.receive(peer_request(script, tags=world.tags, racks=world.racks), flow)
        case 4 if world.requests:
            world.receive(peer_response(script, script.latest(world.requests)), flow)
        case 5 | 6:
            _allowed(lambda: _command(script, world))
        case 7:
            world.pass_time(script.choose((0.0, 0.1, 0.5, 1.0, 4.0, 32.0, 33.0, 200.0)))
        case _:
            return


def _check_snapshot(text: str, now: float) -> None:
    """Check that a call that another process goes on with is the same call."""
    other = _core()
    usage = other.restore(DialogSnapshot.parse(text), now)
    assert str(other.snapshot(usage, now)) == text, "a restored call has another snapshot"


def _command(script: Script, world: _World) -> None:
    """Do something that a user or a driver may want at any time."""
    layer, now = world.layer, world.now
    code = script.choose(OUR_CODES)
    body = script.choose((b"", SDP))
    kind = "application/sdp" if body else None
    usages = list(layer.dialogs.values())
    match script.number(16):
        case 0 | 1 if world.invites:
            reliable = script.choose((None, None, True, False))
            layer.respond(script.latest(world.invites), code, now, body=body, content_type=kind, reliable=reliable)
        case 2 | 3 if world.waiting:
            layer.respond_request(script.latest(world.waiting), code, now, body=body, content_type=kind)
        case 4:
            fields = [("From", "<sip:us@192.0.2.9>"), *([("Content-Type", kind)] if kind else [])]
            request = Request("INVITE", script.choose(("sip:them@192.0.2.1", "sips:them@192.0.2.1")), body, fields)
            world.calls.append(layer.invite(request, pracks_by_hand=script.flag()))
        case 5:
            layer.request(
                Request(
                    script.choose(("OPTIONS", "REGISTER", "MESSAGE")),
                    "sip:them@192.0.2.1",
                    b"",
                    [("From", "<sip:us@h>")],
                )
            )
        case 6 if usages:
            layer.bye(script.latest(usages), now)
        case 7 if usages:
            layer.reinvite(script.latest(usages), now, body=body, content_type=kind)
        case 8 if usages:
            layer.dialog_request(script.latest(usages), script.choose(("INFO", "UPDATE", "OPTIONS")), now)
        case 9 if usages:
            layer.acknowledge(script.latest(usages), now, body=body, content_type=kind)
        case 10 if world.calls:
            layer.cancel(script.latest(world.calls), now)
        case 11 if usages:
            layer.prack(script.latest(usages), now, body=body, content_type=kind)
        case 12 if usages:
            layer.update(script.latest(usages), now, body=body, content_type=kind)
        case 13 if usages:
            _check_snapshot(str(layer.snapshot(script.latest(usages), now)), now)
        case 14 if world.refused:
            layer.resend(*script.latest(world.refused))
        case 15:
            world.flow = script.choose(FLOWS)
            world.is_routing = not script.flag()
            layer.connection_lost(world.flow, "reset", now)
        case _:
            return
