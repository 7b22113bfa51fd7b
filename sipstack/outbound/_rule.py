"""Hooks that read like sentences: ``on("INVITE", numbers=[1, 2]).dropped()``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

import attrs

from sipstack.message import LocalProtocolError, Request, Response

from ._outbound import Emission, Hook, Outbound, Point

__all__ = ["Rule", "first_of", "on", "on_point", "on_response"]

_Edit: TypeAlias = Callable[[Request | Response], object]


@attrs.frozen(eq=False)
class Rule:
    """Say which messages are meant, and what becomes of them; a hook.

    Each method returns another rule that does one thing more. Header fields are changed first, in the order in which
    that was asked for, then the bytes, then the times.
    """

    _is_meant: Callable[[Outbound], bool]
    _edits: tuple[_Edit, ...] = ()
    _rewrites: tuple[Callable[[bytes], bytes], ...] = ()
    _delays: tuple[float, ...] = (0.0,)

    def __call__(self, outbound: Outbound) -> list[Emission] | None:
        """Return what to send instead of a message that is meant, None for all others."""
        if not self._is_meant(outbound):
            return None
        data = outbound.data
        if self._edits:
            message = outbound.message.copy()
            for edit in self._edits:
                edit(message)
            data = Emission.of(message).data
        for rewrite in self._rewrites:
            data = rewrite(data)
        return [Emission(data, delay) for delay in self._delays]

    def dropped(self) -> Rule:
        """Send nothing."""
        return attrs.evolve(self, delays=())

    def delayed(self, seconds: float) -> Rule:
        """Send it so much later."""
        return attrs.evolve(self, delays=tuple(delay + seconds for delay in self._delays))

    def duplicated(self, times: int = 2, *, apart: float = 0.0) -> Rule:
        """Send it so many times, so many seconds apart.

        :raises LocalProtocolError: that is less than once; to send nothing, use `dropped`.
        """
        if times < 1:
            raise LocalProtocolError(f"duplicated {times} times: give 1 or more, or use dropped()")
        delays = tuple(delay + number * apart for delay in self._delays for number in range(times))
        return attrs.evolve(self, delays=delays)

    def with_header(self, name: str, *values: str) -> Rule:
        """Put these fields in the place of all of their name, or below all others.

        A Content-Length goes out as given, right or wrong.

        :raises LocalProtocolError: when a message is sent: the name is no token, or a value holds CR, LF or NUL; send
            those with `raw`.
        """
        return self.changed(lambda message: message.headers.setlist(name, list(values)))

    def without_header(self, name: str) -> Rule:
        """Leave out every field of a name."""
        return self.changed(lambda message: message.headers.remove(name))

    def changed(self, edit: Callable[[Request | Response], object]) -> Rule:
        """Let a function change the message; its Content-Length stays as it is unless that is changed, too."""
        return attrs.evolve(self, edits=(*self._edits, edit))

    def raw(self, data: bytes | Callable[[bytes], bytes]) -> Rule:
        """Send these bytes, or what a function makes of the message's."""
        rewrite = data if callable(data) else lambda _: data
        return attrs.evolve(self, rewrites=(*self._rewrites, rewrite))


def on(*methods: str, numbers: Collection[int] | None = None) -> Rule:
    """Mean requests of some methods, or all.

    :param numbers: which copies: 1 is the first, 2 the first retransmission; all if none are given.
    """
    return Rule(
        lambda outbound: (
            isinstance(outbound.message, Request)
            and (not methods or outbound.method in methods)
            and (numbers is None or outbound.number in numbers)
        )
    )


def on_response(code: int | None = None, method: str | None = None, *, numbers: Collection[int] | None = None) -> Rule:
    """Mean responses of a code, or all, to requests of a method, or all.

    :param numbers: as for `on`.
    """
    return Rule(
        lambda outbound: (
            isinstance(outbound.message, Response)
            and code in (None, outbound.message.code)
            and method in (None, outbound.method)
            and (numbers is None or outbound.number in numbers)
        )
    )


def on_point(*points: Point, numbers: Collection[int] | None = None) -> Rule:
    """Mean messages by what they are to the stack.

    :param numbers: as for `on`.
    """
    return Rule(lambda outbound: outbound.point in points and (numbers is None or outbound.number in numbers))


def first_of(*hooks: Hook) -> Hook:
    """Join hooks: for each message, the first that does not return None has its way."""

    def hook(outbound: Outbound) -> Iterable[Emission] | None:
        for each in hooks:
            emissions = each(outbound)
            if emissions is not None:
                return emissions
        return None

    return hook
