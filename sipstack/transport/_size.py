"""Whether a request is too large for UDP (:rfc:`3261#section-18.1.1`)."""

from __future__ import annotations

from typing import Final

from sipstack.message import Request

__all__ = ["is_too_large_for_udp"]

_LARGEST: Final = 1_300
"Bytes of a request that still goes by UDP where the path MTU is not known."
_VIA_SIZE: Final = 120
"Bytes, at most, of the Via and Content-Length that a request gets when it is sent: an IPv6 address and a branch."


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def is_too_large_for_udp(request: Request) -> bool:
    """Tell whether a request, with the Via it will get, is larger than UDP should carry.

    Adding up is cheaper than serialising, and nearly every request is far below.
    """
    size = _VIA_SIZE + len(request.method) + len(str(request.uri)) + 12 + len(request.body)
    for _, _, raw in request.headers.fields:
        size += _size(raw) + 2
    return size > _LARGEST
