"""A dialog: what two user agents must remember to talk to each other for some time (:rfc:`3261#section-12`).

Plain data and what follows from it: no timers, no transactions. Several usages may share one dialog
(:rfc:`5057#section-2`), so nothing here knows what the dialog is for.
"""

from __future__ import annotations

import enum

import attrs

from sipstack.message import URI, Address, LocalProtocolError, MalformedMessage, Request, Response

__all__ = [
    "Dialog",
    "DialogId",
    "DialogState",
    "apply_route_set",
    "check_own_contact",
    "check_own_contact_uri",
    "contact_uri",
    "request_uri",
    "secure_next_hop",
]

DialogId = tuple[str, str, str]
"Call-ID, local tag, remote tag; an absent tag is the empty string (:rfc:`3261#section-12.1.1`)."

TARGET_REFRESH_METHODS = frozenset(["INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"])
"Methods whose Contact replaces the remote target (:rfc:`3261#section-12.2`, :rfc:`3311`, :rfc:`6665`, :rfc:`3515`)."

LAST_SEQUENCE = 2**31 - 1
"The highest CSeq number a request may have (:rfc:`3261#section-8.1.1.5`)."


class DialogState(enum.Enum):
    """Name the states of a dialog (:rfc:`3261#section-12`)."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


def contact_uri(message: Request | Response) -> URI | None:
    """Return the one URI at which the sender of a message wants requests, None when it named none.

    :raises MalformedMessage: the Contact cannot be read, is ``*``, or is not one SIP or SIPS URI.
    """
    contacts = message.contact
    if not contacts:
        if message.contact_is_star:
            raise MalformedMessage("the Contact is *, which only a REGISTER may say", 400, message)
        return None
    if len(contacts) > 1:
        raise MalformedMessage("there are several Contacts where a dialog needs exactly one", 400, message)
    uri = contacts[0].uri
    if uri.scheme not in ("sip", "sips"):
        raise MalformedMessage(
            f"the Contact is a {uri.scheme} URI where a dialog needs a SIP or SIPS URI", 400, message
        )
    return uri


def check_own_contact(message: Request | Response, *, is_secure: bool) -> None:
    """Refuse a Contact of our user's at which a dialog cannot be reached (:rfc:`3261#section-12.1.1`, 12.2.1.1).

    :raises LocalProtocolError: it is not one SIP or SIPS URI, or it is no SIPS URI where it must be.
    """
    try:
        uri = contact_uri(message)
    except MalformedMessage as error:
        raise LocalProtocolError(f"the message cannot be sent so: {error.reason}") from None
    if uri is not None:
        check_own_contact_uri(uri, is_secure=is_secure)


def check_own_contact_uri(uri: URI, *, is_secure: bool) -> None:
    """Refuse the URI of a Contact that our user gives ready made: see `check_own_contact`."""
    if uri.scheme not in ("sip", "sips"):
        raise LocalProtocolError(f"the Contact is a {uri.scheme} URI where a dialog needs a SIP or SIPS URI")
    if is_secure and not uri.is_secure:
        raise LocalProtocolError(f"the Contact {uri} must be a SIPS URI, since the dialog is reached by SIPS")


def request_uri(uri: URI) -> URI:
    """Return a URI without what a Request-URI must not have: headers and a method (:rfc:`3261#section-19.1.1`)."""
    if not uri.headers and "method" not in uri.parameters:
        return uri
    return uri.replace(headers=(), parameters=uri.parameters.without("method"))


def _has_lr(route: Address) -> bool:
    return "lr" in route.uri.parameters


def secure_next_hop(uri: URI, target: URI) -> URI:
    """Return the URI to resolve: SIPS whenever the Request-URI is (:rfc:`3261#section-8.1.2`)."""
    if not target.is_secure or uri.is_secure or uri.scheme != "sip":
        return uri
    return uri.replace(scheme="sips")


def apply_route_set(request: Request, target: URI, route_set: tuple[Address, ...] | list[Address]) -> URI:
    """Put a target and a route set into a request and return the URI to send it to.

    A first route without ``lr`` is a strict router: it becomes the Request-URI and the target moves to the end of
    the Route (:rfc:`3261#section-12.2.1.1`).
    """
    if not route_set:
        request.uri = request_uri(target)
        request.headers.remove("Route")
        return request.uri
    first = route_set[0]
    if _has_lr(first):
        request.uri = request_uri(target)
        request.headers.set("Route", ", ".join([str(route) for route in route_set]))
        return secure_next_hop(first.uri, request.uri)
    request.uri = request_uri(first.uri)
    request.headers.set("Route", ", ".join([*(str(route) for route in route_set[1:]), f"<{target}>"]))
    return request.uri


@attrs.define(eq=False)
class Dialog:
    """Hold the state of one dialog (:rfc:`3261#section-12.1`).

    :param local_party: our From in requests, with our tag, as text.
    :param remote_party: our To in requests, with the peer's tag, as text.
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local_party: str
    remote_party: str
    remote_target: URI
    local_sequence: int | None = None
    remote_sequence: int | None = None
    route_set: tuple[Address, ...] = ()
    is_secure: bool = False
    state: DialogState = DialogState.EARLY

    @property
    def id(self) -> DialogId:
        """What tells this dialog from all others at this user agent."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @property
    def local_uri(self) -> Address:
        """Our own name and URI in this dialog, with our tag."""
        return Address.parse(self.local_party)

    @property
    def remote_uri(self) -> Address:
        """The peer's name and URI in this dialog, with its tag."""
        return Address.parse(self.remote_party)

    @classmethod
    def from_request(cls, request: Request, local_tag: str, *, is_secure_transport: bool = False) -> Dialog:
        """Make the dialog that answering a request makes (:rfc:`3261#section-12.1.1`).

        :raises MalformedMessage: the request has no usable Contact, or its Record-Route cannot be read.
        """
        target = contact_uri(request)
        if target is None:
            raise MalformedMessage(f"the {request.method} has no Contact, so nobody could be called back", 400, request)
        headers = request.headers
        return cls(
            call_id=request.call_id,
            local_tag=local_tag,
            remote_tag=request.from_tag or "",
            local_party=f"{headers['To']};tag={local_tag}",
            remote_party=headers["From"],
            remote_target=target,
            remote_sequence=request.cseq.sequence,
            route_set=tuple(request.record_route) if "Record-Route" in headers else (),
            is_secure=is_secure_transport and request.uri.is_secure,
        )

    @classmethod
    def from_response(cls, request: Request, response: Response, *, is_secure_transport: bool = False) -> Dialog:
        """Make the dialog that a response to our request makes (:rfc:`3261#section-12.1.2`).

        :raises MalformedMessage: the Contact or Record-Route of the response cannot be read.
        """
        headers = response.headers
        return cls(
            call_id=request.call_id,
            local_tag=request.from_tag or "",
            remote_tag=response.to_tag or "",
            local_party=request.headers["From"],
            remote_party=headers["To"],
            # A response that must have a Contact and has none leaves the way the request took as the only known one.
            remote_target=contact_uri(response) or request.uri,
            local_sequence=request.cseq.sequence,
            route_set=_recorded(response),
            is_secure=is_secure_transport and request.uri.is_secure,
        )

    def confirm(self, response: Response | None = None) -> None:
        """Move to confirmed; a received 2xx sets the route set and the target anew (:rfc:`3261#section-13.2.2.4`).

        :raises MalformedMessage: the Contact or Record-Route of the response cannot be read.
        """
        if response is not None:
            target = contact_uri(response)
            self.route_set = _recorded(response)
            if target is not None:
                self.remote_target = target
        self.state = DialogState.CONFIRMED

    def next_hop(self) -> URI:
        """Return the URI whose resolution says where requests go: the first route, else the remote target."""
        if not self.route_set:
            return self.remote_target
        first = self.route_set[0]
        return secure_next_hop(first.uri, self.remote_target) if _has_lr(first) else request_uri(first.uri)

    def next_sequence(self) -> int:
        """Take the next CSeq number for a request of ours (:rfc:`3261#section-12.2.1.1`).

        :raises LocalProtocolError: all numbers are used up.
        """
        if self.local_sequence == LAST_SEQUENCE:
            raise LocalProtocolError(f"dialog {self.call_id} has used its last CSeq number; end it and start another")
        self.local_sequence = 1 if self.local_sequence is None else self.local_sequence + 1
        return self.local_sequence

    def create_request(self, method: str, *, sequence: int | None = None) -> Request:
        """Make a request within this dialog, without Via, Contact and body (:rfc:`3261#section-12.2.1.1`).

        :param sequence: the CSeq number of the INVITE that an ACK acknowledges; other methods take the next one.
        """
        if sequence is None:
            sequence = self.next_sequence()
        request = Request(
            method,
            self.remote_target,
            headers=(
                ("Max-Forwards", "70"),
                ("From", self.local_party),
                ("To", self.remote_party),
                ("Call-ID", self.call_id),
                ("CSeq", f"{sequence} {method}"),
            ),
        )
        if self.route_set or self.remote_target.headers or "method" in self.remote_target.parameters:
            apply_route_set(request, self.remote_target, self.route_set)
        return request

    def accept_request(self, request: Request) -> bool:
        """Take the CSeq of a request; False when it is not higher than all before (:rfc:`3261#section-12.2.2`)."""
        sequence = request.cseq.sequence
        if self.remote_sequence is not None and sequence <= self.remote_sequence:
            return False
        self.remote_sequence = sequence
        return True

    def refresh_target(self, message: Request | Response, method: str) -> None:
        """Take the Contact of an accepted target refresh request, or of its 2xx (:rfc:`3261#section-12.2.1.2`).

        :raises MalformedMessage: the Contact cannot be read.
        """
        if method in TARGET_REFRESH_METHODS:
            target = contact_uri(message)
            if target is not None:
                self.remote_target = target


def _recorded(response: Response) -> tuple[Address, ...]:
    if "Record-Route" not in response.headers:
        return ()
    return tuple(reversed(response.record_route))
