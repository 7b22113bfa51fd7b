"""Session descriptions: parse, read, change, offer and answer (:rfc:`8866`, :rfc:`3264`)."""

from ._codec import STATIC_CODECS, Codec
from ._errors import SdpError
from ._media import Media
from ._offer_answer import Capabilities, MediaCapability, answer_to, offer
from ._session import SessionDescription
from ._values import Attribute, Attributes, Bandwidth, Connection, Direction, Line, Origin, Timing

__all__ = [
    "STATIC_CODECS",
    "Attribute",
    "Attributes",
    "Bandwidth",
    "Capabilities",
    "Codec",
    "Connection",
    "Direction",
    "Line",
    "Media",
    "MediaCapability",
    "Origin",
    "SdpError",
    "SessionDescription",
    "Timing",
    "answer_to",
    "offer",
]
