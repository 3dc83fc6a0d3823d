"""What a step of a small load asks of the stores, and what it costs; the least of some runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.benchmarks.guard.wire_tap import WireTap
from tests.benchmarks.measuring import Run, measure
from tests.benchmarks.stack import Stack
from tests.benchmarks.workloads import Workload, chain, fan

LOADS = (
    Workload("chain", "chain of 10, one at a time", (chain(10),), 20, 1, clients=1),
    Workload("fan", "1 to 100 to 1, one at a time", (fan(100),), 3, 1, clients=1),
    Workload("bulk", "chain of 3, 100 in a call", (chain(3),), 100, 1, "bulk", clients=1),
)
BUSY = Workload("busy", "chain of 10, 32 at once", (chain(10),), 100, 32, clients=1)
_RUNS = 4
_IDLE_SECONDS = 4.0


async def counts_per_step(stack: Stack, tap: WireTap) -> dict[str, dict[str, float]]:
    """Return, for each load, what a step asks for; the run in which most went together counts."""
    found = {}
    for load in LOADS:
        with stack.workers(load.handlers):
            await measure(stack, load)
            runs = [await _counted(stack, tap, load) for _ in range(_RUNS)]
        found[load.name] = {name: min(run[name] for run in runs) for name in runs[0]}
    return {**found, "idle": await _idle_per_second(stack, tap)}


async def _idle_per_second(stack: Stack, tap: WireTap) -> dict[str, float]:
    """Return what a system asks for that has nothing to do, with a worker connected."""
    with stack.workers(BUSY.handlers):
        await measure(stack, BUSY, warm_up=True)
        await asyncio.sleep(1.0)  # whatever follows the load
        before, told = await stack.gauges.read(), dict(tap.counts)
        await asyncio.sleep(_IDLE_SECONDS)
        spent = (await stack.gauges.read()).since(before)
        said = tap.counts["statements"] - told["statements"]
    return {
        "Redis commands": sum(spent.redis_commands.values()) / _IDLE_SECONDS,
        "SQL statements": said / _IDLE_SECONDS,
    }


async def _counted(stack: Stack, tap: WireTap, load: Workload) -> Mapping[str, float]:
    before, told = await stack.gauges.read(), dict(tap.counts)
    run = await measure(stack, load)
    steps = load.steps_of(load.count)
    spent = (await stack.gauges.read()).since(before).each(steps)
    said = {name: (count - told.get(name, 0)) / steps for name, count in tap.counts.items()}
    return {
        "Redis commands": spent["redis_commands"],
        "Redis reads": spent["redis_reads"],
        "bytes to Redis": spent["redis_bytes_in"],
        "bytes from Redis": spent["redis_bytes_out"],
        "SQL statements": said["statements"],
        "SQL round trips": said["round_trips"],
        "bytes to PostgreSQL": said["bytes_in"],
        "bytes from PostgreSQL": said["bytes_out"],
        "history bytes": run.history_bytes,
    }


async def timed(stack: Stack) -> Run:
    """Run the busy load once, with workers that just started and one run to warm them up."""
    with stack.workers(BUSY.handlers):
        await measure(stack, BUSY, warm_up=True)
        return await measure(stack, BUSY)


def cpu_us(run: Run) -> float:
    """Return what a step cost in our processes; stores and the clients that load them left out."""
    return sum(spent for name, spent in run.cpu_us.items() if name.startswith(("all-roles", "worker")))
