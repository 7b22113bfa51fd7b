"""The dialog itself (RFC 3261 section 12)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import Dialog, DialogState, apply_route_set
from sipstack.message import URI, Address, LocalProtocolError, MalformedMessage, Request, Response

from .wire import make_invite

P1, P2 = "<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>;x=y"


def make_request(*, uri: str = "sip:bob@example.com", contact: str = "<sip:alice@host>", routes: str = "") -> Request:
    headers = [
        ("Via", "SIP/2.0/UDP host;branch=z9hG4bK1"),
        ("From", "Alice <sip:alice@example.com>;tag=a"),
        ("To", "<sip:bob@example.com>"),
        ("Call-ID", "c1"),
        ("CSeq", "7 INVITE"),
    ]
    if contact:
        headers.append(("Contact", contact))
    if routes:
        headers.append(("Record-Route", routes))
    return Request("INVITE", uri, b"", headers)


def make_response(
    request: Request, *, tag: str | None = "b", contact: str = "<sip:bob@there>", routes: str = ""
) -> Response:
    response = request.create_response(200, to_tag=tag)
    if contact:
        response.headers.add("Contact", contact)
    if routes:
        response.headers.add("Record-Route", routes)
    return response


@pytest.mark.rfc(*(f"R3261-12.1.1-{number}" for number in (7, 9, 10, 11, 12, 13, 15)))
def test_dialog_of_a_request() -> None:
    dialog = Dialog.from_request(make_request(routes=f"{P1}, {P2}"), "b")
    assert dialog.id == ("c1", "b", "a")
    assert [str(route) for route in dialog.route_set] == [P1, P2]
    assert str(dialog.remote_target) == "sip:alice@host"
    assert (dialog.remote_sequence, dialog.local_sequence) == (7, None)
    assert str(dialog.local_uri.uri) == "sip:bob@example.com"
    assert str(dialog.remote_uri.uri) == "sip:alice@example.com"
    assert (dialog.local_uri.tag, dialog.remote_uri.tag) == ("b", "a")
    assert not dialog.is_secure
    assert dialog.state is DialogState.EARLY


@pytest.mark.rfc("R3261-12.1.1-8", "R3261-12.1.1-14")
def test_dialog_of_a_request_without_routes_and_tag() -> None:
    request = make_request()
    request.headers.set("From", "<sip:alice@example.com>")
    dialog = Dialog.from_request(request, "b")
    assert dialog.route_set == ()
    assert dialog.remote_tag == ""
    assert "tag" not in dialog.create_request("BYE").headers["To"]


@pytest.mark.rfc(*(f"R3261-12.1.2-{number}" for number in (4, 6, 7, 8, 9, 10, 12)))
def test_dialog_of_a_response() -> None:
    request = make_request()
    dialog = Dialog.from_response(request, make_response(request, routes=f"{P1}, {P2}"))
    assert dialog.id == ("c1", "a", "b")
    assert [str(route) for route in dialog.route_set] == [P2, P1]
    assert str(dialog.remote_target) == "sip:bob@there"
    assert (dialog.remote_sequence, dialog.local_sequence) == (None, 7)
    assert str(dialog.local_uri.uri) == "sip:alice@example.com"
    assert str(dialog.remote_uri.uri) == "sip:bob@example.com"


@pytest.mark.rfc("R3261-12.1.2-5", "R3261-12.1.2-11", "R3261-12.2.1.1-5")
def test_dialog_of_a_response_without_routes_tag_and_contact() -> None:
    request = make_request()
    dialog = Dialog.from_response(request, make_response(request, tag=None, contact=""))
    assert (dialog.route_set, dialog.remote_tag) == ((), "")
    assert dialog.remote_target == request.uri
    assert "tag" not in dialog.create_request("BYE").headers["To"]


@pytest.mark.parametrize(
    ("uri", "over_tls", "is_secure"),
    [
        ("sips:b@x", True, True),
        ("sips:b@x", False, False),
        ("sip:b@x", True, False),
    ],
)
def test_dialog_is_secure_with_sips_over_tls(uri: str, over_tls: bool, is_secure: bool) -> None:
    request = make_request(uri=uri)
    assert Dialog.from_request(request, "b", is_secure_transport=over_tls).is_secure is is_secure
    assert Dialog.from_response(request, make_response(request), is_secure_transport=over_tls).is_secure is is_secure


@pytest.mark.rfc("R3261-8.1.1.8-1")
@pytest.mark.parametrize("contact", ["", "*", "<mailto:a@b>", "<sip:a@b>, <sip:c@d>", "<sip:a@b"])
def test_dialog_of_a_request_with_a_bad_contact(contact: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        Dialog.from_request(make_request(contact=contact), "b")
    assert caught.value.status_hint == 400


@pytest.mark.rfc(*(f"R3261-12.2.1.1-{number}" for number in (1, 2, 3, 4, 6, 7, 9, 10, 11, 12)))
def test_request_without_a_route_set() -> None:
    dialog = Dialog.from_request(make_request(), "b")
    first, second = dialog.create_request("INFO"), dialog.create_request("BYE")
    assert str(first.uri) == "sip:alice@host"
    assert first.headers["To"] == "Alice <sip:alice@example.com>;tag=a"
    assert first.headers["From"] == "<sip:bob@example.com>;tag=b"
    assert first.call_id == "c1"
    assert (first.headers["CSeq"], second.headers["CSeq"]) == ("1 INFO", "2 BYE")
    assert "Route" not in first.headers
    assert dialog.next_hop() == dialog.remote_target


@pytest.mark.rfc("R3261-12.2.1.1-13")
def test_request_with_a_loose_route() -> None:
    dialog = Dialog.from_request(make_request(routes=f"{P1}, {P2}"), "b")
    request = dialog.create_request("BYE")
    assert str(request.uri) == "sip:alice@host"
    assert [str(route) for route in request.route] == [P1, P2]
    assert str(dialog.next_hop()) == "sip:p1.example.com;lr"


@pytest.mark.rfc("R3261-12.2.1.1-14", "R3261-12.2.1.1-15", "R3261-12.2.1.1-16", "R3261-8.1.2-2")
def test_request_with_a_strict_route() -> None:
    routes = "<sip:proxy1;method=INVITE?Subject=x>, <sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4>"
    dialog = Dialog.from_request(make_request(contact="<sip:user@remoteua>", routes=routes), "b")
    request = dialog.create_request("BYE")
    assert str(request.uri) == "sip:proxy1"
    assert request.headers["Route"] == "<sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4>, <sip:user@remoteua>"
    assert str(dialog.next_hop()) == "sip:proxy1"


@pytest.mark.rfc("R3261-8.1.2-3")
def test_next_hop_of_a_sips_target_is_sips() -> None:
    dialog = Dialog.from_request(make_request(contact="<sips:alice@host>", routes=P1), "b")
    assert str(dialog.next_hop()) == "sips:p1.example.com;lr"


@pytest.mark.rfc("R3261-8.1.1.1-3")
def test_route_set_of_a_request_outside_of_dialogs() -> None:
    request = make_invite()
    target = URI.parse("sip:bob@example.com;method=INVITE?x=y")
    assert str(apply_route_set(request, target, [])) == "sip:bob@example.com"
    assert "Route" not in request.headers
    assert str(apply_route_set(request, target, [Address.parse(P1)])) == "sip:p1.example.com;lr"
    assert str(request.uri) == "sip:bob@example.com"
    assert request.headers["Route"] == P1


@pytest.mark.rfc("R3261-12.2.2-3", "R3261-12.2.2-4", "R3261-12.2.2-5", "R3261-12.2.2-6")
def test_accept_request_in_order_only() -> None:
    request = make_request()
    dialog = Dialog.from_response(request, make_response(request))
    taken = []
    for sequence in (5, 4, 5, 9, 6):
        request.headers.set("CSeq", f"{sequence} INFO")
        taken.append(dialog.accept_request(request))
    assert taken == [True, False, False, True, False]
    assert dialog.remote_sequence == 9


@pytest.mark.rfc("R3261-12.2.1.2-1", "R3261-12.2.2-7")
def test_refresh_target_by_some_methods_only() -> None:
    dialog = Dialog.from_request(make_request(), "b")
    request = make_request(contact="<sip:new@host>")
    for method in ("ACK", "INFO", "BYE", "OPTIONS"):
        dialog.refresh_target(request, method)
        assert str(dialog.remote_target) == "sip:alice@host"
    dialog.refresh_target(make_request(contact=""), "INVITE")
    assert str(dialog.remote_target) == "sip:alice@host"
    dialog.refresh_target(request, "UPDATE")
    assert str(dialog.remote_target) == "sip:new@host"


@pytest.mark.rfc("R3261-13.2.2.4-1")
def test_confirm_recomputes_the_route_set() -> None:
    request = make_request()
    dialog = Dialog.from_response(request, make_response(request, routes=P1))
    dialog.confirm(make_response(request, contact="<sip:bob@elsewhere>", routes=f"{P1}, {P2}"))
    assert [str(route) for route in dialog.route_set] == [P2, P1]
    assert str(dialog.remote_target) == "sip:bob@elsewhere"
    assert dialog.state is DialogState.CONFIRMED


@pytest.mark.rfc("R3261-8.1.1.5-2")
def test_last_sequence_number() -> None:
    dialog = Dialog.from_request(make_request(), "b")
    dialog.local_sequence = 2**31 - 2
    assert dialog.create_request("INFO").cseq.sequence == 2**31 - 1
    with pytest.raises(LocalProtocolError):
        dialog.create_request("INFO")
