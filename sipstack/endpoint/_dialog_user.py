"""What a user can do in a dialog, early or confirmed (:rfc:`3261#section-12.2`, :rfc:`3311`, :rfc:`6086`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

import trio

from sipstack.auth import Authenticator
from sipstack.dialogs import Dialog, InviteUsage, OfferAnswer, Outgoing
from sipstack.message import SDP, Response

if TYPE_CHECKING:
    from ._endpoint import Endpoint
    from ._exchange import Exchange

__all__ = ["DialogUser"]


class DialogUser(ABC):
    """Send requests within one dialog.

    :ivar usage: the core's own view of it.
    """

    __slots__ = ("_authenticator", "_endpoint", "_exchanges", "usage")

    def __init__(self, endpoint: Endpoint, usage: InviteUsage, authenticator: Authenticator) -> None:
        self._endpoint = endpoint
        self._authenticator = authenticator
        self._exchanges: dict[Exchange, None] = {}
        self.usage = usage
        usage.owner = self

    @property
    def dialog(self) -> Dialog:
        """The dialog: tags, route set, remote target (:rfc:`3261#section-12`)."""
        return self.usage.dialog

    @property
    def session(self) -> OfferAnswer:
        """What was offered and agreed in it (:rfc:`3264`)."""
        return self.usage.session

    async def update(
        self, offer: bytes | None = None, *, content_type: str = SDP, headers: Iterable[tuple[str, str]] = ()
    ) -> Response:
        """Offer another session by UPDATE, or only refresh the one there is (:rfc:`3311#section-5.1`).

        Where the peer's user must agree first, `Call.reinvite` is the better way: an UPDATE is answered at once.

        :param offer: the new SDP; without it the session stays as it is.
        :raises LocalProtocolError: another UPDATE, or another offer, is under way.
        :raises CallEnded: the dialog is over, or ends meanwhile.
        """
        self._check()
        outgoing = self._endpoint._core.update(
            self.usage,
            trio.current_time(),
            body=offer or b"",
            content_type=content_type if offer else None,
            headers=tuple(headers),
        )
        return await self._exchange(outgoing)

    async def request(
        self,
        method: str,
        *,
        body: bytes = b"",
        content_type: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """Send any other request within the dialog and return its final response (:rfc:`3261#section-12.2.1`).

        :raises CallEnded: the dialog is over, or ends meanwhile.
        :raises TransactionTimeout: no final response came.
        """
        self._check()
        outgoing = self._endpoint._core.dialog_request(
            self.usage, method, trio.current_time(), body=body, content_type=content_type, headers=tuple(headers)
        )
        return await self._exchange(outgoing)

    async def info(
        self,
        body: bytes,
        content_type: str,
        *,
        package: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """Send application data within the dialog (:rfc:`6086`).

        :param package: its Info-Package; without one it is an INFO of the old kind.
        :raises CallEnded: the dialog is over, or ends meanwhile.
        """
        fields = list(headers)
        if package is not None:
            fields += [("Info-Package", package), ("Content-Disposition", "Info-Package")]
        return await self.request("INFO", body=body, content_type=content_type, headers=fields)

    async def _exchange(self, outgoing: Outgoing) -> Response:
        exchange = self._endpoint._follow(outgoing, self._authenticator)
        self._exchanges[exchange] = None
        try:
            self._endpoint._flush()
            return await exchange.wait()
        finally:
            self._exchanges.pop(exchange, None)

    @abstractmethod
    def _check(self) -> None:
        """Refuse to send in a dialog that is over.

        :raises CallEnded: it is.
        """
