"""`make chaos STEPS=… SEED=…`, or MINUTES=…: a long run, and a summary."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.chaos.load import LoadOptions
from tests.chaos.run import ChaosOptions, Outcome, run_chaos


def main() -> int:
    """Run, print what came of it, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int, default=0, help="as fast as they go, until so many completed")
    length.add_argument("--minutes", type=float, default=0.0, help="for so long, at --rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=30.0, help="executions a second")
    parser.add_argument("--keep", type=Path, help="where to leave the logs")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything started is ended
    options = ChaosOptions(
        seed=words.seed,
        seconds=60 * words.minutes,
        steps=words.steps,
        load=LoadOptions(rate=words.rate, cancelled=0.1 if words.minutes else 0.03),
        settle_seconds=180.0,
        pause=4.0 if words.steps else 1.0,
        tell_every=10.0 if words.steps else 0.0,
        is_long=True,
    )
    with tempfile.TemporaryDirectory(prefix="flowmesh-chaos-") as temporary:
        directory = Path(temporary) if words.keep is None else words.keep
        directory.mkdir(parents=True, exist_ok=True)
        outcome = asyncio.run(run_chaos(options, directory))
    sys.stdout.write(f"{summary(options, outcome)}\n")
    return 1 if outcome.verdict is None else outcome.verdict.exit_code


def summary(options: ChaosOptions, outcome: Outcome) -> str:
    """Return what came of a run, in words."""
    lines = [f"seed {options.seed}: {len(outcome.faults)} faults in {outcome.stormed:.0f} s"]
    if options.steps:
        rate = outcome.steps / outcome.stormed
        lines.append(f"{outcome.steps} steps and more completed under them, {rate:.0f} a second")
    lines += [f"  {count:>4} x {name}" for name, count in sorted(Counter(outcome.faults).items())]
    lines.append(f"{outcome.accepted} executions were accepted, {outcome.open_executions} are open")
    lines.append(f"every execution had ended {outcome.settled_in:.1f} s after the last fault")
    lines.append(f"every client had its answers after {outcome.clients_settled_in:.1f} s")
    if outcome.verdict is not None:
        lines += [json.dumps(outcome.verdict.report, indent=2), outcome.verdict.said]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
