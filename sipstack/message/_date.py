"""The Date header field, always in GMT (:rfc:`3261#section-20.17`)."""

from __future__ import annotations

import datetime
import re

from ._errors import LocalProtocolError
from ._grammar import malformed

__all__ = ["date_text", "date_untrusted"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PATTERN = re.compile(
    rf"(?:{'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}})"
    " ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


def date_untrusted(text: str) -> datetime.datetime:
    """Read a date such as ``Sat, 13 Nov 2010 23:29:00 GMT``; no other time zone is allowed."""
    match = _PATTERN.fullmatch(text.strip(" \t"))
    if match is None:
        malformed("a date", text, "it must read like Sat, 13 Nov 2010 23:29:00 GMT")
    day, month, year, hour, minute, second = match.groups()
    try:
        return datetime.datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=datetime.UTC,
        )
    except ValueError:
        malformed("a date", text, "there is no such day or time")


def date_text(value: datetime.datetime) -> str:
    """Return the text of a date that knows its time zone."""
    if value.tzinfo is None:
        raise LocalProtocolError("a Date needs a time zone; give datetime.now(datetime.UTC) or the like")
    utc = value.astimezone(datetime.UTC)
    return f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04} {utc:%H:%M:%S} GMT"
