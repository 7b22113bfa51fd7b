"""The non-INVITE client transaction, edge by edge (RFC 3261 figure 6)."""

import pytest

from sipstack.timers import Timer, TimerValues
from sipstack.transactions import State
from sipstack.transactions._non_invite_client import ABSORBED, NonInviteClient


@pytest.fixture
def machine_in(kit):
    def make(state, transport="UDP"):
        request = kit.own_request("OPTIONS", extra=[("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx")])
        machine = NonInviteClient(request, request.serialise(), kit.flow(transport), "z9hG4bKx", TimerValues())
        machine.start()
        code = {State.PROCEEDING: 100, State.COMPLETED: 200}.get(state)
        if code is not None:
            machine.receive(response(machine, code))
        if state is State.TERMINATED:
            machine.step(Timer.F)
        assert machine.state is state
        return machine

    return make


def response(machine, code):
    return machine.request.create_response(code, to_tag="remote")


@pytest.mark.rfc("R3261-17.1.2.2-1", "R3261-17.1.2.2-2", "R3261-17.1.2.2-3")
def test_start_sends_and_starts_e_and_f(kit):
    request = kit.own_request()
    machine = NonInviteClient(request, request.serialise(), kit.flow(), "z9hG4bKx", TimerValues())
    assert kit.words(machine.start()) == ["send OPTIONS", "start E 0.5", "start F 32"]
    assert machine.state is State.TRYING


def test_start_on_a_reliable_transport_starts_no_e(kit):
    request = kit.own_request()
    machine = NonInviteClient(request, request.serialise(), kit.flow("TLS"), "z9hG4bKx", TimerValues())
    assert kit.words(machine.start()) == ["send OPTIONS", "start F 32"]


def test_trying_timer_e_sends_again_and_doubles_up_to_t2(kit, machine_in):
    machine = machine_in(State.TRYING)
    delays = []
    for _ in range(5):
        send, start = machine.step(Timer.E)
        assert kit.words([send]) == ["send OPTIONS"]
        delays.append(start.delay)
    assert delays == [1.0, 2.0, 4.0, 4.0, 4.0]
    assert machine.state is State.TRYING


@pytest.mark.rfc("R3261-17.1.2.2-4")
def test_trying_timer_f_fails(kit, machine_in):
    machine = machine_in(State.TRYING)
    assert kit.words(machine.step(Timer.F)) == ["failed timeout", "ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.rfc("R3261-17.1.4-1")
def test_trying_transport_error_fails(kit, machine_in):
    machine = machine_in(State.TRYING)
    assert kit.words(machine.fail("unreachable")) == ["failed transport", "ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.rfc("R3261-17.1.2.2-5")
def test_trying_1xx_is_delivered(kit, machine_in):
    machine = machine_in(State.TRYING)
    assert kit.words(machine.receive(response(machine, 100))) == ["deliver 100"]
    assert machine.state is State.PROCEEDING


@pytest.mark.rfc("R3261-17.1.2.2-6", "R3261-17.1.2.2-10")
@pytest.mark.parametrize("code", [200, 302, 404, 500, 600])
def test_trying_200_699_completes(kit, machine_in, code):
    machine = machine_in(State.TRYING)
    assert kit.words(machine.receive(response(machine, code))) == ["stop E", "stop F", "start K 5", f"deliver {code}"]
    assert machine.state is State.COMPLETED


@pytest.mark.rfc("R3261-17.1.2.2-10")
def test_trying_200_699_on_a_reliable_transport_starts_k_at_zero(kit, machine_in):
    machine = machine_in(State.TRYING, "TCP")
    assert kit.words(machine.receive(response(machine, 200))) == ["stop F", "start K 0", "deliver 200"]


@pytest.mark.rfc("R3261-17.1.2.2-7")
def test_proceeding_timer_e_sends_again_every_t2(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    for _ in range(3):
        assert kit.words(machine.step(Timer.E)) == ["send OPTIONS", "start E 4"]
    assert machine.state is State.PROCEEDING


@pytest.mark.rfc("R3261-17.1.2.2-8")
def test_proceeding_timer_f_fails(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.step(Timer.F)) == ["failed timeout", "ended"]
    assert machine.state is State.TERMINATED


def test_proceeding_transport_error_fails(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.fail("unreachable")) == ["failed transport", "ended"]


def test_proceeding_1xx_is_delivered(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.receive(response(machine, 100))) == ["deliver 100"]
    assert machine.state is State.PROCEEDING


@pytest.mark.rfc("R3261-17.1.2.2-9")
def test_proceeding_200_699_completes(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.receive(response(machine, 200))) == ["stop E", "stop F", "start K 5", "deliver 200"]
    assert machine.state is State.COMPLETED


@pytest.mark.rfc("R3261-17.1.2.2-11", "R3261-17.1.2.2-12")
def test_completed_timer_k_ends(kit, machine_in):
    machine = machine_in(State.COMPLETED)
    assert kit.words(machine.step(Timer.K)) == ["ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.parametrize(("state", "input_"), sorted(ABSORBED, key=str), ids=lambda x: x.name)
def test_absorbed(machine_in, state, input_):
    machine = machine_in(state)
    assert machine.step(input_) == []
    assert machine.state is state
