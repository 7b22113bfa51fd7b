"""Run many seeds of the simulation: ``python -m tests.simulation --seeds 20000``."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from .scenario import run_seed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, metavar="N", help="how many (default: 500)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default: 0)")
    parser.add_argument("--stop-after", type=int, default=10, metavar="N", help="failures to stop after (default: 10)")
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    failures: list[int] = []
    start = time.perf_counter()
    for seed in range(options.first, options.first + options.seeds):
        try:
            outcomes += run_seed(seed).outcomes
        except Exception:  # noqa: BLE001  (whatever a seed brings to light is to be shown, and the next one run)
            traceback.print_exc()
            failures.append(seed)
            if len(failures) >= options.stop_after:
                break
        if (seed + 1) % 1_000 == 0:
            print(f"up to {seed}: {len(failures)} failed", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - start
    for what, count in outcomes.most_common():
        print(f"{count:8} {what}")
    print(f"{options.seeds} seeds in {seconds:.0f} s, {len(failures)} failed: {failures}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
