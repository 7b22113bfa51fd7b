"""Session descriptions: parse, read, change, offer and answer, check (:rfc:`8866`, :rfc:`3264`)."""

from ._codec import STATIC_CODECS, Codec
from ._direction import Direction
from ._errors import SdpError
from ._media import Media
from ._modification import hold, next_version, resume, wanted_directions
from ._offer_answer import Capabilities, MediaCapability, answer_to, offer
from ._rules import Fault, Rule, check_answer, check_next_offer
from ._session import SessionDescription
from ._values import Attribute, Attributes, Bandwidth, Connection, Line, Origin, Rtcp, Timing

__all__ = [
    "STATIC_CODECS",
    "Attribute",
    "Attributes",
    "Bandwidth",
    "Capabilities",
    "Codec",
    "Connection",
    "Direction",
    "Fault",
    "Line",
    "Media",
    "MediaCapability",
    "Origin",
    "Rtcp",
    "Rule",
    "SdpError",
    "SessionDescription",
    "Timing",
    "answer_to",
    "check_answer",
    "check_next_offer",
    "hold",
    "next_version",
    "offer",
    "resume",
    "wanted_directions",
]
