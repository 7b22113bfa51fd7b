from __future__ import annotations

import math

import pytest
import trio

from sipstack.testing import VirtualNetwork, run


async def pair(net):
    one = await net.open_datagram(net.address_of("a"), 5060)
    other = await net.open_datagram(net.address_of("b"), 5060)
    return one, other


async def receive_all(socket):
    got = []
    with trio.move_on_after(100):
        while True:
            await socket.wait_readable()
            got.append((trio.current_time(), socket.receive_nowait()[0]))
    return got


def exchange(count=100, trouble=None, interval=1.0, **options):
    """Send so many datagrams from a to b, one every second or so; return what came and when."""
    result = []

    async def scenario(net):
        one, other = await pair(net)
        for number in range(count):
            if trouble:
                trouble(net, number)
            one.send_nowait(b"%d" % number, other.address)
            await trio.sleep(interval)
            while True:
                try:
                    result.append((trio.current_time(), int(other.receive_nowait()[0])))
                except BlockingIOError:
                    break
        await trio.sleep(10)
        while True:
            try:
                result.append((trio.current_time(), int(other.receive_nowait()[0])))
            except BlockingIOError:
                break
        one.close()
        other.close()

    trace = run(scenario, **options)
    return [number for _, number in result], trace


def test_nothing_is_lost_without_loss():
    got, trace = exchange()
    assert got == list(range(100))
    assert len(trace.times("a>b")) == 100
    assert trace.times("a>b")[:3] == [0, 1, 2]


def test_loss():
    got, trace = exchange(loss=0.3, seed=5)
    assert 50 < len(got) < 90
    assert len(trace.times("a>b")) == 100
    assert sum(passage.is_lost for passage in trace.passages()) == 100 - len(got)


def test_everything_can_be_lost():
    assert exchange(loss=1.0)[0] == []


def test_duplicates():
    got, _ = exchange(duplicate=0.3)
    assert 110 < len(got) < 150
    assert sorted(set(got)) == list(range(100))


def test_reorder():
    got, _ = exchange(reorder=0.5, interval=0.03)
    assert sorted(got) == list(range(100))
    assert got != list(range(100))


def test_mtu():
    assert exchange(count=12, mtu=1)[0] == list(range(10))


def test_partition_and_heal():
    def trouble(net, number):
        if number == 3:
            net.partition("a", "b")
        if number == 6:
            net.heal("b", "a")

    assert exchange(count=10, trouble=trouble)[0] == [0, 1, 2, 6, 7, 8, 9]


def test_delay_and_jitter():
    async def scenario(net):
        one, other = await pair(net)
        one.send_nowait(b"x", other.address)
        await other.wait_readable()
        assert 0.2 <= trio.current_time() <= 0.3
        one.close()
        other.close()

    run(scenario, delay=0.2, jitter=0.1)


def test_same_seed_same_run_and_other_seed_other_run():
    def log(seed):
        got, trace = exchange(loss=0.2, duplicate=0.2, reorder=0.2, jitter=0.5, seed=seed)
        return got, [(each.time, each.direction, each.data) for each in trace.records]

    assert log(3) == log(3)
    assert log(3) != log(4)


def test_refused_datagram():
    async def scenario(net):
        one = await net.open_datagram(net.address_of("a"), 5060)
        one.send_nowait(b"x", (net.address_of("b"), 9))
        await one.wait_readable()
        with pytest.raises(BlockingIOError):
            one.receive_nowait()
        assert one.refusals_nowait() == [(("10.0.0.2", 9), "Connection refused")]
        one.close()
        with pytest.raises(OSError, match="closed"):
            one.send_nowait(b"x", ("10.0.0.2", 9))

    run(scenario, refuses=True)


def test_names_and_addresses():
    net = VirtualNetwork(ipv6=True)
    assert net.host("a").addresses == ("10.0.0.1", "fd00::1")
    assert net.host("b").addresses == ("10.0.0.2", "fd00::2")
    assert net.host("10.0.0.1") is net.host("a")
    assert net.host("192.0.2.1").addresses == ("192.0.2.1",)
    assert net.host("a").own_address("0.0.0.0") == "10.0.0.1"
    assert net.host("a").own_address("::") == "fd00::1"
    assert net.host("a").own_address("10.0.0.2") is None
    assert net.host("a").local_host_towards("fd00::2") == "fd00::1"
    assert net.local_host_towards("10.0.0.2") == net.address_of("local")


def test_resolve():
    async def scenario(net):
        assert await net.resolve("a") == [net.address_of("a")]
        with pytest.raises(OSError, match="no host"):
            await net.resolve("x.invalid")
        with pytest.raises(OSError, match="no address of a"):
            await net.host("a").open_datagram(net.address_of("b"), 5060)
        with pytest.raises(OSError, match="no address of a"):
            await net.host("a").connect_stream("10.0.0.9", 1, local_host="10.0.0.8")
        with pytest.raises(OSError, match="no address to reach"):
            net.host("a").local_host_towards("::1")

    run(scenario)


def test_address_in_use_and_free_again():
    async def scenario(net):
        one = await net.open_datagram("10.0.0.1", 5060)
        with pytest.raises(OSError, match="in use"):
            await net.open_datagram("10.0.0.1", 5060)
        one.close()
        one.close()
        (await net.open_datagram("10.0.0.1", 5060)).close()
        listener = await net.listen_stream("0.0.0.0", 0)
        assert listener.address[1] >= 49_152
        listener.close()

    run(scenario)


async def connected(net):
    listener = await net.listen_stream(net.address_of("b"), 5060)
    near, local, remote = await net.host("a").connect_stream(*listener.address)
    far, its_local, its_remote = await listener.accept()
    assert (local, remote) == (its_remote, its_local)
    return near, far, listener


def test_stream_both_ways_in_order_and_its_end():
    async def scenario(net):
        near, far, listener = await connected(net)
        for number in range(50):
            near.send_nowait(b"%d," % number)
        far.send_nowait(b"back")
        assert await near.receive_some(100) == b"back"
        near.close()
        near.close()
        got = b""
        while more := await far.receive_some(7):
            got += more
        assert got == b"".join(b"%d," % number for number in range(50))
        far.close()
        listener.close()

    run(scenario, delay=0.1, jitter=0.5)


def test_stream_back_pressure():
    async def scenario(net):
        near, far, listener = await connected(net)
        sent = near.send_nowait(bytes(100_000))
        assert sent == 65_536
        assert near.send_nowait(b"x") == 0
        with trio.move_on_after(1) as scope:
            await near.wait_writable()
        assert scope.cancelled_caught
        assert len(await far.receive_some(1_000)) == 1_000
        await near.wait_writable()
        assert near.send_nowait(bytes(2_000)) == 1_000
        for each in (near, far, listener):
            each.close()

    run(scenario)


def test_refused_connection():
    async def scenario(net):
        with pytest.raises(ConnectionRefusedError):
            await net.connect_stream(net.address_of("b"), 5060)

    run(scenario)


def test_reset_breaks_both_ends():
    async def scenario(net):
        near, far, listener = await connected(net)
        net.reset("b", "a")
        for stream in (near, far):
            with pytest.raises(trio.BrokenResourceError, match="reset"):
                await stream.receive_some(1)
            with pytest.raises(trio.BrokenResourceError):
                stream.send_nowait(b"x")
            stream.close()
        listener.close()

    run(scenario)


def test_what_was_said_before_a_reset_is_heard():
    async def scenario(net):
        near, far, listener = await connected(net)
        far.send_nowait(b"farewell")
        far.close()
        near.send_nowait(b"too late")
        await trio.sleep(10)
        assert await near.receive_some(100) == b"farewell"
        with pytest.raises(trio.BrokenResourceError, match="reset"):
            await near.receive_some(100)
        near.close()
        listener.close()

    run(scenario)


def test_bytes_to_a_closed_end_are_answered_by_a_reset():
    async def scenario(net):
        near, far, listener = await connected(net)
        far.close()
        assert await near.receive_some(1) == b""
        near.send_nowait(b"x")
        await trio.sleep(1)
        with pytest.raises(trio.BrokenResourceError):
            near.send_nowait(b"y")
        near.close()
        listener.close()

    run(scenario)


def test_partition_holds_bytes_and_connecting():
    async def scenario(net):
        near, far, listener = await connected(net)
        net.partition("a", "b")
        near.send_nowait(b"held ")
        with trio.move_on_after(10) as scope:
            await far.receive_some(10)
        assert scope.cancelled_caught
        with trio.move_on_after(10) as scope:
            await net.host("a").connect_stream(*listener.address)
        assert scope.cancelled_caught
        net.heal("a", "b")
        near.send_nowait(b"and after")
        got = b""
        while len(got) < 14:
            got += await far.receive_some(100)
        assert got == b"held and after"
        for each in (near, far, listener):
            each.close()

    run(scenario, delay=0.2)


def test_closing_a_listener_closes_what_nobody_accepted():
    async def scenario(net):
        listener = await net.listen_stream(net.address_of("b"), 5060)
        near, _, _ = await net.host("a").connect_stream(*listener.address)
        listener.close()
        assert await near.receive_some(1) == b""
        near.close()
        with pytest.raises(trio.ClosedResourceError):
            await listener.accept()

    run(scenario)


def test_a_message_asked_for_takes_its_own_time_once():
    arrivals = []

    async def scenario(net):
        one, other = await pair(net)
        net.delay_next("a>b OPTIONS", 2.0)
        net.delay_next("a>b OPTIONS", math.inf)
        for method in ("INFO", "OPTIONS", "OPTIONS", "OPTIONS"):
            one.send_nowait(f"{method} sip:b SIP/2.0\r\nCSeq: 1 {method}\r\n\r\n".encode(), other.address)
        arrivals.extend((time, data.split()[0]) for time, data in await receive_all(other))
        one.close()
        other.close()

    run(scenario, delay=0.5)
    assert arrivals == [(0.5, b"INFO"), (0.5, b"OPTIONS"), (2.0, b"OPTIONS")]
