from __future__ import annotations

from flowmesh_core.domain.commands import LoseTask
from flowmesh_core.domain.states import LostCause
from flowmesh_core.ports.task_queue import QueueName
from tests.unit.application.worker_gateway.gateway_parts import queued
from tests.unit.application.worker_gateway.running_gateway import running

WORK = QueueName("default", "work")


async def test_a_task_under_its_name_that_nobody_holds_is_handed_back() -> None:
    # What an older Redis brings back: pending here, and known to nobody.
    async with running(lease_ttl=6.0) as world:
        await world.queue_tasks(queued("a"))
        [stray] = await world.queue.take("gateway-1", [WORK], 1)
        await world.pass_time(7.0)
        assert await world.received() == []
        await world.pass_time(6.0)
        [envelope] = await world.received()
        assert envelope.command == LoseTask(stray.task.key, "a", 1, LostCause.YIELDED)
        assert envelope.queue_entry == stray.entry


async def test_what_workers_hold_and_what_is_undecided_is_left_alone() -> None:
    async with running(lease_ttl=6.0, resend_after=600.0, start_report_delay=600.0) as world:
        connection, _ = await world.connect("w1", credits=1)
        await world.queue_tasks(queued("a"))
        for _ in range(5):
            await world.pass_time(5.0)
            world.gateway.beat(connection, list(connection.session.held), [])
        assert await world.received() == []
        world.gateway.disconnect(connection)
        await world.pass_time(30.0)
        assert [type(each.command) for each in await world.received()] == [LoseTask]
