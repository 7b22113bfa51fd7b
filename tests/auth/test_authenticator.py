import random
import re

import pytest

from sipstack.auth import (
    AuthenticationFailed,
    Authenticator,
    Credentials,
    digest_ha1,
    digest_response,
    hash_username,
    put_credentials,
)
from sipstack.auth._challenge import read_credentials_untrusted
from sipstack.message import LocalProtocolError, Request, Response, Tokens, parse_message

ALICE = Credentials("alice", "secret", realm="atlanta")
ANY = Credentials("bob", "hidden")


def request(
    method: str = "INVITE",
    *,
    to: str = "sip:bob@example.com",
    to_tag: str | None = None,
    call_id: str = "call",
    body: bytes = b"",
) -> Request:
    tag = f";tag={to_tag}" if to_tag else ""
    headers = [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("From", "<sip:alice@example.com>;tag=a"),
        ("To", f"<{to}>{tag}"),
        ("Call-ID", call_id),
        ("CSeq", f"1 {method}"),
    ]
    return Request(method, "sip:bob@example.com;x=1", body, headers)


def challenge(realm: str = "atlanta", nonce: str = "n1", *, extra: str = ', qop="auth"', scheme: str = "Digest") -> str:
    return f'{scheme} realm="{realm}", nonce="{nonce}"{extra}'


def unauthorized(*values: str) -> Response:
    return Response(401, headers=[("WWW-Authenticate", value) for value in values])


def proxy_unauthorized(*values: str) -> Response:
    return Response(407, headers=[("Proxy-Authenticate", value) for value in values])


def authenticator(*credentials: Credentials, outbound_proxy_realm: str | None = None) -> Authenticator:
    tokens = Tokens(random.Random(1).randbytes)
    return Authenticator(credentials or (ALICE,), tokens, outbound_proxy_realm=outbound_proxy_realm)


def parameters(value: str) -> dict[str, str]:
    read = read_credentials_untrusted(value)
    assert read is not None
    return read


def retry(auth: Authenticator, sent: Request, response: Response) -> list[dict[str, str]]:
    """Answer, put the answer into the request, and return its parameters."""
    put_credentials(sent, auth.answer(sent, response))
    return carried(sent)


def carried(sent: Request) -> list[dict[str, str]]:
    names = ("Authorization", "Proxy-Authorization")
    return [{"_": name, **parameters(value)} for name in names for value in sent.headers.getlist(name)]


def is_right(
    values: dict[str, str], *, password: str = "secret", username: str = "alice", method: str = "INVITE"
) -> bool:
    algorithm = values.get("algorithm", "MD5")
    return values["response"] == digest_response(
        algorithm,
        ha1=digest_ha1(algorithm, username=username, realm=values["realm"], password=password),
        nonce=values["nonce"],
        method=method,
        uri=values["uri"],
        qop=values.get("qop"),
        count=int(values.get("nc", "0"), 16),
        cnonce=values.get("cnonce", ""),
    )


@pytest.mark.rfc("R3261-22.2-3", "R3261-22.2-7", "R3261-22.4-3")
def test_a_401_is_answered_with_every_parameter_quoted_as_it_must_be() -> None:
    field = challenge(extra=', qop="auth,auth-int", algorithm=SHA-256, opaque="o\\"p", stale=false')
    ((name, value),) = authenticator().answer(request(), unauthorized(field))
    assert name == "Authorization"
    assert re.fullmatch(
        r'Digest username="alice", realm="atlanta", nonce="n1", uri="sip:bob@example.com;x=1", '
        r'response="[0-9a-f]{64}", algorithm=SHA-256, cnonce="[0-9a-f]{32}", qop=auth, nc=00000001, opaque="o\\"p"',
        value,
    )
    assert is_right(parameters(value))


@pytest.mark.rfc("R3261-22.3-5", "R3261-22.3-10")
def test_a_407_is_answered_with_proxy_authorization() -> None:
    (values,) = retry(authenticator(), request(), proxy_unauthorized(challenge()))
    assert values["_"] == "Proxy-Authorization"
    assert is_right(values)


@pytest.mark.rfc("R3261-22.4-5")
def test_without_qop_there_is_neither_cnonce_nor_count() -> None:
    (values,) = retry(authenticator(), request(), unauthorized(challenge(extra="")))
    assert not values.keys() & {"qop", "cnonce", "nc", "algorithm", "opaque", "userhash"}
    assert is_right(values)


@pytest.mark.rfc("R3261-22.4-7")
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_qop_is_answered_with_qop(qop: str) -> None:
    (values,) = retry(authenticator(), request(), unauthorized(challenge(extra=f", qop={qop}")))
    assert values["qop"] == qop


def test_auth_int_covers_the_body() -> None:
    field = unauthorized(challenge(extra=', qop="auth-int"'))
    one, other = (retry(authenticator(), request(body=body), field)[0] for body in (b"", b"v=0"))
    assert one["cnonce"] == other["cnonce"]
    assert one["response"] != other["response"]


def test_the_user_name_is_hashed_when_the_server_can_read_it() -> None:
    field = challenge(extra=', qop="auth", algorithm=SHA-256, userhash=true')
    (values,) = retry(authenticator(), request(), unauthorized(field))
    assert values["username"] == hash_username("SHA-256", username="alice", realm="atlanta")
    assert values["userhash"] == "true"
    assert is_right(values)


def test_ha1_answers_in_place_of_the_password_for_its_algorithm_only() -> None:
    ha1 = digest_ha1("SHA-256", username="alice", realm="atlanta", password="secret")
    auth = authenticator(Credentials("alice", realm="atlanta", ha1=ha1, ha1_algorithm="SHA-256"))
    both = unauthorized(challenge(), challenge(extra=", algorithm=SHA-256, qop=auth"))
    (values,) = retry(auth, request(), both)
    assert values["algorithm"] == "SHA-256"
    assert is_right(values)


def test_the_topmost_supported_challenge_is_taken() -> None:
    fields = [
        challenge(scheme="Basic"),
        challenge(nonce="n0", extra=", algorithm=SHA-3, qop=auth"),
        challenge(nonce="n1", extra=", algorithm=SHA-256, qop=auth"),
        challenge(nonce="n2", extra=", qop=auth"),
    ]
    for response in (unauthorized(*fields), unauthorized(", ".join(fields))):
        (values,) = retry(authenticator(), request(), response)
        assert values["nonce"] == "n1"


@pytest.mark.rfc("R3261-22.3-15", "R3261-22.3-16")
def test_every_realm_gets_its_own_credentials() -> None:
    auth = authenticator(ANY, ALICE)
    response = proxy_unauthorized(challenge(), challenge("biloxi", "n2"))
    response.headers.add("WWW-Authenticate", challenge("chicago", "n3"))
    values = retry(auth, request(), response)
    assert [(one["_"], one["realm"], one["username"]) for one in values] == [
        ("Authorization", "chicago", "bob"),
        ("Proxy-Authorization", "atlanta", "alice"),
        ("Proxy-Authorization", "biloxi", "bob"),
    ]


def test_two_proxies_and_a_user_agent_one_after_the_other() -> None:
    auth, sent = authenticator(ANY), request()
    retry(auth, sent, proxy_unauthorized(challenge("p1", "a")))
    retry(auth, sent, proxy_unauthorized(challenge("p2", "b")))
    values = retry(auth, sent, unauthorized(challenge("ua", "c")))
    assert {(one["_"], one["realm"], one["nc"]) for one in values} == {
        ("Authorization", "ua", "00000001"),
        ("Proxy-Authorization", "p1", "00000003"),
        ("Proxy-Authorization", "p2", "00000002"),
    }


def test_basic_is_refused() -> None:
    with pytest.raises(AuthenticationFailed, match=r"^The 401 cannot be answered: the scheme 'Basic' is not Digest\.$"):
        authenticator().answer(request(), unauthorized('Basic realm="atlanta"'))


def test_a_response_without_challenge_is_refused() -> None:
    with pytest.raises(AuthenticationFailed, match="holds no challenge"):
        authenticator().answer(request(), unauthorized())


@pytest.mark.rfc("R3261-22.1-12")
def test_an_unknown_realm_is_refused_and_told() -> None:
    response = unauthorized(challenge("biloxi"))
    with pytest.raises(AuthenticationFailed, match=r"no credentials for the realm 'biloxi'\.") as caught:
        authenticator().answer(request(), response)
    assert caught.value.realms == ("biloxi",)
    assert caught.value.response is response
    assert caught.value.reason == str(caught.value)


@pytest.mark.rfc("R3261-22.1-13")
@pytest.mark.parametrize("nonce", ["n1", "n2"])
@pytest.mark.parametrize("extra", ["", ", qop=auth"])
def test_rejected_credentials_are_not_sent_again(nonce: str, extra: str) -> None:
    auth, sent = authenticator(), request()
    retry(auth, sent, unauthorized(challenge(extra=extra)))
    with pytest.raises(AuthenticationFailed, match="credentials for the realm 'atlanta' were rejected"):
        auth.answer(sent, unauthorized(challenge(nonce=nonce, extra=extra)))
    later = request()
    auth.authorize(later)
    assert carried(later) == []


@pytest.mark.rfc("R3261-22.1-13")
def test_a_stale_nonce_is_replaced() -> None:
    auth, sent = authenticator(), request()
    retry(auth, sent, unauthorized(challenge()))
    (values,) = retry(auth, sent, unauthorized(challenge(nonce="n2", extra=", stale=TRUE, qop=auth")))
    assert (values["nonce"], values["nc"]) == ("n2", "00000001")
    assert is_right(values)


@pytest.mark.parametrize("nonces", [("a", "b", "c", "d"), ("a", "a", "a", "a")])
def test_three_answers_are_enough(nonces: tuple[str, ...]) -> None:
    auth, sent = authenticator(), request()
    for nonce in nonces[:3]:
        retry(auth, sent, unauthorized(challenge(nonce=nonce, extra=", stale=true, qop=auth")))
    with pytest.raises(AuthenticationFailed, match="challenged again after 3 answers"):
        auth.answer(sent, unauthorized(challenge(nonce=nonces[3], extra=", stale=true, qop=auth")))


def test_a_server_that_always_has_another_realm_gets_three_answers() -> None:
    auth, sent = authenticator(ANY), request()
    for realm in "abc":
        retry(auth, sent, unauthorized(challenge(realm, realm)))
    with pytest.raises(AuthenticationFailed, match="after 3 answers"):
        auth.answer(sent, unauthorized(challenge("d", "d")))


@pytest.mark.rfc("R3261-22.2-4", "R3261-22.2-7")
def test_the_next_request_to_the_same_target_is_authorized_with_the_next_count() -> None:
    auth, sent = authenticator(), request("REGISTER")
    (first,) = retry(auth, sent, unauthorized(challenge()))
    later = request("REGISTER", call_id="other")
    auth.authorize(later)
    (values,) = carried(later)
    assert (values["nonce"], values["nc"]) == ("n1", "00000002")
    assert values["cnonce"] != first["cnonce"]
    assert is_right(values, method="REGISTER")


def test_another_target_is_not_told_unasked() -> None:
    auth = authenticator()
    retry(auth, request("REGISTER"), unauthorized(challenge()))
    later = request(to="sip:mallory@example.net", call_id="other")
    auth.authorize(later)
    assert carried(later) == []


@pytest.mark.rfc("R3261-22.3-7", "R3261-22.3-9")
def test_proxy_credentials_stay_in_their_call_unless_the_proxy_is_the_users() -> None:
    for realm, expected in ((None, 0), ("biloxi", 0), ("atlanta", 1)):
        auth, sent = authenticator(outbound_proxy_realm=realm), request()
        retry(auth, sent, proxy_unauthorized(challenge()))
        bye = request("BYE", to_tag="b")
        auth.authorize(bye)
        assert [one["nc"] for one in carried(bye)] == ["00000002"]
        other = request(call_id="other")
        auth.authorize(other)
        assert len(carried(other)) == expected
        foreign_dialog = request("BYE", to_tag="b", call_id="third")
        auth.authorize(foreign_dialog)
        assert carried(foreign_dialog) == []


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_ack_and_cancel_are_left_alone(method: str) -> None:
    auth = authenticator()
    retry(auth, request(), unauthorized(challenge()))
    later = request(method)
    auth.authorize(later)
    assert carried(later) == []
    with pytest.raises(AuthenticationFailed, match=f"A challenge to {method} cannot be answered"):
        auth.answer(later, unauthorized(challenge()))


def test_a_request_that_has_credentials_is_left_alone() -> None:
    auth, sent = authenticator(), request()
    retry(auth, sent, unauthorized(challenge()))
    before = carried(sent)
    auth.authorize(sent)
    assert carried(sent) == before


@pytest.mark.parametrize("extra", [", qop=auth", ""])
def test_a_forgotten_nonce_is_answered_although_the_server_does_not_call_it_stale(extra: str) -> None:
    auth = authenticator()
    retry(auth, request("REGISTER"), unauthorized(challenge(extra=extra)))
    later = request("REGISTER")
    auth.authorize(later)
    (values,) = retry(auth, later, unauthorized(challenge(nonce="n2", extra=extra)))
    assert values["nonce"] == "n2"
    with pytest.raises(AuthenticationFailed, match="rejected"):
        auth.answer(later, unauthorized(challenge(nonce="n3", extra=extra)))


def test_refreshing_for_ever_does_not_use_up_the_attempts() -> None:
    auth = authenticator()
    retry(auth, request("REGISTER"), unauthorized(challenge(nonce="0")))
    for number in range(1, 10):
        later = request("REGISTER")
        auth.authorize(later)
        retry(auth, later, unauthorized(challenge(nonce=str(number), extra=", stale=true, qop=auth")))


def test_a_peer_that_called_us_gets_no_answer() -> None:
    """The attack of CVE-2021-41158: call, let the callee hang up, and challenge its BYE."""
    auth = authenticator(ALICE, ANY)
    retry(auth, request("REGISTER", call_id="registration"), unauthorized(challenge()))
    for response in (unauthorized(challenge()), proxy_unauthorized(challenge()), unauthorized(challenge("other"))):
        with pytest.raises(AuthenticationFailed, match="was not asked for when the dialog began"):
            auth.answer(request("BYE", to_tag="evil"), response)


def test_a_dialog_of_ours_is_answered_for_its_own_realm_only() -> None:
    auth, sent = authenticator(ANY), request()
    retry(auth, sent, proxy_unauthorized(challenge("proxy")))
    (values,) = retry(auth, request("BYE", to_tag="b"), proxy_unauthorized(challenge("proxy", "n2")))
    assert values["nonce"] == "n2"
    for response in (proxy_unauthorized(challenge("other")), unauthorized(challenge("proxy"))):
        with pytest.raises(AuthenticationFailed, match="was not asked for"):
            auth.answer(request("BYE", to_tag="b"), response)
    auth.forget("call")
    with pytest.raises(AuthenticationFailed, match="was not asked for"):
        auth.answer(request("BYE", to_tag="b"), proxy_unauthorized(challenge("proxy")))


def test_next_nonce_is_used_and_counted_anew() -> None:
    auth, sent = authenticator(), request()
    retry(auth, sent, unauthorized(challenge()))
    auth.accepted(sent, Response(200, headers=[("Authentication-Info", 'nextnonce="n9", qop=auth')]))
    later = request()
    auth.authorize(later)
    (values,) = carried(later)
    assert (values["nonce"], values["nc"]) == ("n9", "00000001")
    (values,) = retry(auth, later, unauthorized(challenge(nonce="n10")))
    assert values["nonce"] == "n10"


def test_next_nonce_of_one_of_two_proxies_is_told_by_its_cnonce() -> None:
    auth, sent = authenticator(ANY), request()
    values = retry(auth, sent, proxy_unauthorized(challenge("p1", "a"), challenge("p2", "b")))
    info = f'nextnonce="z", cnonce="{values[1]["cnonce"]}"'
    for field in (info, 'nextnonce="lost"', 'nextnonce="', "qop=auth"):
        auth.accepted(sent, Response(200, headers=[("Proxy-Authentication-Info", field)]))
    later = request()
    auth.authorize(later)
    assert [one["nonce"] for one in carried(later)] == ["a", "z"]


def test_session_variants_keep_their_key() -> None:
    auth, sent = authenticator(), request()
    (first,) = retry(auth, sent, unauthorized(challenge(extra=", algorithm=MD5-sess, qop=auth")))
    later = request()
    auth.authorize(later)
    (values,) = carried(later)
    assert values["cnonce"] == first["cnonce"]
    assert is_right(values)


def test_memory_is_bounded() -> None:
    auth = authenticator()
    for number in range(5_000):
        auth.answer(request(call_id=str(number), to=f"sip:{number}@example.com"), unauthorized(challenge()))
    assert len(auth._scopes) <= 4_096
    assert len(auth._rounds) <= 4_096


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({}, "either a password or an ha1"),
        ({"password": "x", "ha1": "y"}, "either a password or an ha1"),
        ({"ha1": "y"}, "need its realm"),
        ({"username": "a\r\nb", "password": "x"}, "CR, LF or NUL"),
    ],
)
def test_credentials_that_make_no_sense_are_refused(keywords: dict[str, str], reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=reason):
        Credentials(**{"username": "a", **keywords})


@pytest.mark.rfc("R3261-22.1-6", "R3261-22.2-6", "R3261-22.3-6")
def test_anonymous_has_an_empty_password() -> None:
    (values,) = retry(authenticator(Credentials("anonymous", "")), request(), unauthorized(challenge()))
    assert is_right(values, username="anonymous", password="")


def test_secrets_are_not_shown() -> None:
    shown = repr(ALICE) + repr(Credentials("a", realm="r", ha1="0123")) + repr(authenticator())
    assert "secret" not in shown
    assert "0123" not in shown


def test_a_hostile_challenge_cannot_break_the_request() -> None:
    auth = authenticator(ANY)
    field = 'Digest realm="a\\"\\\\", nonce="\\"", opaque="\u20ac", qop="auth"'
    (values,) = retry(auth, request(), unauthorized(field))
    assert (values["realm"], values["nonce"], values["opaque"]) == ('a"\\', '"', "\u20ac")


def test_a_folded_challenge_from_the_wire_is_answered_on_the_wire() -> None:
    response = parse_message(
        b"SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=a\r\n"
        b"To: <sip:bob@example.com>;tag=b\r\nCall-ID: call\r\nCSeq: 1 INVITE\r\nWWW-Authenticate: Digest\r\n"
        b' realm="atlanta",\r\n\tnonce="n1", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    )
    assert isinstance(response, Response)
    sent = request()
    put_credentials(sent, authenticator().answer(sent, response))
    again = parse_message(bytes(sent))
    assert isinstance(again, Request)
    (values,) = carried(again)
    assert values["uri"] == str(again.uri)
    assert is_right(values)
