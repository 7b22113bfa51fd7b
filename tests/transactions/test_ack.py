"""Where the ACK of the INVITE client transaction goes, and that it goes with its transaction."""

import pytest

from sipstack.transactions import Send, TransactionEnded

ELSEWHERE = ("198.51.100.7", 5070)


@pytest.mark.rfc("R3261-17.1.1.2-20", "R6026-8.4-3", "R3263-4-2", "R3263-4.4-1")
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_the_ack_goes_where_the_invite_went(kit, transport):
    lab = kit.Lab(transport)
    flow = kit.flow(transport, ELSEWHERE, 3)
    invite, _ = lab.request("INVITE", flow)
    busy = kit.response_bytes(lab.sent()[0].data, 486)
    # The response comes by another way: from the next port, or by a connection of the peer's.
    other = kit.flow(transport, (ELSEWHERE[0], 40_000), 4)
    for _ in range(2):
        lab.receive(busy, other)
    invite_sent, *acks = [output for output in lab.sent() if isinstance(output, Send)]
    assert [ack.flow for ack in acks] == [flow] * len(acks)
    assert invite_sent.flow == flow
    assert all(ack.data.startswith(b"ACK ") for ack in acks)
    assert len(acks) == 2
    assert invite.flow == flow


@pytest.mark.rfc("R3261-9.1-10", "R3263-4-3")
def test_the_cancel_goes_where_the_invite_went(lab, kit):
    flow = kit.flow("UDP", ELSEWHERE)
    invite, _ = lab.request("INVITE", flow)
    lab.receive(kit.response_bytes(invite.data, 180), kit.flow("UDP", (ELSEWHERE[0], 40_000)))
    lab.layer.cancel(invite, lab.now)
    assert lab.collect() == ["send CANCEL"]
    assert lab.last(Send).flow == flow


@pytest.mark.rfc("R3261-17.2.1-14", "R3261-17.2.2-10", "R3261-17.1.2.2-12", "R3261-17.1.1.2-25")
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("is_ours", [True, False], ids=["client", "server"])
def test_what_is_terminated_is_gone_that_instant(lab, kit, method, is_ours):
    if is_ours:
        lab.request(method)
        lab.receive(kit.response_bytes(lab.sent()[0].data, 404))
    else:
        lab.respond(lab.accept(method), 404)
    while not any(isinstance(output, TransactionEnded) for _, output in lab.log):
        assert len(lab.layer) == 1
        lab.now = lab.layer.next_deadline()
        lab.layer.expire(lab.now)
        lab.collect()
    assert lab.is_empty()
