"""Run seeds: python -m tests.simulation --help."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat

from tests.simulation.faults import Fault
from tests.simulation.mutants import MUTANTS, find
from tests.simulation.simulation import Outcome, simulate


def main() -> int:
    """Run seeds and print what failed; return 1 when something did."""
    options = _options()
    seeds = range(options.first, options.first + options.seeds)
    return hunt(options) if options.mutants else run(seeds, options)


def run(seeds: range, options: argparse.Namespace) -> int:
    """Print what failed, and how much was run."""
    started = time.perf_counter()
    failed = steps = appends = 0
    struck: Counter[Fault] = Counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(partial(simulate, lines=options.lines), seeds, chunksize=25):
            steps += outcome.steps
            appends += outcome.appends
            struck.update(outcome.struck)
            if outcome.violations:
                failed += 1
                _show(outcome)
            elif options.digests:
                print(f"seed {outcome.seed} digest {outcome.digest:x}")
    seconds = time.perf_counter() - started
    print(
        f"{len(seeds)} seeds, {failed} failed; {appends} appends, {steps} steps, {struck.total()} faults",
        end="",
    )
    print(f" in {seconds:.1f} s: {len(seeds) / seconds:.0f} seeds/s")
    if options.faults:
        for fault, times in struck.most_common():
            print(f"{times:9} {fault.value}")
    return 1 if failed else 0


def hunt(options: argparse.Namespace) -> int:
    """Print a seed that finds each mutant, and what it says; return 1 when one is not found."""
    with ProcessPoolExecutor(options.jobs) as pool:
        found = list(pool.map(find, range(len(MUTANTS)), repeat(options.seeds)))
    for mutant, outcome in zip(MUTANTS, found, strict=True):
        if outcome is None:
            print(f"NOT FOUND {mutant.name}")
        else:
            print(f"{outcome.seed:>6} {mutant.name}: {outcome.violations[0][:150]}")
    return 1 if None in found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description="Runs seeds of the simulation."
    )
    parser.add_argument("--seeds", type=int, default=2_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=2, help="processes to use")
    parser.add_argument("--lines", type=int, default=60, help="how much to tell of a run that failed")
    parser.add_argument("--mutants", action="store_true", help="find each defect put in on purpose")
    parser.add_argument("--digests", action="store_true", help="print a number that says what each run did")
    parser.add_argument("--faults", action="store_true", help="say how often each fault struck")
    return parser.parse_args()


def _show(outcome: Outcome) -> None:
    """Print what went wrong, and what went before it."""
    print(f"seed {outcome.seed} ({outcome.mode.value}), digest {outcome.digest:x}:")
    print(outcome.trace)
    for violation in outcome.violations:
        print(f"  VIOLATED {violation}")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of strings have to have the same order in every run.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
