"""The demo's proxy beyond what the demo itself shows, on real sockets."""

from __future__ import annotations

import socket as stdlib_socket

import trio

import sipstack as sip
from sipstack.cli._fork_relay import open_fork_relay

URL = "udp://127.0.0.1:0"


def run(scenario) -> None:
    async def scene() -> None:
        with trio.fail_after(10):
            async with (
                open_fork_relay("127.0.0.1") as relay,
                sip.open_endpoint(URL, user="alice") as alice,
                trio.open_nursery() as nursery,
            ):
                await scenario(relay, alice, nursery)
                nursery.cancel_scope.cancel()

    trio.run(scene)


def test_caller_gives_up_both_phones_are_cancelled_with_the_reason() -> None:
    ends: list[str] = []

    async def scenario(relay, alice, nursery) -> None:
        async def phone(*, task_status=trio.TASK_STATUS_IGNORED) -> None:
            async with (
                sip.open_endpoint(URL, user="bob") as endpoint,
                endpoint.register(f"sip:bob@{relay.place}", registrar=f"sip:{relay.place}"),
            ):
                events = endpoint.events()
                task_status.started()
                event = await anext(events)
                async with event.call as call:
                    await call.ring()
                    async for what in call.events():
                        ends.append(what.reasons[0].text)

        await nursery.start(phone)
        await nursery.start(phone)
        async with alice.invite(f"sip:bob@{relay.place}") as fork:
            rung = 0
            async for event in fork.events():
                rung += isinstance(event, sip.Ringing)
                if rung == 2:
                    await fork.cancel(reason='SIP;cause=487;text="Enough"')
                if isinstance(event, sip.Failed):
                    assert event.response.code == 487
            assert len(fork.legs) == 2

    run(scenario)
    assert ends == ["Enough", "Enough"]


def test_rubbish_is_dropped_and_a_registration_follows() -> None:
    async def scenario(relay, alice, nursery) -> None:
        with stdlib_socket.socket(stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM) as socket:
            socket.sendto(b"rubbish\r\n\r\n", (relay.host, relay.port))
        registered = alice.register(f"sip:alice@{relay.place}", registrar=f"sip:{relay.place}", expires=77)
        async with registered as registration:
            assert registration.expires == 77

    run(scenario)
