"""Register at a registrar, take one call and end: `python callee.py REGISTRAR AOR USER PASSWORD LISTEN [TLS]`.

LISTEN may be empty for who listens nowhere, a WebSocket client.
"""

import sys

import trio

import sipstack as sip

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


async def main(registrar: str, aor: str, user: str, password: str, listen: str, tls: str = "") -> None:
    urls = [listen] if listen else []
    config = sip.TLSConfig.parse(tls) if tls else None
    async with (
        sip.open_endpoint(*urls, user=user, tls=config) as endpoint,
        endpoint.register(aor, registrar=registrar, credentials=sip.Credentials(user, password)) as registration,
    ):
        events = endpoint.events()
        print("registered for", registration.expires, flush=True)
        async for event in events:
            match event:
                case sip.InviteReceived(call=call):
                    print("invite", len(call.invite.record_route), flush=True)
                    async with call:
                        await call.ring()
                        await call.answer(SDP)
                        reason = await call.wait_ended()
                    print("ended", reason, flush=True)
                    break
    print("done", flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
