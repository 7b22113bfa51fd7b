"""The INVITE server transaction, edge by edge (RFC 3261 figure 7 as in RFC 6026)."""

import pytest

from sipstack.message import LocalProtocolError, parse_message
from sipstack.timers import Timer, TimerValues
from sipstack.transactions import State
from sipstack.transactions._invite_server import ABSORBED, REFUSED, InviteServer
from sipstack.transactions._state import Input


@pytest.fixture
def machine_in(kit):
    def make(state, transport="UDP"):
        request = parse_message(kit.request_bytes("INVITE"))
        machine = InviteServer(request, kit.flow(transport), "key", TimerValues())
        machine.start()
        code = {State.COMPLETED: 486, State.CONFIRMED: 486, State.TERMINATED: 486, State.ACCEPTED: 200}.get(state)
        if code is not None:
            machine.respond(response(machine, code))
        if state is State.CONFIRMED:
            machine.receive_ack(ack(kit))
        if state is State.TERMINATED:
            machine.step(Timer.H)
        assert machine.state is state
        return machine

    return make


def response(machine, code):
    return machine.request.create_response(code, to_tag="ours")


def ack(kit):
    return parse_message(kit.request_bytes("ACK", to_tag="ours"))


@pytest.mark.rfc("R3261-17.2.1-3", "R3261-17.2.1-1")
def test_start_delivers_the_request_and_plans_a_100(kit):
    machine = InviteServer(parse_message(kit.request_bytes("INVITE")), kit.flow(), "key", TimerValues())
    assert kit.words(machine.start()) == ["deliver INVITE", "start TRYING 0.2"]
    assert machine.state is State.PROCEEDING


def test_proceeding_request_before_any_response_sends_nothing(machine_in):
    assert machine_in(State.PROCEEDING).step(Input.REQUEST) == []


@pytest.mark.rfc("R3261-17.2.1-5")
def test_proceeding_request_repeats_the_last_provisional(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    machine.respond(response(machine, 180))
    machine.respond(response(machine, 183))
    assert kit.words(machine.step(Input.REQUEST)) == ["send 183"]


@pytest.mark.rfc("R3261-17.2.1-1", "R3261-17.2.1-2", "R3261-8.2.6.1-3")
def test_proceeding_timer_trying_sends_100_without_tag(kit):
    request = parse_message(kit.request_bytes("INVITE", extra=["Timestamp: 54"]))
    machine = InviteServer(request, kit.flow(), "key", TimerValues())
    machine.start()
    (send,) = machine.step(Timer.TRYING)
    trying = parse_message(send.data)
    assert (trying.code, trying.to_tag, trying.headers["Timestamp"]) == (100, None, "54")
    assert machine.state is State.PROCEEDING
    assert machine.step(Input.REQUEST)[0].data is send.data


@pytest.mark.rfc("R3261-17.2.1-4")
def test_proceeding_respond_1xx_sends_it(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.respond(response(machine, 180))) == ["stop TRYING", "send 180"]
    assert machine.state is State.PROCEEDING


@pytest.mark.rfc("R3261-17.2.1-6", "R6026-7.1-1", "R6026-8.5-1", "R6026-8.5-2", "R6026-8.7-2")
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_proceeding_respond_2xx_is_accepted(kit, machine_in, transport):
    machine = machine_in(State.PROCEEDING, transport)
    assert kit.words(machine.respond(response(machine, 200))) == ["stop TRYING", "send 200", "start L 32"]
    assert machine.state is State.ACCEPTED


@pytest.mark.rfc("R3261-17.2.1-8", "R3261-17.2.1-9")
def test_proceeding_respond_300_699_completes(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.respond(response(machine, 486))) == [
        "stop TRYING",
        "send 486",
        "start G 0.5",
        "start H 32",
    ]
    assert machine.state is State.COMPLETED


@pytest.mark.rfc("R3261-17.2.1-8", "R3261-17.2.1-9")
def test_proceeding_respond_300_699_on_a_reliable_transport_starts_no_g(kit, machine_in):
    machine = machine_in(State.PROCEEDING, "TCP")
    assert kit.words(machine.respond(response(machine, 486))) == ["stop TRYING", "send 486", "start H 32"]


@pytest.mark.rfc("R6026-7.1-7", "R6026-7.1-8", "R6026-6-2", "R6026-8.8-1")
@pytest.mark.parametrize("state", [State.PROCEEDING, State.COMPLETED, State.ACCEPTED], ids=lambda x: x.name)
def test_transport_error_is_told_and_changes_nothing(kit, machine_in, state):
    machine = machine_in(state)
    assert kit.words(machine.fail("unreachable")) == ["failed transport"]
    assert machine.state is state


@pytest.mark.rfc("R3261-17.2.1-10")
def test_completed_request_repeats_the_response(kit, machine_in):
    machine = machine_in(State.COMPLETED)
    (send,) = machine.step(Input.REQUEST)
    assert send.data is machine.data
    assert send.data.startswith(b"SIP/2.0 486 ")


def test_completed_timer_g_repeats_the_response_and_doubles_up_to_t2(kit, machine_in):
    machine = machine_in(State.COMPLETED)
    delays = []
    for _ in range(5):
        send, start = machine.step(Timer.G)
        assert send.data is machine.data
        delays.append(start.delay)
    assert delays == [1.0, 2.0, 4.0, 4.0, 4.0]


@pytest.mark.rfc("R3261-17.2.1-11")
@pytest.mark.parametrize(
    ("transport", "words"), [("UDP", ["stop G", "stop H", "start I 5"]), ("TCP", ["stop H", "start I 0"])]
)
def test_completed_ack_confirms(kit, machine_in, transport, words):
    machine = machine_in(State.COMPLETED, transport)
    assert kit.words(machine.receive_ack(ack(kit))) == words
    assert machine.state is State.CONFIRMED


@pytest.mark.rfc("R3261-17.2.1-12")
def test_completed_timer_h_fails(kit, machine_in):
    machine = machine_in(State.COMPLETED)
    assert kit.words(machine.step(Timer.H)) == ["failed timeout", "ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.rfc("R3261-17.2.1-13")
def test_confirmed_timer_i_ends(kit, machine_in):
    machine = machine_in(State.CONFIRMED)
    assert kit.words(machine.step(Timer.I)) == ["ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.rfc("R6026-7.1-4")
def test_accepted_ack_is_delivered(kit, machine_in):
    machine = machine_in(State.ACCEPTED)
    assert kit.words(machine.receive_ack(ack(kit))) == ["deliver ACK"]
    assert machine.state is State.ACCEPTED


@pytest.mark.rfc("R6026-7.1-3", "R6026-8.7-1")
def test_accepted_respond_2xx_sends_the_same_bytes(kit, machine_in):
    machine = machine_in(State.ACCEPTED)
    first = machine.data
    (send,) = machine.respond(machine.response)
    assert send.data is first
    assert kit.words(machine.respond(response(machine, 202))) == ["send 202"]
    assert machine.state is State.ACCEPTED


@pytest.mark.rfc("R6026-7.1-5", "R6026-8.7-3")
def test_accepted_timer_l_ends(kit, machine_in):
    machine = machine_in(State.ACCEPTED)
    assert kit.words(machine.step(Timer.L)) == ["ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.parametrize(("state", "input_"), sorted(ABSORBED, key=str), ids=lambda x: x.name)
def test_absorbed(machine_in, state, input_):
    machine = machine_in(state)
    assert machine.step(input_) == []
    assert machine.state is state


@pytest.mark.parametrize(("state", "input_"), sorted(REFUSED, key=str), ids=lambda x: x.name)
def test_refused(machine_in, state, input_):
    machine = machine_in(state)
    data = machine.data
    code = {Input.RESPOND_1XX: 180, Input.RESPOND_2XX: 200, Input.RESPOND_300_699: 404}[input_]
    with pytest.raises(LocalProtocolError, match=f"{code} cannot be sent to the INVITE"):
        machine.respond(response(machine, code))
    assert machine.state is state
    assert machine.data is data
