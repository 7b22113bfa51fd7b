"""A typed property for every header field (:rfc:`3261#section-20` and the RFCs that add to it).

Each is read when first asked for and kept in ``headers.typed`` until the field changes. Names and types are those of
sipmessage where it has them; elsewhere the name is the field's in snake case, a list where the field is a list
(empty when absent), and None for an absent single one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar, overload

import sipmessage

from ._accept import AcceptEncoding, AcceptLanguage
from ._address import Address
from ._auth_values import AuthChallenge, AuthCredentials, AuthParameters
from ._content_disposition import ContentDisposition
from ._cseq import CSeq
from ._date import date_text, date_untrusted
from ._errors import LocalProtocolError, MalformedMessage
from ._event import Event, SubscriptionState
from ._feature_set import FeatureSet
from ._grammar import DELTA_SECONDS_MAX, check_token, decimal_untrusted, is_token, malformed, tokens_untrusted
from ._identity import Identity
from ._info import AlertInfo, CallInfo, ErrorInfo
from ._media_type import MediaType
from ._rack import RSEQ_MAX, RAck
from ._reason import Reason
from ._replaces import Join, Replaces
from ._retry_after import RetryAfter
from ._security import SecurityMechanism
from ._session_expires import SessionExpires
from ._timestamp import Timestamp
from ._value import head_and_parameters_untrusted
from ._via import Via
from ._warning import Warning as WarningValue

if TYPE_CHECKING:
    from ._headers import Headers

__all__ = ["HEADER_NAMES", "SINGLE_HEADERS", "TypedHeaders", "validate_typed"]

T = TypeVar("T")

# https://www.iana.org/assignments/sip-parameters, "Header Fields", compact form first.
_COMPACT_FORMS = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
_NAMES = """
    Accept Accept-Contact Accept-Encoding Accept-Language Accept-Resource-Priority Additional-Identity Alert-Info
    Allow Allow-Events Answer-Mode Authentication-Info Authorization Call-ID Call-Info Cellular-Network-Info Contact
    Content-Disposition Content-Encoding Content-Language Content-Length Content-Transfer-Encoding Content-Type CSeq
    Date Diversion Error-Info Event Expires Feature-Caps Flow-Timer From Geolocation Geolocation-Error
    Geolocation-Routing History-Info Identity Identity-Info In-Reply-To Info-Package Join Max-Breadth Max-Forwards
    MIME-Version Min-Expires Min-SE Organization P-Access-Network-Info P-Answer-State P-Asserted-Identity
    P-Asserted-Service P-Associated-URI P-Called-Party-ID P-Charging-Function-Addresses P-Charging-Vector
    P-Early-Media P-Media-Authorization P-Preferred-Identity P-Preferred-Service P-Private-Network-Indication
    P-Profile-Key P-Served-User P-User-Database P-Visited-Network-ID Path Permission-Missing Policy-Contact
    Policy-ID Priority Priv-Answer-Mode Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason
    Reason-Phrase Record-Route Recv-Info Refer-Events-At Refer-Sub Refer-To Referred-By Reject-Contact
    Relayed-Charge Remote-Party-ID Replaces Reply-To Request-Disposition Require Resource-Priority Response-Source
    Restoration-Info Retry-After Route RSeq Security-Client Security-Server Security-Verify Server
    Service-Interact-Info Service-Route Session-Expires Session-ID SIP-ETag SIP-If-Match Subject Subscription-State
    Supported Suppress-If-Match Target-Dialog Timestamp To Trigger-Consent Unsupported User-Agent User-to-User Via
    Warning WWW-Authenticate
"""

HEADER_NAMES: dict[str, str] = {name.lower(): name for name in _NAMES.split()} | _COMPACT_FORMS
"""The standard spelling of every known header name, by its name in small letters or its compact form."""

_SINGLE_NAMES = """
    Authentication-Info Call-ID Content-Disposition Content-Length Content-Type CSeq Date Event Expires Flow-Timer
    From Join Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE Organization Priority RAck Refer-Sub Refer-To
    Referred-By Replaces Reply-To Retry-After RSeq Server Session-Expires SIP-ETag SIP-If-Match Subject
    Subscription-State Suppress-If-Match Target-Dialog Timestamp To User-Agent
"""

SINGLE_HEADERS: frozenset[str] = frozenset(_SINGLE_NAMES.split())
"""The header fields that may stand only once in a message, by their standard spelling (:rfc:`3261#section-7.3.1`)."""

_CALL_ID_PATTERN = re.compile(r"[^\x00-\x20\x7f]++")
_MIME_VERSION_PATTERN = re.compile(r"[0-9]{1,9}+\.[0-9]{1,9}+")


def _refuse(key: str, error: ValueError) -> NoReturn:
    raise MalformedMessage(f"{key}: {error}", 400) from error


class _Optional(Generic[T]):
    """A field that stands once or not at all."""

    def __init__(self, key: str, read: Callable[[str], T], write: Callable[[T], str] = str) -> None:
        self.key = key
        self._read = read
        self._write = write

    @overload
    def __get__(self, message: None, owner: type[object]) -> Self: ...

    @overload
    def __get__(self, message: TypedHeaders, owner: type[object]) -> T | None: ...

    def __get__(self, message: TypedHeaders | None, owner: type[object]) -> Self | T | None:
        if message is None:
            return self
        headers = message.headers
        value: T | None = headers.typed.get(self.key)  # type: ignore[assignment]  # under this key stands a T
        if value is None:
            values = headers.getlist(self.key)
            if not values:
                return None
            try:
                value = self._read(self._value(values))
            except ValueError as error:
                _refuse(self.key, error)
            headers.typed[self.key] = value
        return value

    def _value(self, values: list[str]) -> str:
        if len(values) > 1:
            raise MalformedMessage(f"the header field may stand only once, and stands {len(values)} times")
        return values[0]

    def __set__(self, message: TypedHeaders, value: T | None) -> None:
        if value is None:
            message.headers.remove(self.key)
        else:
            message.headers.setlist(self.key, [self._write(value)])


class _Required(Generic[T]):
    """A field that no message lacks (:rfc:`3261#section-8.1.1`)."""

    def __init__(self, key: str, read: Callable[[str], T]) -> None:
        self.key = key
        self._optional = _Optional(key, read)

    @overload
    def __get__(self, message: None, owner: type[object]) -> Self: ...

    @overload
    def __get__(self, message: TypedHeaders, owner: type[object]) -> T: ...

    def __get__(self, message: TypedHeaders | None, owner: type[object]) -> Self | T:
        if message is None:
            return self
        value: T | None = message.headers.typed.get(self.key)  # type: ignore[assignment]  # under this key stands a T
        if value is None:
            value = self._optional.__get__(message, owner)
        if value is None:
            raise MalformedMessage(f"{self._optional.key}: the header field is missing", 400)
        return value

    def __set__(self, message: TypedHeaders, value: T) -> None:
        self._optional.__set__(message, value)


def _texts(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values]


class _Many(Generic[T]):
    """A field that stands any number of times, each with any number of values."""

    def __init__(
        self,
        key: str,
        read: Callable[[str], list[T]],
        write: Callable[[list[T]], list[str]] = _texts,
    ) -> None:
        self.key = key
        self._read = read
        self._write = write

    @overload
    def __get__(self, message: None, owner: type[object]) -> Self: ...

    @overload
    def __get__(self, message: TypedHeaders, owner: type[object]) -> list[T]: ...

    def __get__(self, message: TypedHeaders | None, owner: type[object]) -> Self | list[T]:
        if message is None:
            return self
        return list(self.values(message))

    def values(self, message: TypedHeaders) -> tuple[T, ...]:
        """Return the values as they are kept."""
        headers = message.headers
        values: tuple[T, ...] | None = headers.typed.get(self.key)  # type: ignore[assignment]  # so it was put there
        if values is None:
            found: list[T] = []
            for text in headers.getlist(self.key):
                try:
                    found += self._read(text)
                except ValueError as error:
                    _refuse(self.key, error)
            values = headers.typed[self.key] = tuple(found)
        return values

    def __set__(self, message: TypedHeaders, values: Iterable[T] | None) -> None:
        texts = self._write(list(values)) if values is not None else []
        if texts:
            message.headers.setlist(self.key, texts)
        else:
            message.headers.remove(self.key)


class _First(Generic[T]):
    """The first value of a field of which most messages have one."""

    def __init__(self, many: _Many[T]) -> None:
        self._many = many

    @overload
    def __get__(self, message: None, owner: type[object]) -> Self: ...

    @overload
    def __get__(self, message: TypedHeaders, owner: type[object]) -> T | None: ...

    def __get__(self, message: TypedHeaders | None, owner: type[object]) -> Self | T | None:
        if message is None:
            return self
        values = self._many.values(message)
        return values[0] if values else None

    def __set__(self, message: TypedHeaders, value: T | None) -> None:
        self._many.__set__(message, None if value is None else [value])


_ACCEPT = _Many("Accept", MediaType.parse_many)


class _Accept:
    """Accept, of which an empty list says something else than none at all (:rfc:`3261#section-20.1`)."""

    @overload
    def __get__(self, message: None, owner: type[object]) -> Self: ...

    @overload
    def __get__(self, message: TypedHeaders, owner: type[object]) -> list[MediaType] | None: ...

    def __get__(self, message: TypedHeaders | None, owner: type[object]) -> Self | list[MediaType] | None:
        if message is None:
            return self
        if not message.headers.getlist("Accept"):
            return None
        return list(_ACCEPT.values(message))

    def __set__(self, message: TypedHeaders, values: Iterable[MediaType] | None) -> None:
        if values is None:
            message.headers.remove("Accept")
        else:
            message.headers.setlist("Accept", [str(value) for value in values] or [""])


class _ContactIsStar:
    """Whether Contact says ``*``, which only a REGISTER may (:rfc:`3261#section-10.2.2`)."""

    @overload
    def __get__(self, message: None, owner: type[object]) -> Self: ...

    @overload
    def __get__(self, message: TypedHeaders, owner: type[object]) -> bool: ...

    def __get__(self, message: TypedHeaders | None, owner: type[object]) -> Self | bool:
        if message is None:
            return self
        values = [value.strip(" \t") for value in message.headers.getlist("Contact")]
        if "*" not in values:
            return False
        if len(values) > 1:
            raise MalformedMessage("Contact: a star stands beside other contacts", 400)
        return True

    def __set__(self, message: TypedHeaders, value: bool) -> None:
        if value:
            message.headers.setlist("Contact", ["*"])
        elif self.__get__(message, type(message)):
            message.headers.remove("Contact")


class _ContentLanguage(_Optional[str]):
    """Content-Language, a list that sipmessage has as one text."""

    def _value(self, values: list[str]) -> str:
        return ", ".join(values)


class _Contact(_Many[Address]):
    """Contact, whose star is no address."""

    def values(self, message: TypedHeaders) -> tuple[Address, ...]:
        """Return the contacts as they are kept."""
        kept = message.headers.typed.get(self.key)
        if kept is not None:
            return kept  # type: ignore[return-value]  # so it was put there
        text = message.headers._values_of(self.key)
        if text is None:
            return ()
        if isinstance(text, str) and text != "*":
            try:
                values = _shared_contacts(text) if len(text) <= _SHARED_LENGTH else tuple(Address.parse_many(text))
            except ValueError as error:
                _refuse(self.key, error)
            message.headers.typed[self.key] = values
            return values
        if TypedHeaders.contact_is_star.__get__(message, type(message)):
            return ()
        return super().values(message)


_SHARED_LENGTH = 256
_shared_contacts = lru_cache(maxsize=1024)(lambda text: tuple(Address.parse_many(text)))


_shared_media_type = lru_cache(maxsize=256)(MediaType.parse)


def _read_media_type(text: str) -> MediaType:
    return _shared_media_type(text) if len(text) <= _SHARED_LENGTH else MediaType.parse(text)


def _read_contacts(text: str) -> list[Address]:
    # A peer has one Contact and says it in every request; an address never changes, so all of them may share it.
    return list(_shared_contacts(text)) if len(text) <= _SHARED_LENGTH else Address.parse_many(text)


def _number(key: str, maximum: int, minimum: int = 0) -> _Optional[int]:
    def read(text: str) -> int:
        return decimal_untrusted(text.strip(" \t"), "the number", maximum, minimum)

    def write(value: int) -> str:
        if not minimum <= value <= maximum:
            raise LocalProtocolError(f"{key} must be between {minimum} and {maximum}: {value}")
        return str(value)

    return _Optional(key, read, write)


def _text(key: str) -> _Optional[str]:
    return _Optional(key, str)


def _token(key: str) -> _Optional[str]:
    def read(text: str) -> str:
        text = text.strip(" \t")
        if not is_token(text):
            malformed("the value", text, "it must be a token")
        return text

    def write(value: str) -> str:
        return check_token(key, value)

    return _Optional(key, read, write)


def _tokens(key: str) -> _Many[str]:
    def read(text: str) -> list[str]:
        return tokens_untrusted(text, "the list")

    def write(values: list[str]) -> list[str]:
        return [", ".join([check_token(key, value) for value in values])] if values else []

    return _Many(key, read, write)


def _addresses(key: str) -> _Many[Address]:
    return _Many(key, Address.parse_many)


def _read_call_id(text: str) -> str:
    # Peers put more into a Call-ID than the grammar's words; it is compared and never taken apart.
    text = text.strip(" \t")
    if _CALL_ID_PATTERN.fullmatch(text) is None:
        malformed("the Call-ID", text, "it must be one word")
    return text


def _read_call_ids(text: str) -> list[str]:
    return [_read_call_id(item) for item in text.split(",")]


def _read_min_se(text: str) -> int:
    seconds, _ = head_and_parameters_untrusted(text)
    return decimal_untrusted(seconds, "the number", DELTA_SECONDS_MAX)


def _read_mime_version(text: str) -> str:
    text = text.strip(" \t")
    if _MIME_VERSION_PATTERN.fullmatch(text) is None:
        malformed("the version", text, "it must read number.number")
    return text


def _read_privacy(text: str) -> list[str]:
    values = [value.strip(" \t") for value in text.split(";")]
    if not all(is_token(value) for value in values):
        malformed("the list", text, "it must be tokens with semicolons between them")
    return values


def _write_privacy(values: list[str]) -> list[str]:
    return [";".join([check_token("Privacy", value) for value in values])] if values else []


def _write_authentication_info(value: AuthParameters) -> str:
    return value.in_credentials()


def _read_credentials(text: str) -> list[AuthCredentials]:
    # Commas stand between the parameters, so one field holds one value (RFC 3261 20.7).
    return [AuthCredentials.parse(text)]


class TypedHeaders(sipmessage.Message):
    """Give typed access to the header fields of a message; a bad value raises `MalformedMessage` when first read."""

    headers: Headers

    accept = _Accept()  # type: ignore[assignment]  # list is invariant; ours are theirs
    """The media types that are taken; None when absent, empty when none is. :rfc:`3261#section-20.1`"""
    accept_contact = _Many("Accept-Contact", FeatureSet.parse_many)
    """Features a contact should have. :rfc:`3841#section-9.2`"""
    accept_encoding = _Many("Accept-Encoding", AcceptEncoding.parse_many)
    """Content codings that are taken. :rfc:`3261#section-20.2`"""
    accept_language = _Many("Accept-Language", AcceptLanguage.parse_many)
    """Languages that are taken. :rfc:`3261#section-20.3`"""
    alert_info = _Many("Alert-Info", AlertInfo.parse_many)
    """What to ring with. :rfc:`3261#section-20.4`"""
    allow = _tokens("Allow")
    """Methods that are understood. :rfc:`3261#section-20.5`"""
    allow_events = _tokens("Allow-Events")
    """Event packages that are understood. :rfc:`6665#section-8.2.2`"""
    authentication_info = _Optional("Authentication-Info", AuthParameters.parse, _write_authentication_info)
    """What a server proves in turn. :rfc:`3261#section-20.6`"""
    authorization_all = _Many("Authorization", _read_credentials)
    """Credentials for every realm. :rfc:`3261#section-20.7`"""
    authorization = _First(authorization_all)
    """The first credentials. :rfc:`3261#section-20.7`"""
    call_id = _Required("Call-ID", _read_call_id)
    """What all messages of a dialog share. :rfc:`3261#section-20.8`"""
    call_info = _Many("Call-Info", CallInfo.parse_many)
    """More about the caller or the callee. :rfc:`3261#section-20.9`"""
    contact = _Contact("Contact", _read_contacts)  # type: ignore[assignment]  # list is invariant; ours are theirs
    """Where to send further requests; empty when it is a star. :rfc:`3261#section-20.10`"""
    contact_is_star = _ContactIsStar()
    """Whether Contact is ``*``. :rfc:`3261#section-10.2.2`"""
    content_disposition = _Optional("Content-Disposition", ContentDisposition.parse)
    """What the body is for. :rfc:`3261#section-20.11`"""
    content_encoding = _tokens("Content-Encoding")
    """How the body is coded, in order. :rfc:`3261#section-20.12`"""
    content_language = _ContentLanguage("Content-Language", str)
    """The languages of the body. :rfc:`3261#section-20.13`"""
    content_length = _number("Content-Length", 2**32 - 1)
    """The size of the body in bytes. :rfc:`3261#section-20.14`"""
    content_type = _Optional("Content-Type", _read_media_type)
    """The media type of the body. :rfc:`3261#section-20.15`"""
    cseq = _Required("CSeq", CSeq.parse)
    """The number and method of the request. :rfc:`3261#section-20.16`"""
    date = _Optional("Date", date_untrusted, date_text)
    """When the message was first sent. :rfc:`3261#section-20.17`"""
    diversion = _addresses("Diversion")
    """Who diverted the call. :rfc:`5806#section-4.3`"""
    error_info = _Many("Error-Info", ErrorInfo.parse_many)
    """More about the error. :rfc:`3261#section-20.18`"""
    event = _Optional("Event", Event.parse)
    """The event package. :rfc:`6665#section-8.2.1`"""
    expires = _number("Expires", DELTA_SECONDS_MAX)
    """After how many seconds the message or its content expires. :rfc:`3261#section-20.19`"""
    flow_timer = _number("Flow-Timer", DELTA_SECONDS_MAX)
    """Seconds after which a server takes a silent flow for dead. :rfc:`5626#section-10`"""
    from_address = _Required("From", Address.parse)
    """Who began the dialog. :rfc:`3261#section-20.20`"""
    history_info = _addresses("History-Info")
    """Where the request was retargeted. :rfc:`7044#section-5`"""
    identity = _Many("Identity", Identity.parse_many)
    """Signed statements who is calling. :rfc:`8224#section-4`"""
    in_reply_to = _Many("In-Reply-To", _read_call_ids)
    """Call-IDs of the calls this one returns. :rfc:`3261#section-20.21`"""
    join = _Optional("Join", Join.parse)
    """The dialog to join. :rfc:`3911#section-7.1`"""
    max_forwards = _number("Max-Forwards", 255)
    """How many more hops the request may take. :rfc:`3261#section-20.22`"""
    mime_version = _Optional("MIME-Version", _read_mime_version)
    """The version of MIME, such as ``1.0``. :rfc:`3261#section-20.24`"""
    min_expires = _number("Min-Expires", DELTA_SECONDS_MAX)
    """The shortest expiry that is taken. :rfc:`3261#section-20.23`"""
    min_se = _Optional("Min-SE", _read_min_se)
    """The shortest session interval that is taken. :rfc:`4028#section-5`"""
    organization = _text("Organization")
    """The sender's organisation. :rfc:`3261#section-20.25`"""
    p_asserted_identity = _addresses("P-Asserted-Identity")
    """Who the trusted network says is calling. :rfc:`3325#section-9.1`"""
    p_preferred_identity = _addresses("P-Preferred-Identity")
    """Which identity the caller wants asserted. :rfc:`3325#section-9.2`"""
    path = _addresses("Path")
    """The proxies between a user agent and its registrar. :rfc:`3327#section-4`"""
    priority = _token("Priority")
    """How urgent the request is. :rfc:`3261#section-20.26`"""
    privacy = _Many("Privacy", _read_privacy, _write_privacy)
    """What to hide. :rfc:`3323#section-4.2`"""
    proxy_authenticate_all = _Many("Proxy-Authenticate", AuthChallenge.parse_many)
    """Every challenge of the proxies. :rfc:`3261#section-20.27`"""
    proxy_authenticate = _First(proxy_authenticate_all)
    """The first challenge of a proxy. :rfc:`3261#section-20.27`"""
    proxy_authorization_all = _Many("Proxy-Authorization", _read_credentials)
    """Credentials for every proxy. :rfc:`3261#section-20.28`"""
    proxy_authorization = _First(proxy_authorization_all)
    """The first credentials for a proxy. :rfc:`3261#section-20.28`"""
    proxy_require = _tokens("Proxy-Require")
    """Option tags that proxies must understand. :rfc:`3261#section-20.29`"""
    rack = _Optional("RAck", RAck.parse)
    """The provisional response a PRACK acknowledges. :rfc:`3262#section-7.2`"""
    reason = _Many("Reason", Reason.parse_many)
    """Why the request was sent. :rfc:`3326#section-2`"""
    record_route = _addresses("Record-Route")  # type: ignore[assignment]  # list is invariant; ours are theirs
    """The proxies that stay on the path. :rfc:`3261#section-20.30`"""
    refer_to = _Optional("Refer-To", Address.parse)
    """The URI to send a request to. :rfc:`3515#section-2.1`"""
    referred_by = _Optional("Referred-By", Address.parse)
    """Who referred. :rfc:`3892#section-3`"""
    reject_contact = _Many("Reject-Contact", FeatureSet.parse_many)
    """Features a contact should not have. :rfc:`3841#section-9.2`"""
    replaces = _Optional("Replaces", Replaces.parse)
    """The dialog to take the place of. :rfc:`3891#section-6.1`"""
    reply_to = _Optional("Reply-To", Address.parse)
    """Where to call back. :rfc:`3261#section-20.31`"""
    request_disposition = _tokens("Request-Disposition")
    """How servers should treat the request. :rfc:`3841#section-9.1`"""
    require = _tokens("Require")
    """Option tags that the peer must understand. :rfc:`3261#section-20.32`"""
    retry_after = _Optional("Retry-After", RetryAfter.parse)
    """When to try again. :rfc:`3261#section-20.33`"""
    route = _addresses("Route")  # type: ignore[assignment]  # list is invariant; ours are theirs
    """The proxies to pass. :rfc:`3261#section-20.34`"""
    rseq = _number("RSeq", RSEQ_MAX, 1)
    """The number of a reliable provisional response. :rfc:`3262#section-7.1`"""
    security_client = _Many("Security-Client", SecurityMechanism.parse_many)
    """Mechanisms the client has. :rfc:`3329#section-2.2`"""
    security_server = _Many("Security-Server", SecurityMechanism.parse_many)
    """Mechanisms the server has. :rfc:`3329#section-2.2`"""
    security_verify = _Many("Security-Verify", SecurityMechanism.parse_many)
    """The server's mechanisms, as the client saw them. :rfc:`3329#section-2.2`"""
    server = _text("Server")
    """The software of the server. :rfc:`3261#section-20.35`"""
    service_route = _addresses("Service-Route")
    """The route to a user's home services. :rfc:`3608#section-5`"""
    session_expires = _Optional("Session-Expires", SessionExpires.parse)
    """The session interval and its refresher. :rfc:`4028#section-4`"""
    sip_etag = _token("SIP-ETag")
    """The entity tag of a publication. :rfc:`3903#section-11.3.1`"""
    sip_if_match = _token("SIP-If-Match")
    """The entity tag of the publication to change. :rfc:`3903#section-11.3.2`"""
    subject = _text("Subject")
    """What the call is about. :rfc:`3261#section-20.36`"""
    subscription_state = _Optional("Subscription-State", SubscriptionState.parse)
    """How the subscription stands. :rfc:`6665#section-8.2.3`"""
    supported = _tokens("Supported")
    """Option tags that the sender understands. :rfc:`3261#section-20.37`"""
    timestamp = _Optional("Timestamp", Timestamp.parse)
    """When the request was sent. :rfc:`3261#section-20.38`"""
    to_address = _Required("To", Address.parse)
    """Whom the dialog was begun with. :rfc:`3261#section-20.39`"""
    unsupported = _tokens("Unsupported")
    """Option tags that the server does not understand. :rfc:`3261#section-20.40`"""
    user_agent = _text("User-Agent")
    """The software of the client. :rfc:`3261#section-20.41`"""
    via = _Many("Via", Via.parse_many)  # type: ignore[assignment]  # list is invariant; ours are theirs
    """The way of the message, nearest hop first. :rfc:`3261#section-20.42`"""
    warning = _Many("Warning", WarningValue.parse_many)
    """More about the status. :rfc:`3261#section-20.43`"""
    www_authenticate_all = _Many("WWW-Authenticate", AuthChallenge.parse_many)
    """Every challenge of the server. :rfc:`3261#section-20.44`"""
    www_authenticate = _First(www_authenticate_all)
    """The first challenge of the server. :rfc:`3261#section-20.44`"""


_ATTRIBUTES: dict[str, str] = {
    name.lower(): attribute
    for attribute, descriptor in vars(TypedHeaders).items()
    if isinstance(name := getattr(descriptor, "key", None), str)
} | {"accept": "accept", "call-id": "call_id", "cseq": "cseq", "from": "from_address", "to": "to_address"}


def validate_typed(message: TypedHeaders) -> None:
    """Read every header field of `message` that has a type; raise `MalformedMessage` for the first bad value."""
    for name in message.headers.keys():  # noqa: SIM118  (sipmessage has keys() and no __iter__)
        key = name.lower()
        attribute = _ATTRIBUTES.get(HEADER_NAMES.get(key, key).lower())
        if attribute is not None:
            getattr(message, attribute)
    # Every message is asked for its Call-ID, and gives it without looking at it.
    call_id = message.headers.get("Call-ID")
    if call_id is not None:
        try:
            _read_call_id(call_id)
        except ValueError as error:
            _refuse("Call-ID", error)
