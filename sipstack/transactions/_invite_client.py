"""The INVITE client transaction (:rfc:`3261#section-17.1.1`, figure 5 as :rfc:`6026#section-8.4` draws it)."""

from __future__ import annotations

from sipstack.message import Response
from sipstack.timers import Timer

from ._client import ClientTransaction, double, end, fail_transport, send_request
from ._effects import Deliver, Effect, Failed, Send, StartTimer, StopTimer
from ._requests import create_ack
from ._state import Input, State
from ._table import Edge, Pair, Table, resolve

__all__ = ["ABSORBED", "ENTRY", "INPUTS", "REFUSED", "STATES", "TABLE", "InviteClient"]

_UNBOUNDED = float("inf")  # Timer A doubles until Timer B ends it


class InviteClient(ClientTransaction):
    """Send an INVITE until a response comes, and acknowledge a final response other than 2xx."""

    __slots__ = ()

    def receive(self, response: Response) -> list[Effect]:
        """Take a response that matched (:rfc:`3261#section-17.1.3`)."""
        self._response = response
        code = response.code
        if code < 200:
            return self.step(Input.RESPONSE_1XX)
        return self.step(Input.RESPONSE_2XX if code < 300 else Input.RESPONSE_300_699)


def _start_a(machine: InviteClient, effects: list[Effect]) -> None:
    if not machine.flow.is_reliable:
        effects.append(StartTimer(Timer.A, machine.values.a))


def _start_b(machine: InviteClient, effects: list[Effect]) -> None:
    effects.append(StartTimer(Timer.B, machine.values.b))


def _double_a(machine: InviteClient, effects: list[Effect]) -> None:
    double(machine, Timer.A, _UNBOUNDED, effects)


def _stop_a(machine: InviteClient, effects: list[Effect]) -> None:
    if not machine.flow.is_reliable:
        effects.append(_STOP_A)


def _stop_b(_machine: InviteClient, effects: list[Effect]) -> None:
    effects.append(_STOP_B)


def _stop_give_up(machine: InviteClient, effects: list[Effect]) -> None:
    if machine.is_cancelled:
        effects.append(_STOP_GIVE_UP)


def _start_d(machine: InviteClient, effects: list[Effect]) -> None:
    effects.append(StartTimer(Timer.D, machine.values.d(reliable=machine.flow.is_reliable)))


def _start_m(machine: InviteClient, effects: list[Effect]) -> None:
    effects.append(StartTimer(Timer.M, machine.values.m))


def _deliver(machine: InviteClient, effects: list[Effect]) -> None:
    effects.append(Deliver(machine._response))


def _send_ack(machine: InviteClient, effects: list[Effect]) -> None:
    ack = machine._ack
    if ack is None:
        request = create_ack(machine.request, machine._response)
        machine._ack = ack = (request.serialise(), request)
    effects.append(Send(*ack))


def _fail_timeout(machine: InviteClient, effects: list[Effect]) -> None:
    effects.append(Failed("timeout", f"no response to INVITE within {machine.values.b:g} s (Timer B)"))


def _fail_cancelled(machine: InviteClient, effects: list[Effect]) -> None:
    effects.append(Failed("timeout", f"no final response to INVITE within {machine.values.give_up:g} s after CANCEL"))


_STOP_A = StopTimer(Timer.A)
_STOP_B = StopTimer(Timer.B)
_STOP_GIVE_UP = StopTimer(Timer.GIVE_UP)

STATES = (State.CALLING, State.PROCEEDING, State.COMPLETED, State.ACCEPTED, State.TERMINATED)
INPUTS = (
    Input.RESPONSE_1XX,
    Input.RESPONSE_2XX,
    Input.RESPONSE_300_699,
    Input.TRANSPORT_ERROR,
    Timer.A,
    Timer.B,
    Timer.D,
    Timer.GIVE_UP,
    Timer.M,
)

ENTRY: Edge[InviteClient] = ((send_request, _start_a, _start_b), State.CALLING)

# fmt: off
TABLE: Table[InviteClient] = {
    (State.CALLING,    Timer.A):                ((send_request, _double_a),                       State.CALLING),
    (State.CALLING,    Timer.B):                ((_fail_timeout, end),                            State.TERMINATED),
    (State.CALLING,    Input.TRANSPORT_ERROR):  ((fail_transport, end),                           State.TERMINATED),
    (State.CALLING,    Input.RESPONSE_1XX):     ((_stop_a, _stop_b, _deliver),                    State.PROCEEDING),
    (State.CALLING,    Input.RESPONSE_2XX):     ((_stop_a, _stop_b, _start_m, _deliver),          State.ACCEPTED),
    (State.CALLING,    Input.RESPONSE_300_699): ((_stop_a, _stop_b, _send_ack, _start_d, _deliver), State.COMPLETED),

    (State.PROCEEDING, Input.RESPONSE_1XX):     ((_deliver,),                                     State.PROCEEDING),
    (State.PROCEEDING, Input.RESPONSE_2XX):     ((_stop_give_up, _start_m, _deliver),             State.ACCEPTED),
    (State.PROCEEDING, Input.RESPONSE_300_699): ((_stop_give_up, _send_ack, _start_d, _deliver),  State.COMPLETED),
    (State.PROCEEDING, Timer.GIVE_UP):          ((_fail_cancelled, end),                          State.TERMINATED),
    (State.PROCEEDING, Input.TRANSPORT_ERROR):  ((fail_transport, end),                           State.TERMINATED),

    (State.COMPLETED,  Input.RESPONSE_300_699): ((_send_ack,),                                    State.COMPLETED),
    (State.COMPLETED,  Input.TRANSPORT_ERROR):  ((fail_transport, end),                           State.TERMINATED),
    (State.COMPLETED,  Timer.D):                ((end,),                                          State.TERMINATED),

    (State.ACCEPTED,   Input.RESPONSE_2XX):     ((_deliver,),                                     State.ACCEPTED),
    (State.ACCEPTED,   Timer.M):                ((end,),                                          State.TERMINATED),
}
# fmt: on

ABSORBED: frozenset[Pair] = frozenset(
    {
        # A peer may go on after its final response, or answer twice in different ways.
        (State.COMPLETED, Input.RESPONSE_1XX),
        (State.COMPLETED, Input.RESPONSE_2XX),
        (State.ACCEPTED, Input.RESPONSE_1XX),
        (State.ACCEPTED, Input.RESPONSE_300_699),
        # Nothing is sent in Accepted, but the connection can be lost; other 2xx may still come by another one.
        (State.ACCEPTED, Input.TRANSPORT_ERROR),
        # The driver learns of a failed send later than we end.
        (State.TERMINATED, Input.RESPONSE_1XX),
        (State.TERMINATED, Input.RESPONSE_2XX),
        (State.TERMINATED, Input.RESPONSE_300_699),
        (State.TERMINATED, Input.TRANSPORT_ERROR),
        # Timers that do not run in a state: stopped on the way into it, or not started yet.
        (State.CALLING, Timer.D),
        (State.CALLING, Timer.GIVE_UP),
        (State.CALLING, Timer.M),
        (State.PROCEEDING, Timer.A),
        (State.PROCEEDING, Timer.B),
        (State.PROCEEDING, Timer.D),
        (State.PROCEEDING, Timer.M),
        (State.COMPLETED, Timer.A),
        (State.COMPLETED, Timer.B),
        (State.COMPLETED, Timer.GIVE_UP),
        (State.COMPLETED, Timer.M),
        (State.ACCEPTED, Timer.A),
        (State.ACCEPTED, Timer.B),
        (State.ACCEPTED, Timer.D),
        (State.ACCEPTED, Timer.GIVE_UP),
        (State.TERMINATED, Timer.A),
        (State.TERMINATED, Timer.B),
        (State.TERMINATED, Timer.D),
        (State.TERMINATED, Timer.GIVE_UP),
        (State.TERMINATED, Timer.M),
    }
)

REFUSED: frozenset[Pair] = frozenset()

InviteClient.entry = ENTRY
InviteClient.edges = resolve(TABLE, ABSORBED)
