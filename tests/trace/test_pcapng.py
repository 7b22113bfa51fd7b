import io
import itertools
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.trace import PcapWriter, Trace

V4 = (("192.0.2.1", 5070), ("192.0.2.2", 5071))
V6 = (("2001:db8::1", 5070), ("2001:db8::2%eth0", 5071))


def message(body: bytes = b"", transport: str = "UDP") -> bytes:
    head = (
        "MESSAGE sip:b@example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} 192.0.2.1:5070;branch=z9hG4bK1\r\n"
        "From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n"
        'Max-Forwards: 70\r\nAuthorization: Digest username="a", realm="r", nonce="n", uri="sip:b", response="feed"\r\n'
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


RESPONSE = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\n"
    b"To: <sip:b@example.com>;tag=2\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
)


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        kind, length = struct.unpack_from("<II", data, position)
        assert length % 4 == 0
        assert data[position + length - 4 : position + length] == struct.pack("<I", length)
        yield kind, data[position + 8 : position + length - 4]
        position += length


def packets(data: bytes) -> list[tuple[int, float, bytes]]:
    found = []
    for kind, body in blocks(data):
        if kind == 6:
            interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
            assert captured == original
            found.append((interface, (high << 32 | low) / 1e6, body[20 : 20 + captured]))
    return found


def fold(data: bytes) -> int:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def payload(packet: bytes) -> tuple[int, bytes]:
    """Check lengths and checksums of a packet; return its protocol and its UDP or TCP part."""
    if packet[0] >> 4 == 4:
        assert struct.unpack_from("!H", packet, 2)[0] == len(packet)
        assert fold(packet[:20]) == 0xFFFF
        protocol, ends, part = packet[9], packet[12:20], packet[20:]
    else:
        assert struct.unpack_from("!H", packet, 4)[0] == len(packet) - 40
        protocol, ends, part = packet[6], packet[8:40], packet[40:]
    assert fold(ends + struct.pack("!HH", protocol, len(part)) + part) == 0xFFFF
    return protocol, part


def test_the_file_begins_with_its_section_and_two_interfaces() -> None:
    stream = io.BytesIO()
    PcapWriter(stream)
    kinds = [(kind, body) for kind, body in blocks(stream.getvalue())]
    assert [kind for kind, _ in kinds] == [0x0A0D0D0A, 1, 1]
    assert kinds[0][1][:8] == bytes.fromhex("4d3c2b1a01000000")
    assert [struct.unpack_from("<H", body)[0] for _, body in kinds[1:]] == [101, 252]


ends = st.sampled_from(
    [V4, V6, (("a.test", 1), ("b.test", 70_000)), (("::", 5), ("192.0.2.1", 5)), (("::ffff:192.0.2.9", 5), V4[1])]
)


@given(ends, st.sampled_from(["UDP", "TCP", "tls", "WS"]), st.lists(st.binary(min_size=1, max_size=5000), max_size=4))
def test_all_bytes_are_there_under_right_headers(
    ends: tuple[tuple[str, int], tuple[str, int]], transport: str, datas: list[bytes]
) -> None:
    trace, stream = Trace(), io.BytesIO()
    trace.subscribe(PcapWriter(stream))
    for number, data in enumerate(datas):
        trace.record(number, "sent", transport, ends[0], ends[1], data)
    written = packets(stream.getvalue())
    if transport in ("tls", "WS"):
        assert all(
            packet.endswith(data) and interface == 1
            for (interface, _, packet), data in zip(written, datas, strict=True)
        )
    elif transport == "UDP":
        parts = [payload(packet) for _, _, packet in written]
        assert [part[8:] for protocol, part in parts if protocol == 17] == datas
    else:
        stream_data, expected = b"", 1
        for _, _, packet in written:
            protocol, part = payload(packet)
            sequence, acknowledged = struct.unpack_from("!II", part, 4)
            assert (protocol, sequence, acknowledged) == (6, expected, 1)
            assert len(packet) <= 1500
            stream_data += part[20:]
            expected += len(part) - 20
        assert stream_data == b"".join(datas)


def test_each_way_of_a_connection_acknowledges_the_other() -> None:
    trace, stream = Trace(), io.BytesIO()
    trace.subscribe(PcapWriter(stream))
    trace.record(0, "sent", "TCP", *V4, b"x" * 3000)
    trace.record(1, "received", "TCP", *V4, b"y" * 10)
    trace.record(2, "sent", "TCP", *V4, b"z")
    numbers = [struct.unpack_from("!II", payload(packet)[1], 4) for _, _, packet in packets(stream.getvalue())]
    assert numbers == [(1, 1), (1441, 1), (2881, 1), (1, 3001), (3001, 11)]


def test_both_ends_are_one_packet_at_the_right_time() -> None:
    trace, stream = Trace(), io.BytesIO()
    trace.subscribe(PcapWriter(stream, epoch=1_700_000_000))
    trace.record(0.25, "sent", "UDP", *V4, RESPONSE)
    trace.record(0.26, "received", "UDP", V4[1], V4[0], RESPONSE)
    trace.record(0.27, "sent", "UDP", *V4, b"")
    ((_, time, _),) = packets(stream.getvalue())
    assert time == 1_700_000_000.25


def test_times_before_1970_are_1970() -> None:
    trace, stream = Trace(), io.BytesIO()
    trace.subscribe(PcapWriter(stream))
    trace.record(-5, "sent", "UDP", *V4, b"x")
    assert packets(stream.getvalue())[0][1] == 0


@pytest.mark.parametrize(("ends", "length"), [(V4, 65_535), (V6, 65_535 + 40)])
def test_a_datagram_longer_than_any_is_cut(ends: tuple[tuple[str, int], tuple[str, int]], length: int) -> None:
    trace, stream = Trace(), io.BytesIO()
    trace.subscribe(PcapWriter(stream))
    trace.record(0, "sent", "UDP", *ends, b"x" * 70_000)
    ((_, _, packet),) = packets(stream.getvalue())
    assert len(packet) == length
    payload(packet)


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "trace.pcapng"
    expected = []
    with path.open("wb") as stream:
        trace = Trace()
        trace.subscribe(PcapWriter(stream, epoch=1_700_000_000))
        cases = itertools.product(["UDP", "TCP", "TLS", "WS"], [V4, V6], [0, 1, 4001, 40_000])
        for number, (transport, ends, size) in enumerate(cases):
            trace.record(number, "sent", transport, *ends, message(b"x" * size, transport))
            trace.record(number + 0.5, "received", transport, *ends, RESPONSE)
            expected += ["MESSAGE\t\tx", "\t200\tx"]
    options = [part for layer in ("ip", "udp", "tcp") for part in ("-o", f"{layer}.check_checksum:TRUE")]

    def tshark(*arguments: str) -> str:
        command = ["tshark", "-r", str(path), *options, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    fields = tshark("-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code", "-e", "sip.Call-ID", "-Y", "sip")
    assert fields.split("\n") == [*expected, ""]
    trouble = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0"
    assert tshark("-Y", f"{trouble} || tcp.analysis.flags") == ""
    details = tshark("-V")
    assert "Malformed" not in details
    assert details.count('response="feed"') >= len(expected) / 2
