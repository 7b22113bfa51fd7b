"""Only SdpError escapes; an untouched description is written byte for byte; one written anew reads back equal.

Targets `sipstack.sdp` (:rfc:`8866`), and the answers it makes to any offer (:rfc:`3264`).
"""

from __future__ import annotations

from sipstack.message import LocalProtocolError
from sipstack.sdp import (
    Capabilities,
    Media,
    MediaCapability,
    Rule,
    SdpError,
    SessionDescription,
    answer_to,
    check_answer,
    hold,
    next_version,
)
from sipstack.testing.strategies import mutated, session_descriptions

__all__ = ["DRAWS", "check"]

_MUTATIONS = (
    "append",
    "delete",
    "duplicate",
    "encode",
    "flip",
    "huge",
    "insert",
    "leave-out",
    "line-ends",
    "scalar",
    "truncate",
)
DRAWS = session_descriptions() | mutated(session_descriptions(), only=_MUTATIONS)

_OF_THE_OFFER = (Rule.TIME,)
"An offer without ``t=`` is taken, and its answer has one."

_CAPABILITIES = Capabilities(
    (
        MediaCapability("audio", 6000, ("PCMU", "opus", "telephone-event"), protocols=("RTP/AVP", "RTP/SAVP")),
        MediaCapability("video", 6002, ("H261",), direction="recvonly"),
    )
)


def _again(data: bytes) -> SessionDescription:
    """Read what was written: with CRLF for every LF it may be longer than what came."""
    return SessionDescription.parse(data, largest=1_000_000)


def check(data: bytes) -> None:
    try:
        description = SessionDescription.parse(data)
    except SdpError as error:
        assert error.line >= 0
        return
    assert bytes(description) == data, "an untouched description was changed"
    fresh = description.replace(name=description.name, media=tuple(media.replace() for media in description.media))
    try:
        written = bytes(fresh)
    except LocalProtocolError:
        raise AssertionError("what was read cannot be written anew") from None
    again = _again(written)
    assert _ordered(again) == _ordered(description), "media written anew read otherwise"
    assert (again.origin, again.connection, again.times, again.attributes) == (
        description.origin,
        description.connection,
        description.times,
        description.attributes,
    )
    assert bytes(_again(bytes(again))) == written
    _check_readers(description)
    answer = answer_to(description, _CAPABILITIES, address="192.0.2.1", session_id=1)
    assert len(answer.media) == len(description.media), "an answer has as many media as its offer"
    assert [media.type for media in answer.media] == [media.type for media in description.media]
    assert _again(bytes(answer)).media == answer.media
    faults = [fault for fault in check_answer(description, answer) if fault.rule not in _OF_THE_OFFER]
    assert not faults, f"our own answer breaks a rule: {faults}"


def _ordered(description: SessionDescription) -> list[Media]:
    """Return the media with their other lines in one order: written anew they stand where they should."""
    return [media.replace(other=tuple(sorted(media.other))) for media in description.media]


def _check_readers(description: SessionDescription) -> None:
    for media in description.media:
        assert isinstance(media.codecs, tuple)
        for one in media.formats:
            media.rtpmap(one)
            media.fmtp(one)
        assert description.direction_of(media) in ("sendrecv", "sendonly", "recvonly", "inactive")
        description.is_held(media)
    held = _again(bytes(hold(description)))
    assert all(media.is_rejected or held.is_held(media) for media in held.media), "what holds is not held"
    if description.origin.version < 2**63 - 1:
        following = next_version(description, held)
        assert following.origin.version - description.origin.version in (0, 1)
