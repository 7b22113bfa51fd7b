"""Wireshark's dissector reads what `--pcap` wrote."""

import struct
from pathlib import Path

import pytest
import trio

import sipstack as sip
from sipstack.trace import PcapWriter, Trace

pytestmark = pytest.mark.interop

# Wireshark's own verdicts, and the fields it shows only for a header it could read.
DOUBTFUL = (
    '_ws.malformed || _ws.expert.severity >= "Warning" || '
    "!(sip.Via.branch && sip.from.tag && sip.to.host && sip.Call-ID && sip.CSeq.seq) || "
    '!(sip.CSeq.method in {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE"})'
)
OPTIONS = (
    b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:40000;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:b@127.0.0.1>;tag=1\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


@pytest.fixture
def dissect(start, need):
    """Run tshark over a capture: one line of fields for each packet the filter lets through."""
    program = need("tshark")

    def run(capture: Path, display_filter: str, *fields: str, ports: tuple[int, ...] = ()) -> list[list[str]]:
        decode = [part for port in ports for kind in ("udp", "tcp") for part in ("-d", f"{kind}.port=={port},sip")]
        wanted = [part for field in fields for part in ("-e", field)]
        command = [program, "-r", str(capture), *decode, "-Y", display_filter, "-T", "fields", "-E", "separator=|"]
        finished = start(*command, *wanted).wait(20)
        assert finished.code == 0, finished.output
        lines = [line for line in finished.output.splitlines() if not line.startswith("Running as user")]
        return [line.split("|") for line in lines]

    return run


def write_capture(path: Path, data: bytes) -> None:
    """Write one UDP datagram, port 40000 to 40001, as a classic capture of raw IP packets."""
    udp = struct.pack(">HHHH", 40_000, 40_001, 8 + len(data), 0) + data
    loopback = bytes((127, 0, 0, 1))
    packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, loopback, loopback) + udp
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)
    path.write_bytes(header + struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet)


@pytest.mark.parametrize(
    ("old", "new", "is_doubtful"),
    [
        (b"", b"", False),
        (b"Max-Forwards: 70", b"Max-Forwards 70", True),
        (b"Call-ID: 1\r\n", b"", True),
        (b"Via: SIP/2.0/UDP 127.0.0.1:40000;branch=z9hG4bK1", b"Via: rubbish", True),
        (b"CSeq: 1 OPTIONS", b"CSeq: x", True),
    ],
    ids=["good", "no-colon", "no-call-id", "bad-via", "bad-cseq"],
)
def test_filter_finds_what_is_wrong(dissect, tmp_path, old, new, is_doubtful):
    capture = tmp_path / "control.pcap"
    write_capture(capture, OPTIONS.replace(old, new))
    assert bool(dissect(capture, DOUBTFUL, "frame.number", ports=(40_000,))) is is_doubtful


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_capture_of_a_call_has_every_message_and_none_is_malformed(
    dissect, run_sipstack, sipstack_answer, tmp_path, transport
):
    capture = tmp_path / "call.pcapng"
    answering = sipstack_answer("--ring", "0.2", "--max-calls", "1", listen=f"{transport}://127.0.0.1:0")
    uri = f"sip:test@{answering.target};transport={transport}"
    finished = run_sipstack("call", uri, "--duration", "0.2", "--pcap", str(capture))
    assert finished.code == 0, finished.output
    answering.finish()
    ports = (answering.port,)
    assert dissect(capture, DOUBTFUL, "frame.number", "_ws.col.Info", ports=ports) == []
    seen = [
        f"{method or code} {of}"
        for method, code, of in dissect(capture, "sip", "sip.Method", "sip.Status-Code", "sip.CSeq.method", ports=ports)
    ]
    expected = ["INVITE INVITE", "180 INVITE", "200 INVITE", "ACK ACK", "BYE BYE", "200 BYE"]
    assert [message for message in seen if message != "100 INVITE"] == expected
    assert [row[0] for row in dissect(capture, "sdp", "sip.CSeq.method", ports=ports)] == ["INVITE", "INVITE"]


SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)

UNHURRIED = sip.TimerValues(t1=10, t2=10)
"However busy the machine is, nothing is sent twice."


async def call_with_extensions(trace: Trace, ports: list[int]) -> None:
    """Ring reliably, change the session before and after the answer by UPDATE, with a session timer; hang up."""

    async def answer(events) -> None:
        event = await anext(events)
        async with event.call as call:
            await call.ring(183, reliable=True, answer=SDP)
            updated = await anext(call.events())
            await updated.answer(SDP)
            await call.ring(reliable=True)
            await call.answer()
            async for event in call.events():
                if isinstance(event, sip.UpdateReceived):
                    await event.answer(SDP)

    async with (
        sip.open_endpoint("udp://127.0.0.1:0", trace=trace, timers=UNHURRIED) as callee,
        sip.open_endpoint("udp://127.0.0.1:0", trace=trace, timers=UNHURRIED) as caller,
        trio.open_nursery() as nursery,
    ):
        ports += [int(one.urls[0].rpartition(":")[2]) for one in (callee, caller)]
        nursery.start_soon(answer, callee.events())
        async with caller.invite(
            f"sip:bob@127.0.0.1:{ports[0]}", offer=SDP, require=["100rel"], session_expires=90
        ) as fork:
            async for progress in fork.events():
                if isinstance(progress, sip.Progress):  # a busy machine sends a 100 before it
                    break
            assert (await progress.leg.update(SDP.replace(b"1 1 IN", b"1 2 IN"))).code == 200
            call = await fork.answered()
            assert (await call.update(SDP.replace(b"1 1 IN", b"1 3 IN"))).code == 200
            await call.hangup(reason='SIP;cause=200;text="Done"')


def test_capture_of_a_call_with_prack_update_and_session_timer(dissect, tmp_path):
    capture = tmp_path / "call.pcapng"
    ports: list[int] = []
    with capture.open("wb") as file:
        trace = Trace()
        trace.subscribe(PcapWriter(file, epoch=0))
        trio.run(call_with_extensions, trace, ports)
    assert dissect(capture, DOUBTFUL, "frame.number", "_ws.col.Info", ports=ports) == []
    seen = [
        f"{method or code} {of}"
        for method, code, of in dissect(capture, "sip", "sip.Method", "sip.Status-Code", "sip.CSeq.method", ports=ports)
    ]
    prack, update = ["PRACK PRACK", "200 PRACK"], ["UPDATE UPDATE", "200 UPDATE"]
    answered = ["200 INVITE", "ACK ACK"]
    expected = ["INVITE INVITE", "183 INVITE", *prack, *update, "180 INVITE", *prack, *answered, *update]
    # The UPDATE may pass the 200 to the PRACK; with T1 at T2, a 100 to it is due at once (RFC 4320).
    finals = sorted(message for message in seen if not message.startswith("100 "))
    assert finals == sorted([*expected, "BYE BYE", "200 BYE"])
    rseqs = [row[0] for row in dissect(capture, "sip.RSeq", "sip.RSeq", ports=ports)]
    racks = dissect(capture, "sip.RAck", "sip.RAck.RSeq.seq", "sip.RAck.CSeq.seq", "sip.RAck.CSeq.method", ports=ports)
    assert racks == [[rseq, "1", "INVITE"] for rseq in rseqs]
    expires = dissect(capture, "sip.Session-Expires", "sip.Session-Expires", ports=ports)
    assert expires[0] == ["90"]
    assert all(row[0].startswith("90;refresher=") for row in expires[1:])
