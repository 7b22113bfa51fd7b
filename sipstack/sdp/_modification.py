"""The next description of a session that stands: its version, hold and resume (:rfc:`3264#section-8`)."""

from __future__ import annotations

import attrs

from sipstack.message import LocalProtocolError

from ._direction import Direction, direction_for, receives, sends
from ._session import SessionDescription
from ._values import VERSION_MAX

__all__ = ["hold", "next_version", "resume", "wanted_directions"]


def next_version(previous: SessionDescription, new: SessionDescription) -> SessionDescription:
    """Return a new description as the one that follows the previous one of the same writer.

    It gets the origin of the previous one; where it says anything else than that, its version is one more.

    :raises LocalProtocolError: the previous version was the last that there is, 2**63-1.
    """
    origin = previous.origin
    same = new.replace(origin=origin)
    if same == previous:
        return previous
    if origin.version >= VERSION_MAX:
        raise LocalProtocolError("The version of a description is at most 2**63-1; begin a new session.")
    return new.replace(origin=attrs.evolve(origin, version=origin.version + 1))


def wanted_directions(
    description: SessionDescription, *, offer: SessionDescription | None = None
) -> tuple[Direction, ...]:
    """Return which way each medium would flow if the other side let it.

    What an answer does not do because its offer did not let it tells nothing of what its writer wants; it is taken to
    want it, lest two that held each other stay on hold for ever (:rfc:`6337#section-5.3`).

    :param offer: what the description answered; None if it is an offer itself.
    """
    wanted = []
    for place, media in enumerate(description.media):
        direction = description.direction_of(media)
        if offer is not None and place < len(offer.media):
            offered = offer.direction_of(offer.media[place])
            direction = direction_for(
                sends=sends(direction) or not receives(offered), receives=receives(direction) or not sends(offered)
            )
        wanted.append(direction)
    return tuple(wanted)


def hold(description: SessionDescription, *, offer: SessionDescription | None = None) -> SessionDescription:
    """Return a description in which no medium asks to be sent anything (:rfc:`3264#section-8.4`).

    A stream that we would send on is ``sendonly``, any other ``inactive``. The version stays: see :func:`next_version`.

    :param offer: what our description answered; None if it is our own offer.
    """
    wanted = wanted_directions(description, offer=offer)
    return description.with_directions(*(direction_for(sends=sends(one), receives=False) for one in wanted))


def resume(
    held: SessionDescription, before: SessionDescription, *, offer: SessionDescription | None = None
) -> SessionDescription:
    """Return the held description with each medium flowing as we wanted it before (:rfc:`6337#section-5.3`).

    Media that came since then flow both ways. The version stays: see :func:`next_version`.

    :param held: our latest description.
    :param before: our last one before we held.
    :param offer: what `before` answered; None if it was our own offer.
    """
    new: list[Direction] = ["sendrecv"] * (len(held.media) - len(before.media))
    turned = held.with_directions(*[*wanted_directions(before, offer=offer), *new][: len(held.media)])
    media = list(turned.media)
    for place, (one, old) in enumerate(zip(media, before.media, strict=False)):
        # What was left to the session, or to the default, is so again.
        if not one.is_rejected and old.direction is None and one.direction == turned.default_direction:
            media[place] = one.replace(attributes=one.attributes.without_direction())
    return turned.replace(media=tuple(media))
