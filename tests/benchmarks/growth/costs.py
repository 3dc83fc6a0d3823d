"""What is measured at each size of a curve."""

from __future__ import annotations

import asyncio
import time

from flowmesh import AsyncClient
from tests.benchmarks import accounting
from tests.benchmarks.measuring import Run, measure
from tests.benchmarks.results import by_kind
from tests.benchmarks.stack import Stack
from tests.benchmarks.workloads import Workload, chain

Point = dict[str, float]

IDLE_SECONDS = 5.0
LOAD = Workload("load", "chain of 10, 32 at once", (chain(10),), 200, 32)
ONE_BY_ONE = Workload("idle", "chain of 10, one at a time", (chain(10),), 20, 1, clients=1)


async def of_load(stack: Stack, load: Workload) -> Point:
    """Run a load, after a tenth of it, and return what a step of it cost."""
    await measure(stack, load, warm_up=True)
    return of_run(await measure(stack, load))


def of_run(run: Run) -> Point:
    """Return what a step cost, in CPU by kind of process, time and memory."""
    spent = by_kind(run.cpu_us)
    return {
        "cpu_us": sum(each for kind, each in spent.items() if kind != "client"),
        **{f"{kind}_us": each for kind, each in spent.items()},
        "wall_us": 1e6 / run.steps_per_second,
        "preparing": run.preparing,
        "step_p50_ms": run.step_p50_ms,
        "owner_mib": by_kind(run.peak_mib)["orchestration"],
        "foreign_cores": run.foreign_cores,
    }


async def idle(stack: Stack) -> Point:
    """Return what the roles and the stores, and the workers, use of a core while nothing is asked of them."""
    await asyncio.sleep(1.0)
    before, began = stack.usage(), time.perf_counter()
    await asyncio.sleep(IDLE_SECONDS)
    after, ended = stack.usage(), time.perf_counter()
    spent = by_kind({name: after.cpu[name] - before.cpu[name] for name in after.cpu})
    percent = {kind: 100 * each / (ended - began) for kind, each in spent.items() if kind != "client"}
    return {
        "idle_percent": sum(each for kind, each in percent.items() if kind != "worker"),
        **{f"{kind}_idle_percent": each for kind, each in percent.items()},
    }


def owner_bytes(stack: Stack) -> float:
    """Return the resident memory of the owners."""
    return sum(accounting.resident(pid) for name, pid in stack.processes.items() if name.startswith("orch"))


async def reading(stack: Stack, execution_id: str) -> Point:
    """Return how long it takes to look at one execution, in milliseconds."""
    async with AsyncClient(stack.addresses("orchestration")[0]) as client:
        began = time.perf_counter()
        await client.get(execution_id, nodes=True, payloads=True)
        got = time.perf_counter()
        async for _ in client.events(execution_id):
            pass
        return {"get_ms": 1e3 * (got - began), "events_ms": 1e3 * (time.perf_counter() - got)}
