"""What carries a script to a sans-IO layer: messages by datagram or stream, and time (:rfc:`3261#section-18.3`)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sipstack.dialogs import DialogLayer
from sipstack.message import Framer, KeepAlive, MalformedMessage
from sipstack.transactions import Flow, TransactionLayer

__all__ = ["World"]


class World(ABC):
    """Feed a layer, and keep its time; a subclass holds the layer and takes what comes out of it."""

    layer: DialogLayer | TransactionLayer
    now: float

    @abstractmethod
    def drain(self) -> None:
        """Take all that came out."""

    def receive(self, data: bytes, flow: Flow) -> None:
        """Take one datagram, or the bytes of a stream."""
        if not flow.is_reliable:
            self.layer.receive(data, flow, self.now)
            return
        framer = Framer()
        framer.feed(data)
        for _ in range(8):
            try:
                item = framer.next_message()
            except MalformedMessage as error:
                self.layer.reject_malformed(error, flow)
                return
            if item is None:
                return
            if not isinstance(item, KeepAlive):
                self.layer.receive_message(item, flow, self.now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and every timer fire that is due."""
        until = self.now + seconds
        while (deadline := self.layer.next_deadline()) is not None and deadline <= until:
            assert deadline >= self.now - 1e-9, "a timer is due in the past"
            self.now = max(self.now, deadline)
            self.layer.expire(self.now)
            self.drain()
        self.now = until
