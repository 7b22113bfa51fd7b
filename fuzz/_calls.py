"""Scripts of `fuzz.endpoint` that make calls: each step is right, but for the bytes that chance writes into it.

The numbers are those of the choices that `fuzz.endpoint` and `fuzz._script` make, in their order.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from fuzz._script import CODES, EXTRA, METHODS, OUR_CODES

__all__ = ["CALLS"]

_CONTACT = EXTRA.index("Contact: <sip:peer@192.0.2.1>\r\n")
_RELIABLE = EXTRA.index("RSeq: 1\r\nRequire: 100rel\r\nContact: <sip:peer@192.0.2.1>\r\n")
_SUPPORTED = EXTRA.index("Supported: 100rel, timer\r\nSession-Expires: 180\r\nContact: <sip:peer@192.0.2.1>\r\n")
_REQUIRED = EXTRA.index("Require: 100rel\r\nContact: <sip:peer@192.0.2.1>\r\n")
_TIMER = EXTRA.index("Require: timer\r\nSession-Expires: 90;refresher=uac\r\nContact: <sip:peer@192.0.2.1>\r\n")
_MIN_SE = EXTRA.index("Min-SE: 3600\r\n")
_RACK = len(EXTRA)
"Behind them stand the RAck fields that acknowledge what we sent."
_NEWEST_TAG = 3
"In To: two choices of none, the first tag that we never use, then those we used."


def _asked(
    method: str, *, is_within: bool, cseq: int, body: int = 0, extra: int = _CONTACT, branch: int = 0
) -> list[int]:
    """Write a request of the peer: flow, operation, then its parts."""
    to_tag = _NEWEST_TAG if is_within else 0
    tail = [0] if body else []
    return [0, 1, METHODS.index(method), branch, to_tag, body, 0, 0, 0, 0, 0, 0, cseq, 0, extra, 0, *tail]


def _replied(code: int, *, to_tag: int = 0, extra: int = _CONTACT, body: int = 0, which: int = 0) -> list[int]:
    """Write a response of the peer to the latest request of ours, or to one before it."""
    tail = [0] if body else []
    return [0, 4, which, CODES.index(code), to_tag, extra, 0, body, *tail, 0, 0, 0]


def _commanded(command: int, *arguments: int, code: int = 200, body: int = 0) -> list[int]:
    """Write a command of our user."""
    return [0, 5, OUR_CODES.index(code), body, command, *arguments]


def _waited(choice: int) -> list[int]:
    return [0, 7, choice]


@st.composite
def _incoming(draw: st.DrawFn) -> list[list[int]]:
    extra = draw(st.sampled_from([_CONTACT, _SUPPORTED, _REQUIRED]))
    offer = draw(st.sampled_from([0, 2]))
    steps = [_asked("INVITE", is_within=False, cseq=0, body=offer, extra=extra)]
    if extra != _CONTACT and draw(st.booleans()):
        steps.append(_commanded(0, 2, 0, code=183, body=draw(st.integers(0, 1))))
        steps.append(_asked("PRACK", is_within=True, cseq=1, extra=_RACK, branch=1))
    else:
        steps.append(_commanded(0, 0, 0, code=draw(st.sampled_from([100, 180, 183]))))
    steps.append(_commanded(0, 0, 0, code=draw(st.sampled_from([200, 200, 200, 486, 302])), body=1))
    steps.append(_asked("ACK", is_within=True, cseq=0, body=0 if offer else 2, branch=1))
    return steps


@st.composite
def _outgoing(draw: st.DrawFn) -> list[list[int]]:
    offer = draw(st.integers(0, 1))
    steps = [_commanded(4, 0, draw(st.sampled_from([0, 7])), body=offer)]
    for _ in range(draw(st.integers(0, 2))):
        tag = draw(st.integers(0, 1))
        if draw(st.booleans()):
            steps.append(_replied(183, to_tag=tag, extra=_RELIABLE, body=2))
            steps.append(_commanded(11, 0, body=0 if offer else 1))
            steps.append(_replied(200, to_tag=tag))
        else:
            steps.append(_replied(180, to_tag=tag))
    which = draw(st.integers(0, 1))
    extra = draw(st.sampled_from([_CONTACT, _TIMER]))
    if draw(st.booleans()):
        steps.append(_replied(422, extra=_MIN_SE))
        steps.append(_commanded(14, 0))
        which = 0
    tag, answer = draw(st.integers(0, 1)), draw(st.sampled_from([0, 2]))
    code = draw(st.sampled_from([200, 200, 200, 486, 302]))
    steps.append(_replied(code, to_tag=tag, body=answer, which=which, extra=extra))
    steps.append(_commanded(9, 0, body=draw(st.integers(0, 1))))
    return steps


_WITHIN: SearchStrategy[list[list[int]]] = st.one_of(
    st.sampled_from([2, 3]).map(
        lambda cseq: [
            _asked("INVITE", is_within=True, cseq=cseq - 1, body=2, branch=2),
            _commanded(2, 0, code=200, body=1),
            _asked("ACK", is_within=True, cseq=cseq - 1, branch=3),
        ]
    ),
    st.sampled_from([200, 200, 491, 481, 500]).map(
        lambda code: [_commanded(7, 0, body=1), _replied(code, body=2), _commanded(9, 0)]
    ),
    st.sampled_from([200, 200, 491, 500]).map(lambda code: [_commanded(12, 0, body=1), _replied(code, body=2)]),
    st.just([_asked("UPDATE", is_within=True, cseq=2, body=2, branch=2), _commanded(2, 0, code=200, body=1)]),
    st.just([_asked("INFO", is_within=True, cseq=2, branch=2), _commanded(2, 0, code=200)]),
    st.just([_commanded(8, 0, 0), _replied(200)]),
    st.integers(0, 7).map(lambda choice: [_waited(choice)]),
    st.just([_commanded(13, 0)]),
)
_END: SearchStrategy[list[list[int]]] = st.one_of(
    st.just([_asked("BYE", is_within=True, cseq=2, branch=3), _commanded(2, 0, code=200)]),
    st.just([_commanded(6, 0), _replied(200)]),
    st.just([_asked("CANCEL", is_within=False, cseq=0)]),
    st.just([_commanded(10, 0), _replied(200)]),
)


@st.composite
def _calls(draw: st.DrawFn) -> bytes:
    steps = draw(_incoming() | _outgoing())
    for more in draw(st.lists(_WITHIN, max_size=4)):
        steps += more
    steps += draw(_END)
    # Now and then a step is left out, comes twice or is moved, and a choice is another one.
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(steps) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                del steps[place : place + 1]
            case 1:
                steps.insert(place, list(steps[place]))
            case 2:
                steps.insert(draw(st.integers(0, len(steps) - 1)), steps.pop(place))
            case _:
                step = steps[place] = list(steps[place])
                step[draw(st.integers(0, len(step) - 1))] = draw(st.integers(0, 255))
        if not steps:
            break
    return bytes(choice for step in steps for choice in step)


CALLS = _calls()
