"""Event packages and the state of subscriptions to them (:rfc:`6665#section-8.2`)."""

from __future__ import annotations

from typing import Self

import attrs

from ._grammar import DELTA_SECONDS_MAX, check_token, decimal_untrusted
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue, head_and_parameters_untrusted

__all__ = ["Event", "SubscriptionState"]


@attrs.frozen
class Event(HeaderValue):
    """Name an event package, such as ``presence`` or ``dialog`` (:rfc:`6665#section-8.2.1`)."""

    package: str
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read an event."""
        return cls._read(value, *head_and_parameters_untrusted(value))

    @property
    def id(self) -> str | None:
        """Return what tells subscriptions of one dialog to one package apart (:rfc:`6665#section-4.5.2`)."""
        return self.parameters.get("id")

    def _check(self) -> None:
        check_token("an event package", self.package)

    def _render(self) -> str:
        return self.package + self.parameters.in_header()


@attrs.frozen
class SubscriptionState(HeaderValue):
    """Say how a subscription stands: ``active``, ``pending``, ``terminated`` or another (:rfc:`6665#section-8.2.3`)."""

    state: str = attrs.field(eq=str.lower)
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read a subscription state."""
        return cls._read(value, *head_and_parameters_untrusted(value))

    @property
    def reason(self) -> str | None:
        """Return why the subscription ended (:rfc:`6665#section-4.1.3`)."""
        return self.parameters.get("reason")

    @property
    def expires(self) -> int | None:
        """Return how many seconds the subscription has left."""
        return self._seconds("expires")

    @property
    def retry_after(self) -> int | None:
        """Return after how many seconds to try again."""
        return self._seconds("retry-after")

    def _seconds(self, name: str) -> int | None:
        if name not in self.parameters:
            return None
        return decimal_untrusted(self.parameters[name] or "", f"the {name} of a subscription state", DELTA_SECONDS_MAX)

    def _check(self) -> None:
        check_token("the state of a subscription", self.state)

    def _render(self) -> str:
        return self.state + self.parameters.in_header()
