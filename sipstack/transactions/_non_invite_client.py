"""The non-INVITE client transaction (:rfc:`3261#section-17.1.2`, figure 6)."""

from __future__ import annotations

from sipstack.message import Response
from sipstack.timers import Timer

from ._client import ClientTransaction, double, end, fail_transport, send_request
from ._effects import Deliver, Effect, Failed, StartTimer, StopTimer
from ._state import Input, State
from ._table import Edge, Pair, Table, resolve

__all__ = ["ABSORBED", "ENTRY", "INPUTS", "REFUSED", "STATES", "TABLE", "NonInviteClient"]


class NonInviteClient(ClientTransaction):
    """Send a request other than INVITE and ACK until its final response comes."""

    __slots__ = ()

    def receive(self, response: Response) -> list[Effect]:
        """Take a response that matched (:rfc:`3261#section-17.1.3`)."""
        self._response = response
        return self.step(Input.RESPONSE_1XX if response.code < 200 else Input.RESPONSE_200_699)


def _start_e(machine: NonInviteClient, effects: list[Effect]) -> None:
    if not machine.flow.is_reliable:
        effects.append(StartTimer(Timer.E, machine.values.e))


def _start_f(machine: NonInviteClient, effects: list[Effect]) -> None:
    effects.append(StartTimer(Timer.F, machine.values.f))


def _double_e(machine: NonInviteClient, effects: list[Effect]) -> None:
    double(machine, Timer.E, machine.values.t2, effects)


def _start_e_at_t2(machine: NonInviteClient, effects: list[Effect]) -> None:
    effects.append(StartTimer(Timer.E, machine.values.t2))


def _stop_e(machine: NonInviteClient, effects: list[Effect]) -> None:
    if not machine.flow.is_reliable:
        effects.append(_STOP_E)


def _stop_f(_machine: NonInviteClient, effects: list[Effect]) -> None:
    effects.append(_STOP_F)


def _start_k(machine: NonInviteClient, effects: list[Effect]) -> None:
    effects.append(StartTimer(Timer.K, machine.values.k(reliable=machine.flow.is_reliable)))


def _deliver(machine: NonInviteClient, effects: list[Effect]) -> None:
    effects.append(Deliver(machine._response))


def _fail_timeout(machine: NonInviteClient, effects: list[Effect]) -> None:
    method = machine.request.method
    effects.append(Failed("timeout", f"no final response to {method} within {machine.values.f:g} s (Timer F)"))


_STOP_E = StopTimer(Timer.E)
_STOP_F = StopTimer(Timer.F)

STATES = (State.TRYING, State.PROCEEDING, State.COMPLETED, State.TERMINATED)
INPUTS = (Input.RESPONSE_1XX, Input.RESPONSE_200_699, Input.TRANSPORT_ERROR, Timer.E, Timer.F, Timer.K)

ENTRY: Edge[NonInviteClient] = ((send_request, _start_e, _start_f), State.TRYING)

# fmt: off
TABLE: Table[NonInviteClient] = {
    (State.TRYING,     Timer.E):                ((send_request, _double_e),             State.TRYING),
    (State.TRYING,     Timer.F):                ((_fail_timeout, end),                  State.TERMINATED),
    (State.TRYING,     Input.TRANSPORT_ERROR):  ((fail_transport, end),                 State.TERMINATED),
    (State.TRYING,     Input.RESPONSE_1XX):     ((_deliver,),                           State.PROCEEDING),
    (State.TRYING,     Input.RESPONSE_200_699): ((_stop_e, _stop_f, _start_k, _deliver), State.COMPLETED),

    (State.PROCEEDING, Timer.E):                ((send_request, _start_e_at_t2),        State.PROCEEDING),
    (State.PROCEEDING, Timer.F):                ((_fail_timeout, end),                  State.TERMINATED),
    (State.PROCEEDING, Input.TRANSPORT_ERROR):  ((fail_transport, end),                 State.TERMINATED),
    (State.PROCEEDING, Input.RESPONSE_1XX):     ((_deliver,),                           State.PROCEEDING),
    (State.PROCEEDING, Input.RESPONSE_200_699): ((_stop_e, _stop_f, _start_k, _deliver), State.COMPLETED),

    (State.COMPLETED,  Timer.K):                ((end,),                                State.TERMINATED),
}
# fmt: on

ABSORBED: frozenset[Pair] = frozenset(
    {
        # Retransmissions, which Timer K waits for.
        (State.COMPLETED, Input.RESPONSE_1XX),
        (State.COMPLETED, Input.RESPONSE_200_699),
        # Nothing is sent any more, but the connection can be lost.
        (State.COMPLETED, Input.TRANSPORT_ERROR),
        # The driver learns of a failed send later than we end.
        (State.TERMINATED, Input.RESPONSE_1XX),
        (State.TERMINATED, Input.RESPONSE_200_699),
        (State.TERMINATED, Input.TRANSPORT_ERROR),
        # Timers that do not run in a state: stopped on the way into it, or not started yet.
        (State.TRYING, Timer.K),
        (State.PROCEEDING, Timer.K),
        (State.COMPLETED, Timer.E),
        (State.COMPLETED, Timer.F),
        (State.TERMINATED, Timer.E),
        (State.TERMINATED, Timer.F),
        (State.TERMINATED, Timer.K),
    }
)

REFUSED: frozenset[Pair] = frozenset()

NonInviteClient.entry = ENTRY
NonInviteClient.edges = resolve(TABLE, ABSORBED)
