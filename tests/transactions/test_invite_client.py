"""The INVITE client transaction, edge by edge (RFC 3261 figure 5 as in RFC 6026)."""

import pytest

from sipstack.message import parse_message
from sipstack.timers import Timer, TimerValues
from sipstack.transactions import State
from sipstack.transactions._invite_client import ABSORBED, InviteClient
from sipstack.transactions._state import Input


@pytest.fixture
def machine_in(kit):
    def make(state, transport="UDP"):
        request = kit.own_request("INVITE", extra=[("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx")])
        machine = InviteClient(request, request.serialise(), kit.flow(transport), "z9hG4bKx", TimerValues())
        machine.start()
        code = {State.PROCEEDING: 180, State.COMPLETED: 486, State.ACCEPTED: 200}.get(state)
        if code is not None:
            machine.receive(response(machine, code))
        if state is State.TERMINATED:
            machine.step(Timer.B)
        assert machine.state is state
        return machine

    return make


def response(machine, code, tag="remote"):
    return machine.request.create_response(code, to_tag=tag)


@pytest.mark.rfc("R3261-17.1.1.2-1", "R3261-17.1.1.2-2", "R3261-17.1.1.2-3", "R3261-17.1.1.2-5")
def test_start_sends_and_starts_a_and_b(kit):
    request = kit.own_request("INVITE")
    machine = InviteClient(request, request.serialise(), kit.flow(), "z9hG4bKx", TimerValues())
    assert kit.words(machine.start()) == ["send INVITE", "start A 0.5", "start B 32"]
    assert machine.state is State.CALLING


@pytest.mark.rfc("R3261-17.1.1.2-4")
def test_start_on_a_reliable_transport_starts_no_a(kit):
    request = kit.own_request("INVITE")
    machine = InviteClient(request, request.serialise(), kit.flow("TCP"), "z9hG4bKx", TimerValues())
    assert kit.words(machine.start()) == ["send INVITE", "start B 32"]


@pytest.mark.rfc("R3261-17.1.1.2-6", "R3261-17.1.1.2-8", "R3261-17.1.1.2-12")
def test_calling_timer_a_sends_again_and_doubles(kit, machine_in):
    machine = machine_in(State.CALLING)
    assert kit.words(machine.step(Timer.A)) == ["send INVITE", "start A 1"]
    assert kit.words(machine.step(Timer.A)) == ["send INVITE", "start A 2"]
    assert machine.state is State.CALLING


@pytest.mark.rfc("R3261-17.1.1.2-13", "R3261-17.1.1.2-14")
def test_calling_timer_b_fails(kit, machine_in):
    machine = machine_in(State.CALLING)
    assert kit.words(machine.step(Timer.B)) == ["failed timeout", "ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.rfc("R3261-17.1.4-1")
def test_calling_transport_error_fails(kit, machine_in):
    machine = machine_in(State.CALLING)
    assert kit.words(effects := machine.fail("unreachable")) == ["failed transport", "ended"]
    assert effects[0].detail == "unreachable"
    assert machine.state is State.TERMINATED


@pytest.mark.rfc("R3261-17.1.1.2-15", "R3261-17.1.1.2-16")
def test_calling_1xx_is_delivered_and_stops_retransmission(kit, machine_in):
    machine = machine_in(State.CALLING)
    assert kit.words(machine.receive(response(machine, 180))) == ["stop A", "stop B", "deliver 180"]
    assert machine.state is State.PROCEEDING


@pytest.mark.rfc("R6026-7.2-1", "R6026-8.4-7", "R6026-8.4-8", "R6026-8.4-9", "R6026-7.2-3", "R6026-6-1")
def test_calling_2xx_is_accepted(kit, machine_in):
    machine = machine_in(State.CALLING)
    assert kit.words(machine.receive(response(machine, 200))) == ["stop A", "stop B", "start M 32", "deliver 200"]
    assert machine.state is State.ACCEPTED


@pytest.mark.rfc("R3261-17.1.1.2-18", "R3261-17.1.1.2-19", "R3261-17.1.1.2-21", "R6026-8.4-1", "R6026-8.4-2")
def test_calling_300_699_is_acknowledged(kit, machine_in):
    machine = machine_in(State.CALLING)
    assert kit.words(machine.receive(response(machine, 486))) == [
        "stop A",
        "stop B",
        "send ACK",
        "start D 32",
        "deliver 486",
    ]
    assert machine.state is State.COMPLETED


@pytest.mark.rfc("R3261-17.1.1.2-19", "R6026-8.4-2", "R6026-8.4-4")
def test_calling_300_699_on_a_reliable_transport_is_acknowledged_too(kit, machine_in):
    machine = machine_in(State.CALLING, "TCP")
    assert kit.words(machine.receive(response(machine, 486))) == ["stop B", "send ACK", "start D 0", "deliver 486"]


@pytest.mark.rfc("R3261-17.1.1.2-17")
def test_proceeding_1xx_is_delivered(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.receive(response(machine, 183))) == ["deliver 183"]
    assert machine.state is State.PROCEEDING


@pytest.mark.rfc("R6026-7.2-1", "R6026-8.4-7")
def test_proceeding_2xx_is_accepted(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.receive(response(machine, 200))) == ["start M 32", "deliver 200"]
    assert machine.state is State.ACCEPTED


@pytest.mark.rfc("R6026-8.4-1", "R6026-8.4-2")
def test_proceeding_300_699_is_acknowledged(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.receive(response(machine, 603))) == ["send ACK", "start D 32", "deliver 603"]
    assert machine.state is State.COMPLETED


@pytest.mark.rfc("R3261-9.1-11")
def test_proceeding_timer_give_up_fails(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    assert kit.words(machine.step(Timer.GIVE_UP)) == ["failed timeout", "ended"]
    assert machine.state is State.TERMINATED


def test_proceeding_final_after_cancel_stops_giving_up(kit, machine_in):
    machine = machine_in(State.PROCEEDING)
    machine.is_cancelled = True
    assert kit.words(machine.receive(response(machine, 487)))[0] == "stop GIVE_UP"


def test_proceeding_transport_error_fails(kit, machine_in):
    machine = machine_in(State.PROCEEDING, "TCP")
    assert kit.words(machine.fail("reset")) == ["failed transport", "ended"]


@pytest.mark.rfc("R3261-17.1.1.2-22", "R6026-8.4-5")
def test_completed_300_699_is_acknowledged_again_and_not_delivered(kit, machine_in):
    machine = machine_in(State.COMPLETED)
    first = machine._ack[0]
    effects = machine.receive(response(machine, 486))
    assert kit.words(effects) == ["send ACK"]
    assert effects[0].data is first


def test_completed_transport_error_fails(kit, machine_in):
    machine = machine_in(State.COMPLETED)
    assert kit.words(machine.fail("unreachable")) == ["failed transport", "ended"]


@pytest.mark.rfc("R3261-17.1.1.2-23", "R6026-8.4-6")
def test_completed_timer_d_ends(kit, machine_in):
    machine = machine_in(State.COMPLETED)
    assert kit.words(machine.step(Timer.D)) == ["ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.rfc("R6026-7.2-2", "R6026-8.4-10", "R6026-8.4-11")
def test_accepted_2xx_is_delivered_each_time(kit, machine_in):
    machine = machine_in(State.ACCEPTED)
    for tag in ("remote", "fork"):
        assert kit.words(machine.receive(response(machine, 200, tag))) == ["deliver 200"]
    assert machine.state is State.ACCEPTED


@pytest.mark.rfc("R6026-7.2-4", "R6026-8.4-12")
def test_accepted_timer_m_ends(kit, machine_in):
    machine = machine_in(State.ACCEPTED)
    assert kit.words(machine.step(Timer.M)) == ["ended"]
    assert machine.state is State.TERMINATED


@pytest.mark.parametrize(("state", "input_"), sorted(ABSORBED, key=str), ids=lambda x: x.name)
def test_absorbed(machine_in, state, input_):
    machine = machine_in(state)
    assert machine.step(input_) == []
    assert machine.state is state


@pytest.mark.rfc(
    "R3261-17.1.1.3-2",
    "R3261-17.1.1.3-3",
    "R3261-17.1.1.3-4",
    "R3261-17.1.1.3-5",
    "R3261-17.1.1.3-6",
    "R3261-17.1.1.3-8",
)
def test_the_ack_is_made_of_the_request_and_the_to_of_the_response(kit):
    request = kit.own_request(
        "INVITE",
        extra=[
            ("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx;rport"),
            ("Via", "SIP/2.0/UDP 192.0.2.8:5060;branch=z9hG4bKbelow"),
            ("Route", "<sip:p1@192.0.2.20;lr>, <sip:p2@192.0.2.21;lr>"),
            ("Route", "<sip:p3@192.0.2.22;lr>"),
            ("Require", "100rel"),
        ],
        body=b"v=0",
        cseq=986759,
    )
    machine = InviteClient(request, request.serialise(), kit.flow(), "z9hG4bKx", TimerValues())
    machine.start()
    effects = machine.receive(response(machine, 486))
    ack = parse_message(next(effect.data for effect in effects if kit.words([effect]) == ["send ACK"]))
    assert ack.method == "ACK"
    assert str(ack.uri) == "sip:them@192.0.2.1"
    assert ack.headers.getlist("Via") == ["SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx;rport"]
    assert ack.headers["From"] == request.headers["From"]
    assert ack.headers["To"] == "<sip:them@192.0.2.1>;tag=remote"
    assert ack.call_id == request.call_id
    assert ack.headers["CSeq"] == "986759 ACK"
    assert ack.headers.getlist("Route") == request.headers.getlist("Route")
    assert ack.max_forwards == 70
    assert "Require" not in ack.headers
    assert ack.body == b""


def test_every_response_code_has_its_input(machine_in):
    for code, state in [(100, State.PROCEEDING), (299, State.ACCEPTED), (300, State.COMPLETED), (699, State.COMPLETED)]:
        machine = machine_in(State.CALLING)
        machine.receive(response(machine, code))
        assert machine.state is state
    assert Input.RESPONSE_1XX in InviteClient.edges[State.CALLING]
