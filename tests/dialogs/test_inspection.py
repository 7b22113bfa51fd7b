"""What every request is checked for (RFC 3261 section 8.2)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import Capabilities, InviteReceived, OutOfDialogRequest, ResponseReceived
from sipstack.message import BodyPart, Limits, Multipart, Request

from .wire import SDP, Wire, make_invite, make_request

CAPABILITIES = Capabilities(
    methods=("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "MESSAGE"),
    supported=("100rel", "timer"),
    accept=("application/sdp", "text/*"),
    accept_encoding=("identity", "gzip"),
    accept_language=("en", "de-at"),
)


def ask(request: Request) -> tuple[int, Wire]:
    wire = Wire(capabilities=CAPABILITIES)
    if request.method == "INVITE":
        wire.a.layer.invite(request)
    else:
        wire.a.layer.request(request)
    wire.run(0.1)
    for event in wire.b.of(OutOfDialogRequest):
        wire.b.layer.respond_request(event.transaction, 200, wire.now)
    for event in wire.b.of(InviteReceived):
        wire.accept(event.invite)
    wire.run(0.1)
    finals = [passage.message for passage in wire.passages if passage.sender == "b"]
    return finals[-1].code, wire


def body(kind: str, **fields: str) -> Request:
    request = make_request("MESSAGE", Content_Type=kind, **fields)
    request.body = SDP
    return request


@pytest.mark.rfc("R3261-8.2.1-1", "R3261-8.2.1-2", "R3261-8.2.1-3", "R3261-8.2.1-4")
def test_method_not_allowed() -> None:
    code, wire = ask(make_request("PUBLISH"))
    assert code == 405
    assert wire.last("b 405 PUBLISH").headers["Allow"] == "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE"


@pytest.mark.rfc("R3261-8.2.2.1-4")
@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("sip:bob@192.0.2.2", 200),
        ("sips:bob@192.0.2.2", 200),
        ("tel:+1555", 200),
        ("mailto:b@x", 416),
    ],
)
def test_scheme(uri: str, code: int) -> None:
    assert ask(make_request("OPTIONS", uri=uri))[0] == code


@pytest.mark.rfc("R3261-8.2.2.1-2")
def test_to_of_any_scheme() -> None:
    assert ask(make_request("OPTIONS", To="<tel:+1555>"))[0] == 200


@pytest.mark.rfc("R3261-8.2.2.3-1", "R3261-8.2.2.3-2")
def test_require_of_what_is_not_supported() -> None:
    code, wire = ask(make_invite(headers=(("Require", "100rel, foo"), ("Require", "bar"))))
    assert code == 420
    assert wire.last("b 420 INVITE").headers["Unsupported"] == "foo, bar"


def test_require_of_what_is_supported() -> None:
    assert ask(make_invite(headers=(("Require", "100rel, Timer"),)))[0] == 200


@pytest.mark.rfc("R3261-8.2.2.3-4")
def test_require_in_ack_and_cancel_is_ignored() -> None:
    wire = Wire()
    invite, received = wire.ring()
    cancel = invite.outgoing.transaction.request.copy()
    cancel.method, cancel.body = "CANCEL", b""
    cancel.headers.set("CSeq", "1 CANCEL")
    cancel.headers.add("Require", "foo")
    wire.inject(wire.b, bytes(cancel))
    assert wire.sent()[-2:] == ["b 200 CANCEL", "b 487 INVITE"]
    assert received.response.code == 487


@pytest.mark.rfc("R3261-8.2.3-1", "R3261-8.2.3-2", "R3261-8.2.3-3", "R3261-8.2.3-4")
@pytest.mark.parametrize(
    ("request_", "code", "name", "value"),
    [
        (body("text/plain"), 200, None, None),
        (body("Application/SDP;charset=x"), 200, None, None),
        (body("image/png"), 415, "Accept", "application/sdp, text/*"),
        (body("text/plain", Content_Encoding="GZIP"), 200, None, None),
        (body("text/plain", Content_Encoding="gzip, zoo"), 415, "Accept-Encoding", "identity, gzip"),
        (body("text/plain", Content_Language="en-GB"), 200, None, None),
        (body("text/plain", Content_Language="fr"), 415, "Accept-Language", "en, de-at"),
        (body("image/png", Content_Disposition="icon; handling = optional"), 200, None, None),
        (body("image/png", Content_Disposition="icon;handling=required"), 415, "Accept", "application/sdp, text/*"),
        (body("text/plain", Content_Encoding="z", Content_Disposition="x;handling=optional"), 200, None, None),
        (body("text/plain", Content_Language="fr", Content_Disposition="x;handling=optional"), 200, None, None),
    ],
)
def test_body(request_: Request, code: int, name: str | None, value: str | None) -> None:
    got, wire = ask(request_.copy())
    assert got == code
    if name is not None:
        assert wire.last(f"b {code} MESSAGE").headers[name] == value


def part(kind: str, disposition: str | None = None, body: bytes = SDP, **fields: str) -> BodyPart:
    headers = [("Content-Type", kind), *((name.replace("_", "-"), value) for name, value in fields.items())]
    return BodyPart(body, [*headers, ("Content-Disposition", disposition)] if disposition else headers)


def of_parts(*parts: BodyPart, subtype: str = "mixed", **fields: str) -> Request:
    multipart = Multipart.join(parts, subtype)
    request = make_request("MESSAGE", Content_Type=str(multipart.content_type), **fields)
    request.body = bytes(multipart)
    return request


def within(*parts: BodyPart, subtype: str = "alternative", disposition: str | None = None) -> BodyPart:
    multipart = Multipart.join(parts, subtype)
    return part(str(multipart.content_type), disposition, bytes(multipart))


KNOWN = part("application/sdp")
UNKNOWN = part("image/png")
OPTIONAL = part("image/png", "icon;handling=Optional")


@pytest.mark.rfc("R5621-4.2-1", "R5621-4.2-2", "R5621-8.3-1", "R5621-8.3-2", "R5621-8.4-1", "R3261-8.2.3-1")
@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (of_parts(KNOWN), 200),
        (of_parts(KNOWN, OPTIONAL), 200),
        (of_parts(KNOWN, UNKNOWN), 415),
        (of_parts(KNOWN, part("image/png", "icon;handling=required")), 415),
        # the handling of the whole: only who takes an optional whole must take its required parts
        (of_parts(UNKNOWN, Content_Disposition="render;handling=optional"), 200),
        (of_parts(OPTIONAL, Content_Disposition="render;handling=required"), 200),
        # subtypes that nobody knows are mixed
        (of_parts(KNOWN, OPTIONAL, subtype="x-new"), 200),
        (of_parts(KNOWN, UNKNOWN, subtype="x-new"), 415),
        # of alternatives one is enough, and their own handling is nothing
        (of_parts(KNOWN, UNKNOWN, subtype="alternative"), 200),
        (of_parts(UNKNOWN, KNOWN, subtype="alternative"), 200),
        (of_parts(UNKNOWN, OPTIONAL, subtype="alternative"), 415),
        (of_parts(UNKNOWN, subtype="alternative", Content_Disposition="icon;handling=optional"), 200),
        # parts of parts
        (of_parts(KNOWN, within(UNKNOWN, KNOWN)), 200),
        (of_parts(KNOWN, within(UNKNOWN)), 415),
        (of_parts(KNOWN, within(UNKNOWN, disposition="render;handling=optional")), 200),
        (of_parts(KNOWN, within(KNOWN, UNKNOWN, subtype="mixed"), subtype="alternative"), 200),
        (of_parts(within(KNOWN, UNKNOWN, subtype="mixed"), subtype="alternative"), 415),
        # encodings and languages of parts
        (of_parts(part("text/plain", Content_Encoding="gzip")), 200),
        (of_parts(part("text/plain", Content_Encoding="zoo")), 415),
        (of_parts(part("text/plain", Content_Language="fr")), 415),
        (of_parts(part("text/plain", Content_Transfer_Encoding="x-zoo")), 415),
        (of_parts(part("text/plain", "render;handling=optional", Content_Transfer_Encoding="x-zoo")), 200),
        # what a part, or the whole, is for
        (of_parts(KNOWN, part("text/plain", "vapour")), 415),
        (of_parts(KNOWN, part("text/plain", "vapour;handling=optional")), 200),
        (of_parts(KNOWN, Content_Disposition="vapour"), 200),
        (of_parts(KNOWN, subtype="alternative", Content_Disposition="vapour"), 415),
        (body("text/plain", Content_Disposition="vapour"), 415),
        (body("text/plain", Content_Disposition="Render"), 200),
        # what cannot be read
        (body("multipart/mixed"), 400),
        (body("multipart/mixed;boundary=x"), 400),
        (of_parts(KNOWN, part("text/plain", ";")), 400),
        (of_parts(KNOWN, part("text")), 400),
        (body("text/plain", Content_Disposition=";"), 400),
        # in an encoding, its parts are not seen, and the user may take it as a whole
        (body("multipart/mixed;boundary=x", Content_Encoding="gzip"), 415),
    ],
)
def test_body_of_parts(request_: Request, code: int) -> None:
    got, wire = ask(request_.copy())
    assert got == code
    if code == 415:
        names = wire.last("b 415 MESSAGE").headers.keys()
        assert [name for name in names if name.startswith("Accept")]


@pytest.mark.rfc("R3261-11-1", "R3261-11.2-2")
def test_options_tells_what_is_taken() -> None:
    _, wire = ask(make_request("OPTIONS"))
    headers = wire.last("b 200 OPTIONS").headers
    assert headers["Allow"] == "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE"
    assert headers["Accept"] == "application/sdp, text/*"
    assert headers["Accept-Encoding"] == "identity, gzip"
    assert headers["Accept-Language"] == "en, de-at"
    assert headers["Supported"] == "100rel, timer"
    assert wire.a.one(ResponseReceived).response.to_tag


def test_invite_without_a_contact_is_refused() -> None:
    wire = Wire()
    wire.invite()
    wire.flush()
    request = wire.passages[0].message.copy()
    request.headers.remove("Contact")
    request.headers.set("Call-ID", "other")
    request.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKother")
    wire.inject(wire.b, bytes(request))
    assert wire.sent()[-1] == "b 400 INVITE"
    assert not wire.b.of(InviteReceived)


def test_too_many_dialogs_are_refused_503() -> None:
    wire = Wire(limits=Limits(dialogs=1))
    wire.ring()
    wire.a.layer.invite(make_invite())
    wire.run(0.1)
    assert wire.sent()[-2:] == ["b 503 INVITE", "a ACK"]
    assert int(wire.last("b 503 INVITE").headers["Retry-After"]) <= 10
