"""A session description: parsed, read, changed and written (:rfc:`8866`)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import attrs

from sipstack.message import LocalProtocolError

from ._direction import Direction
from ._errors import SdpError
from ._lines import encode, split_untrusted, write_lines
from ._media import Media
from ._values import Attribute, Attributes, Bandwidth, Connection, Line, Origin, Timing

__all__ = ["SessionDescription"]

_LARGEST: Final = 65_535
"Bytes: the largest body a default Limits lets in."


def _no_raw() -> bytes | None:
    return None


@attrs.frozen
class SessionDescription:
    """Hold a session description.

    Parsed and untouched it is written byte for byte as it came. A copy with other media keeps the bytes of the session
    part, and of each medium that was not touched.
    """

    origin: Origin
    media: tuple[Media, ...] = attrs.field(default=())
    name: str = "-"
    connection: Connection | None = None
    bandwidths: tuple[Bandwidth, ...] = attrs.field(default=())
    times: tuple[Timing, ...] = attrs.field(default=(Timing(),))
    attributes: Attributes = attrs.field(default=Attributes(), converter=Attributes)
    other: tuple[Line, ...] = attrs.field(default=())
    "All other lines of the session part as (letter, value): ``i u e p k`` and letters nobody knows."
    _raw: bytes | None = attrs.field(init=False, eq=False, repr=False, factory=_no_raw)

    @classmethod
    def parse(cls, data: bytes | str, *, largest: int = _LARGEST) -> SessionDescription:
        """Read a description; unknown lines are kept, a missing ``s=`` or ``t=`` is forgiven.

        Raises :class:`SdpError`, which names the line.
        """
        raw = encode(data) if isinstance(data, str) else data
        if len(raw) > largest:
            raise SdpError(f"the description is longer than {largest} bytes")
        parser = _Parser()
        for line_number, letter, value, line in split_untrusted(raw):
            try:
                parser.take(letter, value, line)
            except ValueError as error:
                raise SdpError(str(error), line_number) from None
        return parser.finish()

    def replace(self, **changes: Any) -> SessionDescription:
        """Return a copy with other fields."""
        copy = attrs.evolve(self, **changes)
        if changes.keys() <= {"media"}:
            object.__setattr__(copy, "_raw", self._raw)
        return copy

    @property
    def is_rejected(self) -> bool:
        """Tell whether there are media, and all of them are refused."""
        return bool(self.media) and all(media.is_rejected for media in self.media)

    @cached_property
    def default_direction(self) -> Direction:
        """The direction of media that say none: the session's, or sendrecv (:rfc:`8866#section-6.7`)."""
        return self.attributes.direction or "sendrecv"

    def direction_of(self, media: Media) -> Direction:
        """Return the direction of one of the media: its own, or the session's default."""
        return media.direction or self.default_direction

    def connection_of(self, media: Media) -> Connection | None:
        """Return where one of the media goes: its own connection, or the session's."""
        return media.connection or self.connection

    def is_held(self, media: Media) -> bool:
        """Tell whether the writer wants to receive none of this: by direction or the null address.

        See :rfc:`3264#section-8.4`.
        """
        connection = self.connection_of(media)
        return self.direction_of(media) in ("sendonly", "inactive") or (connection is not None and connection.is_hold)

    def rtcp_of(self, media: Media) -> tuple[Connection | None, int]:
        """Return where RTCP of one of the media goes: where ``a=rtcp`` says, else one port higher than RTP.

        What ``a=rtcp-mux`` offers holds only when it is answered, and is not looked at.
        """
        connection, rtcp = self.connection_of(media), media.rtcp
        return (connection, media.port + 1) if rtcp is None else (rtcp.connection or connection, rtcp.port)

    def with_directions(self, *directions: Direction) -> SessionDescription:
        """Return a copy in which the live media have this direction, or each its own, counting the refused ones.

        A medium that flows this way already is left as it is. The version stays: see :func:`next_version`.

        :raises LocalProtocolError: there are neither one direction nor as many as media.
        """
        if len(directions) == 1:
            directions *= len(self.media)
        if len(directions) != len(self.media):
            raise LocalProtocolError(f"There are {len(self.media)} media; give one direction, or one for each.")
        media = tuple(
            one
            if one.is_rejected or self.direction_of(one) == direction
            else one.replace(attributes=one.attributes.with_direction(direction))
            for one, direction in zip(self.media, directions, strict=True)
        )
        return self.replace(media=media)

    def is_same(self, other: SessionDescription) -> bool:
        """Compare all but the version in ``o=``."""
        return attrs.evolve(self, origin=attrs.evolve(self.origin, version=other.origin.version)) == other

    def _lines(self) -> Iterator[Line]:
        yield "v", "0"
        yield "o", str(self.origin)
        # An empty s= is not allowed (RFC 8866, section 5.3); a dash is the name of a session without one.
        yield "s", self.name or "-"
        for letter in "iuep":
            yield from (line for line in self.other if line[0] == letter)
        if self.connection is not None:
            yield "c", str(self.connection)
        yield from (("b", str(bandwidth)) for bandwidth in self.bandwidths)
        for timing in self.times:
            yield "t", str(timing)
            yield from timing.repeats
        yield from (line for line in self.other if line[0] == "k")
        yield from (("a", str(attribute)) for attribute in self.attributes)
        yield from (line for line in self.other if line[0] not in "iuepk")

    def __bytes__(self) -> bytes:
        blocks = [write_lines(self._lines()) if self._raw is None else self._raw, *map(bytes, self.media)]
        # The last line of a parsed description may lack its line end or have empty lines behind it, and may not be the
        # last any more.
        for number, block in enumerate(blocks[:-1]):
            lines = block.rstrip(b"\r\n")
            if block[len(lines) :] not in (b"\n", b"\r\n"):
                blocks[number] = lines + b"\r\n"
        return b"".join(blocks)

    def __str__(self) -> str:
        return bytes(self).decode("utf-8", "replace")


class _Block:
    """Collect the lines of the session part, or of one medium."""

    def __init__(self, media: Media | None, raw: bytes) -> None:
        self.media = media
        self.raw = [raw]
        self.connection: Connection | None = None
        self.bandwidths: list[Bandwidth] = []
        self.attributes: list[Attribute] = []
        self.other: list[Line] = []

    def take(self, letter: str, value: str, raw: bytes) -> None:
        self.raw.append(raw)
        if letter == "a":
            self.attributes.append(Attribute.parse(value))
        elif letter == "b":
            self.bandwidths.append(Bandwidth.parse(value))
        elif letter == "c" and self.connection is None:
            self.connection = Connection.parse(value)
        elif letter == "c" and self.media is None:
            raise ValueError("c= stands twice in the session part")
        else:
            if letter == "c":
                Connection.parse(value)  # refused here if it cannot be read, kept as it stands if it can
            self.other.append((letter, value))


class _Parser:
    """Take line by line, and finish as a description."""

    def __init__(self) -> None:
        self._origin: Origin | None = None
        self._name: str | None = None
        self._times: list[Timing] = []
        self._repeats: dict[int, list[Line]] = {}
        self._session: _Block | None = None
        self._media: list[_Block] = []

    def take(self, letter: str, value: str, raw: bytes) -> None:
        session = self._session
        if session is None:
            if letter != "v" or value.strip() != "0":
                raise ValueError("the description does not begin with v=0")
            self._session = _Block(None, raw)
        elif letter == "m":
            self._media.append(_Block(Media.parse_line(value), raw))
        elif letter == "v":
            raise ValueError("v= stands twice")  # one description behind another (RFC 3264, section 5)
        elif self._media:
            self._media[-1].take(letter, value, raw)
        elif letter == "o":
            if self._origin is not None:
                raise ValueError("o= stands twice")
            self._origin = Origin.parse(value)
            session.raw.append(raw)
        elif letter == "s":
            if self._name is not None:
                raise ValueError("s= stands twice")
            self._name = value
            session.raw.append(raw)
        elif letter == "t":
            self._times.append(Timing.parse(value))
            session.raw.append(raw)
        elif letter in "rz":
            if not self._times:
                # Written anew it would stand behind a t=, and say something of that.
                raise ValueError(f"{letter}= stands before any t=")
            # A list and no tuple until the end: there may be thousands of them.
            self._repeats.setdefault(len(self._times) - 1, []).append((letter, value))
            session.raw.append(raw)
        else:
            session.take(letter, value, raw)

    def finish(self) -> SessionDescription:
        session = self._session
        if session is None:
            raise SdpError("the description is empty")
        if self._origin is None:
            raise SdpError("the description has no o=")
        description = SessionDescription(
            origin=self._origin,
            media=tuple(_finish_media(block) for block in self._media),
            name="-" if self._name is None else self._name,
            connection=session.connection,
            bandwidths=tuple(session.bandwidths),
            times=tuple(
                attrs.evolve(timing, repeats=tuple(self._repeats.get(place, ())))
                for place, timing in enumerate(self._times)
            ),
            attributes=Attributes(session.attributes),
            other=tuple(session.other),
        )
        object.__setattr__(description, "_raw", b"".join(session.raw))
        return description


def _finish_media(block: _Block) -> Media:
    assert block.media is not None
    media = attrs.evolve(
        block.media,
        connection=block.connection,
        bandwidths=tuple(block.bandwidths),
        attributes=Attributes(block.attributes),
        other=tuple(block.other),
    )
    object.__setattr__(media, "_raw", b"".join(block.raw))
    return media
