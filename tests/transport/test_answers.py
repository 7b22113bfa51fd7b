"""Answers whose connection is gone (RFC 3261 section 18.2.2, RFC 3263 section 5)."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from sipstack.message import Limits
from sipstack.resolver import Srv
from sipstack.testing import ScriptedPeer, request, run
from sipstack.trace import Trace
from sipstack.transactions import RequestReceived, TransactionFailed


@asynccontextmanager
async def asked_by_one_that_is_gone(open_party, net, sent_by: str, *, method="OPTIONS", **options):
    """Give a party that was asked by host a over a connection that has ended, and the request."""
    for host in "abc":
        net.host(host)
    async with open_party(net, "tcp://b:5060", code=None, **options) as b:
        stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5060)
        stream.send_nowait(request(method, via=f"SIP/2.0/TCP {sent_by}").serialise())
        (asked,) = await b.wait(RequestReceived)
        stream.close()
        await trio.sleep(1)
        yield b, asked


def answer(party, asked) -> None:
    party.core.respond(asked.transaction, asked.request.create_response(486, to_tag="t"), trio.current_time())
    party.transport.flush()


@pytest.mark.rfc("R3261-18.2.2-4")
@pytest.mark.parametrize(
    ("sent_by", "records"),
    [
        ("10.0.0.3:5070", {}),
        ("c:5070", {}),
        ("cluster.example:5070", {"cluster.example": ("10.9.9.9", "10.0.0.3")}),
        ("cluster.example", {"_sip._tcp.cluster.example": (Srv(1, 0, 5060, "a"), Srv(2, 0, 5070, "c"))}),
    ],
)
def test_answer_goes_to_another_server_of_sent_by(open_party, sent_by, records):
    async def scenario(net):
        for name, values in records.items():
            net.dns.add(name, *values)
        async with (
            asked_by_one_that_is_gone(open_party, net, sent_by) as (b, asked),
            ScriptedPeer(net, "tcp://c:5070") as c,
        ):
            answer(b, asked)
            await c.accept()
            assert (await c.expect(486)).top_via.sent_by == sent_by
            assert b.transport.counters.answers_moved == 1
            assert not b.failures

    run(scenario)


@pytest.mark.parametrize(
    ("sent_by", "words"),
    [
        ("a", "Connection refused"),
        ("cluster.invalid", r"Connection refused; The name cluster.invalid has no address"),
        ("10.0.0.3", "Connection refused"),
    ],
)
def test_answer_that_finds_no_server_fails(open_party, sent_by, words):
    async def scenario(net):
        async with asked_by_one_that_is_gone(open_party, net, sent_by, method="INVITE") as (b, asked):
            answer(b, asked)
            await b.wait(TransactionFailed, 2)  # of the 100, and of the 486
            assert all(words in failure for failure in b.failures)
            assert b.transport.counters.answers_moved == 0

    run(scenario)


def test_ways_being_looked_for_are_bounded(open_party):
    async def scenario(net):
        async with asked_by_one_that_is_gone(open_party, net, "c:5070", limits=Limits(resolutions=0)) as (b, asked):
            answer(b, asked)
            await trio.sleep(1)
            assert b.transport.counters.routes_shed == 1
            assert b.transport.counters.answers_moved == 0

    run(scenario)


def test_trace_tells(open_party):
    trace = Trace()

    async def scenario(net):
        async with asked_by_one_that_is_gone(open_party, net, "x.example:5070", trace=trace) as (b, asked):
            net.dns.add("x.example", "10.0.0.3")
            answer(b, asked)
            await trio.sleep(1)

    run(scenario)
    assert [note.text for note in trace.notes][:2] == [
        "A/AAAA x.example: 10.0.0.3",
        "targets of sip:x.example:5070;transport=TCP: TCP 10.0.0.3:5070",
    ]
