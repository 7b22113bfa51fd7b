"""The trace as a pcapng file, for Wireshark (draft-ietf-opsawg-pcapng; RFC 791, 8200, 768, 9293 for the headers in it).

UDP and TCP messages get the IP and transport headers they had or could have had, with right checksums. What was
encrypted or framed on the wire (TLS, WS, WSS) was recorded in the clear, and TCP packets that carry it would be a lie
Wireshark stumbles over: those go to a second interface of exported PDUs, which name their dissector and their ends.

The bytes are verbatim: **a pcap holds every Authorization header field as it was sent.** Who gets the file can try
passwords against the digests in it.
"""

from __future__ import annotations

import struct
from array import array
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Protocol, TypeAlias

from ._passages import LivePassages
from ._record import Address, Note, Record

__all__ = ["BinaryStream", "PcapWriter"]

_IPAddress: TypeAlias = IPv4Address | IPv6Address

_LINKTYPE_RAW: Final = 101  # a packet begins with its IP header
_LINKTYPE_WIRESHARK_UPPER_PDU: Final = 252
_TCP, _UDP = 6, 17
# Ethernet's 1500 less the larger IP header (40) and TCP's (20): the segment size both families can have.
_SEGMENT: Final = 1_440
_LARGEST_IP_LENGTH: Final = 65_535
# Tags of exported PDUs, epan/exported_pdu.h in Wireshark.
_TAG_END, _TAG_DISSECTOR, _TAG_PORT_TYPE, _TAG_SOURCE_PORT, _TAG_DESTINATION_PORT = 0, 12, 24, 25, 26
_TAG_SOURCE_IPV4, _TAG_DESTINATION_IPV4, _TAG_SOURCE_IPV6, _TAG_DESTINATION_IPV6 = 20, 21, 22, 23
_PORT_TYPE_TCP: Final = 2


class BinaryStream(Protocol):
    """Take bytes: any file opened for writing binary."""

    def write(self, data: bytes, /) -> object:
        """Write them."""
        ...

    def flush(self) -> object:
        """Let them reach the file."""
        ...


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _pad(value)


def _interface(link_type: int, name: str) -> bytes:
    # if_name, and if_tsresol 6: microseconds, finer than the float of a wall clock can tell.
    options = _option(2, name.encode()) + _option(9, b"\x06") + _option(0, b"")
    return _block(1, struct.pack("<HHI", link_type, 0, 0) + options)


def _checksum(data: bytes) -> int:
    """Compute the Internet checksum (RFC 1071); the sum is the same in either byte order, but for the order itself."""
    words = array("H", data if len(data) % 2 == 0 else data + b"\0")
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int.from_bytes(struct.pack("=H", ~total & 0xFFFF), "big")


class _Hosts:
    """Turn hosts into IP addresses; names get addresses of the benchmark network 198.18.0.0/15 (RFC 2544)."""

    def __init__(self) -> None:
        self._synthetic: dict[str, IPv4Address] = {}

    def address(self, host: str) -> _IPAddress:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            number = len(self._synthetic) % 0x1FFFE + 1
            return self._synthetic.setdefault(host, IPv4Address("198.18.0.0") + number)
        return getattr(address, "ipv4_mapped", None) or address

    def pair(self, source: str, destination: str) -> tuple[_IPAddress, _IPAddress]:
        """Return both in one family: a socket bound to ``::`` may have an IPv4 peer."""
        one, other = self.address(source), self.address(destination)
        if one.version == other.version:
            return one, other
        return _as_ipv6(one), _as_ipv6(other)


def _as_ipv6(address: _IPAddress) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")


class PcapWriter:
    """Write each message as packets of a pcapng file, verbatim, credentials and all.

    A message whose both ends were recorded is written once.

    :param stream: a binary file; the section header is written at once.
    :param epoch: what to add to a record's time to get seconds since 1970; clocks of runs start anywhere.
    """

    def __init__(self, stream: BinaryStream, *, epoch: float = 0.0) -> None:
        self._stream = stream
        self._epoch = epoch
        self._passages = LivePassages({})
        self._hosts = _Hosts()
        self._next_sequence: dict[tuple[Address, Address], int] = {}
        self._identification = 0
        stream.write(_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        stream.write(_interface(_LINKTYPE_RAW, "sip"))
        stream.write(_interface(_LINKTYPE_WIRESHARK_UPPER_PDU, "sip-in-the-clear"))

    def write(self, record: Record | Note) -> None:
        """Write one record, unless its other end was written before; a note is no packet."""
        if isinstance(record, Note) or not record.data or self._passages.feed(record) is None:
            return
        source, destination = self._hosts.pair(record.sender[0], record.receiver[0])
        ports = struct.pack("!HH", record.sender[1] & 0xFFFF, record.receiver[1] & 0xFFFF)
        transport = record.transport.upper()
        if transport == "UDP":
            self._packet(record, 0, self._datagram(source, destination, ports, record.data))
        elif transport == "TCP":
            for begin in range(0, len(record.data), _SEGMENT):
                self._packet(record, 0, self._segment(record, source, destination, ports, begin))
        else:
            self._packet(record, 1, _exported_pdu(source, destination, record))
        self._stream.flush()

    def _packet(self, record: Record, interface: int, packet: bytes) -> None:
        stamp = max(0, round((record.time + self._epoch) * 1_000_000))
        direction = 2 if record.direction == "sent" else 1  # epb_flags: outbound, inbound
        options = _option(2, struct.pack("<I", direction)) + _option(0, b"")
        head = struct.pack("<IIIII", interface, stamp >> 32 & 0xFFFFFFFF, stamp & 0xFFFFFFFF, len(packet), len(packet))
        self._stream.write(_block(6, head + _pad(packet) + options))

    def _datagram(self, source: _IPAddress, destination: _IPAddress, ports: bytes, data: bytes) -> bytes:
        # No datagram on a wire was longer; a record that claims so was never sent whole, and is cut.
        data = data[: _LARGEST_IP_LENGTH - 8 - (20 if source.version == 4 else 0)]
        length = struct.pack("!H", len(data) + 8)
        total = _checksum(_pseudo_header(source, destination, _UDP, len(data) + 8) + ports + length + b"\0\0" + data)
        return self._ip(source, destination, _UDP, ports + length + struct.pack("!H", total or 0xFFFF) + data)

    def _segment(self, record: Record, source: _IPAddress, destination: _IPAddress, ports: bytes, begin: int) -> bytes:
        way, back = (record.sender, record.receiver), (record.receiver, record.sender)
        data = record.data[begin : begin + _SEGMENT]
        sequence = self._next_sequence.get(way, 1)
        self._next_sequence[way] = (sequence + len(data)) & 0xFFFFFFFF
        is_last = begin + len(data) == len(record.data)
        flags = 0x18 if is_last else 0x10  # ACK, and PSH with the end of the message
        head = ports + struct.pack("!IIBBH", sequence, self._next_sequence.get(back, 1), 5 << 4, flags, 0xFFFF)
        pseudo = _pseudo_header(source, destination, _TCP, len(data) + 20)
        total = _checksum(pseudo + head + b"\0\0\0\0" + data)
        return self._ip(source, destination, _TCP, head + struct.pack("!HH", total, 0) + data)

    def _ip(self, source: _IPAddress, destination: _IPAddress, protocol: int, payload: bytes) -> bytes:
        ends = source.packed + destination.packed
        if source.version == 6:
            return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload
        self._identification = (self._identification + 1) & 0xFFFF
        first = struct.pack("!BBHHHBB", 0x45, 0, len(payload) + 20, self._identification, 0, 64, protocol)
        return first + struct.pack("!H", _checksum(first + b"\0\0" + ends)) + ends + payload


def _pseudo_header(source: _IPAddress, destination: _IPAddress, protocol: int, length: int) -> bytes:
    form = "!BBH" if source.version == 4 else "!IHBB"
    tail = struct.pack(form, 0, protocol, length) if source.version == 4 else struct.pack(form, length, 0, 0, protocol)
    return source.packed + destination.packed + tail


def _exported_pdu(source: _IPAddress, destination: _IPAddress, record: Record) -> bytes:
    def tag(code: int, value: bytes) -> bytes:
        return struct.pack("!HH", code, len(value)) + value

    is_ipv4 = source.version == 4
    return (
        tag(_TAG_DISSECTOR, _pad(b"sip"))
        + tag(_TAG_SOURCE_IPV4 if is_ipv4 else _TAG_SOURCE_IPV6, source.packed)
        + tag(_TAG_DESTINATION_IPV4 if is_ipv4 else _TAG_DESTINATION_IPV6, destination.packed)
        + tag(_TAG_PORT_TYPE, struct.pack("!I", _PORT_TYPE_TCP))
        + tag(_TAG_SOURCE_PORT, struct.pack("!I", record.sender[1]))
        + tag(_TAG_DESTINATION_PORT, struct.pack("!I", record.receiver[1]))
        + tag(_TAG_END, b"")
        + record.data
    )
