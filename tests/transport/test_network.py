"""Real sockets on loopback; each test ends within seconds whatever happens."""

from __future__ import annotations

import socket
import sys

import pytest
import trio

from sipstack.testing import request
from sipstack.transactions import RequestReceived, ResponseReceived, TransactionFailed
from sipstack.transport import TrioNetwork

SECONDS = 10


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


HOSTS = ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here"))]


def run_real(scenario) -> None:
    async def main():
        with trio.fail_after(SECONDS):
            await scenario(TrioNetwork())

    trio.run(main)


def url(scheme: str, host: str) -> str:
    return f"{scheme}://[{host}]:0" if ":" in host else f"{scheme}://{host}:0"


@pytest.mark.rfc("R3261-18-3")
@pytest.mark.parametrize("scheme", ["udp", "tcp"])
@pytest.mark.parametrize("host", HOSTS)
def test_request_and_response(open_party, scheme, host):
    async def scenario(network):
        async with (
            open_party(network, url(scheme, host)) as a,
            open_party(network, url(scheme, host), seed=2) as b,
        ):
            (place,) = b.transport.listeners
            there = f"[{host}]" if ":" in host else host
            for number in range(3):
                a.send(request(via=None, call_id=f"{number}"), f"sip:{there}:{place.port};transport={scheme}")
                received = await a.wait(ResponseReceived, number + 1, timeout=SECONDS)
                assert received[-1].response.code == 200
            flow = b.of(RequestReceived)[0].transaction.flow
            assert flow.local == (host, place.port)
            assert flow.remote[0] == host

    run_real(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="the error queue is Linux's")
@pytest.mark.rfc("R3261-18.4-1")
@pytest.mark.parametrize("host", HOSTS)
def test_refused_datagram_fails_its_transaction_and_no_other(open_party, host):
    async def scenario(network):
        # A port that was just free: nobody else on loopback is given it while the test runs, in all likelihood.
        gone = await network.open_datagram(host, 0)
        port = gone.address[1]
        gone.close()
        there = f"[{host}]" if ":" in host else host
        async with open_party(network, url("udp", host)) as a, open_party(network, url("udp", host), seed=2) as b:
            a.send(request(via=None, call_id="gone"), f"sip:{there}:{port}")
            # The kernel reports the refusal on the next send, whomever that is to.
            a.send(request(via=None, call_id="there"), f"sip:{there}:{b.transport.listeners[0].port}")
            (failed,) = await a.wait(TransactionFailed, timeout=SECONDS)
            assert failed.transaction.request.call_id == "gone"
            assert "Connection refused" in failed.detail
            (received,) = await a.wait(ResponseReceived, timeout=SECONDS)
            assert received.transaction.request.call_id == "there"

    run_real(scenario)


def test_large_datagram(open_party):
    async def scenario(network):
        socket_ = await network.open_datagram("127.0.0.1", 0)
        other = await network.open_datagram("127.0.0.1", 0)
        data = bytes(60_000)
        socket_.send_nowait(data, other.address)
        await other.wait_readable()
        assert other.receive_nowait() == (data, socket_.address)
        with pytest.raises(BlockingIOError):
            other.receive_nowait()
        with pytest.raises(OSError, match="too long"):
            socket_.send_nowait(bytes(70_000), other.address)
        assert other.refusals_nowait() == []
        socket_.close()
        socket_.close()
        with pytest.raises(trio.ClosedResourceError):
            await socket_.wait_readable()
        other.close()

    run_real(scenario)


def test_closing_wakes_whoever_waits():
    async def scenario(network):
        datagram = await network.open_datagram("127.0.0.1", 0)
        listener = await network.listen_stream("127.0.0.1", 0)
        stream, _, _ = await network.connect_stream(*listener.address)
        accepted, _, _ = await listener.accept()
        done = []

        async def wait(function):
            with pytest.raises(trio.ClosedResourceError):
                await function()
            done.append(function)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, datagram.wait_readable)
            nursery.start_soon(wait, listener.accept)

            async def receive():
                await stream.receive_some(10)

            nursery.start_soon(wait, receive)
            await trio.testing.wait_all_tasks_blocked()
            for each in (datagram, listener, stream):
                each.close()
        assert len(done) == 3
        accepted.close()
        with pytest.raises(trio.BrokenResourceError):
            accepted.send_nowait(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await accepted.wait_writable()

    run_real(scenario)


def test_stream_takes_what_it_can_and_says_how_much():
    async def scenario(network):
        listener = await network.listen_stream("127.0.0.1", 0)
        stream, local, remote = await network.connect_stream(*listener.address, local_host="127.0.0.1")
        accepted, its_local, its_remote = await listener.accept()
        assert (local, remote) == (its_remote, its_local)
        total = 0
        while taken := stream.send_nowait(bytes(1_000_000)):
            total += taken
        got = 0
        while got < total:
            got += len(await accepted.receive_some(1_000_000))
        await stream.wait_writable()
        assert stream.send_nowait(b"x") == 1
        stream.close()
        assert await accepted.receive_some(10) == b"x"
        assert await accepted.receive_some(10) == b""
        accepted.close()
        listener.close()

    run_real(scenario)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="no such option here")
def test_peer_that_vanished_is_noticed_when_its_transactions_are_over():
    async def scenario(network):
        listener = await network.listen_stream("127.0.0.1", 0)
        ours, _, _ = await network.connect_stream(*listener.address)
        theirs, _, _ = await listener.accept()
        for stream in (ours, theirs):
            # 64*T1; to see it happen takes a network that can lose a peer.
            assert stream._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 32_000
            stream.close()
        listener.close()

    run_real(scenario)


def test_reset_is_a_broken_stream():
    async def scenario(network):
        listener = await network.listen_stream("127.0.0.1", 0)
        stream, _, _ = await network.connect_stream(*listener.address)
        accepted, _, _ = await listener.accept()
        accepted._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        accepted.close()
        with pytest.raises(trio.BrokenResourceError, match="reset"):
            await stream.receive_some(10)
        stream.close()
        listener.close()

    run_real(scenario)


def test_nobody_listens():
    async def scenario(network):
        listener = await network.listen_stream("127.0.0.1", 0)
        address = listener.address
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await network.connect_stream(*address)
        taken = await network.open_datagram("127.0.0.1", 0)
        with pytest.raises(OSError, match="in use"):
            await network.open_datagram(*taken.address)
        taken.close()

    run_real(scenario)


def test_resolve():
    async def scenario(network):
        assert "127.0.0.1" in await network.resolve("127.0.0.1")
        for name in ("a..b", "x" * 300 + ".example", "-\udcff-"):
            with pytest.raises(OSError):  # noqa: PT011  (which one is the system's business)
                await network.resolve(name)

    run_real(scenario)


def test_local_host_towards():
    assert TrioNetwork().local_host_towards("127.0.0.1") == "127.0.0.1"


def test_wildcard_on_loopback(open_party):
    async def scenario(network):
        async with open_party(network, "udp://0.0.0.0:0") as a, open_party(network, "udp://127.0.0.1:0", seed=2) as b:
            a.send(request(via=None), f"sip:127.0.0.1:{b.transport.listeners[0].port}")
            await a.wait(ResponseReceived, timeout=SECONDS)
            assert a.core.flows[0].sent_by == f"127.0.0.1:{a.transport.listeners[0].port}"

    run_real(scenario)
