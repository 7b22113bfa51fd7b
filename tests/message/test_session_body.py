import pytest

from sipstack.message import SDP, BodyPart, MalformedMessage, Multipart, Request, Response, session_body

BODY = b"v=0\r\n"


def message(body: bytes = BODY, *fields: tuple[str, str]) -> Request:
    return Request("INVITE", "sip:bob@example.com", body, fields)


def part(kind: str | None = SDP, disposition: str | None = None, body: bytes = BODY, **fields: str) -> BodyPart:
    headers = [("Content-Type", kind)] if kind else []
    if disposition:
        headers.append(("Content-Disposition", disposition))
    return BodyPart(body, [*headers, *((name.replace("_", "-"), value) for name, value in fields.items())])


def joined(*parts: BodyPart, subtype: str = "mixed", disposition: str | None = None) -> BodyPart:
    multipart = Multipart.join(parts, subtype)
    return part(str(multipart.content_type), disposition, bytes(multipart))


def found(whole: BodyPart) -> bytes | None:
    return session_body(message(whole.body, *whole.headers.items()))


@pytest.mark.parametrize(
    "fields",
    [
        [("Content-Type", "application/sdp")],
        [("c", "Application/SDP;charset=utf-8")],
        [("Content-Type", "application / sdp")],
        [("Content-Type", "application/sdp"), ("Content-Disposition", "Session;handling=optional")],
        [("Content-Type", "application/sdp"), ("Content-Encoding", "identity")],
    ],
)
def test_a_body_that_describes_the_session(fields):
    assert session_body(message(BODY, *fields)) == BODY
    assert session_body(Response(200, headers=fields, body=BODY)) == BODY


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", [("Content-Type", "application/sdp")]),
        (BODY, []),
        (BODY, [("Content-Type", "text/plain")]),
        (BODY, [("Content-Type", "application/sdp-seq")]),
        (BODY, [("Content-Type", "text/plain"), ("Content-Disposition", "session")]),
        (BODY, [("Content-Type", "application/sdp"), ("Content-Disposition", "render")]),
        (BODY, [("Content-Type", "application/sdp"), ("Content-Disposition", "early-session")]),
        (BODY, [("Content-Type", "application/sdp"), ("Content-Encoding", "gzip")]),
    ],
)
def test_a_body_that_does_not(body, fields):
    assert session_body(message(body, *fields)) is None


@pytest.mark.parametrize(
    "fields",
    [
        [("Content-Type", "sdp")],
        [("Content-Type", "application/sdp"), ("Content-Disposition", ";")],
        [("Content-Type", "multipart/mixed")],
        [("Content-Type", "multipart/mixed;boundary=x")],
    ],
)
def test_a_body_that_cannot_be_read_is_not_no_description(fields):
    with pytest.raises(MalformedMessage):
        session_body(message(BODY, *fields))


@pytest.mark.rfc("R5621-4.2-2")
def test_the_part_of_a_mixed_body():
    other = part("application/pidf+xml", "render", b"<xml/>")
    assert found(joined(other, part())) == BODY
    assert found(joined(part(disposition="session"), other)) == BODY
    assert found(joined(part(disposition="early-session"), part(body=b"v=0\r\ns=2\r\n"))) == b"v=0\r\ns=2\r\n"
    assert found(joined(part(disposition="early-session"), other)) is None
    assert found(joined(part(), part(body=b"second"))) == BODY
    assert found(joined(part(kind=None))) is None
    assert found(joined(other, subtype="x-unknown")) is None
    assert found(joined(other, part(), subtype="x-unknown", disposition="render")) == BODY
    assert found(joined(part("application/SDP ; x=y"))) == BODY


@pytest.mark.rfc("R5621-4.2-2")
def test_the_last_alternative_that_is_a_session_description():
    newer = part("application/sdp-ng", body=b"<xml/>")
    assert found(joined(part(), newer, subtype="alternative")) == BODY
    assert found(joined(part(body=b"poor"), part(), subtype="alternative")) == BODY
    assert found(joined(part(), subtype="alternative", disposition="early-session")) is None
    assert found(joined(part(disposition="session"), subtype="alternative", disposition="session")) == BODY
    inner = joined(part("text/plain"), part(body=b"rich"))
    assert found(joined(part(), inner, subtype="alternative")) == b"rich"


@pytest.mark.rfc("R5621-4.2-1")
def test_a_part_deep_within():
    location = part("application/pidf+xml")
    alternative = joined(part(), part("application/sdp-ng"), subtype="alternative")
    assert found(joined(location, alternative)) == BODY
    assert found(joined(joined(location), alternative)) == BODY


def test_encodings_of_a_part():
    assert found(joined(part(body=b"dj0wDQo=", Content_Transfer_Encoding="base64"))) == BODY
    assert found(joined(part(Content_Transfer_Encoding="x"))) is None
    assert found(joined(part(Content_Encoding="gzip"), part(body=b"plain"))) == b"plain"
