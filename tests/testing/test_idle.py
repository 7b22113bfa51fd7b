from __future__ import annotations

import random

import pytest

from sipstack.dialogs import DialogLayer
from sipstack.message import Tokens
from sipstack.testing import assert_idle, request
from sipstack.transactions import Flow, TransactionLayer

FLOW = Flow("UDP", ("10.0.0.1", 5060), ("10.0.0.2", 5060), "10.0.0.1:5060")


def layers():
    tokens = Tokens(random.Random(1).randbytes)
    transactions = TransactionLayer(tokens=tokens)
    return transactions, DialogLayer(transactions, tokens=tokens)


def test_new_cores_are_idle():
    for core in layers():
        assert_idle(core)


def test_transaction_timer_and_output_are_named():
    transactions, dialogs = layers()
    transactions.send_request(request(via=None), FLOW, 0.0)
    with pytest.raises(AssertionError, match=r"1 transactions; a timer for 0\.5; outputs nobody took"):
        assert_idle(transactions)
    with pytest.raises(AssertionError, match="1 transactions; a timer"):
        assert_idle(dialogs)


def test_dialog_layer_that_holds_a_request():
    _, dialogs = layers()
    dialogs.receive(request("INVITE", contact="sip:a@10.0.0.2").serialise(), FLOW, 0.0)
    with pytest.raises(AssertionError, match="1 invites"):
        assert_idle(dialogs)


def test_endpoint_is_asked_through_its_core():
    class Endpoint:
        def __init__(self, core):
            self._core = core

    transactions, _ = layers()
    assert_idle(Endpoint(transactions))
    transactions.send_request(request(via=None), FLOW, 0.0)
    with pytest.raises(AssertionError):
        assert_idle(Endpoint(transactions))
