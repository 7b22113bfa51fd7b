"""The non-INVITE server transaction (:rfc:`3261#section-17.2.2`, figure 8).

:rfc:`4320#section-4` gives it its 100 and takes its 408 away, and by :rfc:`6026#section-8.8` it outlives a transport
error, so that the request sent again still meets its answer.
"""

from __future__ import annotations

from sipstack.message import LocalProtocolError, Request, Response
from sipstack.timers import Timer

from ._effects import Effect, Failed, StartTimer, StopTimer
from ._server import ServerTransaction, deliver_request, end, fail_transport, send_response, send_trying, stop_trying
from ._state import Input, State
from ._table import Edge, Pair, Table, resolve

__all__ = ["ABSORBED", "ENTRY", "INPUTS", "REFUSED", "STATES", "TABLE", "NonInviteServer"]

_TRYING = 100
_REQUEST_TIMEOUT = 408


# Looking a member up in its class costs as much as a small action; these are on the path of every call.
_RESPOND_100 = Input.RESPOND_100
_RESPOND_200_699 = Input.RESPOND_200_699
_TRYING_TIMER = Timer.TRYING
_J = Timer.J


class NonInviteServer(ServerTransaction):
    """Answer a request other than INVITE and ACK, and repeat what was answered."""

    __slots__ = ()

    is_invite = False

    def respond(self, response: Response) -> list[Effect]:
        """Send a response of our user's.

        :raises LocalProtocolError: a final response was sent already, or :rfc:`4320#section-4` forbids this one: a
            provisional other than 100, a 100 over UDP before the time, or a 408.
        """
        code = response.code
        method = self.method
        edge = self.edges[self.state].get(_RESPOND_100 if code < 200 else _RESPOND_200_699)
        if edge is None:  # what is refused has no edge
            raise LocalProtocolError(
                f"{code} cannot be sent to the {method} of call {self.call_id}: it is {self.state.value}, "
                "so its final response is out or its time is over; send nothing more to it"
            )
        if code < 200:
            if code != _TRYING:
                raise LocalProtocolError(f"{code} cannot be sent to {method}: 100 is its only provisional (RFC 4320)")
            if self.state is State.TRYING and not self.flow.is_reliable:
                raise LocalProtocolError(
                    f"100 cannot be sent to {method} over UDP before {self.values.non_invite_trying:g} s are over "
                    "(RFC 4320); it is then sent by itself"
                )
        elif code == _REQUEST_TIMEOUT:
            raise LocalProtocolError(f"408 cannot be sent to {method}: it comes too late to be of use (RFC 4320)")
        self._keep(response)
        return self._take(edge)

    def receive_ack(self, ack: Request) -> list[Effect]:  # noqa: ARG002  (the base class's signature)
        """Ignore an ACK: only INVITE has one."""
        return []


def _start_trying(machine: NonInviteServer, effects: list[Effect]) -> None:
    effects.append(StartTimer(_TRYING_TIMER, machine.values.non_invite_trying))


def _start_give_up(machine: NonInviteServer, effects: list[Effect]) -> None:
    # Timer TRYING has just fired, so this is 64*T1 after the request came; with a T1 so long that it never is, at once.
    values = machine.values
    effects.append(StartTimer(Timer.GIVE_UP, max(0.0, values.give_up - values.non_invite_trying)))


def _stop_timers(_machine: NonInviteServer, effects: list[Effect]) -> None:
    effects.append(_STOP_TRYING)
    effects.append(_STOP_GIVE_UP)


def _start_j(machine: NonInviteServer, effects: list[Effect]) -> None:
    effects.append(StartTimer(_J, machine.values.j(reliable=machine.flow.is_reliable)))


def _fail_timeout(machine: NonInviteServer, effects: list[Effect]) -> None:
    method = machine.method
    effects.append(Failed("timeout", f"{method} was not answered within {machine.values.give_up:g} s"))


_STOP_TRYING = StopTimer(Timer.TRYING)
_STOP_GIVE_UP = StopTimer(Timer.GIVE_UP)

STATES = (State.TRYING, State.PROCEEDING, State.COMPLETED, State.TERMINATED)
INPUTS = (
    Input.REQUEST,
    Input.RESPOND_100,
    Input.RESPOND_200_699,
    Input.TRANSPORT_ERROR,
    Timer.GIVE_UP,
    Timer.J,
    Timer.TRYING,
)

ENTRY: Edge[NonInviteServer] = ((deliver_request, _start_trying), State.TRYING)

# fmt: off
TABLE: Table[NonInviteServer] = {
    (State.TRYING,     Timer.TRYING):          ((send_trying, _start_give_up),                     State.PROCEEDING),
    # Over a reliable transport only. Timer TRYING goes on, since 64*T1 are counted from it.
    (State.TRYING,     Input.RESPOND_100):     ((send_response,),                                  State.PROCEEDING),
    (State.TRYING,     Input.RESPOND_200_699): ((stop_trying, send_response, _start_j),            State.COMPLETED),

    (State.PROCEEDING, Input.REQUEST):         ((send_response,),                                  State.PROCEEDING),
    (State.PROCEEDING, Timer.TRYING):          ((_start_give_up,),                                 State.PROCEEDING),
    (State.PROCEEDING, Input.RESPOND_100):     ((send_response,),                                  State.PROCEEDING),
    (State.PROCEEDING, Input.RESPOND_200_699): ((_stop_timers, send_response, _start_j),           State.COMPLETED),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): ((fail_transport,),                                 State.PROCEEDING),
    (State.PROCEEDING, Timer.GIVE_UP):         ((_fail_timeout, end),                              State.TERMINATED),

    (State.COMPLETED,  Input.REQUEST):         ((send_response,),                                  State.COMPLETED),
    (State.COMPLETED,  Input.TRANSPORT_ERROR): ((fail_transport,),                                 State.COMPLETED),
    (State.COMPLETED,  Timer.J):               ((end,),                                            State.TERMINATED),
}
# fmt: on

ABSORBED: frozenset[Pair] = frozenset(
    {
        # Nothing was sent yet: there is nothing to repeat, and nothing that could have failed.
        (State.TRYING, Input.REQUEST),
        (State.TRYING, Input.TRANSPORT_ERROR),
        # The driver learns of a failed send later than we end.
        (State.TERMINATED, Input.REQUEST),
        (State.TERMINATED, Input.TRANSPORT_ERROR),
        # Timers that do not run in a state: stopped on the way into it, or not started yet.
        (State.TRYING, Timer.GIVE_UP),
        (State.TRYING, Timer.J),
        (State.PROCEEDING, Timer.J),
        (State.COMPLETED, Timer.GIVE_UP),
        (State.COMPLETED, Timer.TRYING),
        (State.TERMINATED, Timer.GIVE_UP),
        (State.TERMINATED, Timer.J),
        (State.TERMINATED, Timer.TRYING),
    }
)

REFUSED: frozenset[Pair] = frozenset(
    {
        # A final response can be given once.
        (State.COMPLETED, Input.RESPOND_100),
        (State.COMPLETED, Input.RESPOND_200_699),
        (State.TERMINATED, Input.RESPOND_100),
        (State.TERMINATED, Input.RESPOND_200_699),
    }
)

NonInviteServer.entry = ENTRY
NonInviteServer.edges = resolve(TABLE, ABSORBED)
