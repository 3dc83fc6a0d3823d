from __future__ import annotations

from collections import Counter

import pytest

from flowmesh_core.application.reap_executions import Retention, RetentionSettings, StartOrphans
from flowmesh_core.application.reap_lost_tasks import ReapLostTasks
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.ports.membership import Member, Role
from flowmesh_services.reaper import Reaper, Sweep

from .driving import running, until
from .faults import SilentMembership
from .world import HANDLERS, PARTITIONS, TTL, Owner, World, node


@pytest.fixture
def lost_tasks(world: World) -> ReapLostTasks:
    return _lost_tasks(world)


@pytest.fixture
def orphans(world: World) -> StartOrphans:
    return StartOrphans(world.executions, world.log, world.clock, world.telemetry)


def _lost_tasks(world: World, limit: int = 1_000) -> ReapLostTasks:
    return ReapLostTasks(
        *(world.membership, world.queue, world.log, world.clock, world.telemetry),
        partitions=PARTITIONS,
        limit=limit,
    )


async def test_tasks_of_a_dead_gateway_come_back(
    world: World, owner: Owner, lost_tasks: ReapLostTasks
) -> None:
    await world.submit(node("a"), node("b"))
    await owner.work()
    assert len(await world.take("doomed")) == 2
    await lost_tasks.sweep()
    await owner.work()
    again = await world.take("owner")
    assert [(each.task.node_id, each.task.attempt) for each in again] == [("a", 2), ("b", 2)]
    assert await world.queue.abandoned("doomed", 10) == []
    await lost_tasks.sweep()
    assert await world.queue.gateways() == {"owner"}


async def test_after_an_outage_gateways_have_time_to_come_back(world: World, owner: Owner) -> None:
    world.membership = membership = SilentMembership(world.database)
    reaper = ReapLostTasks(
        *(world.membership, world.queue, world.log, world.clock, world.telemetry),
        partitions=PARTITIONS,
        grace=10.0,
    )
    await world.submit(node("a"))
    await owner.work()
    await world.take("doomed")
    await reaper.sweep()
    assert await world.log.depth(range(PARTITIONS)) == 0, "it has just begun itself"
    world.clock.advance(10.0)
    membership.failures = 1
    with pytest.raises(StoreUnavailable):
        await reaper.sweep()
    for _ in range(3):
        await reaper.sweep()
    assert await world.log.depth(range(PARTITIONS)) == 0
    world.clock.advance(10.0)
    await reaper.sweep()
    assert await world.log.depth(range(PARTITIONS)) == 1


async def test_it_looks_again_when_the_next_lease_of_a_gateway_ends(
    world: World, owner: Owner, lost_tasks: ReapLostTasks
) -> None:
    assert await lost_tasks.sweep() is None
    await world.submit(node("a"), node("b"))
    await owner.work()
    for gateway, ttl in (("later", 9.0), ("next", 7.0)):
        await world.membership.join(Member(gateway, frozenset({Role.WORKER_CONTROL})), ttl)
        await world.queue.take(gateway, HANDLERS, 1)
    assert await lost_tasks.sweep() == 7.0
    world.clock.advance(7.0)
    assert await lost_tasks.sweep() == 2.0
    assert await world.log.depth(range(PARTITIONS)) == 1


async def test_what_no_owner_can_load_hides_nothing_behind_it(world: World, owner: Owner) -> None:
    for each in ("a", "b", "c"):
        await world.submit(node(each))
    unreadable = list(world.database.definitions)
    await world.submit(node("d"))
    await owner.work()
    assert len(await world.take("doomed")) == 4
    for definition in unreadable:
        del world.database.definitions[definition]
    world.clock.advance(TTL)
    successor = await Owner(world, "successor").join()
    reaper = _lost_tasks(world, limit=2)
    for _ in range(2):
        await reaper.sweep()
        await successor.work()
    (again,) = await world.take("successor")
    assert again.task.node_id == "d"
    await world.complete(again)
    await successor.work()
    world.clock.advance(10.0)
    for _ in range(3):
        await reaper.sweep()
    assert world.telemetry.counts["flowmesh.tasks.abandoned"] == 4 + 3, "the others are asked about again"


async def test_a_sweep_comes_sooner_when_it_knows_of_something(world: World) -> None:
    moments: list[float] = []

    async def sweep() -> float | None:
        moments.append(world.clock.monotonic())
        return 0.5 if len(moments) == 1 else None

    async def thrice() -> bool:
        return len(moments) == 3

    async with running(Reaper([Sweep("often", 100.0, sweep)], world.clock, world.telemetry).run()):
        await until(world.clock, thrice)
    assert 80.0 <= moments[0] <= 100.0
    assert 0.5 <= moments[1] - moments[0] < 1.0
    assert moments[2] - moments[1] >= 80.0


async def test_tasks_of_a_live_gateway_stay(world: World, owner: Owner, lost_tasks: ReapLostTasks) -> None:
    await world.membership.join(Member("gateway", frozenset({Role.WORKER_CONTROL})), TTL)
    await world.submit(node("a"))
    await owner.work()
    await world.take("gateway")
    for _ in range(3):
        await lost_tasks.sweep()
    assert await world.log.depth(range(PARTITIONS)) == 0


async def test_several_reapers_lose_a_task_once(world: World, owner: Owner) -> None:
    key = await world.submit(node("a"))
    await owner.work()
    await world.take("doomed")
    for reaper in (_lost_tasks(world), _lost_tasks(world)):
        await reaper.sweep()
        await reaper.sweep()
    await owner.work()
    assert (await world.kinds(key)).count("NodeAttemptLost") == 1
    assert await world.log.depth(range(PARTITIONS)) == 0


async def test_a_task_is_reported_again_only_after_a_while(
    world: World, owner: Owner, lost_tasks: ReapLostTasks
) -> None:
    await world.submit(node("a"))
    await owner.work()
    await world.take("doomed")
    for _ in range(4):
        await lost_tasks.sweep()
    assert await world.log.depth(range(PARTITIONS)) == 1
    world.clock.advance(10.0)
    await lost_tasks.sweep()
    assert await world.log.depth(range(PARTITIONS)) == 2


async def test_a_sweep_that_fails_is_tried_again_and_stops_no_other(world: World) -> None:
    runs: Counter[str] = Counter()

    async def fail() -> None:
        runs["fails"] += 1
        raise ZeroDivisionError

    async def succeed() -> None:
        runs["succeeds"] += 1

    async def often() -> bool:
        return min(runs["fails"], runs["succeeds"]) >= 3

    sweeps = [Sweep("fails", 1.0, fail), Sweep("succeeds", 2.0, succeed)]
    reaper = Reaper(sweeps, world.clock, world.telemetry)
    async with running(reaper.run()):
        await until(world.clock, often)


async def test_what_nobody_started_is_started(world: World, owner: Owner, orphans: StartOrphans) -> None:
    key = await world.submit(node("a"), start=False)
    world.clock.advance(1.9)
    await orphans.sweep()
    assert await world.log.depth(range(PARTITIONS)) == 0
    world.clock.advance(0.2)
    await orphans.sweep()
    await orphans.sweep()
    assert await world.log.depth(range(PARTITIONS)) == 1
    await owner.work()
    assert await world.status(key) is ExecutionStatus.RUNNING


async def test_what_cannot_begin_does_not_hide_what_is_newer(world: World) -> None:
    orphans = StartOrphans(world.executions, world.log, world.clock, world.telemetry, limit=2)
    stuck = [await world.submit(node("a"), start=False) for _ in range(20)]
    world.clock.advance(1.0)
    newer = await world.submit(node("a"), start=False)
    for _ in range(12):
        world.clock.advance(2.0)
        await orphans.sweep()
    await world.log.open(range(PARTITIONS))
    told = await world.log.receive(range(PARTITIONS), limit=99, wait=0)
    times = Counter(each.envelope.command.key for each in told)
    assert set(times) == {*stuck, newer}
    assert max(times.values()) == 2, "they are told again only in their turn"
    assert times.total() == 11 * 2 + 1


async def test_what_has_ended_is_deleted_after_its_retention(world: World, owner: Owner) -> None:
    settings = RetentionSettings(executions=Micros(60 * SECOND), members=60.0, batch=2, batches=2)
    retention = Retention(world.executions, world.membership, world.clock, world.telemetry, settings)
    closed = [await world.submit(node("a")) for _ in range(5)]
    still_open = await world.submit(node("a"))
    await owner.work()
    for taken in await world.take():
        if taken.task.key != still_open:
            await world.complete(taken)
    await owner.work()
    await retention.sweep()
    assert len(await world.executions.get_many(closed)) == 5
    world.clock.advance(61.0)
    await retention.sweep()
    assert len(await world.executions.get_many(closed)) == 1, "two batches of two"
    await retention.sweep()
    assert await world.executions.get_many(closed) == []
    assert await world.status(still_open) is ExecutionStatus.RUNNING
