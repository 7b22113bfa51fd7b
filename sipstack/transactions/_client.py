"""What both client transactions share (:rfc:`3261#section-17.1`)."""

from __future__ import annotations

import abc

from sipstack.message import Request, Response
from sipstack.timers import Timer, TimerValues

from ._effects import Effect, Ended, Failed, Send, StartTimer
from ._flow import Flow
from ._machine import Machine
from ._state import Input, State

__all__ = ["ClientTransaction"]

ENDED = Ended()


class ClientTransaction(Machine):
    """Hold one request of ours until it has had its responses.

    It is made and driven by the layer: ``start()`` once, then ``receive``, ``step`` and ``fail`` in any order. Others
    read it.
    """

    __slots__ = (
        "_ack",
        "_detail",
        "_interval",
        "_response",
        "branch",
        "cancel_reason",
        "data",
        "flow",
        "is_cancel_wanted",
        "is_cancelled",
        "is_internal",
        "request",
        "values",
    )

    request: Request
    "The request as it was sent, our Via on top."
    data: bytes
    "The same, as bytes."
    flow: Flow
    branch: str
    state: State
    is_cancelled: bool
    "A CANCEL was sent."

    def __init__(self, request: Request, data: bytes, flow: Flow, branch: str, values: TimerValues) -> None:
        self.request = request
        self.data = data
        self.flow = flow
        self.branch = branch
        self.values = values
        self.state = State.TERMINATED
        self.is_internal = False
        self.is_cancel_wanted = False
        self.is_cancelled = False
        self.cancel_reason: str | None = None
        self._interval = values.t1
        self._detail = ""
        self._response: Response
        self._ack: tuple[bytes, Request] | None = None

    @abc.abstractmethod
    def receive(self, response: Response) -> list[Effect]:
        """Take a response that matched (:rfc:`3261#section-17.1.3`)."""

    def fail(self, detail: str) -> list[Effect]:
        """Take the news that the request could not be sent, or that its connection is lost."""
        self._detail = detail
        return self.step(Input.TRANSPORT_ERROR)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.request.method} {self.branch} {self.state.value}>"


def send_request(machine: ClientTransaction, effects: list[Effect]) -> None:
    effects.append(Send(machine.data, machine.request))


def double(machine: ClientTransaction, timer: Timer, limit: float, effects: list[Effect]) -> None:
    machine._interval = interval = min(2 * machine._interval, limit)
    effects.append(StartTimer(timer, interval))


def fail_transport(machine: ClientTransaction, effects: list[Effect]) -> None:
    effects.append(Failed("transport", machine._detail))


def end(_machine: object, effects: list[Effect]) -> None:
    effects.append(ENDED)
