from __future__ import annotations

import asyncio

import pytest

from flowmesh_core.domain.commands import CancelExecution
from flowmesh_core.domain.definition import digest
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import SECOND
from flowmesh_core.domain.workflow import Workflow

from .faults import SlowWorkflows
from .world import Owner, World, node

LARGE = (node("large"), node("larger"))


@pytest.fixture
def slow(world: World) -> SlowWorkflows:
    """A store that takes its time over the large graph."""
    world.workflows = SlowWorkflows(world.database, digest(Workflow("wf", LARGE)))
    return world.workflows


async def test_a_graph_that_takes_long_holds_up_its_own_execution_alone(
    world: World, slow: SlowWorkflows
) -> None:
    owner = await Owner(world).join()
    large = await world.submit(*LARGE, execution_id="e1")
    await owner.work(1)
    small = await world.submit(node("small"), execution_id="e1-neighbour")
    await owner.work(3)
    assert await world.status(large) is ExecutionStatus.PENDING
    (taken,) = await world.take()
    assert taken.task.key == small
    slow.gate.set()
    await _until(world, owner, large)
    assert {each.task.node_id for each in await world.take()} == {"large", "larger"}
    assert await world.log.depth(range(4)) == 0


async def test_commands_wait_with_their_graph_and_come_back_after_a_crash(
    world: World, slow: SlowWorkflows
) -> None:
    owner = await Owner(world).join()
    key = await world.submit(*LARGE)
    await owner.work(2)
    assert await world.log.depth(range(4)) == 1, "what was not decided is not acknowledged"
    slow.gate.set()
    world.clock.advance(10)
    second = await Owner(world, "second").join()
    await second.work()
    assert await world.status(key) is ExecutionStatus.RUNNING


async def test_a_cancel_meets_an_execution_whose_graph_is_being_planned(
    world: World, slow: SlowWorkflows
) -> None:
    owner = await Owner(world).join()
    key = await world.submit(*LARGE)
    await owner.work(1)
    await world.send(CancelExecution(key, "why", SECOND))
    await owner.work(1)
    slow.gate.set()
    await _until(world, owner, key, ExecutionStatus.CANCELLED)
    assert await world.take() == []


async def _until(
    world: World, owner: Owner, key: ExecutionKey, status: ExecutionStatus = ExecutionStatus.RUNNING
) -> None:
    for _ in range(20):
        world.clock.advance(0.1)
        await owner.renew()
        await asyncio.sleep(0)  # nothing in memory waits, so the planning gets its turn here
        await owner.work(2)
        if await world.status(key) is status:
            return
    raise AssertionError("it never got there")
