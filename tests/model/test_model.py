"""The two hardest parts, explored in every order: see `explorer` for what a step is and what is left out.

Invariants of the INVITE (`InviteModel`): the user of either side is told of each thing once, the caller of an answer or
of a failure and never of both; the callee is confirmed only where the caller has sent an ACK, and the caller answered
only where the callee has answered; where one side has ended the call the other has not while nothing is on its way only
if something was given up after 64*T1; a call both have confirmed has no offer that waits.

Invariants of offers and answers (`OfferAnswerModel`, `EarlyModel`): never has each side taken the other's offer; where
nothing is under way in a call that stands, no offer waits for its answer and both have the same session.

Of both: nothing raises, and from each state there is a way to the end (states at the edge of the explored depth aside).

``python -m tests.model`` goes deeper.
"""

from __future__ import annotations

import pytest

from .explorer import Explorer, Model
from .invite import InviteModel
from .offer_answer import EarlyModel, OfferAnswerModel


def explored(model: Model, depth: int, least: int) -> Explorer:
    """Explore, and see that it was worth it."""
    explorer = Explorer(model)
    explorer.explore(depth)
    assert len(explorer.states) >= least
    dead = explorer.dead()
    assert not dead, "no way to the end after\n  " + "\n  ".join(explorer.path(dead[0]))
    return explorer


def test_invite_over_a_network_that_reorders() -> None:
    """All there is: 9,390 states."""
    explorer = explored(InviteModel(copies=0, losses=0), 100, 9_000)
    assert explorer.is_complete
    assert any(map(explorer.is_end, explorer.states))


@pytest.mark.parametrize(("copies", "losses", "depth"), [(0, 1, 11), (1, 0, 10), (1, 2, 8)])
def test_invite_over_a_network_that_loses_and_repeats(copies: int, losses: int, depth: int) -> None:
    explored(InviteModel(copies=copies, losses=losses), depth, 2_000)


@pytest.mark.parametrize(
    ("a", "b", "depth"),
    [
        (("update",), ("update",), 13),
        (("reinvite",), ("reinvite",), 12),
        (("update",), ("reinvite",), 12),
        (("reinvite",), ("offerless",), 12),
        (("update", "reinvite", "hang up"), ("update", "offerless"), 7),
    ],
)
def test_offers_that_cross_in_a_call(a: tuple[str, ...], b: tuple[str, ...], depth: int) -> None:
    explored(OfferAnswerModel(a, b), depth, 1_000)


@pytest.mark.parametrize(("copies", "losses"), [(1, 0), (0, 1)])
def test_offers_that_cross_over_a_bad_network(copies: int, losses: int) -> None:
    explored(OfferAnswerModel(("update",), ("reinvite",), copies=copies, losses=losses), 8, 1_000)


def test_offers_that_cross_before_the_answer() -> None:
    explored(EarlyModel(("update",), ("update",)), 11, 1_000)


def test_a_wrong_state_is_found_and_told_how() -> None:
    class Wrong(InviteModel):
        def check(self, a, b, is_quiet):
            return "refused" if b.count("refuse") else None

    with pytest.raises(AssertionError, match=r"refused\n  a: invite\n  b receives INVITE .*\n  b: refuse"):
        Explorer(Wrong(copies=0, losses=0)).explore(5)
