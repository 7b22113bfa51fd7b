"""Finding servers through a real name server (NSD), with servers that are dead."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
import trio

import sipstack as sip
from sipstack.timers import TimerValues
from sipstack.trace import Trace
from sipstack.transport import TrioNetwork

pytestmark = pytest.mark.interop

ZONE = """\
$ORIGIN example.com.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""

CONFIGURATION = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: example.com
  zonefile: "{folder}/example.com.zone"
"""


@pytest.fixture
def name_server(start, need, free_port, tmp_path):
    """Start NSD with these records of example.com; return its address."""

    def begin(records: str) -> str:
        program, port = need("nsd"), free_port("127.0.0.1")
        (tmp_path / "example.com.zone").write_text(ZONE + records)
        configuration = tmp_path / "nsd.conf"
        configuration.write_text(CONFIGURATION.format(port=port, folder=tmp_path))
        start(program, "-d", "-c", str(configuration)).wait_for("nsd started")
        return f"127.0.0.1:{port}"

    return begin


def test_naptr_and_srv_lead_past_a_server_that_is_gone(name_server, sipstack_answer, run_sipstack, free_port):
    answering = sipstack_answer(listen="tcp://127.0.0.1:0")
    server = name_server(
        f"""\
@ NAPTR 10 50 "s" "SIP+D2S" "" _sip._sctp
@ NAPTR 20 50 "s" "SIP+D2T" "" _sip._tcp
@ NAPTR 30 50 "s" "SIP+D2U" "" _sip._udp
_sip._tcp SRV 10 0 {free_port("127.0.0.1")} gone
_sip._tcp SRV 20 0 {answering.port} www
gone A 127.0.0.1
www CNAME there
there A 127.0.0.1
"""
    )
    finished = run_sipstack("options", "sip:bob@example.com", "--nameserver", server, "-v")
    assert finished.code == 0, finished.output
    for words in (
        "NAPTR example.com: ",
        "20 50 s SIP+D2T _sip._tcp.example.com",
        "SRV _sip._tcp.example.com: ",
        f"20 0 {answering.port} www.example.com",
        "A/AAAA www.example.com: 127.0.0.1",
        "targets of sip:bob@example.com: TCP 127.0.0.1:",
        "(gone.example.com) failed: no TCP connection to 127.0.0.1:",
        "Connection refused",
    ):
        assert words in finished.output


def test_name_that_is_not_there_is_a_sentence(name_server, run_sipstack):
    finished = run_sipstack("options", "sip:nobody.example.com", "--nameserver", name_server(""), "-v")
    assert finished.code == 1
    assert "The name nobody.example.com has no address: there is no such name" in finished.output
    assert "NAPTR nobody.example.com: none (there is no such name)" in finished.output


async def ask(uri: str, server: str, trace: Trace) -> int:
    # T1 of 20 ms: a server that is silent is given up after 1.3 seconds.
    async with sip.open_endpoint(
        "udp://127.0.0.1:0", nameservers=[server], timers=TimerValues(t1=0.02), trace=trace, grace=0
    ) as endpoint:
        with trio.fail_after(10):
            return (await endpoint.request("OPTIONS", uri)).code


@pytest.mark.rfc("R3263-4.3-1", "R3263-4.2-2")
def test_black_holed_server_is_left_for_the_next(name_server, sipstack_answer):
    answering, trace = sipstack_answer(), Trace()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as black_hole:
        black_hole.bind(("127.0.0.1", 0))
        server = name_server(
            f"""\
_sip._udp SRV 10 0 {black_hole.getsockname()[1]} hole
_sip._udp SRV 20 0 {answering.port} alive
hole A 127.0.0.1
alive A 127.0.0.1
"""
        )
        assert trio.run(ask, "sip:example.com", server, trace) == 200
    assert any("(hole.example.com) failed: no final response" in note.text for note in trace.notes), trace.ladder()


@pytest.mark.rfc("R3263-4.3-1")
def test_server_that_dies_in_mid_transaction_is_left_for_the_next(name_server, sipstack_answer):
    answering, trace = sipstack_answer(listen="tcp://127.0.0.1:0"), Trace()

    async def main() -> int:
        (dying,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def die(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.aclose()

        server = name_server(
            f"""\
_sip._tcp SRV 10 0 {dying.socket.getsockname()[1]} dying
_sip._tcp SRV 20 0 {answering.port} alive
dying A 127.0.0.1
alive A 127.0.0.1
"""
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, die, [dying])
            code = await ask("sip:example.com;transport=tcp", server, trace)
            nursery.cancel_scope.cancel()
        return code

    assert trio.run(main) == 200
    assert any("(dying.example.com) failed: " in note.text for note in trace.notes), trace.ladder()


def test_answers_carry_their_ttl(name_server):
    server = name_server("short 7 A 127.0.0.1\nshort 9 AAAA ::1\nlonely CNAME elsewhere.example.net.\nmail MX 1 ns\n")

    async def main() -> None:
        network = TrioNetwork(nameservers=[server])
        query = sip.resolver.Query
        both = await network.look_up(query("short.example.com", "address"))
        assert (sorted(both.records), both.ttl) == (["127.0.0.1", "::1"], 7.0)
        lonely = await network.look_up(query("lonely.example.com", "address"))
        assert (lonely.records, lonely.alias) == ((), "elsewhere.example.net")
        for name in ("mail.example.com", "nobody.example.com"):
            nothing = await network.look_up(query(name, "SRV"))
            assert (nothing.records, nothing.ttl) == ((), 60.0)  # as the SOA says

    trio.run(main)
