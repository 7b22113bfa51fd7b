"""Calls per processor-second of a user agent server, next to a bare socket loop and to other Python libraries.

SIPp's own `uac` scenario (INVITE, 180, 200, ACK, BYE, 200; UDP on 127.0.0.1) runs on one core, the server on another.
For each server the highest rate without one retransmission is searched (doubling from 250 a second, then halving the
gap; two seconds each, with a server just started), and ninety per cent of it, or less if that is too much, is held for
`--seconds`. Figures come from that last run only:

- rate: calls a second that were held without a retransmission and without a failed call;
- calls/cpu s: calls divided by user plus system time of the server's process (/proc), so other load on the machine
  changes the figure little;
- ratio: that, divided by the same figure of the bare loop in the same run. The bare loop drains the raw socket in
  batches under Trio and answers by byte templates: no parser, no transactions, no dialogs, no retransmission. It is
  the floor that any server on Trio stands on. Batches grow with the rate, so the loop is measured once more at the rate
  of our server ("bare, same rate");
- busy: processor time over wall time; far below 100% means that SIPp or the machine, not the server, was the limit.

`--profile` adds the ten functions of our server with the most time of their own (cProfile, at half the rate).
Needs sipp (Debian: sip-tester) and taskset.
"""

import argparse
import importlib
import pstats
import tempfile
from pathlib import Path

from _harness import Load, Server, cores, measure, require, run_fresh, run_sipp, table

MODULES = {"bare": "trio", "sipstack": "sipstack", "voip-utils": "voip_utils", "pjsua2": "pjsua2", "aiosip": "aiosip"}


def missing(name: str) -> str | None:
    """Return why a server cannot run here, or None."""
    try:
        importlib.import_module(MODULES[name])
    except (ImportError, AttributeError) as problem:  # aiosip needs asyncio.coroutine, gone since Python 3.11
        return f"{type(problem).__name__}: {problem}"
    if name == "aiosip":
        return "it imports here, but no server is written for it: it needs Python 3.10 or older"
    return None


def profile(rate: int, seconds: float, server_core: int, load_core: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "profile")
        server = Server("sipstack", server_core, "--profile", str(target))
        try:
            load = run_sipp(server, rate, seconds, load_core)
        finally:
            server.stop()
        statistics = pstats.Stats(str(target))
    print(f"\nsipstack under cProfile: {load.calls} calls at {load.rate}/s; own time per call, ten largest")
    rows = sorted(statistics.stats.items(), key=lambda item: item[1][2], reverse=True)  # type: ignore[attr-defined]
    # A wait for readability is sleep, not work.
    busy = [(key, value) for key, value in rows if "epoll" not in key[2]][:10]
    whole = sum(value[2] for key, value in rows if "epoll" not in key[2])
    table(
        ("function", "calls/call", "us/call", "share"),
        [
            (
                f"{'/'.join(Path(file).parts[-2:])}:{line} {name}",
                f"{value[1] / load.calls:.1f}",
                f"{value[2] / load.calls * 1e6:.1f}",
                f"{value[2] / whole:.1%}",
            )
            for (file, line, name), value in busy
        ],
    )


def row(name: str, load: Load, floor: Load | None) -> tuple[str, ...]:
    figure = load.calls_per_processor_second
    return (
        name,
        f"{load.rate}",
        f"{load.calls}",
        f"{load.retransmissions}",
        f"{load.processor:.2f}",
        f"{load.processor / load.seconds:.0%}",
        f"{figure:.0f}",
        f"{1e6 / figure:.0f}" if figure else "-",
        f"{figure / floor.calls_per_processor_second:.3f}" if floor else "-",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the measured run (default 10)")
    parser.add_argument("--only", action="append", choices=MODULES, help="measure only these (may be given again)")
    parser.add_argument("--profile", action="store_true", help="add a profile of our server")
    options = parser.parse_args()
    require("sipp", "taskset")
    server_core, load_core = cores()
    floor: Load | None = None
    loads: dict[str, Load] = {}
    for name in options.only or MODULES:
        reason = missing(name)
        if reason is not None:
            print(f"skipped: {name} ({reason})")
            continue
        load = measure(name, options.seconds)
        if load is None:
            print(f"failed: {name} holds no rate without a retransmission")
            continue
        loads[name] = load
        floor = load if name == "bare" else floor
    if "bare" in loads and "sipstack" in loads:
        loads["bare, same rate"] = run_fresh("bare", loads["sipstack"].rate, min(5.0, options.seconds))
    print(f"\nUAS over UDP: SIPp on core {load_core}, server on core {server_core}")
    if server_core == load_core:
        print("warning: one core only; load and server share it, and the figures are worth little")
    print(f"{options.seconds:g} s at 90% of the highest rate without a retransmission")
    table(
        ("server", "rate/s", "calls", "retrans", "cpu s", "busy", "calls/cpu s", "us/call", "ratio"),
        [row(name, load, floor) for name, load in loads.items()],
    )
    if options.profile and "sipstack" in loads:
        profile(max(10, loads["sipstack"].rate // 2), min(5.0, options.seconds), server_core, load_core)


if __name__ == "__main__":
    main()
