"""An exhaustive explorer: every order in which two user agents, their users, their timers and the network may act.

A global state is the state of each side and the set of messages on their way. A step is one of

- a message arrives; or arrives and stays, as a copy, while copies are left to make; or is lost, while losses are left;
- a timer fires: one that sends again, once for each message that was lost, and while copies are left, for that is what
  it makes; one that gives up or forgets, only while nothing is on its way, for no message lives so long (T4 is its
  life, :rfc:`3261#section-17.1.2.2`), and those of 64*T1 in the order they were started; the caller's glare timer, of
  more than 2 s, once nothing is on its way and the callee's has fired: to cross again is only to cross again;
- a user gives a command.

Time itself is left out: all is done at 0, so that what the explorer finds holds for every speed. A message that is sent
again while it is still on its way is the same message, which keeps the number of states finite.

What a side does depends on nothing but its own state, so each side's steps are taken once and looked up afterwards: the
number of global states costs little. A side is kept as a pickle and known by `canonical`, which walks everything it
holds but counters, caches and lengths of intervals.
"""

from __future__ import annotations

import enum
import pickle
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

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
    Outgoing,
    Route,
    ServerInvite,
)
from sipstack.message import Request, Response, Tokens
from sipstack.timers import TimerQueue
from sipstack.transactions import ClientTransaction, Dropped, Flow, Send, ServerTransaction, TransactionLayer

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE", "INFO")
REPEATS = frozenset(["A", "E", "G", "RETRANSMIT", "REFRESH"])
"Timers that send something again."
IN_ORDER = frozenset(["B", "D", "F", "H", "J", "L", "M", "GIVE_UP"])
"Timers of 64*T1."
GIVES_UP = frozenset(["B", "F", "H", "GIVE_UP"])

SDP_TYPE = "application/sdp"


class FixedTokens(Tokens):
    """Draw tokens that depend on nothing but how many requests were made before."""

    __slots__ = ("count", "name")

    def __init__(self, name: str) -> None:
        super().__init__(bytes)
        self.name, self.count = name, 0

    def __reduce__(self) -> Any:
        return _tokens_again, (self.name, self.count)

    def branch(self) -> str:
        self.count += 1
        return f"z9hG4bK-{self.name}-{self.count}"

    def tag(self) -> str:
        return f"tag-{self.name}"

    def call_id(self) -> str:
        return "call"

    def cnonce(self) -> str:
        return "cnonce"

    def number(self, bits: int) -> int:
        return 1

    def fraction(self) -> float:
        return 0.5


def _tokens_again(name: str, count: int) -> FixedTokens:
    tokens = FixedTokens(name)
    tokens.count = count
    return tokens


class Side:
    """One user agent and what its user knows of."""

    def __init__(self, name: str) -> None:
        self.name = name
        tokens = FixedTokens(name)
        methods = Capabilities(methods=METHODS, supported=("100rel",))
        self.layer = DialogLayer(TransactionLayer(tokens=tokens), tokens=tokens, capabilities=methods)
        self.invite: ClientInvite | None = None
        self.received: ServerInvite | None = None
        self.usage: InviteUsage | None = None
        self.asked: list[ServerTransaction] = []
        "Requests that wait for the user's answer."
        self.done: Counter[str] = Counter()
        "Commands given, and what the user was told, each as often as twice."
        self.has_given_up = False
        "Whether a timer fired that gives something up: then the other side need not know."

    @property
    def flow(self) -> Flow:
        ours, theirs = ("192.0.2.1", "192.0.2.2") if self.name == "a" else ("192.0.2.2", "192.0.2.1")
        return Flow("UDP", (ours, 5060), (theirs, 5060), f"{ours}:5060")

    def note(self, what: str) -> None:
        self.done[what] = min(2, self.done[what] + 1)

    def flush(self) -> list[bytes]:
        """Take what the layer put out; return the messages."""
        sent: list[bytes] = []
        outputs = self.layer.outputs
        while outputs:
            output = outputs.popleft()
            if isinstance(output, Send):
                sent.append(output.data)
                if output.data.startswith(b"ACK") and output.transaction is None:
                    self.note("ACK sent")
            elif isinstance(output, Route):
                self.layer.routed(output.outgoing, self.flow, 0.0)
            elif not isinstance(output, Dropped):
                self.note(type(output).__name__)
                if isinstance(output, InviteReceived):
                    self.received, self.usage = output.invite, output.invite.usage
                elif isinstance(output, InviteAnswered):
                    self.usage = output.usage
                elif isinstance(output, DialogRequest):
                    self.asked.append(output.transaction)
                elif isinstance(output, AckReceived):
                    assert output.usage is self.usage
        self.asked = [each for each in self.asked if self.layer.awaits_answer(each)]
        self.layer.counters.clear()
        return sent

    def timers(self) -> dict[str, tuple[Any, Any]]:
        """Return what runs, by a name that is the same in equal states."""
        return {
            f"{_timer_name(timer)} of {_owner_name(owner)}": (owner, timer) for owner, timer in _running(self.layer)
        }

    def fire(self, name: str) -> None:
        owner, timer = self.timers()[name]
        self.layer._queue.start(owner, timer, 0.0)
        self.layer.expire(0.0)


def _running(layer: DialogLayer) -> Iterable[tuple[Any, Any]]:
    return [(owner, timer) for _, owner, timer in layer._queue._live.values()]


def _timer_name(timer: Any) -> str:
    return str(timer.name)


def kind_of(timer: str) -> str:
    return timer.split(" of ")[0]


def _owner_name(owner: Any) -> str:
    if isinstance(owner, Outgoing):
        return f"deferred {owner.request.method}"
    if isinstance(owner, ClientTransaction):
        return f"{type(owner).__name__} {owner.branch}"
    if isinstance(owner, ServerTransaction):
        return f"{type(owner).__name__} {owner.key}"
    if isinstance(owner, ServerInvite):
        return f"the 2xx to {owner.transaction.key}"
    if isinstance(owner, ClientInvite):
        return "the INVITE"
    return f"{type(owner).__name__} {getattr(owner, 'rseq', '')}"


_SKIPPED = frozenset(
    # Counts, caches, fixed values, and intervals, which time that is left out makes meaningless.
    [
        "_handlers",
        "_interval",
        "_replies",
        "capabilities",
        "counters",
        "interval",
        "limits",
        "session_timer",
        "timers",
        "values",
    ]
)


def canonical(side: Side) -> tuple[Any, ...]:
    """Return everything a side holds as one value, equal for sides that behave the same."""
    seen: dict[int, int] = {}

    def walk(thing: Any) -> Any:
        if thing is None or isinstance(thing, (str, bytes, int, float)):
            return thing
        if isinstance(thing, enum.Enum):
            return (type(thing).__name__, thing.name)
        if isinstance(thing, (Request, Response)):
            return bytes(thing)
        if isinstance(thing, (tuple, list, deque)):
            return tuple(walk(each) for each in thing)
        if isinstance(thing, (set, frozenset)):
            return tuple(sorted(map(repr, map(walk, thing))))
        if isinstance(thing, dict):
            return tuple((walk(key), walk(value)) for key, value in thing.items())
        if id(thing) in seen:
            return ("again", seen[id(thing)])
        seen[id(thing)] = len(seen)
        if isinstance(thing, TimerQueue):
            return tuple(sorted(side.timers()))
        if isinstance(thing, FixedTokens):
            return thing.count
        if callable(thing):
            return None
        names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        names += list(getattr(thing, "__dict__", ()))
        fields = ((name, walk(getattr(thing, name, None))) for name in names if name not in _SKIPPED)
        return (type(thing).__name__, tuple(field for field in fields if not field[0].startswith("__")))

    return (
        side.name,
        side.has_given_up,
        *walk([side.layer, side.invite, side.received, side.usage, side.asked]),
        tuple(sorted(side.done.items())),
    )


@attrs.frozen
class Node:
    """One state of one side."""

    pickled: bytes = attrs.field(repr=False)
    timers: tuple[str, ...]
    commands: tuple[str, ...]
    facts: Any
    is_idle: bool


@attrs.frozen(cache_hash=True)
class State:
    """One state of all: each side by number, messages on their way by number, copies and losses left, and the order."""

    a: int
    b: int
    wire: frozenset[int]
    copies: int
    losses: int
    lost: int = 0
    "How many losses a timer has not yet been fired for."
    order: tuple[frozenset[tuple[str, str]], ...] = ()
    "Timers of 64*T1 that run, by side and name: what was started together is together, the oldest first."


class Model(ABC):
    """What is explored: how it begins, what users do, what must hold."""

    copies = 0
    losses = 0

    def begin(self) -> tuple[Side, Side, list[bytes]]:
        """Return both sides, and what is on its way to b."""
        return Side("a"), Side("b"), []

    @abstractmethod
    def commands(self, side: Side) -> list[str]:
        """Return what a side's user may do now."""

    @abstractmethod
    def perform(self, side: Side, command: str) -> None:
        """Do it."""

    @abstractmethod
    def facts(self, side: Side) -> Any:
        """Return what `check` has to know of a side."""

    def is_over(self, a: Any, b: Any) -> bool:
        """Tell whether nothing more need happen, where no timer runs and nothing is on its way; by default never."""
        return False

    @abstractmethod
    def check(self, a: Any, b: Any, is_quiet: bool) -> str | None:
        """Say what is wrong with a state, None when nothing is; quiet is when nothing is on its way."""


def _paid(state: State) -> State:
    if state.lost:
        return attrs.evolve(state, lost=state.lost - 1)
    return attrs.evolve(state, copies=state.copies - 1)


class Explorer:
    """Explore a model, breadth first.

    :ivar states: every global state found, and how it was come by first.
    :ivar is_complete: whether there are no more.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes: list[Node] = []
        self.messages: list[tuple[str, bytes]] = []
        self.states: dict[State, tuple[State, str] | None] = {}
        self.edges: dict[State, list[State]] = {}
        self.transitions = 0
        self.depth = 0
        self.is_complete = False
        self._known: dict[tuple[Any, ...], int] = {}
        self._numbers: dict[tuple[str, bytes], int] = {}
        self._steps: dict[tuple[int, str, int | str], tuple[int, tuple[int, ...]]] = {}

    # One side.

    def _intern(self, side: Side) -> int:
        key = canonical(side)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self.nodes)
            timers = tuple(sorted(side.timers()))
            is_idle = not (timers or side.layer.dialogs or side.layer.requests or len(side.layer.transactions))
            commands = tuple(self.model.commands(side))
            self.nodes.append(Node(pickle.dumps(side), timers, commands, self.model.facts(side), is_idle))
        return number

    def _number(self, target: str, data: bytes) -> int:
        number = self._numbers.get((target, data))
        if number is None:
            number = self._numbers[target, data] = len(self.messages)
            self.messages.append((target, data))
        return number

    def _step(self, number: int, kind: str, what: int | str) -> tuple[int, tuple[int, ...]]:
        """Let one side take a step; return its new state and what it sent."""
        key = (number, kind, what)
        known = self._steps.get(key)
        if known is not None:
            return known
        side: Side = pickle.loads(self.nodes[number].pickled)
        if kind == "arrive":
            side.layer.receive(self.messages[int(what)][1], side.flow, 0.0)
        elif kind == "fire":
            side.has_given_up = side.has_given_up or kind_of(str(what)) in GIVES_UP
            side.fire(str(what))
        else:
            side.note(str(what))
            self.model.perform(side, str(what))
        other = "b" if side.name == "a" else "a"
        sent = tuple(self._number(other, data) for data in side.flush())
        result = self._steps[key] = (self._intern(side), sent)
        return result

    # All.

    def _successors(self, state: State) -> Iterable[tuple[str, State]]:
        for message in state.wire:
            target, data = self.messages[message]
            rest = state.wire - {message}
            name = data.split(b"\r\n", 1)[0].decode()
            new, sent = self._step(state.a if target == "a" else state.b, "arrive", message)
            yield f"{target} receives {name}", self._with(state, target, new, rest.union(sent))
            if state.copies:
                copied = attrs.evolve(state, copies=state.copies - 1)
                yield f"{target} receives a copy of {name}", self._with(copied, target, new, state.wire.union(sent))
            if state.losses:
                yield f"lost: {name}", attrs.evolve(state, wire=rest, losses=state.losses - 1, lost=state.lost + 1)
        for target, number in (("a", state.a), ("b", state.b)):
            node = self.nodes[number]
            for timer in node.timers:
                if self._may_fire(state, target, timer):
                    new, sent = self._step(number, "fire", timer)
                    paid = state if kind_of(timer) not in REPEATS else _paid(state)
                    yield f"{target}: {timer} fires", self._with(paid, target, new, state.wire.union(sent))
            for command in node.commands:
                new, sent = self._step(number, "command", command)
                yield f"{target}: {command}", self._with(state, target, new, state.wire.union(sent))

    def _may_fire(self, state: State, target: str, timer: str) -> bool:
        kind = kind_of(timer)
        if kind == "TRYING" or (kind == "GLARE" and target == "b"):
            return True
        if kind == "GLARE":
            return not state.wire and not any(kind_of(each) == "GLARE" for each in self.nodes[state.b].timers)
        if kind in REPEATS:
            return state.lost > 0 or state.copies > 0
        return not state.wire and (kind not in IN_ORDER or (target, timer) in state.order[0])

    def _with(self, state: State, target: str, number: int, wire: frozenset[int]) -> State:
        running = {(target, timer) for timer in self.nodes[number].timers if kind_of(timer) in IN_ORDER}
        kept = [frozenset(each for each in group if each[0] != target or each in running) for group in state.order]
        started = running.difference(*kept)
        order = tuple(group for group in (*kept, frozenset(started)) if group)
        a, b = (number, state.b) if target == "a" else (state.a, number)
        return State(a, b, wire, state.copies, state.losses, state.lost, order)

    def explore(self, depth: int, *, limit: int = 10_000_000) -> None:
        """Go so many steps from the beginning.

        :raises AssertionError: a state is wrong; the message says how it is come by.
        """
        a, b, sent = self.model.begin()
        wire = frozenset(self._number("b", message) for message in sent)
        numbers = self._intern(a), self._intern(b)
        first = State(*numbers, wire, self.model.copies, self.model.losses)
        for target, number in zip("ab", numbers, strict=True):
            first = self._with(first, target, number, wire)
        self.states[first] = None
        level = [first]
        for _ in range(depth):
            following: list[State] = []
            for state in level:
                after = self.edges[state] = []
                for what, new in self._expand(state):
                    self.transitions += 1
                    after.append(new)
                    if new not in self.states:
                        self.states[new] = (state, what)
                        self._check(new)
                        following.append(new)
            level = following
            self.depth += 1
            if not level or len(self.states) > limit:
                break
        self.is_complete = not level

    def _expand(self, state: State) -> Iterable[tuple[str, State]]:
        try:
            yield from self._successors(state)
        except Exception as error:
            error.add_note("after " + "\n  ".join(self.path(state)))
            raise

    def _check(self, state: State) -> None:
        wrong = self.model.check(self.nodes[state.a].facts, self.nodes[state.b].facts, not state.wire)
        assert wrong is None, f"{wrong}\n  " + "\n  ".join(self.path(state))

    def path(self, state: State) -> list[str]:
        """Say by which steps a state is come by."""
        steps: list[str] = []
        while (before := self.states[state]) is not None:
            state, what = before
            steps.append(what)
        return steps[::-1]

    def is_end(self, state: State) -> bool:
        """Tell whether all is over: nothing is left at either side, or what is left is what the model calls over."""
        if state.wire:
            return False
        a, b = self.nodes[state.a], self.nodes[state.b]
        if a.is_idle and b.is_idle:
            return True
        return not a.timers and not b.timers and self.model.is_over(a.facts, b.facts)

    def dead(self) -> list[State]:
        """Return the states from which there is no way to an end; those at the edge of what was explored have one."""
        before: dict[State, list[State]] = {}
        alive = [state for state in self.states if state not in self.edges or self.is_end(state)]
        for state, after in self.edges.items():
            for each in after:
                before.setdefault(each, []).append(state)
        reached = set(alive)
        while alive:
            for state in before.get(alive.pop(), ()):
                if state not in reached:
                    reached.add(state)
                    alive.append(state)
        return [state for state in self.states if state not in reached]
