"""A whole gateway with its loops, on a virtual clock and a transport in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.adapters.memory.task_queue import MemoryTaskQueue
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.adapters.memory.worker_registry import MemoryWorkerRegistry
from flowmesh_core.application.worker_gateway.attachment import Connection, WorkerHello
from flowmesh_core.application.worker_gateway.gateway import Gateway
from flowmesh_core.application.worker_gateway.session import Offer
from flowmesh_core.application.worker_gateway.settings import GatewaySettings
from flowmesh_core.ports.outbox import Outgoing, QueuedTask, Reply
from tests.unit.application.worker_gateway.gateway_parts import CLUSTER, RecordedChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flowmesh_core.domain.transition import Verdict
    from flowmesh_core.ports.command_log import CommandEnvelope

_TURNS = 40
"""More turns of the loop than any message here takes to arrive."""


class Running:
    """A gateway that runs, and the owner that the test plays."""

    def __init__(self, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.transport = MemoryTransport(self.clock)
        self.outbox = MemoryOutbox(self.transport)
        self.queue = MemoryTaskQueue(self.transport)
        self.log = MemoryCommandLog(self.transport)
        self.registry = MemoryWorkerRegistry(self.transport)
        self.gateway = Gateway(
            "gateway-1",
            CLUSTER,
            queue=self.queue,
            commands=MemoryCommandLog(self.transport),
            mailbox=MemoryMailbox(self.transport),
            registry=self.registry,
            clock=self.clock,
            telemetry=RecordedTelemetry(),
            settings=GatewaySettings(**settings),
        )

    async def settle(self) -> None:
        """Let every message that is on its way arrive."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Move the clock from one sleeper to the next."""
        left = seconds
        await self.settle()
        while (wake := self.clock.next_wake()) is not None and wake <= left:
            self.clock.advance(wake)
            left -= wake
            await self.settle()
        self.clock.advance(left)
        await self.settle()

    async def queue_tasks(self, *tasks: QueuedTask) -> None:
        await self.outbox.flush(Outgoing(tasks=tasks))
        await self.settle()

    async def connect(
        self,
        worker_id: str = "w1",
        *handlers: str,
        namespace: str = "default",
        credits: int = 0,  # noqa: A002
    ) -> tuple[Connection, RecordedChannel]:
        channel = RecordedChannel()
        offer = Offer(namespace, frozenset(handlers or ("work",)))
        connection = await self.gateway.connect(WorkerHello(worker_id, offer, 10), channel)
        if credits:
            self.gateway.grant(connection, credits)
        await self.settle()
        return connection, channel

    async def received(self) -> list[CommandEnvelope]:
        """Return the commands that came since the last call."""
        await self.settle()
        found = await self.log.receive(range(4), limit=1_000, wait=0)
        return [delivered.envelope for delivered in found]

    async def answer(self, envelope: CommandEnvelope, verdict: Verdict) -> None:
        reply = Reply(envelope.correlation_id, verdict, None)
        await self.outbox.flush(Outgoing(replies={envelope.reply_to: [reply]}))
        await self.settle()


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    world = Running(**settings)
    await world.log.open(range(4))
    serving = asyncio.create_task(world.gateway.run())
    await world.settle()
    try:
        yield world
    finally:
        serving.cancel()
        await asyncio.wait({serving})
        assert serving.cancelled()
