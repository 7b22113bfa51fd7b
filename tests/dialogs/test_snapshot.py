"""Snapshots: what is restored goes on as if it had never been away, and nothing but a snapshot is restored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipstack.dialogs import (
    Capabilities,
    DialogLayer,
    DialogRequest,
    DialogSnapshot,
    InviteReceived,
    InviteUsage,
    SessionTimerPolicy,
    SnapshotError,
    UsageEnded,
)
from sipstack.message import DEFAULT_LIMITS, Limits, LocalProtocolError, Tokens
from sipstack.timers import TimerValues
from sipstack.transactions import TransactionLayer

from .wire import METHODS, SDP, SDP_TYPE, Peer, Wire, assert_idle, make_invite

CAPABILITIES = Capabilities(methods=METHODS, supported=("timer",), user_agent="test", server="test")
WITHOUT_UPDATE = Capabilities(
    methods=tuple(method for method in METHODS if method != "UPDATE"), supported=("timer",)
)
_SEEN = (
    "From", "To", "Call-ID", "CSeq", "Contact", "Route", "Require", "Session-Expires", "Min-SE", "Reason", "Supported",
)  # fmt: skip


def begin(interval: int | None = None, *, capabilities: Capabilities = CAPABILITIES, refresher: str = "uac") -> Wire:
    """Bring up a call whose both ends know session timers; the same call every time."""
    wire = Wire(capabilities=capabilities)
    for peer in wire.peers.values():
        peer.layer.session_timer = SessionTimerPolicy(interval=interval, refresher=refresher)
    wire.answer()
    return wire


def usage_of(peer: Peer) -> InviteUsage:
    (usage,) = peer.layer.dialogs.values()
    return usage


def new_layer(peer: Peer, *, limits: Limits = DEFAULT_LIMITS) -> DialogLayer:
    tokens = Tokens(bytes)
    transactions = TransactionLayer(tokens=tokens, timers=TimerValues(), limits=limits)
    return DialogLayer(
        transactions,
        tokens=tokens,
        capabilities=peer.layer.capabilities,
        limits=limits,
        session_timer=peer.layer.session_timer,
    )


def move(wire: Wire, peer: Peer, *, lying: float = 0.0) -> None:
    """Let a peer's layer vanish, and another one go on from its snapshot after some time."""
    text = str(peer.layer.snapshot(usage_of(peer), wire.now))
    peer.layer.close()
    wire.run(lying)
    layer = new_layer(peer)
    # Chance that does not repeat what the layer before it has drawn.
    layer._tokens = layer.transactions._tokens = Tokens(wire.random.randbytes)
    peer.layer = layer
    layer.restore(DialogSnapshot.parse(text), wire.now, elapsed=lying)


def act(wire: Wire, name: str, action: str) -> None:
    """Let a peer do something, and the other one agree."""
    peer = wire.peers[name]
    if not peer.layer.dialogs:
        return
    usage = usage_of(peer)
    if action == "reinvite":
        peer.layer.reinvite(usage, wire.now, body=f"v=0\r\ns={name}\r\n".encode(), content_type=SDP_TYPE)
    elif action == "move":
        peer.layer.reinvite(usage, wire.now, headers=[("Contact", f"<sip:{name}@{peer.host}:5080>")])
    elif action == "update":
        peer.layer.update(usage, wire.now)
    elif action == "info":
        peer.layer.dialog_request(usage, "INFO", wire.now)
    elif action == "wait":
        serve(wire, 130)
    elif action == "bye":
        peer.layer.bye(usage, wire.now)
    serve(wire, 0.2)
    if usage.to_acknowledge is not None:
        peer.layer.acknowledge(usage, wire.now, body=SDP, content_type=SDP_TYPE)
        wire.run(0.1)


def serve(wire: Wire, seconds: float) -> None:
    """Let time pass while both ends agree to what is asked of them: refreshes by re-INVITE, say."""
    until = wire.now + seconds
    while wire.step(until):
        agree(wire)


def agree(wire: Wire) -> None:
    for peer in wire.peers.values():
        for event in peer.of(DialogRequest):
            if peer.layer.awaits_answer(event.transaction):
                body = SDP if event.request.method == "INVITE" else b""
                peer.layer.respond_request(
                    event.transaction, 200, wire.now, body=body, content_type=SDP_TYPE if body else None
                )


def seen(wire: Wire, since: int) -> list:
    return [
        (
            round(passage.time, 2),
            str(passage),
            str(getattr(passage.message, "uri", "")),
            passage.message.body,
            [passage.message.headers.getlist(name) for name in _SEEN],
        )
        for passage in wire.passages[since:]
    ]


ACTIONS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["reinvite", "move", "update", "info", "wait"])), max_size=4
)


@given(
    before=ACTIONS,
    after=ACTIONS,
    mover=st.sampled_from("ab"),
    ender=st.sampled_from("ab"),
    interval=st.sampled_from([None, 90, 300]),
    refresher=st.sampled_from(["uac", "uas"]),
    has_update=st.booleans(),
)
@settings(max_examples=30)
def test_what_is_restored_goes_on_as_if_it_had_never_been_away(
    before, after, mover, ender, interval, refresher, has_update
) -> None:
    runs = []
    for is_moved in (False, True):
        wire = begin(interval, capabilities=CAPABILITIES if has_update else WITHOUT_UPDATE, refresher=refresher)
        for name, action in before:
            if has_update or action != "update":
                act(wire, name, action)
        serve(wire, 0.5)
        if is_moved and wire.peers[mover].layer.dialogs:
            move(wire, wire.peers[mover])
        since = len(wire.passages)
        for name, action in after:
            if has_update or action != "update":
                act(wire, name, action)
        serve(wire, 200)
        act(wire, ender, "bye")
        wire.drain()
        assert_idle(wire)
        ends = [[event.cause for event in peer.of(UsageEnded)] for peer in wire.peers.values()]
        runs.append((seen(wire, since), ends))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("mover", "ab")
def test_the_session_timer_goes_on_by_the_time_the_snapshot_lay(mover) -> None:
    wire = begin(300)
    begun = wire.now
    wire.run(50)
    move(wire, wire.peers[mover], lying=60)
    wire.run(100)
    times = [passage.time - begun for passage in wire.passages if str(passage) == "a UPDATE"]
    assert times[0] == pytest.approx(150, abs=1)
    assert not wire.a.of(UsageEnded) + wire.b.of(UsageEnded)


def test_what_was_due_while_the_snapshot_lay_is_done_at_once() -> None:
    wire = begin(300)
    begun = wire.now
    move(wire, wire.a, lying=200)
    wire.run(1)
    times = [passage.time - begun for passage in wire.passages if str(passage) == "a UPDATE"]
    assert times[0] == pytest.approx(200, abs=1)
    wire = begin(300)
    wire.b.layer.close()
    move(wire, wire.a, lying=400)
    wire.run(1)
    assert wire.a.one(UsageEnded).cause == "expired"


def test_a_route_set_and_what_was_required_survive() -> None:
    wire = Wire(capabilities=CAPABILITIES)
    wire.a.layer.invite(make_invite(headers=(("Require", "timer"),)))
    wire.run(0.1)
    received = wire.b.one(InviteReceived).invite
    wire.drop_next = ["b 200 INVITE"]
    wire.b.layer.respond(received, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.flush()
    answer = wire.last("b 200 INVITE")
    answer.headers.add("Record-Route", "<sip:192.0.2.2;lr;x=%41>, <sip:far.example.com;lr>")
    wire.inject(wire.a, bytes(answer))
    wire.run(0.1)
    move(wire, wire.a)
    wire.a.layer.reinvite(usage_of(wire.a), wire.now)
    wire.run(0.1)
    reinvite = wire.last("a INVITE")
    assert reinvite.headers["Route"] == "<sip:far.example.com;lr>, <sip:192.0.2.2;lr;x=%41>"
    assert reinvite.require == ["timer"]


# What cannot be had.


def test_no_snapshot_while_something_is_under_way() -> None:
    wire = begin()
    usage = usage_of(wire.a)
    wire.a.layer.reinvite(usage, wire.now)
    for peer in (wire.a, wire.b):
        wire.run(0.1)
        with pytest.raises(LocalProtocolError, match="under way"):
            peer.layer.snapshot(usage_of(peer), wire.now)
    wire.a.layer.bye(usage, wire.now)
    with pytest.raises(LocalProtocolError, match="ending"):
        wire.a.layer.snapshot(usage, wire.now)


def test_no_call_is_restored_twice_or_beyond_the_limit() -> None:
    wire = begin()
    snapshot = wire.a.layer.snapshot(usage_of(wire.a), wire.now)
    with pytest.raises(LocalProtocolError, match="lives here already"):
        wire.a.layer.restore(snapshot, wire.now)
    layer = new_layer(wire.a, limits=Limits(dialogs=0))
    with pytest.raises(LocalProtocolError, match="limit"):
        layer.restore(snapshot, wire.now)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "1", '"x"', "{}", '{"version":2}', '{"version":"1"}', '{"version":1}', "[" * 100_000,
     b"\xff\xfe\x00", '{"version":1,"call_id":NaN}'],
)  # fmt: skip
def test_no_snapshot_at_all(text) -> None:
    with pytest.raises(SnapshotError):
        DialogSnapshot.parse(text).usage()


def snapshot_fields() -> dict:
    wire = begin(300)
    return json.loads(str(wire.a.layer.snapshot(usage_of(wire.a), wire.now)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("call_id", ""), ("call_id", " a"), ("call_id", "a\r\nX: y"), ("local_tag", "other"), ("remote_tag", 5), ("local_party", "<sip:a@a"),
        ("local_party", "<sip:a@a>;tag=x\r\nEvil: yes"), ("remote_target", "nothing"), ("remote_target", None),
        ("local_sequence", ""), ("local_sequence", False), ("local_sequence", -1), ("local_sequence", 2**31),
        ("local_sequence", 1.5), ("remote_sequence", "7"), ("route_set", "<sip:a>"), ("route_set", ["x y"]),
        ("route_set", [None]), ("is_secure", 0), ("is_caller", None), ("local_contact", ""), ("local_contact", 0),
        ("local_contact", "<sip:a"), ("flow", None), ("flow", []), ("flow", {}), ("flow.local", ["a"]),
        ("flow.local", ["a", 70_000]), ("flow.remote", "ab"), ("flow.transport", 1), ("flow.sent_by", "x\ny"),
        ("session", 1), ("session", []), ("session.local", None), ("session.local", "\ud800"), ("session.remote", 3),
        ("session_timer", "x"), ("session_timer.state", "on"), ("session_timer.state", []),
        ("session_timer.interval", 10), ("session_timer.interval", True), ("session_timer.interval", 2**40),
        ("session_timer.least", -1), ("session_timer.expires_in", None), ("session_timer.expires_in", -1),
        ("session_timer.expires_in", float("nan")), ("session_timer.expires_in", float("inf")),
        ("session_timer.refresh_in", "1"), ("session_timer.refresh_in", False), ("session_timer.refresh_in", 1e300),
        ("required", None), ("required", "timer"), ("proxy_required", [1]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_no_snapshot(path, value) -> None:
    fields = snapshot_fields()
    *way, name = path.split(".")
    inner = fields
    for step in way:
        inner = inner[step]
    assert name in inner
    inner[name] = value
    assert_refused(json.dumps(fields))


def assert_refused(text: str) -> None:
    layer = new_layer(Wire().a)
    with pytest.raises(SnapshotError):
        layer.restore(DialogSnapshot.parse(text), 0.0)
    assert not layer.dialogs
    assert layer.next_deadline() is None


@pytest.mark.parametrize("path", ["call_id", "flow", "flow.sent_by", "session.has_answered", "session_timer.state"])
def test_a_missing_value_is_no_snapshot(path) -> None:
    fields = snapshot_fields()
    *way, name = path.split(".")
    inner = fields
    for step in way:
        inner = inner[step]
    del inner[name]
    assert_refused(json.dumps(fields))


_FIELDS = snapshot_fields()
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["\ud800", "\r\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def _paths(value: object, way: tuple = ()) -> list[tuple]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [found for key in keys for found in ((*way, key), *_paths(value[key], (*way, key)))]


@given(changes=st.lists(st.tuples(st.sampled_from(_paths(_FIELDS)), _VALUES), min_size=1, max_size=3))
@settings(max_examples=150)
def test_any_change_is_a_call_or_a_snapshot_error(changes) -> None:
    fields = json.loads(json.dumps(_FIELDS))
    for way, value in changes:
        inner = fields
        try:
            for step in way[:-1]:
                inner = inner[step]
            inner[way[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change has taken the place away
    wire = Wire(capabilities=CAPABILITIES)
    try:
        usage = wire.a.layer.restore(DialogSnapshot.parse(json.dumps(fields)), 0.0)
    except SnapshotError:
        return
    # What was let in can be used: it sends and it ends.
    wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(1)
    assert "a INVITE" in wire.sent()
    wire.a.layer.close()


@given(text=st.text() | st.binary())
def test_any_text_is_a_call_or_a_snapshot_error(text) -> None:
    with pytest.raises(SnapshotError):
        DialogSnapshot.parse(text).usage()
