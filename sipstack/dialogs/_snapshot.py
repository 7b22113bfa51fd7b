"""A confirmed dialog with its call as a value that another process can go on with (:rfc:`3261#section-12`).

The value is JSON of a stated version. It holds what is settled: nothing may be under way when it is taken. Times are
relative, so that clocks need not agree; who restores says how long the value lay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, Self

import attrs

from sipstack.message import URI, Address, LocalProtocolError, SipError
from sipstack.transactions import Flow

from ._dialog import LAST_SEQUENCE, Dialog, DialogState
from ._invite_usage import InviteUsage, UsageState
from ._offer_answer import OfferAnswer, OfferAnswerState
from ._session_timer import LEAST_INTERVAL, SessionTimer, SessionTimerState

__all__ = ["DialogSnapshot", "SnapshotError"]

_VERSION: Final = 1

_LONGEST = 2**32 - 1  # seconds: the most that a Session-Expires says (RFC 3261, section 25.1: delta-seconds)


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
        except (ValueError, RecursionError) as error:
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
                "required": list(usage.required),
                "proxy_required": list(usage.proxy_required),
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
        try:
            return _usage(self.fields)
        except (KeyError, TypeError, ValueError, LocalProtocolError) as error:
            raise SnapshotError(f"the snapshot cannot be restored: {error!r}") from None

    def with_realms(self, realms: Iterable[tuple[str, str]]) -> Self:
        """Return a snapshot that says, too, which realms have asked for credentials during the call."""
        return attrs.evolve(self, fields={**self.fields, "realms": [list(realm) for realm in realms]})

    @property
    def realms(self) -> list[tuple[str, str]]:
        """Which realms have asked for credentials, each with the header field that answers it.

        :raises SnapshotError: the value is not what it must be.
        """
        try:
            pairs = [_strings(pair) for pair in _checked(self.fields.get("realms", []), list)]
            return [(field, realm) for field, realm in pairs]
        except (TypeError, ValueError) as error:
            raise SnapshotError(f"the snapshot cannot be restored: {error!r}") from None

    def timer_delay(self, name: str) -> float | None:
        """Return in how many seconds from the snapshot ``refresh`` or ``expires`` was due; None when it was not."""
        timer = self.fields["session_timer"]
        delay: float | None = None if timer is None else timer[f"{name}_in"]
        return delay


def _text(description: bytes | None) -> str | None:
    return None if description is None else description.decode("utf-8", "surrogateescape")


def _usage(fields: dict[str, Any]) -> InviteUsage:
    local_tag, remote_tag = _string(fields["local_tag"]), _string(fields["remote_tag"])
    dialog = Dialog(
        call_id=_call_id(fields["call_id"]),
        local_tag=local_tag,
        remote_tag=remote_tag,
        local_party=_party(fields["local_party"], local_tag),
        remote_party=_party(fields["remote_party"], remote_tag),
        remote_target=URI.parse(_string(fields["remote_target"])),
        local_sequence=_sequence(fields["local_sequence"]),
        remote_sequence=_sequence(fields["remote_sequence"]),
        route_set=tuple(Address.parse(route) for route in _strings(fields["route_set"])),
        is_secure=_checked(fields["is_secure"], bool),
        state=DialogState.CONFIRMED,
    )
    flow = _checked(fields["flow"], dict)
    contact = fields["local_contact"]
    if contact is not None:
        Address.parse(_string(contact))
    usage = InviteUsage(
        dialog,
        is_caller=_checked(fields["is_caller"], bool),
        flow=Flow(
            _string(flow["transport"]),
            _host_and_port(flow["local"]),
            _host_and_port(flow["remote"]),
            _string(flow["sent_by"]),
        ),
        state=UsageState.CONFIRMED,
        local_contact=contact,
        required=_strings(fields["required"]),
        proxy_required=_strings(fields["proxy_required"]),
    )
    session = fields["session"]
    if session is not None:
        _checked(session, dict)
        usage.session = OfferAnswer(
            OfferAnswerState.AGREED,
            local=_bytes(session["local"]),
            remote=_bytes(session["remote"]),
            has_answered=_checked(session["has_answered"], bool),
        )
    timer = fields["session_timer"]
    if timer is not None:
        _checked(timer, dict)
        usage.timer = SessionTimer(
            usage,
            SessionTimerState(timer["state"]),
            interval=_whole(timer["interval"], _LONGEST),
            least=_whole(timer["least"], _LONGEST),
            uses_update=_checked(timer["uses_update"], bool),
        )
        is_on = usage.timer.state is not SessionTimerState.OFF
        if is_on and (usage.timer.interval < LEAST_INTERVAL or timer["expires_in"] is None):
            raise ValueError("a session timer that runs has an interval and an end")
        for name in ("refresh_in", "expires_in"):
            delay = timer[name]
            if delay is not None and not 0 <= _checked(delay, (int, float)) <= _LONGEST:
                raise ValueError(f"{name} is {delay!r}")
    return usage


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise TypeError(f"{value!r} is not of the right type")
    return value


def _string(value: Any) -> str:
    """Take text that may stand in a header field."""
    text: str = _checked(value, str)
    if any(character in text for character in "\r\n\0"):
        raise ValueError(f"{text!r} is more than one line")
    text.encode("utf-8", "surrogateescape")  # or else it cannot be sent
    return text


def _call_id(value: Any) -> str:
    text = _string(value)
    if not text or text != text.strip():
        raise ValueError(f"{text!r} is no Call-ID")
    return text


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(_string(each) for each in _checked(value, list))


def _party(value: Any, tag: str) -> str:
    text = _string(value)
    if (Address.parse(text).parameters.get("tag") or "") != tag:
        raise ValueError(f"{text!r} has another tag than {tag!r}")
    return text


def _whole(value: Any, most: int) -> int:
    number: int = _checked(value, int)
    if not 0 <= number <= most:
        raise ValueError(f"{number} is not between 0 and {most}")
    return number


def _sequence(value: Any) -> int | None:
    return None if value is None else _whole(value, LAST_SEQUENCE)


def _bytes(value: Any) -> bytes:
    return str(_checked(value, str)).encode("utf-8", "surrogateescape")


def _host_and_port(value: Any) -> tuple[str, int]:
    host, port = _checked(value, list)
    return _string(host), _whole(port, 65_535)
