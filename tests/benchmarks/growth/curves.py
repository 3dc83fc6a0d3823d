"""What grows, and how its cost may grow with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from tests.benchmarks.background import waiting_executions, watched
from tests.benchmarks.client_process import Job
from tests.benchmarks.growth.costs import (
    LOAD,
    ONE_BY_ONE,
    Point,
    idle,
    of_load,
    of_run,
    owner_bytes,
    reading,
)
from tests.benchmarks.growth.judging import Metric
from tests.benchmarks.measuring import measure
from tests.benchmarks.outcomes import settle
from tests.benchmarks.stack import Shape, Stack, running
from tests.benchmarks.workloads import FAILING, HANDLER, SIZED, Workload, chain, fan, passing

Measure = Callable[[Sequence[int]], AsyncIterator[Point]]

_SLOTS = 400
_PROCESSES = 4
_CROWD_NODES = 30

_CPU = Metric("cpu_us", "CPU µs per step, servers and workers")
_IDLE = Metric("idle_percent", "% of a core when idle, servers", linear=True)


@dataclass(frozen=True)
class Curve:
    """Costs against one size.

    Attributes:
        title: What it is.
        unit: What sizes count.
        sizes: The sizes.
        metrics: The costs, with how they may grow.
        measure: Yields a point for each size, in order.
    """

    title: str
    unit: str
    sizes: tuple[int, ...]
    metrics: tuple[Metric, ...]
    measure: Measure


async def _nodes(sizes: Sequence[int]) -> AsyncIterator[Point]:
    for size in sizes:
        async with running(Shape()) as stack:
            load = Workload("nodes", "", (fan(size - 2),), max(1, 5_000 // size), 1, clients=1)
            with stack.workers(load.handlers):
                await measure(stack, replace(LOAD, graphs=(fan(8),), count=20))
                base = owner_bytes(stack)
                run = await measure(stack, load)
                point = of_run(run)
            yield {
                **point,
                "seconds": run.seconds / load.count,
                "preparing_us": 1e6 * run.preparing / size,
                "owner_kib": max(0.0, point["owner_mib"] * 1024 - base / 1024),
            }


async def _history(sizes: Sequence[int]) -> AsyncIterator[Point]:
    async with running(Shape()) as stack:
        for size in sizes:
            load = Workload("history", "", (chain(size),), 8, 8)
            with stack.workers(load.handlers):
                point = await of_load(stack, load)
            query = "SELECT execution_id FROM flowmesh.execution ORDER BY created_at DESC LIMIT 1"
            yield {**point, **await reading(stack, await stack.observer.value(query))}


async def _open(sizes: Sequence[int]) -> AsyncIterator[Point]:
    async with running(Shape()) as stack:
        with stack.workers({HANDLER, FAILING}):
            await of_load(stack, LOAD)
            await waiting_executions(stack, 500)
            base, opened = owner_bytes(stack), 0
            for size in sizes:
                await waiting_executions(stack, size - opened)
                opened = size
                taken = owner_bytes(stack) - base
                yield {
                    "owner_kib": max(0.0, taken / 1024),
                    "bytes_each": max(0.0, taken / size),
                    **await idle(stack),
                    **await of_load(stack, LOAD),
                }


async def _workers(sizes: Sequence[int]) -> AsyncIterator[Point]:
    async with running(Shape()) as stack:
        for size in sizes:
            processes = min(_PROCESSES, size)
            shape = replace(
                stack.shape, workers=processes, sessions=size // processes, slots=max(1, _SLOTS // size)
            )
            stack.shape = shape
            with stack.workers({HANDLER}):
                await _connected(stack, size)
                quiet = await idle(stack)
                point = await of_load(stack, LOAD)
            for number in range(processes):
                del stack.processes[f"worker-{number + 1}"]
            servers = point["cpu_us"] - point["worker_us"]
            yield {**point, **quiet, "servers_us": servers}


async def _connected(stack: Stack, count: int) -> None:
    """Run something until all workers had the time to connect; each run takes whoever is there."""
    await measure(stack, replace(LOAD, count=max(20, count // 2)))


async def _partitions(sizes: Sequence[int]) -> AsyncIterator[Point]:
    for size in sizes:
        async with running(Shape(settings={"FLOWMESH_PARTITIONS": str(size)})) as stack:
            with stack.workers({HANDLER}):
                point = await of_load(stack, LOAD)
                alone = await of_load(stack, ONE_BY_ONE)
                yield {
                    **point,
                    "alone_us": alone["cpu_us"],
                    "alone_redis_us": alone["redis_us"],
                    "alone_p50_ms": alone["step_p50_ms"],
                    **await idle(stack),
                }


async def _payload(sizes: Sequence[int]) -> AsyncIterator[Point]:
    async for point in _of_graphs([chain(10, f"{SIZED}{size}") for size in sizes]):
        yield point


async def _passed_payload(sizes: Sequence[int]) -> AsyncIterator[Point]:
    async for point in _of_graphs([passing(10, size) for size in sizes]):
        yield point


async def _of_graphs(graphs: Sequence[dict[str, object]]) -> AsyncIterator[Point]:
    async with running(Shape()) as stack:
        for graph in graphs:
            load = Workload("payload", "", (graph,), 60, 16)
            with stack.workers(load.handlers):
                yield await of_load(stack, load)


async def _watchers(sizes: Sequence[int]) -> AsyncIterator[Point]:
    async with running(Shape()) as stack:
        with stack.workers({HANDLER, FAILING}):
            ids = await waiting_executions(stack, max(sizes))
            for size in sizes:
                async with watched(stack, ids[:size]):
                    quiet = await idle(stack)
                    yield {**await of_load(stack, LOAD), **quiet}


async def _crowd(sizes: Sequence[int]) -> AsyncIterator[Point]:
    async with running(Shape()) as stack:
        with stack.workers({HANDLER}):
            await of_load(stack, LOAD)
        for size in sizes:
            (execution_id,) = (await stack.clients[0].run(Job([chain(_CROWD_NODES)], 0, 1, 1, "submit"))).ids
            async with watched(stack, [execution_id] * size) as watchers:
                before = stack.usage()
                with stack.workers({HANDLER}):
                    await settle(stack, [execution_id])
                    await watchers.say("done")
                    after = stack.usage()
            spent = after.cpu["orchestration-1"] - before.cpu["orchestration-1"]
            yield {"orchestration_ms": 1e3 * spent, "each_us": 1e6 * spent / size / (2 * _CROWD_NODES + 2)}


CURVES = {
    "nodes": Curve(
        "One graph, 1 to n to 1",
        "nodes",
        (10, 100, 1_000, 10_000, 100_000),
        (
            _CPU,
            Metric("seconds", "seconds", linear=True),
            Metric("owner_kib", "KiB more in the owner", linear=True),
            Metric("preparing_us", "µs to register, per node"),
        ),
        _nodes,
    ),
    "history": Curve(
        "Chains, 8 at once",
        "nodes in a row, two events each",
        (10, 100, 1_000, 4_000),
        (
            _CPU,
            Metric("get_ms", "ms to get the execution", linear=True),
            Metric("events_ms", "ms to list its events", linear=True),
        ),
        _history,
    ),
    "open": Curve(
        "Chains of 10 beside executions that wait on timers",
        "open executions",
        (1, 100, 1_000, 10_000, 100_000),
        (_CPU, Metric("owner_kib", "KiB more in the owner", linear=True), _IDLE),
        _open,
    ),
    "workers": Curve(
        "Chains of 10, 400 slots in all",
        "workers",
        (1, 10, 100, 1_000),
        (
            Metric("servers_us", "CPU µs per step, servers"),
            Metric("worker_us", "CPU µs per step, workers"),
            _IDLE,
            Metric("worker_idle_percent", "% of a core when idle, workers", linear=True),
        ),
        _workers,
    ),
    "partitions": Curve(
        "Chains of 10",
        "partitions",
        (16, 64, 256, 1_024),
        (
            _CPU,
            Metric("alone_us", "CPU µs per step, one chain at a time"),
            Metric("alone_redis_us", "of it in Redis"),
            _IDLE,
        ),
        _partitions,
    ),
    "payload": Curve(
        "Chains of 10, outputs that nobody reads",
        "bytes of output",
        (100, 1_024, 16_384, 65_536, 262_144),
        (Metric("cpu_us", _CPU.label, linear=True),),
        _payload,
    ),
    "passed": Curve(
        "Chains of 10, each output the next input",
        "bytes of output",
        (100, 1_024, 16_384, 65_536, 262_144),
        (Metric("cpu_us", _CPU.label, linear=True),),
        _passed_payload,
    ),
    "watchers": Curve(
        "Chains of 10 beside watchers of executions that wait",
        "watchers",
        (1, 10, 100, 1_000),
        (_CPU, _IDLE),
        _watchers,
    ),
    "crowd": Curve(
        "Watchers of one chain of 30",
        "watchers",
        (1, 10, 100, 1_000),
        (
            Metric("orchestration_ms", "CPU ms of the orchestration", linear=True),
            Metric("each_us", "µs per event and watcher"),
        ),
        _crowd,
    ),
}
