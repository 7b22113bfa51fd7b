from __future__ import annotations

import time

import pytest
import trio

from sipstack.testing import run


def test_hours_pass_in_no_time():
    async def scenario(net):
        await trio.sleep(36_000)
        assert trio.current_time() == 36_000

    before = time.perf_counter()
    run(scenario)
    assert time.perf_counter() - before < 5


def test_time_starts_at_zero_though_the_first_message_is_late():
    async def scenario(net):
        socket = await net.open_datagram(net.address_of("a"), 5060)
        await trio.sleep(3)
        socket.send_nowait(b"OPTIONS sip:b SIP/2.0\r\n\r\n", (net.address_of("b"), 5060))
        socket.close()

    assert run(scenario).times("a>b OPTIONS") == [3]


def test_what_is_left_open_is_named():
    async def scenario(net):
        await net.open_datagram(net.address_of("a"), 5060)
        listener = await net.listen_stream(net.address_of("b"), 5070)
        await net.host("a").connect_stream(*listener.address)

    with pytest.raises(AssertionError, match=r"datagram socket 10\.0\.0\.1:5060; listener 10\.0\.0\.2:5070") as caught:
        run(scenario)
    assert "connection" in str(caught.value)


def test_scenario_raises_its_own_error():
    async def scenario(net):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(scenario)


def test_two_errors_at_once_stay_a_group():
    async def scenario(net):
        async def fail(error):
            raise error

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, KeyError())
            nursery.start_soon(fail, IndexError())

    with pytest.raises(BaseExceptionGroup):
        run(scenario)


def test_seed_fixes_the_order_of_tasks():
    def order(seed):
        seen = []

        async def task(number):
            for _ in range(5):
                await trio.lowlevel.checkpoint()
                seen.append(number)

        async def scenario(net):
            async with trio.open_nursery() as nursery:
                for number in range(8):
                    nursery.start_soon(task, number)

        run(scenario, seed=seed)
        return seen

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(8)}) > 1


def test_scheduler_is_as_before_afterwards():
    import trio._core._run as scheduler

    before = scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING

    async def scenario(net):
        await trio.sleep(1)

    run(scenario)
    assert (scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING) == before


def test_a_scenario_that_waits_for_ever_is_ended() -> None:
    async def scenario(net):
        await trio.sleep_forever()

    with pytest.raises(trio.TooSlowError):
        run(scenario, limit=60)
