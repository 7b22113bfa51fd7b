"""Fuzz a parser that is not sipstack's: ``python fuzz_other_parser.py 200``, the number of messages of each kind.

The strategies know nothing of the parser: put your own into `read`, and what it may raise into `REFUSALS`.
"""

import sys
from collections.abc import Callable

import sipmessage
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from sipstack.testing import strategies as sip

REFUSALS = (ValueError,)


def read(data: bytes) -> None:
    message = sipmessage.Message.parse(data)
    _ = message.via, message.from_address, message.to_address, message.cseq, message.contact


def explore(messages: SearchStrategy[bytes], count: int, found: Callable[[bytes, Exception], None]) -> None:
    """Hand every failure to `found`, instead of ending at the first as a test would."""

    @settings(
        max_examples=count, phases=[Phase.generate], derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(messages)
    def one(data: bytes) -> None:
        try:
            read(data)
        except Exception as error:  # noqa: BLE001  (what it raises is what we want to know)
            found(data, error)

    one()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    refused: list[bytes] = []
    crashes: dict[str, bytes] = {}

    def is_valid(data: bytes, error: Exception) -> None:
        refused.append(data)
        is_hostile(data, error)

    def is_hostile(data: bytes, error: Exception) -> None:
        kind = type(error).__name__
        if not isinstance(error, REFUSALS) and len(data) < len(crashes.get(kind, data + b".")):
            crashes[kind] = data

    explore(sip.messages(), count, is_valid)
    print(f"{len(refused)} of {count} valid messages are not read; the shortest:")
    print(min(refused, key=len, default=b"none"))
    explore(sip.mutated(sip.messages()), count, is_hostile)
    for kind, data in crashes.items():
        print(f"{kind} instead of a refusal:")
        print(data[:400])


main()
