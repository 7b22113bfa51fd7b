"""Errors that a user of an endpoint meets, beyond those of the floors below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstack.message import Response, SipError

if TYPE_CHECKING:
    from ._call import Call

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
    :param call: the call, if it ever was one.
    """

    def __init__(self, reason: str, call: Call | None = None) -> None:
        super().__init__(f"the call has ended ({reason})")
        self.reason = reason
        self.call = call
