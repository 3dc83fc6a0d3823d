"""Ten times more submissions than the workers do: refused in time, nothing lost, and over when it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from flowmesh import AsyncClient, RateLimitedError, ServiceError, Submission, Worker, Workflow, task
from flowmesh._client import calls
from tests.chaos.facts import FactLog
from tests.overload.system import Stores, System, running_system

TASK_SECONDS = 0.05
SLOTS = 10
WORKERS_DO = SLOTS / TASK_SECONDS
OVERLOAD = 10
BATCH = 200
QUEUED_AT_MOST = 1_000
GROWTH_MIB = 100.0
LEFT_MIB = 40.0
SETTLE_SECONDS = 40.0
SETTINGS = {"FLOWMESH_MAX_NAMESPACE_TASKS": str(QUEUED_AT_MOST), "FLOWMESH_PARTITIONS": "64"}


@dataclass
class Flood:
    """What became of what was asked for."""

    accepted: list[str] = field(default_factory=list)
    refused: int = 0


@pytest.mark.timeout(180)
async def test_an_overload_of_ten_passes_and_leaves_nothing(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    await overload(tmp_path, Stores(database_url, redis_url), seconds=12.0)


@pytest.mark.benchmark
@pytest.mark.timeout(400)
async def test_an_overload_of_ten_for_a_minute(tmp_path: Path, database_url: str, redis_url: str) -> None:
    await overload(tmp_path, Stores(database_url, redis_url), seconds=60.0)


async def overload(directory: Path, stores: Stores, seconds: float) -> None:
    """Flood one namespace while another one works, and judge what is left."""
    log = FactLog(directory / "clients.facts")
    async with (
        running_system(directory, stores, SETTINGS) as system,
        caller(system, "default") as loud,
        caller(system, "calm") as calm,
    ):
        gateway = system.addresses["worker-control"]
        async with (
            Worker(gateway, tasks=[busy], slots=SLOTS),
            Worker(gateway, tasks=[brief], namespace="calm"),
        ):
            await serve_calmly(calm, 1.0)  # so that everything is loaded and connected
            baseline, connections = system.memory(), await system.connections()
            flood = Flood()
            observer = asyncio.create_task(system.observe())
            async with asyncio.timeout(seconds + 20), asyncio.TaskGroup() as tasks:
                tasks.create_task(overflow(loud, flood, seconds, log))
                latencies = tasks.create_task(serve_calmly(calm, seconds))
            drained = await drain(system)
            observer.cancel()
            await completed(loud, flood.accepted)
            left, connected = system.memory(), await system.connections()
        code, verdict = await system.verify(log.path)
    log.close()
    slowest = sorted(latencies.result())
    memory = {role: (baseline[role], system.peaks[role], left[role]) for role in baseline}
    report(flood, drained, memory, slowest)

    assert code == 0, verdict
    assert len(flood.accepted) + flood.refused > OVERLOAD * WORKERS_DO * seconds * 0.9, (
        "there was no overload"
    )
    assert flood.refused > len(flood.accepted)
    assert len(flood.accepted) < WORKERS_DO * (seconds + 2) + 2 * QUEUED_AT_MOST
    assert {role: each for role, each in memory.items() if each[1] - each[0] > GROWTH_MIB} == {}
    assert {role: each for role, each in memory.items() if each[2] - each[0] > LEFT_MIB} == {}
    assert connected <= connections + 4
    assert len(slowest) > 3 * seconds, "another namespace was served all the time"
    assert slowest[len(slowest) * 95 // 100] < 2.0


@dataclass(frozen=True)
class Caller:
    """Somebody who starts executions in a namespace and looks what became of them."""

    starts: AsyncClient
    looks: AsyncClient


async def overflow(client: Caller, flood: Flood, seconds: float, log: FactLog) -> None:
    """Ask for ten times what the workers do, whatever the answers are."""
    workflow = Workflow("busy")
    workflow.node("busy", id="only")
    end = time.monotonic() + seconds
    pending: set[asyncio.Task[None]] = set()
    while time.monotonic() < end:
        pending.add(asyncio.create_task(ask(client, workflow, flood, log)))
        await asyncio.sleep(BATCH / (OVERLOAD * WORKERS_DO))
        pending = {each for each in pending if not each.done()}
    await asyncio.gather(*pending)


async def ask(client: Caller, workflow: Workflow, flood: Flood, log: FactLog) -> None:
    items = [Submission(workflow, request_id=uuid4().hex) for _ in range(BATCH)]
    for item, answer in zip(items, await once(client.starts, items), strict=True):
        if isinstance(answer, Exception):
            assert isinstance(answer, RateLimitedError), answer
            assert answer.reason == "OVERLOADED"
            assert answer.retry_after is not None
            flood.refused += 1
        else:
            log.write("submitted", answer, request_id=item.request_id)
            flood.accepted.append(answer)


async def once(client: AsyncClient, items: Sequence[Submission]) -> list[str | ServiceError]:
    """Submit without the patience of `submit_many`, which would send what was refused again."""
    requests = [calls.submit_request(client._namespace, item) for item in items]
    return await client._transport.call(calls.submit_many(requests))


async def serve_calmly(client: Caller, seconds: float) -> list[float]:
    """Run one execution after the other in a namespace of its own; return how long each took."""
    workflow = Workflow("brief")
    workflow.node("brief", id="only")
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        handle = await client.starts.submit(workflow)
        await client.looks.handle(handle.id).result(timeout=20)
        took.append(time.monotonic() - started)
        await asyncio.sleep(0.1)
    return took


async def drain(system: System) -> float:
    """Return how many seconds it took until nothing was queued."""
    started = time.monotonic()
    async with asyncio.timeout(SETTLE_SECONDS):
        while True:
            if not await system.queued():
                return time.monotonic() - started
            await asyncio.sleep(0.2)


async def completed(client: Caller, accepted: list[str]) -> None:
    """Everything that was accepted has run."""
    states = {each.execution_id: each.state.value async for each in client.looks.list(page_size=1000)}
    assert set(accepted) <= set(states)
    assert {states[each] for each in accepted} == {"COMPLETED"}


@asynccontextmanager
async def caller(system: System, namespace: str) -> AsyncIterator[Caller]:
    """Connect to both services."""
    async with (
        AsyncClient(system.addresses["submission"], namespace=namespace) as starts,
        AsyncClient(system.addresses["orchestration"], namespace=namespace) as looks,
    ):
        yield Caller(starts, looks)


def report(
    flood: Flood,
    drained: float,
    memory: Mapping[str, tuple[float, float, float]],
    slowest: Sequence[float],
) -> None:
    """Print the figures, for runs with -s."""
    print(f"accepted {len(flood.accepted)}, refused {flood.refused}, drained in {drained:.1f} s")  # noqa: T201
    for role, (before, peak, after) in memory.items():
        print(f"{role}: {before:.0f} MiB before, {peak:.0f} at most, {after:.0f} after")  # noqa: T201
    middle, late = slowest[len(slowest) // 2], slowest[len(slowest) * 99 // 100]
    print(f"other namespace: {len(slowest)} executions, p50 {middle:.3f} s, p99 {late:.3f} s")  # noqa: T201


@task
async def busy() -> None:
    await asyncio.sleep(TASK_SECONDS)


@task
async def brief() -> None:
    pass
