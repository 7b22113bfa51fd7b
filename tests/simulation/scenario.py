"""One call drawn from a seed: users who do what they may at instants of chance, over a network that does what it may.

A caller and one callee, or two behind a forking proxy. Each draws what it does: ring, reliably or not, answer, refuse,
offer, hold, resume, refresh, INFO, hang up, cancel, let go. After `TROUBLE_ENDS` the network is well and nobody begins
anything; by `JUDGED` every call has ended on both sides, or stands on both with one session. Then what stands is hung
up, and nothing may be left.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import trio

import sipstack as sip
from sipstack.dialogs import SessionTimerPolicy
from sipstack.testing import VirtualNetwork, assert_idle
from sipstack.trace import Trace

from .proxy import ForkingProxy

TROUBLE_ENDS = 60.0
JUDGED = 200.0
OVER = 420.0

LOSSES = [0.0, 0.0, 0.05, 0.15]
"More, and one in ten thousand BYEs would never arrive: then only one side may know that the call is over."


class Simulation:
    """Run one seed.

    :ivar outcomes: what happened, counted, for whoever asks whether a batch of seeds is worth anything.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(f"simulation {seed}")
        self.outcomes: Counter[str] = Counter()
        self.calls: list[sip.Call] = []
        self.trace: Trace
        self._ports = 10_000
        self._nursery: trio.Nursery

    def run(self) -> None:
        chance = self.random
        self.loss = chance.choice(LOSSES)
        is_calm = self.loss == 0.0 and chance.random() < 0.5
        sip.testing.run(
            self._scenario,
            seed=self.seed,
            delay=chance.choice([0.001, 0.02, 0.15]),
            jitter=0.0 if is_calm else chance.choice([0.0, 0.02, 0.3]),
            loss=self.loss,
            duplicate=0.0 if is_calm else chance.choice([0.0, 0.1]),
            reorder=0.0 if is_calm else chance.choice([0.0, 0.1]),
        )

    async def _scenario(self, net: VirtualNetwork) -> None:
        assert isinstance(net.trace, Trace)
        self.trace = net.trace
        for host in "apbc":
            net.host(host)
        chance = self.random
        is_forked = chance.random() < 0.4
        async with self._open(net, "a") as a, self._open(net, "b") as b, self._open(net, "c") as c:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for callee in (b, c):
                    nursery.start_soon(self._serve, callee)
                if is_forked:
                    ports = [(net.address_of(host), 5060) for host in "bc"]
                    await nursery.start(ForkingProxy(net, (net.address_of("p"), 5060), ports).run)
                    self.outcomes["forked"] += 1
                nursery.start_soon(self._call, a, "sip:bob@p:5060" if is_forked else "sip:bob@b:5060")
                await trio.sleep_until(TROUBLE_ENDS)
                net.loss = net.duplicate = net.reorder = net.jitter = 0.0
                await trio.sleep_until(JUDGED)
                self._judge()
                for call in self.calls:
                    if not call.is_ended:
                        nursery.start_soon(call.hangup)
                await trio.sleep_until(OVER)
                nursery.cancel_scope.cancel()
            for endpoint in (a, b, c):
                assert_idle(endpoint)
                for table in (endpoint._calls, endpoint._forks, endpoint._legs, endpoint._exchanges):
                    assert not table
                assert not endpoint._core.unanswered
            assert all(call.is_ended for call in self.calls)

    def _open(self, net: VirtualNetwork, host: str):
        chance = self.random
        interval = chance.choice([None, None, 90])
        supported = ("100rel", "timer") if chance.random() < 0.85 else ("timer",)
        return sip.open_endpoint(
            f"udp://{host}:5060",
            network=net,
            supported=supported,
            session_timer=SessionTimerPolicy(interval=interval),
            randbytes=Random(f"{self.seed} {host}").randbytes,
        )

    def _judge(self) -> None:
        """Compare the two sides of every call."""
        sides: dict[tuple[str, ...], list[sip.Call]] = {}
        for call in self.calls:
            dialog = call.dialog
            key = (dialog.call_id, *sorted((dialog.local_tag, dialog.remote_tag)))
            sides.setdefault(key, []).append(call)
        for calls in sides.values():
            standing = [call for call in calls if not call.is_ended]
            if not standing:
                self.outcomes["ended"] += 1
                continue
            assert len(standing) == 2, (
                f"one side stands: {[(call.dialog.local_tag, call.end_reason) for call in calls]}"
            )
            one, other = standing
            self.outcomes["stands"] += 1
            assert one.usage.state is other.usage.state is sip.dialogs.UsageState.CONFIRMED
            for call in standing:
                assert call.session.is_settled, f"an offer waits for ever: {call.session}"
            assert one.session.local == other.session.remote, "the sessions differ"
            assert one.session.remote == other.session.local, "the sessions differ"
        for call in self.calls:
            if call.end_reason is not None:
                self.outcomes[f"ended: {call.end_reason}"] += 1

    def sdp(self) -> bytes:
        """Return a description like no other."""
        self._ports += 2
        return (
            f"v=0\r\no=- {self._ports} 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
            f"m=audio {self._ports} RTP/AVP 0\r\n"
        ).encode()

    async def _pause(self, longest: float = 4.0) -> None:
        # Mostly short: what is to cross must be near.
        await trio.sleep(self.random.choice([0.0, 0.01, 0.1, 0.5, longest]) * self.random.random())

    # The caller.

    async def _call(self, ep: sip.Endpoint, uri: str) -> None:
        chance = self.random
        await self._pause()
        offer = self.sdp() if chance.random() < 0.75 else None
        require = ["100rel"] if chance.random() < 0.15 else []
        gives_up = chance.random() * 8 if chance.random() < 0.2 else 1000.0
        try:
            with trio.move_on_after(gives_up) as patience:
                async with ep.invite(uri, offer=offer, require=require, keep=self._keep()) as fork:
                    self._nursery.start_soon(self._watch, fork)
                    call = await fork.answered()
                    self.outcomes["answered"] += 1
                    patience.deadline = trio.current_time() + 1000
                    await self._talk(call)
        except (sip.CallFailed, sip.CallEnded, sip.TransactionTimeout) as error:
            self.outcomes[type(error).__name__] += 1
        if patience.cancelled_caught:
            self.outcomes["given up"] += 1

    def _keep(self) -> sip.KeepFirst | sip.KeepAll:
        return sip.KeepAll() if self.random.random() < 0.2 else sip.KeepFirst()

    async def _watch(self, fork: sip.Fork) -> None:
        """Do what the early dialogs ask for, and what chance does with them."""
        chance = self.random
        async for event in fork.events():
            match event:
                case sip.Ringing(leg=sip.Leg() as leg) | sip.Progress(leg=sip.Leg() as leg):
                    self._nursery.start_soon(self._play, leg)
                case sip.Answered(call=call):
                    self.calls.append(call)
                    self._nursery.start_soon(self._answer_offers, call)
                    if chance.random() < 0.5:
                        self._nursery.start_soon(self._modify, call)
                case sip.RequestReceived():
                    await self._answer_request(event)

    async def _play(self, leg: sip.Leg) -> None:
        chance = self.random
        try:
            while leg.is_early and leg.session.has_remote_offer and leg.usage.to_prack:
                await self._pause()
                await leg.prack(self.sdp())
                self.outcomes["offer in 18x answered"] += 1
            await self._pause()
            kind = chance.random()
            if kind < 0.4:
                if leg.session.local is not None:
                    await leg.update(self.sdp())
                    self.outcomes["early update"] += 1
            elif kind < 0.45:
                await leg.end()
                self.outcomes["early bye"] += 1
        except (sip.LocalProtocolError, sip.CallEnded, sip.TransactionTimeout):
            self.outcomes["early request not possible"] += 1

    async def _answer_offers(self, call: sip.Call) -> None:
        """Acknowledge offers in 2xx, at once or after a while."""
        try:
            if call.usage.to_acknowledge is not None:
                await self._pause()
                await call.acknowledge(self.sdp())
        except (sip.LocalProtocolError, sip.CallEnded):
            self.outcomes["acknowledged too late"] += 1
        async for event in call.events():
            if isinstance(event, sip.RequestReceived):
                await self._answer_request(event)

    # Both sides.

    async def _answer_request(self, event: sip.RequestReceived) -> None:
        chance = self.random
        try:
            if isinstance(event, sip.ReinviteReceived) and chance.random() < 0.4:
                await self._pause()
            match event:
                case sip.ReinviteReceived() | sip.UpdateReceived() if chance.random() < 0.15:
                    await event.respond(488)
                case sip.ReinviteReceived() | sip.UpdateReceived() | sip.PrackReceived():
                    await event.answer(self.sdp())
                case _:
                    await event.respond(200)
        except (sip.LocalProtocolError, sip.CallEnded):
            self.outcomes["answered too late"] += 1

    async def _talk(self, call: sip.Call) -> None:
        """Hold the call: hang up after a while, or leave that to the peer."""
        chance = self.random
        hangs_up = chance.random()
        if hangs_up < 0.25:
            await self._pause(20)
            await call.hangup()
            self.outcomes["hung up"] += 1
        elif hangs_up < 0.35:
            with trio.move_on_after(chance.random() * 20):
                await self._modify(call)
                await trio.sleep(30)
        else:
            await trio.sleep(1000)

    async def _modify(self, call: sip.Call) -> None:
        chance = self.random
        for _ in range(chance.randrange(1, 5)):
            await self._pause()
            action = chance.choice(["reinvite", "reinvite", "offerless", "update", "refresh", "hold", "info"])
            try:
                match action:
                    case "reinvite":
                        await call.reinvite(self.sdp())
                    case "offerless":
                        self._nursery.start_soon(self._acknowledge_when_asked, call)
                        await call.reinvite()
                    case "update":
                        await call.update(self.sdp())
                    case "refresh":
                        await call.update()
                    case "hold":
                        await call.hold()
                        await self._pause()
                        await call.resume()
                    case "info":
                        await call.info(b"x", "text/plain")
                self.outcomes[action] += 1
            except (sip.LocalProtocolError, sip.CallEnded, sip.TransactionTimeout) as error:
                self.outcomes[f"{action}: {type(error).__name__}"] += 1

    async def _acknowledge_when_asked(self, call: sip.Call) -> None:
        for _ in range(200):
            if call.is_ended:
                return
            if call.usage.to_acknowledge is not None:
                try:
                    await call.acknowledge(self.sdp())
                except (sip.LocalProtocolError, sip.CallEnded):
                    self.outcomes["acknowledged too late"] += 1
                return
            await trio.sleep(0.25)

    # The callees.

    async def _serve(self, ep: sip.Endpoint) -> None:
        async for event in ep.events():
            assert isinstance(event, sip.InviteReceived)
            self._nursery.start_soon(self._take, event.call)

    async def _take(self, call: sip.IncomingCall) -> None:
        chance = self.random
        self.calls.append(call)
        with trio.move_on_after(chance.random() * 10 if chance.random() < 0.1 else 1000):
            try:
                async with call:
                    self._nursery.start_soon(self._listen, call)
                    await self._pause()
                    for _ in range(chance.randrange(3)):
                        await self._ring(call)
                        await self._pause()
                    if chance.random() < 0.12:
                        await call.reject(chance.choice([486, 480, 603]))
                        self.outcomes["rejected"] += 1
                        return
                    await self._answer(call)
                    if chance.random() < 0.5:
                        self._nursery.start_soon(self._modify, call)
                    await self._talk(call)
            except sip.CallEnded:
                self.outcomes["callee gave way"] += 1

    async def _ring(self, call: sip.IncomingCall) -> None:
        chance = self.random
        session = call.session
        reliable = (chance.random() < 0.6 and call.can_ring_reliably) or None
        may_answer = session.preview is None and session.has_remote_offer and chance.random() < 0.5
        must_offer = session.local is None and call.offer is None and reliable and session.is_settled
        answer = self.sdp() if may_answer or must_offer else None
        try:
            if chance.random() < 0.3:
                self._nursery.start_soon(self._update_early, call)
            await call.ring(chance.choice([180, 183]), reliable=reliable, answer=answer)
            self.outcomes["rang reliably" if reliable else "rang"] += 1
        except sip.LocalProtocolError:
            self.outcomes["ring not possible"] += 1

    async def _update_early(self, call: sip.IncomingCall) -> None:
        await self._pause()
        try:
            await call.update(self.sdp())
            self.outcomes["callee's early update"] += 1
        except (sip.LocalProtocolError, sip.CallEnded, sip.TransactionTimeout):
            self.outcomes["callee's early update not possible"] += 1

    async def _answer(self, call: sip.IncomingCall) -> None:
        while True:
            session = call.session
            try:
                if session.preview is not None or session.local is not None:
                    await call.answer()
                else:
                    await call.answer(self.sdp())
                return
            except sip.LocalProtocolError:
                # An offer is under way: what it becomes decides what the 2xx says.
                self.outcomes["answer put off"] += 1
                await trio.sleep(0.5)

    async def _listen(self, call: sip.IncomingCall) -> None:
        async for event in call.events():
            if isinstance(event, sip.RequestReceived):
                await self._answer_request(event)


def run_seed(seed: int) -> Simulation:
    """Run one seed; what fails says which, and what crossed the wire."""
    simulation = Simulation(seed)
    try:
        simulation.run()
    except BaseException as error:
        trace = getattr(simulation, "trace", None)
        error.add_note(f"seed {seed}, loss {simulation.loss}\n{'' if trace is None else trace.ladder()}")
        raise
    return simulation
