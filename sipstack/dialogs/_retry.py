"""What a refused request may be sent again as, and when (:rfc:`3261#section-8.1.3.5`, 14.1, :rfc:`4028#section-7.3`).

Nothing here answers challenges, which takes credentials, or chooses another target, which takes a user's leave.
"""

from __future__ import annotations

from sipstack.message import MalformedMessage, Multipart, Request, Response, session_body

__all__ = ["glare_delay", "retry_request"]

_OWNER_DELAY = (2.1, 4.0)  # seconds, for who chose the Call-ID (RFC 3261, section 14.1)
_OTHER_DELAY = (0.0, 2.0)  # seconds, for the other side
_STEP = 0.01  # seconds: both are chosen in units of ten milliseconds
_LONGEST_WAIT = 10  # seconds: what 14.2 lets an overlapping request be put off by


def glare_delay(response: Response, *, is_owner: bool, fraction: float) -> float | None:
    """Return in how many seconds a refused re-INVITE or UPDATE may be sent again; None when it may not.

    491 means that requests have crossed; 500 with Retry-After that the peer was busy with one before
    (:rfc:`3261#section-14.1`, :rfc:`3311#section-5.3`).

    :param is_owner: whether our side chose the Call-ID of the dialog, so that the two sides wait differently long.
    :param fraction: from 0 up to but not including 1, by chance.
    """
    if response.code == 491:
        least, most = _OWNER_DELAY if is_owner else _OTHER_DELAY
        steps = round((most - least) / _STEP) + 1
        return least + int(fraction * steps) * _STEP
    if response.code == 500 and "Retry-After" in response.headers:
        try:
            wait = response.retry_after
        except MalformedMessage:
            return None
        return float(wait.seconds) if wait is not None and wait.seconds <= _LONGEST_WAIT else None
    return None


def retry_request(request: Request, response: Response) -> Request | None:
    """Return the request to send after a refusal that says what it would have taken; None when there is none.

    415: without the parts of the body that are not taken. 420: without the extensions that are not supported. 422:
    with the session interval that is not too small. Via and CSeq are the caller's to renew.
    """
    retry = _RETRIES.get(response.code)
    if retry is None:
        return None
    copy = request.copy()
    try:
        return copy if retry(copy, response) else None
    except MalformedMessage:
        return None  # what would have been taken cannot be read


def _without_parts(request: Request, response: Response) -> bool:
    accepted = response.accept
    multipart = Multipart.of(request)
    if multipart is None or accepted is None:
        return False
    description = session_body(request)
    if description is None or not any(one.mime_type.lower() == "application/sdp" for one in accepted):
        return False
    request.headers.set("Content-Type", "application/sdp")
    for name in ("Content-Disposition", "MIME-Version"):
        request.headers.remove(name)
    request.body = description
    return True


def _without_extensions(request: Request, response: Response) -> bool:
    refused = {option.lower() for option in response.unsupported}
    before = request.require + request.proxy_require
    request.require = [option for option in request.require if option.lower() not in refused]
    request.proxy_require = [option for option in request.proxy_require if option.lower() not in refused]
    return request.require + request.proxy_require != before


def _with_longer_interval(request: Request, response: Response) -> bool:
    least = response.min_se
    if least is None:
        return False
    before = request.session_expires
    if (before is None or before.seconds >= least) and (request.min_se or 0) >= least:
        return False  # it asked for no less than that: a second time would be for nothing
    least = max(least, request.min_se or 0)
    request.headers.set("Min-SE", str(least))
    if before is not None:
        refresher = "" if before.refresher is None else f";refresher={before.refresher}"
        request.headers.set("Session-Expires", f"{max(least, before.seconds)}{refresher}")
    return True


_RETRIES = {415: _without_parts, 420: _without_extensions, 422: _with_longer_interval}
