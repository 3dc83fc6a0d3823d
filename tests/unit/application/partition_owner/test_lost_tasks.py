"""Tasks that vanished from their queue are dispatched again, and no others."""

from __future__ import annotations

import pytest

from flowmesh_core.application.partition_owner.lost_tasks import LostTasks
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.workflow import Node
from flowmesh_core.ports.task_queue import QueueName
from tests.unit.application.partition_owner.world import Owner, World

QUEUE = QueueName("default", "work")


@pytest.fixture
async def world() -> World:
    return await World().open()


@pytest.fixture
async def owner(world: World) -> Owner:
    return await Owner(world).join()


@pytest.fixture
def lost(world: World, owner: Owner) -> LostTasks:
    return LostTasks(owner.lane, world.outbox, world.telemetry)


async def looks(lost: LostTasks, owner: Owner, times: int = 3) -> None:
    for _ in range(times):
        await lost.look()
        await owner.work()


async def test_tasks_of_a_lost_queue_run_as_new_attempts(world: World, owner: Owner, lost: LostTasks) -> None:
    keys = [await world.submit(Node("a", "work")) for _ in range(3)]
    await owner.work()
    await looks(lost, owner, 2)

    del world.transport.queues[QUEUE]
    await looks(lost, owner, 1)

    taken = await world.take()
    assert sorted(each.task.key for each in taken) == sorted(keys)
    assert {each.task.attempt for each in taken} == {2}
    for each in taken:
        await world.complete(each)
    await owner.work()
    assert [await world.status(key) for key in keys] == [ExecutionStatus.COMPLETED] * 3


async def test_a_queue_that_was_lost_and_filled_again_gives_nothing_away(
    world: World, owner: Owner, lost: LostTasks
) -> None:
    old = await world.submit(Node("a", "work"))
    await owner.work()
    del world.transport.queues[QUEUE]
    new = await world.submit(Node("a", "work"))
    await owner.work()
    await looks(lost, owner, 3)

    (first,) = await world.take()
    assert first.task.key == new
    await world.complete(first)
    await owner.work()
    await looks(lost, owner, 3)

    (second,) = await world.take()
    assert (second.task.key, second.task.attempt) == (old, 2)


async def test_tasks_that_wait_long_or_are_taken_are_left_alone(
    world: World, owner: Owner, lost: LostTasks
) -> None:
    waits = await world.submit(Node("a", "work"))
    await owner.work()
    await looks(lost, owner, 5)
    assert [each.task.attempt for each in await world.take()] == [1]
    await looks(lost, owner, 5)

    assert await world.kinds(waits) == ["ExecutionStarted", "NodeScheduled"]


async def test_a_task_that_is_being_sent_is_not_lost(world: World, owner: Owner, lost: LostTasks) -> None:
    """At the first look its entry may not be there yet."""
    key = await world.submit(Node("a", "work"))
    await owner.work()
    queue = world.transport.queues.pop(QUEUE)
    await lost.look()
    world.transport.queues[QUEUE] = queue
    await looks(lost, owner, 4)

    assert await world.kinds(key) == ["ExecutionStarted", "NodeScheduled"]
