"""Stay registered for so many seconds: ``python examples/register.py sip:alice@example.com 60 [user password]``."""

import sys

import trio

import sipstack as sip


async def main(aor: str, seconds: str, *secret: str) -> None:
    credentials = sip.Credentials(*secret) if secret else None
    async with (
        sip.open_endpoint("udp://0.0.0.0:0") as ep,
        ep.register(aor, credentials=credentials, expires=600) as registration,
    ):
        with trio.move_on_after(float(seconds)):
            async for event in registration.events():
                match event:
                    case sip.Registered(expires=expires):
                        print("registered for", expires, "seconds", flush=True)
                    case sip.RegistrationLost(error=error, retry_after=pause):
                        print("lost:", error, "- again in", pause, "seconds", flush=True)
    print("removed", flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
