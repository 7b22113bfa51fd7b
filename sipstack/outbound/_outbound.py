"""One message on its way out, as a hook sees it, and what the hook makes of it.

A hook changes what goes on the wire and nothing else: the state machines go on as if they had sent what they made.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable
from typing import Self, TypeAlias

import attrs

from sipstack.message import Limits, LocalProtocolError, Request, Response, parse_message
from sipstack.transactions import Flow, Send

__all__ = ["Emission", "Hook", "Outbound", "Point", "outbound_of"]

_ANY_SIZE = Limits(message_size=2**63, header_section_size=2**63, header_count=2**63, body_size=2**63)
"What is read here is our own: it was not measured when it was made, either."


class Point(enum.Enum):
    """Say what a message is to the stack that sends it."""

    REQUEST = "request"
    "Any request but CANCEL and ACK."
    CANCEL = "CANCEL"
    ACK_2XX = "ACK to a 2xx"
    "A message of the dialog's, without a transaction (:rfc:`3261#section-13.2.2.4`)."
    ACK_NON_2XX = "ACK to a 300-699"
    "Part of the INVITE transaction (:rfc:`3261#section-17.1.1.3`)."
    PROVISIONAL = "provisional response"
    FINAL = "final response"
    STATELESS = "stateless response"
    "A response without a transaction: to what could not be read, or for want of room (:rfc:`3261#section-8.2.7`)."


@attrs.frozen(eq=False)
class Outbound:
    """Hold one message that is about to be sent."""

    point: Point
    message: Request | Response
    "A copy for the hook to change; with the Content-Length that is sent."
    data: bytes
    "The same, as bytes."
    flow: Flow
    number: int = 1
    "How often this very message was to be sent by now, this time included."

    @property
    def is_retransmission(self) -> bool:
        """Whether the same bytes were to be sent before."""
        return self.number > 1

    @property
    def method(self) -> str:
        """The method of the request, or of the request that is answered; empty where its CSeq cannot be read."""
        if isinstance(self.message, Request):
            return self.message.method
        return "".join((self.message.headers.get("CSeq") or "").split()[1:2])


@attrs.frozen
class Emission:
    """Hold bytes to send instead, after so many seconds."""

    data: bytes
    delay: float = attrs.field(default=0.0)

    @delay.validator
    def _check_delay(self, _attribute: object, value: float) -> None:
        if not 0 <= value < math.inf:
            raise LocalProtocolError(f"a delay of {value} seconds: give 0 or more, or leave the emission out")

    @classmethod
    def of(cls, message: Request | Response, delay: float = 0.0) -> Self:
        """Write a message as it stands: its Content-Length is sent as it says, right or wrong.

        :raises LocalProtocolError: the start line holds CR, LF or NUL; these can only be sent as bytes.
        """
        start_line = message.serialise().partition(b"\r\n")[0]
        return cls(
            b"%b\r\n%b%b" % (start_line, str(message.headers).encode("utf-8", "surrogateescape"), message.body), delay
        )


Hook: TypeAlias = Callable[[Outbound], Iterable[Emission] | None]
"Takes each message that is to be sent, and returns what is sent instead, or None to send it as it is."


def outbound_of(output: Send, number: int) -> Outbound:
    """Make what a hook sees of an output of the core.

    :param number: how often it was to be sent by now.
    """
    # Of a repetition, its transaction may have kept the bytes alone.
    message = parse_message(output.data, _ANY_SIZE) if output.message is None else output.message.copy()
    length = str(len(message.body))
    if message.headers.getlist("Content-Length") != [length]:
        message.headers.set("Content-Length", length)
    return Outbound(_point_of(output, message), message, output.data, output.flow, number)


def _point_of(output: Send, message: Request | Response) -> Point:
    if isinstance(message, Request):
        if message.method == "ACK":
            return Point.ACK_2XX if output.transaction is None else Point.ACK_NON_2XX
        return Point.CANCEL if message.method == "CANCEL" else Point.REQUEST
    if output.transaction is None:
        return Point.STATELESS
    return Point.FINAL if message.is_final else Point.PROVISIONAL
