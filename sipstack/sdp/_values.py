"""The values of single lines: origin, connection, time, bandwidth, attribute (:rfc:`8866#section-5`)."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TypeAlias

import attrs

from ._direction import DIRECTIONS, Direction

__all__ = ["Attribute", "Attributes", "Bandwidth", "Connection", "Line", "Origin", "Rtcp", "Timing"]

Line: TypeAlias = tuple[str, str]
"A type letter and a value."

VERSION_MAX = 2**63 - 1
"The largest session id and version of a session that is offered: they fit 64 bits with a sign (RFC 3264, section 5)."

_MOST_DIGITS = 32  # a 64-bit number has 20; nobody's clock or counter needs more than this


def number(text: str, what: str, most: int | None = None) -> int:
    """Read ASCII digits and nothing else."""
    if not text or len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{what} is not a number")
    value = int(text)
    if most is not None and value > most:
        raise ValueError(f"{what} is above {most}")
    return value


def address_type_of(address: str) -> str:
    """Tell ``IP4`` or ``IP6``; a name is taken for one with an IPv4 address."""
    try:
        IPv6Address(address)
    except AddressValueError:
        return "IP4"
    return "IP6"


@attrs.frozen
class Origin:
    """Say who made the session, and which version of it this is (:rfc:`8866#section-5.2`)."""

    session_id: int
    version: int
    address: str
    username: str = "-"
    network_type: str = "IN"
    address_type: str = attrs.field(default=attrs.Factory(lambda self: address_type_of(self.address), takes_self=True))

    @classmethod
    def parse(cls, value: str) -> Origin:
        """Read the value of an ``o=`` line."""
        parts = value.split()
        if len(parts) != 6:
            raise ValueError("o= has not six fields")
        username, session_id, version, network_type, address_type, address = parts
        return cls(
            session_id=number(session_id, "the session id in o="),
            version=number(version, "the version in o="),
            address=address,
            username=username,
            network_type=network_type,
            address_type=address_type,
        )

    def __str__(self) -> str:
        return (
            f"{self.username} {self.session_id} {self.version} {self.network_type} {self.address_type} {self.address}"
        )


@attrs.frozen
class Connection:
    """Say where media goes (:rfc:`8866#section-5.7`)."""

    address: str
    "As written: a multicast address keeps its ``/ttl/count``."
    network_type: str = "IN"
    address_type: str = attrs.field(default=attrs.Factory(lambda self: address_type_of(self.address), takes_self=True))

    @classmethod
    def parse(cls, value: str) -> Connection:
        """Read the value of a ``c=`` line."""
        parts = value.split()
        if len(parts) != 3:
            raise ValueError("c= has not three fields")
        return cls(network_type=parts[0], address_type=parts[1], address=parts[2])

    @property
    def host(self) -> str:
        """The address or name alone, without the ``/ttl/count`` of multicast."""
        return self.address.partition("/")[0]

    def _ip_address(self) -> IPv4Address | IPv6Address | None:
        try:
            return IPv6Address(self.host) if self.address_type == "IP6" else IPv4Address(self.host)
        except AddressValueError:
            return None

    @property
    def is_hold(self) -> bool:
        """Tell whether this is the null address that asks for silence (:rfc:`3264#section-8.4`)."""
        address = self._ip_address()
        return address is not None and address.is_unspecified

    @property
    def is_multicast(self) -> bool:
        """Tell whether this is the address of a group (:rfc:`8866#section-5.7`)."""
        address = self._ip_address()
        return address is not None and address.is_multicast

    def __str__(self) -> str:
        return f"{self.network_type} {self.address_type} {self.address}"


@attrs.frozen
class Timing:
    """Say when a session is active, in seconds since 1900; zeros mean always (:rfc:`8866#section-5.9`)."""

    start: int = 0
    stop: int = 0
    repeats: tuple[Line, ...] = ()
    "The ``r=`` and ``z=`` lines that belong to it, as (letter, value)."

    @classmethod
    def parse(cls, value: str) -> Timing:
        """Read the value of a ``t=`` line."""
        parts = value.split()
        if len(parts) != 2:
            raise ValueError("t= has not two fields")
        return cls(number(parts[0], "the start in t="), number(parts[1], "the stop in t="))

    def __str__(self) -> str:
        return f"{self.start} {self.stop}"


@attrs.frozen
class Bandwidth:
    """Say how much a session or medium takes (:rfc:`8866#section-5.8`)."""

    kind: str
    "``CT``, ``AS``, ``TIAS``…"
    value: int

    @classmethod
    def parse(cls, value: str) -> Bandwidth:
        """Read the value of a ``b=`` line."""
        kind, colon, amount = value.partition(":")
        if not colon or not kind:
            raise ValueError("b= has no colon")
        return cls(kind, number(amount.strip(), "the amount in b="))

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


@attrs.frozen
class Attribute:
    """Hold one ``a=`` line; a flag has no value (:rfc:`8866#section-5.13`)."""

    name: str
    value: str | None = None

    @classmethod
    def parse(cls, value: str) -> Attribute:
        """Read the value of an ``a=`` line."""
        name, colon, rest = value.partition(":")
        if not name:
            raise ValueError("a= has no name")
        return cls(name, rest if colon else None)

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


@attrs.frozen
class Rtcp:
    """Say where RTCP goes that does not go one port higher than RTP (:rfc:`3605#section-2.1`)."""

    port: int
    connection: Connection | None = None
    "None means that of the media."

    @classmethod
    def parse(cls, value: str) -> Rtcp:
        """Read the value of an ``a=rtcp`` attribute: ``53020 IN IP6 2001:db8::1``."""
        port, _, address = value.strip().partition(" ")
        return cls(number(port, "the port in a=rtcp", 65_535), Connection.parse(address) if address else None)

    def __str__(self) -> str:
        return str(self.port) if self.connection is None else f"{self.port} {self.connection}"


class Attributes(tuple[Attribute, ...]):
    """Hold ``a=`` lines in order, and find them by name; names differ by case."""

    __slots__ = ()

    def get(self, name: str) -> str | None:
        """Return the value of the first attribute of that name; None if there is none, or it is a flag."""
        return next((attribute.value for attribute in self if attribute.name == name), None)

    def getlist(self, name: str) -> list[str]:
        """Return the values of all attributes of that name."""
        return [attribute.value for attribute in self if attribute.name == name and attribute.value is not None]

    def has(self, name: str) -> bool:
        """Tell whether there is an attribute of that name, flag or not."""
        return any(attribute.name == name for attribute in self)

    @property
    def direction(self) -> Direction | None:
        """Return the direction written here, or None."""
        return next((DIRECTIONS[attribute.name] for attribute in self if attribute.name in DIRECTIONS), None)

    def with_direction(self, direction: Direction) -> Attributes:
        """Return the same attributes with this direction and no other, in the place of the first."""
        place = next((place for place, attribute in enumerate(self) if attribute.name in DIRECTIONS), len(self))
        rest = (attribute for attribute in self[place:] if attribute.name not in DIRECTIONS)
        return Attributes((*self[:place], Attribute(direction), *rest))

    def without_direction(self) -> Attributes:
        """Return the same attributes with no direction."""
        return Attributes(attribute for attribute in self if attribute.name not in DIRECTIONS)
