"""A call whose first messages are lost on purpose: ``python examples/misbehave.py``.

Both sides have a hook on what they send: the caller loses two INVITEs, the callee its first 200, and sends 180 twice.
"""

import trio

import sipstack as sip
from sipstack.outbound import first_of, on, on_response

SDP = bytes(sip.sdp.offer(sip.sdp.Capabilities.audio(port=6000), address="192.0.2.1", session_id=1))


async def answer(ep: sip.Endpoint) -> None:
    async for event in ep.events():
        match event:
            case sip.InviteReceived(call=call):
                async with call:
                    await call.ring()
                    await call.answer(SDP)
                    await call.wait_ended()
                return


async def scenario(net: sip.testing.VirtualNetwork) -> None:
    net.host("a"), net.host("b")
    caller = on("INVITE", numbers=[1, 2]).dropped()
    callee = first_of(on_response(180).duplicated(), on_response(200, "INVITE", numbers=[1]).dropped())
    async with (
        sip.open_endpoint("udp://b:5060", network=net, outbound=callee) as bob,
        sip.open_endpoint("udp://a:5060", network=net, outbound=caller) as alice,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer, bob)
        async with alice.call("sip:bob@b:5060", offer=SDP):
            await trio.sleep(1)


trace = sip.testing.run(scenario, seed=7)  # virtual clock, in-memory network
print(trace.ladder())
(ringing, _), (acknowledged,) = trace.times("b>a 180"), trace.times("a>b ACK")
print(f"rang at {ringing:.1f} seconds, acknowledged at {acknowledged:.1f}")
