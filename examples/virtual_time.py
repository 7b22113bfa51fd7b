"""Half a minute of retransmissions on a bad network, in a moment: ``python examples/virtual_time.py``."""

import trio

import sipstack as sip


async def scenario(net: sip.testing.VirtualNetwork) -> None:
    async with sip.open_endpoint("udp://a:5060", network=net) as ep:
        try:
            await ep.request("OPTIONS", "sip:nobody@b:5060")
        except sip.TransactionTimeout as error:
            print(error, "- at", trio.current_time(), "seconds")


trace = sip.testing.run(scenario, seed=7, loss=0.2)  # virtual clock, in-memory network; the seed replays the loss
assert trace.times("a>b OPTIONS")[:4] == [0, 0.5, 1.5, 3.5]
print(trace.ladder())
