"""Every table is the whole product of its states and inputs."""

from itertools import product

import pytest

from sipstack.transactions import _invite_client, _invite_server, _non_invite_client, _non_invite_server

MACHINES = [_invite_client, _invite_server, _non_invite_client, _non_invite_server]
CLASSES = [
    _invite_client.InviteClient,
    _invite_server.InviteServer,
    _non_invite_client.NonInviteClient,
    _non_invite_server.NonInviteServer,
]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda module: module.__name__.rpartition(".")[2])
class TestTable:
    def test_edges_absorbed_and_refused_pairs_are_the_whole_product(self, machine):
        pairs = [*machine.TABLE, *machine.ABSORBED, *machine.REFUSED]
        assert len(pairs) == len(set(pairs))
        assert set(pairs) == set(product(machine.STATES, machine.INPUTS))

    def test_only_our_users_commands_are_refused(self, machine):
        assert all(input_.name.startswith("RESPOND_") for _, input_ in machine.REFUSED)

    def test_nothing_leaves_terminated(self, machine):
        assert not any(state.name == "TERMINATED" for state, _ in machine.TABLE)

    def test_every_state_is_reached_and_left(self, machine):
        reached = {machine.ENTRY[1]} | {state for _, state in machine.TABLE.values()}
        assert reached == set(machine.STATES)
        left = {state for (state, _), (_, following) in machine.TABLE.items() if following is not state}
        assert left == set(machine.STATES) - {machine.STATES[-1]}

    def test_whatever_ends_a_machine_says_so(self, machine):
        for actions, state in machine.TABLE.values():
            ends = any(action.__name__ == "end" for action in actions)
            assert ends == (state.name == "TERMINATED")


@pytest.mark.parametrize(("machine", "cls"), list(zip(MACHINES, CLASSES, strict=True)), ids=lambda x: x.__name__)
def test_an_absorbed_pair_does_nothing(machine, cls):
    for state, input_ in machine.ABSORBED:
        assert cls.edges[state][input_] == ((), state)
