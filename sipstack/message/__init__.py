"""SIP messages: values, header fields, parser, serialiser and stream framing (:rfc:`3261#section-7`)."""

from ._accept import AcceptEncoding, AcceptLanguage
from ._address import Address, tag_of
from ._auth_values import AuthChallenge, AuthCredentials, AuthParameters
from ._content_disposition import ContentDisposition
from ._cseq import SEQUENCE_MAX, CSeq
from ._errors import LocalProtocolError, MalformedMessage, ProtocolError, RemoteProtocolError, SipError
from ._event import Event, SubscriptionState
from ._feature_set import FeatureSet
from ._framing import Framer, KeepAlive
from ._headers import Headers
from ._identity import Identity
from ._info import AlertInfo, CallInfo, ErrorInfo
from ._limits import DEFAULT_LIMITS, Limits
from ._media_type import MediaType
from ._message import Message, Request, Response
from ._multipart import BodyPart, Multipart
from ._parameters import Parameters
from ._parser import parse_message
from ._phrases import REASON_PHRASES
from ._rack import RSEQ_MAX, RAck
from ._reason import Reason
from ._replaces import Join, Replaces
from ._retry_after import RetryAfter
from ._security import SecurityMechanism
from ._session_body import SDP, session_body
from ._session_expires import SessionExpires
from ._timestamp import Timestamp
from ._tokens import BRANCH_COOKIE, Tokens
from ._typed import HEADER_NAMES, SINGLE_HEADERS
from ._uri import URI
from ._via import Via
from ._warning import Warning  # noqa: A004  (the header field's name)

__all__ = [
    "BRANCH_COOKIE",
    "DEFAULT_LIMITS",
    "HEADER_NAMES",
    "REASON_PHRASES",
    "RSEQ_MAX",
    "SDP",
    "SEQUENCE_MAX",
    "SINGLE_HEADERS",
    "URI",
    "AcceptEncoding",
    "AcceptLanguage",
    "Address",
    "AlertInfo",
    "AuthChallenge",
    "AuthCredentials",
    "AuthParameters",
    "BodyPart",
    "CSeq",
    "CallInfo",
    "ContentDisposition",
    "ErrorInfo",
    "Event",
    "FeatureSet",
    "Framer",
    "Headers",
    "Identity",
    "Join",
    "KeepAlive",
    "Limits",
    "LocalProtocolError",
    "MalformedMessage",
    "MediaType",
    "Message",
    "Multipart",
    "Parameters",
    "ProtocolError",
    "RAck",
    "Reason",
    "RemoteProtocolError",
    "Replaces",
    "Request",
    "Response",
    "RetryAfter",
    "SecurityMechanism",
    "SessionExpires",
    "SipError",
    "SubscriptionState",
    "Timestamp",
    "Tokens",
    "Via",
    "Warning",
    "parse_message",
    "session_body",
    "tag_of",
]
