"""Registrations: kept alive, lost and found again, removed (RFC 3261, 10.2)."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.testing import response_to

from .kit import SDP, WAYS, collecting, drain, names, opened, phone, scripted

AOR = "sip:alice@b:5060"


def granted(request, seconds: int | None = None, *others: str, headers=(), contact: str | None = None):
    """Answer 200 to a REGISTER, listing its contact with so many seconds, and others."""
    own = contact or f"<{request.contact[0].uri}>"
    listed = [own if seconds is None else f"{own};expires={seconds}", *others]
    return response_to(request, 200, headers=[*(("Contact", each) for each in listed), *headers])


async def take_removal(peer) -> None:
    request = await peer.expect("REGISTER", timeout=100_000)
    assert request.expires == 0
    await peer.send(response_to(request, 200))


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.rfc("R3261-10.2-4", "R3261-10.2-8", "R3261-10.2-9", "R3261-10.2.2-1", "R3261-10.2.4-3", "R3261-10.2.6-1")
def test_registered_refreshed_and_removed(way) -> None:
    events: list = []

    async def scenario(net) -> None:
        async with phone(net, way.listen("b"), take=collecting(events)), opened(net, way.listen("a")) as ep:
            async with ep.register(way.uri("b", "alice"), expires=100) as registration:
                assert registration.expires == 100
                assert len(registration.contacts) == 1
                assert registration.aor.user == "alice"
                await trio.sleep(150)
                seen = [await anext(registration.events()) for _ in range(3)]
                assert names(seen) == ["Registered"] * 3
                assert seen[0].expires == 100
                assert seen[0].response.code == 200

    trace = way.run(scenario)
    assert trace.times("a>b REGISTER") == [0, 68, 136, 150]
    requests = [event.request for event in events]
    assert len({each.call_id for each in requests}) == 1
    assert len({str(each.contact[0].uri) for each in requests}) == 1
    assert [each.cseq.sequence for each in requests] == [1, 2, 3, 4]
    assert [event.expires for event in events] == [100, 100, 100, 0]
    assert requests[0].uri.user is None
    assert events[0].aor.startswith("sip:alice@")
    assert not events[0].removes_all


def test_registrar_contact_and_proxy_of_ones_own() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def registrar() -> None:
                request = await peer.expect("REGISTER")
                assert str(request.uri) == "sip:registrar.example"
                assert [str(each.uri) for each in request.contact] == ["sip:desk@c:5070"]
                assert str(request.to_address.uri) == str(request.from_address.uri) == "sip:alice@example.com"
                assert request.headers["X-A"] == "1"
                await peer.send(granted(request, 60))
                await take_removal(peer)

            nursery.start_soon(registrar)
            async with ep.register(
                "sip:alice@example.com", registrar="sip:registrar.example", contact="sip:desk@c:5070",
                proxy="sip:b:5060", headers=[("X-A", "1")],
            ):  # fmt: skip
                pass

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-10.2.8-1")
def test_423_raises_the_interval() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def registrar() -> None:
                request = await peer.expect("REGISTER")
                await peer.send(response_to(request, 423, headers=[("Min-Expires", "600")]))
                request = await peer.expect("REGISTER")
                assert (request.expires, request.cseq.sequence) == (600, 2)
                await peer.send(granted(request, 600))
                await take_removal(peer)

            nursery.start_soon(registrar)
            async with ep.register(AOR, expires=10) as registration:
                assert registration.expires == 600

    sip.testing.run(scenario)


@pytest.mark.parametrize("minimum", ["10", "5", "soon", None])
def test_423_that_makes_no_sense_is_a_refusal(minimum) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def registrar() -> None:
                headers = [] if minimum is None else [("Min-Expires", minimum)]
                await peer.send(response_to(await peer.expect("REGISTER"), 423, headers=headers))

            nursery.start_soon(registrar)
            with pytest.raises(sip.RegistrationFailed) as caught:
                async with ep.register(AOR, expires=10):
                    pass
            assert caught.value.response.code == 423

    sip.testing.run(scenario)


def test_423_that_never_ends_is_a_refusal() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def registrar() -> None:
                for minimum in (100, 200):
                    request = await peer.expect("REGISTER")
                    await peer.send(response_to(request, 423, headers=[("Min-Expires", str(minimum))]))
                await peer.expect_nothing(10)

            nursery.start_soon(registrar)
            with pytest.raises(sip.RegistrationFailed):
                async with ep.register(AOR, expires=10):
                    pass

    sip.testing.run(scenario)


def test_first_registration_refused_or_unanswered_leaves_nothing_to_remove() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def registrar() -> None:
                await peer.send(response_to(await peer.expect("REGISTER"), 403))
                await peer.expect("REGISTER")
                await peer.expect_nothing(100)

            nursery.start_soon(registrar)
            with pytest.raises(sip.RegistrationFailed) as caught:
                async with ep.register(AOR):
                    pytest.fail("registered")
            assert caught.value.response.code == 403
            with pytest.raises(sip.TransactionTimeout):
                async with ep.register(AOR):
                    pytest.fail("registered")

    sip.testing.run(scenario)


@pytest.mark.rfc("R3261-10.2.4-1")
@pytest.mark.parametrize(
    ("seconds", "header", "expected"),
    [(50, "70", 50), (None, "70", 70), (None, None, 100), (None, "x", 100), (None, str(10**30), 100)],
)
def test_expires_parameter_comes_before_the_header(seconds, header, expected) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def registrar() -> None:
                request = await peer.expect("REGISTER")
                headers = [] if header is None else [("Expires", header)]
                others = ["<sip:alice@c:5060>;expires=9999", '"X" <sip:alice@d>;expires=1']
                await peer.send(granted(request, seconds, *others, headers=headers))
                await take_removal(peer)

            nursery.start_soon(registrar)
            async with ep.register(AOR, expires=100) as registration:
                assert registration.expires == expected
                assert len(registration.contacts) == 3

    sip.testing.run(scenario)


@pytest.mark.parametrize(
    ("contact", "expires"),
    [
        ("<<>>", 100),
        ("*", 100),
        ("<{uri}>;expires=never", 3600),
        ("<{uri}>;expires=" + "9" * 6000, 2**32 - 1),
        ("<{uri}>;expires", 100),
        ("<{uri}>;expires=0", 0),
    ],
    ids=lambda value: str(value)[:20],
)
def test_strange_bindings_in_the_200_do_no_harm(contact, expires) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def registrar() -> None:
                request = await peer.expect("REGISTER")
                await peer.send(granted(request, contact=contact.format(uri=request.contact[0].uri)))
                while (request := await peer.expect("REGISTER", timeout=100)).expires:
                    await peer.send(granted(request, 50))
                await peer.send(response_to(request, 200))

            nursery.start_soon(registrar)
            async with ep.register(AOR, expires=100) as registration:
                assert registration.expires == expires
                await trio.sleep(5)

    trace = sip.testing.run(scenario)
    assert len(trace.times("a>b REGISTER")) <= 3


@pytest.mark.rfc("R3261-10.2.7-1")
def test_lost_and_found_again() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            async with ep.register(AOR, expires=100) as registration:
                events = registration.events()
                assert isinstance(await anext(events), sip.Registered)
                net.partition("a", "b")
                lost = await anext(events)
                assert isinstance(lost, sip.RegistrationLost)
                assert isinstance(lost.error, sip.TransactionTimeout)
                assert lost.retry_after == 2
                assert trio.current_time() == 100
                lost = await anext(events)
                assert (lost.retry_after, trio.current_time()) == (4, 134)
                net.heal("a", "b")
                found = await anext(events)
                assert isinstance(found, sip.Registered)
                assert trio.current_time() == 138
                net.partition("a", "b")
                lost = await anext(events)
                assert lost.retry_after == 2  # patience starts anew
                net.heal("a", "b")

    sip.testing.run(scenario)


@pytest.mark.parametrize(
    ("value", "seconds"), [("30", 30), ("30 (busy);duration=5", 30), ("0", 2), ("soon", 2), (None, 2)]
)
def test_failed_refresh_waits_as_long_as_it_is_told(value, seconds) -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060") as ep, trio.open_nursery() as nursery:

            async def registrar() -> None:
                await peer.send(granted(await peer.expect("REGISTER"), 100))
                request = await peer.expect("REGISTER", timeout=100)
                assert trio.current_time() == 68
                headers = [] if value is None else [("Retry-After", value)]
                await peer.send(response_to(request, 503, headers=headers))
                await peer.send(granted(await peer.expect("REGISTER"), 100))
                assert trio.current_time() == 68 + seconds
                await take_removal(peer)

            nursery.start_soon(registrar)
            async with ep.register(AOR, expires=100) as registration:
                events: list = []
                with trio.move_on_after(110):
                    await drain(registration.events(), events)
                assert names(events) == ["Registered", "RegistrationLost", "Registered"]
                assert events[1].error.response.code == 503
                assert events[1].retry_after == seconds

    sip.testing.run(scenario)


def test_removal_that_fails_is_counted_and_bounded() -> None:
    async def scenario(net) -> None:
        async with scripted(net) as peer, opened(net, "udp://a:5060", "tcp://a:5060", grace=3) as ep:
            async with trio.open_nursery() as nursery:

                async def registrar() -> None:
                    await peer.send(granted(await peer.expect("REGISTER"), 100))

                nursery.start_soon(registrar)
                async with ep.register(AOR):
                    await trio.sleep(1)
                assert trio.current_time() == 4

    sip.testing.run(scenario)


def test_removal_over_a_connection_that_is_gone() -> None:
    async def scenario(net) -> None:
        async with opened(net, "tcp://a:5060") as ep:
            async with phone(net, "tcp://b:5060", settles=False) as b:
                async with trio.open_nursery() as nursery:
                    gone = trio.Event()

                    async def keep() -> None:
                        async with ep.register("sip:alice@b:5060;transport=tcp"):
                            await gone.wait()

                    nursery.start_soon(keep)
                    await trio.sleep(1)
                    await b._transport.aclose()
                    gone.set()
            assert ep.counters["un-REGISTER failed: TransportError"] == 1

    sip.testing.run(scenario)


def test_refresh_at_the_users_wish() -> None:
    async def scenario(net) -> None:
        async with (
            phone(net, "udp://b:5060"),
            opened(net, "udp://a:5060") as ep,
            ep.register(AOR, expires=100) as registration,
        ):
            await trio.sleep(10)
            assert (await registration.refresh()).code == 200
            assert registration.response.code == 200

    trace = sip.testing.run(scenario)
    assert trace.times("a>b REGISTER") == [0, 10, 10]


@pytest.mark.parametrize("at", [0.0, 0.05, 0.1, 0.3, 50.0, 68.05])
def test_cancelled_at_any_stage_is_removed(at) -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            with trio.move_on_at(at):
                async with ep.register(AOR, expires=100):
                    await trio.sleep_forever()

    trace = sip.testing.run(scenario, delay=0.1)
    last = [passage for passage in trace.passages() if passage.sender == "a"][-1]
    assert sip.parse_message(last.record.data).expires == 0


def test_wrong_use_is_told_in_a_sentence() -> None:
    async def scenario(net) -> None:
        async with opened(net, "udp://a:5060") as ep:
            with pytest.raises(sip.LocalProtocolError, match="write it like"):
                async with ep.register("alice"):
                    pass
            with pytest.raises(sip.LocalProtocolError, match="write it like"):
                async with ep.register(AOR, contact="desk"):
                    pass

    sip.testing.run(scenario)


def test_call_goes_on_beside_a_registration() -> None:
    async def scenario(net) -> None:
        async with phone(net, "udp://b:5060"), opened(net, "udp://a:5060") as ep:
            async with ep.register(AOR, expires=40), ep.call("sip:b:5060", offer=SDP):
                await trio.sleep(100)

    sip.testing.run(scenario)


# Being the registrar.


@pytest.mark.rfc("R3261-10.3-21", "R3261-10.3-22", "R3261-10.3-23", "R3261-10.3-24", "R3261-10.2-14")
@pytest.mark.parametrize(
    ("asked", "header", "limit", "granted_to"),
    [
        (";expires=50", "70", None, "50"),
        ("", "70", None, "70"),
        ("", None, None, "3600"),
        (";expires=50", None, 20, "20"),
        (";expires=soon", None, None, "3600"),
        (";expires=" + "9" * 5000, None, 60, "60"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_accept_grants_what_was_asked(asked, header, limit, granted_to) -> None:
    async def take(event) -> None:
        assert isinstance(event, sip.RegisterReceived)
        await event.accept(expires=limit)

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=take):
            request = peer.request("REGISTER", "sip:b", headers=[] if header is None else [("Expires", header)])
            request.headers.set("Contact", f"<sip:alice@a:5060>{asked}")
            await peer.send(request, to="b:5060")
            response = await peer.expect(200)
            assert [each.parameters["expires"] for each in response.contact] == [granted_to]

    sip.testing.run(scenario)


def test_accept_of_a_removal_lists_nothing() -> None:
    events: list = []

    async def scenario(net) -> None:
        async with scripted(net, "a:5060") as peer, phone(net, "udp://b:5060", take=collecting(events)):
            request = peer.request("REGISTER", "sip:b", headers=[("Expires", "0")])
            request.headers.set("Contact", "*")
            await peer.send(request, to="b:5060")
            assert "Contact" not in (await peer.expect(200)).headers
            assert events[0].removes_all
            assert events[0].contacts == []

    sip.testing.run(scenario)
