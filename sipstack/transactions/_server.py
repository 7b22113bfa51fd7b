"""What both server transactions share (:rfc:`3261#section-17.2`)."""

from __future__ import annotations

import abc

from collections.abc import Hashable

from sipstack.message import LocalProtocolError, Request, Response, Via
from sipstack.timers import Timer, TimerValues

from ._effects import Deliver, Effect, Ended, Failed, Send, StopTimer
from ._flow import Flow
from ._machine import Machine
from ._state import Input, State
from ._via import default_port, response_flow

__all__ = ["ServerTransaction"]

_ENDED = Ended()
_TERMINATED = State.TERMINATED
_STOP_TRYING = StopTimer(Timer.TRYING)


class ServerTransaction(Machine):
    """Hold one request of a peer until it has had our responses.

    It is made and driven by the layer: ``start()`` once, then ``respond``, ``receive_ack``, ``step``
    and ``fail`` in any order. Others read it.
    """

    __slots__ = (
        "_ack",
        "_detail",
        "_fallback_port",
        "_interval",
        "_request",
        "ack_key",
        "call_id",
        "data",
        "flow",
        "invite",
        "is_internal",
        "key",
        "merge_key",
        "method",
        "response",
        "response_flow",
        "values",
        "via_2543",
    )

    is_invite: bool
    method: str
    call_id: str
    flow: Flow
    "The way it came."
    response_flow: Flow
    "The way its responses go (:rfc:`3261#section-18.2.2`, :rfc:`3581#section-4`)."
    state: State
    key: Hashable
    "What retransmissions of it are known by (:rfc:`3261#section-17.2.3`)."
    response: Response | None
    "The last response sent, until it is let go."
    data: bytes
    "The same, as bytes."
    invite: ServerTransaction | None
    "The INVITE that this is the CANCEL of."

    def __init__(self, request: Request, flow: Flow, key: Hashable, values: TimerValues) -> None:
        via = request.top_via
        self._request: Request | None = request
        self._fallback_port = via.port
        self.method = request.method
        self.call_id = request.call_id
        self.flow = flow
        self.response_flow = response_flow(via, flow)
        self.key = key
        self.values = values
        self.state = _TERMINATED
        self.response = None
        self.data = b""
        self.is_internal = False
        self.invite = None
        self.via_2543: Via | None = None
        self.ack_key: Hashable | None = None
        self.merge_key: Hashable | None = None
        self._interval = values.t1
        self._detail = ""
        self._ack: Request

    @property
    def request(self) -> Request:
        """The request as it came, ``received`` and ``rport`` of its top Via filled in.

        :raises LocalProtocolError: it was let go after its final response.
        """
        request = self._request
        if request is None:
            raise LocalProtocolError(f"this {self.method} has its final response; send nothing more to it")
        return request

    def let_go(self) -> None:
        """Keep only what repetitions need: most of a transaction's life comes after its final response is done with."""
        self._request = self.response = None

    def fallback_target(self) -> tuple[str, str, int]:
        """Return transport, host and port of a new connection for when that of the request is gone.

        :rfc:`3261#section-18.2.2`: the address the request came from, at the port its Via says.
        """
        transport = self.flow.transport
        return transport, self.flow.remote[0], self._fallback_port or default_port(transport)

    @abc.abstractmethod
    def respond(self, response: Response) -> list[Effect]:
        """Send a response of our user's.

        :raises LocalProtocolError: the state, or the request's method, does not allow this response.
        """

    @abc.abstractmethod
    def receive_ack(self, ack: Request) -> list[Effect]:
        """Take an ACK that matched; a request other than INVITE has none."""

    def fail(self, detail: str) -> list[Effect]:
        """Take the news that a response could not be sent."""
        self._detail = detail
        return self.step(Input.TRANSPORT_ERROR)

    def _keep(self, response: Response) -> None:
        # The same response once more, as for the 2xx that is repeated until its ACK comes, goes out as the same bytes.
        if response is not self.response:
            self.data = response.serialise()
            self.response = response

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self.call_id} {self.state.value}>"


def deliver_request(machine: ServerTransaction, effects: list[Effect]) -> None:
    effects.append(Deliver(machine.request))


def send_response(machine: ServerTransaction, effects: list[Effect]) -> None:
    # Nothing was sent yet where the INVITE is repeated within 200 ms.
    if machine.data:
        effects.append(Send(machine.data, machine.response))


def send_trying(machine: ServerTransaction, effects: list[Effect]) -> None:
    machine.response = response = machine.request.create_response(100)
    machine.data = data = response.serialise()
    effects.append(Send(data, response))


def stop_trying(_machine: ServerTransaction, effects: list[Effect]) -> None:
    effects.append(_STOP_TRYING)


def fail_transport(machine: ServerTransaction, effects: list[Effect]) -> None:
    effects.append(Failed("transport", machine._detail))


def end(_machine: ServerTransaction, effects: list[Effect]) -> None:
    effects.append(_ENDED)
