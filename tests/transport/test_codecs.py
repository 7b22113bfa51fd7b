"""Whatever a peer sends, a codec gives pieces or says what is wrong; nothing else comes out of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from sipstack.message import DEFAULT_LIMITS
from sipstack.transactions import TransportError
from sipstack.transport._context import Counters
from sipstack.transport._tls import TLSCodec, TLSConfig, TLSContexts
from sipstack.transport._websocket import WebSocketCodec

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: a2tra2tra2tra2tra2traw==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
FRAMES = st.builds(
    lambda opcode, data, fin: Frame(opcode, data, fin=fin or opcode >= Opcode.CLOSE).serialize(mask=True),
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG]),
    st.binary(max_size=100),
    st.booleans(),
)
CLOSE = st.builds(lambda data: Frame(Opcode.CLOSE, data).serialize(mask=True), st.binary(max_size=20))
SOUP = st.lists(st.one_of(FRAMES, CLOSE, st.binary(max_size=30)), max_size=8).map(b"".join)


def feed(codec, data, cuts):
    """Hand a codec all it can take, in pieces, as a connection does; return what it said itself."""
    said = b""
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        try:
            codec.receive(data[start:end])
        except TransportError:
            break
        finally:
            said += codec.take_outgoing()
        assert isinstance(codec.has_partial, bool)
        if codec.has_ended:
            break
    return said + codec.close()


@settings(max_examples=200, deadline=None)
@given(SOUP, st.lists(st.integers(0, 400), max_size=5), st.booleans())
def test_websocket_server(soup, cuts, has_handshake):
    said = feed(WebSocketCodec.for_server(DEFAULT_LIMITS, None), (HANDSHAKE if has_handshake else b"") + soup, cuts)
    assert not has_handshake or said.startswith(b"HTTP/1.1 101 ")


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.just(b"HTTP/1.1 "), st.just(b"")), st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_websocket_client(start, data, cuts):
    codec = WebSocketCodec.for_client(DEFAULT_LIMITS, None, host="b", port=80, path="/")
    assert codec.take_outgoing().startswith(b"GET / HTTP/1.1\r\n")
    feed(codec, start + data, cuts)
    assert not codec.is_ready


@pytest.fixture(scope="module")
def contexts(authority):
    return TLSContexts(TLSConfig(cert=authority.issue("b"), ca=authority.file), Counters())


def pair(contexts):
    """Return a server and a client with the handshake done."""
    server, client = TLSCodec(contexts.server()), contexts.client_codec("b", None)
    while not (server.is_ready and client.is_ready):
        server.receive(client.take_outgoing())
        client.receive(server.take_outgoing())
    return server, client


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5), start=st.sampled_from([0, 5, 200]))
def test_tls_handshake(contexts, data, cuts, start):
    hello = contexts.client_codec("b", None).take_outgoing()
    server = TLSCodec(contexts.server())
    feed(server, hello[:start] + data, cuts)
    assert not server.is_ready
    client = contexts.client_codec("b", None)
    client.take_outgoing()
    feed(client, data, cuts)
    assert not client.is_ready


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=200), place=st.integers(0, 400), cuts=st.lists(st.integers(0, 400), max_size=5)
)
def test_tls_after_the_handshake(contexts, data, place, cuts):
    server, client = pair(contexts)
    message = b"x" * 200
    sent = bytearray(client.send(message))
    sent[place : place + len(data)] = data
    feed(server, bytes(sent), cuts)


def test_secure_websocket_whose_tls_breaks_before_the_pong_is_sent(contexts):
    server = WebSocketCodec.for_server(DEFAULT_LIMITS, TLSCodec(contexts.server()))
    client = contexts.client_codec("b", None)
    for _ in range(2):
        server.receive(client.take_outgoing())
        client.receive(server.take_outgoing())
    ping = Frame(Opcode.PING, b"").serialize(mask=True)
    server.receive(client.take_outgoing() + client.send(HANDSHAKE))
    with pytest.raises(TransportError, match="TLS failed"):
        server.receive(client.send(ping) + b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert isinstance(server.take_outgoing() + server.close(), bytes)


def test_message_larger_than_a_record(contexts):
    server, client = pair(contexts)
    (piece,) = server.receive(client.send(b"x" * 60_000))
    assert len(piece) == 60_000


def test_bad_trust_store_is_no_ssl_error(authority, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing here")
    with pytest.raises(TransportError, match="no authorities' certificates can be read"):
        TLSContexts(TLSConfig(ca=str(empty)), Counters()).client_codec("b", None)
