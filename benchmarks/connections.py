"""What a connection costs: resident bytes for each idle one, and TLS handshakes for each processor second.

The server runs in a process of its own (_listeners.py); this program opens plain sockets to it.

- bytes: the server's resident set with so many connections open, each of which has sent a keep-alive and has its
  answer, less what it was before. The kernel's buffers are not in it. "bare" is a loop on trio.SSLStream, without SIP;
- handshakes: connect, TLS 1.3 in full with an ECDSA certificate, one keep-alive, close; one after the other. Counted by
  the processor seconds of the server, so that what else runs here and the client's own work do not matter. Ours and the
  bare loop take turns.
"""

import argparse
import resource
import socket
import ssl
import sys
import tempfile
from pathlib import Path

import trustme
from _harness import Server, cores, processor_seconds, resident_bytes, table

PING, PONG = b"\r\n\r\n", b"\r\n"
WARM_UP = 20
ROUNDS = 4


class Client:
    """Open connections to a server, with TLS where it has it."""

    def __init__(self, server: Server, context: ssl.SSLContext | None) -> None:
        self._port = server.port
        self._context = context

    def connect(self) -> socket.socket:
        """Open one connection, and make sure that the server serves it."""
        plain = socket.create_connection(("127.0.0.1", self._port), 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = plain if self._context is None else self._context.wrap_socket(plain)
        stream.sendall(PING)
        if stream.recv(100) != PONG:
            sys.exit("the server does not answer a keep-alive")
        return stream


def bytes_each(name: str, count: int, cert: str, context: ssl.SSLContext | None) -> float:
    server = Server(name, cores()[0], cert, program="_listeners.py")
    try:
        client = Client(server, context)
        held = [client.connect() for _ in range(WARM_UP)]
        before = resident_bytes(server.pid)
        held += [client.connect() for _ in range(count)]
        grown = resident_bytes(server.pid) - before
        for stream in held:
            stream.close()
        return grown / count
    finally:
        server.stop()


def handshakes(count: int, cert: str, context: ssl.SSLContext) -> dict[str, float]:
    """Return handshakes for each processor second of the server, by name."""
    servers = {name: Server(name, cores()[0], cert, program="_listeners.py") for name in ("tls", "bare")}
    spent = dict.fromkeys(servers, 0.0)
    try:
        for server in servers.values():
            for _ in range(WARM_UP):
                Client(server, context).connect().close()
        for _ in range(ROUNDS):
            for name, server in servers.items():
                client, before = Client(server, context), processor_seconds(server.pid)
                for _ in range(count // ROUNDS):
                    client.connect().close()
                spent[name] += processor_seconds(server.pid) - before
        return {name: count / seconds for name, seconds in spent.items()}
    finally:
        for server in servers.values():
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tcp", type=int, default=10_000, help="idle TCP connections (default: 10000)")
    parser.add_argument("--tls", type=int, default=2_000, help="idle TLS connections (default: 2000)")
    parser.add_argument("--handshakes", type=int, default=2_000, help="TLS handshakes with each server (default: 2000)")
    arguments = parser.parse_args()
    most = max(arguments.tcp, arguments.tls) + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < most:  # for the server as well, which inherits it
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, hard), hard))
    with tempfile.TemporaryDirectory() as folder:
        authority, cert = trustme.CA(), str(Path(folder) / "cert.pem")
        leaf = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
        leaf.private_key_and_cert_chain_pem.write_to_path(cert)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        authority.configure_trust(context)
        held = [("tcp", arguments.tcp, None), ("tls", arguments.tls, context), ("bare", arguments.tls, context)]
        rows = [[name, count, round(bytes_each(name, count, cert, with_tls))] for name, count, with_tls in held]
        table(["idle connections", "held", "bytes each"], rows)
        rates = handshakes(arguments.handshakes, cert, context)
        print(
            f"\nTLS handshakes for each processor second: {rates['tls']:.0f}, a bare loop {rates['bare']:.0f}, "
            f"ratio {rates['tls'] / rates['bare']:.2f}"
        )


if __name__ == "__main__":
    main()
