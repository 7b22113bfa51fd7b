"""The hooks that read like sentences."""

from __future__ import annotations

import pytest

from sipstack.message import LocalProtocolError, parse_message
from sipstack.outbound import Emission, Outbound, Point, Rule, first_of, on, on_point, on_response
from sipstack.testing import request, response_to
from sipstack.transactions import Flow

FLOW = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060), "10.0.0.1:5060")


def outbound(message=None, point=Point.REQUEST, number=1) -> Outbound:
    message = message or request("INVITE", headers=[("Content-Length", "0")])
    return Outbound(point, message, message.serialise(), FLOW, number)


OK = outbound(response_to(request("INVITE"), 200), Point.FINAL)


def written(rule: Rule, of: Outbound | None = None) -> bytes:
    emissions = rule(of or outbound())
    assert emissions is not None
    (emission,) = emissions
    return emission.data


@pytest.mark.parametrize(
    ("rule", "of", "is_meant"),
    [
        (on(), outbound(), True),
        (on(), OK, False),
        (on("INVITE"), outbound(), True),
        (on("BYE", "INVITE"), outbound(), True),
        (on("BYE"), outbound(), False),
        (on("INVITE", numbers=[1]), outbound(number=1), True),
        (on("INVITE", numbers=range(1, 3)), outbound(number=3), False),
        (on_response(), OK, True),
        (on_response(), outbound(), False),
        (on_response(200), OK, True),
        (on_response(180), OK, False),
        (on_response(200, "INVITE"), OK, True),
        (on_response(200, "BYE"), OK, False),
        (on_response(method="INVITE"), OK, True),
        (on_response(numbers=[2]), OK, False),
        (on_point(Point.FINAL), OK, True),
        (on_point(Point.FINAL, Point.REQUEST), outbound(), True),
        (on_point(Point.PROVISIONAL), OK, False),
        (on_point(Point.FINAL, numbers=[2]), OK, False),
    ],
)
def test_which_are_meant(rule, of, is_meant) -> None:
    assert rule(of) == ([Emission(of.data)] if is_meant else None)


def test_dropped() -> None:
    assert on().dropped()(outbound()) == []


def test_delayed_adds_up() -> None:
    data = outbound().data
    assert on().delayed(0.5).delayed(1.0)(outbound()) == [Emission(data, 1.5)]


def test_duplicated() -> None:
    data = outbound().data
    assert on().duplicated()(outbound()) == [Emission(data)] * 2
    assert on().delayed(1.0).duplicated(3, apart=0.25)(outbound()) == [Emission(data, 1.0 + n * 0.25) for n in range(3)]
    with pytest.raises(LocalProtocolError, match="dropped"):
        on().duplicated(0)


def test_headers_are_changed_in_the_order_asked_for() -> None:
    rule = on().without_header("Via").with_header("X", "1", "2").with_header("Max-Forwards", "0")
    message = parse_message(b"\r\n" + written(rule.with_header("Via", "SIP/2.0/UDP h;branch=z9hG4bK1")))
    assert message.headers.getlist("X") == ["1", "2"]
    assert message.headers["Max-Forwards"] == "0"
    assert message.headers.getlist("Via") == ["SIP/2.0/UDP h;branch=z9hG4bK1"]
    assert message.headers.keys().index("Max-Forwards") == 0


def test_content_length_can_be_wrong_or_missing() -> None:
    assert b"Content-Length: -1\r\n" in written(on().with_header("Content-Length", "-1"))
    assert b"Content-Length" not in written(on().without_header("l"))


def test_line_end_in_a_value_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        on().with_header("X", "a\r\nVia: b")(outbound())


def test_rule_leaves_the_message_to_the_next_hook_as_it_was() -> None:
    of = outbound()
    written(on().without_header("From"), of)
    assert "From" in of.message.headers


def test_changed_by_a_function() -> None:
    def shout(message) -> None:
        message.body = b"HELLO"

    assert written(on().changed(shout)).endswith(b"Content-Length: 0\r\n\r\nHELLO")


def test_raw() -> None:
    assert written(on().raw(b"\0\r\n")) == b"\0\r\n"
    rule = on().with_header("X", "y").raw(lambda data: data.replace(b"X: y", b"X: y\nZ"))
    assert b"X: y\nZ\r\n" in written(rule)


def test_rule_is_not_changed_by_what_is_made_of_it() -> None:
    rule = on("INVITE")
    rule.dropped()
    assert rule(outbound()) == [Emission(outbound().data)]


def test_first_of() -> None:
    hook = first_of(on("BYE").dropped(), on("INVITE").delayed(1.0), on().dropped())
    assert hook(outbound()) == [Emission(outbound().data, 1.0)]
    assert hook(outbound(request("BYE"))) == []
    assert hook(OK) is None
