"""INVITEs that are refused and sent again: redirected, challenged, changed, or later (RFC 3261, 8.1.3.4, 8.1.3.5)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, SDP_2, SDP_3, WITH_SDP, drain, names, ok_to, opened, scripted

ALICE = sip.Credentials("alice", "secret")
CHALLENGE = 'Digest realm="b", nonce="n{}", qop="auth", algorithm=SHA-256'


def refusing(*refusals, answers: bool = True, seen: list | None = None):
    """Refuse one INVITE after another, then answer; note the INVITEs."""

    async def callee(peer) -> None:
        for code, *headers in refusals:
            invite = await peer.expect("INVITE")
            if seen is not None:
                seen.append(invite)
            await peer.send(response_to(invite, code, headers=headers))
            await peer.expect("ACK")
        if answers:
            invite = await peer.expect("INVITE")
            if seen is not None:
                seen.append(invite)
            await peer.send(ok_to(peer, invite, to_tag="last"))
            await peer.expect("ACK")
            await peer.send(response_to(await peer.expect("BYE"), 200))
        else:
            await peer.expect_nothing(60)

    return callee


def run(callee, use, **options):
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", **options) as ep, trio.open_nursery() as nursery:
            nursery.start_soon(callee, peer)
            await use(ep)

    return sip.testing.run(scenario)


def assert_one_call_of_many_attempts(invites) -> None:
    """See that each attempt is a transaction of its own and all are one call."""
    first = invites[0]
    for number, invite in enumerate(invites):
        assert (invite.call_id, invite.from_tag, invite.to_tag) == (first.call_id, first.from_tag, None)
        assert invite.cseq.sequence == first.cseq.sequence + number
    assert len({invite.top_via.branch for invite in invites}) == len(invites)


async def answered(ep, *, events: list | None = None, **options) -> None:
    async with ep.invite("sip:b:5060", offer=options.pop("offer", SDP), **options) as fork:
        await fork.answered()
        if events is not None:
            with trio.move_on_after(0.1):
                await drain(fork.events(), events)


@pytest.mark.parametrize(
    ("refusal", "options", "check"),
    [
        (
            (401, ("WWW-Authenticate", CHALLENGE.format(1))),
            {"credentials": ALICE},
            lambda invite: 'username="alice"' in invite.headers["Authorization"],
        ),
        (
            (407, ("Proxy-Authenticate", CHALLENGE.format(1))),
            {"credentials": ALICE},
            lambda invite: 'username="alice"' in invite.headers["Proxy-Authorization"],
        ),
        (
            (420, ("Unsupported", "timer")),
            {"require": ["timer", "100rel"]},
            lambda invite: invite.require == ["100rel"],
        ),
        (
            (422, ("Min-SE", "1200")),
            {"session_expires": 600},
            lambda invite: (invite.min_se, invite.session_expires.seconds) == (1200, 1200),
        ),
        ((503, ("Retry-After", "3")), {"patience": 5}, lambda invite: invite.body == SDP),
        ((491,), {"patience": 5}, lambda invite: invite.body == SDP),
        ((480, ("Retry-After", "1")), {"patience": 5}, lambda invite: invite.body == SDP),
        ((486, ("Retry-After", "1")), {"patience": 5}, lambda invite: invite.body == SDP),
        ((484,), {"retry": lambda request, _: longer(request)}, lambda invite: invite.uri.user == "100"),
        ((488,), {"retry": lambda request, _: with_body(request, SDP_2)}, lambda invite: invite.body == SDP_2),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else None,
)
@pytest.mark.rfc("R3261-8.1.3.5-5", "R3261-8.1.3.5-6")
def test_a_refusal_that_may_be_mended_is(refusal, options, check) -> None:
    invites: list = []
    events: list = []

    async def use(ep) -> None:
        await answered(ep, events=events, **options)

    trace = run(refusing(refusal, seen=invites), use)
    assert_one_call_of_many_attempts(invites)
    assert check(invites[1])
    assert len(trace.times("a>b INVITE")) == 2
    if refusal[0] in (401, 407):
        assert names(events) == ["Answered"], "a challenge is part of asking"
    else:
        assert names(events) == ["Retried", "Answered"]
        assert events[0].response.code == refusal[0]
        assert events[0].request.cseq.sequence == 2
        assert events[0].request.uri == invites[1].uri


def longer(request):
    request.uri = request.uri.replace(user="100")
    return request


def with_body(request, body):
    request.body = body
    return request


@pytest.mark.rfc("R3261-8.1.3.5-3")
def test_415_is_tried_again_with_the_description_alone() -> None:
    text = b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n"
    body = b"--x\r\nContent-Type: application/sdp\r\n\r\n" + SDP + b"\r\n" + text
    invites: list = []

    async def with_parts(ep) -> None:
        def use_parts(request, response):
            if response.code != 484:
                return None
            request.headers.set("Content-Type", "multipart/mixed;boundary=x")
            request.body = body
            return request

        await answered(ep, retry=use_parts)

    run(refusing((484,), (415, ("Accept", "application/sdp, text/html")), seen=invites), with_parts)
    assert_one_call_of_many_attempts(invites)
    assert invites[1].body == body
    assert (invites[2].headers["Content-Type"], invites[2].body) == ("application/sdp", SDP)


@pytest.mark.parametrize(
    ("refusal", "options"),
    [
        ((401, ("WWW-Authenticate", CHALLENGE.format(1))), {}),
        ((415, ("Accept", "text/plain")), {}),
        ((420, ("Unsupported", "other")), {"require": ["timer"]}),
        ((420,), {"require": ["timer"]}),
        ((422,), {"session_expires": 600}),
        ((422, ("Min-SE", "x")), {"session_expires": 600}),
        ((422, ("Min-SE", "1200")), {"session_expires": 600, "retries": False}),
        ((484,), {}),
        ((488,), {"retry": lambda request, response: None}),
        ((491,), {}),
        ((503, ("Retry-After", "6")), {"patience": 5}),
        ((503, ("Retry-After", "never")), {"patience": 5}),
        ((503,), {"patience": 5}),
        ((486,), {"patience": 5}),
        ((302, ("Contact", "<sip:c:5060>")), {}),
        ((603, ("Retry-After", "1")), {}),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else None,
)
def test_a_refusal_that_cannot_be_mended_is_the_end(refusal, options) -> None:
    async def use(ep) -> None:
        with pytest.raises(sip.CallFailed) as caught:
            await answered(ep, **options)
        assert caught.value.response.code == refusal[0]
        assert trio.current_time() == 0

    run(refusing(refusal, answers=False), use)


@pytest.mark.parametrize(
    ("refusal", "options"),
    [
        ((401, ("WWW-Authenticate", CHALLENGE.format(1))), {"credentials": ALICE}),
        ((422, ("Min-SE", "1200")), {"session_expires": 600}),
        ((420, ("Unsupported", "timer")), {"require": ["timer"]}),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else None,
)
def test_the_same_refusal_twice_is_the_end(refusal, options) -> None:
    invites: list = []

    async def use(ep) -> None:
        with pytest.raises(sip.CallFailed):
            await answered(ep, **options)

    run(refusing(refusal, refusal, answers=False, seen=invites), use)
    assert_one_call_of_many_attempts(invites)


def test_retries_of_all_kinds_one_after_the_other() -> None:
    invites: list = []
    events: list = []

    async def use(ep) -> None:
        await answered(
            ep,
            events=events,
            credentials=ALICE,
            require=["timer"],
            session_expires=300,
            patience=10,
            retry=lambda request, response: with_body(request, SDP_3) if response.code == 488 else None,
        )
        assert trio.current_time() >= 6

    run(
        refusing(
            (407, ("Proxy-Authenticate", CHALLENGE.format(1))),
            (422, ("Min-SE", "500")),
            (422, ("Min-SE", "700")),
            (420, ("Unsupported", "timer")),
            (491,),
            (503, ("Retry-After", "4")),
            (488,),
            seen=invites,
        ),
        use,
    )
    assert_one_call_of_many_attempts(invites)
    assert [event.response.code for event in events[:-1]] == [422, 422, 420, 491, 503, 488]
    assert [event.after for event in events[:-1]] == [0, 0, 0, 2, 4, 0]
    last = invites[-1]
    assert (last.min_se, last.session_expires.seconds, last.require, last.body) == (700, 700, [], SDP_3)
    assert "Proxy-Authorization" in last.headers


def test_no_invite_is_sent_for_ever() -> None:
    invites: list = []

    async def use(ep) -> None:
        with pytest.raises(sip.CallFailed):
            await answered(ep, retry=lambda request, response: request)

    run(refusing(*[(488,)] * 20, answers=False, seen=invites), use)
    assert_one_call_of_many_attempts(invites)


def test_what_a_function_makes_and_cannot_be_sent_is_its_users_error() -> None:
    def another_call(request, response):
        request.call_id = "another"
        return request

    async def use(ep) -> None:
        events: list = []
        async with ep.invite("sip:b:5060", offer=SDP, retry=another_call) as fork:
            with pytest.raises(sip.LocalProtocolError, match="Call-ID"):
                await fork.answered()
            await drain(fork.events(), events)
        assert names(events) == ["Failed"]
        assert not ep._forks

    run(refusing((488,), answers=False), use)


@pytest.mark.parametrize("way", ["cancel", "leave", "scope", "close"])
def test_who_gives_up_while_a_retry_waits_sends_nothing_more(way) -> None:
    async def use(ep) -> None:
        with trio.CancelScope() as scope:
            async with ep.invite("sip:b:5060", offer=SDP, patience=60) as fork:
                retried = await anext(fork.events())
                assert isinstance(retried, sip.Retried)
                assert retried.after == 30
                await trio.sleep(5)
                if way == "cancel":
                    await fork.cancel()
                    assert trio.current_time() == 5
                    with pytest.raises(sip.CallEnded, match="cancelled"):
                        await fork.answered()
                elif way == "scope":
                    scope.cancel()
                    await trio.sleep_forever()
        assert trio.current_time() == 5
        assert not ep._forks

    async def closing(ep) -> None:
        async with trio.open_nursery() as nursery:
            fork = await nursery.start(hold_patiently, ep)
            await trio.sleep(5)
            await ep._close()
            with pytest.raises(sip.CallEnded, match="closed"):
                await fork.answered()
            nursery.cancel_scope.cancel()

    trace = run(refusing((503, ("Retry-After", "30")), answers=False), closing if way == "close" else use)
    assert len(trace.times("a>b INVITE")) == 1
    assert not trace.times("a>b CANCEL")


async def hold_patiently(ep, *, task_status=trio.TASK_STATUS_IGNORED) -> None:
    async with ep.invite("sip:b:5060", offer=SDP, patience=60) as fork:
        task_status.started(fork)
        await trio.sleep_forever()


# Redirections.


def redirected(*steps, seen: list, host: str = "b"):
    """Answer each INVITE by what stands there for the user part of its Request-URI."""

    async def callee(peer) -> None:
        plans = dict(steps)
        with trio.move_on_after(200):
            while True:
                request = await peer._next(again=False)
                if getattr(request, "method", None) == "BYE":
                    await peer.send(response_to(request, 200))
                if getattr(request, "method", None) != "INVITE":
                    continue
                seen.append(request)
                code, *contacts = plans[request.uri.user or ""]
                if code == 200:
                    await peer.send(ok_to(peer, request))
                else:
                    fields = [("Contact", ", ".join(contacts))] if contacts else []
                    await peer.send(response_to(request, code, headers=fields))

    return callee


def users(invites) -> list[str]:
    return [invite.uri.user or "" for invite in invites]


@pytest.mark.rfc(
    "R3261-8.1.3.4-1", "R3261-8.1.3.4-2", "R3261-8.1.3.4-4", "R3261-8.1.3.4-5", "R3261-8.1.3.4-6", "R3261-8.1.3.4-7",
    "R3261-8.1.3.4-8", "R3261-8.1.3.4-11", "R3261-8.1.3.4-12", "R3261-8.1.3.4-13", "R3261-13.2.2.2-1",
)  # fmt: skip
def test_contacts_are_tried_by_their_q_each_once() -> None:
    invites: list = []
    events: list = []

    async def use(ep) -> None:
        async with ep.invite(
            "sip:first@b:5060", offer=SDP, headers=[("Subject", "tea")], redirects=sip.FollowRedirects()
        ) as fork:
            await fork.answered()
            with trio.move_on_after(0.1):
                await drain(fork.events(), events)

    run(
        redirected(
            (
                "first",
                (302, "<sip:low@b:5060>;q=0.1", "<sip:high@b:5060;method=INVITE?Subject=no&body=x>;q=0.9",
                 "<sip:mid@b:5060>;q=0.5", "<sip:first@b:5060>;q=0.8", "<tel:+1>;q=1.0", "<sip:bye@b:5060;method=BYE>"),
            ),
            ("high", (486,)),
            ("mid", (302, "<sip:first@b:5060>", "<sip:high@b:5060>", "<sip:deep@b:5060>;q=0.3")),
            ("deep", (480,)),
            ("low", (200,)),
            seen=invites,
        ),
        use,
    )  # fmt: skip
    assert users(invites) == ["first", "high", "mid", "deep", "low"]
    assert_one_call_of_many_attempts(invites)
    for invite in invites:
        assert invite.body == SDP
        assert invite.headers["Subject"] == "tea"
        assert str(invite.to_address.uri) == "sip:first@b:5060"
        assert not invite.uri.headers
        assert "method" not in invite.uri.parameters
    assert names(events) == ["Retried"] * 4 + ["Answered"]


def test_a_loop_of_redirections_ends() -> None:
    invites: list = []

    async def use(ep) -> None:
        with pytest.raises(sip.CallFailed) as caught:
            async with ep.call("sip:one@b:5060", offer=SDP, redirects=sip.FollowRedirects()):
                pass
        assert caught.value.response.code == 301

    run(redirected(("one", (302, "<sip:two@b:5060>")), ("two", (301, "<sip:one@B:5060>")), seen=invites), use)
    assert users(invites) == ["one", "two"]


def test_redirections_are_followed_up_to_the_limit() -> None:
    invites: list = []

    async def use(ep) -> None:
        with pytest.raises(sip.CallFailed):
            async with ep.call("sip:0@b:5060", offer=SDP, redirects=sip.FollowRedirects(limit=3)):
                pass

    run(redirected(*[(str(n), (302, f"<sip:{n + 1}@b:5060>")) for n in range(9)], seen=invites), use)
    assert users(invites) == ["0", "1", "2", "3"]


def test_a_6xx_ends_the_search() -> None:
    invites: list = []

    async def use(ep) -> None:
        with pytest.raises(sip.CallFailed) as caught:
            async with ep.call("sip:one@b:5060", offer=SDP, redirects=sip.FollowRedirects()):
                pass
        assert caught.value.response.code == 603

    run(redirected(("one", (300, "<sip:two@b:5060>", "<sip:three@b:5060>")), ("two", (603,)), seen=invites), use)
    assert users(invites) == ["one", "two"]


@pytest.mark.rfc("R3261-8.1.3.4-3")
def test_a_redirection_away_from_sips_is_not_followed_and_told() -> None:
    from sipstack.endpoint._forking import Targets
    from sipstack.message import URI

    request = sip.testing.request("INVITE", to="sips:bob@b")
    targets = Targets(sip.FollowRedirects(), request.uri)
    targets.add(response_to(request, 302, headers=[("Contact", "<sip:bob@c>;q=1, <sips:bob@d>;q=0.2, <tel:+1>;q=0.5")]))
    following = targets.next_request(request)
    assert following.uri == URI.parse("sips:bob@d")
    assert targets.next_request(following) is None


@pytest.mark.parametrize("contacts", [(), ("*",), ("<<>",), ("<mailto:x@y>",), ("<sip:one@b:5060>",)])
def test_a_redirection_to_nowhere_is_the_end(contacts) -> None:
    invites: list = []

    async def use(ep) -> None:
        with pytest.raises(sip.CallFailed):
            async with ep.call("sip:one@b:5060", offer=SDP, redirects=sip.FollowRedirects()):
                pass

    run(redirected(("one", (302, *contacts)), seen=invites), use)
    assert users(invites) == ["one"]


def test_a_target_that_cannot_be_reached_gives_way_to_the_next() -> None:
    invites: list = []

    async def use(ep) -> None:
        async with ep.call("sip:one@b:5060", offer=SDP, redirects=sip.FollowRedirects()):
            pass

    run(
        redirected(
            ("one", (302, "<sip:x@nowhere.invalid>;q=1", "<sip:two@b:5060>;q=0.5")), ("two", (200,)), seen=invites
        ),
        use,
    )
    assert users(invites) == ["one", "two"]


def test_a_redirected_call_is_challenged_and_refused_and_goes_on() -> None:
    invites: list = []

    async def callee(peer) -> None:
        invite = await peer.expect("INVITE")
        invites.append(invite)
        await peer.send(response_to(invite, 302, headers=[("Contact", "<sip:two@b:5060>, <sip:three@b:5060>;q=0.1")]))
        await peer.expect("ACK")
        invite = await peer.expect("INVITE")
        invites.append(invite)
        await peer.send(response_to(invite, 401, headers=[("WWW-Authenticate", CHALLENGE.format(1))]))
        await peer.expect("ACK")
        invite = await peer.expect("INVITE")
        invites.append(invite)
        await peer.send(response_to(invite, 404))
        await peer.expect("ACK")
        invite = await peer.expect("INVITE")
        invites.append(invite)
        await peer.send(response_to(invite, 200, contact="sip:peer@b:5060", headers=WITH_SDP, body=SDP_2))
        await peer.expect("ACK")
        await peer.send(response_to(await peer.expect("BYE"), 200))

    async def use(ep) -> None:
        async with ep.call("sip:one@b:5060", offer=SDP, credentials=ALICE, redirects=sip.FollowRedirects()) as call:
            assert call.remote_sdp == SDP_2

    run(callee, use)
    assert users(invites) == ["one", "two", "two", "three"]
    assert_one_call_of_many_attempts(invites)


def test_early_legs_of_a_refused_attempt_are_over() -> None:
    async def callee(peer) -> None:
        invite = await peer.expect("INVITE")
        await peer.send(ok_to(peer, invite, code=183, to_tag="old"))
        await peer.send(response_to(invite, 491, to_tag="old"))
        await peer.expect("ACK")
        invite = await peer.expect("INVITE")
        await peer.send(ok_to(peer, invite, code=183, to_tag="old"))  # the same callee, with the same tag
        await peer.send(ok_to(peer, invite, to_tag="old"))
        await peer.expect("ACK")
        await peer.send(response_to(await peer.expect("BYE"), 200))

    async def use(ep) -> None:
        async with ep.invite("sip:b:5060", offer=SDP, patience=5) as fork:
            call = await fork.answered()
            first, second = fork.legs
            assert not first.is_early
            assert second.call is call

    run(callee, use)
