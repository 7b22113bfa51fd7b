"""The non-INVITE server transaction, edge by edge (RFC 3261 figure 8, RFC 4320)."""

import pytest

from sipstack.message import LocalProtocolError, parse_message
from sipstack.timers import Timer, TimerValues
from sipstack.transactions import State
from sipstack.transactions._non_invite_server import ABSORBED, REFUSED, NonInviteServer
from sipstack.transactions._state import Input


@pytest.fixture
def machine_in(kit):
    def make(state, transport="UDP"):
        machine = NonInviteServer(parse_message(kit.request_bytes()), kit.flow(transport), "key", TimerValues())
        machine.start()
        if state in (State.PROCEEDING, State.TERMINATED):
            machine.step(Timer.TRYING)
        if state is State.COMPLETED:
            machine.respond(response(machine, 200))
        if state is State.TERMINATED:
            machine.step(Timer.GIVE_UP)
        assert machine.state is state
        return machine

    return make


def response(machine, code):
    return machine.request.create_response(code, to_tag="ours")


def test_start_delivers_the_request_and_plans_a_100(kit):
    machine = NonInviteServer(parse_message(kit.request_bytes()), kit.flow(), "key", TimerValues())
    assert kit.words(machine.start()) == ["deliver OPTIONS", "start TRYING 3.5"]
    assert machine.state is State.TRYING


@pytest.mark.rfc("R4320-4.1-4")
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_trying_timer_trying_sends_100(kit, machine_in, transport):
    machine = machine_in(State.TRYING, transport)
    assert kit.words(machine.step(Timer.TRYING)) == ["send 100", "start GIVE_UP 28.5"]
    assert machine.state is State.PROCEEDING


@pytest.mark.rfc("R4320-4.1-3", "R3261-17.2.2-1", "R3261-17.2.2-2")
def test_trying_respond_100_on_a_reliable_transport_sends_it(kit, machine_in):
    machine = machine_in(State.TRYING, "TCP")
    assert kit.words(machine.respond(response(machine, 100))) == ["send 100"]
    assert machine.state is State.PROCEEDING
    assert kit.words(machine.step(Timer.TRYING)) == ["start GIVE_UP 28.5"]


@pytest.mark.rfc("R4320-4.1-2")
def test_trying_respond_100_on_an_unreliable_transport_is_refused(machine_in):
    machine = machine_in(State.TRYING)
    with pytest.raises(LocalProtocolError, match=r"before 3\.5 s"):
        machine.respond(response(machine, 100))
    assert machine.state is State.TRYING


@pytest.mark.rfc("R3261-17.2.2-6")
@pytest.mark.parametrize(("transport", "j"), [("UDP", "32"), ("TCP", "0")])
def test_trying_respond_200_699_completes(kit, machine_in, transport, j):
    machine = machine_in(State.TRYING, transport)
    assert kit.words(machine.respond(response(machine, 404))) == ["stop TRYING", "send 404", f"start J {j}"]
    assert machine.state is State.COMPLETED


@pytest.mark.rfc("R3261-17.2.2-4")
def test_proceeding_request_repeats_the_100(machine_in):
    machine = machine_in(State.PROCEEDING)
    (send,) = machine.step(Input.REQUEST)
    assert send.data is machine.data
    assert send.data.startswith(b"SIP/2.0 100 ")


@pytest.mark.rfc("R3261-17.2.2-3")
def test_proceeding_respond_100_sends_it(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.respond(response(machine, 100))) == ["send 100"]
    assert machine.state is State.PROCEEDING


@pytest.mark.rfc("R3261-17.2.2-5", "R3261-17.2.2-6")
def test_proceeding_respond_200_699_completes(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.respond(response(machine, 200))) == [
        "stop TRYING",
        "stop GIVE_UP",
        "send 200",
        "start J 32",
    ]
    assert machine.state is State.COMPLETED


@pytest.mark.rfc("R4320-4.2-1")
def test_proceeding_timer_give_up_ends_without_a_408(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.step(Timer.GIVE_UP)) == ["failed timeout", "ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.rfc("R6026-8.8-1")
@pytest.mark.parametrize("state", [State.PROCEEDING, State.COMPLETED], ids=lambda x: x.name)
def test_transport_error_is_told_and_changes_nothing(kit, machine_in, state):
    machine = machine_in(state)
    assert kit.words(machine.fail("unreachable")) == ["failed transport"]
    assert machine.state is state


@pytest.mark.rfc("R3261-17.2.2-7")
def test_completed_request_repeats_the_response(machine_in):
    machine = machine_in(State.COMPLETED)
    (send,) = machine.step(Input.REQUEST)
    assert send.data is machine.data


@pytest.mark.rfc("R3261-17.2.2-9")
def test_completed_timer_j_ends(kit, machine_in):
    machine = machine_in(State.COMPLETED)
    assert kit.words(machine.step(Timer.J)) == ["ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.parametrize(("state", "input_"), sorted(ABSORBED, key=str), ids=lambda x: x.name)
def test_absorbed(machine_in, state, input_):
    machine = machine_in(state)
    assert machine.step(input_) == []
    assert machine.state is state


@pytest.mark.rfc("R3261-17.2.2-8")
@pytest.mark.parametrize(("state", "input_"), sorted(REFUSED, key=str), ids=lambda x: x.name)
def test_refused(machine_in, state, input_):
    machine = machine_in(state)
    data = machine.data
    code = 100 if input_ is Input.RESPOND_100 else 200
    with pytest.raises(LocalProtocolError, match=f"{code} cannot be sent to the OPTIONS"):
        machine.respond(response(machine, code))
    assert machine.state is state
    assert machine.data is data


@pytest.mark.rfc("R4320-4.1-1", "R3261-8.2.6.1-1")
@pytest.mark.parametrize("code", [180, 183, 199])
def test_a_provisional_other_than_100_is_refused(machine_in, code):
    with pytest.raises(LocalProtocolError, match="100 is its only provisional"):
        machine_in(State.PROCEEDING).respond(response(machine_in(State.PROCEEDING), code))


@pytest.mark.rfc("R4320-4.2-1")
def test_408_is_refused(machine_in):
    machine = machine_in(State.TRYING)
    with pytest.raises(LocalProtocolError, match="408"):
        machine.respond(response(machine, 408))


def test_an_ack_is_ignored(kit, machine_in):
    assert machine_in(State.COMPLETED).receive_ack(parse_message(kit.request_bytes("ACK"))) == []


def test_a_t1_beyond_t2_gives_up_no_earlier_than_now(kit):
    machine = NonInviteServer(parse_message(kit.request_bytes()), kit.flow(), "key", TimerValues(t1=0.001, t2=4.0))
    machine.start()
    assert machine.step(Timer.TRYING)[1].delay == 0.0
