"""The hook between the core and the sockets: each operation over UDP and TCP, what waits, what fails."""

from __future__ import annotations

import pytest
import trio

from sipstack.outbound import Emission, on, on_response
from sipstack.testing import ScriptedPeer, assert_idle, request, run
from sipstack.transactions import Flow, ResponseReceived, Send, TransactionFailed
from sipstack.transport import Transport, _outlet

TRANSPORTS = ["udp", "tcp"]
TO = {"udp": "sip:10.0.0.2", "tcp": "sip:10.0.0.2;transport=tcp"}
FOREVER = 100.0


def party_and_peer(transport, scenario, open_party, *, outbound):
    """Run a scenario between a party at a with a hook, and a scripted peer at b."""

    async def run_scenario(net):
        net.host("a")
        async with (
            open_party(net, f"{transport}://a:5060", outbound=outbound) as a,
            ScriptedPeer(net, f"{transport}://b:5060") as b,
        ):
            await scenario(a, b)

    return run(run_scenario)


async def answered(a, b) -> None:
    a.send(request(via=None), TO[b.url.transport.lower()])
    await b.send((await b.expect("OPTIONS")).create_response(200, to_tag="b"))
    await a.wait(ResponseReceived)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_message_that_the_hook_has_no_opinion_on_goes_out_as_it_is(transport, open_party):
    seen = []
    trace = party_and_peer(transport, answered, open_party, outbound=seen.append)
    (outbound,) = seen
    assert trace.records[0].data == outbound.data
    assert outbound.flow.transport == transport.upper()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_dropped(transport, open_party):
    async def scenario(a, b):
        a.send(request(via=None), TO[transport])
        await a.wait(TransactionFailed)
        assert a.failures == ["no final response to OPTIONS within 32 s (Timer F)"]

    trace = party_and_peer(transport, scenario, open_party, outbound=on().dropped())
    assert not trace.records


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_delayed(transport, open_party):
    trace = party_and_peer(transport, answered, open_party, outbound=on(numbers=[1]).delayed(0.3))
    assert trace.times("a>b OPTIONS") == [0.3]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_delayed_are_sent_in_the_order_of_their_times(transport, open_party):
    def hook(outbound):
        return [Emission(outbound.data.replace(b"OPTIONS", b"M%d" % n), n) for n in (3, 1, 2)]

    async def scenario(a, b):
        a.send(request(via=None), TO[transport])
        for method in ("M1", "M2", "M3"):
            await b.expect(method)
        assert trio.current_time() == 3

    party_and_peer(transport, scenario, open_party, outbound=hook)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_duplicated(transport, open_party):
    trace = party_and_peer(transport, answered, open_party, outbound=on().duplicated(3))
    assert trace.times("a>b OPTIONS") == [0, 0, 0]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_header_fields_changed(transport, open_party):
    hook = on().without_header("From").with_header("X", "y")

    async def scenario(a, b):
        a.send(request(via=None), TO[transport])
        with pytest.raises(Exception, match="From is missing"):
            await b.expect("OPTIONS")

    trace = party_and_peer(transport, scenario, open_party, outbound=hook)
    assert b"\r\nX: y\r\n" in trace.records[0].data


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_raw(transport, open_party):
    async def scenario(a, b):
        a.send(request(via=None), TO[transport])
        await trio.sleep(0.1)

    trace = party_and_peer(transport, scenario, open_party, outbound=on().raw(b"\xff\0\r\n"))
    assert [record.data for record in trace.records if record.direction == "sent"] == [b"\xff\0\r\n"]


def test_retransmissions_are_numbered_and_the_first_copies_dropped(open_party):
    seen = []

    def hook(outbound):
        seen.append((outbound.number, outbound.is_retransmission))
        return on(numbers=[1, 2]).dropped()(outbound)

    async def scenario(a, b):
        a.send(request(via=None), TO["udp"])
        await b.expect("OPTIONS")
        assert trio.current_time() == 1.5
        await a.wait(TransactionFailed)

    trace = party_and_peer("udp", scenario, open_party, outbound=hook)
    assert trace.times("a>b OPTIONS") == [1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert seen == [(n, n > 1) for n in range(1, 12)]


def test_rewrite_holds_for_retransmissions(open_party):
    async def scenario(a, b):
        a.send(request(via=None), TO["udp"])
        await a.wait(TransactionFailed)

    trace = party_and_peer("udp", scenario, open_party, outbound=on().with_header("X", "y"))
    copies = [record.data for record in trace.records if record.direction == "sent"]
    assert len(copies) == 11
    assert set(copies) == {copies[0]}
    assert b"X: y" in copies[0]


def test_repeated_answer_is_numbered(open_party):
    seen = []

    def hook(outbound):
        seen.append((outbound.message.code, outbound.number))

    async def scenario(a, b):
        options = b.request("OPTIONS", "sip:a@10.0.0.1")
        for _ in range(3):
            await b.send(options, to="10.0.0.1:5060")
        await trio.sleep(0.1)
        assert len(seen) == 3

    party_and_peer("udp", scenario, open_party, outbound=hook)
    assert seen == [(200, 1), (200, 2), (200, 3)]


def test_stateless_reply_passes(open_party):
    async def scenario(a, b):
        bad = b.request("OPTIONS", "sip:a@10.0.0.1").serialise().replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1)
        await b.send(bad, to="10.0.0.1:5060")
        assert (await b.expect(505)).headers["X"] == "y"

    party_and_peer("udp", scenario, open_party, outbound=on_response(505, "OPTIONS").with_header("X", "y"))


def test_same_message_to_two_peers_is_two_messages(open_party):
    seen = []

    def hook(outbound):
        seen.append((outbound.flow.remote[0], outbound.number))
        return []

    async def scenario(net):
        async with open_party(net, "udp://a:5060", outbound=hook) as a:
            ack = request("ACK")
            for host in ("10.0.0.2", "10.0.0.3"):
                flow = Flow("UDP", ("10.0.0.1", 5060), (host, 5060), "10.0.0.1:5060")
                a.core.outputs.append(Send(ack.serialise(), flow, None, ack))
            a.transport.flush()

    run(scenario)
    assert seen == [("10.0.0.2", 1), ("10.0.0.3", 1)]


def test_what_is_remembered_is_bounded(open_party, monkeypatch):
    monkeypatch.setattr(_outlet, "_REMEMBERED", 2)
    numbers = []

    def hook(outbound):
        numbers.append(outbound.number)
        return []

    async def scenario(a, b):
        for name in "123":
            a.send(request(via=None, call_id=name), TO["udp"])
        assert len(a.transport._outlet._numbers) == 2
        await trio.sleep(0.6)

    party_and_peer("udp", scenario, open_party, outbound=hook)
    assert numbers == [1, 1, 1, 1, 1, 1]  # each was forgotten before it came again


def test_what_waits_is_bounded(open_party, monkeypatch):
    monkeypatch.setattr(_outlet, "_DELAYED", 3)

    async def scenario(a, b):
        a.send(request("INVITE", via=None), TO["udp"])
        assert a.transport.counters.sends_shed == 2
        assert [(await b.expect("INVITE", again=True)).method for _ in range(3)] == ["INVITE"] * 3
        await b.expect_nothing(0.3)

    party_and_peer("udp", scenario, open_party, outbound=on(numbers=[1]).delayed(0.1).duplicated(5))


def test_what_waits_is_dropped_at_close(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060", outbound=on().delayed(5)) as a:
            a.send(request(via=None), "sip:10.0.0.2")
            await trio.sleep(1)
            await a.transport.aclose()
            await trio.sleep(FOREVER)
            assert a.failures == ["the socket is closed"]  # when it was to be sent again
            assert a.transport.counters.sends_failed == 1

    assert not run(scenario).records


def test_delayed_message_whose_connection_is_gone_fails_as_any(open_party):
    async def scenario(a, b):
        a.send(request("INVITE", via=None), TO["tcp"])
        await b.send((await b.expect("INVITE")).create_response(486, to_tag="b"))
        await a.wait(ResponseReceived)
        b.hang_up()
        await trio.sleep(FOREVER)
        assert a.transport.counters.sends_failed == 1
        assert_idle(a.core)

    party_and_peer("tcp", scenario, open_party, outbound=on("ACK").delayed(1.0))


class Bug(Exception):
    pass


def failing(outbound):
    raise Bug(outbound.number)


def test_error_of_the_hook_is_the_blocks_exception(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060", outbound=failing) as a:
            a.send(request(via=None), "sip:10.0.0.2")  # it is not this call that fails
            a.send(request(via=None, call_id="2"), "sip:10.0.0.2")
            assert a.transport.counters.sent == 2
            await trio.sleep_forever()

    with pytest.raises(Bug):
        run(scenario)


def test_error_in_a_task_is_the_blocks_exception(open_party):
    async def scenario(net):
        async with ScriptedPeer(net, "b:5060") as b, open_party(net, "udp://a:5060", outbound=failing):
            await b.send(b.request("OPTIONS", "sip:a@a"), to="a:5060")
            await trio.sleep_forever()

    with pytest.raises(Bug):
        run(scenario)


@pytest.mark.parametrize("result", [Emission(b"x"), 7, [b"x"]], ids=["one", "number", "bytes"])
def test_result_that_is_none_is_an_error(open_party, result):
    async def scenario(net):
        async with open_party(net, "udp://a:5060", outbound=lambda _: result) as a:
            a.send(request(via=None), "sip:10.0.0.2")
            await trio.sleep_forever()

    with pytest.raises((TypeError, AttributeError)):
        run(scenario)


def test_without_a_hook_the_socket_is_next(open_party):
    async def scenario(net):
        async with open_party(net, "udp://a:5060") as a:
            assert a.transport._emit == a.transport._send
            assert isinstance(a.transport, Transport)

    run(scenario)
