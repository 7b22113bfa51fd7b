"""INFO: packages, telephone keys of two kinds, and why calls end (RFC 6086, RFC 3326)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.message import Reason, parse_message
from sipstack.testing import response_to

from .kit import SDP, collecting, in_dialog, ok_to, opened, phone, pick_up, scripted

FOO = "application/foo"
TAKING = {"info_packages": ("foo", "Bar"), "accept": ("application/sdp", FOO)}


def during_a_call(script, serve, **options):
    """Let a scripted callee do something during a call of an endpoint's."""

    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", **options) as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await pick_up(peer)
                await script(peer, invite)
                await peer.send(response_to(await peer.expect("BYE"), 200))

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                await serve(call)

    return sip.testing.run(scenario)


def info(peer, invite, body: bytes = b"x", media: str = FOO, *, sequence: int = 1, headers=()):
    fields = [("Content-Type", media), *headers] if body else list(headers)
    return in_dialog(peer, invite, "INFO", sequence=sequence, headers=fields, body=body)


# Info Packages.


def test_packages_are_told_in_invites_and_their_2xx() -> None:
    events: list = []

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=collecting(events), **TAKING),
            opened(net, "udp://a:5060", info_packages=("baz",)) as ep,
            ep.call("sip:b:5060", offer=SDP) as call,
        ):
            await call.reinvite(SDP)
            await trio.sleep(1)

    trace = sip.testing.run(scenario)
    said = [parse_message(passage.record.data) for passage in trace.passages()]
    invites = [message for message in said if getattr(message, "method", None) == "INVITE"]
    answers = [m for m in said if getattr(m, "code", 0) == 200 and m.cseq.method == "INVITE"]
    assert len(invites) == len(answers) == 2
    assert [message.headers["Recv-Info"] for message in invites] == ["baz", "baz"]
    assert [message.headers["Recv-Info"] for message in answers] == ["foo, Bar", "foo, Bar"]


def test_an_info_of_a_package_is_an_event() -> None:
    async def script(peer, invite) -> None:
        await peer.send(info(peer, invite, headers=[("Info-Package", "FOO;v=1")]))
        await peer.expect(200)
        await peer.send(
            info(
                peer,
                invite,
                sequence=2,
                headers=[("Info-Package", "bar"), ("Content-Disposition", "Info-Package")],
            )
        )
        await peer.expect(200)
        await peer.send(info(peer, invite, b"", sequence=3, headers=[("Info-Package", "foo")]))
        await peer.expect(200)

    async def serve(call) -> None:
        for package, body in (("FOO", b"x"), ("bar", b"x"), ("foo", b"")):
            event = await anext(call.events())
            assert isinstance(event, sip.InfoReceived)
            assert (event.package, event.body, event.dtmf) == (package, body, None)
            await event.respond(200)

    during_a_call(script, serve, **TAKING)


def test_an_unknown_package_is_469_and_the_call_goes_on() -> None:
    async def script(peer, invite) -> None:
        for sequence, package in enumerate(("nil", "foobar", ""), 1):
            await peer.send(info(peer, invite, sequence=sequence, headers=[("Info-Package", package)]))
            refusal = await peer.expect(469)
            assert refusal.headers["Recv-Info"] == "foo, Bar"
        await peer.send(info(peer, invite, media="application/other", sequence=4, headers=[("Info-Package", "foo")]))
        assert (await peer.expect(415)).headers["Accept"]

    async def serve(call) -> None:
        await trio.sleep(1)
        assert not call.is_ended

    during_a_call(script, serve, **TAKING)


def test_where_no_package_is_taken_469_says_so() -> None:
    async def script(peer, invite) -> None:
        assert "Recv-Info" not in invite.headers
        await peer.send(info(peer, invite, media="text/plain", headers=[("Info-Package", "foo")]))
        assert (await peer.expect(469)).headers["Recv-Info"] == ""

    async def serve(call) -> None:
        await trio.sleep(1)

    during_a_call(script, serve)


def test_own_info_of_a_package_and_its_refusal() -> None:
    async def script(peer, invite) -> None:
        request = await peer.expect("INFO")
        assert request.headers["Info-Package"] == "foo"
        assert request.headers["Content-Disposition"] == "Info-Package"
        assert (request.headers["Content-Type"], request.body) == (FOO, b"data")
        await peer.send(response_to(request, 469, headers=[("Recv-Info", "")]))

    async def serve(call) -> None:
        assert (await call.info(b"data", FOO, package="foo")).code == 469
        assert not call.is_ended

    during_a_call(script, serve)


# Telephone keys.


@pytest.mark.parametrize(
    ("media", "body", "digit", "duration"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5", 160),
        ("application/dtmf-relay", b"Signal= 5\nDuration= 250", "5", 250),
        ("application/dtmf-relay", b"signal=#\r\n", "#", None),
        ("Application/DTMF-Relay;x=y", b"Signal=10\r\nDuration=100", "*", 100),
        ("application/dtmf-relay", b"Signal=16\r\n", "!", None),
        ("application/dtmf-relay", b"Signal=d\r\nDuration=-1\r\n", "D", None),
        ("application/dtmf-relay", b"Signal=1\r\nDuration=9999999999\r\n", "1", None),
        ("application/dtmf", b"7", "7", None),
        ("application/dtmf", b"  *\r\n", "*", None),
        ("application/dtmf-relay", b"Signal=55\r\n", None, None),
        ("application/dtmf-relay", b"Duration=160\r\n", None, None),
        ("application/dtmf-relay", b"\xff\x00", None, None),
        ("application/dtmf", b"", None, None),
        ("text/plain", b"5", None, None),
    ],
)
def test_keys_by_info(media, body, digit, duration) -> None:
    async def script(peer, invite) -> None:
        await peer.send(info(peer, invite, body, media))
        await peer.expect(200)

    async def serve(call) -> None:
        event = await anext(call.events())
        assert event.package is None
        assert event.dtmf == (None if digit is None else sip.Dtmf(digit, duration))
        await event.respond(200)

    during_a_call(script, serve)


def test_keys_are_sent_one_after_the_other() -> None:
    async def script(peer, invite) -> None:
        for key in "1*#":
            request = await peer.expect("INFO")
            assert request.headers["Content-Type"] == "application/dtmf-relay"
            assert request.body == f"Signal={key}\r\nDuration=80\r\n".encode()
            assert "Info-Package" not in request.headers
            await trio.sleep(0.1)  # the next comes with the answer, not before
            await peer.send(response_to(request, 200))

    async def serve(call) -> None:
        await call.send_dtmf("1*#", duration=80)

    during_a_call(script, serve)


def test_keys_arrive_as_they_were_sent() -> None:
    keys: list = []

    async def take(event) -> None:
        match event:
            case sip.InviteReceived(call=call):
                async with call:
                    await call.answer(SDP)
                    async for inner in call.events():
                        if isinstance(inner, sip.InfoReceived):
                            keys.append(inner.dtmf)
                            await inner.respond(200)

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=take),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP) as call,
        ):
            await call.send_dtmf("0123456789*#ABCD!")

    sip.testing.run(scenario, loss=0.2, seed=5)
    assert keys == [sip.Dtmf(key, 160) for key in "0123456789*#ABCD!"]


# Why a call ends.

WHY = Reason.parse('Q.850;cause=16;text="Normal, as \\"they\\" say"')


@pytest.mark.parametrize("ender", ["caller", "callee"])
def test_reason_of_a_bye(ender) -> None:
    seen: list = []

    async def take(event) -> None:
        match event:
            case sip.InviteReceived(call=call):
                async with call:
                    await call.answer(SDP)
                    if ender == "callee":
                        await trio.sleep(1)
                        await call.hangup(reason=WHY)
                    async for inner in call.events():
                        seen.append(inner)

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=take),
            opened(net, "udp://a:5060") as ep,
            ep.call("sip:b:5060", offer=SDP) as call,
        ):
            if ender == "caller":
                await trio.sleep(1)
                await call.hangup(reason=WHY)
            async for inner in call.events():
                seen.append(inner)

    sip.testing.run(scenario)
    (bye,) = [event for event in seen if isinstance(event, sip.ByeReceived)]
    assert bye.reasons == [WHY]


@pytest.mark.parametrize("when", ["ringing", "before any response"])
def test_reason_of_a_cancel(when) -> None:
    seen: list = []

    async def take(event) -> None:
        match event:
            case sip.InviteReceived(call=call):
                async with call:
                    await call.ring()
                    async for inner in call.events():
                        seen.append(inner)

    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060", take=take),
            opened(net, "udp://a:5060") as ep,
            ep.invite("sip:b:5060", offer=SDP) as fork,
        ):
            await trio.sleep(1 if when == "ringing" else 0.01)
            await fork.cancel(reason='SIP;cause=200;text="Call completed elsewhere"')

    sip.testing.run(scenario, delay=0.05)
    (cancel,) = seen
    assert isinstance(cancel, sip.CancelReceived)
    assert [(reason.protocol, reason.cause) for reason in cancel.reasons] == [("SIP", 200)]


@pytest.mark.parametrize(
    ("fields", "count"), [((), 0), (("Reason", "SIP;cause=16, Q.850;cause=31"), 2), (("Reason", ";;"), 0)]
)
def test_reasons_of_all_kinds_of_peers(fields, count) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                invite = await peer.expect("INVITE")
                await peer.send(ok_to(peer, invite))
                await peer.expect("ACK")
                headers = [fields] if fields else []
                await peer.send(in_dialog(peer, invite, "BYE", headers=headers))
                await peer.expect(200)

            nursery.start_soon(callee)
            async with ep.call("sip:b:5060", offer=SDP) as call:
                bye = await anext(call.events())
                assert isinstance(bye, sip.ByeReceived)
                assert len(bye.reasons) == count

    sip.testing.run(scenario)
