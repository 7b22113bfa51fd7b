"""From records to passages: a message that both of its ends recorded is one message."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final, TypeAlias

import attrs

from ._record import Address, Record

__all__ = ["LivePassages", "Names", "Passage", "party_name", "passages_of"]

_SENDINGS_OF_SAME_BYTES: Final = 16

Names: TypeAlias = Mapping[Address | str, str]
"Short names, by (host, port) or by host alone; the first wins where both are there."


@attrs.frozen
class Passage:
    """Hold one message on its way from one party to the other."""

    time: float
    "When it was sent, or received where nobody recorded the sending."
    record: Record
    sender: str
    receiver: str
    is_retransmission: bool = False
    is_lost: bool = False
    "The receiver records what it receives, and did not record this."


def party_name(address: Address, names: Names) -> str:
    """Name a party: its short name if it was given one, else ``host:port``."""
    host, port = address
    name = names.get(address) or names.get(host)
    if name:
        return name
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_wildcard(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_same(one: Address, other: Address) -> bool:
    """Compare two addresses; a socket bound to every address knows itself by port alone."""
    return one[1] == other[1] and (one[0] == other[0] or _is_wildcard(one[0]) or _is_wildcard(other[0]))


def _are_ends_of_one(sent: Record, received: Record) -> bool:
    return _is_same(sent.local, received.remote) and _is_same(sent.remote, received.local)


def passages_of(records: Iterable[Record], names: Names) -> list[Passage]:
    """Pair what was sent with what was received, and mark retransmissions and losses.

    A receipt belongs to the latest sending of the same bytes that is still without one: a retransmission comes at least
    T1 after the message before it, and T1 is an estimate of the round trip (:rfc:`3261#section-17.1.1.1`).
    """
    records = list(records)
    open_by_bytes: defaultdict[tuple[str, bytes], list[int]] = defaultdict(list)
    receipts: dict[int, Record] = {}
    is_receipt: set[int] = set()
    known_as: dict[Address, Address] = {}
    for index, record in enumerate(records):
        candidates = open_by_bytes[record.transport, record.data]
        if record.direction == "sent":
            candidates.append(index)
            continue
        for position in range(len(candidates) - 1, -1, -1):
            sent = records[candidates[position]]
            if _are_ends_of_one(sent, record):
                receipts[candidates.pop(position)] = record
                is_receipt.add(index)
                # What the other side calls an end is how the diagram calls it, if that end is bound to a wildcard.
                for own, others in ((sent.local, record.remote), (record.local, sent.remote)):
                    if own != others and _is_wildcard(own[0]):
                        known_as[own] = others
                break
    listeners = {known_as.get(record.local, record.local) for record in records if record.direction == "received"}
    seen: set[tuple[str, str, str, bytes]] = set()
    passages: list[Passage] = []
    for index, record in enumerate(records):
        if index in is_receipt:
            continue
        sender = party_name(known_as.get(record.sender, record.sender), names)
        to = known_as.get(record.receiver, record.receiver)
        receiver = party_name(to, names)
        key = (record.transport, sender, receiver, record.data)
        passages.append(
            Passage(
                time=record.time,
                record=record,
                sender=sender,
                receiver=receiver,
                is_retransmission=key in seen and not record.summary.is_keepalive,
                is_lost=record.direction == "sent" and index not in receipts and to in listeners,
            )
        )
        seen.add(key)
    return passages


class LivePassages:
    """Turn records into passages one at a time, as they come.

    Whether a message got lost cannot be known yet. Only so many messages are remembered.
    """

    def __init__(self, names: Names, *, memory: int = 4_096) -> None:
        self.names = names
        self._memory = memory
        # By bytes: the sendings that nobody has received yet, and everybody who sent it to whom.
        self._open: OrderedDict[tuple[str, bytes], list[Record]] = OrderedDict()
        self._seen: OrderedDict[tuple[str, str, str, bytes], None] = OrderedDict()

    def feed(self, record: Record) -> Passage | None:
        """Take a record; return its passage, or None when it is the other end of one returned before."""
        key = (record.transport, record.data)
        if record.direction == "sent":
            waiting = self._open.setdefault(key, [])
            waiting.append(record)
            # Keep-alives to a peer that records nothing are all the same bytes, and wait for ever.
            del waiting[:-_SENDINGS_OF_SAME_BYTES]
            self._open.move_to_end(key)
            if len(self._open) > self._memory:
                self._open.popitem(last=False)
        else:
            waiting = self._open.get(key, [])
            for position in range(len(waiting) - 1, -1, -1):
                if _are_ends_of_one(waiting[position], record):
                    del waiting[position]
                    if not waiting:
                        del self._open[key]
                    return None
        sender, receiver = party_name(record.sender, self.names), party_name(record.receiver, self.names)
        mark = (record.transport, sender, receiver, record.data)
        is_retransmission = mark in self._seen and not record.summary.is_keepalive
        self._seen[mark] = None
        self._seen.move_to_end(mark)
        if len(self._seen) > self._memory:
            self._seen.popitem(last=False)
        return Passage(
            time=record.time, record=record, sender=sender, receiver=receiver, is_retransmission=is_retransmission
        )
