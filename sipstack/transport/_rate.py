"""How many requests a second one source may send."""

from __future__ import annotations

__all__ = ["SourceRate"]

_SOURCES = 10_000
"How many sources are remembered; forgetting one gives it a full bucket, never less than its due."


class SourceRate:
    """Count requests by source address in token buckets that hold one second's worth."""

    __slots__ = ("_buckets", "_burst", "_rate")

    def __init__(self, requests_per_second: float) -> None:
        self._rate = requests_per_second
        self._burst = max(requests_per_second, 1.0)
        self._buckets: dict[str, tuple[float, float]] = {}

    def admits(self, source: str, now: float) -> bool:
        """Take one request of a source, unless it had too many."""
        tokens, since = self._buckets.get(source, (self._burst, now))
        tokens = min(tokens + (now - since) * self._rate, self._burst)
        if source not in self._buckets and len(self._buckets) >= _SOURCES:
            del self._buckets[next(iter(self._buckets))]
        admitted = tokens >= 1.0
        self._buckets[source] = (tokens - 1.0 if admitted else tokens, now)
        return admitted
