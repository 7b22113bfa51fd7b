"""Endpoints that talk by TLS and WebSocket: what their Contacts say, which way the dialog goes, what a hook sees."""

from __future__ import annotations

import pytest
import trio

import sipstack as sip
from sipstack.outbound import Point
from sipstack.resolver import Naptr, Srv

from .kit import SDP, answer, opened, phone


def servers(host: str, authority) -> tuple[str, str]:
    """Return the URLs of a TLS and a WSS listener at a host."""
    cert = authority.issue(host, "example.com")
    options = f"?cert={cert}&ca={authority.file}"
    return f"tls://{host}:5061{options}", f"wss://{host}:443{options}"


@pytest.mark.parametrize(
    ("uri", "transport", "ours", "theirs"),
    [
        ("sips:bob@b", "TLS", "sips:sipstack@10.0.0.1:5061", "sips:sipstack@10.0.0.2:5061"),
        ("sip:bob@b;transport=tls", "TLS", "transport=tls", "transport=tls"),
        ("sip:bob@b;transport=ws", "WS", ".invalid;transport=ws", "sip:sipstack@10.0.0.2:80;transport=ws"),
        ("sips:bob@b;transport=ws", "WSS", ".invalid;transport=ws", "sips:sipstack@10.0.0.2:443;transport=ws"),
    ],
)
def test_call_keeps_to_its_transport_and_passes_the_hook(uri, transport, ours, theirs, authority) -> None:
    sent: list[sip.outbound.Outbound] = []
    answered: list[sip.outbound.Outbound] = []

    async def hang_up_first(event) -> None:
        if isinstance(event, sip.InviteReceived):
            async with event.call as call:
                await call.answer(SDP)
                await trio.sleep(1)
        else:
            await answer(event)

    async def scenario(net) -> None:
        for host in "ab":
            net.host(host)
        async with (
            phone(net, *servers("b", authority), "ws://b:80", take=hang_up_first, outbound=answered.append),
            opened(
                net,
                servers("a", authority)[0],
                "udp://a:5060",
                tls=sip.TLSConfig(ca=authority.file),
                outbound=sent.append,
            ) as ep,
        ):
            async with ep.call(uri, offer=SDP) as call:
                async for event in call.events():
                    assert isinstance(event, sip.ByeReceived)

    sip.testing.run(scenario)
    assert [(each.point, each.method) for each in sent] == [
        (Point.REQUEST, "INVITE"), (Point.ACK_2XX, "ACK"), (Point.FINAL, "BYE"),
    ]  # fmt: skip
    assert [(each.point, each.method) for each in answered] == [(Point.FINAL, "INVITE"), (Point.REQUEST, "BYE")]
    assert {each.flow.transport for each in sent + answered} == {transport}
    assert ours in sent[0].message.headers["Contact"]
    assert theirs in answered[0].message.headers["Contact"]


def test_dialog_of_a_sip_uri_that_dns_led_to_tls_stays_there(authority) -> None:
    seen: list[sip.outbound.Outbound] = []

    async def scenario(net) -> None:
        for host in "ab":
            net.host(host)
        net.dns.add("example.com", Naptr(10, 50, "s", "SIPS+D2T", "", "_sips._tcp.example.com"))
        net.dns.add("_sips._tcp.example.com", Srv(10, 0, 5061, "b"))
        async with (
            phone(net, servers("b", authority)[0], "udp://b:5060"),
            opened(net, servers("a", authority)[0], "udp://a:5060", outbound=seen.append) as ep,
        ):
            async with ep.call("sip:bob@example.com", offer=SDP):
                pass

    sip.testing.run(scenario)
    assert [(each.method, each.flow.transport) for each in seen] == [("INVITE", "TLS"), ("ACK", "TLS"), ("BYE", "TLS")]
    assert seen[0].message.headers["Contact"] == "<sip:sipstack@10.0.0.1:5061>"
