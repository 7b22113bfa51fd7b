from __future__ import annotations

import pytest
import trio
import trio.lowlevel

from sipstack.message import Limits
from sipstack.testing import ScriptedPeer, request, response_to, run
from sipstack.transactions import Dropped, Flow, RequestReceived, ResponseReceived, Send, TransactionFailed

TCP = "SIP/2.0/TCP gone.invalid:5060"  # a host that answers could not be sent to by its name


def ask(number: int = 1, **options):
    return request(via=TCP, branch=f"z9hG4bK{number}", call_id=f"call-{number}", **options)


@pytest.mark.rfc("R3261-18.2.2-2", "R3261-18.1.1-8")
def test_response_returns_on_the_connection(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060") as b, ScriptedPeer(net, "tcp://a:5060") as a:
            await a.connect("b", 5060)
            await a.send(ask())
            assert (await a.expect(200)).code == 200
            flow = b.of(RequestReceived)[0].transaction.flow
            assert (flow.transport, flow.connection, flow.sent_by) == ("TCP", 1, "10.0.0.1:5060")
            assert flow.remote == ("10.0.0.2", 49152)

    run(scenario)


def test_messages_in_any_pieces(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060"), ScriptedPeer(net, "tcp://a:5060") as a:
            await a.connect("b", 5060)
            data = b"".join(ask(number, body=b"x" * number).serialise() for number in range(3))
            for place in range(len(data)):
                await a.send(data[place : place + 1])
                await trio.lowlevel.checkpoint()
            for _ in range(3):
                await a.expect(200)

    run(scenario)


@pytest.mark.rfc("R3261-7.5-1")
def test_double_crlf_is_answered_with_one(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060") as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            await trio.sleep(1)
            stream.send_nowait(b"\r\n\r\n")
            assert await stream.receive_some(100) == b"\r\n"
            stream.send_nowait(b"\r\n" + ask().serialise())
            assert (await stream.receive_some(10_000)).startswith(b"SIP/2.0 200")
            assert b.transport.counters.keepalives == 1
            stream.close()

    run(scenario)


def test_garbage_is_dropped_and_the_connection_closed(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060") as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            stream.send_nowait(b"\xff\xfe nonsense\r\n\r\n more")
            await b.wait(Dropped)
            assert await stream.receive_some(100) == b""
            assert len(b.transport._pool) == 0
            stream.close()

    run(scenario)


def test_request_without_content_length_is_answered_400_before_the_close(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060"):
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            stream.send_nowait(ask().serialise().replace(b"Content-Length: 0\r\n", b""))
            assert (await stream.receive_some(10_000)).startswith(b"SIP/2.0 400")
            assert await stream.receive_some(100) == b""
            stream.close()

    run(scenario)


@pytest.mark.rfc("R3261-18.4-3")
def test_lost_connection_fails_its_transactions(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a, ScriptedPeer(net, "tcp://b:5060") as b:
            a.send(request(via=None), f"sip:{net.address_of('b')};transport=tcp")
            await b.expect("OPTIONS")
            net.reset("a", "b")
            (failed,) = await a.wait(TransactionFailed)
            assert failed.kind == "transport"
            assert trio.current_time() == 0

    run(scenario)


def test_peer_that_closes_fails_what_waits(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a, ScriptedPeer(net, "tcp://b:5060") as b:
            a.send(request(via=None), f"sip:{net.address_of('b')};transport=tcp")
            await b.expect("OPTIONS")
            b.hang_up()
            await a.wait(TransactionFailed)
            assert a.failures == ["the peer closed the connection"]

    run(scenario)


@pytest.mark.rfc("R3261-18.2.2-3", "R3261-18.1.1-9")
def test_response_to_a_closed_connection_goes_by_a_new_one(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060", code=None) as b, ScriptedPeer(net, "tcp://a:5060") as a:
            await a.connect("b", 5060)
            # The Via names a port at which the peer listens; its host is not where it came from.
            got = request(via="SIP/2.0/TCP a.example:5060")
            await a.send(got)
            (asked,) = await b.wait(RequestReceived)
            a.hang_up()
            await trio.sleep(1)
            b.core.respond(asked.transaction, asked.request.create_response(200, to_tag="t"), trio.current_time())
            b.transport.flush()
            await a.accept()
            assert (await a.expect(200)).top_via.received == net.address_of("a")
            assert not b.failures
            assert b.transport.counters.connections_opened == 1

    run(scenario)


def test_response_that_finds_no_connection_at_all_fails(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060", code=None) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            stream.send_nowait(request("INVITE", via=TCP).serialise())
            (asked,) = await b.wait(RequestReceived)
            stream.close()
            await trio.sleep(1)
            b.core.respond(asked.transaction, asked.request.create_response(486, to_tag="t"), trio.current_time())
            b.transport.flush()
            await b.wait(TransactionFailed)
            assert "Connection refused" in b.failures[0]

    run(scenario)


@pytest.mark.rfc("R3261-18-1", "R3261-18-2")
def test_idle_connection_is_closed_after_the_limit_and_not_before(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060", limits=Limits(idle_seconds=64)) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            await trio.sleep(30)
            stream.send_nowait(b"\r\n\r\n")
            await stream.receive_some(10)
            await trio.sleep(63)
            assert len(b.transport._pool) == 1
            assert await stream.receive_some(10) == b""
            assert trio.current_time() == pytest.approx(94, abs=0.5)
            assert b.transport.counters.connections_expired == 1
            stream.close()

    run(scenario)


def test_trickled_message_is_given_up(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060", limits=Limits(message_seconds=32)) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            data = ask().serialise()
            for place in range(len(data)):
                try:
                    stream.send_nowait(data[place : place + 1])
                except trio.BrokenResourceError:
                    break
                await trio.sleep(1)
            assert trio.current_time() == pytest.approx(36, abs=2)
            assert b.transport.counters.connections_expired == 1
            assert not b.of(RequestReceived)
            stream.close()

    run(scenario)


def test_slow_peers_on_a_thousand_connections_are_given_up_and_keep_nobody_out(open_party):
    async def scenario(net):
        limits = Limits(message_seconds=32, connections_per_source=1_000)
        async with open_party(net, "tcp://b:5060", limits=limits) as b, ScriptedPeer(net, "tcp://a:5060") as a:
            streams = [(await net.host("c").connect_stream(net.address_of("b"), 5060))[0] for _ in range(1_000)]
            for byte in b"OPTIONS ":
                for stream in streams:
                    stream.send_nowait(bytes([byte]))
                await trio.sleep(3)
            await a.connect("b", 5060)
            await a.send(ask())
            await a.expect(200)
            await trio.sleep(15)
            assert b.transport.counters.connections_expired == 1_000
            assert len(b.transport._pool) == 1
            for stream in streams:
                stream.close()

    run(scenario)


def test_peer_that_reads_nothing_overruns_its_buffer(open_party):
    async def scenario(net):
        limits = Limits(write_buffer=100_000)
        async with open_party(net, "tcp://b:5060", limits=limits) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            for number in range(2_000):
                data = ask(number).serialise()
                while data:
                    try:
                        data = data[stream.send_nowait(data) :]
                    except trio.BrokenResourceError:
                        break
                    await trio.sleep(0.001)
                if b.transport.counters.connections_overrun:
                    break
            assert b.transport.counters.connections_overrun == 1
            assert len(b.transport._pool) == 0
            stream.close()

    run(scenario)


def test_peer_that_stops_reading_is_given_up_in_time(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060", limits=Limits(message_seconds=32)) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            await trio.sleep(1)
            flow = next(iter(b.transport._pool._connections.values())).flow
            b.core.outputs.append(Send(b"x" * 100_000, flow, None))
            b.transport.flush()
            await trio.sleep(31)
            assert len(b.transport._pool) == 1
            await trio.sleep(2)
            assert len(b.transport._pool) == 0
            stream.close()

    run(scenario)


def test_large_message_is_written_as_the_peer_takes_it(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://b:5060") as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            await trio.sleep(1)
            flow = next(iter(b.transport._pool._connections.values())).flow
            data = bytes(range(256)) * 2_000
            b.core.outputs.append(Send(data, flow, None))
            b.transport.flush()
            got = b""
            while len(got) < len(data):
                got += await stream.receive_some(10_000)
            assert got == data
            stream.close()

    run(scenario, delay=0.01)


def test_what_is_written_goes_out_before_the_close(open_party):
    async def scenario(net):
        data = b"y" * 200_000
        got = bytearray()
        async with trio.open_nursery() as nursery, open_party(net, "tcp://b:5060") as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            await trio.sleep(1)

            async def read():
                while more := await stream.receive_some(10_000):
                    got.extend(more)
                    await trio.sleep(0.001)
                stream.close()

            flow = next(iter(b.transport._pool._connections.values())).flow
            b.core.outputs.append(Send(data, flow, None))
            b.transport.flush()
            nursery.start_soon(read)
        assert got == data

    run(scenario)


def test_connections_are_limited_in_all_and_per_source(open_party):
    async def scenario(net):
        limits = Limits(connections=3, connections_per_source=2)
        async with open_party(net, "tcp://b:5060", limits=limits) as b:
            streams = []
            for name in ("a", "a", "a", "c", "d"):
                stream, _, _ = await net.host(name).connect_stream(net.address_of("b"), 5060)
                streams.append(stream)
                await trio.sleep(0.1)
            assert b.transport.counters.connections_accepted == 3
            assert b.transport.counters.connections_refused == 2
            assert await streams[2].receive_some(1) == b""
            # One that ends makes room for another.
            streams[0].close()
            await trio.sleep(0.1)
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
            streams.append(stream)
            await trio.sleep(0.1)
            assert b.transport.counters.connections_accepted == 4
            for stream in streams:
                stream.close()

    run(scenario)


def test_rate_of_one_source_on_a_stream(open_party):
    async def scenario(net):
        limits = Limits(requests_per_second_per_source=1)
        async with open_party(net, "tcp://b:5060", limits=limits) as b, ScriptedPeer(net, "tcp://a:5060") as a:
            await a.connect("b", 5060)
            await a.send(ask(1).serialise() + ask(2).serialise())
            await a.expect(200)
            await a.expect_nothing(1)
            assert b.transport.counters.requests_shed == 1

    run(scenario)


def test_flow_of_no_number_means_whichever_connection_and_queues_while_opening(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a, ScriptedPeer(net, "tcp://b:5060") as b:
            flow = Flow(
                transport="TCP", local=("10.0.0.1", 5060), remote=(net.address_of("b"), 5060), sent_by="10.0.0.1:5060"
            )
            for number in range(3):
                a.core.send_request(request(via=None, call_id=f"{number}"), flow, trio.current_time())
            a.transport.flush()
            for number in range(3):
                got = await b.expect("OPTIONS")
                assert got.call_id == str(number)
                await b.send(response_to(got, 200))
            await a.wait(ResponseReceived, 3)
            assert a.transport.counters.connections_opened == 1
            a.core.send_request(request(via=None, call_id="lost"), flow, trio.current_time())
            a.transport.flush()
            b.hang_up()
            await a.wait(TransactionFailed)

    run(scenario, delay=0.05)


def test_queue_while_opening_is_bounded_and_fails_as_a_whole(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060", limits=Limits(write_buffer=600, connect_seconds=5)) as a:
            net.partition("a", "b")
            flow = Flow(transport="TCP", local=("10.0.0.1", 5060), remote=(net.address_of("b"), 5060), sent_by="a:5060")
            for number in range(4):
                a.core.send_request(request(via=None, call_id=f"{number}"), flow, trio.current_time())
            a.transport.flush()
            shed = a.transport.counters.sends_shed
            assert 0 < shed < 4
            await a.wait(TransactionFailed, 4)
            assert trio.current_time() == 5
            assert "in time" in a.failures[-1]

    run(scenario)


def test_send_on_a_connection_that_is_gone_fails_a_client_transaction(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a:
            flow = Flow("TCP", ("10.0.0.1", 5060), ("10.0.0.2", 5060), "10.0.0.1:5060", 77)
            a.core.send_request(request(via=None), flow, trio.current_time())
            a.transport.flush()
            assert a.failures == ["the connection is closed"]
            a.core.outputs.append(Send(b"SIP/2.0 400 Bad\r\n\r\n", flow, None))
            a.transport.flush()
            assert a.transport.counters.sends_failed == 2

    run(scenario)


class _Exhausted:
    """A listener that fails a few times, as one does without file descriptors."""

    address = ("192.0.2.1", 5060)

    def __init__(self):
        self.errors = [OSError(24, "Too many open files"), OSError(103, "Software caused connection abort")]

    async def accept(self):
        await trio.lowlevel.checkpoint()
        if self.errors:
            raise self.errors.pop()
        await trio.sleep_forever()

    def close(self):
        pass


def test_failing_accept_does_not_end_the_listener(open_party):
    class Network:
        async def listen_stream(self, host, port):
            return _Exhausted()

    async def scenario(net):
        async with open_party(Network(), "tcp://192.0.2.1:5060") as a:
            await trio.sleep(5)
            assert a.transport.counters.accept_failures == 2

    run(scenario)
