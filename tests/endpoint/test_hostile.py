"""What peers send that they should not: a 4xx or a counted drop, never an error in the user's tasks."""

from __future__ import annotations

import random

import pytest
import trio

import sipstack as sip
from sipstack.message import Request, Response
from sipstack.testing import response_to

from .kit import SDP, WITH_SDP, answer, in_dialog, ok_to, opened, phone, pick_up, scripted


async def is_well(net, port: int = 5090) -> None:
    async with sip.open_endpoint(f"udp://c:{port}", network=net) as c:
        assert (await c.request("OPTIONS", "sip:b:5060")).code == 200


def attack(send, **options):
    """Let a peer at "a" do something to a phone at "b", which must be well afterwards."""

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", **options) as b:
            await send(peer, b)
            await trio.sleep(1)
            await is_well(net)

    return sip.testing.run(scenario)


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REGISTER"])
@pytest.mark.parametrize("contact", ["<<>>", '"', "sip:", "<sip:a@b>;=x", "<sip:a b>"])
def test_malformed_contact_is_400(method, contact) -> None:
    async def send(peer, _) -> None:
        request = peer.request(method, "sip:b@b:5060")
        request.headers.set("Contact", contact)
        if method == "SUBSCRIBE":
            request.headers.add("Event", "presence")
        await peer.send(request, to="b:5060")
        response = await peer.expect(400)
        assert response.phrase != "Bad Request"  # it says what was wrong

    attack(send)


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("REGISTER", "Expires", "soon"),
        ("REGISTER", "Expires", "9" * 5000),
        ("MESSAGE", "Content-Type", "nothing"),
        ("MESSAGE", "Date", "yesterday"),
        ("NOTIFY", "Event", "="),
        ("OPTIONS", "Authorization", '"'),
        ("OPTIONS", "Accept", ";;;"),
    ],
)
def test_malformed_field_is_answered_before_the_user_sees_it(method, name, value) -> None:
    async def take(event) -> None:
        assert not isinstance(event, sip.RequestReceived) or name not in event.request.headers
        await answer(event)

    async def send(peer, _) -> None:
        await peer.send(peer.request(method, "sip:b@b:5060", headers=[(name, value)], body=b"x"), to="b:5060")
        response = await peer._next(again=False)
        assert isinstance(response, Response)
        assert 400 <= response.code < 500

    attack(send, take=take)


@pytest.mark.rfc("R3261-8.2.2-2")
@pytest.mark.parametrize(("name", "value"), [("Expires", "soon"), ("Date", "today"), ("Session-Expires", "x")])
def test_malformed_field_of_no_need_does_not_keep_a_call_out(name, value) -> None:
    async def send(peer, _) -> None:
        invite = peer.request("INVITE", "sip:b@b:5060", headers=[*WITH_SDP, (name, value)], body=SDP)
        await peer.send(invite, to="b:5060")
        await peer.expect(180)
        ok = await peer.expect(200)
        ids = {"call_id": invite.call_id, "from_tag": invite.from_tag, "to_tag": ok.to_tag}
        await peer.send(peer.request("ACK", "sip:b@b:5060", **ids))
        await peer.send(peer.request("BYE", "sip:b@b:5060", sequence=2, **ids))
        await peer.expect(200)

    attack(send)


GARBAGE = [
    b"\0" * 100,
    b"\xff" * 65_000,
    b"INVITE",
    b"INVITE sip:b SIP/2.0\r\n",
    b"INVITE sip:b SIP/2.0\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
    b"SIP/2.0 999999 OK\r\nVia: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    b"OPTIONS sip:b SIP/2.0\r\n" + b"X: y\r\n" * 9000 + b"\r\n",
    b"OPTIONS sip:b SIP/2.0\r\nVia: " + b"(" * 10_000 + b"\r\n\r\n",
]


def test_garbage_is_dropped_and_counted_by_few_names() -> None:
    async def send(peer, b) -> None:
        for data in GARBAGE:
            await peer.send(data, to="b:5060")
        for number in range(200):
            await peer.send(b"NONSENSE-%d %d\r\n\r\n" % (number, number))
        await trio.sleep(1)
        assert b.counters["dropped: malformed"] >= 200
        assert len(b.counters) < 10

    attack(send)


def test_stray_responses_and_acks_are_dropped() -> None:
    async def send(peer, b) -> None:
        request = peer.request("INVITE", "sip:b@b:5060")
        for code in (100, 180, 200, 404, 699):
            await peer.send(response_to(request, code), to="b:5060")
            forged = response_to(request, code)
            forged.headers.set("Via", "SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKnever")
            await peer.send(forged)
        await peer.send(peer.request("ACK", "sip:b@b:5060"))
        await peer.send(peer.request("ACK", "sip:b@b:5060", to_tag="nobody"))
        await peer.expect_nothing(1)
        assert b.counters["dropped: foreign_response"] == 5
        assert b.counters["dropped: stray_response"] == 5
        assert b.counters["dropped: stray_ack"] == 1

    attack(send)


def test_forged_via_gets_no_answer_elsewhere() -> None:
    async def send(peer, _) -> None:
        request = peer.request("OPTIONS", "sip:b@b:5060")
        request.headers.set("Via", "SIP/2.0/UDP 10.9.9.9:9;branch=z9hG4bKforged;received=10.8.8.8;rport")
        await peer.send(request, to="b:5060")
        response = await peer.expect(200)
        assert response.top_via.received == "10.0.0.1"

    attack(send)


@pytest.mark.parametrize(
    "change",
    [
        {"Content-Type": "((("},
        {"Expires": "never"},
        {"Record-Route": "<<"},
        {"Contact": "*"},
        {"Contact": "<tel:1>"},
        {"Allow": ";;"},
        {"Authentication-Info": '"'},
        {"Session-Expires": "x"},
        {"Record-Route": "<sips:x;lr>"},
    ],
    ids=str,
)
@pytest.mark.parametrize("code", [180, 200])
def test_strange_responses_to_our_invite(change, code) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", grace=0.5) as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                response = ok_to(peer, invite, code=code)
                for name, value in change.items():
                    response.headers.set(name, value)
                await peer.send(response)
                if code == 180:
                    await peer.send(ok_to(peer, invite))
                while True:
                    request = await peer._next(again=False)
                    if isinstance(request, Request) and request.method == "BYE":
                        await peer.send(response_to(request, 200))

            nursery.start_soon(callee)
            try:
                async with ep.call("sip:b:5060", offer=SDP) as call:
                    await trio.sleep(1)
                    assert call.remote_sdp is None or call.remote_sdp.startswith(b"v=0")
            except (sip.RemoteProtocolError, sip.TransportError, sip.CallEnded):
                pass
            nursery.cancel_scope.cancel()

    sip.testing.run(scenario)


@pytest.mark.parametrize(
    "fields",
    [
        [("Contact", "<<")],
        [("Content-Type", "(")],
        [("Record-Route", "<sips:x>")],
        [("Contact", "<sip:a@a>, <sip:b@b>")],
        [("Require", "x")],
        [("CSeq", "0 INVITE")],
        [("Max-Forwards", "x")],
    ],
    ids=str,
)
def test_strange_requests_in_a_call(fields) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                for sequence, method in enumerate(("INVITE", "INFO", "NOTIFY"), 5):
                    request = in_dialog(peer, invite, method, sequence=sequence, body=b"x")
                    for name, value in fields:
                        request.headers.set(name, value.replace("INVITE", method))
                    await peer.send(request)
                with trio.move_on_after(5):
                    while True:
                        await peer._next(again=False)
                done.set()
                await peer.send(response_to(await peer.expect("BYE"), 200))

            done = trio.Event()
            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call, trio.open_nursery() as inner:

                async def serve() -> None:
                    async for event in call.events():
                        if isinstance(event, sip.RequestReceived):
                            await event.respond(200)

                inner.start_soon(serve)
                await done.wait()
                assert not call.is_ended
                inner.cancel_scope.cancel()

    sip.testing.run(scenario)


def mutate(chance: random.Random, data: bytes) -> bytes:
    """Change a message in a few places, as a fuzzer would."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[place] = chance.randrange(256)
            case 1:
                del changed[place : place + chance.randint(1, 20)]
            case 2:
                changed[place:place] = chance.choice(
                    [b'"', b"<", b">", b";", b",", b"\r\n", b"\0", b"%", b"9" * 30, b" "]
                )
            case 3:
                lines = bytes(changed).split(b"\r\n")
                chance.shuffle(lines)
                changed = bytearray(b"\r\n".join(lines))
            case 4:
                lines = bytes(changed).split(b"\r\n")
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                changed = bytearray(b"\r\n".join(lines))
        if not changed:
            return data
    return bytes(changed)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_messages_on_top_of_calls(seed) -> None:
    """Whatever real peers say is said again with changes, to both sides, while they talk."""
    chance = random.Random(seed)

    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060", settles=False), sip.open_endpoint("udp://a:5060", network=net) as ep:
            trace = net.trace

            async def mangle(socket) -> None:
                seen = 0
                while True:
                    await trio.sleep(0.05)
                    records = [each for each in list(trace.records)[seen:] if each.direction == "sent"]
                    seen = len(trace.records)
                    for record in chance.sample(records, min(len(records), 10)):
                        for _ in range(5):
                            socket.send_nowait(mutate(chance, record.data), record.remote)

            async with trio.open_nursery() as nursery:
                socket = await net.host("c").open_datagram(net.address_of("c"), 5060)
                nursery.start_soon(mangle, socket)
                for _ in range(5):
                    try:
                        async with ep.register("sip:x@b:5060"), ep.call("sip:b:5060", offer=SDP) as call:
                            await trio.sleep(0.2)
                            await call.reinvite(SDP)
                            await call.request("INFO", body=b"x", content_type="text/plain")
                    except sip.SipError:
                        pass  # the mangled ones may well end a call: they know its tags
                nursery.cancel_scope.cancel()
            socket.close()
            await trio.sleep(40)
            assert (await ep.request("OPTIONS", "sip:b:5060")).code == 200
            async with ep.call("sip:b:5060", offer=SDP) as call:
                assert not call.is_ended

    sip.testing.run(scenario, seed=seed, delay=0.01)
