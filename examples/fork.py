"""Call a team and see every phone that rings: ``python examples/fork.py sip:team@example.com``."""

import sys

import trio

import sipstack as sip

OFFER = bytes(sip.sdp.offer(sip.sdp.Capabilities.audio(port=6000), address="192.0.2.1", session_id=1))


async def main(uri: str) -> None:
    async with sip.open_endpoint("udp://0.0.0.0:0") as ep, ep.invite(uri, offer=OFFER) as fork:
        async for event in fork.events():  # every early dialog, one by one
            match event:
                case sip.Ringing(leg=leg) if leg is not None:
                    print("ringing:", leg.dialog.remote_target, flush=True)
                case sip.Answered(leg=leg):
                    print("answered:", leg.dialog.remote_target, flush=True)
                    break
        call = await fork.answered()  # raises CallFailed if nobody did
        await call.hangup()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
