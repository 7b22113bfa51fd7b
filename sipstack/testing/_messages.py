"""Whole messages in one line, for tests."""

from __future__ import annotations

from collections.abc import Iterable

from sipstack.message import URI, Request, Response

__all__ = ["request", "response_to"]


def request(
    method: str = "OPTIONS",
    *,
    to: str = "sip:b@b",
    uri: str | None = None,
    sender: str = "sip:a@a",
    via: str | None = "SIP/2.0/UDP 10.0.0.1:5060",
    branch: str = "z9hG4bK-test-1",
    call_id: str = "call-1@a",
    sequence: int = 1,
    from_tag: str = "from-1",
    to_tag: str | None = None,
    contact: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Request:
    """Build a request that has every mandatory header field.

    Nothing in it comes by chance: two that should differ need another branch, Call-ID or sequence.

    :param to: the URI in To, and the Request-URI unless ``uri`` is another.
    :param via: the Via without its branch; None leaves Via out, for whom puts it in.
    """
    fields: list[tuple[str, str]] = []
    if via is not None:
        fields.append(("Via", f"{via};branch={branch}"))
    fields += [
        ("Max-Forwards", "70"),
        ("From", f"<{sender}>;tag={from_tag}"),
        ("To", f"<{to}>" if to_tag is None else f"<{to}>;tag={to_tag}"),
        ("Call-ID", call_id),
        ("CSeq", f"{sequence} {method}"),
    ]
    if contact is not None:
        fields.append(("Contact", f"<{contact}>"))
    return Request(method, URI.parse(uri or to), body, [*fields, *headers])


def response_to(
    request: Request,
    code: int,
    phrase: str | None = None,
    *,
    to_tag: str | None = "to-1",
    contact: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """Build the response to a request (:rfc:`3261#section-8.2.6`)."""
    response = request.create_response(code, phrase, to_tag=None if code == 100 else to_tag)
    if contact is not None:
        response.headers.add("Contact", f"<{contact}>")
    for name, value in headers:
        response.headers.add(name, value)
    response.body = body
    return response
