"""What a hook sees of each message, and how what it makes of one is written."""

from __future__ import annotations

import math

import pytest

from sipstack.message import LocalProtocolError, MalformedMessage, Request, Tokens
from sipstack.outbound import Emission, Outbound, Point, outbound_of
from sipstack.testing import request, response_to
from sipstack.transactions import Flow, RequestReceived, Send, TransactionLayer

FLOW = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060), "10.0.0.1:5060")
PEER = Flow("UDP", ("10.0.0.2", 5060), ("10.0.0.1", 5060), "10.0.0.2:5060")


def layer() -> TransactionLayer:
    return TransactionLayer(tokens=Tokens(bytes))


def sent(core: TransactionLayer) -> list[Send]:
    return [output for output in core.outputs if isinstance(output, Send)]


def points(core: TransactionLayer) -> list[Point]:
    return [outbound_of(output, 1).point for output in sent(core)]


def test_points_of_a_client() -> None:
    core = layer()
    invite = core.send_request(request("INVITE", via=None), FLOW, 0.0)
    core.receive(response_to(invite.request, 180).serialise(), FLOW, 0.1)
    core.cancel(invite, 0.2)
    core.receive(response_to(invite.request, 487).serialise(), FLOW, 0.3)
    core.send_ack(request("ACK", via=None, to_tag="to-1"), FLOW, 0.4)
    assert points(core) == [Point.REQUEST, Point.CANCEL, Point.ACK_NON_2XX, Point.ACK_2XX]


def test_points_of_a_server() -> None:
    core = layer()
    core.receive(request("INVITE").serialise(), PEER, 0.0)
    (received,) = (output for output in core.outputs if isinstance(output, RequestReceived))
    for code in (180, 200):
        core.respond(received.transaction, response_to(received.request, code), 0.1)
    core.receive(request("OPTIONS", branch="z9hG4bK-2", headers=[("To", "<sip:x@x>")]).serialise(), PEER, 0.2)
    assert points(core) == [Point.PROVISIONAL, Point.FINAL, Point.STATELESS]


def test_message_of_a_repetition_is_read_from_its_bytes() -> None:
    core = layer()
    options = request("OPTIONS")
    core.receive(options.serialise(), PEER, 0.0)
    (received,) = core.outputs
    assert isinstance(received, RequestReceived)
    core.respond(received.transaction, response_to(received.request, 200, body=b"x" * 70_000), 0.1)
    core.receive(options.serialise(), PEER, 0.2)
    first, again = sent(core)
    assert again.message is None
    assert outbound_of(again, 2).message == outbound_of(first, 1).message
    assert outbound_of(again, 2).point is Point.FINAL


def test_message_is_the_hooks_own() -> None:
    message = request("OPTIONS")
    outbound = outbound_of(Send(message.serialise(), FLOW, None, message), 1)
    outbound.message.headers.remove("From")
    assert "From" in message.headers


@pytest.mark.parametrize("headers", [[], [("Content-Length", "4")], [("l", "999"), ("l", "4")]], ids=str)
def test_what_was_not_changed_is_written_as_it_was(headers) -> None:
    message = request("MESSAGE", headers=headers, body=b"h\xc3\xb6n")
    outbound = outbound_of(Send(message.serialise(), FLOW, None, message), 1)
    assert outbound.message.headers.getlist("Content-Length") == ["4"]
    assert Emission.of(outbound.message).data == outbound.data


def test_content_length_is_written_as_it_says() -> None:
    message = request("MESSAGE", headers=[("Content-Length", "9999")], body=b"hello")
    assert b"\r\nContent-Length: 9999\r\n\r\nhello" in Emission.of(message).data


def test_start_line_with_a_line_end_is_refused() -> None:
    message = response_to(request(), 200)
    message.phrase = "OK\r\nX: y"
    with pytest.raises(LocalProtocolError, match="CR, LF or NUL"):
        Emission.of(message)


@pytest.mark.parametrize("delay", [-0.1, math.inf, math.nan])
def test_delay_that_is_none_is_refused(delay) -> None:
    with pytest.raises(LocalProtocolError, match="delay"):
        Emission(b"", delay)


def test_method() -> None:
    def method(message) -> str:
        return Outbound(Point.STATELESS, message, b"", FLOW).method

    invite = request("INVITE")
    assert method(invite) == method(response_to(invite, 400)) == "INVITE"
    broken = response_to(invite, 400)
    broken.headers.set("CSeq", "1")
    assert method(broken) == ""
    broken.headers.remove("CSeq")
    assert method(broken) == ""


def test_retransmission() -> None:
    message = Request("OPTIONS", "sip:b@b")
    assert not Outbound(Point.REQUEST, message, b"", FLOW).is_retransmission
    assert Outbound(Point.REQUEST, message, b"", FLOW, 2).is_retransmission


def test_bytes_without_a_message_that_are_none() -> None:
    with pytest.raises(MalformedMessage):
        outbound_of(Send(b"BYE", FLOW, None), 1)
