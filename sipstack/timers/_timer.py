"""The names of the timers of the transaction machines (:rfc:`3261`, appendix A; :rfc:`6026#section-8`)."""

from __future__ import annotations

import enum

__all__ = ["Timer"]


class Timer(enum.Enum):
    """Name a timer; a machine takes the name as its input when the timer fires."""

    A = "A"
    "INVITE request retransmission, UDP only."
    B = "B"
    "INVITE client transaction timeout."
    C = "C"
    "Proxy INVITE transaction timeout."
    D = "D"
    "Wait for retransmissions of the final response to an INVITE."
    E = "E"
    "Non-INVITE request retransmission, UDP only."
    F = "F"
    "Non-INVITE client transaction timeout."
    G = "G"
    "INVITE final response retransmission."
    H = "H"
    "Wait for the ACK."
    I = "I"  # noqa: E741  (the RFC's own name)
    "Wait for retransmissions of the ACK."
    J = "J"
    "Wait for retransmissions of a non-INVITE request."
    K = "K"
    "Wait for retransmissions of a non-INVITE response."
    L = "L"
    "Wait for retransmissions of an accepted INVITE."
    M = "M"
    "Wait for retransmissions of the 2xx, and for the 2xx of other forks."
    TRYING = "TRYING"
    "A 100 (Trying) is due, because nobody has answered yet."
    GIVE_UP = "GIVE_UP"
    "A cancelled INVITE had no final response, or a non-INVITE request had no answer of ours, for 64*T1."

    # Enum's own hash is a Python function; members are singletons, so their identity does, at a tenth of the cost.
    __hash__ = object.__hash__
