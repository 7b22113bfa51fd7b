"""A server that holds connections: `python _listeners.py NAME [CERT]`; it prints ``port N`` and listens.

"bare" is no SIP: the shortest loop on trio.SSLStream that answers what connections.py sends.
"""

import signal
import ssl
import sys

import trio

import sipstack as sip

MANY = sip.Limits(connections=50_000, connections_per_source=50_000)


async def bare(cert: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert)

    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            while await stream.receive_some(16_384):
                await stream.send_all(b"\r\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            await trio.aclose_forcefully(stream)

    (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
    print("port", listener.transport_listener.socket.getsockname()[1], flush=True)
    await trio.serve_listeners(answer, [listener])


async def ours(name: str, cert: str) -> None:
    query = f"?cert={cert}" if name in ("tls", "wss") else ""
    async with sip.open_endpoint(f"{name}://127.0.0.1:0{query}", limits=MANY) as endpoint:
        print("port", endpoint.urls[0].rpartition(":")[2], flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the end, as far as connections.py is concerned
    if sys.argv[1] == "bare":
        trio.run(bare, sys.argv[2])
    else:
        trio.run(ours, *sys.argv[1:])
