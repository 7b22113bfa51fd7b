"""Opening an endpoint: the floors of the stack put on top of each other for as long as a block lasts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from sipstack.dialogs import Capabilities, DialogLayer, SessionTimerPolicy
from sipstack.message import DEFAULT_LIMITS, Limits, LocalProtocolError, Tokens
from sipstack.outbound import Hook
from sipstack.timers import TimerValues
from sipstack.trace import Trace
from sipstack.transactions import TransactionLayer
from sipstack.transport import Network, TLSConfig, Transport, TrioNetwork, open_quiet_nursery

from ._endpoint import Endpoint
from ._originator import Originator

__all__ = ["ACCEPT", "METHODS", "SUPPORTED", "open_endpoint"]

METHODS = (
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "MESSAGE",
    "INFO",
    "PRACK",
    "UPDATE",
    "NOTIFY",
    "SUBSCRIBE",
    "REFER",
    "PUBLISH",
)
"Methods that are handed to the user; all others are answered 405."

ACCEPT = (
    "application/sdp",
    "application/dtmf",
    "application/dtmf-relay",
    "application/media_control+xml",
    "application/simple-message-summary",
    "message/sipfrag",
    "multipart/mixed",
    "text/plain",
)
"Bodies that are handed to the user; all others are answered 415."


SUPPORTED = ("100rel", "199", "timer")
"Extensions that the stack has by itself: RFC 3262, RFC 6228, RFC 4028."


@asynccontextmanager
async def open_endpoint(
    *urls: str,
    network: Network | None = None,
    nameservers: Sequence[str] = (),
    user: str = "sipstack",
    user_agent: str = "sipstack",
    proxy: str | None = None,
    methods: tuple[str, ...] = METHODS,
    accept: tuple[str, ...] = ACCEPT,
    supported: tuple[str, ...] = SUPPORTED,
    info_packages: tuple[str, ...] = (),
    session_timer: SessionTimerPolicy | None = None,
    timers: TimerValues | None = None,
    limits: Limits = DEFAULT_LIMITS,
    randbytes: Callable[[int], bytes] = os.urandom,
    trace: Trace | None = None,
    tls: TLSConfig | None = None,
    websocket_path: str = "/",
    outbound: Hook | None = None,
    grace: float = 2.0,
) -> AsyncIterator[Endpoint]:
    """Open a user agent that listens on some URLs; leaving the block ends all it holds.

    :param urls: where to listen: ``udp://0.0.0.0:5060``, ``tcp://[::1]:0``, ``tls://0.0.0.0:5061?cert=FILE&key=FILE``,
        ``ws://0.0.0.0:8080/sip?origin=https://phone.example.com`` …
    :param network: what to listen on, if not the real one: see `sipstack.testing`.
    :param nameservers: DNS servers to ask instead of the system's: ``192.0.2.53``, ``127.0.0.1:5353``; for the real
        network alone.
    :param user: the user part of our Contact, and of From where none is given.
    :param user_agent: User-Agent and Server header fields; empty for none.
    :param proxy: the URI of an outbound proxy for all requests outside of calls.
    :param methods: methods taken; others are answered 405.
    :param accept: media types of bodies taken; others are answered 415.
    :param supported: option tags that peers are told of, and may require.
    :param info_packages: Info Packages taken; INFOs of others are answered 469 (:rfc:`6086`).
    :param session_timer: the session interval asked for, the least one taken, and who is to refresh (:rfc:`4028`); by
        default none is asked for, and those of peers are kept.
    :param timers: T1, T2 and T4.
    :param randbytes: the source of branches, tags and Call-IDs, and of the choice among servers.
    :param trace: records every message sent and received, and how names were resolved.
    :param tls: what to show to TLS peers, and whom to trust, where no URL says.
    :param websocket_path: the path to ask WebSocket servers for; no SIP URI can name one.
    :param outbound: is asked what to send in place of each message; what it raises ends the block: see
        `sipstack.outbound`.
    :param grace: seconds that leaving a block waits for peers to take note.
    :raises TransportError: a URL cannot be listened on.
    :raises LocalProtocolError: an argument cannot be used.
    """
    if network is None:
        network = TrioNetwork(nameservers=nameservers)
    elif nameservers:
        raise LocalProtocolError(
            "The network given looks names up its own way: give it the nameservers, or no network."
        )
    timers = timers or TimerValues()
    tokens = Tokens(randbytes)
    transactions = TransactionLayer(tokens=tokens, timers=timers, limits=limits)
    core = DialogLayer(
        transactions,
        tokens=tokens,
        capabilities=Capabilities(
            methods=methods,
            accept=accept,
            supported=supported,
            info_packages=info_packages,
            user_agent=user_agent,
            server=user_agent,
        ),
        timers=timers,
        limits=limits,
        session_timer=session_timer,
    )
    endpoint = Endpoint(core, tokens=tokens, limits=limits, grace=grace)
    endpoint._transport = transport = Transport(
        core,
        network,
        deliver=endpoint._deliver,
        limits=limits,
        randbytes=randbytes,
        trace=trace,
        outbound=outbound,
        tls=tls,
        websocket_path=websocket_path,
    )
    endpoint._originator = Originator(transport, tokens, user, user_agent, proxy)
    async with open_quiet_nursery() as nursery:
        endpoint._nursery = nursery
        await nursery.start(transport.run)
        nursery.start_soon(endpoint._answer_unheard)
        try:
            for url in urls:
                await transport.listen(url)
            yield endpoint
        finally:
            with trio.CancelScope(shield=True):
                try:
                    await endpoint._close()
                finally:
                    await transport.aclose()
