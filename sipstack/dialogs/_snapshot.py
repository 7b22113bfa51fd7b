"""A confirmed dialog with its call as a value that another process can go on with (:rfc:`3261#section-12`).

The value is JSON of a stated version. It holds what is settled: nothing may be under way when it is taken. Times are
relative, so that clocks need not agree; who restores says how long the value lay.
"""

from __future__ import annotations

import json
from typing import Any, Final, Self

import attrs

from sipstack.message import URI, Address, LocalProtocolError, SipError
from sipstack.transactions import Flow

from ._dialog import Dialog, DialogState
from ._invite_usage import InviteUsage, UsageState
from ._offer_answer import OfferAnswer, OfferAnswerState
from ._session_timer import SessionTimer, SessionTimerState

__all__ = ["DialogSnapshot", "SnapshotError"]

_VERSION: Final = 1


class SnapshotError(SipError):
    """What is given is no snapshot of a dialog that this version can restore."""


@attrs.frozen
class DialogSnapshot:
    """Hold a dialog and its call as plain values.

    ``str()`` makes JSON of it, `parse` reads that.

    :ivar fields: names and plain values, as they stand in the JSON.
    """

    fields: dict[str, Any]

    def __str__(self) -> str:
        return json.dumps(self.fields, separators=(",", ":"), sort_keys=True)

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Read the JSON.

        :raises SnapshotError: it is none, or of another version.
        """
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise SnapshotError(f"a snapshot is JSON: {error}") from None
        if not isinstance(fields, dict) or fields.get("version") != _VERSION:
            raise SnapshotError(f"this is no dialog snapshot of version {_VERSION}")
        return cls(fields)

    @classmethod
    def of(cls, usage: InviteUsage, *, refresh_in: float | None, expires_in: float | None) -> Self:
        """Take the snapshot of a call.

        :param refresh_in: seconds until we refresh the session, None where we do not.
        :param expires_in: seconds until the session expires, None where it does not.
        """
        dialog, session, timer, flow = usage.dialog, usage.session, usage.timer, usage.flow
        return cls(
            {
                "version": _VERSION,
                "call_id": dialog.call_id,
                "local_tag": dialog.local_tag,
                "remote_tag": dialog.remote_tag,
                "local_party": dialog.local_party,
                "remote_party": dialog.remote_party,
                "remote_target": str(dialog.remote_target),
                "local_sequence": dialog.local_sequence,
                "remote_sequence": dialog.remote_sequence,
                "route_set": [str(route) for route in dialog.route_set],
                "is_secure": dialog.is_secure,
                "is_caller": usage.is_caller,
                "local_contact": usage.local_contact,
                "flow": {
                    "transport": flow.transport,
                    "local": list(flow.local),
                    "remote": list(flow.remote),
                    "sent_by": flow.sent_by,
                },
                "session": None
                if session.state is OfferAnswerState.NONE
                else {
                    "local": _text(session.local),
                    "remote": _text(session.remote),
                    "has_answered": session.has_answered,
                },
                "session_timer": None
                if timer is None
                else {
                    "state": timer.state.value,
                    "interval": timer.interval,
                    "least": timer.least,
                    "uses_update": timer.uses_update,
                    "refresh_in": refresh_in,
                    "expires_in": expires_in,
                },
            }
        )

    def usage(self) -> InviteUsage:
        """Make the call anew, without its timers.

        :raises SnapshotError: a value is missing, or is not what it must be.
        """
        fields = self.fields
        try:
            dialog = Dialog(
                call_id=_checked(fields["call_id"], str),
                local_tag=_checked(fields["local_tag"], str),
                remote_tag=_checked(fields["remote_tag"], str),
                local_party=_checked(fields["local_party"], str),
                remote_party=_checked(fields["remote_party"], str),
                remote_target=URI.parse(_checked(fields["remote_target"], str)),
                local_sequence=fields["local_sequence"] and _checked(fields["local_sequence"], int),
                remote_sequence=fields["remote_sequence"] and _checked(fields["remote_sequence"], int),
                route_set=tuple(Address.parse(_checked(route, str)) for route in fields["route_set"]),
                is_secure=_checked(fields["is_secure"], bool),
                state=DialogState.CONFIRMED,
            )
            flow = fields["flow"]
            usage = InviteUsage(
                dialog,
                is_caller=_checked(fields["is_caller"], bool),
                flow=Flow(
                    _checked(flow["transport"], str),
                    _host_and_port(flow["local"]),
                    _host_and_port(flow["remote"]),
                    _checked(flow["sent_by"], str),
                ),
                state=UsageState.CONFIRMED,
                local_contact=fields["local_contact"] and _checked(fields["local_contact"], str),
            )
            session = fields["session"]
            if session is not None:
                usage.session = OfferAnswer(
                    OfferAnswerState.AGREED,
                    local=_bytes(session["local"]),
                    remote=_bytes(session["remote"]),
                    has_answered=_checked(session["has_answered"], bool),
                )
            timer = fields["session_timer"]
            if timer is not None:
                usage.timer = SessionTimer(
                    usage,
                    SessionTimerState(timer["state"]),
                    interval=_checked(timer["interval"], int),
                    least=_checked(timer["least"], int),
                    uses_update=_checked(timer["uses_update"], bool),
                )
                for name in ("refresh_in", "expires_in"):
                    if timer[name] is not None:
                        _checked(timer[name], (int, float))
        except (KeyError, TypeError, ValueError, LocalProtocolError) as error:
            raise SnapshotError(f"the snapshot cannot be restored: {error!r}") from None
        return usage

    def timer_delay(self, name: str) -> float | None:
        """Return in how many seconds from the snapshot ``refresh`` or ``expires`` was due; None when it was not."""
        timer = self.fields["session_timer"]
        delay: float | None = None if timer is None else timer[f"{name}_in"]
        return delay


def _text(description: bytes | None) -> str | None:
    return None if description is None else description.decode("utf-8", "surrogateescape")


def _bytes(text: object) -> bytes | None:
    return None if text is None else _checked(text, str).encode("utf-8", "surrogateescape")


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} is not of the right type")
    return value


def _host_and_port(value: Any) -> tuple[str, int]:
    host, port = value
    return _checked(host, str), _checked(port, int)
