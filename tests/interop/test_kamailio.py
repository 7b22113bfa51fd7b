"""Digest registration at Kamailio, and a call through it: it stays in the path by Record-Route."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

import sipstack as sip

pytestmark = pytest.mark.interop

CALLEE = Path(__file__).with_name("callee.py")
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
BOB = sip.Credentials("bob", "builder")
ALICE = sip.Credentials("alice", "wonderland")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_register_with_digest(run_sipstack, kamailio, transport):
    finished = run_sipstack(
        *("register", "sip:alice@sip.test", "--registrar", f"{kamailio.uri};transport={transport}", "--once"),
        *("--user", "alice", "--password", "wonderland"),
    )
    assert finished.code == 0, finished.output
    # Asked, asked again with credentials, and removed with credentials (once or twice: the nonce may be refused).
    assert 3 <= kamailio.running.output.count("seen REGISTER") <= 4


def test_register_with_a_wrong_password_exit_4_after_one_try(run_sipstack, kamailio):
    finished = run_sipstack(
        *("register", "sip:alice@sip.test", "--registrar", kamailio.uri, "--once"),
        *("--user", "alice", "--password", "queen"),
    )
    assert finished.code == 4, finished.output
    assert "401" in finished.output
    assert kamailio.running.output.count("seen REGISTER") == 2


def test_call_through_the_proxy_and_bye_takes_its_route(start, run_sipstack, kamailio):
    callee = start(sys.executable, str(CALLEE), kamailio.uri, "sip:bob@sip.test", "bob", "builder", "udp://127.0.0.1:0")
    callee.wait_for(r"registered for \d+")
    finished = run_sipstack(
        *("call", "sip:bob@sip.test", "--proxy", kamailio.uri, "--from", "sip:alice@sip.test"),
        *("--user", "alice", "--password", "wonderland", "--duration", "0.5"),
    )
    assert finished.code == 0, finished.output
    ended = callee.wait()
    assert ended.code == 0, ended.output
    assert "invite 1" in ended.output
    for method in ("ACK", "BYE"):
        assert f"routed {method} by its Route" in kamailio.running.output, kamailio.running.output[-4000:]


def test_call_to_an_unregistered_user_exit_4(run_sipstack, kamailio):
    finished = run_sipstack(
        *("call", "sip:bob@sip.test", "--proxy", kamailio.uri, "--from", "sip:alice@sip.test"),
        *("--user", "alice", "--password", "wonderland"),
    )
    assert finished.code == 4, finished.output
    assert "404" in finished.output


class Fork:
    """Alice, and two phones of bob's registered at Kamailio, in one program."""

    def __init__(self, proxy: str) -> None:
        self.proxy = proxy
        self.rung = [trio.Event(), trio.Event()]
        self.calls: list[sip.IncomingCall] = []
        self.ends: dict[sip.IncomingCall, object] = {}

    @asynccontextmanager
    async def phone(self, number: int):
        async with (
            sip.open_endpoint("udp://127.0.0.1:0", user="bob") as endpoint,
            endpoint.register("sip:bob@sip.test", registrar=self.proxy, credentials=BOB),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self.take, endpoint.events(), self.rung[number])
            yield
            nursery.cancel_scope.cancel()

    async def take(self, events, rung) -> None:
        event = await anext(events)
        async with event.call as call:
            self.calls.append(call)
            await call.ring(183, reliable=True, answer=SDP)
            rung.set()
            async for event in call.events():
                self.ends[call] = event
                if isinstance(event, sip.ReinviteReceived):
                    await event.answer(SDP)

    async def end_of(self, call) -> tuple[str, object]:
        """Wait for a call's end and return how it came, and its last event."""
        reason = await call.wait_ended()
        await trio.testing.wait_all_tasks_blocked()
        return reason, self.ends[call]

    def run(self, scenario) -> None:
        async def scene() -> None:
            with trio.fail_after(10):
                async with (
                    self.phone(0),
                    self.phone(1),
                    sip.open_endpoint("udp://127.0.0.1:0", user="alice", proxy=self.proxy) as alice,
                    alice.invite(
                        "sip:bob@sip.test",
                        offer=SDP,
                        from_uri="sip:alice@sip.test",
                        credentials=ALICE,
                        require=["100rel"],
                    ) as fork,
                ):
                    for rung in self.rung:
                        await rung.wait()
                    await scenario(fork)

        trio.run(scene)


def test_fork_one_answers_and_the_other_is_cancelled_with_the_reason(kamailio):
    scene = Fork(kamailio.uri)

    async def scenario(fork):
        winner, loser = scene.calls
        await winner.answer()
        call = await fork.answered()
        assert call.dialog.remote_tag == winner.dialog.local_tag
        assert {leg.remote_tag for leg in fork.legs} == {one.dialog.local_tag for one in scene.calls}
        assert [leg.early_sdp for leg in fork.legs] == [SDP, SDP]
        reason, event = await scene.end_of(loser)
        assert (reason, event.reasons[0].cause) == ("cancelled", 200)
        assert (await call.reinvite(SDP.replace(b"1 1 IN", b"1 2 IN"))).code == 200
        await call.hangup()
        assert await winner.wait_ended() == "remote"

    scene.run(scenario)
    output = kamailio.running.output
    assert output.count("routed PRACK by its Route") == 2
    assert "routed BYE by its Route" in output


def test_fork_both_answer_at_once_and_the_loser_is_hung_up(kamailio):
    scene = Fork(kamailio.uri)

    async def scenario(fork):
        async with trio.open_nursery() as nursery:
            for each in scene.calls:
                nursery.start_soon(each.answer)
        call = await fork.answered()
        (loser,) = (each for each in scene.calls if each.dialog.local_tag != call.dialog.remote_tag)
        reason, event = await scene.end_of(loser)
        assert (reason, event.reasons[0].cause) == ("remote", 200)
        assert not call.is_ended
        assert sum(leg.call is not None for leg in fork.legs) == 2

    scene.run(scenario)
    assert kamailio.running.output.count("routed ACK by its Route") == 2
