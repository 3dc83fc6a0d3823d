"""Results as a file for programs and a table for people, and two of them compared.

`python -m tests.benchmarks.results BEFORE.json AFTER.json` prints the comparison.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import Run

Results = dict[str, Any]

CEILING_OF = {"W2": "64", "W7": "64", "W2-bulk": "800", "W3": "800", "W5": "800"}
"""Which raw ceiling, by messages in flight, a workload is held against."""

_COLUMNS = (
    "workload",
    "steps/s",
    "spread",
    "exec/s",
    "p50 ms",
    "p99 ms",
    "step p50",
    "step p99",
    "CPU µs/step",
    "peak MiB",
    "ceiling",
)

_STORES = {
    "redis_commands": "Redis commands",
    "redis_reads": "reads",
    "redis_us": "µs",
    "redis_bytes_in": "bytes in",
    "redis_bytes_out": "out",
    "sql_statements": "SQL statements",
    "sql_us": "µs ",
    "wal_bytes": "WAL bytes",
}


def machine() -> dict[str, Any]:
    """Describe where and what is measured."""
    root = Path(__file__).parents[2]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False
    ).stdout.strip()
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "cores": os.cpu_count(),
        "processor": models[0].partition(": ")[2] if models else platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit,
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def summary(title: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Return the medians of the runs of a workload, and the runs."""
    rates = [run.steps_per_second for run in runs]
    return {
        "title": title,
        "median": _median([asdict(run) for run in runs]),
        "spread": (max(rates) - min(rates)) / statistics.median(rates),
        "runs": [asdict(run) for run in runs],
    }


def _median(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Take the median of every number, also inside of mappings."""
    return {
        key: _median([run[key] for run in runs])
        if isinstance(runs[0][key], Mapping)
        else statistics.median(run[key] for run in runs)
        for key in runs[0]
    }


def write(folder: Path, results: Results) -> None:
    """Write `results.json` and `results.txt`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.txt").write_text(table(results))


def table(results: Results) -> str:
    """Return the results for people."""
    about = results["machine"]
    lines = [
        f"{about['date']} UTC, commit {about['commit']}, {about['cores']} cores {about['processor']}",
        f"processes: {results['shape']}",
        "raw ceiling, steps/s: "
        + ", ".join(f"{rate:,.0f} with {n} in flight" for n, rate in results["ceiling"].items()),
        "",
        *aligned([_COLUMNS, *(_row(name, results) for name in results["workloads"])]),
        "",
        "CPU µs per step, by kind of process",
        *aligned(_cpu_rows(results)),
        "",
        "the stores per step",
        *aligned(_store_rows(results)),
        "",
    ]
    return "\n".join(lines)


def _row(name: str, results: Results) -> tuple[str, ...]:
    found = results["workloads"][name]
    median = found["median"]
    ours = sum(value for process, value in median["cpu_us"].items() if kind(process) != "client")
    peak = max(value for process, value in median["peak_mib"].items() if process.startswith("orch"))
    raw = results["ceiling"].get(CEILING_OF.get(name, ""))
    return (
        f"{name} ({found['title']})",
        f"{median['steps_per_second']:,.0f}",
        f"{found['spread']:.0%}",
        f"{median['executions_per_second']:,.1f}",
        f"{median['p50_ms']:.1f}",
        f"{median['p99_ms']:.1f}",
        f"{median['step_p50_ms']:.1f}",
        f"{median['step_p99_ms']:.1f}",
        f"{ours:.0f}",
        f"{peak:.0f}",
        "" if raw is None else f"{median['steps_per_second'] / raw:.0%}",
    )


def kind(process: str) -> str:
    """Return what a process is, without its number."""
    return process.rstrip("0123456789").rstrip("-")


def by_kind(values: Mapping[str, float]) -> dict[str, float]:
    """Sum up over the processes of a kind."""
    found: defaultdict[str, float] = defaultdict(float)
    for process, value in values.items():
        found[kind(process)] += value
    return dict(found)


def _cpu_rows(results: Results) -> list[tuple[str, ...]]:
    loads = results["workloads"]
    spent = {name: by_kind(loads[name]["median"]["cpu_us"]) for name in loads}
    kinds = list(dict.fromkeys(each for found in spent.values() for each in found))
    rows = [(name, *(f"{spent[name][each]:.0f}" for each in kinds)) for name in loads]
    foreign = [f"{loads[name]['median']['foreign_cores']:.1f}" for name in loads]
    head = ("workload", *kinds, "other programs, cores")
    return [head, *((*row, cores) for row, cores in zip(rows, foreign, strict=True))]


def _store_rows(results: Results) -> list[tuple[str, ...]]:
    head = ("workload", *_STORES.values(), "history bytes")
    rows = [
        (
            name,
            *(f"{found['stores'][key]:,.{0 if found['stores'][key] >= 100 else 2}f}" for key in _STORES),
            f"{found['median']['history_bytes']:.0f}",
        )
        for name, found in results["workloads"].items()
    ]
    return [head, *rows]


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lay out rows, the first cell of each to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def comparison(before: Results, after: Results) -> str:
    """Return what changed, workload by workload, as ratios of after to before."""
    rows: list[tuple[str, ...]] = [("workload", "steps/s", "p50", "p99", "CPU", "share of ceiling")]
    for name, new in after["workloads"].items():
        old = before["workloads"].get(name)
        if old is not None:
            rows.append((name, *_ratios(old["median"], new["median"]), _shares(name, before, after)))
    return "\n".join(aligned(rows))


def _ratios(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    pairs = [(old[key], new[key]) for key in ("steps_per_second", "p50_ms", "p99_ms")]
    pairs.append((sum(old["cpu_us"].values()), sum(new["cpu_us"].values())))
    return [f"{now / then:.2f}" for then, now in pairs]


def _shares(name: str, before: Results, after: Results) -> str:
    against = CEILING_OF.get(name)
    if against is None:
        return ""
    rates = [each["workloads"][name]["median"]["steps_per_second"] for each in (before, after)]
    raw = [each["ceiling"][against] for each in (before, after)]
    return " → ".join(f"{rate / top:.0%}" for rate, top in zip(rates, raw, strict=True))


def main() -> None:
    """Compare two files."""
    before, after = (json.loads(Path(path).read_text()) for path in sys.argv[1:])
    print(comparison(before, after))


if __name__ == "__main__":
    main()
