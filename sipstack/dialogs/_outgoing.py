"""A request of ours on its way: what the driver must route, and what its responses belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from sipstack.message import URI, Request

if TYPE_CHECKING:
    from sipstack.transactions import ClientTransaction, Flow

    from ._client_invite import ClientInvite
    from ._invite_usage import InviteUsage
    from ._offer_answer import Carrier

__all__ = ["Outgoing"]


@attrs.define(eq=False)
class Outgoing:
    """Hold one request from the moment it waits for a route until its final response.

    A retry (:rfc:`3261#section-8.1.3.5`) is a new request of the same Outgoing.

    :ivar next_hop: the URI whose resolution says where the request goes (:rfc:`3261#section-8.1.2`).
    :ivar targets: where the next hop leads, in the order to try, the one in use first. The driver fills it in and takes
        out what it cannot reach; the layer takes out what did not serve the request.
    :ivar flow_hint: the flow by which the dialog was last reached; good for a stream, or for the same address.
    :ivar usage: the dialog usage the request is sent in; None outside of dialogs.
    :ivar invite: the invitation that this is an attempt of; None for all but initial INVITEs.
    """

    request: Request
    next_hop: URI
    offer: bytes | None = None
    "The offer it carries, if any; an answer does not count."
    usage: InviteUsage | None = None
    invite: ClientInvite | None = None
    targets: tuple[Any, ...] = ()
    flow_hint: Flow | None = None
    transaction: ClientTransaction | None = None
    wants_contact: bool = False
    "Whether it gets a Contact made from its flow, if it has none."
    has_made_contact: bool = False
    "Whether its Contact was made from a flow, and must be made anew for another."
    has_response: bool = False
    "Whether any response came from the target in use: then it is there, and silence is no reason to leave it."
    is_waiting: bool = True
    "Whether the driver still owes an answer to Route."
    is_finished: bool = False
    "Whether there was a final response or a failure; only then may it be sent again."
    is_cancelled: bool = False
    "Whether our user gave it up: it is not routed any more."
    is_deferred: bool = False
    "Whether it waits to be sent again after glare (:rfc:`3261#section-14.1`)."
    is_refresh: bool = False
    "Whether the stack sends it by itself, to refresh the session (:rfc:`4028`)."
    retries: int = 0
    "How often it was sent again after glare, or with a longer session interval."

    @property
    def carrier(self) -> Carrier:
        """What an offer in its transaction is known by."""
        return (self.request.method, self.request.cseq.sequence, True)
