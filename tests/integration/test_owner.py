from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

import pytest

from flowmesh_core.adapters.postgres.history_store import PostgresHistoryStore
from flowmesh_core.adapters.postgres.pool import connection
from flowmesh_core.application.member_session import MemberLease
from flowmesh_core.application.partition_owner import PartitionOwner
from flowmesh_core.domain.events import Event, NodeCompleted, NodeScheduled
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.membership import Member, Role

from .owner_cluster import PARTITIONS, TTL, OwnerCluster, chain, diamond, owner_cluster

WORK = ["work"]

_REFUSE_LEASES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'nobody foresaw this';
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON flowmesh.member FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
async def cluster(database_url: str, redis_url: str) -> AsyncIterator[OwnerCluster]:
    """A cluster without processes."""
    async with owner_cluster(database_url, redis_url) as cluster:
        yield cluster


async def test_chains_and_diamonds_run_to_their_end(cluster: OwnerCluster) -> None:
    owner = cluster.owner(lanes=2)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(cluster.session().run(owner.run))
        working = tasks.create_task(cluster.work(WORK))
        for workflow in (chain(10), diamond(100)):
            keys = await cluster.submit(workflow, 20)
            await cluster.closed(keys)
            await _check(cluster, keys, workflow)
        working.cancel()
        owner.stop()
        await serving
    assert [member.member_id for member in await cluster.membership.live_members()] == ["gateway"]
    assert await cluster.log().depth(range(PARTITIONS)) == 0


async def test_work_goes_on_when_an_owner_crashes(cluster: OwnerCluster) -> None:
    workflow = chain(100)
    survivor = cluster.owner()
    async with asyncio.TaskGroup() as tasks:
        doomed = tasks.create_task(_crashing(cluster, cluster.owner()))
        serving = tasks.create_task(cluster.session().run(survivor.run))
        working = tasks.create_task(cluster.work(WORK))
        keys = await cluster.submit(workflow, 50)
        await _some_progress(cluster, keys)
        doomed.cancel()
        await cluster.closed(keys)
        working.cancel()
        survivor.stop()
        await serving
    await _check(cluster, keys, workflow)


async def test_an_emptied_redis_loses_nothing(cluster: OwnerCluster) -> None:
    workflow = chain(100)
    owner = cluster.owner(lanes=2)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(cluster.session().run(owner.run))
        working = tasks.create_task(cluster.work(WORK))
        reaping = tasks.create_task(cluster.reaper().run())
        keys = await cluster.submit(workflow, 50)
        await _some_progress(cluster, keys)
        await cluster.redis.call("FLUSHALL")
        await cluster.closed(keys)
        working.cancel()
        reaping.cancel()
        owner.stop()
        await serving
    await _check(cluster, keys, workflow)


async def test_a_graceful_stop_hands_over_without_waiting_for_the_lease(cluster: OwnerCluster) -> None:
    first, second = cluster.owner(), cluster.owner()
    async with _serving(cluster, first) as serving:
        keys = await cluster.submit(chain(1), 10)
        await _some_progress(cluster, keys)
        first.stop()
        await serving
        lease = await _join(cluster, "second")
        partitions, _ = second.assemble(lease)
        await partitions.look()
        assert len(await cluster.membership.owned("second")) == PARTITIONS


async def test_an_owner_whose_lease_is_refused_works_on_once_it_is_granted_again(
    cluster: OwnerCluster,
) -> None:
    workflow = chain(100)
    owner = cluster.owner()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(cluster.session().run(owner.run))
        working = tasks.create_task(cluster.work(WORK))
        keys = await cluster.submit(workflow, 20)
        await _some_progress(cluster, keys)
        async with connection(cluster.pool) as session:
            await session.execute(_REFUSE_LEASES)
        while cluster.telemetry.counts["flowmesh.failures.unexpected"] == 0:
            await cluster.clock.sleep(0.01)
        async with connection(cluster.pool) as session:
            await session.execute("DROP TRIGGER refuse ON flowmesh.member")
        await cluster.closed(keys)
        working.cancel()
        owner.stop()
        await serving
    await _check(cluster, keys, workflow)


@asynccontextmanager
async def _serving(cluster: OwnerCluster, owner: PartitionOwner) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as tasks:
        yield tasks.create_task(cluster.session().run(owner.run))


async def _crashing(cluster: OwnerCluster, owner: PartitionOwner) -> None:
    """Own partitions until cancelled, without leaving the cluster; its lease runs out."""
    lease = await _join(cluster, "doomed")

    async def renew() -> None:
        while True:
            await cluster.clock.sleep(lease.tick)
            asked_at = cluster.clock.monotonic()
            if await cluster.membership.renew(lease.member_id, TTL):
                lease.extend(asked_at)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(renew())
        tasks.create_task(owner.run(lease))


async def _join(cluster: OwnerCluster, member_id: str) -> MemberLease:
    member = Member(member_id, frozenset({Role.ORCHESTRATION}))
    asked_at = cluster.clock.monotonic()
    await cluster.membership.join(member, TTL)
    return MemberLease(member, cluster.clock, TTL, asked_at)


async def _some_progress(cluster: OwnerCluster, keys: Collection[ExecutionKey]) -> None:
    """Return once every execution runs."""
    while any(record.status is ExecutionStatus.PENDING for record in await cluster.executions.get_many(keys)):
        await cluster.clock.sleep(0.01)


async def _check(cluster: OwnerCluster, keys: Sequence[ExecutionKey], workflow: Workflow) -> None:
    histories = await PostgresHistoryStore(cluster.pool).read_many(keys)
    records = await cluster.executions.get_many(keys)
    assert {record.status for record in records} == {ExecutionStatus.COMPLETED}
    for key in keys:
        _check_history(histories[key], workflow)


def _check_history(events: Sequence[Event], workflow: Workflow) -> None:
    """Dense sequence, every node completed once, and scheduled only after what it depends on."""
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    completed = Counter(event.node for event in events if isinstance(event, NodeCompleted))
    assert completed == dict.fromkeys(range(len(workflow.nodes)), 1)
    ended: set[str] = set()
    for event in events:
        if isinstance(event, NodeScheduled):
            assert set(workflow.nodes[event.node].dependencies) <= ended
        elif isinstance(event, NodeCompleted):
            ended.add(workflow.nodes[event.node].id)
