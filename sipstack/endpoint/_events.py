"""Typed events: what happened, as a class to match on.

An event that carries a request which wants an answer has `respond`; answering it twice is a `LocalProtocolError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import attrs

from sipstack.message import (
    SDP,
    Address,
    LocalProtocolError,
    MalformedMessage,
    Reason,
    Request,
    Response,
    session_body,
)
from sipstack.transactions import ServerTransaction

if TYPE_CHECKING:
    from ._call import Call, IncomingCall
    from ._endpoint import Endpoint
    from ._fork import Leg

__all__ = [
    "AckReceived",
    "Answered",
    "ByeReceived",
    "CallLost",
    "CancelReceived",
    "Dtmf",
    "EarlyDialogEnded",
    "Event",
    "Failed",
    "InfoReceived",
    "InviteReceived",
    "MessageReceived",
    "NotifyReceived",
    "OptionsReceived",
    "PrackReceived",
    "Progress",
    "RegisterReceived",
    "Registered",
    "RegistrationLost",
    "ReinviteReceived",
    "RequestReceived",
    "Retried",
    "Ringing",
    "SessionRefreshed",
    "Trying",
    "UpdateReceived",
    "contact_expires",
]


_DEFAULT_EXPIRES = 3600  # seconds; also what stands for a value that cannot be read (RFC 3261, 10.2)
_LONGEST_EXPIRES = 2**32 - 1  # seconds; larger values count as this (RFC 3261, 10.2)


def contact_expires(contact: Address) -> int | None:
    """Return the seconds that a Contact of a REGISTER or its response asks for or grants; None when it does not say."""
    text = contact.parameters.get("expires")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        return _DEFAULT_EXPIRES
    digits = text.lstrip("0") or "0"
    return min(int(digits), _LONGEST_EXPIRES) if len(digits) <= len(str(_LONGEST_EXPIRES)) else _LONGEST_EXPIRES


class Event:
    """Base of all events."""

    __slots__ = ()


@attrs.frozen(eq=False)
class InviteReceived(Event):
    """Somebody calls; answer, reject or ignore `call`.

    What was not answered when its block is left, is answered 480.
    """

    call: IncomingCall

    @property
    def request(self) -> Request:
        """The INVITE."""
        return self.call.invite

    @property
    def offer(self) -> bytes | None:
        """The caller's SDP, or None where we are to make the offer (:rfc:`3261#section-13.2.1`)."""
        return self.call.offer


@attrs.define(eq=False)
class RequestReceived(Event):
    """A request came that has no class of its own, or whose class is below."""

    request: Request
    _endpoint: Endpoint = attrs.field(repr=False)
    _transaction: ServerTransaction = attrs.field(repr=False)
    call: Call | None = None
    leg: Leg | None = None
    "The early dialog of a fork of ours that it came in."
    _is_answered: bool = attrs.field(default=False, init=False, repr=False)

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.method

    @property
    def body(self) -> bytes:
        """The request's body."""
        return self.request.body

    async def respond(
        self,
        code: int,
        phrase: str | None = None,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer the request; an answer that the peer no longer waits for is dropped, and counted.

        :param headers: names and values of further header fields.
        :raises LocalProtocolError: it has been answered.
        :raises CallEnded: the call it came in is over.
        """
        if self._is_answered:
            raise LocalProtocolError(f"this {self.method} has been answered; answer each request once")
        if self.call is not None:
            self.call._check()
        self._endpoint._respond(
            self._transaction, code, phrase=phrase, body=body, content_type=content_type, headers=headers
        )
        self._is_answered = code >= 200
        await self._endpoint._step()


class OptionsReceived(RequestReceived):
    """Somebody asks what we can do (:rfc:`3261#section-11.2`)."""


class MessageReceived(RequestReceived):
    """An instant message came (:rfc:`3428`)."""

    @property
    def text(self) -> str:
        """The message's text; undecodable bytes are replaced."""
        return self.request.body.decode("utf-8", "replace")


class RegisterReceived(RequestReceived):
    """Somebody registers with us, or asks for the bindings (:rfc:`3261#section-10.3`)."""

    @property
    def aor(self) -> str:
        """The address-of-record to be registered."""
        return str(self.request.to_address.uri.aor())

    @property
    def contacts(self) -> list[Address]:
        """The bindings asked for; empty for a query."""
        return self.request.contact

    @property
    def removes_all(self) -> bool:
        """Whether all bindings are to be removed: ``Contact: *``."""
        return self.request.contact_is_star

    @property
    def expires(self) -> int | None:
        """The Expires header field in seconds; a contact's own ``expires`` comes before it."""
        return self.request.expires

    async def accept(self, *, expires: int | None = None) -> None:
        """Answer 200 with the contacts asked for.

        :param expires: the seconds granted to each; by default what each asked for, or 3600.
        """
        headers: list[tuple[str, str]] = []
        for contact in self.contacts:
            granted = contact_expires(contact)
            if granted is None:
                granted = self.expires if self.expires is not None else _DEFAULT_EXPIRES
            if expires is not None:
                granted = min(granted, expires)
            if granted:
                parameters = contact.parameters.without("expires").replace(expires=str(granted))
                headers.append(("Contact", str(contact.replace(parameters=parameters))))
        await self.respond(200, headers=headers)


@attrs.frozen
class Dtmf:
    """Hold one key of a telephone, as INFO relays it.

    :ivar digit: ``0`` to ``9``, ``*``, ``#``, ``A`` to ``D``, or ``!`` for a hook flash.
    :ivar duration: milliseconds, None where the sender does not say.
    """

    digit: str
    duration: int | None = None

    def __bytes__(self) -> bytes:
        duration = 160 if self.duration is None else self.duration  # what most senders say
        return f"Signal={self.digit}\r\nDuration={duration}\r\n".encode()


class InfoReceived(RequestReceived):
    """Application data came in a call (:rfc:`6086`)."""

    @property
    def package(self) -> str | None:
        """The Info-Package, None for an INFO of the old kind (:rfc:`6086#section-9`)."""
        value = self.request.headers.get("Info-Package")
        return None if value is None else value.partition(";")[0].strip()

    @property
    def dtmf(self) -> Dtmf | None:
        """The key that an ``application/dtmf-relay`` or ``application/dtmf`` body names, None where there is none."""
        media = (self.request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        text = self.body[:_DTMF_BYTES].decode("ascii", "replace")
        if media == "application/dtmf":
            return _dtmf(text.strip(), None)
        if media != "application/dtmf-relay":
            return None
        lines = (line.partition("=") for line in text.splitlines())
        values = {name.strip().lower(): value.strip() for name, _, value in lines}
        return _dtmf(values.get("signal", ""), values.get("duration"))


_DTMF_BYTES = 256  # a signal and its duration need some thirty
_DTMF_KEYS = {str(number): str(number) for number in range(10)} | {key: key for key in "*#ABCD!"} | {
    # RFC 4733 section 3.2 numbers them so, and some senders relay the number.
    "10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D", "16": "!",
}  # fmt: skip


def _dtmf(signal: str, duration: str | None) -> Dtmf | None:
    digit = _DTMF_KEYS.get(signal.upper())
    if digit is None:
        return None
    is_number = duration is not None and duration.isascii() and duration.isdigit() and len(duration) <= 6
    return Dtmf(digit, int(duration) if is_number and duration is not None else None)


class NotifyReceived(RequestReceived):
    """A notification came (:rfc:`6665`)."""


class _OfferReceived(RequestReceived):
    """What UPDATE, PRACK and re-INVITE have in common."""

    @property
    def offer(self) -> bytes | None:
        """The peer's new SDP; None, for a re-INVITE only, where we are to make the offer."""
        return session_body(self.request)

    async def answer(self, sdp: bytes) -> None:
        """Accept with 200 and our SDP."""
        await self.respond(200, body=sdp, content_type=SDP)


class UpdateReceived(_OfferReceived):
    """The peer offers another session before or during a call (:rfc:`3311`); it wants its answer promptly.

    An UPDATE without an offer is answered by the stack, see `SessionRefreshed`.
    """


class PrackReceived(_OfferReceived):
    """The caller acknowledges a provisional response and makes an offer with it (:rfc:`3262#section-5`).

    A PRACK without an offer is answered by the stack: `IncomingCall.ring` returns. One with an offer is accepted, if
    not by `answer`, then by any other 2xx: it cannot be refused.
    """

    async def respond(
        self,
        code: int,
        phrase: str | None = None,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer the PRACK.

        :raises LocalProtocolError: the code is no 2xx, or the offer is not answered.
        """
        if not 200 <= code < 300:
            raise LocalProtocolError(f"{code} cannot be the answer to a PRACK that matches: accept it, with an answer")
        await super().respond(code, phrase, body=body, content_type=content_type, headers=headers)


class ReinviteReceived(_OfferReceived):
    """The peer changes the session of a call (:rfc:`3261#section-14.2`)."""


@attrs.frozen(eq=False)
class SessionRefreshed(Event):
    """The stack has refreshed the session by itself (:rfc:`3311`, :rfc:`4028`).

    It has answered an UPDATE without an offer; or it has sent a re-INVITE to which the peer gave another answer than
    before, now in `Call.remote_sdp`.

    :ivar request: the UPDATE, or our re-INVITE.
    """

    request: Request


@attrs.frozen(eq=False)
class AckReceived(Event):
    """The caller has our 2xx: the call stands.

    :ivar body: the answer, where the offer was ours; the ACK itself is not kept for users who may never look.
    """

    body: bytes


@attrs.frozen(eq=False)
class ByeReceived(Event):
    """The peer hung up; the stack has answered."""

    request: Request

    @property
    def reasons(self) -> list[Reason]:
        """Why, if the peer says so (:rfc:`3326`); what cannot be read is left out."""
        return _reasons(self.request)


@attrs.frozen(eq=False)
class CancelReceived(Event):
    """The caller gave up before our answer; the stack has answered (:rfc:`3261#section-9.2`).

    :ivar request: the CANCEL, or the BYE that did the same; None when the INVITE's own Expires ran out.
    """

    request: Request | None

    @property
    def reasons(self) -> list[Reason]:
        """Why, if the caller says so (:rfc:`3326`); what cannot be read is left out."""
        return [] if self.request is None else _reasons(self.request)


def _reasons(request: Request) -> list[Reason]:
    try:
        return request.reason
    except MalformedMessage:
        return []


@attrs.frozen(eq=False)
class CallLost(Event):
    """The call ended with no BYE from the peer."""

    cause: Literal["timeout", "transport", "unacknowledged", "rejected", "expired"]
    response: Response | None = None


@attrs.frozen(eq=False)
class Trying(Event):
    """The next hop has our INVITE: a 100 came."""

    response: Response


@attrs.frozen(eq=False)
class Progress(Event):
    """A 101 to 199 came that is not 180; `leg` is the early dialog it belongs to, if any.

    :ivar reliable: whether it was sent reliably: the stack acknowledges it, unless it makes an offer, or the invitation
        was opened with ``prack="manual"``; then `Leg.prack` does.
    """

    response: Response
    leg: Leg | None
    reliable: bool = False


@attrs.frozen(eq=False)
class Ringing(Event):
    """A 180 came; `leg` is the early dialog it belongs to, if any.

    :ivar reliable: as for `Progress`.
    """

    response: Response
    leg: Leg | None
    reliable: bool = False


@attrs.frozen(eq=False)
class EarlyDialogEnded(Event):
    """A leg is over while the others go on: a 199 came for it, or its BYE (:rfc:`6228`)."""

    leg: Leg
    response: Response | None


@attrs.frozen(eq=False)
class Retried(Event):
    """An attempt was refused and another follows, changed as the refusal asked.

    :ivar request: what is sent now.
    :ivar after: seconds until it is sent.
    """

    response: Response
    request: Request
    after: float


@attrs.frozen(eq=False)
class Answered(Event):
    """A 2xx came: `call` stands."""

    response: Response
    leg: Leg
    call: Call


@attrs.frozen(eq=False)
class Failed(Event):
    """The INVITE came to nothing: `error` is what `answered` raises."""

    error: Exception
    response: Response | None


@attrs.frozen(eq=False)
class Registered(Event):
    """The registrar has our binding until `expires` seconds from now."""

    response: Response
    expires: int


@attrs.frozen(eq=False)
class RegistrationLost(Event):
    """A refresh failed; the stack tries again in `retry_after` seconds."""

    error: Exception
    retry_after: float
