"""Microseconds to parse, to read and to write one INVITE: ours next to sipmessage, on the same bytes in the same run.

The message has 13 header fields and an SDP body; every copy has its own branch, tags, Call-ID and users, so that no
cache of values is all hits. Each figure is the best of `--rounds` passes over `--messages` copies, in processor
time of this process; the passes of all programs take turns, so a slow moment of the machine strikes them alike.

- parse: bytes to a message object whose mandatory headers are checked by ours, and split by sipmessage;
- read six: top Via, From, To, Contact, CSeq and Max-Forwards as typed values, for the first time;
- both: a message parsed and read, which is what a stack has to do;
- write, untouched: the parsed message to bytes again;
- write, new: a request built from a method, a URI and 13 headers (given as text), to bytes;
- response: a 200 built from the parsed request (8.2.6) and written (sipmessage has no such method).
"""

import argparse
import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import sipmessage
from _harness import table

from sipstack.message import Request, parse_message

SDP = (
    b"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\n"
    b"m=audio 49172 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)


def header_fields(number: int) -> list[tuple[str, str]]:
    return [
        ("Via", f"SIP/2.0/UDP client{number}.example.com:5060;branch=z9hG4bK74bf9{number:08x};rport"),
        ("Max-Forwards", "70"),
        ("From", f'"Alice {number}" <sip:alice{number}@example.com>;tag=9fxced76sl{number:x}'),
        ("To", f"Bob <sip:bob{number}@example.org>"),
        ("Call-ID", f"3848276298220188511{number}@client.example.com"),
        ("CSeq", f"{number + 1} INVITE"),
        ("Contact", f"<sip:alice{number}@client.example.com;transport=udp>"),
        ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, PRACK, UPDATE"),
        ("Supported", "replaces, 100rel, timer"),
        ("User-Agent", "bench/1.0"),
        ("Session-Expires", "1800;refresher=uac"),
        ("Content-Type", "application/sdp"),
        ("Content-Length", str(len(SDP))),
    ]


def wire(number: int) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in header_fields(number))
    return f"INVITE sip:bob{number}@example.org SIP/2.0\r\n{head}\r\n".encode() + SDP


def read_ours(message: Any) -> None:
    _ = message.top_via, message.from_address, message.to_address, message.contact, message.cseq, message.max_forwards


def read_theirs(message: Any) -> None:
    _ = message.via[0], message.from_address, message.to_address, message.contact, message.cseq, message.max_forwards


def build_ours(number: int) -> bytes:
    return bytes(Request("INVITE", f"sip:bob{number}@example.org", SDP, header_fields(number)))


def build_theirs(number: int) -> bytes:
    uri = sipmessage.URI.parse(f"sip:bob{number}@example.org")
    request = sipmessage.Request("INVITE", uri, body=SDP)
    for name, value in header_fields(number):
        request.headers.add(name, value)
    return bytes(request)


def parse_and_read_ours(data: bytes) -> None:
    read_ours(parse_message(data))


def parse_and_read_theirs(data: bytes) -> None:
    read_theirs(sipmessage.Message.parse(data))


def respond(request: Any) -> bytes:
    return bytes(request.create_response(200, to_tag="314159"))


Job = tuple[Callable[[Any], Any], Callable[[], Sequence[Any]]]


def best_of(rounds: int, jobs: Sequence[Job | None]) -> list[float | None]:
    """Return microseconds per item of each job, the best of some passes that take turns."""
    best: list[float | None] = [None] * len(jobs)
    for _ in range(rounds):
        for place, job in enumerate(jobs):
            if job is None:
                continue
            function, prepare = job
            items = prepare()
            gc.collect()
            started = time.process_time()
            for item in items:
                function(item)
            spent = (time.process_time() - started) / len(items) * 1e6
            before = best[place]
            best[place] = spent if before is None else min(before, spent)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    numbers = range(options.messages)
    data = [wire(number) for number in numbers]

    def parsed_ours() -> list[Any]:
        return [parse_message(item) for item in data]

    def parsed_theirs() -> list[Any]:
        return [sipmessage.Message.parse(item) for item in data]

    stages: dict[str, tuple[Job, Job | None]] = {
        "parse": ((parse_message, lambda: data), (sipmessage.Message.parse, lambda: data)),
        "read six": ((read_ours, parsed_ours), (read_theirs, parsed_theirs)),
        "both": ((parse_and_read_ours, lambda: data), (parse_and_read_theirs, lambda: data)),
        "write, untouched": ((bytes, parsed_ours), (bytes, parsed_theirs)),
        "write, new": ((build_ours, lambda: numbers), (build_theirs, lambda: numbers)),
        "response": ((respond, parsed_ours), None),
    }
    rows = []
    for name, jobs in stages.items():
        ours, theirs = best_of(options.rounds, jobs)
        assert ours is not None
        rows.append(
            (
                name,
                f"{ours:.1f}",
                "-" if theirs is None else f"{theirs:.1f}",
                "-" if theirs is None else f"{theirs / ours:.2f}",
            )
        )
    print(
        f"one INVITE, {len(header_fields(0))} header fields, {len(data[0])} bytes; sipmessage {sipmessage.__version__}"
    )
    table(("microseconds", "sipstack", "sipmessage", "times as fast"), rows)


if __name__ == "__main__":
    main()
