"""Answers that still hold (:rfc:`1035#section-3.2.1`, :rfc:`2308#section-5`)."""

from __future__ import annotations

from ._records import Answer, Query

__all__ = ["Cache"]

_LONGEST = 86_400.0
"Seconds: a day; a TTL of years is a mistake that would outlive its correction."


class Cache:
    """Keep answers, that there is nothing included, for as long as each holds.

    :param size: how many answers are kept; the one unused for longest goes first.
    """

    __slots__ = ("_answers", "_size")

    def __init__(self, size: int = 4_096) -> None:
        self._size = size
        self._answers: dict[Query, tuple[float, Answer]] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, query: Query, now: float) -> Answer | None:
        """Return the answer to a query while it holds."""
        found = self._answers.pop(query, None)
        if found is None or found[0] <= now:
            return None
        self._answers[query] = found  # the last one used stands last
        return found[1]

    def put(self, query: Query, answer: Answer, now: float) -> None:
        """Keep an answer that was just got."""
        self._answers.pop(query, None)
        if answer.ttl <= 0:
            return
        if len(self._answers) >= self._size:
            del self._answers[next(iter(self._answers))]
        self._answers[query] = (now + min(answer.ttl, _LONGEST), answer)
