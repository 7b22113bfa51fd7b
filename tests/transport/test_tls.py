from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from cryptography.x509 import ExtendedKeyUsageOID

from sipstack.message import Limits, LocalProtocolError
from sipstack.testing import request, run
from sipstack.transactions import RequestReceived, ResponseReceived, TransactionFailed, TransportError
from sipstack.transport import ListenURL, TLSConfig
from sipstack.transport._codec import shake_hands
from sipstack.transport._context import Counters
from sipstack.transport._tls import TLSCodec, TLSContexts


@pytest.fixture
def url(authority):
    """Make the URL of a TLS listener."""

    def make(host, *dns, verify="server", **options):
        names = dns or (host, "10.0.0.1", "10.0.0.2") if not options else dns
        cert = authority.issue(*names, **options)
        return f"tls://{host}:5061?cert={cert}&ca={authority.file}&verify={verify}"

    return make


@pytest.fixture
def trusting(authority):
    return TLSConfig(ca=authority.file)


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def ask(number=1):
    return request(via=None, call_id=f"call-{number}")


def test_request_and_response(open_party, url, trusting):
    async def scenario(net):
        async with open_party(net, url("b"), seed=2) as b, open_party(net, tls=trusting) as a:
            a.send(ask(), "sip:b;transport=tls")
            await a.wait(ResponseReceived)
            (flow,) = a.core.flows
            assert (flow.transport, flow.remote, flow.is_secure) == ("TLS", (net.address_of("b"), 5061), True)
            (asked,) = b.of(RequestReceived)
            assert asked.request.top_via.transport == "TLS"
            assert a.transport.peer_certificate(flow).identities == ("b", "10.0.0.1", "10.0.0.2")
            assert b.transport.peer_certificate(asked.transaction.flow) is None
            assert str(b.transport.listeners[0]) == "tls://10.0.0.1:5061"

    run(scenario, delay=0.01)


@pytest.mark.rfc("R3261-8.1.1.2-3", "R3261-8.1.2-3", "R3261-8.1.2-5", "R3261-26.3.1-6")
def test_sips_goes_by_tls_whatever_else_there_is(open_party, url, trusting):
    async def scenario(net):
        async with (
            open_party(net, url("b"), "udp://b:5060", "tcp://b:5060", seed=2) as b,
            open_party(net, "udp://a:5060", "tcp://a:5060", tls=trusting) as a,
        ):
            a.send(ask(), "sips:b")
            await a.wait(ResponseReceived)
            assert b.of(RequestReceived)[0].transaction.flow.transport == "TLS"
            # Not even where a Route says otherwise, or a dialog was reached by another way before.
            secure = request(uri="sips:b", via=None, call_id="2")
            a.send(secure, "sip:b")
            await a.wait(ResponseReceived, 2)
            assert [flow.transport for flow in a.core.flows] == ["TLS", "TLS"]
            a.send(ask(3), "sip:b;transport=tcp")
            await a.wait(ResponseReceived, 3)
            plain = a.core.flows[-1]
            a.send(request(uri="sips:b", via=None, call_id="4"), "sips:b", plain)
            await a.wait(ResponseReceived, 4)
            assert a.core.flows[-1].transport == "TLS"
            a.send(request(uri="sips:b", via=None, call_id="5"), "sip:b;transport=udp")
            (detail,) = a.core.unroutables
            assert "UDP" in detail

    run(scenario)


@pytest.mark.rfc("R5922-7.3-1", "R5922-7.3-2", "R3261-26.3.1-5")
@pytest.mark.parametrize(
    ("names", "options", "host"),
    [
        ((), {"uris": ["sip:b"]}, "b"),
        (("b",), {}, "B;maddr=10.0.0.1"),
        ((), {"common_name": "b"}, "b"),
        (("10.0.0.1",), {}, "10.0.0.1"),
    ],
)
def test_certificates_that_are_for_the_host(open_party, url, trusting, names, options, host):
    async def scenario(net):
        async with open_party(net, url("b", *names, **options), seed=2), open_party(net, tls=trusting) as a:
            a.send(ask(), f"sips:{host}")
            await a.wait(ResponseReceived)

    run(scenario)


@pytest.mark.rfc("R5922-7.3-3", "R5922-7.1-1", "R5922-7.1-2", "R3261-26.2.2-2", "R3261-26.3.2.1-4")
@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (("c.example", "d.example"), {}, "the certificate is for c.example, d.example; wanted b"),
        (("b",), {"uris": ["sip:example.com"]}, "the certificate is for example.com; wanted b"),
        (("*",), {}, r"the certificate is for *; wanted b"),
        ((), {"uris": ["sip:alice@b"]}, "the certificate is for nobody; wanted b"),
        (("b",), {"days": -1}, "the certificate has expired"),
        (("b",), {"use": ExtendedKeyUsageOID.CLIENT_AUTH}, "the certificate is not meant for this use"),
    ],
)
def test_certificates_that_are_not(open_party, url, trusting, names, options, words):
    async def scenario(net):
        async with open_party(net, url("b", *names, **options), seed=2) as b, open_party(net, tls=trusting) as a:
            a.send(ask(), "sips:b")
            await trio.sleep(1)
            (detail,) = a.core.unroutables
            assert detail.startswith("no TLS connection to 10.0.0.1:5061: ")
            assert words in detail
            assert a.core.kinds == ["transport"]
            assert len(a.transport._pool) == 0
            assert len(b.transport._pool) == 0

    run(scenario)


@pytest.mark.rfc("R5922-7.8-1")
def test_server_is_told_the_name_that_is_wanted(authority):
    context = TLSContexts(TLSConfig(cert=authority.issue("b")), Counters()).server()
    named = []
    context.sni_callback = lambda _connection, name, _context: named.append(name)
    clients = TLSContexts(TLSConfig(ca=authority.file), Counters())
    for name in ("b.example.com.", "192.0.2.1"):
        TLSCodec(context).receive(clients.client_codec(name, None).take_outgoing())
    assert named == ["b.example.com", None]


def test_unknown_authority(open_party, url):
    async def scenario(net):
        async with open_party(net, url("b"), seed=2) as b, open_party(net) as a:
            a.send(ask(), "sips:b")
            await trio.sleep(1)
            (detail,) = a.core.unroutables
            assert "signed by an authority that is not trusted" in detail
            assert b.transport.counters.handshakes_failed == 1

    run(scenario)


def test_peer_that_speaks_no_tls(open_party, trusting, url):
    async def scenario(net):
        async with open_party(net, "tcp://b:5061", seed=2), open_party(net, tls=trusting) as a:
            a.send(ask(), "sips:b")
            await trio.sleep(40)
            (detail,) = a.core.unroutables
            assert detail == "10.0.0.1:5061 took the connection, and then nothing came; does it speak TLS?"

    run(scenario)


def test_peer_that_answers_in_plain_text(open_party, trusting):
    async def scenario(net):
        listener = await net.host("b").listen_stream("0.0.0.0", 5061)
        async with open_party(net, tls=trusting) as a:
            a.send(ask(), "sips:b")
            stream, _, _ = await listener.accept()
            stream.send_nowait(b"SIP/2.0 400 Bad Request\r\n\r\n")
            await trio.sleep(1)
            assert a.core.unroutables == ["no TLS connection to 10.0.0.1:5061: the peer does not speak TLS"]
        stream.close()
        listener.close()

    run(scenario)


def test_plain_sip_to_a_tls_port_is_closed(open_party, url):
    async def scenario(net):
        async with open_party(net, url("b")) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5061)
            stream.send_nowait(ask().serialise())
            while await stream.receive_some(10_000):
                pass
            assert b.transport.counters.handshakes_failed == 1
            assert not b.delivered
            stream.close()

    run(scenario)


@pytest.mark.rfc("R3261-26.3.1-1", "R5922-7.4-2")
def test_mutual(open_party, url):
    async def scenario(net):
        async with (
            open_party(net, url("b", verify="mutual"), seed=2) as b,
            open_party(net, url("a", uris=["sip:example.com"])) as a,
        ):
            a.send(ask(), "sips:b")
            await a.wait(ResponseReceived)
            flow = b.of(RequestReceived)[0].transaction.flow
            assert b.transport.peer_certificate(flow).identities == ("example.com",)
            # What our Via says is where we listen.
            assert a.core.flows[0].sent_by == f"{net.address_of('a')}:5061"

    run(scenario)


def test_mutual_without_a_certificate_fails_the_request_at_once(open_party, url, trusting):
    async def scenario(net):
        async with open_party(net, url("b", verify="mutual"), seed=2) as b, open_party(net, tls=trusting) as a:
            a.send(ask(), "sips:b")
            await trio.sleep(0.1)
            # With TLS 1.3 a client is through before the server has looked: the news finds a transaction or a route.
            details = a.core.unroutables + a.failures
            assert len(details) == 1
            assert "certificate required" in details[0]
            assert b.transport.counters.handshakes_failed == 1
            assert not b.delivered

    run(scenario)


@pytest.mark.rfc("R5922-7.4-1")
def test_optional_takes_both(open_party, url, trusting):
    async def scenario(net):
        async with (
            open_party(net, url("b", verify="optional"), seed=2) as b,
            open_party(net, tls=trusting) as a,
            open_party(net, url("c", uris=["sip:c.example"]), seed=3) as c,
        ):
            for party in (a, c):
                party.send(ask(), "sips:b")
                await party.wait(ResponseReceived)
            certificates = [b.transport.peer_certificate(each.transaction.flow) for each in b.of(RequestReceived)]
            assert certificates[0] is None
            assert certificates[1].identities == ("c.example",)

    run(scenario)


def test_verify_none_takes_anybody(open_party, url):
    async def scenario(net):
        lax = TLSConfig(verify="none")
        async with open_party(net, url("b", "wrong.example"), seed=2), open_party(net, tls=lax) as a:
            a.send(ask(), "sips:b")
            await a.wait(ResponseReceived)
            assert a.transport.peer_certificate(a.core.flows[0]) is None

    run(scenario)


@pytest.mark.rfc("R5923-8.1-4", "R5923-8.1-8", "R5923-8.1-9", "R5923-8.1-10", "R5923-9.3-2")
def test_connection_is_used_again_for_whom_it_proved_to_be_and_no_other(open_party, url, trusting):
    async def scenario(net):
        host = net.address_of("b")
        async with open_party(net, url("b", "b", "b2", host), seed=2) as b, open_party(net, tls=trusting) as a:
            for number, name in enumerate(["b", "b", f"b2;maddr={host}", host]):
                a.send(ask(number), f"sips:{name}")
                await a.wait(ResponseReceived, number + 1)
            assert b.transport.counters.connections_accepted == 1
            a.send(ask(9), f"sips:b3;maddr={host}")
            await trio.sleep(1)
            assert a.core.unroutables == [
                f"no TLS connection to {host}:5061: the certificate is for b, b2, {host}; wanted b3"
            ]
            assert b.transport.counters.connections_accepted == 2

    run(scenario)


def test_second_connection_resumes_the_session(open_party, url, trusting):
    async def scenario(net):
        async with open_party(net, url("b"), seed=2), open_party(net, tls=trusting) as a:
            resumed = []
            for number in range(3):
                a.send(ask(number), "sips:b")
                await a.wait(ResponseReceived, number + 1)
                (connection,) = a.transport._pool._connections.values()
                resumed.append(connection._codec.is_resumed)
                assert a.transport.peer_certificate(connection.flow).is_for("b")
                connection.lose("for the test")
            assert resumed == [False, True, True]

    run(scenario)


def test_changed_certificate_is_shown_to_the_next_and_open_connections_stay(open_party, authority, trusting, tmp_path):
    async def scenario(net):
        cert = authority.issue("b", into=str(tmp_path / "b.pem"))
        async with open_party(net, f"tls://b:5061?cert={cert}", seed=2) as b, open_party(net, tls=trusting) as a:
            a.send(ask(1), "sips:b")
            await a.wait(ResponseReceived)
            first = a.core.flows[0]
            # Half of a pair, as it may lie there while it is renewed, changes nothing.
            cut_short(Path(cert))
            async with open_party(net, tls=trusting, seed=3) as c:
                c.send(ask(1), "sips:b")
                await c.wait(ResponseReceived)
                assert b.transport.counters.certificates_refused == 1
            authority.issue("b", "new.example", into=cert)
            async with open_party(net, tls=trusting, seed=4) as c:
                c.send(ask(1), "sips:b")
                await c.wait(ResponseReceived)
                assert c.transport.peer_certificate(c.core.flows[0]).identities == ("b", "new.example")
            a.send(ask(2), "sips:b")
            await a.wait(ResponseReceived, 2)
            assert a.core.flows[1] == first

    run(scenario)


def test_silent_peer_is_given_up_in_the_handshake(open_party, url):
    async def scenario(net):
        limits = Limits(handshake_seconds=5)
        async with open_party(net, url("b"), limits=limits) as b:
            streams = [(await net.host("a").connect_stream(net.address_of("b"), 5061))[0] for _ in range(200)]
            for count in range(6):  # one byte a second is no progress
                for stream in streams:
                    if count < 5:
                        stream.send_nowait(b"\x16\x03\x01\x02\x00"[count : count + 1])
                await trio.sleep(1)
            assert b.transport.counters.handshakes_failed == 200
            assert b.transport._pool._from_source == {}
            for stream in streams:
                assert await stream.receive_some(10) == b""
                stream.close()

    run(scenario)


def test_peers_in_the_handshake_count_as_connections(open_party, url):
    async def scenario(net):
        async with open_party(net, url("b"), limits=Limits(connections_per_source=3)) as b:
            streams = [(await net.host("a").connect_stream(net.address_of("b"), 5061))[0] for _ in range(5)]
            await trio.sleep(1)
            assert b.transport.counters.connections_refused == 2
            for stream in streams:
                stream.close()

    run(scenario)


def test_server_that_never_answers_the_handshake(open_party, trusting):
    async def scenario(net):
        listener = await net.host("b").listen_stream("0.0.0.0", 5061)
        async with open_party(net, tls=trusting) as a:
            a.send(ask(), "sips:b")
            await trio.sleep(11)
            assert "does it speak TLS?" in a.core.unroutables[0]
        stream, _, _ = await listener.accept()
        stream.close()
        listener.close()

    run(scenario)


def test_reset_between_invite_and_200_fails_the_transaction_at_once(open_party, url, trusting):
    async def scenario(net):
        async with open_party(net, url("b"), seed=2, code=None) as b, open_party(net, tls=trusting) as a:
            a.send(request("INVITE", via=None), "sips:b")
            await b.wait(RequestReceived)
            before = trio.current_time()
            net.reset("local", "b")
            (failed,) = await a.wait(TransactionFailed)
            assert failed.kind == "transport"
            assert trio.current_time() == before

    run(scenario, delay=0.05)


def test_peer_that_takes_nothing_is_cut_off(open_party, url, trusting):
    async def scenario(net):
        limits = Limits(write_buffer=100_000)
        async with open_party(net, url("b"), seed=2, limits=limits, code=None) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5061)
            codec = TLSContexts(trusting, Counters()).client_codec("b", None)
            await shake_hands(stream, codec)
            stream.send_nowait(codec.send(request(via="SIP/2.0/TLS a").serialise()))
            (asked,) = await b.wait(RequestReceived)
            flow = asked.transaction.flow
            for number in range(20):
                b.send(request(via=None, call_id=f"{number}", body=b"x" * 10_000), "sip:nowhere;transport=tls", flow)
            await trio.lowlevel.checkpoint()
            assert b.transport.counters.connections_overrun == 1
            stream.close()

    run(scenario)


@pytest.mark.rfc(
    *("R5923-8.1-3", "R5923-8.1-6", "R5923-8.2-4", "R5923-8.2-5", "R5923-8.2-6", "R5923-8.2-7", "R5923-8.2-8")
)
def test_two_servers_share_one_connection(open_party, url):
    """Who shows its own certificate says alias, and is sent to by its own connection (RFC 5923)."""

    async def scenario(net):
        async with (
            open_party(net, url("b", verify="mutual"), seed=2) as b,
            open_party(net, url("a", "a")) as a,
        ):
            a.send(ask(), "sips:b")
            await a.wait(ResponseReceived)
            assert "alias" in b.of(RequestReceived)[0].request.top_via.parameters
            b.send(ask(2), "sips:a")
            await b.wait(ResponseReceived)
            assert b.transport.counters.connections_opened == 0
            # For another name at the same place, it is no way.
            b.send(ask(3), f"sips:other;maddr={net.address_of('a')}")
            await trio.sleep(1)
            assert "the certificate is for a; wanted other" in b.core.unroutables[0]
            # Once it is gone, a new one is opened.
            next(iter(b.transport._pool._connections.values())).lose("for the test")
            b.send(ask(4), "sips:a")
            await b.wait(ResponseReceived, 2)
            assert b.transport.counters.connections_opened == 1

    run(scenario)


@pytest.mark.parametrize(("alias", "opened"), [("", 1), (";alias", 0)])
def test_verified_peer_is_sent_to_by_its_connection_only_if_it_asks(open_party, url, authority, alias, opened):
    async def scenario(net):
        async with open_party(net, url("b", verify="mutual"), seed=2) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5061)
            shown = TLSConfig(cert=authority.issue("a"), ca=authority.file)
            codec = TLSContexts(shown, Counters()).client_codec("b", None)
            await shake_hands(stream, codec)
            stream.send_nowait(codec.send(request(via=f"SIP/2.0/TLS a{alias}").serialise()))
            await b.wait(RequestReceived)
            b.send(ask(2), "sips:a")
            await trio.sleep(1)
            assert len(b.core.unroutables) == opened
            stream.close()

    run(scenario)


@pytest.mark.rfc("R5923-8.2-3", "R5923-9.2-2", "R5923-9.2-3")
def test_via_that_cannot_be_read_makes_no_alias(open_party, url, authority):
    async def scenario(net):
        async with open_party(net, url("b", verify="mutual"), seed=2) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5061)
            shown = TLSConfig(cert=authority.issue("a"), ca=authority.file)
            codec = TLSContexts(shown, Counters()).client_codec("b", None)
            await shake_hands(stream, codec)
            data = request(via="SIP/2.0/TLS a").serialise().replace(b";branch=", b";alias;=;branch=")
            stream.send_nowait(codec.send(data) + codec.send(request(via="SIP/2.0/TLS a").serialise()))
            await b.wait(RequestReceived)
            assert b.transport._pool._by_remote == {}
            stream.close()

    run(scenario)


@pytest.mark.rfc("R3261-18.2.2-3")
@pytest.mark.parametrize(("names", "is_sent"), [(("a",), True), (("other",), False)])
def test_response_to_a_closed_connection_goes_to_its_via(open_party, url, authority, trusting, names, is_sent):
    async def scenario(net):
        async with open_party(net, url("b"), seed=2, code=None, tls=trusting) as b:
            host = net.host("a")
            stream, _, _ = await host.connect_stream(net.address_of("b"), 5061)
            codec = TLSContexts(trusting, Counters()).client_codec("b", None)
            await shake_hands(stream, codec)
            stream.send_nowait(codec.send(request(via="SIP/2.0/TLS a:5099").serialise()))
            (asked,) = await b.wait(RequestReceived)
            stream.close()
            await trio.sleep(1)
            listener = await host.listen_stream("0.0.0.0", 5099)
            b.core.respond(asked.transaction, asked.request.create_response(486, to_tag="t"), trio.current_time())
            b.transport.flush()
            stream, _, _ = await listener.accept()
            server = TLSCodec(TLSContexts(TLSConfig(cert=authority.issue(*names)), Counters()).server())
            if is_sent:
                (piece,) = await shake_hands(stream, server) or server.receive(await stream.receive_some(10_000))
                assert piece.startswith(b"SIP/2.0 486")
                assert b.transport.counters.sends_failed == 0
            else:
                with pytest.raises(TransportError, match="closed the connection"):
                    await shake_hands(stream, server)
                await trio.sleep(1)
                assert b.transport.counters.sends_failed == 1
            stream.close()
            listener.close()

    run(scenario)


def test_alias_of_a_peer_without_a_certificate_is_ignored(open_party, url, trusting):
    async def scenario(net):
        async with open_party(net, url("b", verify="optional"), seed=2) as b:
            stream, local, _ = await net.host("a").connect_stream(net.address_of("b"), 5061)
            codec = TLSContexts(trusting, Counters()).client_codec("b", None)
            await shake_hands(stream, codec)
            stream.send_nowait(codec.send(request(via=f"SIP/2.0/TLS {local[0]}:5061;alias").serialise()))
            await b.wait(RequestReceived)
            for uri in (f"sips:{local[0]}", f"sips:{local[0]}:{local[1]}"):
                b.send(ask(uri), uri)
            await trio.sleep(1)
            assert len(b.core.unroutables) == 2
            stream.close()

    run(scenario)


def test_keep_alive_and_a_message_in_pieces(open_party, url, trusting):
    async def scenario(net):
        async with open_party(net, url("b"), seed=2) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5061)
            codec = TLSContexts(trusting, Counters()).client_codec("b", None)
            await shake_hands(stream, codec)
            data = codec.send(b"\r\n\r\n" + request(via="SIP/2.0/TLS a").serialise())
            for place in range(len(data)):
                stream.send_nowait(data[place : place + 1])
            got = b""
            while b"\r\n\r\n" not in got:
                got += b"".join(codec.receive(await stream.receive_some(10_000)))
            assert got.startswith(b"\r\nSIP/2.0 200")
            assert b.transport.counters.keepalives == 1
            stream.send_nowait(codec.close())
            await trio.sleep(1)
            assert len(b.transport._pool) == 0
            stream.close()

    run(scenario)


def test_garbage_within_tls_ends_the_connection(open_party, url, trusting):
    async def scenario(net):
        async with open_party(net, url("b"), seed=2) as b:
            stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), 5061)
            await shake_hands(stream, TLSContexts(trusting, Counters()).client_codec("b", None))
            stream.send_nowait(b"\x17\x03\x03\x00\x05hello")
            while await stream.receive_some(10_000):
                pass
            assert len(b.transport._pool) == 0
            stream.close()

    run(scenario)


def test_old_versions_are_refused(authority):
    server = TLSContexts(TLSConfig(cert=authority.issue("b")), Counters()).server()
    assert server.minimum_version is ssl.TLSVersion.TLSv1_2
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    versions = []
    for context in (client, TLSContexts(TLSConfig(verify="none"), Counters())):
        ours = TLSCodec(server)
        theirs = TLSCodec(context) if isinstance(context, ssl.SSLContext) else context.client_codec("b", None)
        while not (ours.is_ready and theirs.is_ready):
            ours.receive(theirs.take_outgoing())
            theirs.receive(ours.take_outgoing())
        versions.append(ours.version)
    assert versions == ["TLSv1.2", "TLSv1.3"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tls://a?cert=x&colour=red", "no parameter 'colour'"),
        ("tls://a?key=x", "key without a certificate"),
        ("tls://a?verify=maybe", "not 'maybe'"),
        ("tls://a?cert=x&cert=y", "twice"),
        ("tcp://a?cert=x", "tcp has no such thing"),
    ],
)
def test_wrong_parameters(text, words):
    with pytest.raises(LocalProtocolError, match=words):
        ListenURL.parse(text)


def test_parameters():
    assert TLSConfig.parse("ca=/ca.pem&verify=none") == TLSConfig(ca="/ca.pem", verify="none")
    with pytest.raises(LocalProtocolError, match="is not like cert=FILE"):
        TLSConfig.parse("/ca.pem")
    url = ListenURL.parse("TLS://[::1]?cert=/c.pem&key=%2Fk+1.pem&ca=/ca.pem&verify=mutual")
    assert url == ListenURL("tls", "::1", 5061, TLSConfig(cert="/c.pem", key="/k 1.pem", ca="/ca.pem", verify="mutual"))
    assert str(url) == "tls://[::1]:5061"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "name the file as cert"),
        ("?cert=/nowhere.pem", "/nowhere.pem: No such file"),
        ("?cert={ca}", "no certificate with its key"),
        ("?cert={cert}&ca=/nowhere.pem&verify=mutual", "no authorities' certificates can be read from /nowhere.pem"),
    ],
)
def test_files_that_cannot_be_used_are_known_at_once(open_party, authority, query, words):
    async def scenario(net):
        text = query.format(ca=authority.file, cert=authority.issue("b"))
        async with open_party(net) as party:
            with pytest.raises(TransportError, match=f"Cannot listen at tls://b:5061: .*{words}"):
                await party.transport.listen(f"tls://b:5061{text}")

    run(scenario)


def test_key_with_a_passphrase_is_an_error_and_asks_nobody(authority, tmp_path):
    from cryptography.hazmat.primitives import serialization

    plain = Path(authority.issue("b")).read_bytes()
    key = serialization.load_pem_private_key(plain, None)
    sealed = tmp_path / "sealed.pem"
    sealed.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    (tmp_path / "cert.pem").write_bytes(plain)
    with pytest.raises(TransportError, match="no certificate with its key"):
        TLSContexts(TLSConfig(cert=str(tmp_path / "cert.pem"), key=str(sealed)), Counters()).server()


def test_name_that_no_certificate_could_have(open_party, trusting):
    async def scenario(net):
        async with open_party(net, tls=trusting) as a:
            a.send(ask(), f"sips:{'x' * 64}.example")
            await trio.sleep(1)
            assert "is no name that a certificate could be for" in a.core.unroutables[0]

    run(scenario)


def test_real_sockets(open_party, authority, trusting):
    async def main():
        cert = authority.issue("127.0.0.1")
        async with (
            open_party(None, f"tls://127.0.0.1:0?cert={cert}", seed=2) as b,
            open_party(None, tls=trusting) as a,
        ):
            port = b.transport.listeners[0].port
            for number in range(3):
                a.send(ask(number), f"sips:127.0.0.1:{port}")
                await a.wait(ResponseReceived, number + 1, timeout=10)
            assert b.transport.counters.connections_accepted == 1

    trio.run(main)
