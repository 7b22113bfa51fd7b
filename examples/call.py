"""Call somebody for a second: ``python examples/call.py sip:bob@192.0.2.7 [user password]``."""

import sys

import trio

import sipstack as sip

OFFER = bytes(sip.sdp.offer(sip.sdp.Capabilities.audio(port=6000), address="192.0.2.1", session_id=1))


async def main(uri: str, *secret: str) -> None:
    credentials = sip.Credentials(*secret) if secret else None
    async with sip.open_endpoint("udp://0.0.0.0:0", "tcp://0.0.0.0:0") as ep:
        try:
            async with ep.call(uri, offer=OFFER, credentials=credentials) as call:
                print("answered", flush=True)
                with trio.move_on_after(1):
                    async for event in call.events():  # ends when the call does
                        print(event, flush=True)
        except sip.CallFailed as failure:
            print("refused:", failure.response.code, failure.response.phrase, flush=True)
        except sip.SipError as error:
            print("failed:", error, flush=True)
        else:
            print("ended:", call.end_reason, flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
