"""How long each timer runs (:rfc:`3261`, appendix A; :rfc:`6026#section-8`; :rfc:`4320#section-4.1`)."""

from __future__ import annotations

from functools import lru_cache

import attrs

__all__ = ["TRYING_DELAY", "TimerValues"]

TRYING_DELAY = 0.2
"Seconds after which an unanswered INVITE gets a 100 (:rfc:`3261#section-17.2.1`)."

_MINIMUM_D = 32.0  # 17.1.1.2: at least 32 s whatever our T1, since the server's T1 is not known
_C = 181.0  # 16.6 step 11: more than three minutes


@attrs.frozen(kw_only=True)
class TimerValues:
    """Derive every timer's length from T1, T2 and T4; all in seconds (:rfc:`3261#section-17.1.1.1`)."""

    t1: float = attrs.field(default=0.5, validator=attrs.validators.gt(0))
    "Estimate of the round-trip time."
    t2: float = attrs.field(default=4.0, validator=attrs.validators.gt(0))
    "Longest interval between retransmissions of a non-INVITE request or an INVITE response."
    t4: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))
    "Longest time a message stays in the network."

    @property
    def a(self) -> float:
        """Return the first interval of Timer A; each next one is twice as long."""
        return self.t1

    @property
    def b(self) -> float:
        """Return Timer B: 64*T1."""
        return 64 * self.t1

    @property
    def c(self) -> float:
        """Return Timer C: more than three minutes."""
        return _C

    def d(self, *, reliable: bool) -> float:
        """Return Timer D: at least 32 s, nothing on a reliable transport."""
        return 0.0 if reliable else max(_MINIMUM_D, 64 * self.t1)

    @property
    def e(self) -> float:
        """Return the first interval of Timer E; each next one is twice as long, up to T2."""
        return self.t1

    @property
    def f(self) -> float:
        """Return Timer F: 64*T1."""
        return 64 * self.t1

    @property
    def g(self) -> float:
        """Return the first interval of Timer G; each next one is twice as long, up to T2."""
        return self.t1

    @property
    def h(self) -> float:
        """Return Timer H: 64*T1."""
        return 64 * self.t1

    def i(self, *, reliable: bool) -> float:
        """Return Timer I: T4, nothing on a reliable transport."""
        return 0.0 if reliable else self.t4

    def j(self, *, reliable: bool) -> float:
        """Return Timer J: 64*T1, nothing on a reliable transport."""
        return 0.0 if reliable else 64 * self.t1

    def k(self, *, reliable: bool) -> float:
        """Return Timer K: T4, nothing on a reliable transport."""
        return 0.0 if reliable else self.t4

    @property
    def l(self) -> float:  # noqa: E743  (the RFC's own name)
        """Return Timer L: 64*T1."""
        return 64 * self.t1

    @property
    def m(self) -> float:
        """Return Timer M: 64*T1."""
        return 64 * self.t1

    @property
    def give_up(self) -> float:
        """Return how long a cancelled INVITE waits for its final response: 64*T1 (:rfc:`3261#section-9.1`)."""
        return 64 * self.t1

    @property
    def invite_trying(self) -> float:
        """Return when an unanswered INVITE gets its 100: 200 ms (:rfc:`3261#section-17.2.1`)."""
        return TRYING_DELAY

    @property
    def non_invite_trying(self) -> float:
        """Return when an unanswered non-INVITE request gets its 100 (:rfc:`4320#section-4.1`).

        That is when the client's Timer E has been reset to T2: 3.5 s with the default values.
        """
        return _until_t2(self.t1, self.t2)


@lru_cache
def _until_t2(t1: float, t2: float) -> float:
    elapsed, interval = 0.0, t1
    while interval < t2:
        elapsed += interval
        interval *= 2
    return elapsed
