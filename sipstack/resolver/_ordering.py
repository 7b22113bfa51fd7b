"""In which order records are to be used (:rfc:`3263#section-4.1`, :rfc:`2782`, :rfc:`2915#section-2`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ._records import Naptr, Srv

__all__ = ["SERVICES", "order_srv", "usable_naptr"]

SERVICES = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS", "SIP+D2W": "WS", "SIPS+D2W": "WSS"}
"The transport of each NAPTR service (:rfc:`3263#section-10`, :rfc:`7118#section-10.1`)."


def usable_naptr(records: Iterable[Naptr], transports: Collection[str]) -> list[tuple[Naptr, str]]:
    """Return the records to go on with, most preferred first, each with its transport.

    They all have the lowest order that leads to one of the transports: no record of a higher order may be looked at
    then. Only records that lead to SRV records are of use.
    """
    usable = sorted(
        (
            (record, transport)
            for record in records
            if (transport := SERVICES.get(record.service.upper(), "")) in transports
            and record.flags.lower() == "s"
            and not record.regexp
            and record.replacement.rstrip(".")
        ),
        key=lambda each: (each[0].order, each[0].preference),
    )
    return [each for each in usable if each[0].order == usable[0][0].order]


def order_srv(records: Iterable[Srv], randbytes: Callable[[int], bytes]) -> list[Srv]:
    """Return all records in the order to try them in: by priority, and by a weighted choice within one.

    :param randbytes: the source of chance.
    """
    by_priority: dict[int, list[Srv]] = {}
    for record in records:
        by_priority.setdefault(record.priority, []).append(record)
    ordered: list[Srv] = []
    for _, left in sorted(by_priority.items()):
        # Those of weight 0 first: so they have a small chance, and the order in which DNS gave them has no part in it.
        left.sort(key=lambda each: (each.weight, each.target, each.port))
        while left:
            chosen = _weighted_choice([each.weight for each in left], randbytes)
            ordered.append(left.pop(chosen))
    return ordered


def _weighted_choice(weights: list[int], randbytes: Callable[[int], bytes]) -> int:
    if len(weights) == 1:
        return 0
    # 0 to the sum, both included: so says RFC 2782. The remainder of eight bytes is even enough.
    point = int.from_bytes(randbytes(8), "big") % (sum(weights) + 1)
    for index, weight in enumerate(weights):
        point -= weight
        if point <= 0:
            return index
    raise AssertionError("the sum of the weights was passed")
