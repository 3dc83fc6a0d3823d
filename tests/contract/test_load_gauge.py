"""The contract of the load gauge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.ports.outbox import Outgoing
from flowmesh_core.ports.task_queue import QueueName
from tests.contract.transports import command, execution, task

if TYPE_CHECKING:
    from tests.contract.transports import Transport


async def test_an_idle_cluster_has_no_load(transport: Transport) -> None:
    load = await transport.process().load_gauge.read(3, ["default"])

    assert (dict(load.commands), load.executions, dict(load.tasks)) == ({0: 0, 1: 0, 2: 0}, 0, {"default": 0})


async def test_commands_open_executions_and_tasks_are_counted(transport: Transport) -> None:
    process = transport.process()
    await process.command_log.open([1, 2])
    await process.command_log.send([command(1, 1), command(1, 2), command(2, 3)])
    tasks = (task(1), task(2), task(3, handler="store"), task(4, namespace="other"))
    await process.outbox.flush(Outgoing(tasks=tasks, dispatched={1: {execution(1): 2, execution(2): 2}}))
    await process.task_queue.take("gateway", [QueueName("default", "resize")], 1)

    load = await process.load_gauge.read(4, ["default"])

    assert dict(load.commands) == {0: 0, 1: 2, 2: 1, 3: 0}
    assert load.executions == 2
    assert dict(load.tasks) == {"default": 3}, "a task that is taken is not finished"


async def test_closed_executions_do_not_count(transport: Transport) -> None:
    process = transport.process()
    await process.command_log.open([1])
    await process.outbox.flush(Outgoing(dispatched={1: {execution(1): 2, execution(2): 2}}))
    await process.outbox.flush(Outgoing(closed={1: [execution(1)]}))

    assert (await process.load_gauge.read(2, [])).executions == 1
