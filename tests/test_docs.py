"""The pages in docs/: their blocks of Python are run, and name only what there is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

import sipstack as sip

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
SDP_A = bytes(sip.sdp.offer(sip.sdp.Capabilities.audio(port=6000), address="10.0.0.1", session_id=1))
SDP_B = bytes(sip.sdp.offer(sip.sdp.Capabilities.audio(port=7000), address="10.0.0.2", session_id=2))


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def block(page: str, text: str) -> Callable[..., object]:
    """Return the block of a page in which a text stands, as a function of what its page says is there."""
    (found,) = [each for each in blocks(page) if text in each]
    space: dict[str, object] = {"sip": sip, "print": lambda *_: None, "SDP_A": SDP_A, "SDP_B": SDP_B}
    exec(f"async def run(ep=None, net=None, call=None):\n{textwrap.indent(found, '    ')}", space)
    run = space["run"]
    assert callable(run)
    return run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_names_only_what_there_is(page: Path) -> None:
    for name in re.findall(r"\bsip\.([A-Za-z]\w*)", page.read_text()):
        assert hasattr(sip, name), name


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    assert {page.name for page in PAGES} - {"README.md"} == set(re.findall(r"\]\((\w+\.md)\)", index))


def run_against(caller: Callable[..., object], callee: Callable[..., object]) -> sip.trace.Trace:
    async def scenario(net: sip.testing.VirtualNetwork) -> None:
        async with (
            sip.open_endpoint("udp://b:5060", network=net) as b,
            sip.open_endpoint("udp://a:5060", network=net) as a,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(callee, b)
            await caller(a, net)  # type: ignore[misc]
            nursery.cancel_scope.cancel()

    return sip.testing.run(scenario)


def test_calls_fork_and_reliable_ringing() -> None:
    trace = run_against(block("calls.md", "fork.answered()"), block("calls.md", "can_ring_reliably"))
    sent = [sip.parse_message(passage.record.data) for passage in trace.passages()]
    assert [each.method if isinstance(each, sip.Request) else f"{each.code} {each.cseq.method}" for each in sent] == [
        "INVITE", "183 INVITE", "PRACK", "200 PRACK", "200 INVITE", "ACK", "BYE", "200 BYE",
    ]  # fmt: skip
    assert (sent[1].body, sent[4].body) == (SDP_B, b""), "the answer went with the 183"


def test_calls_snapshot() -> None:
    move = block("calls.md", "DialogSnapshot")

    async def caller(ep: sip.Endpoint, net: sip.testing.VirtualNetwork) -> None:
        async with ep.call("sip:b", offer=SDP_A) as call:
            await move(None, net, call)  # type: ignore[misc]

    async def callee(ep: sip.Endpoint) -> None:
        async for event in ep.events():
            if isinstance(event, sip.InviteReceived):
                async with event.call as call:
                    await call.answer(SDP_B)
                    async for each in call.events():
                        if isinstance(each, sip.ReinviteReceived):
                            await each.answer(SDP_B)

    trace = run_against(caller, callee)
    assert trace.times("a>b INVITE") == [0, 0]
    assert len(trace.times("a>b BYE")) == 2, "the restored call's, and the first endpoint's own"
