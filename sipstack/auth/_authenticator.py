"""A client's answers to Digest challenges (:rfc:`3261#section-22`, :rfc:`8760#section-2.4`).

**Who gets an answer.** Whoever gets an answer to a nonce of its choice can try passwords against it, or pass on the
nonce of somebody else's server and become us there (CVE-2021-41158: a peer challenges requests in a call in the name of
our provider). So:

* credentials with a realm answer that realm alone; credentials without one answer any, but only for a request that the
  user began: one outside a dialog;
* inside a dialog, only a realm that was answered outside it under the same Call-ID, and by the same kind of server
  (proxy or user agent), is answered again. In a dialog that the peer began no challenge is: nothing shows that it comes
  from our provider and not from the peer;
* what is known is sent unasked only where it was asked for: to the same To outside dialogs (from user agents and
  registrars, section 22.2), and under the same Call-ID (from proxies, section 22.3).

A realm is only a name: a callee that answers the INVITE itself with the provider's name for a realm cannot be told from
the provider. Digest over SIP has no remedy; TLS to one's provider, and calls through it, narrow it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import attrs

from sipstack.message import LocalProtocolError, SipError, Tokens

from ._challenge import Challenge, digest_challenges, quote, read_credentials_untrusted, read_parameters_untrusted
from ._digest import digest_ha1, digest_response, hash_username, is_session

if TYPE_CHECKING:
    from sipstack.message import Request, Response

__all__ = ["AuthenticationFailed", "Authenticator", "Credentials", "put_credentials"]

_MOST_ROUNDS: Final = 3
"Challenges answered for one request: two proxies and a user agent, or one of them with nonces gone stale."

_MOST_SCOPES: Final = 4_096
"Calls and targets remembered; of those forgotten only the unasked answer is lost, and in dialogs the right to one."

_Kind = str
_AUTHORIZATION: Final[_Kind] = "Authorization"
_PROXY_AUTHORIZATION: Final[_Kind] = "Proxy-Authorization"
_CHALLENGED_BY: Final = {_AUTHORIZATION: "WWW-Authenticate", _PROXY_AUTHORIZATION: "Proxy-Authenticate"}
_INFORMED_BY: Final = {_AUTHORIZATION: "Authentication-Info", _PROXY_AUTHORIZATION: "Proxy-Authentication-Info"}

_Place = tuple[_Kind, str]
"A kind of server and its realm."


@attrs.frozen
class Credentials:
    """Hold a user name and what proves it.

    :param password: the secret; may be empty, as that of ``anonymous`` is (:rfc:`3261#section-22.1`).
    :param realm: the only realm it is for; None answers any realm that challenges a request of ours outside dialogs.
    :param ha1: instead of the password, H(username:realm:password) in hexadecimal; needs the realm.
    :param ha1_algorithm: what `ha1` was computed with; no challenge for another one can be answered.
    """

    username: str
    password: str | None = attrs.field(default=None, repr=False)
    realm: str | None = attrs.field(default=None, kw_only=True)
    ha1: str | None = attrs.field(default=None, kw_only=True, repr=False)
    ha1_algorithm: str = attrs.field(default="MD5", kw_only=True)

    def __attrs_post_init__(self) -> None:
        if (self.password is None) == (self.ha1 is None):
            raise LocalProtocolError("Credentials need either a password or an ha1; give one of them.")
        if self.ha1 is not None and self.realm is None:
            raise LocalProtocolError("Credentials with an ha1 need its realm, which is hashed into it; give the realm.")
        if any(c in self.username for c in "\r\n\0"):
            raise LocalProtocolError("The user name of Credentials holds a CR, LF or NUL; remove it.")

    def fits(self, challenge: Challenge) -> bool:
        """Tell whether these can answer a challenge."""
        if self.realm is not None and self.realm != challenge.realm:
            return False
        return self.ha1 is None or _base(self.ha1_algorithm) == _base(challenge.algorithm)

    def ha1_for(self, challenge: Challenge) -> str:
        """Return H(username:realm:password) for a challenge these fit."""
        if self.ha1 is not None:
            return self.ha1
        return digest_ha1(
            challenge.algorithm, username=self.username, realm=challenge.realm, password=self.password or ""
        )


def _base(algorithm: str) -> str:
    return algorithm.lower().removesuffix("-sess")


class AuthenticationFailed(SipError):
    """Say why a challenge stays without an answer.

    :param reason: one sentence.
    :param response: the challenge.
    :param realms: the realms that asked, to be shown to the user (:rfc:`3261#section-22.1`).
    """

    def __init__(self, reason: str, response: Response, realms: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.response = response
        self.realms = realms


@attrs.define(eq=False)
class _Session:
    """An authentication session: one challenge, and how often it was answered (:rfc:`7616#section-3.6`)."""

    challenge: Challenge
    credentials: Credentials
    cnonce: str
    "The first one, which a session key is made of."
    nonce: str
    count: int = 0

    def value(self, request: Request, tokens: Tokens) -> str:
        """Write credentials for a request, and count."""
        challenge, credentials = self.challenge, self.credentials
        self.count += 1
        # A session key holds the first cnonce: servers disagree on what a later one does to it, so there is none.
        cnonce = self.cnonce if self.count == 1 or is_session(challenge.algorithm) else tokens.cnonce()
        uri = str(request.uri)
        response = digest_response(
            challenge.algorithm,
            ha1=credentials.ha1_for(challenge),
            nonce=self.nonce,
            method=request.method,
            uri=uri,
            qop=challenge.qop,
            count=self.count,
            cnonce=cnonce,
            body=request.body,
            session_nonce=challenge.nonce,
            session_cnonce=self.cnonce,
        )
        username = credentials.username
        if challenge.has_userhash:
            username = hash_username(challenge.algorithm, username=username, realm=challenge.realm)
        # RFC 7616, section 3.4: these are quoted always, and algorithm, qop, nc and userhash never.
        parameters = [
            f"username={quote(username)}",
            f"realm={quote(challenge.realm)}",
            f"nonce={quote(self.nonce)}",
            f"uri={quote(uri)}",
            f'response="{response}"',
        ]
        if challenge.has_algorithm:
            parameters.append(f"algorithm={challenge.algorithm}")
        if challenge.qop is not None:
            parameters += [f"cnonce={quote(cnonce)}", f"qop={challenge.qop}", f"nc={self.count:08x}"]
        if challenge.opaque is not None:
            parameters.append(f"opaque={quote(challenge.opaque)}")
        if challenge.has_userhash:
            parameters.append("userhash=true")
        return "Digest " + ", ".join(parameters)


def put_credentials(request: Request, headers: Iterable[tuple[str, str]]) -> None:
    """Put the header fields that :meth:`Authenticator.answer` returned in the place of those a request has."""
    for kind in _CHALLENGED_BY:
        request.headers.remove(kind)
    for name, value in headers:
        request.headers.add(name, value)


class Authenticator:
    """Answer the challenges to a user's requests, and spare later requests the challenge.

    For each request: :meth:`authorize` it; when 401 or 407 comes, :meth:`answer`, put the result into the request with
    :func:`put_credentials`, give it the next CSeq number and a new branch, and send it again; hand any other final
    response to :meth:`accepted`. An ACK takes the header fields of its INVITE, and a CANCEL has none
    (:rfc:`3261#section-22.1`).

    :param credentials: tried in order; those with a realm before those without.
    :param tokens: where client nonces come from.
    :param asked: which realms have asked during a call that is gone on with, as `realms` gave them.
    :param outbound_proxy_realm: the realm of the user's own proxy; its answers alone are sent unasked across calls
        (:rfc:`3261#section-22.3`).
    """

    def __init__(
        self,
        credentials: Iterable[Credentials],
        tokens: Tokens,
        *,
        asked: Iterable[tuple[str, str]] = (),
        outbound_proxy_realm: str | None = None,
    ) -> None:
        self._credentials = sorted(credentials, key=lambda one: one.realm is None)
        self._tokens = tokens
        self._asked = frozenset(asked)
        self._outbound_proxy_realm = outbound_proxy_realm
        self._scopes: OrderedDict[tuple[str, str], dict[_Place, _Session]] = OrderedDict()
        # How many challenges in a row led to this nonce, by Call-ID and nonce.
        self._rounds: OrderedDict[tuple[str, str], int] = OrderedDict()

    def answer(self, request: Request, response: Response) -> list[tuple[str, str]]:
        """Return all credentials the retried request must carry, as header names and values.

        Those of earlier rounds that nobody objected to are among them, counted up.

        :param request: the request as it was sent, with the credentials it had.
        :raises AuthenticationFailed: no challenge can or may be answered.
        """
        if request.method in ("ACK", "CANCEL"):
            raise AuthenticationFailed(f"A challenge to {request.method} cannot be answered.", response)
        carried = _carried(request)
        asked, refusals, realms = _asked(response)
        if not asked:
            why = refusals[0] if refusals else "it holds no challenge"
            raise AuthenticationFailed(f"The {response.code} cannot be answered: {why}.", response, realms)
        rounds = 1 + max((self._rounds.get((request.call_id, nonce), 0) for nonce in _nonces(carried)), default=0)
        if rounds > _MOST_ROUNDS:
            raise AuthenticationFailed(
                f"The request was challenged again after {_MOST_ROUNDS} answers.", response, realms
            )
        known = self._scopes.get(("call", request.call_id), {})
        sessions: dict[_Place, _Session] = {}
        for place, challenges in asked.items():
            answered = self._answer_place(request, place, challenges, carried.get(place), known)
            if isinstance(answered, _Session):
                sessions[place] = answered
            else:
                refusals.append(answered)
        if not sessions:
            raise AuthenticationFailed(f"The {response.code} cannot be answered: {refusals[-1]}.", response, realms)
        for place, session in sessions.items():
            self._remember(request, place, session)
            self._note_round(request.call_id, session.nonce, rounds)
        return self._values(request, carried, asked, sessions)

    def _answer_place(
        self,
        request: Request,
        place: _Place,
        challenges: list[Challenge],
        carried: dict[str, str] | None,
        known: dict[_Place, _Session],
    ) -> _Session | str:
        """Begin a session with one realm, or say why not, as part of a sentence."""
        realm = place[1]
        shown = repr(realm[:80])
        if request.to_tag is not None and place not in known and place not in self._asked:
            return f"the realm {shown} was not asked for when the dialog began"
        # The topmost that we can answer is the one the server likes best (RFC 8760, section 2.4).
        matches = (
            (challenge, credentials)
            for challenge in challenges
            for credentials in self._credentials
            if credentials.fits(challenge)
        )
        challenge, credentials = next(matches, (None, None))
        if challenge is None or credentials is None:
            return f"there are no credentials for the realm {shown}"
        if carried is not None and not challenge.is_stale and not self._is_reuse(carried, challenge, known.get(place)):
            self._forget_session(known.get(place))
            return f"the credentials for the realm {shown} were rejected"
        return _Session(challenge, credentials, self._tokens.cnonce(), challenge.nonce)

    def _is_reuse(self, carried: dict[str, str], challenge: Challenge, session: _Session | None) -> bool:
        """Tell whether rejected credentials used an older nonce unasked, and prove nothing about the password.

        Many servers forget nonces without ever saying stale.
        """
        if carried.get("nonce") == challenge.nonce:
            return False
        if "nc" in carried and carried["nc"] != "00000001":
            return True
        # The first use of a next nonce is one that no challenge asked for; without a count, the session has counted.
        return session is not None and (
            session.nonce != session.challenge.nonce or ("nc" not in carried and session.count > 1)
        )

    def _values(
        self,
        request: Request,
        carried: dict[_Place, dict[str, str]],
        asked: dict[_Place, list[Challenge]],
        sessions: dict[_Place, _Session],
    ) -> list[tuple[str, str]]:
        known = self._scopes.get(("call", request.call_id), {})
        kept = {place: known[place] for place in carried if place not in asked and place in known}
        return [(place[0], session.value(request, self._tokens)) for place, session in {**kept, **sessions}.items()]

    def authorize(self, request: Request) -> None:
        """Add credentials to a new request for the realms known to ask for them, with the next count of their nonces.

        Leaves ACK and CANCEL alone, and a request that has credentials.
        """
        if request.method in ("ACK", "CANCEL") or any(kind in request.headers for kind in _CHALLENGED_BY):
            return
        found: dict[_Place, _Session] = {}
        for scope in self._scopes_of(request, is_in_dialog=request.to_tag is not None):
            for place, session in self._scopes.get(scope, {}).items():
                found.setdefault(place, session)
        for place, session in found.items():
            request.headers.add(place[0], session.value(request, self._tokens))
            self._remember(request, place, session)
            self._note_round(request.call_id, session.nonce, 0)

    def accepted(self, request: Request, response: Response) -> None:
        """Take note of a final response that is no challenge: the next nonce may be in it (:rfc:`7616#section-3.5`)."""
        known = self._scopes.get(("call", request.call_id), {})
        carried = _carried(request)
        for kind, header in _INFORMED_BY.items():
            ours = [(place, parameters) for place, parameters in carried.items() if place[0] == kind]
            for field in response.headers.getlist(header):
                info = read_parameters_untrusted(field)
                if info is None or not info.get("nextnonce"):
                    continue
                # The header names no realm: the client nonce says whom it is from, where there is more than one.
                for place, parameters in ours:
                    if len(ours) == 1 or ("cnonce" in info and info["cnonce"] == parameters.get("cnonce")):
                        session = known.get(place)
                        if session is not None and session.nonce == parameters.get("nonce"):
                            session.nonce, session.count = info["nextnonce"], 0

    def realms(self, call_id: str) -> list[tuple[str, str]]:
        """Return which realms have asked during a call, each with the header field that answers it."""
        return sorted(self._asked.union(self._scopes.get(("call", call_id), ())))

    def forget(self, call_id: str) -> None:
        """Forget what a call was asked, when it is over."""
        self._scopes.pop(("call", call_id), None)

    def _scopes_of(self, request: Request, *, is_in_dialog: bool) -> Iterator[tuple[str, str]]:
        yield "call", request.call_id
        if not is_in_dialog:
            yield "to", str(request.to_address.uri.aor())
            yield "proxy", ""

    def _remember(self, request: Request, place: _Place, session: _Session) -> None:
        is_outside = request.to_tag is None
        for scope in self._scopes_of(request, is_in_dialog=not is_outside):
            if scope[0] == "to" and place[0] != _AUTHORIZATION:
                continue
            if scope[0] == "proxy" and place != (_PROXY_AUTHORIZATION, self._outbound_proxy_realm):
                continue
            self._scopes.setdefault(scope, {})[place] = session
            self._scopes.move_to_end(scope)
            if len(self._scopes) > _MOST_SCOPES:
                self._scopes.popitem(last=False)

    def _forget_session(self, session: _Session | None) -> None:
        """Send rejected credentials nowhere unasked."""
        if session is None:
            return
        for places in self._scopes.values():
            for place in [place for place, one in places.items() if one is session]:
                del places[place]

    def _note_round(self, call_id: str, nonce: str, rounds: int) -> None:
        self._rounds[call_id, nonce] = rounds
        self._rounds.move_to_end((call_id, nonce))
        if len(self._rounds) > _MOST_SCOPES:
            self._rounds.popitem(last=False)


def _carried(request: Request) -> dict[_Place, dict[str, str]]:
    """Read the credentials a request was sent with."""
    carried: dict[_Place, dict[str, str]] = {}
    for kind in _CHALLENGED_BY:
        for field in request.headers.getlist(kind):
            parameters = read_credentials_untrusted(field)
            if parameters is not None and "realm" in parameters:
                carried[kind, parameters["realm"]] = parameters
    return carried


def _nonces(carried: dict[_Place, dict[str, str]]) -> Iterator[str]:
    return (parameters.get("nonce", "") for parameters in carried.values())


def _asked(response: Response) -> tuple[dict[_Place, list[Challenge]], list[str], tuple[str, ...]]:
    """Sort the challenges by who asks; both kinds may stand in one response (:rfc:`3261#section-22.3`)."""
    asked: dict[_Place, list[Challenge]] = {}
    refusals: list[str] = []
    for kind, header in _CHALLENGED_BY.items():
        challenges, refused = digest_challenges(response.headers.getlist(header))
        refusals += refused
        for challenge in challenges:
            asked.setdefault((kind, challenge.realm), []).append(challenge)
    return asked, refusals, tuple(dict.fromkeys(realm for _, realm in asked))
