from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.execution_store import MemoryExecutionStore
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.application.execution_intake import ExecutionIntake, IntakeLimits
from flowmesh_core.application.start_sender import StartSender
from flowmesh_core.domain.errors import Overloaded, StoreUnavailable
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_core.ports.execution_store import CreateResult, CreateStatus, NewExecution

WORKFLOW = Workflow("w", (Node("a", "h"),))


def new(execution_id: str, workflow: Workflow | None = WORKFLOW) -> NewExecution:
    return NewExecution(
        ExecutionKey("default", execution_id), 0, workflow, "w", 0, "digest", "request", Micros(0)
    )


class GatedStore(MemoryExecutionStore):
    """A store whose statements begin when the test lets them."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.database = database
        self.gate = asyncio.Semaphore(0)
        self.statements: list[list[str]] = []
        self.with_workflow: list[int] = []
        self.begun = asyncio.Semaphore(0)
        self.error: Exception | None = None
        self.poison = ""

    async def create(self, executions: Sequence[NewExecution]) -> Sequence[CreateResult]:
        ids = [execution.key.execution_id for execution in executions]
        self.statements.append(ids)
        self.with_workflow.append(sum(execution.workflow is not None for execution in executions))
        self.begun.release()
        await self.gate.acquire()
        if self.error is not None:
            raise self.error
        if self.poison in ids:
            raise ValueError(self.poison)
        return await super().create(executions)

    def open(self) -> None:
        for _ in range(1_000):
            self.gate.release()


class Intake:
    """An intake that runs on a gated store."""

    def __init__(self, limits: IntakeLimits) -> None:
        self.transport = MemoryTransport(VirtualClock())
        self.telemetry = RecordedTelemetry()
        self.store = GatedStore(MemoryDatabase(VirtualClock()))
        self.commands = MemoryCommandLog(self.transport)
        self.starts = StartSender(self.commands, self.telemetry)
        self.intake = ExecutionIntake(self.store, self.starts, self.telemetry, limits)

    def call(self, *ids: str) -> asyncio.Task[Sequence[CreateResult]]:
        return asyncio.ensure_future(self.intake.create([new(each) for each in ids]))

    async def first_statement(self, *ids: str) -> asyncio.Task[Sequence[CreateResult]]:
        """Have one call in the store, so that others wait."""
        call = self.call(*ids)
        await self.store.begun.acquire()
        return call


@asynccontextmanager
async def running(limits: IntakeLimits = IntakeLimits()) -> AsyncIterator[Intake]:  # noqa: B008
    intake = Intake(limits)
    loops = [asyncio.ensure_future(intake.intake.run()), asyncio.ensure_future(intake.starts.run())]
    try:
        yield intake
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)


def statuses(results: Sequence[CreateResult]) -> list[CreateStatus]:
    return [result.status for result in results]


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_waits_goes_into_one_statement() -> None:
    async with running() as world:
        first = await world.first_statement("a")
        others = [world.call(each) for each in ("b", "c", "d")]
        await settle()
        world.store.open()
        results = await asyncio.gather(first, *others)
    assert world.store.statements == [["a"], ["b", "c", "d"]]
    assert [each[0].key.execution_id for each in results] == ["a", "b", "c", "d"]


async def test_a_statement_is_bounded_and_a_call_is_not_split() -> None:
    async with running(IntakeLimits(batch=3)) as world:
        first = await world.first_statement("a")
        others = [world.call("b", "c"), world.call("d", "e"), world.call("f", "g", "h", "i"), world.call("j")]
        await settle()
        world.store.open()
        await asyncio.gather(first, *others)
    assert world.store.statements == [["a"], ["b", "c"], ["d", "e"], ["f", "g", "h", "i"], ["j"]]


async def test_a_statement_is_bounded_in_bytes() -> None:
    heavy = replace(new("heavy"), input=Payload(b"x" * 90))
    async with running(IntakeLimits(batch_bytes=100)) as world:
        first = await world.first_statement("a")
        others = [asyncio.ensure_future(world.intake.create([heavy])) for _ in range(2)]
        await settle()
        world.store.open()
        await asyncio.gather(first, *others)
    assert world.store.statements == [["a"], ["heavy"], ["heavy"]]


async def test_callers_that_went_away_take_nobody_with_them() -> None:
    async with running() as world:
        first = await world.first_statement("a")
        gone, stays = world.call("b"), world.call("c")
        await settle()
        first.cancel()
        gone.cancel()
        await settle()
        world.store.open()
        assert statuses(await stays) == [CreateStatus.CREATED]
    assert world.store.statements == [["a"], ["c"]]


async def test_an_outage_fails_the_batch_and_not_the_next() -> None:
    async with running() as world:
        world.store.error = StoreUnavailable("down")
        world.store.open()
        with pytest.raises(StoreUnavailable, match="down"):
            await world.call("a")
        world.store.error = None
        assert statuses(await world.call("b")) == [CreateStatus.CREATED]


async def test_a_call_that_cannot_be_stored_fails_alone() -> None:
    async with running() as world:
        first = await world.first_statement("a")
        good, bad, also_good = world.call("b"), world.call("bad"), world.call("c")
        world.store.poison = "bad"
        await settle()
        world.store.open()
        results = await asyncio.gather(first, good, bad, also_good, return_exceptions=True)
    assert [isinstance(each, ValueError) for each in results] == [False, False, True, False]


async def test_a_full_queue_says_so() -> None:
    async with running(IntakeLimits(queue=2)) as world:
        first = await world.first_statement("a")
        waiting = [world.call("b"), world.call("c")]
        await settle()
        with pytest.raises(Overloaded, match="too many") as refused:
            await world.call("d")
        world.store.open()
        await asyncio.gather(first, *waiting)
    assert refused.value.retry_after == 1.0


async def test_no_caller_waits_for_ever() -> None:
    async with running(IntakeLimits(patience=0.01)) as world:
        with pytest.raises(StoreUnavailable, match="in time"):
            await world.call("a")


async def test_who_waits_is_told_when_it_ends() -> None:
    async with running() as world:
        first = await world.first_statement("a")
        second = world.call("b")
        await settle()
    for call in (first, second):
        with pytest.raises(StoreUnavailable, match="shuts down"):
            await call


async def test_a_definition_is_sent_once_until_it_is_missing() -> None:
    async with running() as world:
        world.store.open()
        await world.call("a")
        await world.call("b")
        world.store.database.definitions.clear()  # restored from a backup
        assert statuses(await world.call("c")) == [CreateStatus.CREATED]
    assert world.store.with_workflow == [1, 0, 0, 1]


async def test_only_what_is_new_is_started() -> None:
    async with running() as world:
        world.store.open()
        await world.commands.open([0])
        await world.call("a")
        await world.call("a", "b")
        await settle()
        delivered = await world.commands.receive([0], limit=10, wait=0)
    assert [each.envelope.command.key.execution_id for each in delivered] == ["a", "b"]


async def test_starts_that_cannot_be_sent_are_counted_and_left_to_the_reaper() -> None:
    async with running() as world:
        world.store.open()
        world.transport.available = False
        assert statuses(await world.call("a", "b")) == [CreateStatus.CREATED] * 2
        await settle()
    assert world.telemetry.counts["flowmesh.starts.lost"] == 2
