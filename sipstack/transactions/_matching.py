"""What a request is recognised by when it comes again, and what its ACK and CANCEL are recognised by.

:rfc:`3261#section-17.2.3`, with its rules for peers of RFC 2543, whose branches are not unique.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from sipstack.message import BRANCH_COOKIE, Request, Via

__all__ = ["ack_key_2543", "cancelled_keys", "has_unique_branch", "request_key"]

# Section 9.2 lets a CANCEL match a request of any method, and does not say which: INVITE, but for odd peers.
_CANCELLABLE = (
    "INVITE",
    "BYE",
    "INFO",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
)


_COOKIE_SIZE = len(BRANCH_COOKIE)


def has_unique_branch(branch: str | None) -> bool:
    """Tell whether a branch is one of RFC 3261's: the cookie, and something after it."""
    return branch is not None and branch.startswith(BRANCH_COOKIE) and len(branch) > _COOKIE_SIZE


def request_key(request: Request, via: Via) -> Hashable:
    """Return what the transaction of a request, or of the INVITE of an ACK, is known by.

    The ACK to a peer of RFC 2543 has the key that ``ack_key_2543`` gave its INVITE.
    """
    method = request.method
    branch = via.branch
    # has_unique_branch, written out: this is the one look-up every request goes through.
    if branch is not None and branch.startswith(BRANCH_COOKIE) and len(branch) > _COOKIE_SIZE:
        return branch, via.host.lower(), via.port, "INVITE" if method == "ACK" else method
    return _key_2543(request, via, method, request.to_tag)


def ack_key_2543(invite: Request, via: Via, to_tag: str | None) -> Hashable:
    """Return the key of the ACK to a response with this To tag."""
    return _key_2543(invite, via, "ACK", to_tag)


def cancelled_keys(cancel: Request, via: Via) -> Iterator[Hashable]:
    """Return the keys of the transactions that a CANCEL may be for (:rfc:`3261#section-9.2`)."""
    branch = via.branch
    if has_unique_branch(branch):
        host = via.host.lower()
        for method in _CANCELLABLE:
            yield branch, host, via.port, method
    else:
        for method in _CANCELLABLE:
            yield _key_2543(cancel, via, method, cancel.to_tag)


def _key_2543(request: Request, via: Via, method: str, to_tag: str | None) -> Hashable:
    uri = request.uri
    return str(via), method, uri, request.cseq.sequence, request.call_id, request.from_tag, to_tag
