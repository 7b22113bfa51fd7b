from __future__ import annotations

import math
from collections import deque

import pytest
import trio

from sipstack.message import LocalProtocolError
from sipstack.testing import assert_idle, request, run
from sipstack.transactions import Flow, Send, TransactionFailed, TransportError
from sipstack.transport import Transport


class Clockwork:
    """A core with deadlines and nothing else."""

    def __init__(self, *deadlines):
        self.outputs = deque()
        self.deadlines = sorted(deadlines)
        self.fired = []

    def next_deadline(self):
        return self.deadlines[0] if self.deadlines else None

    def take_earliest(self):
        return self.deadlines[0] if self.deadlines else math.inf

    def expire(self, now):
        while self.deadlines and self.deadlines[0] <= now:
            self.fired.append((self.deadlines.pop(0), now))


def test_deadlines_are_kept_to_the_instant():
    async def scenario(net):
        core = Clockwork(1.0, 2.5, 2.5)
        async with Transport(core, net, deliver=print):
            await trio.sleep(10)
        assert core.fired == [(1.0, 1.0), (2.5, 2.5), (2.5, 2.5)]

    run(scenario)


def test_nearer_deadline_wakes_and_a_later_one_does_not():
    async def scenario(net):
        core = Clockwork(100.0)
        async with Transport(core, net, deliver=print) as transport:
            await trio.sleep(1)
            core.deadlines.insert(0, 3.0)
            transport.flush()
            await trio.sleep(4)
            assert core.fired == [(3.0, 3.0)]
            core.deadlines = [200.0]
            transport.flush()
            await trio.sleep(150)
            assert core.fired == [(3.0, 3.0)]
            await trio.sleep(50)
            assert core.fired == [(3.0, 3.0), (200.0, 200.0)]

    run(scenario)


def test_first_deadline_of_an_empty_core_is_kept():
    async def scenario(net):
        core = Clockwork()
        async with Transport(core, net, deliver=print) as transport:
            await trio.sleep(1)
            core.deadlines.append(2.0)
            transport.flush()
            await trio.sleep(5)
            assert core.fired == [(2.0, 2.0)]

    run(scenario)


def test_flush_within_deliver_keeps_the_order():
    async def scenario(net):
        core = Clockwork()
        seen = []

        def deliver(output):
            seen.append(output)
            if output == "first":
                core.outputs.append("third")
                transport.flush()

        async with Transport(core, net, deliver=deliver) as transport:
            core.outputs.extend(["first", "second"])
            transport.flush()
            assert seen == ["first", "second", "third"]

    run(scenario)


def test_error_in_deliver_comes_out_and_leaves_the_rest_for_later():
    async def scenario(net):
        core = Clockwork()
        seen = []

        def deliver(output):
            if output == "bad":
                raise ZeroDivisionError
            seen.append(output)

        async with Transport(core, net, deliver=deliver) as transport:
            core.outputs.extend(["bad", "good"])
            with pytest.raises(ZeroDivisionError):
                transport.flush()
            transport.flush()
            assert seen == ["good"]

    run(scenario)


def test_urls_tell_the_ports_that_were_given():
    async def scenario(net):
        async with Transport(Clockwork(), net, deliver=print) as transport:
            assert str(await transport.listen("udp://a:5060")) == "udp://10.0.0.1:5060"
            assert (await transport.listen("tcp://a:0")).port != 0
            assert [url.scheme for url in transport.listeners] == ["udp", "tcp"]
            assert transport.urls[0] == "udp://10.0.0.1:5060"

    run(scenario)


def test_place_that_is_taken_is_said():
    async def scenario(net):
        async with Transport(Clockwork(), net, deliver=print) as transport:
            await transport.listen("udp://a:5060")
            with pytest.raises(TransportError, match=r"Cannot listen at udp://a:5060: .* in use\."):
                await transport.listen("udp://a:5060")
            with pytest.raises(TransportError, match="Cannot listen"):
                await transport.listen("udp://x.invalid:5060")
            with pytest.raises(LocalProtocolError):
                await transport.listen("nonsense")

    run(scenario)


def test_run_in_a_nursery():
    async def scenario(net):
        async with trio.open_nursery() as nursery:
            transport = await nursery.start(Transport(Clockwork(), net, deliver=print).run)
            await transport.listen("udp://a:5060")
            await transport.listen("tcp://a:5060")
            await transport.aclose()

    run(scenario)


def test_cancelled_owner_can_still_send(open_party):
    async def scenario(net):
        core = Clockwork()
        with trio.move_on_after(5):
            async with trio.open_nursery() as nursery:
                transport = await nursery.start(Transport(core, net, deliver=print).run)
                await transport.listen("udp://a:5060")
                try:
                    await trio.sleep_forever()
                finally:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(1)
                        flow = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060), "10.0.0.1:5060")
                        core.outputs.append(Send(b"BYE", flow, None))
                        transport.flush()
                        assert transport.counters.sent == 1
                        await transport.aclose()

    run(scenario)


def test_wait_until():
    async def scenario(net):
        core = Clockwork(3.0, 7.0)
        async with Transport(core, net, deliver=print) as transport:
            await transport.wait_until(lambda: True)
            assert trio.current_time() == 0
            await transport.wait_until(lambda: len(core.fired) == 2)
            assert trio.current_time() == 7.0

    run(scenario)


def test_output_that_nobody_takes_is_an_error():
    async def scenario(net):
        core = Clockwork()
        async with Transport(core, net) as transport:
            core.outputs.append("news")
            with pytest.raises(LocalProtocolError, match="Nobody takes 'news'"):
                transport.flush()

    run(scenario)


def test_block_raises_its_own_exception_not_a_group():
    async def fail(net):
        async with Transport(Clockwork(), net, deliver=print) as transport:
            await transport.listen("udp://a:5060")
            raise KeyError

    async def scenario(net):
        with pytest.raises(KeyError):
            await fail(net)

    run(scenario)


def test_error_of_the_core_in_a_task_is_the_blocks_exception():
    class Broken(Clockwork):
        def expire(self, now):
            raise ZeroDivisionError

    async def scenario(net):
        with pytest.raises(ZeroDivisionError):
            async with Transport(Broken(1.0), net, deliver=print):
                await trio.sleep(5)

    run(scenario)


def test_cancelling_the_block_closes_everything(open_party):
    async def scenario(net):
        with trio.move_on_after(5) as scope:
            async with open_party(net, "udp://a:5060", "tcp://a:5060") as a:
                await net.host("b").connect_stream("10.0.0.1", 5060)
                a.send(request(via=None), "sip:10.9.9.9;transport=tcp")
                await trio.sleep_forever()
        assert scope.cancelled_caught
        for stream in list(net._streams):
            stream.close()

    run(scenario)


def test_send_after_close_fails(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060", "tcp://a:5060") as a:
            a.send(request(via=None), "sip:10.0.0.2")
            await a.transport.aclose()
            await a.wait(TransactionFailed)
            a.send(request(via=None, call_id="2"), "sip:10.0.0.2;transport=tcp")
            assert a.core.unroutables

    run(scenario)


def test_idle_after_a_timeout(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a:
            a.send(request(via=None), "sip:10.0.0.2")
            with pytest.raises(AssertionError, match="a timer"):
                assert_idle(a.core)
            await a.wait(TransactionFailed)
            a.transport.flush()
            assert_idle(a.core)

    run(scenario)
