"""Answer every call, registration and question: ``python examples/answer.py udp://0.0.0.0:5060``."""

import sys

import trio

import sipstack as sip

AUDIO = sip.sdp.Capabilities.audio(port=6000)


def session(offer: bytes | None, version: int = 1) -> bytes:
    ours = {"address": "192.0.2.1", "session_id": 1, "version": version}
    if offer is None:  # then the offer is ours to make
        return bytes(sip.sdp.offer(AUDIO, **ours))
    return bytes(sip.sdp.answer_to(sip.sdp.SessionDescription.parse(offer), AUDIO, **ours))


async def answer(call: sip.IncomingCall) -> None:
    async with call:  # leaving the block hangs up; cancelling it does too
        await call.ring()
        await call.answer(session(call.offer))
        async for event in call.events():
            match event:
                case sip.ReinviteReceived(offer=offer):
                    await event.answer(session(offer, version=2))
                case sip.RequestReceived():
                    await event.respond(200)
                case sip.ByeReceived():
                    print("they hung up", flush=True)


async def main(*urls: str) -> None:
    async with sip.open_endpoint(*urls) as ep, trio.open_nursery() as nursery:
        print("listening on", *ep.urls, flush=True)
        async for event in ep.events():  # typed: match on the class
            match event:
                case sip.InviteReceived(call=call):
                    nursery.start_soon(answer, call)
                case sip.RegisterReceived():
                    await event.accept(expires=600)
                case sip.MessageReceived(text=text):
                    print("message:", text, flush=True)
                    await event.respond(200)
                case sip.RequestReceived():
                    await event.respond(200)


if __name__ == "__main__":
    trio.run(main, *(sys.argv[1:] or ["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060"]))
