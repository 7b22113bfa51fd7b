"""RFC 3261 timer values and the timer queue (:rfc:`3261#section-17`, appendix A)."""

from ._queue import TimerQueue
from ._timer import Timer
from ._values import TRYING_DELAY, TimerValues

__all__ = ["TRYING_DELAY", "Timer", "TimerQueue", "TimerValues"]
