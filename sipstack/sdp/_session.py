"""A session description: parsed, read, changed and written (:rfc:`8866`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from ._errors import SdpError
from ._lines import encode, split_untrusted, write_lines
from ._media import Media
from ._values import Attribute, Attributes, Bandwidth, Connection, Direction, Line, Origin, Timing

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
    "All other lines of the session part as (letter, value): ``i u e p r z k`` and letters nobody knows."
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

    def direction_of(self, media: Media) -> Direction:
        """Return the direction of one of the media: its own, the session's, or sendrecv (:rfc:`8866#section-6.7`)."""
        return media.direction or self.attributes.direction or "sendrecv"

    def connection_of(self, media: Media) -> Connection | None:
        """Return where one of the media goes: its own connection, or the session's."""
        return media.connection or self.connection

    def is_held(self, media: Media) -> bool:
        """Tell whether the writer wants to receive none of this: by direction or the null address.

        See :rfc:`3264#section-8.4`.
        """
        connection = self.connection_of(media)
        return self.direction_of(media) in ("sendonly", "inactive") or (connection is not None and connection.is_hold)

    def with_direction(self, direction: Direction) -> SessionDescription:
        """Return a copy of the next version in which all live media have this direction, to hold or resume a call."""
        media = tuple(
            one if one.is_rejected else one.replace(attributes=one.attributes.with_direction(direction))
            for one in self.media
        )
        return self.replace(media=media, origin=attrs.evolve(self.origin, version=self.origin.version + 1))

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
        yield from (("t", str(timing)) for timing in self.times)
        for letter in "rzk":
            yield from (line for line in self.other if line[0] == letter)
        yield from (("a", str(attribute)) for attribute in self.attributes)
        yield from (line for line in self.other if line[0] not in "iueprzk")

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
            self.other.append((letter, value))


class _Parser:
    """Take line by line, and finish as a description."""

    def __init__(self) -> None:
        self._origin: Origin | None = None
        self._name: str | None = None
        self._times: list[Timing] = []
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
        elif self._media:
            self._media[-1].take(letter, value, raw)
        elif letter == "v":
            raise ValueError("v= stands twice")
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
            times=tuple(self._times),
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
