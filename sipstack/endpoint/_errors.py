"""Errors that a user of an endpoint meets, beyond those of the floors below."""

from __future__ import annotations

from ..message import Response, SipError

__all__ = ["CallEnded", "CallFailed", "RegistrationFailed", "RequestFailed"]


class RequestFailed(SipError):
    """A request was answered with a failure.

    :param response: the final response, 300 to 699.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.code} {response.phrase}".rstrip())
        self.response = response


class CallFailed(RequestFailed):
    """A call was not answered with a 2xx; `response` says why not."""


class RegistrationFailed(RequestFailed):
    """A registrar refused; `response` says why."""


class CallEnded(SipError):
    """Something was asked of a call that has ended.

    :param reason: how it ended: ``"local"``, ``"remote"``, ``"cancelled"``, ``"timeout"`` …
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the call has ended ({reason})")
        self.reason = reason
