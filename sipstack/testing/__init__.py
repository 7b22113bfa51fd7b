"""For tests: a virtual network and clock, message builders, scripted peers."""

from ._dns import VirtualDNS
from ._idle import assert_idle
from ._messages import request, response_to
from ._network import VirtualHost, VirtualNetwork
from ._peer import ScriptedPeer
from ._run import run

__all__ = [
    "ScriptedPeer",
    "VirtualDNS",
    "VirtualHost",
    "VirtualNetwork",
    "assert_idle",
    "request",
    "response_to",
    "run",
]
