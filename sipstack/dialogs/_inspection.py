"""The checks every request passes before its method matters (:rfc:`3261#section-8.2`)."""

from __future__ import annotations

from sipstack.message import SDP, BodyPart, Multipart, Request

from ._capabilities import Capabilities

__all__ = ["Refusal", "inspect"]


Refusal = tuple[int, tuple[tuple[str, str], ...]]
"A status code, and the header fields that say what would have been taken."


def _words(values: list[str]) -> list[str]:
    return [word for value in values for part in value.split(",") if (word := part.strip())]


def _is_optional(entity: Request | BodyPart) -> bool:
    disposition = entity.content_disposition
    return disposition is not None and disposition.handling.lower() == "optional"


def _fault(entity: Request | BodyPart, multipart: Multipart | None, capabilities: Capabilities) -> Refusal | None:
    """Return what is not understood of a body or a part, whether or not it must be (:rfc:`5621#section-8.4`)."""
    headers = entity.headers
    disposition = entity.content_disposition
    # RFC 5621, section 8.2: what a mixed body as a whole is for does not matter.
    is_for_something = multipart is None or multipart.subtype == "alternative"
    if (
        is_for_something
        and disposition is not None
        and disposition.disposition.lower() not in capabilities.disposition_set
    ):
        return (415, (("Accept", capabilities.accept_text),))
    if multipart is not None:
        refusal = _fault_of_parts(multipart, capabilities)
        if refusal is not None:
            return refusal
    else:
        text = entity.mime_type if isinstance(entity, BodyPart) else headers.get("Content-Type") or ""
        media = text.partition(";")[0].strip().lower().replace(" ", "")
        if not capabilities.takes_media(media) or (isinstance(entity, BodyPart) and not entity.is_decodable):
            return (415, (("Accept", capabilities.accept_text),))
    if "Content-Encoding" in headers:
        encodings = [encoding.lower() for encoding in _words(headers.getlist("Content-Encoding"))]
        if not capabilities.encoding_set.issuperset(encodings):
            return (415, (("Accept-Encoding", ", ".join(capabilities.accept_encoding)),))
    if "Content-Language" in headers:
        languages = [language.lower() for language in _words(headers.getlist("Content-Language"))]
        if not any(capabilities.takes_language(language) for language in languages):
            return (415, (("Accept-Language", ", ".join(capabilities.accept_language)),))
    return None


def _fault_of_parts(multipart: Multipart, capabilities: Capabilities) -> Refusal | None:
    if multipart.subtype == "alternative":
        # RFC 5621 8.3: one that is understood is enough; their own handling does not count.
        faults = [_fault(part, part.multipart, capabilities) for part in multipart.parts]
        return faults[-1] if None not in faults else None
    for part in multipart.parts:
        fault = _fault(part, part.multipart, capabilities)
        if fault is not None and not _is_optional(part):
            return fault
    return None


def _inspect_body(request: Request, capabilities: Capabilities) -> Refusal | None:
    headers = request.headers
    has_more = "Content-Disposition" in headers or "Content-Encoding" in headers or "Content-Language" in headers
    if not has_more and headers.get("Content-Type") == SDP and SDP in capabilities.media_set:
        return None  # as nearly all bodies are
    fault = _fault(request, Multipart.of(request), capabilities)
    return None if fault is None or _is_optional(request) else fault


def inspect(request: Request, capabilities: Capabilities) -> Refusal | None:
    """Return why a request is refused, None when it is not (:rfc:`3261#section-8.2.1` to 8.2.3).

    ACK and CANCEL never come here: nothing in them can be refused.

    :raises MalformedMessage: the body's header fields or parts cannot be read.
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
    if request.method == "INFO" and "Info-Package" in headers:
        package = (headers["Info-Package"] or "").partition(";")[0].strip().lower()
        if package not in capabilities.info_package_set:
            return (469, (("Recv-Info", ", ".join(capabilities.info_packages)),))  # RFC 6086, section 4.2.2
    if request.body:
        return _inspect_body(request, capabilities)
    return None
