from __future__ import annotations

import base64
import sys
from contextlib import asynccontextmanager

import pytest
import trio
import trio.lowlevel
from websockets.frames import Frame, Opcode

from sipstack.message import Limits, LocalProtocolError
from sipstack.testing import request, run
from sipstack.transactions import Dropped, RequestReceived, ResponseReceived, TransactionFailed, TransportError
from sipstack.transport import ListenURL, TLSConfig
from sipstack.transport._codec import shake_hands
from sipstack.transport._websocket import WebSocketCodec

KEY = base64.b64encode(b"k" * 16).decode()


def ask(number=1, **options):
    return request(via=None, call_id=f"call-{number}", **options)


def handshake(*extra, path="/", leave_out=()):
    fields = {
        "Host": "b",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "sip",
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if name not in leave_out]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, *extra, "", ""]).encode()


def masked(opcode, data, *, fin=True):
    return Frame(opcode, data, fin=fin).serialize(mask=True)


class Browser:
    """A WebSocket client that does what it is told, right or wrong."""

    def __init__(self, stream) -> None:
        self.stream = stream
        self.codec = None

    async def open(self, **options) -> None:
        self.codec = WebSocketCodec.for_client(Limits(), None, host="b", port=80, path="/")
        await shake_hands(self.stream, self.codec)

    async def answer_to(self, data: bytes) -> bytes:
        self.stream.send_nowait(data)
        return await self.stream.receive_some(65_536)

    async def receive(self) -> bytes:
        while not (pieces := self.codec.receive(await self.stream.receive_some(65_536))):
            pass
        return pieces[0]

    async def rest(self) -> bytes:
        """Return what comes until the connection is closed."""
        received = b""
        while data := await self.stream.receive_some(65_536):
            received += data
        return received


@asynccontextmanager
async def browser(net, port=80, *, is_open=True):
    stream, _, _ = await net.host("a").connect_stream(net.address_of("b"), port)
    peer = Browser(stream)
    try:
        if is_open:
            await peer.open()
        yield peer
    finally:
        stream.close()


@pytest.fixture
def secure(authority):
    """Return the query of a WSS listener for b, and who trusts it."""
    return f"cert={authority.issue('b')}", TLSConfig(ca=authority.file)


@pytest.mark.rfc("R7118-4.1-1", "R7118-5-1")
def test_ws_client_and_server(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80", seed=2) as b, open_party(net) as a:
            a.send(ask(), "sip:b;transport=ws")
            await a.wait(ResponseReceived)
            (flow,) = a.core.flows
            assert (flow.transport, flow.remote, flow.is_reliable) == ("WS", (net.address_of("b"), 80), True)
            # RFC 7118: a client is at no place that a name could tell.
            assert flow.sent_by.endswith(".invalid")
            via = b.of(RequestReceived)[0].request.top_via
            assert (via.transport, via.host) == ("WS", flow.sent_by)
            # The server asks back by the same connection.
            b.send(ask(2), f"sip:a@{flow.sent_by};transport=ws", b.of(RequestReceived)[0].transaction.flow)
            await b.wait(ResponseReceived)
            assert a.of(RequestReceived)[0].request.top_via.host == net.address_of("b")

    run(scenario, delay=0.01)


def test_wss_client_and_server(open_party, secure):
    async def scenario(net):
        query, trusting = secure
        async with open_party(net, f"wss://b:443?{query}", seed=2) as b, open_party(net, tls=trusting) as a:
            a.send(ask(), "sips:b;transport=ws")
            await a.wait(ResponseReceived)
            (flow,) = a.core.flows
            assert (flow.transport, flow.remote[1], flow.is_secure) == ("WSS", 443, True)
            assert a.transport.peer_certificate(flow).identities == ("b",)
            # Contacts of WSS clients say transport=ws as well.
            b.send(ask(2), f"sip:a@{flow.sent_by};transport=ws", b.of(RequestReceived)[0].transaction.flow)
            await b.wait(ResponseReceived)

    run(scenario)


@pytest.mark.rfc("R7118-9.2-1")
def test_sips_never_goes_by_ws(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80", seed=2) as b, open_party(net) as a:
            a.send(ask(), "sip:b;transport=ws")
            await a.wait(ResponseReceived)
            secure = request(uri="sips:b", via=None, call_id="2")
            a.send(secure, "sip:b;transport=ws", a.core.flows[0])
            a.send(request(uri="sips:b", via=None, call_id="3"), "sips:b;transport=ws", a.core.flows[0])
            await trio.sleep(1)
            assert len(a.core.unroutables) == 2
            assert len(b.of(RequestReceived)) == 1

    run(scenario)


@pytest.mark.rfc("R7118-9.1-2")
@pytest.mark.parametrize(
    ("names", "uris", "host", "error"),
    [
        (["b"], [], "c", "certificate is not valid for 'c'"),
        (["10.0.0.9"], [], "10.0.0.1", "certificate is not valid for '10.0.0.1'"),
        (["x.example"], ["sip:b.example"], "b.example", "certificate is not valid for 'b.example'"),
        # A web server's certificate may have a wildcard; a SIP server's may not.
        (["*.b.example"], [], "a.b.example", ""),
        (["b.example"], ["sip:x.example"], "b.example", ""),
        (["10.0.0.1"], [], "10.0.0.1", ""),
    ],
)
def test_wss_server_is_known_by_the_rules_of_the_web(open_party, authority, names, uris, host, error):
    async def scenario(net):
        url = f"wss://b:443?cert={authority.issue(*names, uris=uris)}"
        async with open_party(net, url, seed=2), open_party(net, tls=TLSConfig(ca=authority.file)) as a:
            a.send(ask(), f"sips:{host};transport=ws;maddr={net.address_of('b')}")
            await trio.sleep(1)
            if error:
                assert a.core.unroutables == [f"no WSS connection to 10.0.0.1:443: {error}"]
            else:
                assert len(a.of(ResponseReceived)) == 1

    run(scenario)


@pytest.mark.rfc("R7118-4.1-2")
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (handshake(leave_out=["Sec-WebSocket-Protocol"]), b"400"),
        (handshake("Sec-WebSocket-Protocol: xmpp", leave_out=["Sec-WebSocket-Protocol"]), b"400"),
        (handshake(leave_out=["Upgrade"]), b"426"),
        (handshake(leave_out=["Sec-WebSocket-Key"]), b"400"),
        (handshake("Origin: https://evil.example"), b"403"),
        (handshake("Origin: https://phone.example"), b"101"),
        (handshake(), b"101"),
        (handshake(path="/other"), b"404"),
        (handshake(path="/sip?token=1"), b"101"),
        (handshake(*["X: y"] * 200), b"431"),
        (b"POST /sip HTTP/1.1\r\n\r\n", b"405"),
        (b"OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/WS a\r\n\r\n", b""),  # not even HTTP
        (b"\xff\xfe\r\n\r\n", b""),
    ],
)
def test_handshakes(open_party, data, status):
    if b"GET / " in data:
        data = data.replace(b"GET / ", b"GET /sip ")

    async def scenario(net):
        url = "ws://b:80/sip?origin=https://phone.example&origin=https://other.example"
        async with open_party(net, url) as b, browser(net, is_open=False) as peer:
            answer = await peer.answer_to(data)
            assert answer.split()[1:2] == [status][: len(status)]
            if status == b"101":
                assert b"Sec-WebSocket-Protocol: sip\r\n" in answer
            else:
                await peer.rest()
                await trio.lowlevel.checkpoint()
                assert b.transport.counters.handshakes_failed == 1
                assert b.transport._pool._from_source == {}

    run(scenario)


def test_frames_that_come_with_the_handshake(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net, is_open=False) as peer:
            data = request(via="SIP/2.0/WS x.invalid").serialise()
            peer.stream.send_nowait(handshake() + masked(Opcode.TEXT, data))
            await b.wait(RequestReceived)

    run(scenario)


def test_broken_frame_that_comes_with_the_handshake(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net, is_open=False) as peer:
            peer.stream.send_nowait(handshake() + b"\xff\xff\xff\n\xff")
            assert b"101" in await peer.rest()
            assert len(b.transport._pool) == 0

    run(scenario)


@pytest.mark.rfc("R7118-4.2-1")
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_message_in_fragments_with_a_ping_between_and_no_content_length(open_party, opcode):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net) as peer:
            data = request(via="SIP/2.0/WS x.invalid", body=b"hello").serialise()
            data = data.replace(b"Content-Length: 5\r\n", b"")
            parts = [
                masked(opcode, data[:20], fin=False),
                masked(Opcode.PING, b"there?"),
                masked(Opcode.CONT, b"", fin=False),
                masked(Opcode.CONT, data[20:]),
            ]
            for byte in b"".join(parts):
                peer.stream.send_nowait(bytes([byte]))
            assert (await peer.receive()).startswith(b"SIP/2.0 200")
            assert b.of(RequestReceived)[0].request.body == b"hello"

    run(scenario)


@pytest.mark.rfc("R7118-4.2-2", "R7118-4.2-3")
def test_binary_where_it_is_not_utf8(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net) as peer:
            via = "SIP/2.0/WS x.invalid"
            peer.stream.send_nowait(masked(Opcode.BINARY, request(via=via, body=b"\xff").serialise()))
            await peer.receive()
            flow = b.of(RequestReceived)[0].transaction.flow
            kinds = []
            for number, body in enumerate([b"ascii", "ü".encode(), b"\xff"]):
                b.send(ask(number, body=body), "sip:x.invalid;transport=ws", flow)
                kinds.append((await peer.stream.receive_some(65_536))[0] & 15)
            assert kinds == [Opcode.TEXT, Opcode.TEXT, Opcode.BINARY]

    run(scenario)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(Opcode.TEXT, b"\xff"), 1007),
        (masked(Opcode.TEXT, b"x" * 70_000), 1009),
        (masked(Opcode.TEXT, b"x" * 40_000, fin=False) + masked(Opcode.CONT, b"x" * 40_000), 1009),
        (masked(Opcode.CONT, b"x"), 1002),
        (b"\x81\x01x", 1002),  # not masked
        (b"\xf1\x80kkkk", 1002),
    ],
    ids=["not UTF-8", "too long", "too long in fragments", "continues nothing", "not masked", "reserved bits"],
)
def test_broken_websocket_is_told_and_closed(open_party, data, code):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net) as peer:
            peer.stream.send_nowait(data)
            close = await peer.rest()
            assert (close[0], int.from_bytes(close[2:4], "big")) == (0x88, code)
            assert len(b.transport._pool) == 0

    run(scenario)


def test_closing_handshake(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net) as peer:
            peer.stream.send_nowait(masked(Opcode.CLOSE, (1000).to_bytes(2, "big")))
            assert (await peer.rest())[:1] == b"\x88"
            assert len(b.transport._pool) == 0

    run(scenario)


def test_our_close_says_that_we_go_away(open_party):
    async def scenario(net):
        async with browser_of(net) as (peer, party):
            await party.transport.aclose()
            close = await peer.rest()
            assert (close[0], int.from_bytes(close[2:4], "big")) == (0x88, 1001)

    @asynccontextmanager
    async def browser_of(net):
        async with open_party(net, "ws://b:80") as b, browser(net) as peer:
            yield peer, b

    run(scenario)


def test_garbage_in_a_frame_is_dropped_and_the_connection_stays(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net) as peer:
            peer.stream.send_nowait(masked(Opcode.TEXT, b"nonsense"))
            await b.wait(Dropped)
            peer.stream.send_nowait(masked(Opcode.TEXT, request(via="SIP/2.0/WS x.invalid").serialise()))
            assert (await peer.receive()).startswith(b"SIP/2.0 200")

    run(scenario)


@pytest.mark.rfc("R7118-5-2")
def test_what_follows_a_message_in_its_frame_is_dropped(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net) as peer:
            data = request(via="SIP/2.0/WS x.invalid").serialise()
            other = request(via="SIP/2.0/WS x.invalid", branch="z9hG4bK-2", call_id="2").serialise()
            peer.stream.send_nowait(masked(Opcode.TEXT, data + other))
            await peer.receive()
            await trio.sleep(1)
            assert len(b.of(RequestReceived)) == 1

    run(scenario)


def test_double_crlf_is_answered_with_one(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b, browser(net) as peer:
            peer.stream.send_nowait(masked(Opcode.TEXT, b"\r\n\r\n"))
            assert await peer.receive() == b"\r\n"
            peer.stream.send_nowait(masked(Opcode.TEXT, b"\r\n"))
            await trio.sleep(1)
            assert b.transport.counters.keepalives == 1
            assert len(b.transport._pool) == 1

    run(scenario)


def test_silent_peer_is_pinged_and_then_closed(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80", limits=Limits(ping_seconds=25)) as b, browser(net) as peer:
            assert (await peer.stream.receive_some(100))[0] == 0x89
            assert 25 <= trio.current_time() < 26
            await peer.rest()
            assert 50 <= trio.current_time() < 51
            assert b.transport.counters.connections_expired == 1

    run(scenario)


def test_peer_that_pongs_stays_for_hours(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80", seed=2) as b, open_party(net) as a:
            a.send(ask(), "sip:b;transport=ws")
            await a.wait(ResponseReceived)
            await trio.sleep(7_200)
            b.send(ask(2), "sip:x.invalid;transport=ws", b.of(RequestReceived)[0].transaction.flow)
            await b.wait(ResponseReceived)
            assert a.transport.counters.connections_opened == 1

    run(scenario)


def test_slow_message_is_not_waited_for(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80", limits=Limits(message_seconds=32)) as b, browser(net) as peer:
            frame = masked(Opcode.TEXT, b"x" * 1_000)
            for place in range(40):
                if b.transport._pool._connections:
                    peer.stream.send_nowait(frame[place : place + 1])
                await trio.sleep(1)
            assert b.transport.counters.connections_expired == 1

    run(scenario)


def test_slow_handshakes_on_many_connections_do_not_keep_others_out(open_party):
    async def scenario(net):
        limits = Limits(handshake_seconds=5, connections_per_source=1_000)
        async with open_party(net, "ws://b:80", limits=limits, seed=2) as b, open_party(net) as a:
            streams = [(await net.host("c").connect_stream(net.address_of("b"), 80))[0] for _ in range(1_000)]
            for place in range(4):
                for stream in streams:
                    stream.send_nowait(handshake()[place : place + 1])
                await trio.sleep(1)
            a.send(ask(), "sip:b;transport=ws")
            await a.wait(ResponseReceived)
            await trio.sleep(2)
            assert b.transport.counters.handshakes_failed == 1_000
            assert len(b.transport._pool) == 1
            for stream in streams:
                stream.close()

    run(scenario)


class DeafStream:
    """Says what a peer needs to get in, and takes nothing."""

    is_closed = False

    async def receive_some(self, _max_bytes):
        return handshake()

    def send_nowait(self, _data):
        return 0

    async def wait_writable(self):
        await trio.sleep_forever()

    def close(self):
        self.is_closed = True


def test_peer_that_does_not_take_the_answer_is_not_let_in(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80") as b:
            stream = DeafStream()
            (acceptor,) = b.transport._listeners
            b.transport._pool.accept(stream, "WS", ("10.0.0.1", 80), ("10.0.0.9", 4_000), acceptor._new_codec)
            await trio.sleep(11)
            assert stream.is_closed
            assert b.transport.counters.handshakes_failed == 1
            assert len(b.transport._pool) == 0

    run(scenario)


def test_reset_between_invite_and_200_fails_the_transaction_at_once(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80", seed=2, code=None) as b, open_party(net) as a:
            a.send(request("INVITE", via=None), "sip:b;transport=ws")
            await b.wait(RequestReceived)
            before = trio.current_time()
            net.reset("local", "b")
            (failed,) = await a.wait(TransactionFailed)
            assert (failed.kind, trio.current_time()) == ("transport", before)

    run(scenario)


def test_response_to_a_closed_connection_has_nowhere_to_go(open_party):
    async def scenario(net):
        async with open_party(net, "ws://b:80", code=None) as b:
            async with browser(net) as peer:
                peer.stream.send_nowait(masked(Opcode.TEXT, request("INVITE", via="SIP/2.0/WS x.invalid").serialise()))
                (asked,) = await b.wait(RequestReceived)
            await trio.sleep(1)
            b.core.respond(asked.transaction, asked.request.create_response(486, to_tag="t"), trio.current_time())
            b.transport.flush()
            await b.wait(TransactionFailed)
            assert b.transport.counters.connections_opened == 0

    run(scenario)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404 Not Found"),
        (b"SIP/2.0 400 Bad Request\r\n\r\n", "the peer broke WebSocket: did not receive a valid HTTP response"),
        (b"", "closed the connection during the handshake"),
    ],
)
def test_server_that_is_none(open_party, answer, words):
    async def scenario(net):
        listener = await net.host("b").listen_stream("0.0.0.0", 80)
        async with open_party(net) as a:
            a.send(ask(), "sip:b;transport=ws")
            stream, _, _ = await listener.accept()
            await stream.receive_some(10_000)
            if answer:
                stream.send_nowait(answer)
            stream.close()
            await trio.sleep(1)
            assert words in a.core.unroutables[0]
        listener.close()

    run(scenario)


def test_server_without_the_subprotocol(open_party):
    async def scenario(net):
        from websockets.server import ServerProtocol

        listener = await net.host("b").listen_stream("0.0.0.0", 80)
        async with open_party(net) as a:
            a.send(ask(), "sip:b;transport=ws")
            stream, _, _ = await listener.accept()
            server = ServerProtocol()
            server.receive_data(await stream.receive_some(10_000))
            (opening,) = server.events_received()
            assert opening.path == "/"
            assert opening.headers["Host"] == "b"
            server.send_response(server.accept(opening))
            stream.send_nowait(b"".join(server.data_to_send()))
            await trio.sleep(1)
            assert a.core.unroutables == [
                "no WS connection to 10.0.0.1:80: the peer speaks WebSocket, but not the subprotocol sip"
            ]
            stream.close()
        listener.close()

    run(scenario)


def test_without_the_library_it_is_said_what_to_install(open_party, monkeypatch):
    monkeypatch.setitem(sys.modules, "sipstack.transport._websocket", None)

    async def scenario(net):
        async with open_party(net) as a:
            with pytest.raises(TransportError, match=r"Cannot listen at ws://a:80: .* pip install 'sipstack\[ws\]'"):
                await a.transport.listen("ws://a:80")
            a.send(ask(), "sip:b;transport=ws")
            await trio.sleep(1)
            assert a.core.unroutables == [
                "no WS connection to 10.0.0.2:80: WebSocket needs the websockets library: pip install 'sipstack[ws]'"
            ]

    run(scenario)


def test_urls():
    url = ListenURL.parse("wss://h/sip?origin=https://a.example&origin=https://b.example&cert=c.pem")
    assert (url.port, url.path, url.origins) == (443, "/sip", ("https://a.example", "https://b.example"))
    assert url.tls == TLSConfig(cert="c.pem")
    assert str(url) == "wss://h:443/sip"
    assert ListenURL.parse("ws://h/") == ListenURL("ws", "h", 80)
    for text in ("tls://h/sip", "ws://h?cert=c.pem", "tcp://h?origin=x"):
        with pytest.raises(LocalProtocolError):
            ListenURL.parse(text)
