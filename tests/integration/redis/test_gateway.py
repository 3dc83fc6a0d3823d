"""A gateway whose Redis answers what nobody expects: here, that a key is of another type."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from flowmesh_core.adapters.redis import keys
from flowmesh_core.adapters.redis.messages import encode_names
from flowmesh_core.adapters.system import SystemClock
from flowmesh_core.application.worker_gateway.attachment import WorkerHello
from flowmesh_core.application.worker_gateway.gateway import Gateway
from flowmesh_core.application.worker_gateway.outcome import Completed, TaskReport
from flowmesh_core.application.worker_gateway.session import Offer
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_core.domain.commands import Command, CompleteTask, LoseTask, StartTask
from flowmesh_core.domain.identity import partition_of
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.outbox import Outgoing, QueuedTask, Reply
from flowmesh_core.ports.task_queue import QueueName
from tests.unit.application.worker_gateway.gateway_parts import CLUSTER, RecordedChannel, queued

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from flowmesh_core.adapters.redis.connection import RedisClient
    from flowmesh_core.ports.command_log import CommandEnvelope
    from tests.contract.transports import OnRedis

_UNEXPECTED = "flowmesh.failures.unexpected"
_PARTITIONS = range(CLUSTER.partitions)
_COMMANDS = keys.commands(partition_of(queued().key, CLUSTER.partitions))
_TASKS = keys.tasks("default", "work")


class _Served:
    """A gateway that runs, one worker of it, and the owner that the test plays."""

    def __init__(self, transport: OnRedis, lease_ttl: float) -> None:
        process, owner = transport.process(), transport.process()
        self.telemetry = transport.telemetry
        self.channel = RecordedChannel()
        self.outbox = owner.outbox
        self.log = owner.command_log
        self.gateway = Gateway(
            "gateway-1",
            CLUSTER,
            queue=process.task_queue,
            commands=process.command_log,
            mailbox=process.mailbox,
            registry=process.worker_registry,
            clock=SystemClock(),
            telemetry=self.telemetry,
            settings=GatewaySettings(
                lease_ttl=lease_ttl, look_interval=0.05, presence_interval=0.05, resend_after=0.1
            ),
        )

    async def connect(self) -> None:
        offer = Offer("default", frozenset({"work"}))
        self.connection = await self.gateway.connect(WorkerHello("w1", offer, 10), self.channel)
        self.gateway.grant(self.connection, 10)

    async def assigned(self, task: QueuedTask) -> bytes:
        """Queue a task and return its token once the worker has it."""
        await self.outbox.flush(Outgoing(tasks=[task]))
        await until(lambda: any(each.task == task for each in self.channel.assigned))
        return self.channel.assigned[-1].token

    async def received(self, kind: type[Command]) -> CommandEnvelope:
        """Return the next command of a kind."""
        async with asyncio.timeout(10):
            while True:
                for delivered in await self.log.receive(_PARTITIONS, limit=100, wait=1.0):
                    if isinstance(delivered.envelope.command, kind):
                        return delivered.envelope

    async def stumble(self) -> None:
        """Return when something unexpected was met a few times more."""
        before = self.telemetry.counts[_UNEXPECTED]
        await until(lambda: self.telemetry.counts[_UNEXPECTED] > before + 1)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a store sets no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def _serving(transport: OnRedis, lease_ttl: float = 30.0) -> AsyncIterator[_Served]:
    served = _Served(transport, lease_ttl)
    await served.log.open(_PARTITIONS)
    running = asyncio.create_task(served.gateway.run())
    try:
        yield served
    finally:
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()


@pytest.mark.parametrize("key", [_COMMANDS, _TASKS, keys.queues("default"), keys.REGISTERED_GATEWAYS])
async def test_what_it_cannot_do_ends_nothing_and_is_done_later(
    key: str, transport: OnRedis, operator: RedisClient
) -> None:
    async with _serving(transport) as served:
        await served.connect()
        token = await served.assigned(queued("a"))
        await operator.call("SET", key, "of another type")
        await served.gateway.report(served.connection, [TaskReport(token, Completed(NULL), None)])
        await operator.call("PUBLISH", keys.arrivals("default"), encode_names(["default", "work"]))
        await served.stumble()
        await operator.call("DEL", key)
        await served.log.open(_PARTITIONS)
        assert isinstance((await served.received(CompleteTask)).command, CompleteTask)
        await served.assigned(queued("b"))


async def test_stock_that_cannot_be_taken_is_taken_later(transport: OnRedis, operator: RedisClient) -> None:
    async with _serving(transport, lease_ttl=0.1) as served:
        await operator.call("SET", keys.NAMESPACES, "of another type")
        await served.stumble()
        await operator.call("DEL", keys.NAMESPACES)
        await served.outbox.flush(Outgoing(tasks=[queued("a")]))
        await transport.process().task_queue.take("gateway-1", [QueueName("default", "work")], 1)
        assert isinstance((await served.received(LoseTask)).command, LoseTask)


async def test_errands_that_fail_hold_up_no_others(transport: OnRedis, operator: RedisClient) -> None:
    async with _serving(transport) as served:
        await served.connect()
        for node_id in ("a", "b"):
            before = served.telemetry.counts[_UNEXPECTED]
            await served.assigned(queued(node_id))
            envelope = await served.received(StartTask)
            await operator.call("SET", _TASKS, "of another type")
            superseded = Reply(envelope.correlation_id, Verdict.SUPERSEDED, None)
            await served.outbox.flush(Outgoing(replies={envelope.reply_to: [superseded]}))
            await until(lambda count=before: served.telemetry.counts[_UNEXPECTED] > count)  # type: ignore[misc]
            await operator.call("DEL", _TASKS)
