"""Answers given without a transaction (:rfc:`3261#section-8.2.7`)."""

from __future__ import annotations

from hashlib import blake2s

from sipstack.message import MalformedMessage, Request, Response

__all__ = ["StatelessReplies", "answerable_untrusted"]

_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")
_SINGLE = frozenset({"From", "To", "Call-ID", "CSeq"})


def answerable_untrusted(partial: Request | Response | None) -> Request | None:
    """Return what of a malformed request can be answered, or None for what must not be.

    An answer needs Via, From, To, Call-ID and CSeq. Where one that may stand once stands twice, the first is answered.
    """
    if not isinstance(partial, Request) or partial.method == "ACK":
        return None
    request = Request(partial.method, partial.uri)
    seen: set[str] = set()
    for field in partial.headers.fields:
        name = field[0]
        if name not in _COPIED or (name in _SINGLE and name in seen):
            continue
        if not field[1] or "\0" in field[2]:
            return None
        seen.add(name)
        request.headers.fields.append(field)
    if len(seen) < len(_COPIED):
        return None
    try:
        _ = request.top_via
    except MalformedMessage:
        return None
    return request


class StatelessReplies:
    """Make answers that need not be remembered; the same request always gets the same To tag.

    :param secret: what the tags are derived from, up to 32 bytes.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def create(self, request: Request, code: int, phrase: str | None = None) -> Response:
        """Make a response to a request that need not be well-formed beyond ``answerable_untrusted``."""
        headers = request.headers
        seed = "\0".join([request.top_via.branch or "", headers["From"], headers["Call-ID"], headers["CSeq"]])
        digest = blake2s(seed.encode("utf-8", "surrogateescape"), digest_size=8, key=self._secret)
        try:
            return request.create_response(code, phrase, to_tag=digest.hexdigest())
        except MalformedMessage:
            # A To that cannot be read goes back as it came.
            return request.create_response(code, phrase)
