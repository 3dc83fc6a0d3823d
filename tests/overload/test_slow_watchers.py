"""Many watchers on one replica, some of which never read: nobody else notices."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowmesh import AsyncClient, Worker, Workflow, task
from tests.overload.system import Stores, System, running_system

EXECUTIONS = 5
STEPS = 16
OUTPUT = "x" * 8_192
"""All outputs together are more than a stream holds that nobody reads."""
MEMORY_MIB = 250.0


@dataclass(frozen=True)
class Crowd:
    """How many watch, in how many processes, how many of them never read, and how fast things happen."""

    processes: int
    readers: int
    silent: int
    step_seconds: float
    patience: float


@pytest.mark.timeout(180)
async def test_five_hundred_watchers_and_some_that_never_read(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    crowd = Crowd(processes=2, readers=490, silent=10, step_seconds=0.4, patience=2.0)
    await crowded(tmp_path, Stores(database_url, redis_url), crowd, bound=1.0)


@pytest.mark.benchmark
@pytest.mark.timeout(600)
async def test_five_thousand_watchers_and_some_that_never_read(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    crowd = Crowd(processes=3, readers=4_950, silent=50, step_seconds=3.0, patience=15.0)
    await crowded(tmp_path, Stores(database_url, redis_url), crowd, bound=3.0)


async def crowded(directory: Path, stores: Stores, crowd: Crowd, bound: float) -> None:
    """Let a crowd watch executions that run, and compare what its members saw."""
    settings = {"FLOWMESH_WATCHER_PATIENCE_SECONDS": str(crowd.patience), "FLOWMESH_PARTITIONS": "16"}
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(running_system(directory, stores, settings))
        ids = await accepted(system, crowd.step_seconds)
        each = crowd.readers // crowd.processes // EXECUTIONS
        readers = [
            await stack.enter_async_context(watching(system, each, ids)) for _ in range(crowd.processes)
        ]
        silent = await stack.enter_async_context(
            watching(system, crowd.silent // EXECUTIONS, ids, "--silent")
        )
        baseline = system.memory()["orchestration"]
        observer = asyncio.create_task(system.observe())
        async with Worker(system.addresses["worker-control"], tasks=[step], slots=EXECUTIONS):
            seen = [await outcome(reader) for reader in readers]
        await asyncio.sleep(crowd.patience)  # of the last message that a silent one did not read
        observer.cancel()
        assert silent.stdin is not None
        silent.stdin.write(b"\n")
        late = await outcome(silent)

    delays = sorted(delay for one in seen for delay in one["delays"])
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    peak = system.peaks["orchestration"]
    figures = f"{len(delays)} events, p50 {p50:.3f} s, p99 {p99:.3f} s, {baseline:.0f} to {peak:.0f} MiB"
    print(figures)  # noqa: T201
    assert [one["gaps"] for one in (*seen, late)] == [0] * (crowd.processes + 1)
    assert all(count == 1 for one in seen for count in one["streams"]), "who reads keeps its stream"
    assert all(count > 1 for count in late["streams"]), "who does not read is made to resume"
    assert p99 < bound, figures
    assert peak - baseline < MEMORY_MIB, figures


async def accepted(system: System, seconds: float) -> list[str]:
    """Start the executions; no worker is there yet."""
    workflow = Workflow("long")
    before = workflow.node("step", id="s0", n=0, seconds=seconds)
    for number in range(1, STEPS):
        before = workflow.node("step", id=f"s{number}", n=before.output["n"], seconds=seconds)
    async with AsyncClient(system.addresses["submission"]) as client:
        return [(await client.submit(workflow)).id for _ in range(EXECUTIONS)]


@task
async def step(config: dict[str, Any], /) -> dict[str, Any]:
    await asyncio.sleep(config["seconds"])
    return {"n": config["n"] + 1, "text": OUTPUT}


@asynccontextmanager
async def watching(system: System, streams: int, ids: Sequence[str], *mode: str) -> AsyncIterator[Process]:
    """Run a process of watchers until they have read to the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.overload.watch_process", *mode),
        *(system.addresses["orchestration"], str(streams), *ids),
        stdin=PIPE,
        stdout=PIPE,
        limit=2**26,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(120):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def outcome(process: Process) -> dict[str, Any]:
    """Return what the watchers of a process saw."""
    assert process.stdout is not None
    async with asyncio.timeout(300):
        told: dict[str, Any] = json.loads(await process.stdout.readline())
    return told
