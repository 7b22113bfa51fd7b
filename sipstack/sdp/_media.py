"""A media description: one ``m=`` line and what belongs to it (:rfc:`8866#section-5.14`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ._codec import STATIC_CODECS, Codec
from ._direction import Direction
from ._lines import write_lines
from ._values import Attributes, Bandwidth, Connection, Line, Rtcp, number

__all__ = ["Media"]


def _no_raw() -> bytes | None:
    return None


def _static_codec(format_: str) -> Codec | None:
    return STATIC_CODECS.get(int(format_)) if format_.isascii() and format_.isdigit() and len(format_) < 4 else None


@attrs.frozen
class Media:
    """Hold one media description.

    Parsed and untouched it is written byte for byte as it came; :meth:`replace` makes a changed copy, written anew.
    """

    type: str
    "``audio``, ``video``, ``image``…"
    port: int
    "Zero refuses or ends the stream (:rfc:`3264#section-6`)."
    formats: tuple[str, ...]
    protocol: str = "RTP/AVP"
    port_count: int = 1
    connection: Connection | None = None
    bandwidths: tuple[Bandwidth, ...] = attrs.field(default=())
    attributes: Attributes = attrs.field(default=Attributes(), converter=Attributes)
    other: tuple[Line, ...] = attrs.field(default=())
    "All other lines as (letter, value): ``i=``, ``k=``, more ``c=``, and letters nobody knows."
    _raw: bytes | None = attrs.field(init=False, eq=False, repr=False, factory=_no_raw)

    @classmethod
    def parse_line(cls, value: str) -> Media:
        """Read the value of an ``m=`` line alone."""
        parts = value.split()
        if len(parts) < 4:
            raise ValueError("m= has fewer than four fields")
        port, slash, count = parts[1].partition("/")
        return cls(
            type=parts[0],
            port=number(port, "the port in m=", 65_535),
            port_count=number(count, "the port count in m=", 65_535) if slash else 1,
            protocol=parts[2],
            formats=tuple(parts[3:]),
        )

    def replace(self, **changes: Any) -> Media:
        """Return a copy with other fields."""
        return attrs.evolve(self, **changes)

    @property
    def is_rejected(self) -> bool:
        """Tell whether the port is zero: the stream is refused, or over."""
        return self.port == 0

    @property
    def is_rtp(self) -> bool:
        """Tell whether the formats are RTP payload types."""
        return "RTP/" in self.protocol.upper()

    @property
    def direction(self) -> Direction | None:
        """Return the direction written in this description; None leaves it to the session."""
        return self.attributes.direction

    @property
    def connections(self) -> tuple[Connection, ...]:
        """List the connections written in this description: more than one for the layers of a multicast stream."""
        if self.connection is None:
            return ()
        return (self.connection, *(Connection.parse(value) for letter, value in self.other if letter == "c"))

    @property
    def rtcp(self) -> Rtcp | None:
        """Return where RTCP goes if that is said (:rfc:`3605`); one nobody can read says nothing."""
        value = self.attributes.get("rtcp")
        try:
            return None if value is None else Rtcp.parse(value)
        except ValueError:
            return None

    def rtpmap(self, payload_type: int | str) -> Codec | None:
        """Return what a payload type stands for, by its rtpmap or its static meaning; without its fmtp."""
        wanted = str(payload_type)
        for value in self.attributes.getlist("rtpmap"):
            if value.partition(" ")[0] == wanted:
                try:
                    return Codec.parse(value)
                except ValueError:  # an rtpmap nobody can read describes no codec, and spoils no other
                    return None
        return _static_codec(wanted)

    def fmtp(self, payload_type: int | str) -> str | None:
        """Return the format parameters of a payload type as written."""
        wanted = str(payload_type)
        for value in self.attributes.getlist("fmtp"):
            number_, _, parameters = value.partition(" ")
            if number_ == wanted:
                return parameters.strip()
        return None

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """List the codecs of the formats in order, with their fmtp; formats that mean nothing are left out."""
        if not self.is_rtp:
            return ()
        # One pass over the attributes: a description may hold thousands of them, and as many formats.
        parameters: dict[str, str] = {}
        for value in self.attributes.getlist("fmtp"):
            format_, _, rest = value.partition(" ")
            parameters.setdefault(format_, rest.strip())
        maps: dict[str, str] = {}
        for value in self.attributes.getlist("rtpmap"):
            maps.setdefault(value.partition(" ")[0], value)
        codecs = []
        for format_ in self.formats:
            codec: Codec | None
            if format_ in maps:
                try:
                    codec = Codec.parse(maps[format_])
                except ValueError:  # as in rtpmap(): that format is left out
                    continue
            else:
                codec = _static_codec(format_)
            if codec is not None:
                codecs.append(attrs.evolve(codec, fmtp=parameters.get(format_)))
        return tuple(codecs)

    def _lines(self) -> Iterator[Line]:
        port = f"{self.port}/{self.port_count}" if self.port_count != 1 else str(self.port)
        yield "m", " ".join([self.type, port, self.protocol, *self.formats])
        yield from (line for line in self.other if line[0] == "i")
        if self.connection is not None:
            yield "c", str(self.connection)
        yield from (line for line in self.other if line[0] == "c")
        yield from (("b", str(bandwidth)) for bandwidth in self.bandwidths)
        yield from (line for line in self.other if line[0] == "k")
        yield from (("a", str(attribute)) for attribute in self.attributes)
        yield from (line for line in self.other if line[0] not in "ick")

    def __bytes__(self) -> bytes:
        return write_lines(self._lines()) if self._raw is None else self._raw

    def __str__(self) -> str:
        return bytes(self).decode("utf-8", "replace")
