"""Codecs: an encoding name, a clock and a payload type (:rfc:`8866#section-6.6`, :rfc:`3551#section-6`)."""

from __future__ import annotations

import attrs

from ._values import number

__all__ = ["STATIC_CODECS", "Codec"]


@attrs.frozen
class Codec:
    """Name a way to put media into RTP packets.

    :param payload_type: its number in ``m=``; None lets the builder choose.
    :param fmtp: its format parameters as written, or None.
    """

    name: str
    clock_rate: int = 8_000
    channels: int = 1
    payload_type: int | None = attrs.field(default=None, kw_only=True)
    fmtp: str | None = attrs.field(default=None, kw_only=True)

    @classmethod
    def parse(cls, value: str) -> Codec:
        """Read the value of an ``a=rtpmap`` attribute: ``96 opus/48000/2``."""
        payload_type, _, encoding = value.partition(" ")
        name, slash, clock = encoding.strip().partition("/")
        rate, _, channels = clock.partition("/")
        if not slash or not name:
            raise ValueError("a=rtpmap has no clock rate")
        return cls(
            name,
            number(rate, "the clock rate in a=rtpmap"),
            number(channels, "the channel count in a=rtpmap") if channels else 1,
            payload_type=number(payload_type, "the payload type in a=rtpmap", 127),
        )

    @property
    def is_auxiliary(self) -> bool:
        """Tell whether this carries no media of its own: telephone events and comfort noise."""
        return self.name.lower() in ("telephone-event", "cn")

    def matches(self, other: Codec) -> bool:
        """Compare what RTP compares: name without case, clock rate and channels; not the format parameters."""
        return (self.name.lower(), self.clock_rate, self.channels) == (
            other.name.lower(),
            other.clock_rate,
            other.channels,
        )

    def __str__(self) -> str:
        return f"{self.name}/{self.clock_rate}" + (f"/{self.channels}" if self.channels != 1 else "")


_STATIC = (
    (0, "PCMU", 8_000, 1),
    (3, "GSM", 8_000, 1),
    (4, "G723", 8_000, 1),
    (5, "DVI4", 8_000, 1),
    (6, "DVI4", 16_000, 1),
    (7, "LPC", 8_000, 1),
    (8, "PCMA", 8_000, 1),
    (9, "G722", 8_000, 1),  # samples at 16 kHz; the 8000 is a mistake of RFC 1890 that everybody keeps
    (10, "L16", 44_100, 2),
    (11, "L16", 44_100, 1),
    (12, "QCELP", 8_000, 1),
    (13, "CN", 8_000, 1),
    (14, "MPA", 90_000, 1),
    (15, "G728", 8_000, 1),
    (16, "DVI4", 11_025, 1),
    (17, "DVI4", 22_050, 1),
    (18, "G729", 8_000, 1),
    (25, "CelB", 90_000, 1),
    (26, "JPEG", 90_000, 1),
    (28, "nv", 90_000, 1),
    (31, "H261", 90_000, 1),
    (32, "MPV", 90_000, 1),
    (33, "MP2T", 90_000, 1),
    (34, "H263", 90_000, 1),
)

STATIC_CODECS: dict[int, Codec] = {
    payload_type: Codec(name, rate, channels, payload_type=payload_type)
    for payload_type, name, rate, channels in _STATIC
}
"The payload types that mean something without an rtpmap (RFC 3551, tables 4 and 5)."
