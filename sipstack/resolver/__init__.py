"""Where a request goes: address, port and transport, decided without a socket (:rfc:`3263`)."""

from ._cache import Cache
from ._errors import ResolveError
from ._ordering import order_srv, usable_naptr
from ._outages import Outages
from ._records import Answer, Naptr, Query, QueryKind, RecordValue, Srv
from ._resolution import LONGEST_ALIAS_CHAIN, MOST_SERVERS, MOST_TARGETS, Resolution
from ._target import DEFAULT_PORTS, Destination, Target, numeric_host

__all__ = [
    "DEFAULT_PORTS",
    "LONGEST_ALIAS_CHAIN",
    "MOST_SERVERS",
    "MOST_TARGETS",
    "Answer",
    "Cache",
    "Destination",
    "Naptr",
    "Outages",
    "Query",
    "QueryKind",
    "RecordValue",
    "Resolution",
    "ResolveError",
    "Srv",
    "Target",
    "numeric_host",
    "order_srv",
    "usable_naptr",
]
