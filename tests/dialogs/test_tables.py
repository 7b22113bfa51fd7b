"""The tables of the machines: every pair of state and input has its meaning."""

from __future__ import annotations

import enum
from itertools import product

import pytest

from sipstack.dialogs import _client_invite, _invite_usage, _offer_answer, _reliable, _server_invite, _session_timer
from sipstack.dialogs._client_invite import ClientInviteInput, ClientInviteState
from sipstack.dialogs._invite_usage import UsageInput, UsageState
from sipstack.dialogs._offer_answer import OfferAnswerInput, OfferAnswerState
from sipstack.dialogs._reliable import ReliableInput, ReliableState
from sipstack.dialogs._server_invite import ServerInviteInput, ServerInviteState
from sipstack.dialogs._session_timer import SessionTimerInput, SessionTimerState

ACTING_MACHINES = [
    (_client_invite, ClientInviteState, ClientInviteInput),
    (_server_invite, ServerInviteState, ServerInviteInput),
    (_invite_usage, UsageState, UsageInput),
    (_reliable, ReliableState, ReliableInput),
    (_session_timer, SessionTimerState, SessionTimerInput),
]
MACHINES = [*ACTING_MACHINES, (_offer_answer, OfferAnswerState, OfferAnswerInput)]


@pytest.mark.parametrize(("module", "states", "inputs"), MACHINES)
def test_table_is_the_whole_product(module, states: type[enum.Enum], inputs: type[enum.Enum]) -> None:
    commands = getattr(module, "COMMANDS", frozenset())
    refused = {pair for pair in product(states, inputs) if pair[1] in commands and pair not in module.TRANSITIONS}
    assert not set(module.TRANSITIONS) & module.ABSORBED
    assert not refused & module.ABSORBED
    assert set(module.TRANSITIONS) | module.ABSORBED | refused == set(product(states, inputs))


@pytest.mark.parametrize(("module", "states", "inputs"), MACHINES)
def test_every_state_is_reached_and_left(module, states: type[enum.Enum], inputs: type[enum.Enum]) -> None:
    first = next(iter(states))
    reached = {first}
    while True:
        more = {
            after[-1] if isinstance(after, tuple) else after
            for (before, _), after in module.TRANSITIONS.items()
            if before in reached
        }
        if more <= reached:
            break
        reached |= more
    assert reached == set(states)


@pytest.mark.parametrize(("module", "states", "inputs"), ACTING_MACHINES)
def test_every_input_and_action_is_of_use(module, states: type[enum.Enum], inputs: type[enum.Enum]) -> None:
    absorbed_only = {ServerInviteInput.TRANSPORT_ERROR}
    used = {event for _, event in module.TRANSITIONS}
    assert used == set(inputs) - absorbed_only
    (actions,) = [
        kind for name, kind in vars(module).items() if name.endswith("Action") and isinstance(kind, enum.EnumMeta)
    ]
    assert {action for steps, _ in module.TRANSITIONS.values() for action in steps} == set(actions)
