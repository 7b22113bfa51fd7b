"""The layer: matching, merging, cancelling, bounds, and what it does with what is wrong."""

import pytest

from sipstack.message import Framer, Limits, LocalProtocolError, MalformedMessage, Request, parse_message
from sipstack.timers import Timer, TimerQueue
from sipstack.transactions import (
    AckReceived,
    CancelReceived,
    Dropped,
    RequestReceived,
    ResponseReceived,
    Send,
    State,
    TransactionFailed,
)


class TestSendingRequests:
    @pytest.mark.rfc(
        "R3261-8.1.1.7-1",
        "R3261-8.1.1.7-2",
        "R3261-8.1.1.7-3",
        "R3261-8.1.1.7-5",
        "R3261-18.1.1-6",
        "R3581-3-1",
        "R3581-3-2",
    )
    def test_our_via_stands_on_top(self, lab, kit):
        transaction, words = lab.request(extra=[("Via", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKbelow")])
        assert words == ["send OPTIONS"]
        first, second = parse_message(transaction.data).headers.getlist("Via")
        assert first == f"SIP/2.0/UDP 192.0.2.9:5060;branch={transaction.branch};rport"
        assert transaction.branch.startswith("z9hG4bK")
        assert second == "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKbelow"

    def test_no_rport_is_asked_for_on_a_stream(self, tcp_lab):
        transaction, _ = tcp_lab.request()
        assert str(transaction.request.top_via) == f"SIP/2.0/TCP 192.0.2.9:5060;branch={transaction.branch}"

    def test_the_callers_request_stays_as_it_was(self, lab, kit):
        request = kit.own_request()
        first = lab.layer.send_request(request, lab.flow, 0.0)
        second = lab.layer.send_request(request, lab.flow, 0.0)
        assert "Via" not in request.headers
        assert first.branch != second.branch
        assert len(second.request.via) == 1

    @pytest.mark.rfc("R3261-8.1.1.7-4")
    def test_tokens_of_the_same_seed_give_the_same_bytes(self, kit):
        runs = []
        for seed in (1, 1, 2):
            lab = kit.Lab(seed=seed)
            lab.request("INVITE")
            lab.receive(kit.request_bytes("CANCEL"))
            runs.append([send.data for send in lab.sent()])
        assert runs[0] == runs[1] != runs[2]

    @pytest.mark.parametrize(("method", "hint"), [("ACK", "send_ack"), ("CANCEL", r"cancel\(\)")])
    def test_what_has_no_transaction_of_its_own_is_refused(self, lab, method, hint):
        with pytest.raises(LocalProtocolError, match=hint):
            lab.request(method)
        assert lab.is_empty()

    def test_a_cseq_of_another_method_is_refused(self, lab, kit):
        request = kit.own_request()
        request.headers.set("CSeq", "1 INFO")
        with pytest.raises(LocalProtocolError, match="CSeq names INFO"):
            lab.layer.send_request(request, lab.flow, 0.0)

    @pytest.mark.rfc("R3261-17.1.1.3-1")
    def test_the_ack_to_a_2xx_has_a_branch_of_its_own_and_no_transaction(self, lab, kit):
        data = lab.layer.send_ack(kit.own_request("ACK"), lab.flow, 0.0)
        assert lab.collect() == ["send ACK"]
        send = lab.last(Send)
        assert (send.data, send.transaction, send.flow) == (data, None, lab.flow)
        assert parse_message(data).top_via.branch.startswith("z9hG4bK")
        assert lab.is_empty()

    def test_send_ack_takes_nothing_else(self, lab, kit):
        with pytest.raises(LocalProtocolError, match="send_request"):
            lab.layer.send_ack(kit.own_request("BYE"), lab.flow, 0.0)


class TestResponses:
    @pytest.mark.rfc("R3261-18.1.2-2", "R6026-8.9-1")
    def test_a_response_finds_its_transaction_by_branch_and_method(self, lab, kit):
        one, _ = lab.request()
        two, _ = lab.request()
        assert lab.receive(kit.response_bytes(two.data, 200)) == ["response 200"]
        assert lab.last(ResponseReceived).transaction is two
        assert (one.state, two.state) == (State.TRYING, State.COMPLETED)

    @pytest.mark.rfc("R6026-8.9-2", "R6026-8.2-1")
    def test_a_response_with_another_branch_is_dropped(self, lab, kit):
        transaction, _ = lab.request()
        stray = kit.response_bytes(transaction.data.replace(transaction.branch.encode(), b"z9hG4bKother"), 200)
        assert lab.receive(stray) == ["dropped stray_response"]
        assert lab.last(Dropped).data == stray
        assert lab.layer.counters["stray_response"] == 1
        assert transaction.state is State.TRYING

    def test_a_response_with_another_method_is_dropped(self, lab, kit):
        transaction, _ = lab.request("INVITE")
        wrong = kit.response_bytes(transaction.data, 200).replace(b"1 INVITE", b"1 CANCEL")
        assert lab.receive(wrong) == ["dropped stray_response"]

    @pytest.mark.rfc("R3261-18.1.2-1")
    @pytest.mark.parametrize("sent_by", ["192.0.2.66:5060", "192.0.2.9:5070", "192.0.2.9"])
    def test_a_response_whose_sent_by_is_not_ours_is_dropped(self, lab, kit, sent_by):
        transaction, _ = lab.request()
        forged = kit.response_bytes(
            transaction.data, 200, via=f"SIP/2.0/UDP {sent_by};branch={transaction.branch};rport"
        )
        assert lab.receive(forged) == ["dropped foreign_response"]
        assert lab.layer.counters["foreign_response"] == 1
        assert transaction.state is State.TRYING

    def test_a_response_without_branch_is_dropped(self, lab, kit):
        transaction, _ = lab.request()
        assert lab.receive(kit.response_bytes(transaction.data, 200, via="SIP/2.0/UDP 192.0.2.9:5060")) == [
            "dropped stray_response"
        ]

    def test_a_response_by_another_connection_is_taken(self, tcp_lab, kit):
        transaction, _ = tcp_lab.request()
        other = kit.flow("TCP", ("192.0.2.1", 40000), 7)
        tcp_lab.layer.receive_message(parse_message(kit.response_bytes(transaction.data, 200)), other, 0.0)
        assert tcp_lab.collect() == ["response 200"]


class TestRequests:
    def test_a_request_comes_up_once(self, lab, kit):
        assert lab.receive(kit.request_bytes()) == ["request OPTIONS"]
        assert lab.receive(kit.request_bytes()) == []
        assert len(lab.layer) == 1

    @pytest.mark.parametrize(
        "change",
        [{"branch": "z9hG4bKother", "call_id": "2"}, {"sent_by": "192.0.2.1:5070", "call_id": "2"}, {"method": "INFO"}],
    )
    def test_branch_sent_by_and_method_tell_transactions_apart(self, lab, kit, change):
        lab.receive(kit.request_bytes())
        assert lab.receive(kit.request_bytes(**{"method": "OPTIONS"} | change))[0].startswith("request")

    def test_sent_by_matches_without_case(self, lab, kit):
        lab.receive(kit.request_bytes(sent_by="Phone.example.com"))
        assert lab.receive(kit.request_bytes(sent_by="phone.EXAMPLE.com")) == []

    def test_a_request_by_a_stream_comes_up_too(self, tcp_lab, kit):
        message = parse_message(kit.request_bytes(transport="TCP"))
        tcp_lab.layer.receive_message(message, tcp_lab.flow, 0.0)
        assert tcp_lab.collect() == ["request OPTIONS"]

    def test_a_response_goes_to_its_transaction(self, lab, kit):
        transaction = lab.accept()
        assert lab.respond(transaction, 200) == ["send 200"]
        send = lab.last(Send)
        assert (send.transaction, send.flow) == (transaction, lab.flow)
        assert lab.receive(kit.request_bytes()) == ["send 200"]

    def test_a_second_final_response_is_refused(self, lab):
        transaction = lab.accept()
        lab.respond(transaction, 200)
        with pytest.raises(LocalProtocolError, match="send nothing more"):
            lab.respond(transaction, 404)

    @pytest.mark.rfc("R4320-4.2-2")
    def test_a_response_after_the_end_is_refused(self, lab):
        transaction = lab.accept()
        lab.run(40)
        with pytest.raises(LocalProtocolError, match="Terminated"):
            lab.respond(transaction, 200)

    @pytest.mark.rfc("R6026-7.1-4")
    def test_the_ack_to_a_2xx_comes_up(self, lab, kit):
        lab.respond(lab.accept("INVITE"), 200)
        assert lab.receive(kit.request_bytes("ACK", branch="z9hG4bKack", to_tag="ours")) == ["ack"]
        assert lab.last(AckReceived).request.top_via.received == "192.0.2.1"

    def test_the_ack_to_a_2xx_under_the_branch_of_the_invite_comes_up(self, lab, kit):
        lab.respond(lab.accept("INVITE"), 200)
        assert lab.receive(kit.request_bytes("ACK", to_tag="ours")) == ["ack"]

    def test_an_ack_before_a_final_response_is_dropped(self, lab, kit):
        lab.accept("INVITE")
        assert lab.receive(kit.request_bytes("ACK", to_tag="ours")) == ["dropped stray_ack"]
        assert lab.layer.counters["stray_ack"] == 1

    def test_an_ack_without_to_tag_is_dropped(self, lab, kit):
        assert lab.receive(kit.request_bytes("ACK")) == ["dropped stray_ack"]


class TestRfc2543:
    VIA = "SIP/2.0/UDP 192.0.2.1:5060"

    @pytest.mark.parametrize("via", [VIA, f"{VIA};branch=1", f"{VIA};branch=z9hG4bK"])
    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
    def test_a_retransmission_is_recognised(self, lab, kit, via, method):
        transaction = lab.accept(method, via=via)
        assert lab.receive(kit.request_bytes(method, via=via)) == []
        assert lab.respond(transaction, 404) == ["send 404"]
        assert lab.receive(kit.request_bytes(method, via=via)) == ["send 404"]

    @pytest.mark.parametrize(
        "change",
        [
            {"uri": "sip:other@192.0.2.9"},
            {"to_tag": "x"},
            {"from_tag": "x"},
            {"call_id": "x"},
            {"cseq": 2},
            {"via": "SIP/2.0/UDP 192.0.2.1:5061"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_what_differs_is_another_request(self, lab, kit, change):
        lab.receive(kit.request_bytes("OPTIONS", via=self.VIA))
        (word,) = lab.receive(kit.request_bytes("OPTIONS", **{"via": self.VIA} | change))
        # Where only the way or the target differs, it is the same request by another way (8.2.2.2).
        merged = change.keys() & {"uri", "via"}
        assert word == ("send 482" if merged else "request OPTIONS")

    def test_the_ack_is_known_by_the_tag_of_our_response(self, lab, kit):
        transaction = lab.accept("INVITE", via=self.VIA)
        lab.respond(transaction, 486)
        assert lab.receive(kit.request_bytes("ACK", via=self.VIA, to_tag="not-ours")) == ["ack"]
        assert transaction.state is State.COMPLETED
        assert lab.receive(kit.request_bytes("ACK", via=self.VIA, to_tag="ours")) == []
        assert transaction.state is State.CONFIRMED
        assert lab.receive(kit.request_bytes("ACK", via=self.VIA, to_tag="ours")) == []
        lab.run(40)
        assert lab.is_empty()

    @pytest.mark.rfc("R6026-6-5")
    def test_the_ack_to_a_2xx_comes_up(self, lab, kit):
        transaction = lab.accept("INVITE", via=self.VIA)
        lab.respond(transaction, 200)
        assert lab.receive(kit.request_bytes("ACK", via=self.VIA, to_tag="ours")) == ["ack"]
        assert transaction.state is State.ACCEPTED

    def test_the_cancel_finds_its_invite(self, lab, kit):
        invite = lab.accept("INVITE", via=self.VIA)
        assert lab.receive(kit.request_bytes("CANCEL", via=self.VIA)) == ["cancel"]
        assert lab.last(CancelReceived).invite is invite


class TestMergedRequests:
    @pytest.mark.rfc("R3261-8.2.2.2-1", "R3261-8.2.2.2-2")
    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
    def test_the_same_request_by_another_way_gets_482(self, lab, kit, method):
        lab.accept(method)
        again = kit.request_bytes(method, branch="z9hG4bKother")
        assert lab.receive(again) == ["send 482"]
        assert parse_message(lab.last(Send).data).to_tag
        assert lab.receive(again) == ["send 482"]
        assert lab.layer.counters["merged"] == 1
        assert len([output for _, output in lab.log if isinstance(output, RequestReceived)]) == 1

    def test_the_482_to_an_invite_is_acknowledged_and_forgotten_in_silence(self, lab, kit):
        first = lab.accept("INVITE")
        lab.receive(kit.request_bytes("INVITE", branch="z9hG4bKother"))
        assert lab.receive(kit.request_bytes("ACK", branch="z9hG4bKother", to_tag="x")) == []
        lab.run(10)
        assert len(lab.layer) == 1
        assert lab.respond(first, 486) == ["send 486"]

    def test_an_unacknowledged_482_ends_in_silence(self, lab, kit):
        lab.respond(lab.accept("INVITE"), 200)
        lab.receive(kit.request_bytes("INVITE", branch="z9hG4bKother"))
        assert set(lab.run(40)) == {"send 482", "ended"}
        assert lab.is_empty()

    def test_a_request_with_a_to_tag_is_never_merged(self, lab, kit):
        lab.accept("INFO", to_tag="ours")
        assert lab.receive(kit.request_bytes("INFO", to_tag="ours", branch="z9hG4bKother")) == ["request INFO"]

    @pytest.mark.parametrize("change", [{"from_tag": "x"}, {"call_id": "x"}, {"cseq": 2}])
    def test_a_request_that_differs_is_not_merged(self, lab, kit, change):
        lab.accept()
        assert lab.receive(kit.request_bytes(branch="z9hG4bKother", **change)) == ["request OPTIONS"]

    def test_after_the_transaction_ended_nothing_is_merged(self, lab, kit):
        lab.respond(lab.accept(), 200)
        lab.run(32)
        assert lab.receive(kit.request_bytes(branch="z9hG4bKother")) == ["request OPTIONS"]


class TestCancelReceived:
    def test_a_cancel_comes_up_with_its_invite(self, lab, kit):
        invite = lab.accept("INVITE")
        assert lab.receive(kit.request_bytes("CANCEL")) == ["cancel"]
        cancel = lab.last(CancelReceived)
        assert cancel.invite is invite
        assert lab.receive(kit.request_bytes("CANCEL")) == []
        assert lab.respond(cancel.transaction, 200) == ["send 200"]
        assert lab.respond(invite, 487) == ["send 487"]
        lab.run(40)
        assert lab.is_empty()

    def test_a_cancel_after_the_final_response_comes_up_and_changes_nothing(self, lab, kit):
        invite = lab.accept("INVITE")
        lab.respond(invite, 200)
        assert lab.receive(kit.request_bytes("CANCEL")) == ["cancel"]
        assert lab.last(CancelReceived).invite.state is State.ACCEPTED

    @pytest.mark.rfc("R3261-9.2-1")
    def test_a_cancel_that_matches_nothing_gets_481(self, lab, kit):
        cancel = kit.request_bytes("CANCEL")
        assert lab.receive(cancel) == ["send 481"]
        assert lab.receive(cancel) == ["send 481"]
        assert lab.layer.counters["cancel_unmatched"] == 1
        assert lab.run(40) == []
        assert lab.is_empty()

    @pytest.mark.parametrize("change", [{"branch": "z9hG4bKother"}, {"sent_by": "192.0.2.66:5060"}])
    def test_a_cancel_from_elsewhere_matches_nothing(self, lab, kit, change):
        lab.accept("INVITE")
        assert lab.receive(kit.request_bytes("CANCEL", **change)) == ["send 481"]

    def test_a_cancel_of_another_method_gets_200_and_does_nothing(self, lab, kit):
        options = lab.accept("OPTIONS")
        assert lab.receive(kit.request_bytes("CANCEL")) == ["send 200"]
        assert options.state is State.TRYING


class TestCancelling:
    @pytest.mark.rfc("R3261-9.1-7", "R3261-9.1-8")
    def test_before_a_provisional_the_cancel_waits(self, lab, kit):
        invite, _ = lab.request("INVITE")
        lab.layer.cancel(invite, lab.now)
        assert lab.collect() == []
        lab.run(1)
        assert "send CANCEL" not in lab.log
        assert lab.receive(kit.response_bytes(invite.data, 100)) == ["response 100", "send CANCEL"]
        assert invite.is_cancelled

    def test_before_a_provisional_that_never_comes_timer_b_ends_it(self, lab):
        invite, _ = lab.request("INVITE")
        lab.layer.cancel(invite, lab.now)
        lab.run(40)
        assert lab.times("send CANCEL") == []
        assert lab.times("failed timeout") == [32]

    def test_before_a_provisional_a_final_response_makes_it_needless(self, lab, kit):
        invite, _ = lab.request("INVITE")
        lab.layer.cancel(invite, lab.now)
        assert lab.receive(kit.response_bytes(invite.data, 200)) == ["response 200"]
        lab.run(40)
        assert lab.times("send CANCEL") == []
        assert lab.is_empty()

    @pytest.mark.rfc(
        "R3261-9.1-2", "R3261-9.1-3", "R3261-9.1-4", "R3261-9.1-5", "R3261-9.1-6", "R3261-9.1-10", "R3261-8.2.2.3-3"
    )
    def test_after_a_provisional_the_cancel_goes_the_way_of_the_invite(self, lab, kit):
        invite, _ = lab.request(
            "INVITE",
            extra=[("Route", "<sip:p1@192.0.2.20;lr>"), ("Require", "100rel"), ("Proxy-Require", "x")],
        )
        lab.receive(kit.response_bytes(invite.data, 180))
        lab.layer.cancel(invite, lab.now, reason="SIP;cause=200")
        assert lab.collect() == ["send CANCEL"]
        send = lab.last(Send)
        cancel = parse_message(send.data)
        assert send.flow is invite.flow
        assert cancel.uri == invite.request.uri
        assert cancel.headers.getlist("Via") == [str(invite.request.top_via)]
        for name in ("From", "To", "Call-ID", "Route"):
            assert cancel.headers.getlist(name) == invite.request.headers.getlist(name)
        assert cancel.headers["CSeq"] == "1 CANCEL"
        assert cancel.headers["Reason"] == "SIP;cause=200"
        assert "Require" not in cancel.headers
        assert "Proxy-Require" not in cancel.headers

    def test_the_cancels_own_response_stays_in_the_layer(self, lab, kit):
        invite, _ = lab.request("INVITE")
        lab.receive(kit.response_bytes(invite.data, 180))
        lab.layer.cancel(invite, lab.now)
        lab.layer.cancel(invite, lab.now)
        assert lab.collect() == ["send CANCEL"]
        cancel = lab.last(Send)
        assert lab.receive(kit.response_bytes(cancel.data, 200)) == []
        assert lab.receive(kit.response_bytes(invite.data, 487)) == ["send ACK", "response 487"]
        assert lab.run(40) == ["ended"]
        assert lab.is_empty()

    @pytest.mark.rfc("R3261-9.1-11")
    def test_64_t1_after_the_cancel_the_invite_fails(self, lab, kit):
        invite, _ = lab.request("INVITE")
        lab.receive(kit.response_bytes(invite.data, 180))
        lab.run(10)
        lab.layer.cancel(invite, lab.now)
        lab.run(100)
        assert lab.times("failed timeout") == [42]
        assert "after CANCEL" in lab.last(TransactionFailed).detail
        assert lab.is_empty()

    @pytest.mark.rfc("R3261-9.1-9")
    @pytest.mark.parametrize("code", [200, 486])
    def test_after_a_final_response_nothing_is_sent(self, lab, kit, code):
        invite, _ = lab.request("INVITE")
        lab.receive(kit.response_bytes(invite.data, code))
        lab.layer.cancel(invite, lab.now)
        assert lab.collect() == []

    @pytest.mark.rfc("R3261-9.1-1")
    def test_only_an_invite_can_be_cancelled(self, lab):
        options, _ = lab.request("OPTIONS")
        with pytest.raises(LocalProtocolError, match="only INVITE"):
            lab.layer.cancel(options, lab.now)

    def test_a_cancel_that_cannot_be_sent_is_left_to_the_invites_timer(self, lab, kit):
        invite, _ = lab.request("INVITE")
        lab.receive(kit.response_bytes(invite.data, 180))
        lab.layer.cancel(invite, lab.now)
        lab.collect()
        lab.layer.transport_failed(lab.last(Send).transaction, "unreachable", lab.now)
        assert lab.collect() == []
        assert lab.run(40) == ["failed timeout", "ended"]


class TestTransportFailures:
    @pytest.mark.rfc("R3261-17.1.4-1", "R3261-18.4-1", "R3261-18.4-3")
    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
    def test_a_request_that_cannot_be_sent_fails(self, lab, method):
        transaction, _ = lab.request(method)
        lab.layer.transport_failed(transaction, "network unreachable", lab.now)
        assert lab.collect() == ["failed transport", "ended"]
        assert lab.last(TransactionFailed).detail == "network unreachable"
        assert lab.is_empty()
        lab.layer.transport_failed(transaction, "network unreachable", lab.now)
        assert lab.collect() == []

    def test_a_response_that_cannot_be_sent_is_told_and_kept(self, lab, kit):
        transaction = lab.accept("INVITE")
        lab.respond(transaction, 486)
        lab.layer.transport_failed(transaction, "unreachable", lab.now)
        assert lab.collect() == ["failed transport"]
        assert lab.receive(kit.request_bytes("INVITE")) == ["send 486"]

    def test_a_lost_connection_fails_what_waits_on_it(self, tcp_lab, kit):
        remote = ("192.0.2.1", 5060)
        by_number, _ = tcp_lab.request(flow=kit.flow("TCP", remote, 7))
        by_remote, _ = tcp_lab.request("INVITE", flow=kit.flow("TCP", remote))
        other_number, _ = tcp_lab.request(flow=kit.flow("TCP", remote, 8))
        elsewhere, _ = tcp_lab.request(flow=kit.flow("TCP", ("192.0.2.2", 5060)))
        tcp_lab.layer.connection_lost(kit.flow("TCP", remote, 7), "reset", tcp_lab.now)
        assert tcp_lab.collect() == ["failed transport", "ended"] * 2
        assert by_number.state is by_remote.state is State.TERMINATED
        assert other_number.state is elsewhere.state is State.TRYING
        tcp_lab.layer.connection_lost(kit.flow("TCP", ("192.0.2.3", 1), 9), "reset", tcp_lab.now)
        assert tcp_lab.collect() == []


class TestBounds:
    def test_beyond_the_limit_requests_get_503_without_being_remembered(self, kit):
        lab = kit.Lab(limits=Limits(transactions=2))
        lab.accept(branch="z9hG4bK1", call_id="1")
        lab.accept("INVITE", branch="z9hG4bK2", call_id="2")
        for method in ("INVITE", "OPTIONS", "CANCEL"):
            assert lab.receive(kit.request_bytes(method, branch="z9hG4bK3", call_id="3")) == ["send 503"]
            send = lab.last(Send)
            assert send.transaction is None
            assert parse_message(send.data).headers["Retry-After"] == "32"
        assert len(lab.layer) == 2
        assert lab.layer.counters["overload"] == 3
        assert lab.receive(kit.request_bytes("ACK", branch="z9hG4bK3")) == ["dropped stray_ack"]

    def test_beyond_the_limit_our_request_fails_as_if_the_transport_refused_it(self, kit):
        lab = kit.Lab(limits=Limits(transactions=1))
        lab.accept()
        transaction, words = lab.request()
        assert words == ["failed transport", "ended"]
        assert transaction.state is State.TERMINATED
        assert len(lab.layer) == 1

    def test_every_table_is_empty_when_all_has_ended(self, lab, kit):
        for number in range(20):
            method = ("INVITE", "OPTIONS")[number % 2]
            via = None if number % 3 else f"SIP/2.0/UDP 192.0.2.1:{6000 + number}"
            transaction = lab.accept(method, branch=f"z9hG4bK{number}", call_id=str(number), via=via)
            if number % 5:
                lab.respond(transaction, 200 if number % 4 else 404)
            lab.request(method)
        lab.run(50)
        for transaction in list(lab.layer._servers.values()):
            lab.respond(transaction, 500)
        lab.run(50)
        assert lab.is_empty()

    def test_close_forgets_everything(self, tcp_lab, kit):
        transaction = tcp_lab.accept("INVITE", transport="TCP")
        client, _ = tcp_lab.request()
        tcp_lab.layer.close()
        assert tcp_lab.is_empty()
        assert transaction.state is client.state is State.TERMINATED
        assert tcp_lab.run(100) == []


class TestMalformed:
    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            (lambda text: text.replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"), 400),
            (lambda text: text.replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1), 505),
            (lambda text: text.replace(b"Content-Length: 0", b"Content-Length: 9"), 400),
            (lambda text: text.replace(b"From: ", b"From: <sip:other@x>;tag=1\r\nFrom: "), 400),
        ],
        ids=["cseq", "version", "length", "twice"],
    )
    def test_a_malformed_request_is_answered_without_being_remembered(self, lab, kit, wrong, code):
        data = wrong(kit.request_bytes())
        assert lab.receive(data) == [f"send {code}"]
        first = lab.last(Send)
        response = parse_message(first.data)
        assert response.to_tag
        assert response.top_via.received == "192.0.2.1"
        assert (first.flow, first.transaction) == (lab.flow, None)
        assert lab.is_empty()
        assert lab.layer.counters["malformed_answered"] == 1

    @pytest.mark.rfc("R3261-8.2.7-2", "R3261-8.2.7-5")
    def test_the_same_request_gets_the_same_answer(self, lab, kit):
        data = kit.request_bytes(cseq_method="INVITE")
        lab.receive(data)
        lab.receive(data)
        lab.receive(kit.request_bytes(cseq_method="INVITE", call_id="other"))
        tags = [parse_message(send.data).to_tag for send in lab.sent()]
        assert tags[0] == tags[1] != tags[2]
        assert lab.run(100) == []

    def test_the_reason_phrase_says_what_was_wrong_and_no_more(self, lab):
        error = MalformedMessage("b\xe4d\r\nEvil: yes\0 " + "x" * 500)
        request = lab.accept().request
        error.partial = Request("OPTIONS", "sip:us@192.0.2.9", headers=request.headers.items())
        lab.layer.reject_malformed(error, lab.flow)
        lab.collect()
        line = lab.last(Send).data.partition(b"\r\n")[0]
        assert line.startswith(b"SIP/2.0 400 b?d?Evil: yes? xxx")
        assert len(line) < 140

    @pytest.mark.rfc("R3261-8.2.7-3")
    def test_a_malformed_ack_is_dropped(self, lab, kit):
        (word,) = lab.receive(kit.request_bytes("ACK", cseq_method="INVITE"))
        assert word == "dropped malformed"
        assert lab.layer.counters["malformed"] == 1

    @pytest.mark.rfc("R3261-18.3-2")
    def test_a_malformed_response_is_dropped(self, lab, kit):
        transaction, _ = lab.request()
        (word,) = lab.receive(
            kit.response_bytes(transaction.data, 200).replace(b"Content-Length: 0", b"Content-Length: 9")
        )
        assert word.startswith("dropped ")

    @pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
    def test_a_request_without_what_an_answer_needs_is_dropped(self, lab, kit, name):
        (word,) = lab.receive(kit.request_bytes().replace(name + b":", b"X-Was:", 1))
        assert word.startswith("dropped ")

    @pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
    def test_a_request_whose_needed_fields_hold_nothing_is_dropped(self, lab, kit, name):
        lines = kit.request_bytes().split(b"\r\n")
        data = b"\r\n".join(name + b":" if line.startswith(name + b":") else line for line in lines)
        (word,) = lab.receive(data)
        assert word.startswith("dropped ")

    def test_an_unreadable_to_goes_back_as_it_came(self, lab, kit):
        data = kit.request_bytes().replace(b"To: <sip:us@192.0.2.9>", b'To: "us <sip:us@192.0.2.9>')
        assert lab.receive(data) == ["send 400"]
        assert b'To: "us <sip:us@192.0.2.9>\r\n' in lab.last(Send).data

    def test_an_unreadable_via_is_dropped(self, lab, kit):
        (word,) = lab.receive(kit.request_bytes(via="SIP/2.0/UDP host;branch=z9hG4bK1;rport=abc"))
        assert word.startswith("dropped ")

    def test_a_message_that_nobody_checked_is_dropped(self, tcp_lab, kit):
        request = kit.own_request(extra=[("Via", "nonsense")])
        tcp_lab.layer.receive_message(request, tcp_lab.flow, 0.0)
        (word,) = tcp_lab.collect()
        assert word.startswith("dropped ")

    def test_nul_is_not_echoed(self, lab, kit):
        (word,) = lab.receive(kit.request_bytes(call_id="a\0b"))
        assert word.startswith("dropped ")

    @pytest.mark.parametrize("data", [b"\r\n\r\n", b"\r\n", b"", b"\0\0\0\0"])
    def test_a_keep_alive_is_counted_only(self, lab, data):
        assert lab.receive(data) == []
        assert lab.layer.counters["keepalive"] == 1

    @pytest.mark.parametrize("data", [b"garbage", b"\xff" * 100, b"GET / HTTP/1.1\r\n\r\n"])
    def test_noise_is_dropped(self, lab, data):
        (word,) = lab.receive(data)
        assert word.startswith("dropped ")
        assert lab.last(Dropped).data == data

    def test_what_a_framer_could_not_read_is_answered_too(self, tcp_lab, kit):
        framer = Framer()
        framer.feed(kit.request_bytes(transport="TCP").replace(b"Content-Length: 0\r\n", b"Content-Length: x\r\n"))
        with pytest.raises(MalformedMessage) as raised:
            framer.next_message()
        tcp_lab.layer.reject_malformed(raised.value, tcp_lab.flow)
        assert tcp_lab.collect() == ["send 400"]
        assert tcp_lab.last(Send).flow is tcp_lab.flow


class TestTimerQueue:
    def test_a_shared_queue_is_popped_by_its_sharer(self, kit):
        lab = kit.Lab()
        transaction, _ = lab.request()
        queue = lab.layer.queue
        fired = queue.pop_due(0.5)
        assert fired == (transaction, Timer.E)
        lab.layer.fire(transaction, Timer.E, 0.5)
        assert lab.collect() == ["send OPTIONS"]

    def test_a_foreign_timer_in_expire_is_refused(self, lab):
        lab.layer.queue.start("dialog", "session", 1.0)
        with pytest.raises(LocalProtocolError, match="call fire"):
            lab.layer.expire(1.0)

    def test_a_queue_given_is_the_queue_used(self, kit):
        from sipstack.message import Tokens
        from sipstack.transactions import TransactionLayer

        queue = TimerQueue()
        layer = TransactionLayer(tokens=Tokens(bytes), queue=queue)
        assert layer.queue is queue
        assert layer.next_deadline() is None
        layer.send_request(kit.own_request(), kit.flow(), 0.0)
        assert layer.next_deadline() == queue.next_deadline() == 0.5


def test_what_things_look_like(lab):
    transaction, _ = lab.request()
    assert repr(transaction) == f"<NonInviteClient OPTIONS {transaction.branch} Trying>"
    assert repr(lab.accept()) == "<NonInviteServer OPTIONS call-1 Trying>"
