"""A registration that keeps itself alive (:rfc:`3261#section-10.2`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import trio

from sipstack.auth import Authenticator
from sipstack.message import URI, Address, CSeq, MalformedMessage, Request, Response, SipError

from ._errors import RegistrationFailed
from ._event_queue import EventQueue
from ._events import Event, Registered, RegistrationLost, contact_expires

if TYPE_CHECKING:
    from ._endpoint import Endpoint

__all__ = ["Registration"]

T = TypeVar("T")

_REFRESH_MARGIN = 32.0  # 64*T1: a refresh that gets no answer is given up by then, and the binding still stands
_FIRST_RETRY, _LAST_RETRY = 2.0, 60.0  # seconds; doubled from one failure to the next
_SHORTEST_DELAY = 0.5  # seconds: a registrar that grants nothing must not keep us busy
_INTERVAL_ATTEMPTS = 2  # a registrar that answers 423 to its own Min-Expires is not asked again


class Registration:
    """Hold one binding of an address-of-record to our contact.

    :ivar aor: the address-of-record.
    :ivar expires: the seconds the registrar granted last.
    :ivar contacts: all bindings of the address-of-record that the registrar listed last.
    """

    def __init__(
        self, endpoint: Endpoint, request: Request, next_hop: str | None, expires: int, authenticator: Authenticator
    ) -> None:
        self._endpoint = endpoint
        self._request = request
        self._next_hop = next_hop
        self._wanted = expires
        self._authenticator = authenticator
        self._queue: EventQueue[Event] = EventQueue(endpoint.limits.call_queue)
        self._sequence = 0
        self._has_binding = False
        self.aor: URI = request.to_address.uri
        self.expires = 0
        self.contacts: list[Address] = []
        self.response: Response | None = None

    def events(self) -> EventQueue[Event]:
        """Iterate over `Registered` and `RegistrationLost`."""
        return self._queue

    async def refresh(self) -> Response:
        """Register now, and return the 200.

        :raises RegistrationFailed: the registrar refused.
        :raises SipError: it gave no answer.
        """
        had_binding, self._has_binding = self._has_binding, True  # from when it is sent, there may be one
        for _ in range(_INTERVAL_ATTEMPTS):
            try:
                sent, response = await self._send(self._wanted)
            except SipError:
                self._has_binding = had_binding
                raise
            minimum = _read(lambda: response.min_expires) if response.code == 423 else None  # noqa: B023  (called now)
            if minimum is None or minimum <= self._wanted:
                break
            self._wanted = minimum
        if not response.is_success:
            self._has_binding = had_binding
            raise RegistrationFailed(response)
        self._take(sent, response)
        return response

    async def _send(self, expires: int) -> tuple[Request, Response]:
        request = self._request.copy()
        self._sequence += 1
        request.cseq = CSeq(self._sequence, "REGISTER")
        request.expires = expires
        exchange = self._endpoint._send(request, self._next_hop, self._authenticator, with_contact=True)
        try:
            response = await exchange.wait()
        finally:
            self._sequence = exchange.outgoing.request.cseq.sequence
        return exchange.outgoing.request, response

    def _take(self, sent: Request, response: Response) -> None:
        self.response = response
        ours = sent.contact[0].uri if sent.contact else None
        granted = _read(lambda: response.expires)
        self.contacts = _read(lambda: response.contact) or []
        for contact in self.contacts:
            own = contact_expires(contact) if contact.uri == ours else None
            if own is not None:
                granted = own
        if granted is None:
            granted = self._wanted
        self.expires = granted
        self._queue.put(Registered(response, granted))

    async def _keep(self) -> None:
        """Refresh before the binding expires, for ever."""
        retry = _FIRST_RETRY
        delay = self._until_refresh()
        while True:
            await trio.sleep(delay)
            try:
                await self.refresh()
            except SipError as error:
                delay = max(retry, _retry_after(error))
                retry = min(retry * 2, _LAST_RETRY)
                self._queue.put(RegistrationLost(error, delay))
            else:
                retry = _FIRST_RETRY
                delay = self._until_refresh()

    def _until_refresh(self) -> float:
        return max(self.expires / 2, self.expires - _REFRESH_MARGIN, _SHORTEST_DELAY)

    async def _remove(self) -> None:
        """Remove the binding, if there may be one (:rfc:`3261#section-10.2.2`)."""
        self._queue.close()
        if self._has_binding:
            self._has_binding = False
            with trio.move_on_after(self._endpoint.grace):
                try:
                    await self._send(0)
                except SipError as error:
                    self._endpoint._count(f"un-REGISTER failed: {type(error).__name__}")


def _retry_after(error: SipError) -> float:
    """Return the seconds a refusal asks us to wait (:rfc:`3261#section-20.33`)."""
    if isinstance(error, RegistrationFailed):
        value = _read(lambda: error.response.retry_after)
        if value is not None:
            return float(value.seconds)
    return 0.0


def _read(header: Callable[[], T]) -> T | None:
    """Read a header field of a response that counts without it too: what cannot be read is not there."""
    try:
        return header()
    except MalformedMessage:
        return None
