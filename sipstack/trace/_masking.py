"""Keep credentials out of what people paste into tickets.

What is masked: everything after the scheme's name in Authorization and Proxy-Authorization except the public Digest
parameters (:rfc:`3261#section-20.7`), the password of a SIP URI (:rfc:`3261#section-19.1.1`), and the keys of SDP:
``k=``, ``a=crypto``, ``a=key-mgmt`` and ``a=ice-pwd``.
"""

from __future__ import annotations

import re

__all__ = ["mask_credentials"]

_CREDENTIALS = re.compile(
    rb"(?im)^((?:proxy-)?authorization[ \t]*:[ \t]*)(\S*)([ \t]?)([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)"
)
_PUBLIC = re.compile(
    rb"""(?i)\b(username\*?|realm|uri|algorithm|qop|nc|opaque|userhash|stale)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)""",
    re.DOTALL,
)
_PASSWORD = re.compile(rb"(?i)\b(sips?:[^\s:@;?<>\"]{1,256}:)[^\s@<>\"]{1,256}@")
_SDP_KEY = re.compile(rb"(?m)^(k=|a=crypto:|a=key-mgmt:|a=ice-pwd:)[^\r\n]*")


def _mask_field(field: re.Match[bytes]) -> bytes:
    if field[2].lower() != b"digest":
        return field[1] + field[2] + field[3] + b"***"
    kept = [name + b"=" + value for name, value in _PUBLIC.findall(field[4])]
    return field[1] + field[2] + b" " + b", ".join([*kept, b'response="***"'])


def mask_credentials(data: bytes) -> bytes:
    """Return a message fit for reading, without the secrets in it."""
    data = _CREDENTIALS.sub(_mask_field, data)
    return _SDP_KEY.sub(rb"\1***", _PASSWORD.sub(rb"\1***@", data))
