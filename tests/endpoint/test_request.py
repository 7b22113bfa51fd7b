"""Requests outside of calls, both sides, and what an endpoint refuses by itself (RFC 3261, 8)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, TCP, UDP, WAYS, collecting, opened, phone, scripted


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-8.1.1-1", "R3261-8.1.1.6-1", "R3261-8.1.1.5-1", "R3261-11.2-2")
def test_request_returns_its_final_response(way) -> None:
    events: list = []

    async def take(event) -> None:
        await event.respond(202, "Fine", body=b"yes", content_type="text/plain", headers=[("X-A", "1")])

    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), take=collecting(events, take)), opened(net, way.listen("a")) as ep:
            response = await ep.request(
                "MESSAGE", way.uri("b"), body="grüß".encode(), headers=[("Subject", "hi")],
                from_uri='"Alice" <sip:alice@example.com>',
            )  # fmt: skip
            assert (response.code, response.phrase, response.body) == (202, "Fine", b"yes")
            assert response.headers["X-A"] == "1"
            response = await ep.request("OPTIONS", way.uri("b"))
            assert response.code == 202
            assert "Allow" in response.headers

    way.run(scenario)
    message, options = events
    assert isinstance(message, sip.MessageReceived)
    assert isinstance(options, sip.OptionsReceived)
    assert message.text == "grüß"
    assert message.request.content_type.mime_type == "text/plain"
    assert message.request.from_address.name == "Alice"
    assert message.request.max_forwards == 70
    assert message.request.headers["Subject"] == "hi"
    assert message.call is None


def test_failures_are_returned_too() -> None:
    async def take(event) -> None:
        await event.respond(int(event.request.uri.user))

    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", take=take), opened(net, "udp://a:5060") as ep:
            for code in (302, 404, 500, 603):
                assert (await ep.request("OPTIONS", f"sip:{code}@b:5060")).code == code

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-8.1.3.1-1")
def test_timeout_transport_and_resolve_errors() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060", "tcp://a:5060") as ep:
            with pytest.raises(sip.TransactionTimeout, match="OPTIONS"):
                await ep.request("OPTIONS", "sip:nobody@b:5060")
            assert trio.current_time() == 32
            with pytest.raises(sip.TransportError, match="refused"):
                await ep.request("OPTIONS", TCP.uri("b"))
            with pytest.raises(sip.ResolveError, match=r"nowhere\.invalid"):
                await ep.request("OPTIONS", "sip:nowhere.invalid")

    trace = sip.testing.run(scenario)
    assert trace.times("a>b OPTIONS")[:5] == [0, 0.5, 1.5, 3.5, 7.5]


def test_no_listener_for_the_family_is_a_transport_error() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.TransportError, match="IPv6"):
                await ep.request("OPTIONS", "sip:[fd00::2]:5060")

    sip.testing.run(scenario)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("INVITE", "sip:b"), "use invite"),
        (("ACK", "sip:b"), "use invite"),
        (("CANCEL", "sip:b"), "use invite"),
        (("OPTIONS", "bob"), "write it like sip:bob@example.com"),
        (("OPTIONS", "tel:+1234"), "names no host to send to; give a proxy"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(arguments, sentence) -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.LocalProtocolError, match=sentence):
                await ep.request(*arguments)

    sip.testing.run(scenario)


@pytest.mark.parametrize(
    "options",
    [
        {"from_uri": "no address <"},
        {"proxy": "proxy"},
        {"headers": [("Bad Name", "x")]},
        {"headers": [("X-A", "x\r\nEvil: yes")]},
        {"headers": [("To", "<sip:b>;tag=1")]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_wrong_fields_are_told_in_a_sentence(options) -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.LocalProtocolError):
                await ep.request("OPTIONS", "sip:b:5060", **options)
            with pytest.raises(sip.LocalProtocolError):
                async with ep.call("sip:b:5060", offer=SDP, **options):
                    pass

    trace = sip.testing.run(scenario)
    assert not trace.passages()


@pytest.mark.rfc("R3261-8.1.1.1-2", "R3261-8.1.2-7")
@pytest.mark.parametrize("is_of_endpoint", [False, True])
def test_proxy_is_a_route_set_of_one(is_of_endpoint) -> None:
    async def scenario(net) -> None:
        options = {"proxy": "sip:c:5080"}
        async with (
            scripted(net, "c:5080") as proxy,
            opened(net, "udp://a:5060", **(options if is_of_endpoint else {})) as ep,
            trio.open_nursery() as nursery,
        ):

            async def forward() -> None:
                request = await proxy.expect("OPTIONS")
                assert str(request.uri) == "tel:+1234"
                assert [str(each) for each in request.route] == ["<sip:c:5080;lr>"]
                await proxy.send(response_to(request, 200))

            nursery.start_soon(forward)
            response = await ep.request("OPTIONS", "tel:+1234", **({} if is_of_endpoint else options))
            assert response.code == 200

    sip.testing.run(scenario)


def test_cancelled_request_is_forgotten() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep:
            with trio.move_on_after(1) as scope:
                await ep.request("OPTIONS", "sip:b:5060", credentials=sip.Credentials("a", "b"))
            assert scope.cancelled_caught
            assert not ep._exchanges
            request = await peer.expect("OPTIONS")
            challenge = response_to(request, 401, headers=[("WWW-Authenticate", 'Digest realm="b", nonce="n"')])
            await peer.send(challenge)
            await peer.expect_nothing(5)  # nobody waits for it: it is not answered

    sip.testing.run(scenario)


# What an endpoint answers by itself.


@pytest.mark.rfc("R3261-8.2.1-2", "R3261-8.2.1-3", "R3261-8.2.1-4")
def test_405_with_allow() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", methods=("INVITE", "ACK", "BYE")), opened(net, "udp://a:5060") as ep:
            response = await ep.request("PUBLISH", "sip:b:5060")
            assert response.code == 405
            assert response.allow == ["INVITE", "ACK", "BYE"]

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-8.2.2.3-1", "R3261-8.2.2.3-2")
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_420_with_unsupported(method) -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            headers = [("Require", "timer, x-future")]
            if method == "INVITE":
                with pytest.raises(sip.CallFailed) as caught:
                    async with ep.call("sip:b:5060", offer=SDP, headers=headers, retries=False):
                        pass
                response = caught.value.response
            else:
                response = await ep.request(method, "sip:b:5060", headers=headers)
            assert response.code == 420
            assert response.unsupported == ["x-future"]

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-8.2.3-1", "R3261-8.2.3-2")
def test_415_with_accept() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", accept=("text/plain",)), opened(net, "udp://a:5060") as ep:
            response = await ep.request("MESSAGE", "sip:b:5060", body=b"\0", content_type="image/gif")
            assert response.code == 415
            assert response.headers["Accept"] == "text/plain"
            assert (await ep.request("MESSAGE", "sip:b:5060", body=b"hi")).code == 200

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-8.2.2.1-4")
def test_416_for_a_scheme_we_do_not_know() -> None:
    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060"):
            await peer.send(peer.request("OPTIONS", "soap:b"), to="b:5060")
            await peer.expect(416)

    sip.testing.run(scenario)


def test_message_that_is_too_large_for_udp_goes_by_tcp() -> None:
    events: list = []

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", "tcp://b:5060", take=collecting(events)),
            opened(net, "udp://a:5060", "tcp://a:5060") as ep,
        ):
            assert (await ep.request("MESSAGE", UDP.uri("b"), body=b"x" * 3000)).code == 200

    sip.testing.run(scenario)
    assert events[0].request.top_via.transport == "TCP"
