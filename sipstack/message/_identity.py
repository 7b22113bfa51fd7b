"""The Identity header field: a signed statement who is calling (:rfc:`8224#section-4`)."""

from __future__ import annotations

import re
from typing import Self

import attrs

from ._errors import LocalProtocolError
from ._grammar import QUOTED, malformed
from ._parameters import EMPTY, Parameters
from ._uri import URI
from ._value import HeaderValue

__all__ = ["Identity"]

# signed-identity-digest is a PASSporT: base64url parts with dots between them, of which the compact form leaves two
# empty (RFC 8224 4, RFC 8225 6); RFC 4474 had a quoted base64 text.
_DIGEST_PATTERN = re.compile(r"[A-Za-z0-9\-_.~+/=]++")
_PATTERN = re.compile(r'[ \t]*+("?+)([A-Za-z0-9\-_.~+/=]++)\1[ \t]*+')
_BEFORE_INFO_PATTERN = re.compile(rf'(?:;(?![ \t]*+[iI][nN][fF][oO][ \t]*+=[ \t]*+<)[^;"<>]*+(?:{QUOTED}[ \t]*+)?+)*+')
_INFO_PATTERN = re.compile(r";[ \t]*+[iI][nN][fF][oO][ \t]*+=[ \t]*+<([^<>\"]*+)>[ \t]*+")


@attrs.frozen
class Identity(HeaderValue):
    """Hold a signed PASSporT and where to find the certificate (:rfc:`8224#section-4`)."""

    digest: str
    info: URI | None = None
    parameters: Parameters = EMPTY
    "All parameters but info, such as alg and ppt."

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read an identity."""
        match = _PATTERN.match(value)
        if match is None:
            malformed("an identity", value, "it must begin with a signed digest")
        rest = value[match.end() :]
        info = None
        # The only parameter in SIP whose value stands in angle brackets; other ones may stand before it.
        before = _BEFORE_INFO_PATTERN.match(rest)
        if before is not None and (found := _INFO_PATTERN.match(rest, before.end())) is not None:
            info = URI.parse(found[1])
            rest = before.group() + rest[found.end() :]
        return cls._read(value, match[2], info, Parameters.parse(rest.strip(" \t")))

    def _check(self) -> None:
        if _DIGEST_PATTERN.fullmatch(self.digest) is None:
            raise LocalProtocolError("the digest of an identity must be base64url parts with dots between them")
        if "info" in self.parameters:
            raise LocalProtocolError("the info of an identity is a URI in angle brackets; give info=URI")

    def _render(self) -> str:
        info = "" if self.info is None else f";info=<{self.info}>"
        return f"{self.digest}{info}{self.parameters.in_header()}"
