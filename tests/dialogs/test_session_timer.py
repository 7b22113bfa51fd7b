"""Session timers: who refreshes, by what, how often, and when a session is over (RFC 4028)."""

from __future__ import annotations

import pytest

from sipstack.dialogs import (
    Capabilities,
    DialogRequest,
    InviteAnswered,
    InviteFailed,
    InviteReceived,
    ResponseReceived,
    SessionRefreshed,
    SessionTimerPolicy,
    SessionTimerState,
    UsageEnded,
    UsageState,
    retry_request,
)
from sipstack.message import LocalProtocolError, Request
from sipstack.testing import request as build_request
from sipstack.testing import response_to

from .wire import METHODS, SDP, SDP_TYPE, Peer, Wire, assert_idle, make_invite, make_request

WITH_TIMER = Capabilities(methods=(*METHODS, "PRACK"), supported=("100rel", "timer"))
WITHOUT_UPDATE = Capabilities(methods=tuple(method for method in METHODS if method != "UPDATE"), supported=("timer",))
WITHOUT_TIMER = Capabilities(methods=METHODS)
OTHER_SDP = b"v=0\r\ns=other\r\n"

_S = SessionTimerState


def joined(
    caller: SessionTimerPolicy | None = None,
    callee: SessionTimerPolicy | None = None,
    *,
    capabilities: Capabilities = WITH_TIMER,
) -> Wire:
    wire = Wire(capabilities=capabilities)
    for peer, policy in ((wire.a, caller), (wire.b, callee)):
        peer.layer.session_timer = policy or SessionTimerPolicy()
    return wire


def policy(interval: int | None = None, **options) -> SessionTimerPolicy:
    return SessionTimerPolicy(interval=interval, **options)


def states(*usages) -> list[SessionTimerState]:
    return [SessionTimerState.OFF if usage.timer is None else usage.timer.state for usage in usages]


def received(
    wire: Wire, *fields: tuple[str, str], sequence: int = 1, method: str = "INVITE", to_tag: str | None = None
) -> Request:
    """Build a request such as a peer that does things its own way may send to ``b``."""
    headers = [*fields, ("Content-Type", SDP_TYPE)] if method == "INVITE" else list(fields)
    return build_request(
        method,
        to="sip:bob@192.0.2.2",
        via="SIP/2.0/UDP 192.0.2.1:5060",
        branch=f"z9hG4bK-{method}-{sequence}",
        contact="sip:alice@192.0.2.1:5060",
        sequence=sequence,
        to_tag=to_tag,
        headers=headers,
        body=SDP if method == "INVITE" else b"",
    )


def accepted(wire: Wire, *fields: tuple[str, str], headers: tuple[tuple[str, str], ...] = ()):
    """Give an INVITE of a peer's own to ``b``, accept it, and return the 200."""
    wire.inject(wire.b, bytes(received(wire, *fields)))
    invite = wire.b.of(InviteReceived)[-1].invite
    wire.b.layer.respond(invite, 200, wire.now, body=SDP, content_type=SDP_TYPE, headers=headers)
    wire.flush()
    return wire.last("b 200 INVITE")


def refuse(wire: Wire, peer: Peer, method: str, code: int, *fields: tuple[str, str]) -> None:
    """Put a refusal in the place of the last response of a peer to a method; it must have been lost."""
    request = wire.last(f"{peer.name} {method}")
    wire.inject(peer, bytes(response_to(request, code, to_tag=None, headers=fields)))


def lost(wire: Wire, *whats: str) -> None:
    wire.drop_next = list(whats) * 20


# Who refreshes.


@pytest.mark.rfc("R4028-7.1-8", "R4028-7.1-11", "R4028-7.2-1", "R4028-7.2-3", "R4028-9-7", "R4028-9-8", "R4028-7.2-4",
                 "R4028-7.2-5", "R4028-7.4-12", "R4028-7.4-13", "R4028-8.2-4")  # fmt: skip
def test_caller_refreshes_at_half_the_interval_by_update() -> None:
    wire = joined(policy(1800))
    usage, other = wire.answer()
    invite, answer = wire.last("a INVITE"), wire.last("b 200 INVITE")
    assert str(invite.session_expires) == "1800"
    assert str(answer.session_expires) == "1800;refresher=uac"
    assert answer.require == ["timer"]
    assert states(usage, other) == [_S.REFRESHING, _S.WATCHING]
    begun = wire.now
    wire.run(5000)
    times = [passage.time - begun for passage in wire.passages if str(passage) == "a UPDATE"]
    assert times == pytest.approx([900, 1800, 2700, 3600, 4500], abs=1)
    update = wire.last("a UPDATE")
    assert str(update.session_expires) == "1800;refresher=uac"
    assert update.body == b""
    assert len(wire.b.of(SessionRefreshed)) == 5
    assert not wire.b.of(DialogRequest)
    assert not wire.a.of(UsageEnded)
    wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R4028-7.2-2", "R4028-9-9", "R4028-9-11", "R4028-9-12", "R4028-7.4-6", "R4028-7.4-7", "R4028-7.4-9")
def test_callee_asks_for_a_timer_and_refreshes() -> None:
    wire = joined(None, policy(600, refresher="uas"))
    usage, other = wire.answer()
    assert "Session-Expires" not in wire.last("a INVITE").headers
    answer = wire.last("b 200 INVITE")
    assert str(answer.session_expires) == "600;refresher=uas"
    assert answer.require == ["timer"]
    assert states(usage, other) == [_S.WATCHING, _S.REFRESHING]
    wire.run(1300)
    update = wire.last("b UPDATE")
    # Each is the UAC of its own refresh, so that the refresher of the INVITE's UAS side is "uac" now.
    assert str(update.session_expires) == "600;refresher=uac"
    assert wire.times("b UPDATE") == pytest.approx([0, 300, 600, 900], abs=1)
    assert str(wire.last("a 200 UPDATE").session_expires) == "600;refresher=uac"
    assert states(usage, other) == [_S.WATCHING, _S.REFRESHING]


@pytest.mark.rfc("R4028-7.1-10")
def test_caller_may_choose_who_refreshes() -> None:
    for refresher, expected in (("uac", [_S.REFRESHING, _S.WATCHING]), ("uas", [_S.WATCHING, _S.REFRESHING])):
        wire = joined(None, policy(refresher="uac" if refresher == "uas" else "uas"))
        wire.a.layer.invite(make_invite(headers=(("Session-Expires", f"300;refresher={refresher}"),)))
        wire.run(0.1)
        wire.b.layer.respond(wire.b.one(InviteReceived).invite, 200, wire.now, body=SDP, content_type=SDP_TYPE)
        wire.run(0.1)
        assert wire.last("b 200 INVITE").session_expires.refresher == refresher
        assert states(wire.a.one(InviteAnswered).usage, wire.b.one(InviteReceived).invite.usage) == expected


@pytest.mark.rfc("R4028-7.4-10")
def test_the_role_may_be_handed_over_by_the_next_refresh() -> None:
    wire = joined(policy(300))
    usage, other = wire.answer()
    assert states(usage, other) == [_S.REFRESHING, _S.WATCHING]
    wire.a.layer.update(usage, wire.now, headers=[("Session-Expires", "300;refresher=uas")])
    wire.run(0.1)
    assert states(usage, other) == [_S.WATCHING, _S.REFRESHING]
    wire.a.layer.update(usage, wire.now, headers=[("Session-Expires", "300")])
    wire.run(0.1)
    assert states(usage, other) == [_S.REFRESHING, _S.WATCHING], "left out, it is negotiated anew (R4028-7.4-11)"


@pytest.mark.rfc("R4028-7.4-11")
def test_the_role_is_negotiated_anew_where_it_is_left_out() -> None:
    wire = joined(policy(300), policy(refresher="uas"))
    usage, other = wire.answer()
    assert states(usage, other) == [_S.WATCHING, _S.REFRESHING]
    wire.b.layer.session_timer = policy(refresher="uac")
    wire.a.layer.update(usage, wire.now, headers=[("Session-Expires", "300")])
    wire.run(0.1)
    assert states(usage, other) == [_S.REFRESHING, _S.WATCHING]


def test_a_response_that_names_no_refresher_leaves_it_to_us() -> None:
    wire = joined(policy(300))
    wire.ring()
    lost(wire, "b 200 INVITE")
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.flush()
    answer = wire.last("b 200 INVITE")
    answer.headers.set("Session-Expires", "200")
    wire.inject(wire.a, bytes(answer))
    usage = wire.a.one(InviteAnswered).usage
    assert states(usage) == [_S.REFRESHING]
    assert usage.timer.interval == 200


# Peers without session timers.


@pytest.mark.rfc("R4028-7.1-2", "R4028-7.1-1")
def test_every_request_says_that_timers_are_supported() -> None:
    wire = joined()
    invite = wire.invite()
    wire.run(0.1)
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 180, wire.now)
    wire.run(0.1)
    wire.a.layer.cancel(invite, wire.now)
    wire.run(1)
    usage, other = answered_again(wire)
    for method in ("INFO", "MESSAGE", "OPTIONS"):
        wire.a.layer.dialog_request(usage, method, wire.now)
    wire.a.layer.update(usage, wire.now)
    wire.a.layer.request(make_request("OPTIONS"))
    wire.run(0.1)
    wire.b.layer.reinvite(other, wire.now)
    wire.run(0.1)
    wire.a.layer.respond_request(wire.a.one(DialogRequest).transaction, 488, wire.now)
    wire.run(0.1)
    wire.b.layer.bye(other, wire.now)
    wire.run(0.1)
    requests = [passage.message for passage in wire.passages if isinstance(passage.message, Request)]
    assert {request.method for request in requests} == {"INVITE", "CANCEL", "ACK", *METHODS}
    for request in requests:
        assert ("timer" in request.supported) == (request.method != "ACK"), request.method


def answered_again(wire: Wire):
    wire.invite()
    wire.run(0.1)
    received = wire.b.of(InviteReceived)[-1].invite
    wire.b.layer.respond(received, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    return wire.a.of(InviteAnswered)[-1].usage, received.usage


def test_no_timer_where_the_callee_knows_none() -> None:
    wire = joined(policy(600))
    wire.b.layer.capabilities = WITHOUT_TIMER
    wire.ring()
    invite = wire.b.one(InviteReceived).invite
    lost(wire, "b 200 INVITE")
    wire.b.layer.respond(invite, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.flush()
    answer = wire.last("b 200 INVITE")
    for name in ("Session-Expires", "Require"):
        answer.headers.remove(name)
    wire.inject(wire.a, bytes(answer))
    usage = wire.a.one(InviteAnswered).usage
    assert states(usage) == [_S.OFF]
    wire.drop_next = []
    wire.run(3)
    assert "a UPDATE" not in wire.sent()


def test_a_refresh_answered_without_session_expires_ends_the_timer() -> None:
    wire = joined(policy(300))
    usage, other = wire.answer()
    lost(wire, "b 200 UPDATE")
    wire.run(151)
    update = wire.last("a UPDATE")
    wire.drop_next = []
    wire.inject(wire.a, bytes(response_to(update, 200, to_tag=None)))
    assert states(usage, other) == [_S.OFF, _S.WATCHING]


@pytest.mark.rfc("R3261-8.2.4-1", "R3261-8.2.4-7")
def test_nothing_is_asked_of_a_caller_that_knows_no_timers() -> None:
    wire = joined(None, policy(600))
    answer = accepted(wire)
    assert "Session-Expires" not in answer.headers
    assert "Require" not in answer.headers
    assert states(wire.b.one(InviteReceived).invite.usage) == [_S.OFF]


@pytest.mark.parametrize("refresher", ["", ";refresher=uac", ";refresher=uas"])
def test_the_timer_of_a_proxy_is_ours_to_keep_where_the_caller_knows_none(refresher) -> None:
    wire = joined()
    answer = accepted(wire, ("Session-Expires", f"600{refresher}"))
    assert str(answer.session_expires) == "600;refresher=uas"
    assert "Require" not in answer.headers
    assert states(wire.b.one(InviteReceived).invite.usage) == [_S.REFRESHING]


@pytest.mark.rfc("R4028-7.1-3")
def test_require_timer_is_understood() -> None:
    wire = joined()
    assert accepted(wire, ("Require", "timer"), ("Supported", "timer")).code == 200
    wire = joined()
    wire.b.layer.capabilities = WITHOUT_TIMER
    wire.inject(wire.b, bytes(received(wire, ("Require", "timer"), ("Supported", "timer"))))
    assert wire.last("b 420 INVITE").unsupported == ["timer"]


# The interval.


@pytest.mark.rfc("R4028-4-2")
@pytest.mark.parametrize("interval", [90, 91, 1800, 86_400, 2**31])
def test_any_interval_that_may_be_is_kept(interval) -> None:
    wire = joined()
    fields = (("Supported", "timer"), ("Session-Expires", str(interval)))
    assert str(accepted(wire, *fields).session_expires) == f"{interval};refresher=uac"


@pytest.mark.rfc("R4028-9-4", "R4028-9-5", "R4028-9-6")
@pytest.mark.parametrize(
    ("asked", "least", "own", "agreed"),
    [
        (1800, None, None, 1800),
        (1800, None, 600, 600),  # lowered to what we want
        (1800, 900, 600, 900),  # but not below Min-SE
        (1800, 900, None, 1800),
        (600, None, 1800, 600),  # never raised
        (90, None, 90, 90),
        (900, 900, 90, 900),
        (None, None, 600, 600),  # asked for by us alone
        (None, 900, 600, 900),
        (None, 300, 600, 600),
        (None, 900, None, None),
    ],
)
def test_the_callee_lowers_the_interval_and_never_raises_it(asked, least, own, agreed) -> None:
    wire = joined(None, policy(own))
    fields = [("Supported", "timer")]
    if asked is not None:
        fields.append(("Session-Expires", str(asked)))
    if least is not None:
        fields.append(("Min-SE", str(least)))
    answer = accepted(wire, *fields)
    seconds = None if answer.session_expires is None else answer.session_expires.seconds
    assert seconds == agreed
    assert "Min-SE" not in answer.headers, "R4028-5-2"


def test_an_interval_below_the_least_there_is_makes_no_timer() -> None:
    wire = joined()
    answer = accepted(wire, ("Session-Expires", "30"))  # of a caller that knows no timers: 422 would end the call
    assert "Session-Expires" not in answer.headers
    assert states(wire.b.one(InviteReceived).invite.usage) == [_S.OFF]


def test_a_rogue_callee_cannot_make_us_refresh_faster_than_the_least_interval() -> None:
    wire = joined(policy(300))
    wire.ring()
    lost(wire, "b 200 INVITE")
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.flush()
    answer = wire.last("b 200 INVITE")
    answer.headers.set("Session-Expires", "1;refresher=uac")
    wire.inject(wire.a, bytes(answer))
    assert wire.a.one(InviteAnswered).usage.timer.interval == 90


@pytest.mark.rfc("R4028-5-1", "R4028-9-3", "R4028-8.1-9")
@pytest.mark.parametrize("name", ["interval", "least"])
def test_no_policy_goes_below_the_least_interval(name) -> None:
    with pytest.raises(LocalProtocolError, match="below 90"):
        SessionTimerPolicy(**{name: 89})


@pytest.mark.rfc("R4028-7.1-9", "R4028-7.1-7", "R4028-5-1")
def test_an_invite_asks_for_no_less_than_its_own_least_interval() -> None:
    wire = joined(policy(600))
    invite = wire.a.layer.invite(make_invite(headers=(("Min-SE", "900"),)))
    assert invite.request.session_expires.seconds == 900
    for fields in ((("Session-Expires", "89"),), (("Session-Expires", "600"), ("Min-SE", "900")), (("Min-SE", "50"),)):
        with pytest.raises(LocalProtocolError, match=r"Session-Expires|Min-SE"):
            wire.a.layer.invite(make_invite(headers=fields))


def test_a_session_interval_that_cannot_be_read_counts_for_nothing() -> None:
    wire = joined()
    answer = accepted(wire, ("Supported", "timer"), ("Session-Expires", "soon"), ("Min-SE", "later"))
    assert answer.code == 200
    assert "Session-Expires" not in answer.headers
    assert wire.b.layer.counters["session intervals malformed"] > 0


# 422.


@pytest.mark.rfc("R4028-9-1", "R4028-9-2", "R4028-6-1", "R4028-7.3-1", "R4028-7.3-2", "R4028-7.4-3", "R4028-7.4-5",
                 "R4028-5-2")  # fmt: skip
def test_an_interval_too_small_is_refused_and_asked_for_again() -> None:
    wire = joined(policy(120), policy(least=500))
    invite = wire.invite()
    wire.run(0.1)
    refusal = wire.last("b 422 INVITE")
    assert refusal.min_se == 500
    assert not wire.b.of(InviteReceived)
    failure = wire.a.one(InviteFailed)
    first = invite.request
    again = retry_request(first, failure.response)
    wire.a.layer.resend(invite, again)
    wire.run(0.1)
    second = wire.last("a INVITE")
    assert (second.call_id, second.from_tag, second.headers["To"]) == (
        first.call_id,
        first.from_tag,
        first.headers["To"],
    )
    assert second.cseq.sequence == first.cseq.sequence + 1
    assert (second.min_se, second.session_expires.seconds) == (500, 500)
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    assert wire.a.one(InviteAnswered).usage.timer.interval == 500


def test_a_caller_that_knows_no_timers_is_not_refused_422() -> None:
    wire = joined(None, policy(least=500))
    assert str(accepted(wire, ("Session-Expires", "120")).session_expires) == "120;refresher=uas"


def test_several_422_raise_the_least_interval_and_none_is_repeated_for_ever() -> None:
    request = make_invite(headers=(("Session-Expires", "90;refresher=uac"),))
    request.headers.add("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
    request.headers.add("Call-ID", "x")
    request.headers.add("To", "<sip:b@b>")
    request.headers.add("CSeq", "1 INVITE")
    for least, expected in ((3600, 3600), (4000, 4000), (3000, 4000)):
        again = retry_request(request, response_to(request, 422, headers=[("Min-SE", str(least))]))
        if expected == request.min_se:
            assert again is None
            continue
        assert (again.min_se, str(again.session_expires)) == (expected, f"{expected};refresher=uac")
        request = again
    assert retry_request(request, response_to(request, 422)) is None
    request.headers.remove("Session-Expires")
    assert retry_request(request, response_to(request, 422, headers=[("Min-SE", "4000")])) is None


@pytest.mark.rfc("R4028-7.4-2", "R4028-7.4-4", "R4028-10-1")
def test_422_to_a_refresh_is_followed_and_remembered() -> None:
    wire = joined(policy(300))
    usage, other = wire.answer()
    wire.b.layer.session_timer = policy(least=700)
    wire.run(152)
    assert wire.last("b 422 UPDATE").min_se == 700
    update = wire.last("a UPDATE")
    assert (update.min_se, str(update.session_expires)) == (700, "700;refresher=uac")
    assert usage.timer.interval == other.timer.interval == 700
    wire.b.layer.session_timer = policy()
    wire.run(351)
    again = wire.last("a UPDATE")
    assert again is not update
    assert (again.min_se, again.session_expires.seconds) == (700, 700)
    # The callee has heard a Min-SE in this dialog, so that its own refreshes repeat it.
    wire.b.layer.update(other, wire.now)
    wire.run(0.1)
    assert wire.last("b UPDATE").min_se == 700


@pytest.mark.rfc("R4028-7.4-4")
def test_the_largest_min_se_heard_is_repeated_even_where_no_timer_was_asked_for() -> None:
    wire = joined()
    usage, other = wire.answer()
    for least in (200, 900, 300):
        wire.a.layer.update(usage, wire.now, headers=[("Min-SE", str(least))])
        wire.run(0.1)
    wire.b.layer.update(other, wire.now)
    wire.run(0.1)
    assert wire.last("b UPDATE").min_se == 900
    assert "Session-Expires" not in wire.last("b UPDATE").headers
    assert "Min-SE" not in wire.last("a 200 UPDATE").headers


def test_a_refused_request_teaches_its_min_se_all_the_same() -> None:
    wire = joined()
    usage, other = wire.answer()
    wire.a.layer.reinvite(usage, wire.now, headers=[("Min-SE", "400")])
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 488, wire.now)
    wire.run(0.1)
    wire.b.layer.update(other, wire.now)
    wire.run(0.1)
    assert wire.last("b UPDATE").min_se == 400


def test_the_min_se_of_the_first_422_is_forgotten_with_the_dialog_there() -> None:
    wire = joined()
    usage, _ = wire.answer()
    lost(wire, "b 422 UPDATE")
    assert usage.timer is None
    wire.a.layer.update(usage, wire.now)
    wire.run(0.1)
    assert "Min-SE" not in wire.last("a UPDATE").headers


# Refreshes.


@pytest.mark.rfc("R4028-7.4-13", "R4028-7.4-14")
def test_reinvite_refreshes_a_peer_without_update() -> None:
    wire = joined(policy(300), capabilities=WITHOUT_UPDATE)
    usage, other = wire.answer()
    wire.run(151)
    reinvite = wire.last("a INVITE")
    assert reinvite.cseq.sequence == 2
    assert reinvite.body == SDP, "the very description in force: its version says that it has not changed"
    assert str(reinvite.session_expires) == "300;refresher=uac"
    event = wire.b.one(DialogRequest)
    wire.b.layer.respond_request(event.transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(151)
    assert wire.last("a INVITE").cseq.sequence == 3
    assert states(usage, other) == [_S.REFRESHING, _S.WATCHING]


def test_refresh_by_reinvite_repeats_an_answer_of_ours_as_offer() -> None:
    wire = joined(None, policy(300, refresher="uas"), capabilities=WITHOUT_UPDATE)
    wire.answer(answer=OTHER_SDP)
    wire.run(151)
    assert wire.last("b INVITE").body == OTHER_SDP


@pytest.mark.rfc("R4028-10-1", "R4028-10-2")
@pytest.mark.parametrize("code", [405, 501, 500, 488])
def test_a_refused_update_refresh_is_tried_once_more_by_reinvite(code) -> None:
    wire = joined(policy(300))
    usage, _ = wire.answer()
    lost(wire, "b 200 UPDATE")
    wire.run(150)
    refuse(wire, wire.a, "UPDATE", code)
    wire.run(0.1)
    assert wire.last("a INVITE").cseq.sequence == 3
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, code, wire.now)
    wire.run(60)
    assert wire.sent().count("a UPDATE") >= 1
    assert wire.sent().count("a INVITE") == 2, "no more than that"
    assert states(usage) == [_S.REFRESHING]
    wire.drop_next = []
    wire.run(200)
    assert wire.a.one(UsageEnded).cause == "expired"
    wire.drain()
    assert_idle(wire)


@pytest.mark.parametrize(("code", "fields"), [(491, ()), (500, (("Retry-After", "2"),))])
def test_a_refresh_that_has_crossed_is_sent_again_later(code, fields) -> None:
    wire = joined(policy(300))
    usage, _ = wire.answer()
    lost(wire, "b 200 UPDATE")
    wire.run(150)
    refuse(wire, wire.a, "UPDATE", code, *fields)
    wire.drop_next = []
    refused = wire.last("a UPDATE")
    wire.run(5)
    again = wire.last("a UPDATE")
    assert again.cseq.sequence == refused.cseq.sequence + 1
    assert again.top_via.branch != refused.top_via.branch
    assert states(usage) == [_S.REFRESHING]
    assert usage.deferred is None


@pytest.mark.parametrize("code", [408, 481])
def test_a_refresh_answered_408_or_481_ends_the_call(code) -> None:
    wire = joined(policy(300))
    usage, _ = wire.answer()
    lost(wire, "b 200 UPDATE")
    wire.run(150)
    refuse(wire, wire.a, "UPDATE", code)
    wire.run(1)
    assert wire.a.one(UsageEnded).cause == ("timeout" if code == 408 else "rejected")
    if code == 408:
        assert "a BYE" in wire.sent()
    assert states(usage) == [_S.OFF]


def test_a_refresh_that_nobody_answers_ends_the_call_in_time() -> None:
    wire = joined(policy(300))
    wire.answer()
    begun = wire.now
    wire.b.layer.close()
    lost(wire, "b 481 UPDATE")
    wire.drop_next = ["a UPDATE"] * 50
    wire.run(300)
    assert wire.a.one(UsageEnded).cause == "timeout"
    bye = next(passage.time for passage in wire.passages if str(passage) == "a BYE")
    assert bye - begun == pytest.approx(150 + 32, abs=1)


@pytest.mark.rfc("R4028-10-3", "R4028-10-4")
@pytest.mark.parametrize(("interval", "bye"), [(90, 60), (96, 64), (1800, 1768)])
def test_the_other_side_hangs_up_shortly_before_the_session_expires(interval, bye) -> None:
    wire = joined(policy(interval))
    wire.answer()
    begun = wire.now
    wire.a.layer.close()  # the refresher is gone without a word
    wire.run(interval)
    times = [passage.time - begun for passage in wire.passages if str(passage) == "b BYE"]
    assert times[0] == pytest.approx(bye, abs=0.5)
    assert wire.b.one(UsageEnded).cause == "expired"
    assert "Session expired" in wire.last("b BYE").headers["Reason"]
    wire.drain()
    assert_idle(wire)


@pytest.mark.rfc("R4028-7.2-1", "R4028-7.4-8")
def test_any_accepted_reinvite_or_update_puts_the_refresh_off() -> None:
    wire = joined(policy(300))
    usage, other = wire.answer()
    begun = wire.now
    wire.run(100)
    wire.b.layer.update(other, wire.now)
    wire.run(0.1)
    assert str(wire.last("b UPDATE").session_expires) == "300;refresher=uas"
    wire.run(149)
    assert "a UPDATE" not in wire.sent()
    wire.run(2)
    time = next(passage.time for passage in wire.passages if str(passage) == "a UPDATE")
    assert time - begun == pytest.approx(250, abs=1)
    assert states(usage, other) == [_S.REFRESHING, _S.WATCHING]


def test_a_refused_request_extends_nothing() -> None:
    wire = joined(policy(300))
    usage, _ = wire.answer()
    begun = wire.now
    wire.run(100)
    wire.a.layer.reinvite(usage, wire.now, body=OTHER_SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 488, wire.now)
    wire.run(51)
    time = next(passage.time for passage in wire.passages if str(passage) == "a UPDATE")
    assert time - begun == pytest.approx(150, abs=1)


@pytest.mark.rfc("R4028-7.4-1", "R4028-7.1-4", "R4028-7.1-6")
def test_refreshes_require_what_the_first_invite_required() -> None:
    wire = joined(policy(300))
    wire.a.layer.invite(make_invite(headers=(("Require", "timer, 100rel"), ("Proxy-Require", "timer"))))
    wire.run(0.1)
    wire.b.layer.respond(wire.b.one(InviteReceived).invite, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(151)
    update = wire.last("a UPDATE")
    assert update.require == ["timer"], "100rel is for INVITE alone (RFC 3262, section 4)"
    assert update.proxy_require == ["timer"]
    assert "timer" in update.supported
    wire.a.layer.reinvite(wire.a.one(InviteAnswered).usage, wire.now)
    wire.run(0.1)
    assert wire.last("a INVITE").require == ["timer", "100rel"]


# What crosses.


def test_a_refresh_waits_for_the_users_own_reinvite() -> None:
    wire = joined(policy(300))
    usage, _ = wire.answer()
    wire.run(148)
    wire.a.layer.reinvite(usage, wire.now, body=OTHER_SDP, content_type=SDP_TYPE)
    wire.run(10)  # the refresh has been due for eight seconds
    assert "a UPDATE" not in wire.sent()
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 488, wire.now)
    wire.run(2)
    assert "a UPDATE" in wire.sent(), "the re-INVITE has refreshed nothing"
    assert usage.session.local == SDP


def test_the_users_reinvite_that_is_accepted_is_the_refresh() -> None:
    wire = joined(policy(300))
    usage, _ = wire.answer()
    wire.run(148)
    wire.a.layer.reinvite(usage, wire.now, body=OTHER_SDP, content_type=SDP_TYPE)
    wire.run(10)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(140)
    assert "a UPDATE" not in wire.sent()
    wire.run(11)
    assert "a UPDATE" in wire.sent()


def test_the_users_reinvite_waits_for_a_refresh_under_way() -> None:
    wire = joined(policy(300), capabilities=WITHOUT_UPDATE)
    usage, other = wire.answer()
    wire.run(151)
    refresh = wire.b.one(DialogRequest)
    outgoing = wire.a.layer.reinvite(usage, wire.now, body=OTHER_SDP, content_type=SDP_TYPE)
    with pytest.raises(LocalProtocolError, match="still under way"):
        wire.a.layer.reinvite(usage, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(5)
    assert wire.sent().count("a INVITE") == 2
    wire.b.layer.respond_request(refresh.transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(2)
    assert wire.last("a INVITE").body == OTHER_SDP
    assert wire.last("a INVITE").cseq.sequence == 3
    event = wire.b.of(DialogRequest)[-1]
    wire.b.layer.respond_request(event.transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    assert wire.a.of(ResponseReceived)[-1].outgoing is outgoing
    assert (usage.session.local, other.session.remote) == (OTHER_SDP, OTHER_SDP)
    wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert_idle(wire)


def test_the_users_update_waits_for_a_refresh_under_way() -> None:
    wire = joined(policy(300))
    usage, _ = wire.answer()
    lost(wire, "b 200 UPDATE")
    wire.run(150)
    outgoing = wire.a.layer.update(usage, wire.now, body=OTHER_SDP, content_type=SDP_TYPE)
    refresh = wire.last("a UPDATE")
    assert refresh.body == b""
    wire.drop_next = []
    wire.run(6)
    assert wire.last("a UPDATE").body == OTHER_SDP
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    wire.run(0.1)
    assert wire.a.of(ResponseReceived)[-1].outgoing is outgoing
    assert usage.session.local == OTHER_SDP


def test_what_waits_for_a_refresh_goes_with_the_call() -> None:
    wire = joined(policy(300), capabilities=WITHOUT_UPDATE)
    usage, _ = wire.answer()
    wire.run(151)
    wire.a.layer.reinvite(usage, wire.now, body=OTHER_SDP, content_type=SDP_TYPE)
    wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert OTHER_SDP not in [passage.message.body for passage in wire.passages]
    assert_idle(wire)


def test_the_users_reinvite_takes_the_place_of_a_refresh_that_waits() -> None:
    wire = joined(policy(300))
    usage, other = wire.answer()
    lost(wire, "b 200 UPDATE")
    wire.run(150)
    refuse(wire, wire.a, "UPDATE", 491)
    wire.drop_next = []
    assert usage.deferred is not None
    wire.a.layer.reinvite(usage, wire.now, body=OTHER_SDP, content_type=SDP_TYPE)
    assert usage.deferred is None
    wire.run(10)
    assert wire.sent().count("a INVITE") == 2
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 488, wire.now)
    before = wire.sent().count("a UPDATE")
    wire.run(2)
    assert wire.sent().count("a UPDATE") == before + 1, "refused, it has refreshed nothing"
    assert states(usage, other) == [_S.REFRESHING, _S.WATCHING]


def test_refresh_crosses_the_peers_reinvite() -> None:
    wire = joined(policy(300), capabilities=WITHOUT_UPDATE)
    usage, other = wire.answer()
    wire.run(149.79)
    while "a INVITE" not in wire.sent(since=1):
        wire.step(wire.now + 0.005)
    wire.b.layer.reinvite(other, wire.now, body=OTHER_SDP, content_type=SDP_TYPE)
    wire.run(0.2)
    assert wire.a.layer.counters["requests refused 491"] + wire.b.layer.counters["requests refused 491"] == 2
    for _ in range(10):
        wire.run(1)
        for peer in (wire.a, wire.b):
            for event in peer.of(DialogRequest):
                if peer.layer.awaits_answer(event.transaction):
                    peer.layer.respond_request(event.transaction, 200, wire.now, body=SDP, content_type=SDP_TYPE)
    assert usage.session.remote == other.session.local == OTHER_SDP or usage.session.remote == SDP
    assert states(usage, other) == [_S.REFRESHING, _S.WATCHING]
    wire.a.layer.bye(usage, wire.now)
    wire.drain()
    assert_idle(wire)


def test_a_2xx_that_crosses_the_peers_bye_starts_no_timer() -> None:
    wire = joined(policy(300))
    usage, other = wire.answer()
    wire.run(149.6)
    wire.b.layer.bye(other, wire.now)
    wire.a.layer.update(usage, wire.now)
    wire.run(0.005)
    update = wire.last("a UPDATE")
    wire.run(1)
    assert usage.state is UsageState.ENDED
    wire.inject(
        wire.a, bytes(response_to(update, 200, to_tag=None, headers=[("Session-Expires", "300;refresher=uac")]))
    )
    wire.run(40)
    assert wire.a.layer.next_deadline() is None
    assert_idle(wire)


def test_a_new_contact_is_kept_by_later_refreshes() -> None:
    wire = joined(policy(300))
    usage, other = wire.answer()
    wire.a.layer.update(usage, wire.now, headers=[("Contact", "<sip:moved@192.0.2.1:5080>")])
    wire.run(151)
    assert wire.last("a UPDATE").cseq.sequence == 3
    assert str(other.dialog.remote_target) == "sip:moved@192.0.2.1:5080"


def test_a_contact_that_was_refused_is_not_kept() -> None:
    wire = joined(policy(300))
    usage, other = wire.answer()
    wire.a.layer.reinvite(usage, wire.now, headers=[("Contact", "<sip:moved@192.0.2.1:5080>")])
    wire.run(0.1)
    wire.b.layer.respond_request(wire.b.one(DialogRequest).transaction, 488, wire.now)
    wire.run(151)
    assert str(other.dialog.remote_target) == "sip:alice@192.0.2.1:5060"


@pytest.mark.rfc("R4028-8.2-4")
def test_each_leg_of_a_fork_has_its_own_timer() -> None:
    wire = joined(policy(300))
    invite = wire.invite()
    wire.run(0.1)
    request = wire.last("a INVITE")
    for tag, interval in (("one", 300), ("two", 200), ("three", None)):
        fields = [] if interval is None else [("Session-Expires", f"{interval};refresher=uas"), ("Require", "timer")]
        answer = response_to(request, 200, to_tag=tag, contact="sip:bob@192.0.2.2", headers=fields)
        wire.inject(wire.a, bytes(answer))
    legs = [event.usage for event in wire.a.of(InviteAnswered)]
    assert states(*legs) == [_S.WATCHING, _S.WATCHING, _S.OFF]
    assert [leg.timer and leg.timer.interval for leg in legs] == [300, 200, None]
    assert set(invite.legs) == {"one", "two", "three"}
