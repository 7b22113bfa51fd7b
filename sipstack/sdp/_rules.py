"""What is wrong between two descriptions: an offer and its answer, or one and the next (:rfc:`3264`).

Each check lists all faults it finds: a tool reports them, an endpoint chooses which of them it bears with.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

import attrs

from ._codec import Codec
from ._direction import is_answer_to
from ._media import Media
from ._session import SessionDescription
from ._values import VERSION_MAX, Timing

__all__ = ["Fault", "Rule", "check_answer", "check_next_offer"]


class Rule(enum.Enum):
    """Name a rule: the RFC and section that make it, and what it asks for."""

    NUMBER_RANGE = 3264, "5", "the session id and version in o= fit 64 bits with a sign"
    PTIME = 3264, "5.1", "a ptime is greater than zero"
    CONNECTION = 8866, "5.7", "a stream that is not refused has a c= of its own or of the session"

    MEDIA_COUNT = 3264, "6", "an answer has as many m= lines as its offer"
    TIME = 3264, "6", "the t= of an answer equals that of its offer"
    COPIED_ORIGIN = 3264, "6", "an answer that differs from its offer has another o="
    MEDIA_TYPE = 3264, "6.1", "the media type in an answer is that of the offer"
    PROTOCOL = 3264, "6.1", "the protocol in an answer is that of the offer"
    DIRECTION = 3264, "6.1", "a stream flows no way in an answer that its offer does not let it"
    FORMAT = 3264, "6.1", "an accepted stream has at least one format of its offer"
    RTPMAP = 3264, "6.1", "an answer maps each dynamic payload type that it lists"
    UNICAST = 3264, "6.1", "a unicast stream is answered with a unicast address"
    MULTICAST = 3264, "6.2", "a multicast stream is accepted as it was offered, but for formats left out"
    REFUSED_STREAM = 3264, "8.2", "a stream that is offered with port zero is answered with port zero"
    RTCP_MUX = 5761, "5.1.1", "rtcp-mux is answered only where it was offered"

    ORIGIN = 3264, "8", "nothing but the version changes in o= during a session"
    VERSION = 3264, "8", "the version is one more when anything else changed"
    FEWER_MEDIA = 3264, "8", "m= lines are never taken away"
    MEDIA_ORDER = 3264, "8", "m= lines keep their order"
    PAYLOAD_TYPE = 3264, "8.3.2", "a dynamic payload type stands for one codec as long as its stream is there"

    def __init__(self, rfc: int, section: str, text: str) -> None:
        self.rfc = rfc
        self.section = section
        self.text = text


@attrs.frozen
class Fault:
    """Say which rule is broken, where, and by what."""

    rule: Rule
    detail: str
    media: int | None = None
    "The number of the m= line, from 0; None for the session."

    def __str__(self) -> str:
        place = "" if self.media is None else f"m= line {self.media + 1}: "
        return f"{place}{self.detail} (RFC {self.rule.rfc}, section {self.rule.section}: {self.rule.text})"


def check_answer(offer: SessionDescription, answer: SessionDescription) -> list[Fault]:
    """List what is wrong with an answer to an offer (:rfc:`3264#section-6`); nothing, if it is right.

    More formats than were offered are no fault in a unicast stream, nor are other payload types for the same codec.
    """
    return list(_answer_faults(offer, answer))


def check_next_offer(previous: SessionDescription, new: SessionDescription) -> list[Fault]:
    """List what is wrong with a description after the previous one of the same writer (:rfc:`3264#section-8`).

    The same holds for an answer that follows (:rfc:`6337#section-5.2.5`). A stream may change its media type, and a
    version that counts up where nothing else changed is no fault.
    """
    return list(_next_faults(previous, new))


def _answer_faults(offer: SessionDescription, answer: SessionDescription) -> Iterator[Fault]:
    yield from _own_faults(answer)
    if len(answer.media) != len(offer.media):
        yield Fault(Rule.MEDIA_COUNT, f"{len(answer.media)} m= lines answer {len(offer.media)}")
    # Who leaves t= out means always (RFC 8866, section 5.9, asks for one).
    if (answer.times or (Timing(),)) != (offer.times or (Timing(),)):
        yield Fault(Rule.TIME, "the times differ")
    if answer.origin == offer.origin and answer != offer:
        yield Fault(Rule.COPIED_ORIGIN, f"o={answer.origin} is that of the offer")
    for place, (theirs, ours) in enumerate(zip(offer.media, answer.media, strict=False)):
        for rule, detail in _media_faults(offer, theirs, answer, ours):
            yield Fault(rule, detail, place)


def _media_faults(
    offer: SessionDescription, offered: Media, answer: SessionDescription, answered: Media
) -> Iterator[tuple[Rule, str]]:
    if answered.type.lower() != offered.type.lower():
        yield Rule.MEDIA_TYPE, f"{offered.type} is answered with {answered.type}"
    if answered.protocol.upper() != offered.protocol.upper():
        yield Rule.PROTOCOL, f"{offered.protocol} is answered with {answered.protocol}"
    if answered.is_rejected:
        return
    if offered.is_rejected:
        yield Rule.REFUSED_STREAM, f"port {answered.port} answers port 0"
        return
    if not _common_formats(offered, answered):
        yield Rule.FORMAT, f"of {' '.join(answered.formats)}, none was offered"
    yield from ((Rule.PAYLOAD_TYPE, detail) for detail in _remapped(offered, answered))
    if answered.is_rtp:
        maps = {value.partition(" ")[0] for value in answered.attributes.getlist("rtpmap")}
        dynamic = [one for one in answered.formats if _is_dynamic(one) and one not in maps]
        if dynamic:
            yield Rule.RTPMAP, f"no a=rtpmap for {' '.join(dynamic)}"
    if answered.attributes.has("rtcp-mux") and not offered.attributes.has("rtcp-mux"):
        yield Rule.RTCP_MUX, "a=rtcp-mux was not offered"
    connection = offer.connection_of(offered)
    if connection is not None and connection.is_multicast:
        yield from _multicast_faults(offer, offered, answer, answered)
        return
    connection = answer.connection_of(answered)
    if connection is not None and connection.is_multicast:
        yield Rule.UNICAST, f"{connection.address} is the address of a group"
    directions = offer.direction_of(offered), answer.direction_of(answered)
    if not is_answer_to(*directions):
        yield Rule.DIRECTION, f"{directions[0]} is answered with {directions[1]}"


def _multicast_faults(
    offer: SessionDescription, offered: Media, answer: SessionDescription, answered: Media
) -> Iterator[tuple[Rule, str]]:
    if answer.connection_of(answered) != offer.connection_of(offered) or answered.port != offered.port:
        yield Rule.MULTICAST, "address and port are not those of the offer"
    if answer.direction_of(answered) != offer.direction_of(offered):
        yield Rule.MULTICAST, "the direction is not that of the offer"
    if not set(answered.formats) <= set(offered.formats):
        yield Rule.MULTICAST, "there are formats that were not offered"
    if offered.attributes.has("ptime") and answered.attributes.get("ptime") != offered.attributes.get("ptime"):
        yield Rule.MULTICAST, "the ptime is not that of the offer"
    if offered.bandwidths and answered.bandwidths != offered.bandwidths:
        yield Rule.MULTICAST, "the bandwidth is not that of the offer"


def _next_faults(previous: SessionDescription, new: SessionDescription) -> Iterator[Fault]:
    yield from _own_faults(new)
    old, origin = previous.origin, new.origin
    if attrs.evolve(origin, version=old.version) != old:
        yield Fault(Rule.ORIGIN, f"o={origin} follows o={old}")
    if origin.version != old.version + 1 and not (origin.version == old.version and new.is_same(previous)):
        yield Fault(Rule.VERSION, f"version {origin.version} follows {old.version}")
    if len(new.media) < len(previous.media):
        yield Fault(Rule.FEWER_MEDIA, f"{len(new.media)} m= lines follow {len(previous.media)}")
    before = [one.type.lower() for one in previous.media]
    after = [one.type.lower() for one in new.media[: len(before)]]
    # A stream may change its type (8.3.3), and a slot with port zero may be used for another (8.1); but when the same
    # types stand there in another order, they were moved.
    if before != after and sorted(before) == sorted(after) and not any(one.is_rejected for one in previous.media):
        yield Fault(Rule.MEDIA_ORDER, f"{' '.join(after)} follows {' '.join(before)}")
    for place, (was, now) in enumerate(zip(previous.media, new.media, strict=False)):
        if not was.is_rejected and not now.is_rejected and was.type.lower() == now.type.lower():
            yield from (Fault(Rule.PAYLOAD_TYPE, detail, place) for detail in _remapped(was, now))


def _own_faults(description: SessionDescription) -> Iterator[Fault]:
    origin = description.origin
    if max(origin.session_id, origin.version) > VERSION_MAX:
        yield Fault(Rule.NUMBER_RANGE, f"o={origin} holds a number above 2**63-1")
    for place, media in enumerate(description.media):
        if media.is_rejected:
            continue
        if description.connection_of(media) is None:
            yield Fault(Rule.CONNECTION, "there is no c=", place)
        if media.attributes.has("ptime") and not _is_positive(media.attributes.get("ptime") or ""):
            yield Fault(Rule.PTIME, f"a=ptime:{media.attributes.get('ptime')}", place)


def _is_positive(text: str) -> bool:
    digits = text.strip()
    # Some write a fraction of a millisecond; all that is forbidden is nothing, and what is no number.
    return digits.replace(".", "", 1).isdecimal() and digits.strip("0.") != ""


def _is_dynamic(payload_type: str) -> bool:
    return len(payload_type) <= 3 and payload_type.isdecimal() and 96 <= int(payload_type) <= 127  # RFC 3551, section 6


def _common_formats(offered: Media, answered: Media) -> bool:
    if not (offered.is_rtp and answered.is_rtp):
        return not set(offered.formats).isdisjoint(answered.formats)
    ours = {_key(codec) for codec in answered.codecs}
    if any(_key(codec) in ours for codec in offered.codecs):
        return True
    # A number that neither side explains is the same format, for all that can be seen.
    explained = {str(codec.payload_type) for codec in (*offered.codecs, *answered.codecs)}
    return not (set(offered.formats) & set(answered.formats)) <= explained


def _remapped(was: Media, now: Media) -> Iterator[str]:
    """Say which dynamic payload types stand for another codec than before."""
    if not (was.is_rtp and now.is_rtp):
        return
    before = {codec.payload_type: codec for codec in was.codecs}
    for codec in now.codecs:
        old = before.get(codec.payload_type)
        if old is not None and _is_dynamic(str(codec.payload_type)) and not codec.matches(old):
            yield f"payload type {codec.payload_type} was {old} and is {codec}"


def _key(codec: Codec) -> tuple[str, int, int]:
    return codec.name.lower(), codec.clock_rate, codec.channels
