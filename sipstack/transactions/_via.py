"""The two parameters a server writes into the top Via, and where they send the response.

:rfc:`3261#section-18.2.1`, :rfc:`3261#section-18.2.2`, :rfc:`3581#section-4`. A response goes to where its request
came from and nowhere else: what a peer writes into ``received``, ``rport`` with a value, or ``maddr`` could name a
victim. That is stricter than 18.2.2 for ``maddr``, which is for multicast, where a user agent does not answer.
"""

from __future__ import annotations

from typing import Final

from sipstack.message import Request, Via

from ._flow import Flow

__all__ = ["default_port", "response_flow", "stamp_untrusted"]

_SECURE_PORT: Final = 5061
_PORT: Final = 5060


def default_port(transport: str) -> int:
    """Return the port of a sent-by that names none (:rfc:`3261#section-18.1.1`)."""
    return _SECURE_PORT if transport in ("TLS", "WSS", "TLS-SCTP") else _PORT


def stamp_untrusted(request: Request, flow: Flow) -> None:
    """Write into the top Via where the request really came from (:rfc:`3261#section-18.2.1`, :rfc:`3581#section-4`).

    ``rport`` is filled in when it was asked for, ``received`` then, and when the host of sent-by is not the source
    address. Values that came with the request are overwritten.
    """
    via = request.top_via
    host, port = flow.remote
    if "%" in host:
        # The zone of a link-local address means something on this host alone.
        host = host.partition("%")[0]
    text = str(via)
    lower = text.lower()
    if "received" not in lower:
        # The text alone tells what to do with nearly all of them: nothing, or to fill in the flag. Writing that into the
        # text is many times faster than building the value.
        asked = lower.count("rport")
        if not asked and _is_same_host(via.host, host):
            return
        before, flag, after = text.partition(";rport")
        if asked == 1 and flag and after[:1] in ("", ";") and '"' not in text:
            request.replace_top_via(Via.parse(f"{before};rport={port}{after};received={host}"))
            return
    if "rport" in via.parameters:
        request.replace_top_via(via.replace(received=host, rport=port))
    elif "received" in via.parameters or not _is_same_host(via.host, host):
        request.replace_top_via(via.replace(received=host))


def _is_same_host(sent_by: str, source: str) -> bool:
    if sent_by == source:
        return True
    # Another spelling of an IPv6 address only costs a needless ``received``.
    return sent_by.startswith("[") and sent_by[1:-1].lower() == source.lower()


def response_flow(via: Via, flow: Flow) -> Flow:
    """Return the way of the responses to a request with this top Via, which came by that flow.

    A stream: its own connection. A datagram with ``rport``: its source. Without: the source address, at the port of
    sent-by (:rfc:`3261#section-18.2.2`, :rfc:`3581#section-4`).
    """
    port = via.port or _PORT
    if port == flow.remote[1] or flow.is_reliable or via.has_rport:
        return flow
    return Flow(flow.transport, flow.local, (flow.remote[0], port), flow.sent_by, flow.connection)
