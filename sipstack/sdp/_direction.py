"""Which way media flows: what a description says, and what the other may say to it (:rfc:`3264#section-6.1`)."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["DIRECTIONS", "Direction", "direction_for", "is_answer_to", "receives", "sends"]

Direction: TypeAlias = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
"Which way media flows, as the one who wrote the description sees it."

DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
"The directions by the attribute that says them (:rfc:`8866#section-6.7`)."


def sends(direction: Direction) -> bool:
    """Tell whether who writes this sends."""
    return direction in ("sendrecv", "sendonly")


def receives(direction: Direction) -> bool:
    """Tell whether who writes this receives."""
    return direction in ("sendrecv", "recvonly")


def direction_for(*, sends: bool, receives: bool) -> Direction:
    """Return the direction that says both."""
    if sends:
        return "sendrecv" if receives else "sendonly"
    return "recvonly" if receives else "inactive"


def is_answer_to(offered: Direction, answered: Direction) -> bool:
    """Tell whether an answer does no more than its offer lets it (:rfc:`3264#section-6.1`)."""
    return sends(answered) <= receives(offered) and receives(answered) <= sends(offered)
