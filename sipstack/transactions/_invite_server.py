"""The INVITE server transaction (:rfc:`3261#section-17.2.1`, figure 7 as :rfc:`6026#section-8.5` draws it)."""

from __future__ import annotations

from sipstack.message import LocalProtocolError, Request, Response
from sipstack.timers import Timer

from ._effects import Deliver, Effect, Failed, StartTimer, StopTimer
from ._server import ServerTransaction, deliver_request, end, fail_transport, send_response, send_trying, stop_trying
from ._state import Input, State
from ._table import Edge, Pair, Table, resolve

__all__ = ["ABSORBED", "ENTRY", "INPUTS", "REFUSED", "STATES", "TABLE", "InviteServer"]


# Looking a member up in its class costs as much as a small action; these are on the path of every call.
_RESPOND_1XX = Input.RESPOND_1XX
_RESPOND_2XX = Input.RESPOND_2XX
_RESPOND_300_699 = Input.RESPOND_300_699
_TRYING = Timer.TRYING
_L = Timer.L


class InviteServer(ServerTransaction):
    """Answer an INVITE, repeat what was answered, and wait for the ACK of what was not a 2xx."""

    __slots__ = ()

    is_invite = True

    def respond(self, response: Response) -> list[Effect]:
        """Send a response of our user's; the same 2xx may be sent again until its ACK comes.

        :raises LocalProtocolError: a final response was sent already.
        """
        code = response.code
        input_ = _RESPOND_1XX if code < 200 else _RESPOND_2XX if code < 300 else _RESPOND_300_699
        edge = self.edges[self.state].get(input_)
        if edge is None:  # what is refused has no edge
            raise LocalProtocolError(
                f"{code} cannot be sent to the INVITE of call {self.call_id}: it is {self.state.value}, "
                "so its final response is out; send nothing more to it"
            )
        self._keep(response)
        return self._take(edge)

    def receive_ack(self, ack: Request) -> list[Effect]:
        """Take an ACK that matched (:rfc:`3261#section-17.2.3`)."""
        self._ack = ack
        return self.step(Input.ACK)


def _start_trying(machine: InviteServer, effects: list[Effect]) -> None:
    effects.append(StartTimer(_TRYING, machine.values.invite_trying))


def _start_g(machine: InviteServer, effects: list[Effect]) -> None:
    if not machine.flow.is_reliable:
        effects.append(StartTimer(Timer.G, machine.values.g))


def _double_g(machine: InviteServer, effects: list[Effect]) -> None:
    machine._interval = interval = min(2 * machine._interval, machine.values.t2)
    effects.append(StartTimer(Timer.G, interval))


def _stop_g(machine: InviteServer, effects: list[Effect]) -> None:
    if not machine.flow.is_reliable:
        effects.append(_STOP_G)


def _start_h(machine: InviteServer, effects: list[Effect]) -> None:
    effects.append(StartTimer(Timer.H, machine.values.h))


def _stop_h(_machine: InviteServer, effects: list[Effect]) -> None:
    effects.append(_STOP_H)


def _start_i(machine: InviteServer, effects: list[Effect]) -> None:
    effects.append(StartTimer(Timer.I, machine.values.i(reliable=machine.flow.is_reliable)))


def _start_l(machine: InviteServer, effects: list[Effect]) -> None:
    effects.append(StartTimer(_L, machine.values.l))


def _deliver_ack(machine: InviteServer, effects: list[Effect]) -> None:
    effects.append(Deliver(machine._ack))


def _fail_timeout(machine: InviteServer, effects: list[Effect]) -> None:
    effects.append(Failed("timeout", f"no ACK within {machine.values.h:g} s (Timer H)"))


_STOP_G = StopTimer(Timer.G)
_STOP_H = StopTimer(Timer.H)

STATES = (State.PROCEEDING, State.COMPLETED, State.CONFIRMED, State.ACCEPTED, State.TERMINATED)
INPUTS = (
    Input.REQUEST,
    Input.ACK,
    Input.RESPOND_1XX,
    Input.RESPOND_2XX,
    Input.RESPOND_300_699,
    Input.TRANSPORT_ERROR,
    Timer.G,
    Timer.H,
    Timer.I,
    Timer.L,
    Timer.TRYING,
)

ENTRY: Edge[InviteServer] = ((deliver_request, _start_trying), State.PROCEEDING)

# fmt: off
TABLE: Table[InviteServer] = {
    (State.PROCEEDING, Input.REQUEST):         ((send_response,),                                  State.PROCEEDING),
    (State.PROCEEDING, Timer.TRYING):          ((send_trying,),                                    State.PROCEEDING),
    (State.PROCEEDING, Input.RESPOND_1XX):     ((stop_trying, send_response),                      State.PROCEEDING),
    (State.PROCEEDING, Input.RESPOND_2XX):     ((stop_trying, send_response, _start_l),            State.ACCEPTED),
    (State.PROCEEDING, Input.RESPOND_300_699): ((stop_trying, send_response, _start_g, _start_h),  State.COMPLETED),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): ((fail_transport,),                                 State.PROCEEDING),

    (State.COMPLETED,  Input.REQUEST):         ((send_response,),                                  State.COMPLETED),
    (State.COMPLETED,  Timer.G):               ((send_response, _double_g),                        State.COMPLETED),
    (State.COMPLETED,  Input.ACK):             ((_stop_g, _stop_h, _start_i),                      State.CONFIRMED),
    (State.COMPLETED,  Timer.H):               ((_fail_timeout, end),                              State.TERMINATED),
    (State.COMPLETED,  Input.TRANSPORT_ERROR): ((fail_transport,),                                 State.COMPLETED),

    (State.CONFIRMED,  Timer.I):               ((end,),                                            State.TERMINATED),

    (State.ACCEPTED,   Input.ACK):             ((_deliver_ack,),                                   State.ACCEPTED),
    (State.ACCEPTED,   Input.RESPOND_2XX):     ((send_response,),                                  State.ACCEPTED),
    (State.ACCEPTED,   Input.TRANSPORT_ERROR): ((fail_transport,),                                 State.ACCEPTED),
    (State.ACCEPTED,   Timer.L):               ((end,),                                            State.TERMINATED),
}
# fmt: on

ABSORBED: frozenset[Pair] = frozenset(
    {
        # An ACK to nothing, and ACKs and INVITEs that were repeated on the way.
        (State.PROCEEDING, Input.ACK),
        (State.CONFIRMED, Input.ACK),
        (State.CONFIRMED, Input.REQUEST),
        # The user above repeats the 2xx by itself (RFC 6026 section 7.1).
        (State.ACCEPTED, Input.REQUEST),
        # The driver learns of a failed send later than the ACK came, or than we end.
        (State.CONFIRMED, Input.TRANSPORT_ERROR),
        (State.TERMINATED, Input.TRANSPORT_ERROR),
        (State.TERMINATED, Input.REQUEST),
        (State.TERMINATED, Input.ACK),
        # Timers that do not run in a state: stopped on the way into it, or not started yet.
        (State.PROCEEDING, Timer.G),
        (State.PROCEEDING, Timer.H),
        (State.PROCEEDING, Timer.I),
        (State.PROCEEDING, Timer.L),
        (State.COMPLETED, Timer.I),
        (State.COMPLETED, Timer.L),
        (State.COMPLETED, Timer.TRYING),
        (State.CONFIRMED, Timer.G),
        (State.CONFIRMED, Timer.H),
        (State.CONFIRMED, Timer.L),
        (State.CONFIRMED, Timer.TRYING),
        (State.ACCEPTED, Timer.G),
        (State.ACCEPTED, Timer.H),
        (State.ACCEPTED, Timer.I),
        (State.ACCEPTED, Timer.TRYING),
        (State.TERMINATED, Timer.G),
        (State.TERMINATED, Timer.H),
        (State.TERMINATED, Timer.I),
        (State.TERMINATED, Timer.L),
        (State.TERMINATED, Timer.TRYING),
    }
)

REFUSED: frozenset[Pair] = frozenset(
    {
        # A final response can be given once; only a 2xx may be repeated, by the user.
        (State.COMPLETED, Input.RESPOND_1XX),
        (State.COMPLETED, Input.RESPOND_2XX),
        (State.COMPLETED, Input.RESPOND_300_699),
        (State.CONFIRMED, Input.RESPOND_1XX),
        (State.CONFIRMED, Input.RESPOND_2XX),
        (State.CONFIRMED, Input.RESPOND_300_699),
        (State.ACCEPTED, Input.RESPOND_1XX),
        (State.ACCEPTED, Input.RESPOND_300_699),
        (State.TERMINATED, Input.RESPOND_1XX),
        (State.TERMINATED, Input.RESPOND_2XX),
        (State.TERMINATED, Input.RESPOND_300_699),
    }
)

InviteServer.entry = ENTRY
InviteServer.edges = resolve(TABLE, ABSORBED)
