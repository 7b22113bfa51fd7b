"""What a transaction machine asks for: a closed union of values.

The layer performs them in order; a machine calls nobody and knows no clock, so its delays count from now. Nobody
changes one; they are not frozen, since that makes them several times as dear, and each message makes some.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from sipstack.message import Request, Response
from sipstack.timers import Timer

__all__ = ["Deliver", "Effect", "Ended", "Failed", "FailureKind", "Send", "StartTimer", "StopTimer"]

FailureKind: TypeAlias = Literal["timeout", "transport"]
"A timeout counts as a 408, a transport failure as a 503 (:rfc:`3261#section-8.1.3.1`)."


@attrs.define
class Send:
    """Send these bytes, which are that message; None when it is a repetition and the message was let go."""

    data: bytes
    message: Request | Response | None


@attrs.define
class StartTimer:
    """Start a timer, or start it anew, to fire after so many seconds."""

    timer: Timer
    delay: float


@attrs.define
class StopTimer:
    """Stop a timer; it may have fired already."""

    timer: Timer


@attrs.define
class Deliver:
    """Pass a message up to the transaction user."""

    message: Request | Response


@attrs.define
class Failed:
    """Tell the transaction user that the transaction failed."""

    kind: FailureKind
    detail: str


@attrs.define
class Ended:
    """Forget the machine and stop all its timers."""


Effect: TypeAlias = Send | StartTimer | StopTimer | Deliver | Failed | Ended
