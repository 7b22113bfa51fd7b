"""Offers and answers from what an application can do (:rfc:`3264`, :rfc:`6337`).

No RTP here: whoever moves the media says which codecs it speaks and at which ports it listens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from sipstack.message import LocalProtocolError

from ._codec import STATIC_CODECS, Codec
from ._direction import Direction, direction_for, receives, sends
from ._media import Media
from ._session import SessionDescription
from ._values import VERSION_MAX, Attribute, Attributes, Connection, Origin, Timing

__all__ = ["Capabilities", "MediaCapability", "answer_to", "offer"]

_FIRST_DYNAMIC, _LAST_DYNAMIC = 96, 127  # RFC 3551, section 6
_ONLY_WHEN_OFFERED = ("rtcp-mux", "rtcp-rsize")  # RFC 5761, section 5.1.1; RFC 5506, section 5
_KNOWN: Final = {
    **{codec.name.lower(): codec for codec in reversed(STATIC_CODECS.values())},
    # 101 is what everybody writes, and 0-15 the DTMF keys (RFC 4733, section 3.2).
    "telephone-event": Codec("telephone-event", payload_type=101, fmtp="0-15"),
    "opus": Codec("opus", 48_000, 2),
}


def _codec(value: Codec | str) -> Codec:
    if isinstance(value, Codec):
        return value
    codec = _KNOWN.get(value.lower())
    if codec is None:
        raise LocalProtocolError(
            f"The codec {value!r} is not known by its name alone; give Codec(name, clock_rate, payload_type=...)."
        )
    return codec


def _codecs(values: Iterable[Codec | str]) -> tuple[Codec, ...]:
    return tuple(_codec(value) for value in values)


@attrs.frozen
class MediaCapability:
    """Say that one stream of a type can be taken at a port, and how.

    :param codecs: the codecs in order of preference; a well-known one by its name alone.
    :param direction: what we are willing to do; an answer never does more.
    :param protocols: the ``m=`` protocols that whoever moves the media speaks; the first is offered.
    """

    type: str
    port: int
    codecs: tuple[Codec, ...] = attrs.field(default=("PCMU", "PCMA", "telephone-event"), converter=_codecs)
    direction: Direction = attrs.field(default="sendrecv", kw_only=True)
    protocols: tuple[str, ...] = attrs.field(default=("RTP/AVP",), kw_only=True)
    attributes: tuple[Attribute, ...] = attrs.field(default=(), kw_only=True)
    "More attributes of this stream, such as ``ptime``; ``rtcp-mux`` is answered only to an offer that has it."


@attrs.frozen
class Capabilities:
    """Hold all streams that can be taken at once; two of a type are two streams of it."""

    media: tuple[MediaCapability, ...] = attrs.field(default=())

    @classmethod
    def audio(cls, port: int, codecs: Iterable[Codec | str] = ("PCMU", "PCMA", "telephone-event")) -> Capabilities:
        """Say that one audio stream can be taken at a port."""
        return cls((MediaCapability("audio", port, tuple(codecs)),))


def _origin(session_id: int, version: int, address: str) -> Origin:
    if not (0 <= session_id <= VERSION_MAX and 0 <= version <= VERSION_MAX):
        raise LocalProtocolError("The session id and version of a description are between 0 and 2**63-1.")
    return Origin(session_id, version, address)


def offer(
    capabilities: Capabilities,
    *,
    address: str,
    session_id: int,
    version: int = 1,
    name: str = "-",
) -> SessionDescription:
    """Offer everything we can do (:rfc:`3264#section-5`).

    :param address: where we listen for media.
    :param session_id: a number of this session that we use for no other.
    :param version: of the first description of this session; :func:`next_version` sees to those that follow.
    """
    return SessionDescription(
        origin=_origin(session_id, version, address),
        name=name,
        connection=Connection(address),
        media=tuple(
            _describe(capability, capability.protocols[0], _numbered(capability.codecs), capability.direction)
            for capability in capabilities.media
        ),
    )


def answer_to(
    offer: SessionDescription,
    capabilities: Capabilities,
    *,
    address: str,
    session_id: int,
    version: int = 1,
) -> SessionDescription:
    """Answer an offer: as many media in the same order, each taken or refused (:rfc:`3264#section-6`).

    Codecs are listed in the offerer's order, under the offerer's payload types. A stream with no codec in common, or
    none but telephone events and comfort noise, is refused with port zero; if all are, ``answer.is_rejected`` is true
    and 488 is the answer to send. Multicast streams are refused. Format parameters are not compared.
    """
    free = list(capabilities.media)
    return SessionDescription(
        origin=_origin(session_id, version, address),
        connection=Connection(address),
        times=offer.times or (Timing(),),
        media=tuple(_answer_media(offer, media, free) for media in offer.media),
    )


def _answer_media(offer: SessionDescription, media: Media, free: list[MediaCapability]) -> Media:
    connection = offer.connection_of(media)
    if not media.is_rejected and connection is not None and not connection.is_multicast:
        for capability in free:
            if capability.type.lower() != media.type.lower() or media.protocol not in capability.protocols:
                continue
            codecs = _common(media, capability)
            if any(not codec.is_auxiliary for codec in codecs):
                free.remove(capability)
                direction = _answer_direction(offer.direction_of(media), capability.direction)
                answer = _describe(capability, media.protocol, codecs, direction)
                return answer.replace(type=media.type, attributes=_answered(answer.attributes, media.attributes))
    return Media(type=media.type, port=0, protocol=media.protocol, formats=media.formats)


def _answered(ours: Attributes, offered: Attributes) -> Attributes:
    """Leave out what we would do but nobody asked for."""
    return Attributes(one for one in ours if one.name not in _ONLY_WHEN_OFFERED or offered.has(one.name))


def _common(media: Media, capability: MediaCapability) -> tuple[Codec, ...]:
    """List the codecs both sides have, in the offer's order and numbers, with our format parameters."""
    common = []
    # A capability holds each codec once; an offer may repeat one, with other parameters, and gets it once.
    ours = list(capability.codecs)
    for theirs in media.codecs:
        mine = next((codec for codec in ours if codec.matches(theirs)), None)
        if mine is not None:
            ours.remove(mine)
            common.append(attrs.evolve(mine, name=theirs.name, payload_type=theirs.payload_type))
    return tuple(common)


def _answer_direction(offered: Direction, willing: Direction) -> Direction:
    """Mirror the offered direction, and do no more than we are willing to.

    The null address does not count here: it asks for silence now, not for less in the answer (RFC 6337, section 5.4).
    """
    return direction_for(
        sends=receives(offered) and sends(willing),
        receives=sends(offered) and receives(willing),
    )


def _numbered(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    """Give every codec a payload type: its own, its static one, or the next dynamic one that is free."""
    numbers = Counter(codec.payload_type for codec in codecs if codec.payload_type is not None)
    twice = next((number for number, count in numbers.items() if count > 1), None)
    if twice is not None:
        raise LocalProtocolError(f"The payload type {twice} stands for two codecs of one stream; give them two.")
    dynamic = iter(number for number in range(_FIRST_DYNAMIC, _LAST_DYNAMIC + 1) if number not in numbers)
    return tuple(codec if codec.payload_type is not None else _number(codec, numbers, dynamic) for codec in codecs)


def _number(codec: Codec, taken: Counter[int], dynamic: Iterator[int]) -> Codec:
    for static in STATIC_CODECS.values():
        if static.matches(codec) and static.payload_type is not None and static.payload_type not in taken:
            return attrs.evolve(codec, payload_type=static.payload_type)
    number = next(dynamic, None)
    if number is None:
        raise LocalProtocolError("One stream holds at most 32 dynamic payload types; offer fewer codecs.")
    return attrs.evolve(codec, payload_type=number)


def _describe(capability: MediaCapability, protocol: str, codecs: tuple[Codec, ...], direction: Direction) -> Media:
    attributes: list[Attribute] = []
    for codec in codecs:
        attributes.append(Attribute("rtpmap", f"{codec.payload_type} {codec}"))
        if codec.fmtp:
            attributes.append(Attribute("fmtp", f"{codec.payload_type} {codec.fmtp}"))
    return Media(
        type=capability.type,
        port=capability.port,
        protocol=protocol,
        formats=tuple(str(codec.payload_type) for codec in codecs),
        attributes=Attributes((*attributes, *capability.attributes, Attribute(direction))),
    )
