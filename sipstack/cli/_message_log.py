"""Every message on standard error, whole and readable (``-v``)."""

from __future__ import annotations

import datetime
from typing import TextIO

from sipstack.trace import Address as HostPort
from sipstack.trace import Note, Record, mask_credentials

from ._output import printable

__all__ = ["MessageLog"]

_CR = "\r"


class MessageLog:
    """Write each message with its time, its direction and its ends, and each note; credentials are masked.

    :param epoch: what to add to a record's time to get seconds since 1970.
    """

    def __init__(self, stream: TextIO, *, epoch: float) -> None:
        self._stream = stream
        self._epoch = epoch

    def write(self, record: Record | Note) -> None:
        """Write one record or note."""
        when = datetime.datetime.fromtimestamp(record.time + self._epoch).astimezone()
        if isinstance(record, Note):
            self._stream.write(f"{when.isoformat(sep=' ', timespec='milliseconds')} {printable(record.text)}\n\n")
            self._stream.flush()
            return
        way = "to" if record.direction == "sent" else "from"
        lines = [
            f"{when.isoformat(sep=' ', timespec='milliseconds')} {record.direction} {way} {_place(record.remote)}"
            f" over {record.transport}, {len(record.data)} bytes"
        ]
        text = mask_credentials(record.data).decode("utf-8", "backslashreplace")
        # Not splitlines(): what else it takes for the end of a line is a character of a message that is to be seen.
        lines += [f"  {printable(line.removesuffix(_CR))}" for line in text.rstrip("\r\n").split("\n")]
        self._stream.write("\n".join(line.rstrip() for line in lines) + "\n\n")
        self._stream.flush()


def _place(address: HostPort) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
