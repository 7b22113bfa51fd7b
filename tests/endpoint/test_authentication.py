"""Digest challenges to requests of ours (RFC 3261, 22; RFC 7616; RFC 8760)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, in_dialog, ok_to, opened, pick_up, scripted

ALICE = sip.Credentials("alice", "secret")
MD5 = 'Digest realm="b", nonce="n{}", qop="auth", algorithm=MD5'
SHA = 'Digest realm="b", nonce="s{}", qop="auth", algorithm=SHA-256'


def challenge(request, *values: str, code: int = 401):
    name = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"
    return response_to(request, code, headers=[(name, value) for value in values])


def script(net, steps, use, **options):
    """Run a scripted peer against one endpoint that uses it."""

    async def both(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", **options) as ep, trio.open_nursery() as nursery:
            nursery.start_soon(steps, peer)
            await use(ep)

    return both(net)


@pytest.mark.parametrize("code", [401, 407])
@pytest.mark.rfc("R3261-8.1.3.5-1", "R3261-8.1.3.5-6", "R3261-22.2-3", "R3261-22.2-8", "R3261-22.3-5")
def test_request_is_sent_again_with_credentials(code) -> None:
    async def registrar(peer) -> None:
        first = await peer.expect("OPTIONS")
        await peer.send(challenge(first, MD5.format(1), code=code))
        second = await peer.expect("OPTIONS")
        assert (second.call_id, second.from_tag) == (first.call_id, first.from_tag)
        assert second.cseq.sequence == first.cseq.sequence + 1
        assert second.top_via.branch != first.top_via.branch
        field = "Authorization" if code == 401 else "Proxy-Authorization"
        assert 'username="alice"' in second.headers[field]
        await peer.send(response_to(second, 200))

    async def use(ep) -> None:
        assert (await ep.request("OPTIONS", "sip:b:5060", credentials=ALICE)).code == 200

    sip.testing.run(lambda net: script(net, registrar, use))


@pytest.mark.parametrize("order", [(SHA, MD5), (MD5, SHA)])
def test_topmost_of_several_algorithms_is_answered(order) -> None:
    async def server(peer) -> None:
        await peer.send(challenge(await peer.expect("OPTIONS"), *(each.format(1) for each in order)))
        second = await peer.expect("OPTIONS")
        (field,) = second.headers.getlist("Authorization")
        assert f"algorithm={'SHA-256' if order[0] is SHA else 'MD5'}" in field
        await peer.send(response_to(second, 200))

    async def use(ep) -> None:
        assert (await ep.request("OPTIONS", "sip:b:5060", credentials=ALICE)).code == 200

    sip.testing.run(lambda net: script(net, server, use))


@pytest.mark.rfc("R3261-22.3-15", "R3261-22.3-16")
def test_two_realms_one_after_the_other() -> None:
    async def chain(peer) -> None:
        invite = await peer.expect("INVITE")
        await peer.send(challenge(invite, 'Digest realm="p", nonce="1", qop="auth"', code=407))
        await peer.expect("ACK")
        invite = await peer.expect("INVITE")
        assert "Proxy-Authorization" in invite.headers
        await peer.send(challenge(invite, 'Digest realm="b", nonce="2", qop="auth"'))
        await peer.expect("ACK")
        invite = await peer.expect("INVITE")
        assert 'username="pat"' in invite.headers["Proxy-Authorization"]
        assert 'username="bea"' in invite.headers["Authorization"]
        await peer.send(ok_to(peer, invite))
        ack = await peer.expect("ACK")
        for field in ("Authorization", "Proxy-Authorization"):
            assert ack.headers[field] == invite.headers[field]
        await peer.send(response_to(await peer.expect("BYE"), 200))

    async def use(ep) -> None:
        credentials = [sip.Credentials("bea", "x", realm="b"), sip.Credentials("pat", "y", realm="p")]
        async with ep.call("sip:b:5060", offer=SDP, credentials=credentials):
            pass

    sip.testing.run(lambda net: script(net, chain, use))


@pytest.mark.rfc("R3261-22.1-13")
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "REGISTER"])
def test_wrong_password_is_tried_once(method) -> None:
    attempts = []

    async def server(peer) -> None:
        for number in range(2):
            request = await peer.expect(method)
            attempts.append(request)
            await peer.send(challenge(request, MD5.format(number)))
            if method == "INVITE":
                await peer.expect("ACK")
        await peer.expect_nothing(40)

    async def use(ep) -> None:
        if method == "OPTIONS":
            assert (await ep.request("OPTIONS", "sip:b:5060", credentials=ALICE)).code == 401
        elif method == "INVITE":
            with pytest.raises(sip.CallFailed, match="401"):
                async with ep.call("sip:b:5060", offer=SDP, credentials=ALICE):
                    pass
        else:
            with pytest.raises(sip.RegistrationFailed, match="401"):
                async with ep.register("sip:alice@b:5060", credentials=ALICE):
                    pass
        assert ep.counters["challenges not answered"] == 1

    sip.testing.run(lambda net: script(net, server, use))
    assert len(attempts) == 2


def test_stale_nonces_without_end_are_given_up() -> None:
    attempts = []

    async def server(peer) -> None:
        with trio.move_on_after(60):
            while True:
                request = await peer.expect("OPTIONS")
                attempts.append(request)
                await peer.send(challenge(request, MD5.format(len(attempts)) + ", stale=true"))

    async def use(ep) -> None:
        assert (await ep.request("OPTIONS", "sip:b:5060", credentials=ALICE)).code == 401

    sip.testing.run(lambda net: script(net, server, use))
    assert 3 <= len(attempts) <= 8


def test_stale_nonce_is_replaced() -> None:
    async def server(peer) -> None:
        await peer.send(challenge(await peer.expect("OPTIONS"), MD5.format(1)))
        await peer.send(challenge(await peer.expect("OPTIONS"), MD5.format(2) + ", stale=true"))
        third = await peer.expect("OPTIONS")
        assert 'nonce="n2"' in third.headers["Authorization"]
        await peer.send(response_to(third, 200))

    async def use(ep) -> None:
        assert (await ep.request("OPTIONS", "sip:b:5060", credentials=ALICE)).code == 200

    sip.testing.run(lambda net: script(net, server, use))


@pytest.mark.parametrize(
    "field",
    ['Basic realm="b"', "Digest", 'Digest realm="b"', 'Digest realm="b", nonce="n", algorithm=ROT13', "", "Digest =,,"],
)
@pytest.mark.rfc("R3261-22.4-2")
def test_challenge_that_cannot_be_answered_is_returned(field) -> None:
    async def server(peer) -> None:
        await peer.send(challenge(await peer.expect("OPTIONS"), field))
        await peer.expect_nothing(5)

    async def use(ep) -> None:
        assert (await ep.request("OPTIONS", "sip:b:5060", credentials=ALICE)).code == 401

    sip.testing.run(lambda net: script(net, server, use))


def test_no_credentials_no_retry_and_bounded_counters() -> None:
    async def server(peer) -> None:
        for number in range(20):
            request = await peer.expect("OPTIONS")
            await peer.send(challenge(request, f'Digest realm="realm {number}", nonce="n"'))

    async def use(ep) -> None:
        for _ in range(20):
            assert (await ep.request("OPTIONS", "sip:b:5060")).code == 401
        assert ep.counters == {"challenges not answered": 20}

    sip.testing.run(lambda net: script(net, server, use))


@pytest.mark.rfc("R3261-22.2-4", "R3261-22.2-7")
def test_refresh_of_a_registration_is_authorized_beforehand() -> None:
    async def registrar(peer) -> None:
        await peer.send(challenge(await peer.expect("REGISTER"), MD5.format(1)))
        counts = []
        for seconds in (100, 100, 0):
            request = await peer.expect("REGISTER", timeout=100)
            counts.append(request.headers["Authorization"].partition("nc=")[2][:8])
            contact = f"<{request.contact[0].uri}>;expires={seconds}"
            await peer.send(response_to(request, 200, headers=[("Contact", contact)] if seconds else []))
        assert counts == ["00000001", "00000002", "00000003"]

    async def use(ep) -> None:
        async with ep.register("sip:alice@b:5060", credentials=ALICE, expires=100):
            await trio.sleep(70)

    trace = sip.testing.run(lambda net: script(net, registrar, use))
    assert trace.times("a>b REGISTER") == [0, 0, 68, 70]


def test_requests_within_a_call() -> None:
    async def callee(peer) -> None:
        invite = await peer.expect("INVITE")
        await peer.send(challenge(invite, MD5.format(1)))
        await peer.expect("ACK")
        await pick_up(peer)
        info = await peer.expect("INFO")
        assert "nc=00000002" in info.headers["Authorization"]  # unasked: the realm is known
        await peer.send(challenge(info, MD5.format(2) + ", stale=true"))
        info = await peer.expect("INFO")
        assert 'nonce="n2"' in info.headers["Authorization"]
        # A realm that was not there when the dialog began is not told anything.
        await peer.send(challenge(info, 'Digest realm="foreign", nonce="n", qop="auth"', code=407))
        await peer.send(response_to(await peer.expect("BYE"), 200))

    async def use(ep) -> None:
        async with ep.call("sip:b:5060", offer=SDP, credentials=ALICE) as call:
            assert (await call.request("INFO")).code == 407

    sip.testing.run(lambda net: script(net, callee, use))


def test_caller_gets_no_credentials_of_ours() -> None:
    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, opened(net, "udp://b:5060") as ep, trio.open_nursery() as nursery:

            async def callee() -> None:
                event = await anext(ep.events())
                async with event.call as call:
                    await call.answer(SDP)
                    await anext(call.events())
                    assert (await call.request("INFO")).code == 401

            nursery.start_soon(callee)
            await trio.sleep(0.1)
            invite = peer.request("INVITE", "sip:b:5060")
            await peer.send(invite, to="b:5060")
            ok = await peer.expect(200)
            ack = peer.request("ACK", "sip:b:5060", call_id=invite.call_id, from_tag=invite.from_tag, to_tag=ok.to_tag)
            await peer.send(ack)
            await peer.send(challenge(await peer.expect("INFO"), MD5.format(1)))
            await peer.send(response_to(await peer.expect("BYE"), 200))

    sip.testing.run(scenario)


def test_challenge_to_a_bye_is_answered_once() -> None:
    async def callee(peer) -> None:
        await peer.send(challenge(await peer.expect("INVITE"), MD5.format(1)))
        await peer.expect("ACK")
        await pick_up(peer)
        bye = await peer.expect("BYE")
        assert "nc=00000002" in bye.headers["Authorization"]
        await peer.send(challenge(bye, MD5.format(2) + ", stale=true"))
        again = await peer.expect("BYE")
        assert 'nonce="n2"' in again.headers["Authorization"]
        assert again.cseq.sequence == bye.cseq.sequence + 1
        await peer.send(response_to(again, 200))

    async def use(ep) -> None:
        async with ep.call("sip:b:5060", offer=SDP, credentials=ALICE) as call:
            pass
        assert call.end_reason == "local"

    sip.testing.run(lambda net: script(net, callee, use))


def test_challenged_bye_is_repeated_while_the_endpoint_closes() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, trio.open_nursery() as nursery:

            async def callee() -> None:
                await peer.send(challenge(await peer.expect("INVITE"), MD5.format(1)))
                await peer.expect("ACK")
                await pick_up(peer)
                await peer.send(challenge(await peer.expect("BYE"), MD5.format(2) + ", stale=true"))
                await peer.expect("BYE")  # "lost"
                await peer.send(response_to(await peer.expect("BYE", again=True), 200))

            nursery.start_soon(callee)
            async with sip.open_endpoint("udp://a:5060", network=net) as ep:
                async with ep.call("sip:b:5060", offer=SDP, credentials=ALICE):
                    pass
            assert trio.current_time() == 0.5

    sip.testing.run(scenario)


def test_challenge_to_a_bye_without_credentials_ends_the_call() -> None:
    async def callee(peer) -> None:
        await pick_up(peer)
        await peer.send(challenge(await peer.expect("BYE"), MD5.format(1)))
        await peer.expect_nothing(40)

    async def use(ep) -> None:
        async with ep.call("sip:b:5060", offer=SDP) as call:
            pass
        assert call.end_reason == "local"
        assert trio.current_time() == 0

    sip.testing.run(lambda net: script(net, callee, use))


def test_challenge_that_comes_while_the_call_ends_is_left_alone() -> None:
    async def callee(peer) -> None:
        await peer.send(challenge(await peer.expect("INVITE"), MD5.format(1)))
        await peer.expect("ACK")
        await pick_up(peer)
        info = await peer.expect("INFO")
        bye = await peer.expect("BYE")
        await peer.send(challenge(info, MD5.format(2) + ", stale=true"))
        await peer.expect_nothing(0.3)
        await peer.send(response_to(bye, 200))

    async def use(ep) -> None:
        async with ep.call("sip:b:5060", offer=SDP, credentials=ALICE) as call, trio.open_nursery() as nursery:

            async def info() -> None:
                assert (await call.request("INFO")).code == 401

            nursery.start_soon(info)
            await trio.sleep(0.1)
            await call.hangup()

    sip.testing.run(lambda net: script(net, callee, use))


def test_challenged_reinvite_gives_way_to_the_peers() -> None:
    async def callee(peer) -> None:
        await peer.send(challenge(await peer.expect("INVITE"), MD5.format(1)))
        await peer.expect("ACK")
        invite = await pick_up(peer)
        again = await peer.expect("INVITE")
        await peer.send(challenge(again, MD5.format(2) + ", stale=true"))
        await peer.expect("ACK")
        await peer.expect("INVITE")
        theirs = in_dialog(peer, invite, "INVITE", headers=[("Content-Type", "application/sdp")], body=SDP)
        await peer.send(theirs)
        await peer.expect(491)

    async def use(ep) -> None:
        async with ep.call("sip:b:5060", offer=SDP, credentials=ALICE) as call:
            with trio.move_on_after(5):
                await call.reinvite(SDP)

    sip.testing.run(lambda net: script(net, callee, use))
