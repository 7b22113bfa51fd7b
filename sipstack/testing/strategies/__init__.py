"""Hypothesis strategies for SIP, written from the grammar of the RFCs; and hostile variants of what they draw.

Messages and session descriptions are bytes, values are text: nothing in them is sipstack's own, so that any parser can
be tested with them.
"""

try:
    import hypothesis  # noqa: F401
except ImportError as error:
    raise ImportError(
        "sipstack.testing.strategies needs Hypothesis; install it with: pip install 'sipstack[fuzz]'"
    ) from error

from ._basic import host_names, hosts, ipv4_addresses, ipv6_references, quoted_strings, text_utf8, tokens
from ._headers import GRAMMAR, METHODS, folded, header_fields, header_values, methods
from ._messages import Passage, calls, messages, requests, responses, streams
from ._mutations import MUTATIONS, mutated
from ._near_misses import NEAR_MISSES, near_misses
from ._sdp import session_descriptions
from ._uris import absolute_uris, sip_uris, sips_uris, tel_uris, uris

__all__ = [
    "GRAMMAR",
    "METHODS",
    "MUTATIONS",
    "NEAR_MISSES",
    "Passage",
    "absolute_uris",
    "calls",
    "folded",
    "header_fields",
    "header_values",
    "host_names",
    "hosts",
    "ipv4_addresses",
    "ipv6_references",
    "messages",
    "methods",
    "mutated",
    "near_misses",
    "quoted_strings",
    "requests",
    "responses",
    "session_descriptions",
    "sip_uris",
    "sips_uris",
    "streams",
    "tel_uris",
    "text_utf8",
    "tokens",
    "uris",
]
