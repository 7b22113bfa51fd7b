from __future__ import annotations

import pytest
import trio

from sipstack.message import Request, Response
from sipstack.testing import ScriptedPeer, request, response_to, run


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_two_peers_talk(scheme):
    async def scenario(net):
        async with ScriptedPeer(net, f"{scheme}://a:5060") as a, ScriptedPeer(net, f"{scheme}://b:5060") as b:
            await a.send(a.request("INVITE", "sip:b@b", body=b"x"), to="b:5060")
            invite = await b.expect("INVITE")
            assert isinstance(invite, Request)
            assert invite.body == b"x"
            await b.send(response_to(invite, 180))
            assert isinstance(await a.expect(180), Response)
            await b.send(response_to(invite, 200, contact="sip:b@b", headers=[("X-Test", "1")], body=b"y"))
            answer = await a.expect(200)
            assert answer.headers["X-Test"] == "1"
            assert answer.body == b"y"

    run(scenario)


def test_what_was_not_expected_is_told():
    async def scenario(net):
        async with ScriptedPeer(net, "a:5060") as a, ScriptedPeer(net, "b:5060") as b:
            await a.send(request("OPTIONS"), to="b:5060")
            with pytest.raises(AssertionError, match="expected INVITE, got OPTIONS"):
                await b.expect("INVITE")
            await b.send(response_to(request("OPTIONS"), 404))
            with pytest.raises(AssertionError, match="expected 200, got 404"):
                await a.expect(200)
            with pytest.raises(AssertionError, match="expected BYE, got nothing in 5 seconds"):
                await b.expect("BYE", timeout=5)
            assert trio.current_time() == 5

    run(scenario)


def test_retransmissions_are_passed_over_unless_asked_for():
    async def scenario(net):
        async with ScriptedPeer(net, "a:5060") as a, ScriptedPeer(net, "b:5060") as b:
            for _ in range(3):
                await a.send(request("OPTIONS"), to="b:5060")
            await b.expect("OPTIONS")
            await b.expect("OPTIONS", again=True)
            await b.expect_nothing(2)
            assert len(b.received) == 3
            await a.send(request("BYE"), to="b:5060")
            with pytest.raises(AssertionError, match="expected nothing"):
                await b.expect_nothing(2)

    run(scenario)


def test_response_goes_where_its_request_came_from():
    async def scenario(net):
        async with (
            ScriptedPeer(net, "a:5060") as a,
            ScriptedPeer(net, "b:5060") as b,
            ScriptedPeer(net, "c:5060") as c,
        ):
            await a.send(a.request("OPTIONS", "sip:b@b"), to="b:5060")
            await c.send(c.request("OPTIONS", "sip:b@b"), to="b:5060")
            first, second = await b.expect("OPTIONS"), await b.expect("OPTIONS")
            await b.send(response_to(first, 200))
            await b.send(response_to(second, 200))
            await a.expect(200)
            await c.expect(200)

    run(scenario)


def test_builders_say_what_they_are_told():
    made = request(
        "INVITE",
        to="sip:bob@b",
        uri="sip:bob@10.0.0.2",
        to_tag="t",
        contact="sip:a@10.0.0.1",
        headers=[("Subject", "x")],
        sequence=7,
    )
    assert str(made.uri) == "sip:bob@10.0.0.2"
    assert (made.from_tag, made.to_tag, made.cseq.sequence, made.cseq.method) == ("from-1", "t", 7, "INVITE")
    assert made.top_via.branch == "z9hG4bK-test-1"
    assert made.headers["Subject"] == "x"
    assert made.headers["Contact"] == "<sip:a@10.0.0.1>"
    assert "Via" not in request(via=None).headers
    assert response_to(request(), 100).to_tag is None
    assert response_to(request(), 486).phrase == "Busy Here"
    assert response_to(request(), 486).to_tag == "to-1"


def test_same_seed_same_ids():
    async def scenario(net):
        async with ScriptedPeer(net, "a:5060") as a:
            ids.append(a.request("OPTIONS", "sip:b").serialise())

    ids: list[bytes] = []
    run(scenario)
    run(scenario)
    assert ids[0] == ids[1]
