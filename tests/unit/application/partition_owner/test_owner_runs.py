from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from flowmesh_core.application.member_session import MemberSession, MemberSettings
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.ports.command_log import TransportLost
from flowmesh_core.ports.membership import Role

from .driving import running, until
from .world import PARTITIONS, Owner, World, chain


@pytest.fixture
async def session(world: World) -> MemberSession:
    settings = MemberSettings(frozenset({Role.ORCHESTRATION}), ttl=6.0)
    return MemberSession(world.membership, world.clock, world.ids, world.telemetry, settings)


async def _finish(world: World) -> None:
    """Complete whatever is queued."""
    if world.transport.available:
        for taken in await world.take():
            await world.complete(taken)


def _completed(world: World) -> Callable[[], Awaitable[bool]]:
    async def completed() -> bool:
        gc.collect(0)
        await _finish(world)
        return all(
            row.record.status is ExecutionStatus.COMPLETED for row in world.database.executions.values()
        )

    return completed


async def test_it_runs_what_is_submitted_and_stops_gracefully(world: World, session: MemberSession) -> None:
    owner = Owner(world, receive_wait=0.25).owner
    async with running(session.run(owner.run)) as task:
        for _ in range(20):
            await world.submit(*chain("a", "b", "c"))
        # reliability.md 3.3 (b): the prototype's loops were garbage-collected; here each has an owner.
        await until(world.clock, _completed(world))
        owner.stop()
        await until(world.clock, lambda: _done(task))
        assert await world.membership.live_members() == []
        assert all(row.owner is None for row in world.database.partitions.values())
        await task


async def test_it_reads_nothing_more_when_it_was_ended(world: World, session: MemberSession) -> None:
    owner = Owner(world, receive_wait=0.25)
    async with running(session.run(owner.owner.run)):
        await world.submit(*chain("a"))
        await until(world.clock, lambda: _waiting_tasks(world))
    with pytest.raises(TransportLost) as error:
        await owner.log.receive(range(PARTITIONS), limit=1, wait=0)
    assert error.value.partitions == set(range(PARTITIONS))


async def test_it_survives_an_outage_of_the_transport(world: World, session: MemberSession) -> None:
    owner = Owner(world, receive_wait=0.25).owner
    async with running(session.run(owner.run)) as task:
        await world.submit(*chain("a", "b", "c"))
        await until(world.clock, lambda: _waiting_tasks(world))
        world.transport.available = False
        end = world.clock.monotonic() + 20
        await until(world.clock, lambda: _later(world, end))
        world.transport.available = True
        await until(world.clock, _completed(world))
        owner.stop()
        await until(world.clock, lambda: _done(task))


async def test_it_survives_the_loss_of_the_transport(world: World, session: MemberSession) -> None:
    owner = Owner(world, receive_wait=0.25).owner
    async with running(session.run(owner.run)) as task:
        await world.submit(*chain("a", "b", "c"))
        await until(world.clock, lambda: _waiting_tasks(world))
        world.transport.lose_everything()
        await until(world.clock, _completed(world))
        owner.stop()
        await until(world.clock, lambda: _done(task))


async def test_a_lost_lease_begins_a_new_membership(world: World, session: MemberSession) -> None:
    owner = Owner(world, receive_wait=0.25).owner
    async with running(session.run(owner.run)) as task:
        await world.submit(*chain("a", "b"))
        await until(world.clock, lambda: _waiting_tasks(world))
        (first,) = await world.membership.live_members()
        await world.membership.leave(first.member_id)
        await until(world.clock, lambda: _has_members(world))
        (second,) = await world.membership.live_members()
        assert second.member_id != first.member_id
        await until(world.clock, _completed(world))
        owner.stop()
        await until(world.clock, lambda: _done(task))


async def _done(task: asyncio.Task[None]) -> bool:
    return task.done()


async def _has_members(world: World) -> bool:
    return bool(await world.membership.live_members())


async def _later(world: World, moment: float) -> bool:
    return world.clock.monotonic() >= moment


async def _waiting_tasks(world: World) -> bool:
    return any(queue.waiting for queue in world.transport.queues.values())
