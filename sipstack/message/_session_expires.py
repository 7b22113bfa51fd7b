"""The Session-Expires header field (:rfc:`4028#section-4`)."""

from __future__ import annotations

from typing import Self

import attrs

from ._errors import LocalProtocolError
from ._grammar import DELTA_SECONDS_MAX, decimal_untrusted
from ._parameters import EMPTY, Parameters
from ._value import HeaderValue, head_and_parameters_untrusted

__all__ = ["SessionExpires"]


@attrs.frozen
class SessionExpires(HeaderValue):
    """Say how long a session lasts without a refresh, and who refreshes it (:rfc:`4028#section-4`)."""

    seconds: int
    parameters: Parameters = EMPTY

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read ``1800;refresher=uac``."""
        seconds, parameters = head_and_parameters_untrusted(value)
        return cls._read(value, decimal_untrusted(seconds, "a Session-Expires", DELTA_SECONDS_MAX), parameters)

    @property
    def refresher(self) -> str | None:
        """Return ``uac``, ``uas`` or None, in small letters."""
        refresher = self.parameters.get("refresher")
        return None if refresher is None else refresher.lower()

    def _check(self) -> None:
        if not 0 <= self.seconds <= DELTA_SECONDS_MAX:
            raise LocalProtocolError(f"seconds are between 0 and {DELTA_SECONDS_MAX}: {self.seconds}")
        if "refresher" in self.parameters and self.refresher not in ("uac", "uas"):
            raise LocalProtocolError(f"a refresher is uac or uas: {self.refresher!r}")

    def _render(self) -> str:
        return f"{self.seconds}{self.parameters.in_header()}"
