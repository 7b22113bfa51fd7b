"""Wireshark's dissector reads what `--pcap` wrote."""

import struct
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

# Wireshark's own verdicts, and the fields it shows only for a header it could read.
DOUBTFUL = (
    '_ws.malformed || _ws.expert.severity >= "Warning" || '
    "!(sip.Via.branch && sip.from.tag && sip.to.host && sip.Call-ID && sip.CSeq.seq) || "
    '!(sip.CSeq.method in {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"})'
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
