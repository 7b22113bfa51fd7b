"""Where a request goes: address, port and transport, decided without a socket (:rfc:`3263`)."""

from ._errors import ResolveError
from ._resolution import Query, Resolution
from ._target import DEFAULT_PORTS, Target, numeric_host, target_of

__all__ = ["DEFAULT_PORTS", "Query", "Resolution", "ResolveError", "Target", "numeric_host", "target_of"]
