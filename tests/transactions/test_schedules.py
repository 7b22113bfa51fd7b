"""When retransmissions go out and transactions end, to the second."""

import pytest

from sipstack.transactions import ResponseReceived, Send, State, TransactionFailed

A = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
E = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


@pytest.mark.rfc("R3261-17.1.1.2-6", "R3261-17.1.1.2-7", "R3261-17.1.1.2-8", "R3261-17.1.1.2-12", "R3261-17.1.1.2-13")
def test_an_unanswered_invite_is_sent_seven_times_and_fails_after_32_seconds(lab):
    lab.request("INVITE")
    lab.run(100)
    assert lab.times("send INVITE") == A
    assert lab.times("failed timeout") == [32]
    assert lab.times("ended") == [32]
    assert len({send.data for send in lab.sent()}) == 1
    assert lab.is_empty()


@pytest.mark.rfc("R3261-17.1.1.2-4")
def test_an_unanswered_invite_on_a_stream_is_sent_once(tcp_lab):
    tcp_lab.request("INVITE")
    tcp_lab.run(100)
    assert tcp_lab.times("send INVITE") == [0]
    assert tcp_lab.times("failed timeout") == [32]
    assert tcp_lab.is_empty()


@pytest.mark.rfc("R3261-17.1.1.2-9", "R3261-17.1.1.2-15")
def test_a_provisional_stops_the_invite(lab, kit):
    lab.request("INVITE")
    lab.run(1)
    lab.receive(kit.response_bytes(lab.sent()[0].data, 180))
    lab.run(300)
    assert lab.times("send INVITE") == [0, 0.5]
    assert lab.times("failed timeout") == []


@pytest.mark.rfc("R3261-17.1.2.2-3", "R3261-17.1.2.2-4")
def test_an_unanswered_request_is_sent_eleven_times_and_fails_after_32_seconds(lab):
    lab.request("OPTIONS")
    lab.run(100)
    assert lab.times("send OPTIONS") == E
    assert lab.times("failed timeout") == [32]
    assert lab.is_empty()


@pytest.mark.rfc("R3261-17.1.2.2-7")
def test_after_a_provisional_a_request_is_sent_every_t2(lab, kit):
    lab.request("OPTIONS")
    lab.run(1)
    lab.receive(kit.response_bytes(lab.sent()[0].data, 100))
    lab.run(100)
    assert lab.times("send OPTIONS") == [0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    assert lab.times("failed timeout") == [32]


@pytest.mark.rfc("R3261-17.2.1-8", "R3261-17.2.1-9", "R3261-17.2.1-12")
def test_an_unacknowledged_486_is_sent_like_timer_e_and_fails_after_32_seconds(lab):
    lab.respond(lab.accept("INVITE"), 486)
    lab.run(100)
    assert lab.times("send 486") == E
    assert lab.times("failed timeout") == [32]
    assert len({send.data for send in lab.sent()}) == 1
    assert lab.is_empty()


def test_an_unacknowledged_486_on_a_stream_is_sent_once(tcp_lab):
    tcp_lab.respond(tcp_lab.accept("INVITE", transport="TCP"), 486)
    tcp_lab.run(100)
    assert tcp_lab.times("send 486") == [0]
    assert tcp_lab.times("failed timeout") == [32]
    assert tcp_lab.is_empty()


@pytest.mark.rfc("R3261-17.2.1-11", "R3261-17.2.1-13")
def test_an_acknowledged_486_stops_and_is_forgotten_after_timer_i(lab, kit):
    lab.respond(lab.accept("INVITE"), 486)
    lab.run(1)
    assert lab.receive(kit.request_bytes("ACK", to_tag="ours")) == []
    assert lab.receive(kit.request_bytes("ACK", to_tag="ours")) == []
    lab.run(100)
    assert lab.times("send 486") == [0, 0.5]
    assert lab.times("ended") == [6]
    assert lab.is_empty()


@pytest.mark.rfc("R3261-17.2.2-6", "R3261-17.2.2-7", "R3261-17.2.2-9")
def test_an_answered_request_is_remembered_for_timer_j(lab, kit):
    lab.respond(lab.accept("OPTIONS"), 200)
    lab.run(31)
    assert lab.receive(kit.request_bytes()) == ["send 200"]
    lab.run(100)
    assert lab.times("ended") == [32]
    assert lab.is_empty()


@pytest.mark.rfc("R6026-8.7-2", "R6026-8.7-3", "R6026-7.1-2", "R6026-7.1-6", "R6026-8.7-4")
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_an_accepted_invite_is_remembered_for_timer_l(kit, transport):
    lab = kit.Lab(transport)
    lab.respond(lab.accept("INVITE", transport=transport), 200)
    lab.run(31)
    assert lab.receive(kit.request_bytes("INVITE", transport=transport)) == []
    lab.run(100)
    assert lab.times("send 200") == [0]
    assert lab.times("ended") == [32]
    assert lab.is_empty()


@pytest.mark.rfc("R6026-7.2-2", "R6026-7.2-4", "R6026-7.2-5", "R6026-8.4-13")
def test_a_2xx_is_delivered_each_time_until_timer_m(lab, kit):
    lab.request("INVITE")
    ok = kit.response_bytes(lab.sent()[0].data, 200)
    for _ in range(3):
        assert lab.receive(ok) == ["response 200"]
        lab.run(10)
    lab.run(100)
    assert lab.times("ended") == [32]
    assert lab.receive(ok) == ["dropped stray_response"]
    assert lab.is_empty()


@pytest.mark.rfc("R3261-17.1.1.2-21", "R3261-17.1.1.2-23", "R3261-17.1.1.2-25")
def test_a_486_is_acknowledged_each_time_until_timer_d(lab, kit):
    lab.request("INVITE")
    busy = kit.response_bytes(lab.sent()[0].data, 486)
    assert lab.receive(busy) == ["send ACK", "response 486"]
    lab.run(31)
    assert lab.receive(busy) == ["send ACK"]
    lab.run(100)
    assert lab.times("ended") == [32]
    assert lab.receive(busy) == ["dropped stray_response"]
    assert len({send.data for send in lab.sent() if send.data.startswith(b"ACK")}) == 1
    assert lab.is_empty()


@pytest.mark.rfc("R3261-17.1.2.2-10", "R3261-17.1.2.2-11", "R3261-17.1.2.2-12")
@pytest.mark.parametrize(("transport", "end"), [("UDP", 5), ("TCP", 0)])
def test_a_finished_request_is_forgotten_after_timer_k(kit, transport, end):
    lab = kit.Lab(transport)
    lab.request("OPTIONS")
    assert lab.receive(kit.response_bytes(lab.sent()[0].data, 200)) == ["response 200"]
    lab.run(100)
    assert lab.times("ended") == [end]
    assert lab.is_empty()


@pytest.mark.rfc("R3261-17.2.1-1")
def test_an_unanswered_invite_gets_its_100_after_200_ms(lab, kit):
    lab.accept("INVITE")
    assert lab.receive(kit.request_bytes("INVITE")) == []
    lab.run(1)
    assert lab.times("send 100") == [0.2]
    assert lab.receive(kit.request_bytes("INVITE")) == ["send 100"]


def test_an_answered_invite_gets_no_100(lab):
    lab.respond(lab.accept("INVITE"), 180)
    lab.run(10)
    assert lab.times("send 100") == []


@pytest.mark.rfc("R4320-4.1-2", "R4320-4.1-4", "R4320-4.2-1")
def test_an_unanswered_request_gets_its_100_when_timer_e_reached_t2_and_no_408(lab):
    lab.accept("OPTIONS")
    lab.run(100)
    assert lab.times("send 100") == [3.5]
    assert lab.times("failed timeout") == [32]
    assert lab.times("ended") == [32]
    assert [send.message.code for send in lab.sent()] == [100]
    assert lab.is_empty()


def test_the_timeout_says_what_did_not_come(lab):
    lab.request("INVITE")
    lab.run(32)
    failure = lab.last(TransactionFailed)
    assert failure.detail == "no response to INVITE within 32 s (Timer B)"
    assert failure.transaction.state is State.TERMINATED


def test_what_is_sent_again_is_the_same_bytes_object(lab, kit):
    lab.request("OPTIONS")
    lab.run(2)
    first, *more = lab.sent()
    assert isinstance(first, Send)
    assert all(send.data is first.data and send.message is first.message for send in more)
    lab.receive(kit.response_bytes(first.data, 200))
    assert lab.last(ResponseReceived).response.code == 200
