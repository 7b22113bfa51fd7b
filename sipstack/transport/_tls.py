"""TLS: certificates and trust from files, and the codec of one connection (:rfc:`3261#section-26.3`, :rfc:`5922`)."""

from __future__ import annotations

import os
import ssl
from collections.abc import Hashable
from contextlib import suppress
from typing import Literal, Self, TypeAlias
from urllib.parse import parse_qsl

import attrs

from sipstack.message import LocalProtocolError
from sipstack.resolver import numeric_host
from sipstack.transactions import TransportError

from ._certificate import PeerCertificate
from ._context import Counters

__all__ = ["TLSCodec", "TLSConfig", "TLSContexts"]

Verify: TypeAlias = Literal["none", "server", "optional", "mutual"]
_VERIFY: tuple[Verify, ...] = ("none", "server", "optional", "mutual")

_SESSIONS = 1_024
"Peers whose last session is kept for resumption; one more drops the oldest."
_READ_SIZE = 16_384
"Bytes of the largest TLS record."

# OpenSSL's X509_V_ERR codes (x509_vfy.h) that a user can do something about.
_VERDICTS = {
    9: "the certificate is not valid yet; is the clock right?",
    10: "the certificate has expired",
    18: "the certificate is self-signed, and not trusted; name it as ca to trust it",
    19: "the certificate is signed by an authority that is not trusted; name the authority's certificate as ca",
    20: "the certificate is signed by an authority that is not trusted; name the authority's certificate as ca",
    21: "the certificate is signed by an authority that is not trusted; name the authority's certificate as ca",
    23: "the certificate has been revoked",
    26: "the certificate is not meant for this use",
}


@attrs.frozen(kw_only=True)
class TLSConfig:
    """Say what we show to TLS peers, and whom we trust. All files are PEM, and read again when they change.

    :param cert: a file with our certificate and those of its issuers; None shows none.
    :param key: a file with its private key, if that is not in the same.
    :param ca: a file with the certificates of trusted authorities; None trusts the system's.
    :param verify: whose certificate must be in order: "server" only servers' that we connect to; "mutual" clients'
        too; "optional" clients' who have one; "none" nobody's, which is for tests.
    """

    cert: str | None = None
    key: str | None = None
    ca: str | None = None
    verify: Verify = "server"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read parameters as a URL has them: ``cert=FILE&key=FILE&ca=FILE&verify=mutual``.

        :raises LocalProtocolError: one is unknown or wrong.
        """
        try:
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
        except ValueError:
            raise LocalProtocolError(f"{text!r} is not like cert=FILE&key=FILE&ca=FILE&verify=mutual.") from None
        return cls.from_pairs(pairs)

    @classmethod
    def from_pairs(cls, pairs: list[tuple[str, str]]) -> Self:
        """Read parameters, taken apart.

        :raises LocalProtocolError: one is unknown or wrong.
        """
        parameters = dict(pairs)
        if len(parameters) != len(pairs):
            raise LocalProtocolError(f"{', '.join(name for name, _ in pairs)}: one of them stands twice.")
        unknown = parameters.keys() - {"cert", "key", "ca", "verify"}
        if unknown:
            raise LocalProtocolError(f"TLS has no parameter {min(unknown)!r}; it has cert, key, ca and verify.")
        if "key" in parameters and "cert" not in parameters:
            raise LocalProtocolError("A key without a certificate proves nothing: name the certificate as cert.")
        asked = parameters.get("verify", "server")
        verify = next((each for each in _VERIFY if each == asked), None)
        if verify is None:
            raise LocalProtocolError(f"verify is one of {', '.join(_VERIFY)}, not {asked!r}.")
        return cls(cert=parameters.get("cert"), key=parameters.get("key"), ca=parameters.get("ca"), verify=verify)

    @property
    def files(self) -> list[str]:
        """Return the names of its files."""
        return [name for name in (self.cert, self.key, self.ca) if name is not None]


class TLSContexts:
    """Hold the contexts of one configuration, and make new ones when its files have changed.

    Connections that are open keep what they were opened with. Files that cannot be used, such as half of a renewed
    pair, leave the old contexts in place until they change again.
    """

    def __init__(self, config: TLSConfig, counters: Counters) -> None:
        self.config = config
        self._counters = counters
        self._stamp: tuple[object, ...] = ()
        self._server: ssl.SSLContext | None = None
        self._clients: dict[bool, ssl.SSLContext] = {}  # by whether web names count
        self._sessions: dict[Hashable, ssl.SSLSession] = {}

    def server(self) -> ssl.SSLContext:
        """Return the context for connections that are accepted.

        :raises TransportError: a file cannot be used, and never could.
        """
        self._look_for_changes()
        if self._server is None:
            self._server = _server_context(self.config)
        return self._server

    def client_codec(self, name: str, key: Hashable, *, is_web: bool = False) -> TLSCodec:
        """Return the codec of a connection to be opened.

        :param name: the host that the peer's certificate must be for.
        :param key: whose session is to be resumed, if there was one.
        :param is_web: whether the rules of HTTPS say so, as for WSS (:rfc:`7118#section-9.1`), and not those of SIP.
        :raises TransportError: a file cannot be used, and never could.
        """
        self._look_for_changes()
        context = self._clients.get(is_web)
        if context is None:
            context = self._clients[is_web] = _client_context(self.config, is_web=is_web)
        return TLSCodec(context, name=name, session=self._sessions.get(key), keeper=self, key=key)

    def keep_session(self, key: Hashable, context: ssl.SSLContext, session: ssl.SSLSession) -> None:
        """Remember a session for the next connection to the same peer."""
        if context not in self._clients.values():
            return  # of before a change: it may rest on trust that is withdrawn
        self._sessions.pop(key, None)
        if len(self._sessions) >= _SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[key] = session

    def _look_for_changes(self) -> None:
        stamp = tuple(_stamp_of(name) for name in self.config.files)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            server = None if self._server is None else _server_context(self.config)
            clients = {is_web: _client_context(self.config, is_web=is_web) for is_web in self._clients}
        except TransportError:
            self._counters.certificates_refused += 1
            return
        self._server, self._clients = server, clients
        self._sessions.clear()


def _stamp_of(name: str) -> object:
    try:
        status = os.stat(name)
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_size, status.st_ino


def _server_context(config: TLSConfig) -> ssl.SSLContext:
    if config.cert is None:
        raise TransportError("a TLS server shows a certificate: name the file as cert")
    context = _new_context(ssl.PROTOCOL_TLS_SERVER, config)
    if config.verify in ("optional", "mutual"):
        context.verify_mode = ssl.CERT_REQUIRED if config.verify == "mutual" else ssl.CERT_OPTIONAL
        _trust(context, config, ssl.Purpose.CLIENT_AUTH)
    return context


def _client_context(config: TLSConfig, *, is_web: bool) -> ssl.SSLContext:
    context = _new_context(ssl.PROTOCOL_TLS_CLIENT, config)
    # OpenSSL knows the rules of HTTPS for names; those of RFC 5922 we apply ourselves.
    context.check_hostname = is_web and config.verify != "none"
    if config.verify == "none":
        context.verify_mode = ssl.CERT_NONE
    else:
        _trust(context, config, ssl.Purpose.SERVER_AUTH)
    return context


def _new_context(protocol: ssl._SSLMethod, config: TLSConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # What TLS 1.2 calls renegotiation lets a peer make us work, for nothing that SIP needs.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if config.cert is not None:
        try:
            # A key with a passphrase must not make a server ask its terminal for it.
            context.load_cert_chain(config.cert, config.key, password="")
        except (OSError, ValueError) as error:
            files = config.cert if config.key is None else f"{config.cert} and {config.key}"
            raise TransportError(f"no certificate with its key can be read from {files}: {_text(error)}") from error
    return context


def _trust(context: ssl.SSLContext, config: TLSConfig, purpose: ssl.Purpose) -> None:
    if config.ca is None:
        context.load_default_certs(purpose)
        return
    try:
        context.load_verify_locations(config.ca)
    except (OSError, ValueError) as error:
        raise TransportError(f"no authorities' certificates can be read from {config.ca}: {_text(error)}") from error


def _text(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is not in order").replace("_", " ").lower()
    return str(getattr(error, "strerror", None) or error)


class TLSCodec:
    """Encrypt and decrypt one connection by two memory buffers.

    A client begins by `take_outgoing`; a server by `receive`.
    """

    __slots__ = (
        "_incoming",
        "_is_web",
        "_keeper",
        "_key",
        "_name",
        "_object",
        "_outgoing",
        "certificate",
        "has_ended",
        "is_ready",
    )

    is_framed = False

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        name: str = "",
        session: ssl.SSLSession | None = None,
        keeper: TLSContexts | None = None,
        key: Hashable = None,
    ) -> None:
        self.is_ready = False
        self.has_ended = False
        self.certificate: PeerCertificate | None = None
        self._name = name
        self._keeper = keeper
        self._key = key
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        is_server = context.protocol == ssl.PROTOCOL_TLS_SERVER
        self._is_web = context.check_hostname
        # An address is nothing that SNI may have (RFC 6066, 3), but OpenSSL leaves it out where it is to check it.
        is_indicated = not is_server and (self._is_web or numeric_host(name) is None)
        indicated = name.rstrip(".") if is_indicated else None
        try:
            self._object = context.wrap_bio(
                self._incoming,
                self._outgoing,
                server_side=is_server,
                server_hostname=indicated or None,
                session=session,
            )
        except ValueError as error:  # no name that SNI could hold
            raise TransportError(f"{name!r} is no name that a certificate could be for") from error
        if not is_server:
            self._advance()

    @property
    def has_partial(self) -> bool:
        """Return False: records are short, and what a framer waits for is told by the framer."""
        return False

    @property
    def is_resumed(self) -> bool:
        """Tell whether the handshake resumed an earlier session."""
        return bool(self._object.session_reused)

    @property
    def version(self) -> str:
        """Return the version of TLS in use: "TLSv1.3"."""
        return self._object.version() or ""

    def receive(self, data: bytes) -> list[bytes]:
        self._incoming.write(data)
        if not self.is_ready and not self._advance():
            return []
        pieces = []
        try:
            while piece := self._object.read(_READ_SIZE):
                pieces.append(piece)
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_ended = True
        except ssl.SSLError as error:
            raise TransportError(_explain(error)) from error
        return [b"".join(pieces)] if pieces else []

    def _advance(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise TransportError(_explain(error)) from error
        self._identify_untrusted()
        self.is_ready = True
        return True

    def _identify_untrusted(self) -> None:
        try:
            fields = self._object.getpeercert()
        except ValueError as error:  # names that are no text
            raise TransportError("the names in the certificate cannot be read") from error
        if fields:  # there are none where nothing was verified
            self.certificate = PeerCertificate.from_fields_untrusted(fields)
        if self._is_web or not self._name or self.certificate is None:
            return
        if not self.certificate.is_for(self._name):
            self._outgoing.read()  # our Finished: who is not wanted need not believe that it is
            raise TransportError(f"the certificate is for {self.certificate.names}; wanted {self._name}")

    def send(self, data: bytes) -> bytes:
        view = memoryview(data)
        try:
            while view:
                view = view[self._object.write(view) :]
        except ssl.SSLError as error:
            raise TransportError(_explain(error)) from error
        return self._outgoing.read()

    def take_outgoing(self) -> bytes:
        return self._outgoing.read()

    def ping(self) -> bool:
        """Return False: TLS has no sign of life of its own."""
        return False

    def close(self) -> bytes:
        if not self.is_ready:
            return self._outgoing.read()
        session = self._object.session
        if self._keeper is not None and session is not None:
            # With TLS 1.3 tickets come after the handshake: the last one is the one to keep.
            self._keeper.keep_session(self._key, self._object.context, session)
        with suppress(ssl.SSLError):  # the peer's part of the goodbye is not waited for, and may never come
            self._object.unwrap()
        return self._outgoing.read()


def _explain(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (62, 64):  # a host name, an address
            return error.verify_message.partition(", ")[2].rstrip(".") or error.verify_message
        return _VERDICTS.get(error.verify_code, f"the certificate is not in order: {error.verify_message}")
    reason = (error.reason or "").replace("_", " ").lower()
    if "alert" in reason:
        return f"the peer ended TLS: {reason.partition('alert ')[2]}"
    if reason in ("wrong version number", "http request", "unknown protocol"):
        return "the peer does not speak TLS"
    return f"TLS failed: {reason or error}"
