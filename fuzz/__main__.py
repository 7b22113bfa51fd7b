"""The command: ``python -m fuzz parse --seconds 60``; ``--list`` says what there is."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ._engine import Tally, run_atheris, run_random
from ._target import NAMES, Target, load

_FINDINGS = Path("fuzz-findings")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz one part of sipstack.")
    parser.add_argument("target", nargs="?", choices=[*NAMES, "grammar"], metavar="TARGET", help="see --list")
    parser.add_argument("files", nargs="*", type=Path, help="check these inputs only, such as a finding")
    parser.add_argument("--list", action="store_true", help="say what there is, and what each checks")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--runs", type=int, help="how many inputs at most")
    parser.add_argument("--seed", type=int, default=1, help="of chance (default: 1)")
    parser.add_argument("--atheris", action="store_true", help="let atheris guide, by the code that is reached")
    parser.add_argument("--corpus", type=Path, help="where atheris keeps what reaches new code")
    parser.add_argument("--examples", type=int, default=1_000, help="of grammar: values of each header field")
    return parser


def _keep(target: Target, tally: Tally) -> None:
    for kind, finding in tally.findings.items():
        _FINDINGS.mkdir(exist_ok=True)
        path = _FINDINGS / f"{target.name}-{finding.digest}"
        path.write_bytes(finding.data)
        print(f"{kind}: {finding.error}\n    python -m fuzz {target.name} {path}")


def main() -> int:
    """Run the command; 1 when something was found."""
    arguments = _arguments().parse_args()
    if arguments.list or arguments.target is None:
        for name in NAMES:
            print(f"{name:13} {load(name).invariant}")
        print(f"{'grammar':13} Valid values of every header field are read and read back; near misses are refused.")
        return 0
    if arguments.target == "grammar":
        # Not above: what is imported before atheris begins is not seen by it.
        from ._grammar_check import check_grammar

        return check_grammar(arguments.examples)
    if arguments.files:
        target = load(arguments.target)
        for path in arguments.files:
            target.check(path.read_bytes())
            print(f"{path}: nothing found")
        return 0
    if arguments.atheris:
        folders = [str(arguments.corpus)] if arguments.corpus else []
        if arguments.corpus:
            arguments.corpus.mkdir(parents=True, exist_ok=True)
        _FINDINGS.mkdir(exist_ok=True)
        own = [f"-max_total_time={int(arguments.seconds)}", f"-seed={arguments.seed}", "-max_len=8192", "-timeout=20"]
        own += [f"-artifact_prefix={_FINDINGS}/{arguments.target}-"]
        own += [f"-runs={arguments.runs}"] if arguments.runs else []
        run_atheris(
            arguments.target, [*own, *folders, str(Path(__file__).parent / "corpus" / arguments.target)], load=load
        )
        return 0
    target = load(arguments.target)
    tally = run_random(target, seconds=arguments.seconds, runs=arguments.runs, seed=arguments.seed, report=print)
    _keep(target, tally)
    found = f"{tally.executions} inputs, {len(tally.findings)} findings"
    print(f"{target.name}: {found}, longest {tally.longest * 1000:.0f} ms")
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
