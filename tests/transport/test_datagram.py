from __future__ import annotations

import pytest
import trio

from sipstack.message import Limits
from sipstack.testing import ScriptedPeer, request, response_to, run
from sipstack.trace import Trace
from sipstack.transactions import Dropped, Flow, RequestReceived, ResponseReceived, Send, TransactionFailed
from sipstack.transport._datagram import host_and_port


def test_request_and_response(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a, open_party(net, "udp://b:5060", seed=2) as b:
            a.send(request(via=None), f"sip:{net.address_of('b')}")
            (received,) = await a.wait(ResponseReceived)
            assert received.response.code == 200
            (asked,) = b.of(RequestReceived)
            assert asked.transaction.flow == Flow(
                transport="UDP", local=("10.0.0.2", 5060), remote=("10.0.0.1", 5060), sent_by="10.0.0.2:5060"
            )
            assert (a.transport.counters.sent, a.transport.counters.received) == (1, 1)

    trace = run(scenario)
    assert trace.times("a>b OPTIONS") == [0]
    assert trace.times("b>a 200") == [0]


def test_one_flow_object_for_a_peer(open_party):
    async def scenario(net):
        async with open_party(net, "udp://b:5060") as b, ScriptedPeer(net, "a:5060") as a:
            for number in range(2):
                await a.send(request(branch=f"z9hG4bK{number}", sequence=number + 1), to="b:5060")
                await a.expect(200)
            first, second = b.of(RequestReceived)
            assert first.transaction.flow is second.transaction.flow

    run(scenario)


def test_batch_of_more_than_a_read_is_all_read(open_party):
    async def scenario(net):
        async with open_party(net, "udp://b:5060") as b, ScriptedPeer(net, "a:5060") as a:
            for number in range(200):
                await a.send(request(branch=f"z9hG4bK{number}", call_id=f"{number}"), to="b:5060")
            await b.wait(RequestReceived, 200)

    run(scenario)


def test_wildcard_says_the_real_address(open_party):
    async def scenario(net):
        async with open_party(net.host("a"), "udp://0.0.0.0:5060") as a, ScriptedPeer(net, "b:5060") as b:
            a.send(request(via=None), f"sip:{net.address_of('b')}")
            got = await b.expect("OPTIONS")
            assert got.top_via.sent_by == "10.0.0.1:5060"
            await b.send(response_to(got, 200))
            await a.wait(ResponseReceived)
            assert a.core.flows[0].local == ("10.0.0.1", 5060)

    run(scenario)


def test_ipv6(open_party):
    async def scenario(net):
        async with open_party(net, "udp://[fd00::1]:5060") as a, open_party(net, "udp://[fd00::2]:5060", seed=2):
            a.send(request(via=None), "sip:[fd00::2]")
            await a.wait(ResponseReceived)
            assert a.core.flows[0].sent_by == "[fd00::1]:5060"

    run(scenario, ipv6=True)


def test_garbage_and_keepalives_are_harmless(open_party):
    async def scenario(net):
        async with open_party(net, "udp://b:5060") as b, ScriptedPeer(net, "a:5060") as a:
            for data in (b"", b"\r\n\r\n", b"\0", b"\xff" * 100, b"INVITE\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"):
                await a.send(data, to="b:5060")
            await b.wait(Dropped, 3)
            assert b.transport.counters.keepalives == 3
            await a.send(request(), to="b:5060")
            await a.expect(200)

    run(scenario)


@pytest.mark.rfc("R3261-18.4-1")
def test_refused_destination_fails_its_transactions_and_no_others(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a, ScriptedPeer(net, "b:5060") as b:
            a.send(request(via=None, call_id="1"), f"sip:{net.address_of('b')}:9")
            a.send(request(via=None, call_id="2"), f"sip:{net.address_of('b')}:9")
            a.send(request(via=None, call_id="3"), f"sip:{net.address_of('b')}")
            failed = await a.wait(TransactionFailed, 2)
            assert trio.current_time() == 0
            assert {each.transaction.request.call_id for each in failed} == {"1", "2"}
            assert {each.kind for each in failed} == {"transport"}
            await b.send(response_to(await b.expect("OPTIONS"), 200))
            await a.wait(ResponseReceived)

    run(scenario, refuses=True)


def test_unanswered_request_is_repeated_until_timer_f(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a:
            a.send(request(via=None), f"sip:{net.address_of('b')}")
            (failed,) = await a.wait(TransactionFailed)
            assert failed.kind == "timeout"
            assert trio.current_time() == 32.0

    trace = run(scenario)
    assert trace.times("a>b OPTIONS")[:5] == [0, 0.5, 1.5, 3.5, 7.5]


def test_rate_of_one_source_is_shed_and_others_are_not(open_party):
    async def scenario(net):
        limits = Limits(requests_per_second_per_source=2)
        async with (
            open_party(net, "udp://b:5060", limits=limits) as b,
            ScriptedPeer(net, "a:5060") as a,
            ScriptedPeer(net, "c:5060") as c,
        ):
            for number in range(5):
                await a.send(request(branch=f"z9hG4bKa{number}", call_id=f"a{number}"), to="b:5060")
            await c.send(request(branch="z9hG4bKc", call_id="c"), to="b:5060")
            await c.expect(200)
            assert b.transport.counters.requests_shed == 3
            assert len(b.of(RequestReceived)) == 3

    run(scenario)


class _FullSocket:
    """A socket that has no room, or no way."""

    def __init__(self, error):
        self.address = ("192.0.2.1", 5060)
        self._error = error

    async def wait_readable(self):
        await trio.sleep_forever()

    def send_nowait(self, data, address):
        raise self._error

    def close(self):
        pass


class _FullNetwork:
    def __init__(self, error):
        self._error = error

    async def open_datagram(self, host, port):
        return _FullSocket(self._error)


def test_no_room_is_counted_and_sent_again_later(open_party):
    async def scenario(net):
        async with open_party(_FullNetwork(BlockingIOError()), "udp://192.0.2.1:5060") as a:
            a.send(request(via=None), "sip:192.0.2.9")
            await trio.sleep(2)
            assert a.transport.counters.sends_shed == 3
            assert not a.failures

    run(scenario)


def test_error_of_the_system_fails_the_transaction(open_party):
    async def scenario(net):
        async with open_party(_FullNetwork(OSError(101, "Network is unreachable")), "udp://192.0.2.1:5060") as a:
            a.send(request(via=None), "sip:192.0.2.9")
            assert a.failures == ["Network is unreachable"]
            assert a.transport.counters.sends_failed == 1

    run(scenario)


def test_send_on_a_flow_of_no_socket_fails(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a:
            flow = Flow(transport="UDP", local=("10.9.9.9", 1), remote=("10.0.0.2", 5060), sent_by="x:1")
            a.core.outputs.append(Send(b"x", flow, None))
            a.transport.flush()
            assert a.transport.counters.sends_failed == 1

    run(scenario)


def test_flows_are_bounded(open_party, monkeypatch):
    monkeypatch.setattr("sipstack.transport._datagram._FLOWS", 4)

    async def scenario(net):
        async with open_party(net.host("b"), "udp://0.0.0.0:5060") as b:
            (listener,) = b.transport._listeners
            for number in range(10):
                listener.flow_to((f"10.1.0.{number}", 5060))
            assert len(listener._flows) <= 4
            assert len(listener._local_hosts) <= 4

    run(scenario)


def test_trace_of_the_transport_itself(open_party):
    trace = Trace()

    async def scenario(net):
        async with open_party(net, "udp://b:5060", trace=trace), ScriptedPeer(net, "a:5060") as a:
            await a.send(request(), to="b:5060")
            await a.expect(200)

    run(scenario)
    received, sent = trace.records
    assert (received.direction, received.transport, received.method) == ("received", "UDP", "OPTIONS")
    assert (sent.direction, sent.transport, sent.code) == ("sent", "UDP", 200)
    assert (sent.local, sent.remote) == (received.local, received.remote) == (("10.0.0.1", 5060), ("10.0.0.2", 5060))


class _Everywhere:
    """A virtual socket that says it is bound to all addresses."""

    address = ("0.0.0.0", 5060)

    def __init__(self, socket):
        self._socket = socket

    def __getattr__(self, name):
        return getattr(self._socket, name)


def test_source_that_nothing_leads_back_to_is_dropped(open_party):
    class OneWay:
        def __init__(self, host):
            self._host = host

        def __getattr__(self, name):
            return getattr(self._host, name)

        async def open_datagram(self, host, port):
            socket = await self._host.open_datagram(host, port)
            return _Everywhere(socket)

        def local_host_towards(self, host):
            raise OSError(101, "Network is unreachable")

    async def scenario(net):
        async with open_party(OneWay(net.host("b")), "udp://0.0.0.0:5060") as b, ScriptedPeer(net, "a:5060") as a:
            await a.send(request(), to="b:5060")
            await a.expect_nothing(1)
            assert b.transport.counters.sends_failed == 1
            b.send(request(via=None), "sip:10.0.0.9")
            assert b.core.unroutables == ["no way leads to 10.0.0.9: Network is unreachable"]

    run(scenario)


def test_host_and_port():
    assert host_and_port(("10.0.0.1", 5060)) == "10.0.0.1:5060"
    assert host_and_port(("::1", 5060)) == "[::1]:5060"
