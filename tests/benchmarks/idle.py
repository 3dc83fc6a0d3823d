"""What a system takes that has nothing to do, and what it keeps of memory: `make bench-idle`."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import accounting
from tests.benchmarks.background import waiting_executions
from tests.benchmarks.measuring import measure
from tests.benchmarks.results import aligned, machine
from tests.benchmarks.stack import Shape, Stack, running
from tests.benchmarks.workloads import FAILING, HANDLER, workload

_LOADS = ("W2", "W3", "W2-bulk")
_STEP = 10_000


async def idle(stack: Stack, seconds: float) -> dict[str, Any]:
    """Return what is used while nothing is asked for, per second; the workers are connected."""
    before, used, began = await stack.gauges.settled(), stack.usage(), time.perf_counter()
    await asyncio.sleep(seconds)
    after, ended = stack.usage(), time.perf_counter()
    asked = (await stack.gauges.read()).since(before)
    took = ended - began
    cores = {name: (after.cpu[name] - used.cpu[name]) / took for name in after.cpu}
    return {
        "cores": {name: each for name, each in cores.items() if not name.startswith("client")},
        "foreign_cores": (after.machine - used.machine) / took - sum(cores.values()),
        "redis": {name: calls / took for name, calls in asked.redis_commands.items()},
        "sql": asked.sql_statements / took,
    }


async def memory(stack: Stack, rest: float) -> dict[str, dict[str, float]]:
    """Return what each process has resident at first, once warm, at its peak and after the load, in MiB."""
    found = {"at first": _resident(stack)}
    for name in _LOADS:
        await measure(stack, workload(name), warm_up=True)
    found["warm"] = _resident(stack)
    accounting.reset_peaks(stack.processes.values())
    for name in _LOADS:
        await measure(stack, workload(name))
    # Each measurement begins its peaks anew, so this is of the last; what the others left is in the rest.
    found["peak"] = dict(stack.usage().peak_mib)
    await asyncio.sleep(rest)
    found["rested"] = _resident(stack)
    return found


async def waiting(stack: Stack, count: int) -> list[dict[str, float]]:
    """Return what executions that wait on timers take in the owner, as they become more."""
    await waiting_executions(stack, _STEP // 10)
    base, points = _owner(stack), []
    for opened in range(_STEP, count + 1, _STEP):
        await waiting_executions(stack, _STEP)
        points.append({"open": opened, "bytes_each": (_owner(stack) - base) / opened})
        print(f"{opened:,} open: {points[-1]['bytes_each']:,.0f} bytes each", flush=True)
    return points


def _resident(stack: Stack) -> dict[str, float]:
    return {
        name: sum(map(accounting.resident, [pid, *accounting.descendants(pid)])) / 2**20
        for name, pid in stack.processes.items()
        if not name.startswith("client")
    }


def _owner(stack: Stack) -> int:
    return accounting.resident(stack.processes["orchestration-1"])


def idle_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what idle systems take, for people."""
    rows: list[tuple[str, ...]] = [("% of a core", *found)]
    names = list(next(iter(found.values()))["cores"])
    rows += [(name, *(f"{100 * each['cores'][name]:.2f}" for each in found.values())) for name in names]
    servers = [name for name in names if not name.startswith("worker-1") and name != "worker-2"]
    totals = [sum(each["cores"][name] for name in servers) for each in found.values()]
    rows.append(("all but the workers", *(f"{100 * total:.2f}" for total in totals)))
    rows.append(("other programs, cores", *(f"{each['foreign_cores']:.1f}" for each in found.values())))
    rows.append(("Redis commands/s", *(f"{sum(each['redis'].values()):.1f}" for each in found.values())))
    rows.append(("SQL statements/s", *(f"{each['sql']:.1f}" for each in found.values())))
    return "\n".join(aligned(rows))


def memory_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return the memory of processes, for people."""
    rows: list[tuple[str, ...]] = [("MiB", *found)]
    names: Sequence[str] = list(next(iter(found.values())))
    rows += [(name, *(f"{found[when].get(name, 0.0):.0f}" for when in found)) for name in names]
    return "\n".join(aligned(rows))


async def measured(seconds: float, count: int) -> dict[str, Any]:
    """Measure everything, on one system."""
    async with running(Shape()) as stack:
        with stack.workers({HANDLER, FAILING}):
            quiet = {"idle": await idle(stack, seconds)}
            kept = await memory(stack, seconds)
            quiet["after a load"] = await idle(stack, seconds)
            print(f"{memory_table(kept)}\n")
            points = await waiting(stack, count)
            quiet[f"{count:,} open"] = await idle(stack, seconds)
            print(idle_table(quiet))
    return {"machine": machine(), "idle": quiet, "memory": kept, "open": points}


def main() -> None:
    """Measure, print and write it down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--open", type=int, default=100_000)
    options = parser.parse_args()
    found = asyncio.run(measured(options.seconds, options.open))
    folder = Path(".cache/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "idle.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
