"""Finding the targets of a request: names looked up, answers kept, targets that failed put last (:rfc:`3263`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import trio

from sipstack.message import URI, Limits
from sipstack.resolver import Answer, Cache, Outages, Query, Resolution, ResolveError, Target

from ._context import Counters, Recorder
from ._network import Network

__all__ = ["Locator"]

_DOMAINS: Final = 4_096
"Domains of which is remembered that they offer TLS."


class Locator:
    """Drive resolutions, and remember what they and the requests found out.

    :param randbytes: the source of chance for the choice among servers of one priority.
    :param trace: is told what was asked, what the targets are, and which one failed.
    """

    def __init__(
        self,
        network: Network,
        limits: Limits,
        counters: Counters,
        randbytes: Callable[[int], bytes],
        trace: Recorder | None,
    ) -> None:
        self._network = network
        self._limits = limits
        self._counters = counters
        self._randbytes = randbytes
        self._trace = trace
        self._cache = Cache()
        self._outages = Outages()
        # Domains whose NAPTR records offered TLS; a dict, since sets have no order to forget by.
        self._secure: dict[str, None] = {}

    def begin(self, uri: URI, transports: Sequence[str], *, is_large: bool = False) -> Resolution:
        """Start to resolve a URI, with the answers that are known.

        :raises ResolveError: the URI is none to send to.
        """
        resolution = Resolution(uri, transports=transports, randbytes=self._randbytes, is_large=is_large)
        now = trio.current_time()
        while (queries := resolution.queries()) and len(known := self._known(queries, now)) == len(queries):
            for query, answer in known.items():
                self._feed(resolution, query, answer)
        return resolution

    def _known(self, queries: Sequence[Query], now: float) -> dict[Query, Answer]:
        return {query: answer for query in queries if (answer := self._cache.get(query, now)) is not None}

    async def look_up(self, resolution: Resolution) -> None:
        """Look up all that a resolution still asks for.

        :raises ResolveError: there is no target, or it takes too long to know.
        """
        seconds = self._limits.connect_seconds
        with trio.move_on_after(seconds):
            while queries := resolution.queries():
                answers = self._known(queries, trio.current_time())
                async with trio.open_nursery() as nursery:
                    for query in queries:
                        if query not in answers:
                            nursery.start_soon(self._ask, query, answers)
                for query in queries:
                    self._feed(resolution, query, answers[query])
            return
        names = ", ".join(dict.fromkeys(query.name for query in resolution.queries()))
        raise ResolveError(f"Looking up {names} took more than {seconds:g} seconds.")

    def _feed(self, resolution: Resolution, query: Query, answer: Answer) -> None:
        self.note(f"{query}: {answer}")
        resolution.feed(query, answer)

    async def _ask(self, query: Query, answers: dict[Query, Answer]) -> None:
        answer = answers[query] = await self._network.look_up(query)
        self._cache.put(query, answer, trio.current_time())

    def targets_of(self, resolution: Resolution) -> tuple[Target, ...]:
        """Return the targets that were found, those that failed of late last."""
        if resolution.is_numeric:
            return resolution.targets
        now = trio.current_time()
        targets = self._outages.order(resolution.targets, now)
        self._watch_for_downgrade(resolution)
        if self._trace is not None:
            shown = "; ".join(f"{target}{self._blame(target, now)}" for target in targets)
            self.note(f"targets of {resolution.uri}: {shown}")
        return tuple(targets)

    def _blame(self, target: Target, now: float) -> str:
        left = self._outages.seconds_left(target, now)
        return f" [failed; last for {left:.0f} s]" if left else ""

    def _watch_for_downgrade(self, resolution: Resolution) -> None:
        """Raise the alarm when a domain offers TLS no more (:rfc:`3263#section-7`): an answer may be forged."""
        if resolution.offers_tls is None:
            return
        domain = (resolution.uri.parameters.get("maddr") or resolution.uri.host).lower()
        if resolution.offers_tls:
            if domain not in self._secure and len(self._secure) >= _DOMAINS:
                del self._secure[next(iter(self._secure))]
            self._secure[domain] = None
        elif domain in self._secure:
            self._counters.tls_withdrawn += 1
            self.note(f"alarm: {domain} offered SIPS in its NAPTR records before, and does not now")

    def failed(self, target: Target, detail: str, retry_after: float | None = None) -> None:
        """Take note that a target did not serve a request, and put it last for a while.

        :param retry_after: seconds, where it said for how long.
        """
        self._counters.targets_failed += 1
        seconds = self._outages.add(target, trio.current_time(), seconds=retry_after)
        self.note(f"{target} failed: {detail}" + (f"; tried last for {seconds:.0f} s" if seconds else ""))

    def note(self, text: str) -> None:
        """Write into the trace."""
        if self._trace is not None:
            self._trace.note(trio.current_time(), text)
