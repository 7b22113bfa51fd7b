import contextlib
import time
from email import message_from_bytes
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message import BodyPart, LocalProtocolError, MalformedMessage, MediaType, Multipart, Request


def message(body: bytes, content_type: str = "multipart/mixed;boundary=cut", **fields: str) -> Request:
    request = Request("INVITE", "sip:bob@example.com", body)
    request.headers.add("Content-Type", content_type)
    for name, value in fields.items():
        request.headers.add(name.replace("_", "-"), value)
    return request


def parts(body: bytes, content_type: str = "multipart/mixed;boundary=cut") -> tuple[BodyPart, ...]:
    multipart = Multipart.of(message(body, content_type))
    assert multipart is not None
    return multipart.parts


TWO = (
    b"preamble\r\n--cut\r\n"
    b"Content-Type: application/sdp\r\nContent-Disposition: session;handling=required\r\nContent-ID: <a@b>\r\n\r\n"
    b"v=0\r\n\r\n"
    b"--cut \t\r\nc: text/html\r\nX-Long: one\r\n two\r\n\r\n\0\xff\n\r\n--cut--\r\nepilogue --cut"
)


@pytest.mark.rfc("R5621-4.2-1")
def test_parts_keep_their_header_fields_and_their_bytes():
    first, second = parts(TWO)
    assert first.body == first.content == b"v=0\r\n"
    assert first.content_type == MediaType("application/sdp")
    assert first.mime_type == "application/sdp"
    assert first.content_disposition.handling == "required"
    assert first.content_id == "a@b"
    assert second.body == b"\0\xff\n"
    assert second.mime_type == "text/html"
    assert second.headers["X-Long"] == "one two"
    assert second.content_id is None
    assert "text/html" in repr(second)
    assert bytes(second) == b"c: text/html\r\nX-Long: one\r\n two\r\n\r\n\0\xff\n"


def test_a_body_that_is_not_multipart_has_no_parts():
    assert Multipart.of(message(b"", "multipart/mixed;boundary=cut")) is None
    assert Multipart.of(message(b"v=0", "application/sdp")) is None
    assert Multipart.of(message(b"v=0", "text/multipart")) is None
    assert Multipart.of(Request("INVITE", "sip:b@c", b"x")) is None


def test_a_body_in_a_content_encoding_is_not_looked_into():
    assert Multipart.of(message(b"zipped", Content_Encoding="gzip")) is None
    assert Multipart.of(message(b"--cut\r\n\r\n", Content_Encoding="identity")) is not None


@pytest.mark.parametrize(
    ("body", "bodies"),
    [
        (b"--cut\r\n\r\na\r\n--cut--", [b"a"]),
        (b"\r\n--cut\r\n\r\na\r\n--cut--\r\n", [b"a"]),
        (b"--cut\r\n\r\na\r\n\r\n--cut--", [b"a\r\n"]),
        (b"--cut\r\n\r\n\r\n--cut--", [b""]),
        (b"--cut\r\n--cut--", [b""]),
        (b"--cut\r\nA: b\r\n--cut\r\n\r\nc\r\n--cut--", [b"", b"c"]),
        # a boundary that begins like ours belongs to somebody else
        (b"--cut\r\n\r\na\r\n--cutter\r\n--cut-\r\nb\r\n--cut--", [b"a\r\n--cutter\r\n--cut-\r\nb"]),
        (b"--cutter\r\n--cut\r\n\r\na\r\n--cut--", [b"a"]),
        # what is not at the beginning of a line is text, and so is what follows the last boundary
        (b"--cut\r\n\r\n --cut\r\n--cut--\r\n--cut\r\n\r\nb", [b" --cut"]),
        (b"--cut\r\n\r\na\n--cut\r\n--cut--", [b"a\n--cut"]),
        # the last boundary is missing
        (b"--cut\r\n\r\na\r\n--cut\r\n\r\nb", [b"a", b"b"]),
        (b"--cut\r\n\r\na\r\n--cut", [b"a", b""]),
    ],
)
def test_where_a_part_begins_and_ends(body, bodies):
    assert [part.body for part in parts(body)] == bodies


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"--cut\r\n\r\na\r\n--cut--", "multipart/mixed", "boundary"),
        (b"--cut\r\n\r\na\r\n--cut--", "multipart/mixed;boundary", "boundary"),
        (b"--cut\r\n\r\na\r\n--cut--", 'multipart/mixed;boundary=""', "boundary"),
        (b"--cut\r\n\r\na\r\n--cut--", 'multipart/mixed;boundary="cut "', "boundary"),
        (b"--cut\r\n\r\na\r\n--cut--", f"multipart/mixed;boundary={'x' * 71}", "boundary"),
        (b"--cut\r\n\r\na\r\n--cut--", "multipart/mixed;boundary=cat", "no part"),
        (b"--cut--\r\n", "multipart/mixed;boundary=cut", "no part"),
        (b"--cut\n\na\n--cut--", "multipart/mixed;boundary=cut", "no part"),
        (b"--cut\r\nv=0\r\no=x\r\n--cut--", "multipart/mixed;boundary=cut", "no header field"),
        (b"--cut\r\nA: b\r\n c\nd: e\r\n\r\n", "multipart/mixed;boundary=cut", "bare CR or LF"),
        (b"--cut\r\n folded: x\r\n\r\n", "multipart/mixed;boundary=cut", "no header field"),
        (b"--cut\r\n" + b"A: b\r\n" * 65 + b"\r\n", "multipart/mixed;boundary=cut", "64 lines"),
        (b"--cut\r\nContent-Type: multipart/x\r\n\r\n", "multipart/mixed;boundary=cut", "boundary"),
        (b"--cut\r\nContent-Transfer-Encoding: base64\r\n\r\nA", "multipart/mixed;boundary=cut", "base64"),
        (b"--cut\r\n\r\n", "multipart/;boundary=cut", "Content-Type"),
    ],
)
def test_what_cannot_be_read_is_malformed(body, content_type, reason):
    with pytest.raises(MalformedMessage, match=reason) as caught:
        Multipart.of(message(body, content_type))
    assert caught.value.status_hint == 400


def test_a_part_has_at_most_64_header_fields():
    (part,) = parts(b"--cut\r\n" + b"A: b\r\n" * 64 + b"\r\n")
    assert len(part.headers) == 64


def test_a_part_without_a_type_is_text_and_in_a_digest_a_message():
    assert parts(b"--cut\r\n\r\na")[0].mime_type == "text/plain"
    assert parts(b"--cut\r\n\r\na", "multipart/digest;boundary=cut")[0].mime_type == "message/rfc822"


@pytest.mark.parametrize("content_id", ["a@b", "<a b>", "<>", "<a><b>"])
def test_a_content_id_that_cannot_be_read(content_id):
    with pytest.raises(MalformedMessage, match="Content-ID"):
        _ = BodyPart(headers=[("Content-ID", content_id)]).content_id


def test_transfer_encodings_are_taken_off():
    body = (
        b"--cut\r\nContent-Transfer-Encoding: Base64\r\n\r\ndj0w\r\nDQo=\r\n"
        b"--cut\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc\r\n"
        b"--cut\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n\xff\r\n"
        b"--cut\r\nContent-Transfer-Encoding: x-zoo\r\n\r\n\xff\r\n--cut--"
    )
    first, second, third, fourth = parts(body)
    assert (first.content, second.content, third.content) == (b"v=0\r\n", b"a=bc", b"\xff")
    assert first.body == b"dj0w\r\nDQo="
    assert [part.is_decodable for part in (first, second, third, fourth)] == [True, True, True, False]
    with pytest.raises(MalformedMessage, match="x-zoo"):
        _ = fourth.content


def nested(depth: int, inner: BodyPart) -> bytes:
    for _ in range(depth):
        multipart = Multipart.join([inner])
        inner = BodyPart(bytes(multipart), [("Content-Type", str(multipart.content_type))])
    return bytes(Multipart(MediaType.parse("multipart/mixed;boundary=cut"), (inner,)))


def test_parts_within_parts():
    leaf = BodyPart(b"leaf", [("Content-Type", "a/b")])
    (part,) = parts(nested(7, leaf))
    for _ in range(7):
        assert part.multipart is not None
        (part,) = part.multipart.parts
    assert part == leaf
    assert part.multipart is None
    with pytest.raises(MalformedMessage, match="8 levels"):
        parts(nested(8, leaf))


def test_an_outer_boundary_ends_an_inner_body_that_lacks_its_own():
    first, second = parts(
        b"--cut\r\nContent-Type: multipart/mixed;boundary=in\r\n\r\n--in\r\n\r\na\r\n--cut\r\n\r\nb\r\n--cut--"
    )
    assert first.multipart is not None
    assert [part.body for part in first.multipart.parts] == [b"a"]
    assert second.body == b"b"


def test_the_parts_of_all_levels_together_are_bounded():
    assert len(parts(b"--cut\r\n\r\n\r\n" * 1024)) == 1024
    with pytest.raises(MalformedMessage, match="1024 parts"):
        parts(b"--cut\r\n\r\n\r\n" * 1025)
    inner = b"--cut\r\nContent-Type: multipart/mixed;boundary=in\r\n\r\n" + b"--in\r\n\r\n\r\n" * 600 + b"\r\n"
    with pytest.raises(MalformedMessage, match="1024 parts"):
        parts(inner * 2)


def test_to_join_and_to_read_again():
    sent = [BodyPart(b"v=0\r\n", [("Content-Type", "application/sdp")]), BodyPart(b"--cut\r\n"), BodyPart()]
    multipart = Multipart.join(sent, "related", type="application/sdp", start="<a@b>")
    assert multipart.subtype == "related"
    request = Request("INVITE", "sip:bob@example.com", bytes(multipart))
    request.content_type = multipart.content_type
    got = Multipart.of(request)
    assert got is not None
    assert got.parts == tuple(sent)
    assert got.parts != tuple(sent[::-1])
    assert got.content_type.parameters["start"] == "<a@b>"
    assert sent[0] != b"v=0"


def test_nothing_cannot_be_joined():
    with pytest.raises(LocalProtocolError, match="at least one part"):
        Multipart.join([])


_TEXT = st.lists(st.sampled_from([b"--cut", b"--", b"\r\n", b"\n", b" ", b"a", b":", b"\xff\0"]), max_size=12).map(
    b"".join
)


@given(st.lists(_TEXT, min_size=1, max_size=4))
def test_any_bytes_can_be_sent_as_parts(bodies):
    multipart = Multipart.join([BodyPart(body) for body in bodies])
    got = Multipart.of(message(bytes(multipart), str(multipart.content_type)))
    assert got is not None
    assert [part.body for part in got.parts] == bodies


@given(st.lists(st.binary(max_size=20).filter(lambda body: b"\r" not in body and b"\n" not in body), min_size=1))
def test_the_email_package_reads_the_same_parts(bodies):
    multipart = Multipart.join([BodyPart(body, [("Content-Type", "application/octet-stream")]) for body in bodies])
    whole = f"Content-Type: {multipart.content_type}\r\n\r\n".encode() + bytes(multipart)
    read = message_from_bytes(whole, policy=HTTP)
    assert [part.get_payload(decode=True) for part in read.iter_parts()] == bodies


@given(_TEXT)
def test_any_body_is_read_or_malformed(body):
    for content_type in ("multipart/mixed;boundary=cut", "multipart/alternative;boundary=a"):
        try:
            multipart = Multipart.of(message(body, content_type))
        except MalformedMessage:
            continue
        assert multipart is None or multipart.parts


HOSTILE = {
    "boundaries": b"--cut\r\n" * 9_000,
    "long boundaries": (b"\r\n--" + b"x" * 69) * 900,
    "padding": b"--cut" + b" " * 64_000,
    "padded boundaries": (b"\r\n--cut" + b" \t" * 30 + b"x") * 950,
    "line ends": b"--cut\r\n" + b"\r\n" * 32_000,
    "dashes": b"--cut\r\n\r\n" + b"\r\n--" * 16_000,
    "fields": b"--cut\r\n" + b"a:\r\n" * 16_000,
    "folds": b"--cut\r\na:\r\n" + b" \r\n" * 21_000,
    "fields of parts": (b"--cut\r\n" + b"c:a/b\r\n" * 60 + b"\r\n\r\n") * 150,
    "no fields end": b"--cut\r\nA: " + b"b" * 64_000,
    "parts in parts": b"".join(
        b"--b%d\r\nc:multipart/a;boundary=b%d\r\n\r\n" % (n, n + 1)
        if n
        else b"--cut\r\nc:multipart/a;boundary=b1\r\n\r\n"
        for n in range(1_800)
    ),
    "encoded": b"--cut\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"= " * 32_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies_take_linear_time(body):
    begin = time.process_time()
    for boundary in ("cut", "x" * 69):
        with contextlib.suppress(MalformedMessage):
            Multipart.of(message(body[:65_535], f"multipart/mixed;boundary={boundary}"))
    assert time.process_time() - begin < 1  # some 10 ms; quadratic would be many seconds
