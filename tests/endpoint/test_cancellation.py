"""Blocks that are cancelled: at every instant, at every step of either side's task, nothing is left behind."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip

from .kit import SDP, SDP_2, SDP_3, TCP, UDP, opened

# A whole conversation, as each side's user would write it. Who is cut off leaves the other to find out.


async def caller(ep: sip.Endpoint, uri: str) -> None:
    try:
        async with ep.register(uri), ep.invite(uri, offer=SDP) as fork:
            await anext(fork.events())
            call = await fork.answered()
            await call.request("INFO")
            await call.reinvite(SDP_3)
            await call.hangup()
            await call.wait_ended()
    except sip.SipError:
        pass  # what the other side did when it was cut off
    except StopAsyncIteration:
        pass  # no event but the end


async def callee(ep: sip.Endpoint) -> None:
    async for event in ep.events():
        match event:
            case sip.RegisterReceived():
                await event.accept()
            case sip.InviteReceived(call=call):
                async with call:
                    await call.ring()
                    await trio.sleep(0.5)
                    await call.answer(SDP_2)
                    async for each in call.events():
                        match each:
                            case sip.ReinviteReceived():
                                await each.answer(SDP_3)
                            case sip.RequestReceived():
                                await each.respond(200)


async def converse(net, way, scopes) -> None:
    """Run both sides, each in its scope, in endpoints that outlive them; who is not cut off is ended later."""

    async def run_side(name: str, side, *arguments) -> None:
        with scopes[name]:
            await side(*arguments)

    async with opened(net, way.listen("b")) as b, opened(net, way.listen("a")) as a, trio.open_nursery() as nursery:
        nursery.start_soon(run_side, "callee", callee, b, name="callee")
        nursery.start_soon(run_side, "caller", caller, a, way.uri("b"), name="caller")
        await trio.sleep(60)
        for scope in scopes.values():
            scope.cancel()


def new_scopes() -> dict[str, trio.CancelScope]:
    return {"caller": trio.CancelScope(), "callee": trio.CancelScope()}


@pytest.mark.parametrize("way", [UDP, TCP], ids=str)
@pytest.mark.parametrize("cut_off", ["caller", "callee"])
def test_cut_off_at_every_instant(cut_off, way) -> None:
    for tick in range(60):

        async def scenario(net, moment=tick * 0.03) -> None:
            scopes = new_scopes()
            scopes[cut_off].deadline = moment
            await converse(net, way, scopes)

        way.run(scenario, delay=0.05, seed=tick)


class CutOff(trio.abc.Instrument):
    """Cancel a scope when the task of a name has made so many steps."""

    def __init__(self, task_name: str, scope: trio.CancelScope, steps: int) -> None:
        self.task_name, self.scope, self.steps = task_name, scope, steps

    def after_task_step(self, task) -> None:
        if task.name == self.task_name:
            self.steps -= 1
            if self.steps == 0:
                self.scope.cancel()


@pytest.mark.parametrize("way", [UDP, TCP], ids=str)
@pytest.mark.parametrize("cut_off", ["caller", "callee"])
def test_cut_off_at_every_step(cut_off, way) -> None:
    steps = 0
    while True:
        steps += 1
        scopes = new_scopes()
        instrument = CutOff(cut_off, scopes[cut_off], steps)

        async def scenario(net, scopes=scopes, instrument=instrument) -> None:
            trio.lowlevel.add_instrument(instrument)
            await converse(net, way, scopes)

        way.run(scenario, delay=0.01, seed=steps)
        if instrument.steps > 0:  # it was done before
            break
    assert steps > 10


# The whole of an INVITE: a reliable 183 with SDP, PRACK, UPDATE, 200, ACK, re-INVITE, INFO, BYE.


async def whole_caller(ep: sip.Endpoint, uri: str, offer: bytes | None) -> None:
    try:
        async with ep.invite(uri, offer=offer, require=["100rel"]) as fork:
            async for event in fork.events():
                match event:
                    case sip.Progress(leg=sip.Leg() as leg):
                        if offer is None:
                            await leg.prack(SDP)
                        await leg.update(SDP_3)
                    case sip.Answered():
                        break
            call = await fork.answered()
            await call.reinvite(SDP)
            await call.info(b"x", "text/plain")
            await call.hangup()
    except sip.SipError:
        pass  # what the other side did when it was cut off


async def whole_callee(ep: sip.Endpoint) -> None:
    received = await anext(ep.events())
    assert isinstance(received, sip.InviteReceived)
    async with received.call as call:
        await call.ring(183, reliable=True, answer=SDP_2)
        async for event in call.events():
            match event:
                case sip.UpdateReceived():
                    await event.answer(SDP_2)
                    await call.answer()
                case sip.ReinviteReceived():
                    await event.answer(SDP_3)
                case sip.RequestReceived():
                    await event.respond(200)


def run_whole_call(way, offer, instrument_of, seed: int = 0):
    """Run it with one side's task under an instrument; return that, and the trace."""
    scopes = new_scopes()
    instrument = instrument_of(scopes)

    async def run_side(name: str, side, *arguments) -> None:
        with scopes[name]:
            await side(*arguments)

    async def scenario(net) -> None:
        if isinstance(instrument, CutOffAtMessage):
            net.trace.subscribe(instrument)
        else:
            trio.lowlevel.add_instrument(instrument)
        async with opened(net, way.listen("b")) as b, opened(net, way.listen("a")) as a:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_side, "callee", whole_callee, b, name="callee")
                nursery.start_soon(run_side, "caller", whole_caller, a, way.uri("b"), offer, name="caller")
                await trio.sleep(60)
                for scope in scopes.values():
                    scope.cancel()

    trace = way.run(scenario, delay=0.01, seed=seed)
    return instrument, trace


@pytest.mark.parametrize("way", [UDP, TCP], ids=str)
@pytest.mark.parametrize("offer", [SDP, None], ids=["offer", "offerless"])
@pytest.mark.parametrize("cut_off", ["caller", "callee"])
def test_whole_call_cut_off_at_every_checkpoint(cut_off, offer, way) -> None:
    """Whatever the instant, neither side keeps a dialog, transaction, timer or task: `opened` looks."""
    steps = 0
    methods: set[str | None] = set()
    while True:
        steps += 1
        instrument, trace = run_whole_call(way, offer, lambda scopes: CutOff(cut_off, scopes[cut_off], steps), steps)  # noqa: B023
        methods |= {passage.record.method for passage in trace.passages()}
        if instrument.steps > 0:  # it was done before
            break
    assert methods >= {"INVITE", "PRACK", "UPDATE", "ACK", "INFO", "BYE"}
    assert steps > 6
    # Nobody was cut off in the last run: the whole of it went over the wire.
    whole = [passage.record.method or passage.record.code for passage in trace.passages()]
    for expected in ("INVITE", 183, "PRACK", "UPDATE", "ACK", "INFO", "BYE"):
        assert expected in whole
    assert whole.count("INVITE") == whole.count("ACK") == 2


class CutOffAtMessage:
    """Cancel a scope when so many messages have left or come: a writer of the trace."""

    def __init__(self, scope: trio.CancelScope, messages: int) -> None:
        self.scope, self.steps = scope, messages

    def write(self, record: sip.trace.Record) -> None:
        self.steps -= 1
        if self.steps == 0:
            self.scope.cancel()


@pytest.mark.parametrize("way", [UDP, TCP], ids=str)
@pytest.mark.parametrize("offer", [SDP, None], ids=["offer", "offerless"])
@pytest.mark.parametrize("cut_off", ["caller", "callee"])
def test_whole_call_cut_off_at_every_message(cut_off, offer, way) -> None:
    """The same between the checkpoints: when each message leaves and when it comes, and the next are on their way."""
    messages = 0
    while True:
        messages += 1
        instrument, _ = run_whole_call(way, offer, lambda scopes: CutOffAtMessage(scopes[cut_off], messages), messages)  # noqa: B023
        if instrument.steps > 0:
            break
    assert messages > 30


@pytest.mark.parametrize("cut_off", ["caller", "callee"])
def test_cut_off_with_the_peer_out_of_reach(cut_off) -> None:
    """Every way out is bounded by the grace time, whatever the peer does not say."""
    for tick in range(20):

        async def scenario(net, moment=tick * 0.1) -> None:
            scopes = new_scopes()
            scopes[cut_off].deadline = moment
            async with opened(net, "udp://b:5060") as b, opened(net, "udp://a:5060") as a:

                async def side(name: str, function, *arguments) -> None:
                    with scopes[name]:
                        await function(*arguments)
                    if name == cut_off:
                        # Registration and call each have a grace time of their own.
                        assert trio.current_time() <= moment + 3 * a.grace + 0.01

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(side, "callee", callee, b)
                    nursery.start_soon(side, "caller", caller, a, "sip:b:5060")
                    await trio.sleep_until(max(0.0, moment - 0.02))
                    net.partition("a", "b")
                    await trio.sleep(200)
                    for scope in scopes.values():
                        scope.cancel()

        sip.testing.run(scenario, delay=0.05, seed=tick)


LOSSY = {"loss": 0.25, "duplicate": 0.1, "reorder": 0.2, "delay": 0.02, "jitter": 0.02}


@pytest.mark.parametrize("batch", range(10))
def test_calls_over_a_bad_network_end_in_agreement(batch) -> None:
    outcomes = []
    for seed in range(batch * 10, batch * 10 + 10):
        calls: list[sip.Call] = []

        async def answer(call: sip.IncomingCall) -> None:
            calls.append(call)  # noqa: B023  (runs within this turn)
            try:
                async with call:
                    await call.ring()
                    await trio.sleep(1)
                    await call.answer(SDP_2)
                    async for event in call.events():
                        match event:
                            case sip.AckReceived() if seed % 3 == 0:  # noqa: B023  (runs within this turn)
                                await call.hangup()
                            case sip.ReinviteReceived():
                                await event.answer(SDP_3)
                            case sip.RequestReceived():
                                await event.respond(200)
            except sip.SipError:
                outcomes.append("callee failed")

        async def serve(ep: sip.Endpoint, nursery: trio.Nursery) -> None:
            async for event in ep.events():
                assert isinstance(event, sip.InviteReceived)
                nursery.start_soon(answer, event.call)

        async def scenario(net) -> None:
            async with (
                opened(net, "udp://b:5060") as b,
                opened(net, "udp://a:5060") as a,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(serve, b, nursery)
                try:
                    async with a.call("sip:b:5060", offer=SDP) as call:
                        calls.append(call)  # noqa: B023
                        await call.request("INFO")
                        await call.reinvite(SDP_3)
                        await trio.sleep(1)
                except sip.SipError as error:
                    outcomes.append(type(error).__name__)
                else:
                    outcomes.append("well")
                await trio.sleep(140)
                assert all(call.is_ended for call in calls), [call.end_reason for call in calls]  # noqa: B023
                nursery.cancel_scope.cancel()

        sip.testing.run(scenario, seed=seed, **LOSSY)
        assert calls or outcomes
    assert "well" in outcomes


def test_reinvite_glare_over_a_bad_network() -> None:
    for seed in range(30):

        async def change(call: sip.Call) -> None:
            for _ in range(3):
                try:
                    await call.reinvite(SDP_3)
                except sip.LocalProtocolError:  # the peer's is under way
                    await trio.sleep(0.3)
                except sip.SipError:
                    return

        async def talk(call: sip.Call) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(change, call)
                async for event in call.events():
                    try:
                        match event:
                            case sip.ReinviteReceived():
                                await event.answer(SDP_2)
                            case sip.RequestReceived():
                                await event.respond(200)
                    except sip.CallEnded:
                        pass

        async def serve(ep: sip.Endpoint) -> None:
            event = await anext(ep.events())
            async with event.call as call:
                await call.answer(SDP_2)
                await talk(call)

        async def scenario(net) -> None:
            async with (
                opened(net, "udp://b:5060") as b,
                opened(net, "udp://a:5060") as a,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(serve, b)
                with trio.move_on_after(40):
                    try:
                        async with a.call("sip:b:5060", offer=SDP) as call:
                            await talk(call)
                    except sip.SipError:
                        pass
                await trio.sleep(140)
                nursery.cancel_scope.cancel()

        sip.testing.run(scenario, seed=seed, **LOSSY)
