from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import pytest

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.application.overload_guard import LoadLimits, OverloadGuard
from flowmesh_core.domain.errors import Overloaded, StoreUnavailable
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.execution_store import NewExecution
from flowmesh_core.ports.load_gauge import Load

LIMITS = LoadLimits(partition_commands=10, commands=20, executions=30, namespace_tasks=15)
NOTHING = Load({}, 0, {})


class Gauge:
    """Shows what a test sets, and counts who looks."""

    def __init__(self) -> None:
        self.load = NOTHING
        self.answers = True
        self.asked: list[Collection[str]] = []

    async def read(self, partitions: int, namespaces: Collection[str]) -> Load:
        assert partitions == 4
        self.asked.append(namespaces)
        if not self.answers:
            raise StoreUnavailable("out")
        return self.load


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.gauge = Gauge()
        self.telemetry = RecordedTelemetry()
        self.guard = OverloadGuard(self.gauge, self.clock, self.telemetry, 4, LIMITS)

    async def pass_time(self, seconds: float = 1.0) -> None:
        self.clock.advance(seconds)
        for _ in range(5):
            await asyncio.sleep(0)

    async def shows(self, load: Load) -> None:
        """Have the guard read this load."""
        self.gauge.load = load
        with suppress(Overloaded):
            self.guard.admit(execution())
        await self.pass_time()
        await self.pass_time()


def execution(namespace: str = "ns", partition: int = 1) -> NewExecution:
    key = ExecutionKey(namespace, "e")
    return NewExecution(key, partition, None, "w", 0, "digest", "", Micros(0))


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    world = World()
    loop = asyncio.create_task(world.guard.run())
    yield world
    loop.cancel()
    await asyncio.wait([loop])


@pytest.mark.parametrize(
    ("load", "limit"),
    [
        (Load({1: 10}, 0, {}), "commands of the partition"),
        (Load({2: 9, 3: 11}, 0, {}), "commands"),
        (Load({}, 30, {}), "open executions"),
        (Load({}, 0, {"ns": 15}), "tasks of the namespace"),
    ],
)
async def test_each_limit_refuses_with_a_time_to_come_back(load: Load, limit: str) -> None:
    async with running() as world:
        await world.shows(load)
        with pytest.raises(Overloaded) as refused:
            world.guard.admit(execution())
        assert refused.value.metadata["limit"] == limit
        assert refused.value.retry_after == 1.0
        await world.shows(NOTHING)
        world.guard.admit(execution())


async def test_a_full_partition_and_a_full_namespace_leave_the_others_alone() -> None:
    async with running() as world:
        await world.shows(Load({1: 10}, 0, {"full": 15}))
        world.guard.admit(execution(partition=2))
        for wrong in (execution(partition=1), execution("full", partition=2)):
            with pytest.raises(Overloaded):
                world.guard.admit(wrong)


async def test_what_was_admitted_since_the_last_reading_counts() -> None:
    async with running() as world:
        await world.shows(Load({1: 4}, 0, {}))
        for _ in range(6):
            world.guard.admit(execution())
        with pytest.raises(Overloaded):
            world.guard.admit(execution())


async def test_nobody_reads_while_nothing_arrives_and_old_readings_do_not_count() -> None:
    async with running() as world:
        await world.shows(Load({1: 10}, 0, {}))
        readings = len(world.gauge.asked)
        for _ in range(10):
            await world.pass_time()
        assert len(world.gauge.asked) - readings <= 1
        world.guard.admit(execution())


async def test_an_outage_of_the_gauge_refuses_nobody() -> None:
    async with running() as world:
        world.gauge.answers = False
        for _ in range(100):
            world.guard.admit(execution())
        await world.pass_time()
        world.guard.admit(execution())
        assert world.telemetry.counts["flowmesh.outages.load"] >= 1
