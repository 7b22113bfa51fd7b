"""The Via header field: where a message has been and where its response goes (:rfc:`3261#section-20.42`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import sipmessage

from ._errors import LocalProtocolError, MalformedMessage
from ._grammar import (
    HOST,
    HOST_FAST,
    IPV4,
    PORT_FAST,
    PORT_MAX,
    TOKEN,
    check_host_untrusted,
    check_token,
    decimal_untrusted,
    host_address,
    is_host,
    is_ip_address,
    is_token,
    list_untrusted,
    malformed,
)
from ._parameters import EMPTY, Parameters

__all__ = ["Via"]

_RPORT_FAST = rf";rport(?:=(?!0){PORT_FAST})?+"
# Groups: transport, host, port, rport before, branch, rport after.
_FAST_PATTERN = re.compile(
    rf"SIP/2\.0/({TOKEN}) ({HOST_FAST})(?::({PORT_FAST}))?+"
    rf"({_RPORT_FAST})?+;branch=({TOKEN})({_RPORT_FAST})?+(?:;received={IPV4})?+"
)
_PATTERN = re.compile(
    rf"({TOKEN})[ \t]*+/[ \t]*+({TOKEN})[ \t]*+/[ \t]*+({TOKEN})[ \t]++({HOST})(?:[ \t]*+:[ \t]*+([0-9]++))?+"
)
_TOKEN_PATTERN = re.compile(TOKEN)
_PROTOCOL = "SIP/2.0"
_SHARED_LENGTH = 256


class Via(sipmessage.Via):
    """Hold one hop of a message's way (:rfc:`3261#section-20.42`). The transport is in capitals."""

    parameters: Parameters

    def __init__(
        self, transport: str, host: str, port: int | None = None, parameters: sipmessage.Parameters = EMPTY
    ) -> None:
        if not isinstance(parameters, Parameters):
            parameters = Parameters(parameters)
        check_token("the transport of a Via", transport)
        if not is_host(host):
            raise LocalProtocolError(f"the host of a Via must be a host name or an address, IPv6 in brackets: {host!r}")
        if port is not None and not 0 <= port <= PORT_MAX:
            raise LocalProtocolError(f"a port is between 0 and {PORT_MAX}: {port}")
        try:
            _check_parameters_untrusted(parameters)
        except MalformedMessage as error:
            raise LocalProtocolError(error.reason) from None
        self.__dict__.update(transport=transport.upper(), host=host, port=port, parameters=parameters)
        # Made now, so that what cannot be sent is refused where it was given.
        self.__dict__["_text"] = self._render()

    if not TYPE_CHECKING:

        @cached_property
        def parameters(self) -> Parameters:
            # Matching a transaction takes the branch and the sent-by; the rest can wait.
            text = self.__dict__["_text"]
            return Parameters.parse(text[text.index(";") :])

    @classmethod
    def parse(cls, value: str) -> Via:
        """Read one Via value."""
        return Via.of_common_form(value) or _parse(value)

    @staticmethod
    def of_common_form(value: str) -> Via | None:
        """Read one Via value of the form that nearly all have, or return None: it may be another, or wrong."""
        hop, _, branch = value.partition(";branch=")
        if len(hop) <= _SHARED_LENGTH and _TOKEN_PATTERN.fullmatch(branch) is not None:
            fields = _shared_hop(hop)
            if fields is not None:
                made = Via.__new__(Via)
                made.__dict__.update(fields, _text=value, _branch=branch)
                return made
        match = _FAST_PATTERN.fullmatch(value)
        if match is None:
            return None
        transport, host, port, before, branch, after = match.groups()
        if before is not None and after is not None:
            return None  # a parameter stands twice
        made = Via.__new__(Via)
        made.__dict__.update(
            transport=transport.upper(),
            host=host,
            port=None if port is None else int(port),
            _text=value,
            _branch=branch,
        )
        return made

    @classmethod
    def parse_many(cls, value: str) -> list[Via]:  # type: ignore[override]  # list is invariant; ours are theirs
        """Read a comma-separated list of Via values."""
        return [cls.parse(item) for item in list_untrusted(value, "the list of Via values")]

    def replace(self, /, **changes: str | int | None) -> Via:
        """Return a copy with the parameters in `changes` replaced; None makes a parameter without a value."""
        texts = {name: str(value) if isinstance(value, int) else value for name, value in changes.items()}
        try:
            _check_parameters_untrusted(texts)
        except MalformedMessage as error:
            raise LocalProtocolError(error.reason) from None
        made = Via.__new__(Via)
        fields = made.__dict__
        fields.update(
            transport=self.transport, host=self.host, port=self.port, parameters=self.parameters.replace(**texts)
        )
        if self.protocol != _PROTOCOL:
            fields["_protocol"] = self.protocol
        fields["_text"] = made._render()
        return made

    @property
    def protocol(self) -> str:
        """Return the protocol's name and version, ``SIP/2.0`` unless the peer says otherwise."""
        protocol: str = self.__dict__.get("_protocol", _PROTOCOL)
        return protocol

    @property
    def sent_by(self) -> str:
        """Return the host, and the port if one is given, as they stand in the value (:rfc:`3261#section-18.1.1`)."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def host_address(self) -> str:
        """Return the host without the brackets of an IPv6 reference."""
        return host_address(self.host)

    @property
    def branch(self) -> str | None:
        """Return the branch, or None when a peer of :rfc:`2543` gave none (:rfc:`3261#section-8.1.1.7`)."""
        branch: str | None = self.__dict__.get("_branch")
        return self.parameters.get("branch") if branch is None else branch

    @property
    def received(self) -> str | None:
        """Return the address the request came from, without brackets (:rfc:`3261#section-18.2.1`)."""
        received = self.parameters.get("received")
        return None if received is None else host_address(received)

    @property
    def has_rport(self) -> bool:
        """Say whether there is an rport parameter, with a value or without (:rfc:`3581#section-3`)."""
        if "_branch" in self.__dict__:  # the common form, in which it can stand for nothing else
            return ";rport" in self.__dict__["_text"]
        return "rport" in self.parameters

    @property
    def rport(self) -> int | None:
        """Return the port the request came from, None when there is none (:rfc:`3581#section-4`)."""
        rport = self.parameters.get("rport")
        return None if rport is None else int(rport)

    @property
    def maddr(self) -> str | None:
        """Return the multicast or other address to send to instead, without brackets (:rfc:`3261#section-18.1.1`)."""
        maddr = self.parameters.get("maddr")
        return None if maddr is None else host_address(maddr)

    @property
    def ttl(self) -> int | None:
        """Return the time to live of a multicast datagram (:rfc:`3261#section-18.1.1`)."""
        ttl = self.parameters.get("ttl")
        return None if ttl is None else int(ttl)

    def __str__(self) -> str:
        text: str = self.__dict__["_text"]
        return text

    def _render(self) -> str:
        return f"{self.protocol}/{self.transport} {self.sent_by}{_in_via(self.parameters)}"


@lru_cache(maxsize=1024)
def _shared_hop(text: str) -> dict[str, Any] | None:
    """Read what stands before the branch, which a peer says in all its messages; None: it is not in common form."""
    match = _FAST_PATTERN.fullmatch(f"{text};branch=x")
    if match is None:
        return None
    transport, host, port, *_ = match.groups()
    return {"transport": transport.upper(), "host": host, "port": None if port is None else int(port)}


def _in_via(parameters: Parameters) -> str:
    # An IPv6 address in received stands without brackets, which no other parameter may (RFC 3261 25.1).
    received = parameters.get("received")
    if received is None or ":" not in received or received.startswith("["):
        return parameters.in_header()
    others = parameters.without("received").in_header()
    return f"{others};received={received}"


def _parse(text: str) -> Via:
    value = text.strip(" \t")
    match = _PATTERN.match(value)
    if match is None:
        malformed("a Via", value, "it must read SIP/2.0/transport host")
    name, version, transport, host, port = match.groups()
    check_host_untrusted(host, "the host of a Via")
    parameters = Parameters.parse(value[match.end() :].strip(" \t"))
    _check_parameters_untrusted(parameters)
    made = Via.__new__(Via)
    made.__dict__.update(
        _text=text,
        transport=transport.upper(),
        host=host,
        port=None if port is None else decimal_untrusted(port, "the port of a Via", PORT_MAX),
        parameters=parameters,
    )
    protocol = f"{name.upper()}/{version}"
    if protocol != _PROTOCOL:
        made.__dict__["_protocol"] = protocol
    return made


def _check_parameters_untrusted(parameters: Mapping[str, str | None]) -> None:
    for name, value in parameters.items():
        match name.lower():
            case "branch":
                if value is None or not is_token(value):
                    malformed("the branch of a Via", value or "", "it must be a token")
            case "received":
                if value is None or not is_ip_address(host_address(value)):
                    malformed("the received of a Via", value or "", "it must be an address")
            case "rport":
                if value is not None:
                    decimal_untrusted(value, "the rport of a Via", PORT_MAX, 1)
            case "maddr":
                check_host_untrusted(value or "", "the maddr of a Via")
            case "ttl":
                decimal_untrusted(value or "", "the ttl of a Via", 255)
            case _:
                pass
