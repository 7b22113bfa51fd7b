"""One request of ours that is not an INVITE, from its first attempt to its final response (:rfc:`3261#section-8.1`).

A re-INVITE is one too: it makes no dialog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from sipstack.auth import Authenticator
from sipstack.dialogs import Outgoing, RequestFailed, ResponseReceived
from sipstack.message import Response, SipError

if TYPE_CHECKING:
    from ._endpoint import Endpoint

__all__ = ["Exchange"]


class Exchange:
    """Wait for the final response to a request that waits for its route; answer its challenges on the way.

    :param authenticator: answers 401 and 407, and spares the request the challenge where it knows the realm.
    """

    __slots__ = ("_authenticator", "_done", "_endpoint", "_error", "_response", "outgoing")

    def __init__(self, endpoint: Endpoint, outgoing: Outgoing, authenticator: Authenticator) -> None:
        self._endpoint = endpoint
        self._authenticator = authenticator
        authenticator.authorize(outgoing.request)
        self._done = trio.Event()
        self._response: Response | None = None
        self._error: SipError | None = None
        self.outgoing = outgoing

    async def wait(self) -> Response:
        """Wait for the final response; who is cancelled meanwhile gives the request up.

        :raises SipError: there was none: `TransactionTimeout`, `TransportError`, `ResolveError` or `CallEnded`.
        """
        try:
            await self._done.wait()
        finally:
            if not self._done.is_set():
                self._endpoint._abandon(self)
        if self._error is not None:
            raise self._error
        assert self._response is not None
        return self._response

    def on_response(self, output: ResponseReceived) -> bool:
        """Take a response; False when more will follow."""
        response = output.response
        if not response.is_final:
            return False
        if response.code in (401, 407):
            if self._is_retried(response):
                return False
        else:
            self._authenticator.accepted(self.outgoing.request, response)
        self._response = response
        self._done.set()
        return True

    def _is_retried(self, challenge: Response) -> bool:
        retry = self._endpoint._authorized(self._authenticator, self.outgoing.request, challenge)
        return retry is not None and self._endpoint._resend(self.outgoing, retry)

    def on_failed(self, output: RequestFailed) -> None:
        """Take the news that no response will come."""
        self.fail(self._endpoint._error_of(output.kind, output.detail))

    def fail(self, error: SipError) -> None:
        """End the wait with an error."""
        self._error = error
        self._done.set()
