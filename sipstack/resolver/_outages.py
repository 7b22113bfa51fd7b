"""Which targets did not serve us, and until when that is held against them (:rfc:`3261#section-21.5.4`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from ._target import Target

__all__ = ["Outages"]

_Key: TypeAlias = tuple[str, str, int]

_UNSAID: Final = 30.0
"Seconds before a target that was silent or out of reach is preferred again (base-time-all-fail of :rfc:`5626`)."
_LONGEST: Final = 3_600.0
"Seconds: what a target may ask for with Retry-After; more, and a mistake would cost it all its traffic for days."


class Outages:
    """Remember targets that failed, so that requests go to others first.

    None is ruled out: where all have failed, trying one is better than trying none.

    :param size: how many are remembered; the oldest are forgotten first.
    """

    __slots__ = ("_size", "_until")

    def __init__(self, size: int = 4_096) -> None:
        self._size = size
        self._until: dict[_Key, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def add(self, target: Target, now: float, *, seconds: float | None = None) -> float:
        """Take note that a target failed; return for how many seconds that is held against it.

        :param seconds: how long it asked to be left alone; None if it said nothing.
        """
        period = _UNSAID if seconds is None else min(seconds, _LONGEST)
        key = _key_of(target)
        until = max(now + period, self._until.pop(key, now))
        if until > now:
            if len(self._until) >= self._size:
                del self._until[next(iter(self._until))]
            self._until[key] = until
        return until - now

    def seconds_left(self, target: Target, now: float) -> float:
        """Return for how many seconds a target is still to be tried last; 0 if it is as good as any."""
        if not self._until:
            return 0.0
        key = _key_of(target)
        left = self._until.get(key, now) - now
        if left <= 0:
            self._until.pop(key, None)
            return 0.0
        return left

    def order(self, targets: Iterable[Target], now: float) -> list[Target]:
        """Return the same targets, those that failed of late last, the one that is due first before the others."""
        return sorted(targets, key=lambda each: self.seconds_left(each, now))


def _key_of(target: Target) -> _Key:
    return target.transport, target.host, target.port
