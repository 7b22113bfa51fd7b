"""The hook that every message passes on its way out: for tests, and for tools that misbehave on purpose."""

from ._outbound import Emission, Hook, Outbound, Point, outbound_of
from ._rule import Rule, first_of, on, on_point, on_response

__all__ = [
    "Emission",
    "Hook",
    "Outbound",
    "Point",
    "Rule",
    "first_of",
    "on",
    "on_point",
    "on_response",
    "outbound_of",
]
