"""The servers of the call benchmarks, one per process: `python _uas.py NAME [--profile FILE]`.

Each listens on a UDP port of its own on 127.0.0.1, prints `port N`, answers INVITE with 180 and 200 and BYE with 200,
and runs until it is interrupted.
"""

import argparse
import asyncio
import contextlib
import cProfile
import gc
import socket
import sys
from collections.abc import Callable

import trio
from _harness import BUFFER

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
BATCH = 64


profile: cProfile.Profile | None = None


def announce(port: int) -> None:
    if profile is not None:
        profile.enable()  # from here on: what it takes to import and to start is not the server's work
    print(f"port {port}", flush=True)


# --- ours, as a user would write it ---------------------------------------------------------------------------------


t1 = 0.5


def serve_sipstack() -> None:
    import sipstack as sip

    async def answer(call: sip.IncomingCall) -> None:
        async with call:
            await call.ring()
            await call.answer(SDP)
            await call.wait_ended()

    async def main() -> None:
        timers = sip.TimerValues(t1=t1)
        async with sip.open_endpoint("udp://127.0.0.1:0", timers=timers) as endpoint, trio.open_nursery() as nursery:
            gc.freeze()  # as a server does once it is up: what is loaded need not be looked at again
            gc.set_threshold(20_000, 50, 100)  # as `sipstack answer` does: calls leave no cycles behind
            announce(int(endpoint.urls[0].rpartition(":")[2]))
            async for event in endpoint.events():
                match event:
                    case sip.InviteReceived(call=call):
                        nursery.start_soon(answer, call)

    trio.run(main)


# --- the floor: a socket loop without any state -----------------------------------------------------------------------

OK_INVITE = (
    b"\r\nContact: <sip:127.0.0.1:%d>\r\nContent-Type: application/sdp\r\nContent-Length: " + str(len(SDP)).encode()
) + (b"\r\n\r\n" + SDP)


def serve_bare() -> None:
    """Cut the five headers out of the bytes and paste them into a template: no parser, no transactions, no dialogs."""

    def copied(data: bytes) -> tuple[bytes, bytes, bytes]:
        start = data.index(b"\r\nVia:")
        via = data[start : data.index(b"\r\n", start + 2)]
        start = data.index(b"\r\nFrom:")
        origin = data[start : data.index(b"\r\n", start + 2)]
        start = data.index(b"\r\nTo:")
        to = data[start : data.index(b"\r\n", start + 2)]
        start = data.index(b"\r\nCall-ID:")
        call = data[start : data.index(b"\r\n", start + 2)]
        start = data.index(b"\r\nCSeq:")
        sequence = data[start : data.index(b"\r\n", start + 2)]
        return via + origin, to, call + sequence

    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            raw.bind(("127.0.0.1", 0))
            raw.setblocking(False)
            port = raw.getsockname()[1]
            announce(port)
            tail = OK_INVITE.replace(b"%d", str(port).encode())
            while True:
                await trio.lowlevel.wait_readable(raw)
                with contextlib.suppress(BlockingIOError):
                    for _ in range(BATCH):
                        data, peer = raw.recvfrom(65_535)
                        if data.startswith(b"INVITE"):
                            head, to, middle = copied(data)
                            top = head + to + b";tag=1" + middle
                            raw.sendto(b"SIP/2.0 180 Ringing" + top + b"\r\nContent-Length: 0\r\n\r\n", peer)
                            raw.sendto(b"SIP/2.0 200 OK" + top + tail, peer)
                        elif data.startswith(b"BYE"):
                            head, to, middle = copied(data)
                            raw.sendto(b"SIP/2.0 200 OK" + head + to + middle + b"\r\nContent-Length: 0\r\n\r\n", peer)

    trio.run(main)


# --- peers ----------------------------------------------------------------------------------------------------------


def serve_voip_utils() -> None:
    """Serve with voip-utils, which keeps no transaction and sends no 180: less work for each call than ours does."""
    from voip_utils.sip import CallInfo, SdpInfo, SipDatagramProtocol

    class Answering(SipDatagramProtocol):
        def on_call(self, call_info: CallInfo) -> None:
            self.answer(call_info, 49170)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        information = SdpInfo(username="bench", id=1, session_name="bench", version="1")
        transport, _ = await loop.create_datagram_endpoint(lambda: Answering(information), ("127.0.0.1", 0))
        announce(transport.get_extra_info("sockname")[1])
        await asyncio.Event().wait()

    asyncio.run(main())


def serve_pjsua2() -> None:
    """Serve with PJSIP, polled by one Python thread; calls beyond its compiled maximum count as failed."""
    import pjsua2 as pj

    calls: dict[int, pj.Call] = {}

    class Answered(pj.Call):
        def onCallState(self, _parameter: pj.OnCallStateParam) -> None:  # noqa: N802 - the library's name
            if self.getInfo().state == pj.PJSIP_INV_STATE_DISCONNECTED:
                calls.pop(self.getId(), None)

    class Answering(pj.Account):
        def onIncomingCall(self, parameter: pj.OnIncomingCallParam) -> None:  # noqa: N802 - the library's name
            call = Answered(self, parameter.callId)
            calls[parameter.callId] = call
            for code in (180, 200):
                answer = pj.CallOpParam()
                answer.statusCode = code
                call.answer(answer)

    endpoint = pj.Endpoint()
    endpoint.libCreate()
    settings = pj.EpConfig()
    settings.uaConfig.threadCnt = 0
    settings.uaConfig.maxCalls = 32
    settings.logConfig.level = 0
    settings.logConfig.consoleLevel = 0
    endpoint.libInit(settings)
    endpoint.audDevManager().setNullDev()
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    number = endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    account = pj.AccountConfig()
    account.idUri = "sip:bench@127.0.0.1"
    Answering().create(account)
    announce(int(endpoint.transportGetInfo(number).localName.rpartition(":")[2]))
    while True:
        endpoint.libHandleEvents(50)


SERVERS: dict[str, Callable[[], None]] = {
    "bare": serve_bare,
    "sipstack": serve_sipstack,
    "voip-utils": serve_voip_utils,
    "pjsua2": serve_pjsua2,
}


def main() -> None:
    global profile, t1
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SERVERS)
    parser.add_argument("--profile", metavar="FILE")
    parser.add_argument("--t1", type=float, default=t1, help="RFC 3261's T1, in seconds; for sipstack only")
    options = parser.parse_args()
    t1 = options.t1
    if options.profile:
        profile = cProfile.Profile()
    try:
        SERVERS[options.name]()
    except* KeyboardInterrupt:  # a group of it where it struck inside a nursery
        pass
    finally:
        if profile is not None:
            profile.disable()
            profile.dump_stats(options.profile)


if __name__ == "__main__":
    sys.exit(main())
