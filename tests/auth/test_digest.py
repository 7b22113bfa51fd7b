import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.auth import SUPPORTED_ALGORITHMS, digest_ha1, digest_response, hash_username
from sipstack.auth._digest import _find_hash, hash_body, is_session

needs_sha512_256 = pytest.mark.skipif(
    "SHA-512-256" not in SUPPORTED_ALGORITHMS, reason="this OpenSSL has no SHA-512/256"
)


def test_rfc2617_example() -> None:
    ha1 = digest_ha1("MD5", username="Mufasa", realm="testrealm@host.com", password="Circle Of Life")
    assert ha1 == "939e7578ed9e3c518a452acee763bce9"
    response = digest_response(
        "MD5",
        ha1=ha1,
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        method="GET",
        uri="/dir/index.html",
        qop="auth",
        count=1,
        cnonce="0a4f113b",
    )
    assert response == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc7616_first_example(algorithm: str, expected: str) -> None:
    ha1 = digest_ha1(algorithm, username="Mufasa", realm="http-auth@example.org", password="Circle of Life")
    response = digest_response(
        algorithm,
        ha1=ha1,
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        method="GET",
        uri="/dir/index.html",
        qop="auth",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert response == expected


@needs_sha512_256
def test_rfc7616_second_example_as_corrected_by_erratum_4897() -> None:
    realm, username = "api@example.org", "J\u00e4s\u00f8n Doe"
    assert (
        hash_username("SHA-512-256", username=username, realm=realm)
        == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    )
    response = digest_response(
        "SHA-512-256",
        ha1=digest_ha1("SHA-512-256", username=username, realm=realm, password="Secret, or not?"),
        nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        method="GET",
        uri="/doe.json",
        qop="auth",
        cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert response == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"


def test_rfc8760_hash_of_no_body() -> None:
    assert hash_body("SHA-256", b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_rfc3261_hash_of_no_body() -> None:
    assert hash_body("MD5", b"") == "d41d8cd98f00b204e9800998ecf8427e"


def test_a_server_without_qop_gets_the_answer_of_rfc2069() -> None:
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()  # noqa: E731
    response = digest_response("MD5", ha1="a" * 32, nonce="n", method="REGISTER", uri="sip:x")
    assert response == md5(f"{'a' * 32}:n:{md5('REGISTER:sip:x')}")


def test_auth_int_covers_the_body() -> None:
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()  # noqa: E731
    responses = {
        digest_response(
            "MD5", ha1="h", nonce="n", method="INVITE", uri="sip:x", qop="auth-int", count=2, cnonce="c", body=body
        )
        for body in (b"", b"v=0")
    }
    assert responses == {md5(f"h:n:00000002:c:auth-int:{md5('INVITE:sip:x:' + md5(body))}") for body in ("", "v=0")}


def test_session_key_is_made_of_the_first_nonces() -> None:
    sha = lambda text: hashlib.sha256(text.encode()).hexdigest()  # noqa: E731
    response = digest_response(
        "SHA-256-sess",
        ha1="h",
        nonce="n2",
        method="BYE",
        uri="u",
        qop="auth",
        cnonce="c2",
        session_nonce="n1",
        session_cnonce="c1",
    )
    assert response == sha(f"{sha('h:n1:c1')}:n2:00000001:c2:auth:{sha('BYE:u')}")
    assert is_session("md5-SESS")
    assert not is_session("MD5")


def test_a_hash_this_build_lacks_is_not_supported() -> None:
    assert _find_hash("no-such-hash") is None


def test_mandatory_algorithms_are_there() -> None:
    assert {"SHA-256", "SHA-256-sess", "MD5", "MD5-sess"} <= set(SUPPORTED_ALGORITHMS)


@given(
    algorithm=st.sampled_from(SUPPORTED_ALGORITHMS),
    texts=st.tuples(*[st.text()] * 3),
    qop=st.sampled_from([None, "auth", "auth-int"]),
    body=st.binary(),
)
def test_response_is_lower_case_hexadecimal(
    algorithm: str, texts: tuple[str, str, str], qop: str | None, body: bytes
) -> None:
    username, realm, password = (text.encode("utf-8", "replace").decode() for text in texts)
    ha1 = digest_ha1(algorithm, username=username, realm=realm, password=password)
    response = digest_response(
        algorithm, ha1=ha1, nonce=realm, method="INVITE", uri=username, qop=qop, cnonce="c", body=body
    )
    assert len(response) == (32 if algorithm.startswith("MD5") else 64)
    assert set(response) <= set("0123456789abcdef")
