"""One listening socket for connections, and the task that accepts from it."""

from __future__ import annotations

import errno
from collections.abc import Callable

import trio

from ._codec import Codec
from ._context import Context
from ._datagram import WILDCARDS
from ._network import StreamListener
from ._pool import Pool
from ._tls import TLSContexts
from ._url import ListenURL

__all__ = ["Acceptor"]

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RECOVERY_SECONDS = 0.1


class Acceptor:
    """Accept connections into the pool; driven by `serve`, one task.

    :param new_codec: makes the codec of a connection; None for plain TCP.
    """

    def __init__(
        self,
        place: ListenURL,
        listener: StreamListener,
        context: Context,
        pool: Pool,
        *,
        contexts: TLSContexts | None = None,
        new_codec: Callable[[], Codec] | None = None,
    ) -> None:
        self.place = place
        self.transport = place.transport
        self.contexts = contexts
        self.address = listener.address
        self.is_wildcard = self.address[0] in WILDCARDS
        self._listener = listener
        self._context = context
        self._pool = pool
        self._new_codec = new_codec

    async def serve(self) -> None:
        """Accept until the listener is closed."""
        while True:
            try:
                stream, local, remote = await self._listener.accept()
            except trio.ClosedResourceError:
                return
            except OSError as error:
                self._context.counters.accept_failures += 1
                if error.errno in _EXHAUSTED:
                    # The connection stays in the backlog and accept() would fail at once, for ever: let some go first.
                    await trio.sleep(_RECOVERY_SECONDS)
                continue
            self._pool.accept(stream, self.transport, local, remote, self._new_codec)

    def close(self) -> None:
        """Stop listening; `serve` ends."""
        self._listener.close()
