"""What a user agent can do, as it tells its peers (:rfc:`3261#section-8.2`, :rfc:`3261#section-11.2`)."""

from __future__ import annotations

import attrs

__all__ = ["Capabilities"]


def _joined(names: tuple[str, ...]) -> str:
    return ", ".join(names)


@attrs.frozen(kw_only=True)
class Capabilities:
    """Say which methods, extensions, bodies and URI schemes a user agent takes."""

    methods: tuple[str, ...] = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS")
    "Methods that are not refused with 405; also the Allow header."
    supported: tuple[str, ...] = ()
    "Option tags that a Require may name; also the Supported header."
    info_packages: tuple[str, ...] = ()
    "Info Packages that an INFO may be of; also the Recv-Info header (:rfc:`6086#section-5.2.3`)."
    accept: tuple[str, ...] = ("application/sdp",)
    'Media types of bodies; "*/*" and "text/*" are ranges.'
    accept_encoding: tuple[str, ...] = ("identity",)
    "Content encodings of bodies."
    accept_language: tuple[str, ...] = ()
    "Languages of bodies; none listed means that any will do."
    dispositions: tuple[str, ...] = ("session", "render", "icon", "alert", "info-package")
    "What a body may be for: what RFC 3261 and RFC 6086 define."
    schemes: tuple[str, ...] = ("sip", "sips", "tel")
    "URI schemes a Request-URI may have."
    user_agent: str = ""
    "User-Agent in requests; empty: none is sent."
    server: str = ""
    "Server in responses; empty: none is sent."

    allow_text: str = attrs.field(init=False, repr=False, eq=False)
    supported_text: str = attrs.field(init=False, repr=False, eq=False)
    info_package_set: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    accept_text: str = attrs.field(init=False, repr=False, eq=False)
    method_set: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    option_set: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    scheme_set: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    media_set: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    encoding_set: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    language_set: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    disposition_set: frozenset[str] = attrs.field(init=False, repr=False, eq=False)

    @allow_text.default
    def _allow_text(self) -> str:
        return _joined(self.methods)

    @supported_text.default
    def _supported_text(self) -> str:
        return _joined(self.supported)

    @info_package_set.default
    def _info_package_set(self) -> frozenset[str]:
        return frozenset(package.lower() for package in self.info_packages)

    @accept_text.default
    def _accept_text(self) -> str:
        return _joined(self.accept)

    @method_set.default
    def _method_set(self) -> frozenset[str]:
        return frozenset(self.methods)

    @option_set.default
    def _option_set(self) -> frozenset[str]:
        return frozenset(tag.lower() for tag in self.supported)

    @scheme_set.default
    def _scheme_set(self) -> frozenset[str]:
        return frozenset(scheme.lower() for scheme in self.schemes)

    @media_set.default
    def _media_set(self) -> frozenset[str]:
        return frozenset(media.lower() for media in self.accept)

    @encoding_set.default
    def _encoding_set(self) -> frozenset[str]:
        return frozenset(encoding.lower() for encoding in self.accept_encoding)

    @language_set.default
    def _language_set(self) -> frozenset[str]:
        return frozenset(language.lower() for language in self.accept_language)

    @disposition_set.default
    def _disposition_set(self) -> frozenset[str]:
        return frozenset(disposition.lower() for disposition in self.dispositions)

    def takes_media(self, media: str) -> bool:
        """Tell whether a body of a type, given as ``type/subtype`` in lower case, is understood."""
        known = self.media_set
        return media in known or "*/*" in known or f"{media.partition('/')[0]}/*" in known

    def takes_language(self, language: str) -> bool:
        """Tell whether a body in a language, given in lower case, is understood: ``en`` takes ``en-gb`` too."""
        known = self.language_set
        return not known or language in known or language.partition("-")[0] in known
