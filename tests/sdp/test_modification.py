import time

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstack.message import LocalProtocolError
from sipstack.sdp import (
    Capabilities,
    Direction,
    MediaCapability,
    Origin,
    SessionDescription,
    answer_to,
    check_answer,
    check_next_offer,
    hold,
    next_version,
    resume,
    wanted_directions,
)

HEAD = "v=0\r\no=- 1 5 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"


def session(*directions: str | None, head: str = HEAD, port: int = 9) -> SessionDescription:
    media = "".join(
        f"m=audio {port} RTP/AVP 0\r\n{f'a={direction}' if direction else 'a=x'}\r\na=ptime:20\r\n"
        for direction in directions
    )
    return SessionDescription.parse(head + media)


def directions_of(description: SessionDescription) -> list[Direction]:
    return [description.direction_of(media) for media in description.media]


@pytest.mark.rfc("R3264-8-4", "R3264-8-5")
def test_the_version_goes_up_by_one_when_something_changed() -> None:
    old = session("sendrecv")
    new = session("sendonly", head=HEAD.replace("o=- 1 5 IN IP4 192.0.2.9", "o=me 7 1 IN IP6 ::1"))
    assert next_version(old, new).origin == Origin(1, 6, "192.0.2.9")
    assert next_version(old, new).is_same(new.replace(origin=old.origin))
    same = session("sendrecv", head=HEAD.replace("o=- 1 5", "o=- 2 99"))
    assert bytes(next_version(old, same)) == bytes(old)


def test_the_last_version_is_followed_by_none() -> None:
    old = session(head=HEAD.replace("1 5", f"1 {2**63 - 1}"))
    assert next_version(old, old) == old
    with pytest.raises(LocalProtocolError, match="new session"):
        next_version(old, old.replace(name="x"))


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        ("sendrecv", "sendonly"),
        (None, "sendonly"),
        ("sendonly", "sendonly"),
        ("recvonly", "inactive"),
        ("inactive", "inactive"),
    ],
)
def test_hold_takes_away_what_would_come(ours: str | None, expected: str) -> None:
    held = hold(session(ours))
    assert directions_of(held) == [expected]
    assert held.is_held(held.media[0])
    assert held.origin == session(ours).origin


@pytest.mark.parametrize(
    ("offered", "answered", "wanted", "held"),
    [
        # what the other side forbids is taken to be wanted: two that hold each other get off again
        ("sendonly", "recvonly", "sendrecv", "sendonly"),
        ("inactive", "inactive", "sendrecv", "sendonly"),
        ("recvonly", "sendonly", "sendrecv", "sendonly"),
        # what it allows and we do not is not wanted
        ("sendrecv", "recvonly", "recvonly", "inactive"),
        ("sendrecv", "sendonly", "sendonly", "sendonly"),
        ("sendrecv", "inactive", "inactive", "inactive"),
        ("sendonly", "inactive", "sendonly", "sendonly"),
        ("recvonly", "inactive", "recvonly", "inactive"),
        ("sendrecv", "sendrecv", "sendrecv", "sendonly"),
    ],
)
def test_hold_after_an_answer(offered: str, answered: str, wanted: str, held: str) -> None:
    offer = session(offered)
    ours = session(answered)
    assert wanted_directions(ours, offer=offer) == (wanted,)
    assert directions_of(hold(ours, offer=offer)) == [held]
    assert directions_of(resume(hold(ours, offer=offer), ours, offer=offer)) == [wanted]


def test_the_story_of_two_that_hold_each_other() -> None:
    """Follow the example of RFC 6337, section 5.3."""
    both = Capabilities.audio(9)
    held_by_us = Capabilities((MediaCapability("audio", 9, direction="sendonly"),))
    first = session("sendonly")
    answered = answer_to(first, both, address="192.0.2.1", session_id=2)
    assert directions_of(answered) == ["recvonly"]
    ours = next_version(answered, hold(answered, offer=first))
    assert directions_of(ours) == ["sendonly"]
    theirs = answer_to(ours, held_by_us, address="192.0.2.9", session_id=1)
    assert directions_of(theirs) == ["inactive"]
    resumed = next_version(theirs, session("sendrecv"))
    again = next_version(ours, answer_to(resumed, held_by_us, address="192.0.2.1", session_id=2))
    assert directions_of(again) == ["sendonly"]
    back = next_version(again, resume(again, answered, offer=first))
    assert directions_of(back) == ["sendrecv"]
    assert [one.origin.version for one in (answered, ours, back)] == [1, 2, 3]
    for previous, new in ((answered, ours), (ours, again), (again, back)):
        assert check_next_offer(previous, new) == []
    assert check_answer(resumed, again) == []


def test_media_that_came_during_hold_flow_both_ways() -> None:
    before = session("recvonly")
    held = session("inactive", "sendonly")
    assert directions_of(resume(held, before)) == ["recvonly", "sendrecv"]
    assert directions_of(resume(session("inactive"), session("sendonly", "recvonly"))) == ["sendonly"]


def test_refused_media_are_left_alone() -> None:
    refused = session("sendrecv", port=0)
    assert bytes(hold(refused)) == bytes(refused)
    assert bytes(resume(refused, session("sendonly"))) == bytes(refused)
    assert bytes(hold(session())) == bytes(session())


def test_many_media_and_attributes_take_linear_time() -> None:
    many = SessionDescription.parse(HEAD + "a=x\r\n" * 6_000 + "m=a 1 RTP/AVP 0\r\n" * 1_700)
    begin = time.process_time()
    assert resume(hold(many), many) == many
    assert check_next_offer(many, many) == check_answer(many, many) == []
    assert time.process_time() - begin < 1  # some 60 ms; quadratic would be seconds


some = st.lists(st.none() | st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]), max_size=4)
heads = st.sampled_from([HEAD, HEAD + "a=recvonly\r\n", HEAD + "a=sendrecv\r\n", HEAD + "a=inactive\r\na=x\r\n"])


@given(some, heads, st.sampled_from([0, 9]))
def test_hold_and_resume_give_the_session_back(directions: list[str | None], head: str, port: int) -> None:
    before = session(*directions, head=head, port=port)
    held = next_version(before, hold(before))
    assert all(media.is_rejected or held.is_held(media) for media in held.media)
    assert check_next_offer(before, held) == []
    after = next_version(held, resume(held, before))
    assert after.is_same(before)
    assert check_next_offer(held, after) == []
    restored = attrs.evolve(after, origin=before.origin)
    assert SessionDescription.parse(bytes(restored)) == before


@given(some, some)
def test_what_is_wanted_is_answered_again(offered: list[str | None], ours: list[str | None]) -> None:
    offer = session(*offered)
    willing = tuple(MediaCapability("audio", 9, direction=one or "sendrecv") for one in ours)  # type: ignore[arg-type]
    answered = answer_to(offer, Capabilities(willing), address="192.0.2.1", session_id=2)
    wanted = wanted_directions(answered, offer=offer)
    again = tuple(MediaCapability("audio", 9, direction=one) for one in wanted)
    second = answer_to(offer, Capabilities(again), address="192.0.2.1", session_id=2)
    for one, other in zip(answered.media, second.media, strict=True):
        assert one.is_rejected or one.direction == other.direction
