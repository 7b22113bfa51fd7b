"""Requests the transaction floor makes itself: ACK for non-2xx and CANCEL.

Both go the way of the request they belong to and carry its top Via (:rfc:`3261#section-17.1.1.3`,
:rfc:`3261#section-9.1`).
"""

from __future__ import annotations

from sipstack.message import Request, Response

__all__ = ["create_ack", "create_cancel"]


def create_ack(invite: Request, response: Response) -> Request:
    """Make the ACK for a final response other than 2xx (:rfc:`3261#section-17.1.1.3`)."""
    ack = _hop_by_hop(invite, "ACK")
    ack.headers.copy_from(invite.headers, "From")
    ack.headers.copy_from(response.headers, "To")
    return _finish(ack, invite)


def create_cancel(invite: Request, reason: str | None) -> Request:
    """Make the CANCEL of an INVITE (:rfc:`3261#section-9.1`).

    :param reason: the value of a Reason header field, if there is one to give (:rfc:`3326`).
    """
    cancel = _hop_by_hop(invite, "CANCEL")
    cancel.headers.copy_from(invite.headers, "From")
    cancel.headers.copy_from(invite.headers, "To")
    cancel.headers.copy_from(invite.headers, "Supported")  # RFC 4028, 7.1: in every request but ACK
    if reason is not None:
        cancel.headers.add("Reason", reason)
    return _finish(cancel, invite)


def _hop_by_hop(invite: Request, method: str) -> Request:
    request = Request(method, invite.uri)
    request.headers.add("Via", str(invite.top_via))
    request.headers.add("Max-Forwards", "70")
    request.headers.copy_from(invite.headers, "Route")
    return request


def _finish(request: Request, invite: Request) -> Request:
    request.headers.copy_from(invite.headers, "Call-ID")
    request.headers.add("CSeq", f"{invite.cseq.sequence} {request.method}")
    return request
