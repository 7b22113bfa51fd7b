"""The checks every request passes before its method matters (:rfc:`3261#section-8.2`)."""

from __future__ import annotations

from sipstack.message import Request

from ._capabilities import Capabilities

__all__ = ["Refusal", "inspect"]

Refusal = tuple[int, tuple[tuple[str, str], ...]]
"A status code, and the header fields that say what would have been taken."


def _words(values: list[str]) -> list[str]:
    return [word for value in values for part in value.split(",") if (word := part.strip())]


def _is_optional(request: Request) -> bool:
    disposition = request.headers.get("Content-Disposition")
    if disposition is None:
        return False
    parameters = [part.strip().lower().replace(" ", "") for part in disposition.split(";")[1:]]
    return "handling=optional" in parameters


def _inspect_body(request: Request, capabilities: Capabilities) -> Refusal | None:
    headers = request.headers
    media = headers.get("Content-Type", "") or ""
    if not capabilities.takes_media(media.partition(";")[0].strip().lower().replace(" ", "")):
        return None if _is_optional(request) else (415, (("Accept", capabilities.accept_text),))
    if "Content-Encoding" in headers:
        encodings = [encoding.lower() for encoding in _words(headers.getlist("Content-Encoding"))]
        if not capabilities.encoding_set.issuperset(encodings) and not _is_optional(request):
            return (415, (("Accept-Encoding", ", ".join(capabilities.accept_encoding)),))
    if "Content-Language" in headers:
        languages = [language.lower() for language in _words(headers.getlist("Content-Language"))]
        if not any(capabilities.takes_language(language) for language in languages) and not _is_optional(request):
            return (415, (("Accept-Language", ", ".join(capabilities.accept_language)),))
    return None


def inspect(request: Request, capabilities: Capabilities) -> Refusal | None:
    """Return why a request is refused, None when it is not (:rfc:`3261#section-8.2.1` to 8.2.3).

    ACK and CANCEL never come here: nothing in them can be refused.
    """
    if request.method not in capabilities.method_set:
        return (405, (("Allow", capabilities.allow_text),))
    if request.uri.scheme not in capabilities.scheme_set:
        return (416, ())
    headers = request.headers
    if "Require" in headers:
        unknown = [tag for tag in _words(headers.getlist("Require")) if tag.lower() not in capabilities.option_set]
        if unknown:
            return (420, (("Unsupported", ", ".join(unknown)),))
    if request.body:
        return _inspect_body(request, capabilities)
    return None
