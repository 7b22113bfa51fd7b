"""Only AuthenticationFailed escapes; every answer proves what its challenge asked, is readable, and holds no line end.

Targets `sipstack.auth` (:rfc:`7616`, :rfc:`8760`). An input is the value of one WWW-Authenticate, or several with line
feeds between them; a last one after an empty line is an Authentication-Info.
"""

from __future__ import annotations

import random

from hypothesis import strategies as st

from sipstack.auth import (
    SUPPORTED_ALGORITHMS,
    AuthenticationFailed,
    Authenticator,
    Credentials,
    digest_ha1,
    digest_response,
    hash_username,
    put_credentials,
)
from sipstack.message import AuthCredentials, Request, Response, Tokens, parse_message
from sipstack.testing.strategies import header_values, mutated

__all__ = ["DRAWS", "check"]

_USER, _PASSWORD = "alice", "secret"


@st.composite
def _answerable(draw: st.DrawFn) -> bytes:
    algorithm = draw(st.sampled_from([*SUPPORTED_ALGORITHMS, *(name.lower() for name in SUPPORTED_ALGORITHMS)]))
    more = draw(
        st.sampled_from(["", ', qop="auth"', ', qop="auth-int"', ', qop="auth,auth-int"', ', qop="auth", stale=TRUE'])
    )
    more += draw(st.sampled_from(["", ", userhash=true", ', opaque="o\\"p"', ', domain="sip:a"']))
    return f'Digest realm="r", nonce="n{draw(st.integers(0, 3))}", algorithm={algorithm}{more}'.encode()


_challenge = st.one_of(_answerable(), _answerable(), header_values("WWW-Authenticate").map(str.encode))
_lines = st.lists(_challenge | mutated(_challenge), min_size=1, max_size=3).map(b"\n".join)
_info = header_values("Authentication-Info").map(str.encode) | st.just(b'nextnonce="next", qop=auth, nc=00000001')
DRAWS = _lines | st.tuples(_lines, _info).map(b"\n\n".join)


def _request() -> Request:
    return Request(
        "INVITE",
        "sip:bob@example.com",
        b"body",
        [
            ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"),
            ("From", "<sip:alice@example.com>;tag=a"),
            ("To", "<sip:bob@example.com>"),
            ("Call-ID", "c"),
            ("CSeq", "1 INVITE"),
        ],
    )


def check(data: bytes) -> None:
    challenges, _, info = data.partition(b"\n\n")
    request = _request()
    head = request.create_response(401).serialise().removesuffix(b"\r\n")
    fields = [b"WWW-Authenticate: " + line.replace(b"\r", b"") for line in challenges.split(b"\n")[:8]]
    try:
        response = parse_message(head + b"\r\n".join([*fields, b"", b""]))
    except ValueError:
        return
    assert isinstance(response, Response)
    tokens = Tokens(random.Random(1).randbytes)
    authenticator = Authenticator([Credentials(_USER, _PASSWORD)], tokens)
    try:
        answers = authenticator.answer(request, response)
    except AuthenticationFailed as error:
        assert error.reason.endswith(".")
        return
    put_credentials(request, answers)
    _check_answers(request, is_first=True)
    accepted = request.create_response(200)
    if b"\r" not in info and b"\n" not in info and b"\0" not in info:
        accepted.headers.add("Authentication-Info", info.decode("utf-8", "replace"))
    authenticator.accepted(request, accepted)
    following = _request()
    authenticator.authorize(following)
    _check_answers(following, is_first=False)


def _check_answers(request: Request, *, is_first: bool) -> None:
    read = parse_message(request.serialise())
    assert isinstance(read, Request)
    assert read.headers.getlist("Authorization"), "an answer was given and is not in the request"
    for credentials in read.authorization_all:
        _check_proof(credentials, read, is_first=is_first)


def _check_proof(credentials: AuthCredentials, request: Request, *, is_first: bool) -> None:
    given = credentials.parameters
    assert given is not None
    algorithm = given.get("algorithm", "MD5")
    realm = given["realm"]
    expected = digest_response(
        algorithm,
        ha1=digest_ha1(algorithm, username=_USER, realm=realm, password=_PASSWORD),
        nonce=given["nonce"],
        method="INVITE",
        uri=given["uri"],
        qop=given.get("qop"),
        count=int(given.get("nc", "1"), 16),
        cnonce=given.get("cnonce", ""),
        body=request.body,
    )
    # A session key holds the nonce that began the session, which a later request does not show.
    if is_first or not algorithm.lower().endswith("-sess"):
        assert given["response"] == expected, "the proof is not what a server computes"
    username = given["username"]
    if given.get("userhash") == "true":
        assert username == hash_username(algorithm, username=_USER, realm=realm)
    else:
        assert username == _USER
