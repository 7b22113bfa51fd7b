"""Where requests reach us: a Contact that leads back by the way of a flow (:rfc:`3261#section-8.1.1.8`)."""

from __future__ import annotations

from sipstack.message import URI
from sipstack.transactions import Flow

__all__ = ["contact_of"]


def contact_of(flow: Flow, way: URI, *, user: str | None, is_secure: bool) -> str:
    """Return a Contact whose URI has the transport of a flow.

    :param way: the URI that led to the flow: our next hop, or the Request-URI that a peer found us by.
    :param is_secure: whether it must be a SIPS URI (:rfc:`3261#section-12.1.1`); where it need not, it must not, even
        by TLS (:rfc:`5630#section-5.1.1.2`).
    """
    where = f"{user}@{flow.sent_by}" if user else flow.sent_by
    return f"<{'sips' if is_secure else 'sip'}:{where}{_transport_parameter(flow.transport, way, is_secure=is_secure)}>"


def _transport_parameter(transport: str, way: URI, *, is_secure: bool) -> str:
    if transport == "UDP":
        return ""
    if transport == "TLS":
        # Deprecated, and never ours to begin with (RFC 3261, 26.2.2; RFC 5630, 5.1.1). But who uses it for a SIP URI
        # would come by UDP, to a port that speaks TLS, if we did not answer in kind.
        is_said = not is_secure and (way.parameters.get("transport") or "").lower() == "tls"
        return ";transport=tls" if is_said else ""
    # WSS is ws by a SIPS URI: there is no other value (RFC 7118, 5.2).
    return f";transport={'ws' if transport == 'WSS' else transport.lower()}"
