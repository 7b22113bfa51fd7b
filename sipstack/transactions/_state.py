"""The states of the four machines, and what moves them (:rfc:`3261#section-17`, :rfc:`6026#section-7`)."""

from __future__ import annotations

import enum

__all__ = ["Input", "State"]


class State(enum.Enum):
    """Name a state as the RFC's figures do."""

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"

    # See Timer.__hash__.
    __hash__ = object.__hash__


class Input(enum.Enum):
    """Name what a machine is told, other than that a timer fired: then the input is the Timer itself."""

    REQUEST = "the request came again"
    ACK = "an ACK came"
    RESPONSE_1XX = "a 1xx came"
    RESPONSE_2XX = "a 2xx came"
    RESPONSE_300_699 = "a 300-699 came"
    RESPONSE_200_699 = "a final response came"
    RESPOND_100 = "our user sends 100"
    RESPOND_1XX = "our user sends a 1xx"
    RESPOND_2XX = "our user sends a 2xx"
    RESPOND_300_699 = "our user sends a 300-699"
    RESPOND_200_699 = "our user sends a final response"
    TRANSPORT_ERROR = "what was sent could not be sent, or its connection is lost"

    # See Timer.__hash__.
    __hash__ = object.__hash__
