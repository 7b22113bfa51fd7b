from __future__ import annotations

import pytest
import trio
import trio.lowlevel

from sipstack.message import Limits
from sipstack.testing import request, run
from sipstack.transactions import TransactionFailed
from sipstack.transport import single_exception


def test_outgoing_connections_count_too(open_party):
    async def scenario(net):
        async with (
            open_party(net, "tcp://a:5060", limits=Limits(connections=1)) as a,
            open_party(net, "tcp://b:5060", seed=2),
            open_party(net, "tcp://c:5060", seed=3),
        ):
            a.send(request(via=None, call_id="1"), f"sip:{net.address_of('b')};transport=tcp")
            await trio.sleep(1)
            a.send(request(via=None, call_id="2"), f"sip:{net.address_of('c')};transport=tcp")
            await trio.sleep(1)
            assert a.core.unroutables == ["too many connections are open"]
            assert a.transport.counters.connections_refused == 1

    run(scenario)


def test_connection_opens_again_after_it_was_lost(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a, open_party(net, "tcp://b:5060", seed=2, code=None):
            uri = f"sip:{net.address_of('b')};transport=tcp"
            a.send(request(via=None, call_id="1"), uri)
            await trio.sleep(1)
            net.reset("a", "b")
            await a.wait(TransactionFailed)
            a.send(request(via=None, call_id="2"), uri)
            await trio.sleep(1)
            assert a.transport.counters.connections_opened == 2
            assert [flow.connection for flow in a.core.flows] == [1, 2]

    run(scenario)


def test_write_that_breaks_fails_what_waits(open_party):
    async def scenario(net):
        async with open_party(net, "tcp://a:5060") as a, open_party(net, "tcp://b:5060", seed=2, code=None):
            uri = f"sip:{net.address_of('b')};transport=tcp"
            a.send(request(via=None, call_id="1"), uri)
            await trio.sleep(1)
            # Broken before the reading task has had a chance to see it.
            net.reset("a", "b")
            a.send(request(via=None, call_id="2"), uri)
            await a.wait(TransactionFailed, 2)
            assert len(a.transport._pool) == 0

    run(scenario)


@pytest.mark.parametrize(
    ("group", "single"),
    [
        (ExceptionGroup("", [KeyError()]), KeyError),
        (ExceptionGroup("", [ExceptionGroup("the user's", [KeyError()])]), ExceptionGroup),
        (ExceptionGroup("", [KeyError(), IndexError()]), None),
        (ExceptionGroup("", [ExceptionGroup("the user's", [KeyError(), IndexError()])]), ExceptionGroup),
    ],
)
def test_single_exception(group, single):
    found = single_exception(group)
    assert found is None if single is None else isinstance(found, single)


def test_single_exception_among_cancellations():
    caught = []

    async def main():
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as error:
                caught.append(error)
                raise

    trio.run(main)
    group = BaseExceptionGroup("", [*caught, BaseExceptionGroup("", caught), KeyError()])
    assert isinstance(single_exception(group), KeyError)
    assert single_exception(BaseExceptionGroup("", caught)) is None
