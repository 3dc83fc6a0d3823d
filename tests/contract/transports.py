"""The transports that the contracts of their ports are checked on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flowmesh_core.adapters.memory.audit import MemoryTransportAudit
from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.load_gauge import MemoryLoadGauge
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.adapters.memory.rate_limiter import MemoryRateLimiter
from flowmesh_core.adapters.memory.task_queue import MemoryTaskQueue
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.adapters.memory.watch_hints import MemoryWatchHints
from flowmesh_core.adapters.memory.worker_registry import MemoryWorkerRegistry
from flowmesh_core.adapters.redis.audit import RedisTransportAudit
from flowmesh_core.adapters.redis.beats import Beats
from flowmesh_core.adapters.redis.command_log import RedisCommandLog
from flowmesh_core.adapters.redis.connection import RedisClient, connect
from flowmesh_core.adapters.redis.load_gauge import RedisLoadGauge
from flowmesh_core.adapters.redis.mailbox import RedisMailbox
from flowmesh_core.adapters.redis.outbox import RedisOutbox
from flowmesh_core.adapters.redis.rate_limiter import RedisRateLimiter
from flowmesh_core.adapters.redis.task_queue import RedisTaskQueue
from flowmesh_core.adapters.redis.watch_hints import RedisWatchHints
from flowmesh_core.adapters.redis.worker_registry import RedisWorkerRegistry
from flowmesh_core.domain.commands import CompleteTask
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.command_log import CommandEnvelope
from flowmesh_core.ports.outbox import QueuedTask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flowmesh_core.ports.audit import TransportAudit
    from flowmesh_core.ports.command_log import CommandLog
    from flowmesh_core.ports.load_gauge import LoadGauge
    from flowmesh_core.ports.mailbox import Mailbox
    from flowmesh_core.ports.outbox import Outbox
    from flowmesh_core.ports.rate_limiter import RateLimiter
    from flowmesh_core.ports.task_queue import TaskQueue
    from flowmesh_core.ports.watch_hints import WatchHints
    from flowmesh_core.ports.worker_registry import WorkerRegistry


@dataclass(frozen=True)
class Process:
    """The adapters that one server process has."""

    command_log: CommandLog
    outbox: Outbox
    task_queue: TaskQueue
    mailbox: Mailbox
    watch_hints: WatchHints
    worker_registry: WorkerRegistry
    rate_limiter: RateLimiter
    audit: TransportAudit
    load_gauge: LoadGauge


class Transport(Protocol):
    """One transport under test, shared by any number of processes."""

    def process(self) -> Process:
        """Start a process on it."""

    async def elapse(self, seconds: float) -> None:
        """Let time pass on its clock."""

    async def lose_everything(self) -> None:
        """Empty it."""


class InMemory:
    """The twins."""

    def __init__(self) -> None:
        self._clock = VirtualClock()
        self.shared = MemoryTransport(self._clock)

    def process(self) -> Process:
        return Process(
            MemoryCommandLog(self.shared),
            MemoryOutbox(self.shared),
            MemoryTaskQueue(self.shared),
            MemoryMailbox(self.shared),
            MemoryWatchHints(self.shared),
            MemoryWorkerRegistry(self.shared),
            MemoryRateLimiter(self.shared),
            MemoryTransportAudit(self.shared),
            MemoryLoadGauge(self.shared),
        )

    async def elapse(self, seconds: float) -> None:
        for _ in range(3):
            await asyncio.sleep(0)  # whoever is about to wait begins to
        self._clock.advance(seconds)

    async def lose_everything(self) -> None:
        self.shared.lose_everything()


class OnRedis:
    """A real server."""

    def __init__(self, client: RedisClient) -> None:
        self.client = client
        self.telemetry = RecordedTelemetry()

    def process(self) -> Process:
        beats = Beats()
        return Process(
            RedisCommandLog(self.client, beats, self.telemetry),
            RedisOutbox(self.client, beats),
            RedisTaskQueue(self.client, self.telemetry),
            RedisMailbox(self.client, self.telemetry),
            RedisWatchHints(self.client, self.telemetry),
            RedisWorkerRegistry(self.client),
            RedisRateLimiter(self.client),
            RedisTransportAudit(self.client),
            RedisLoadGauge(self.client),
        )

    async def elapse(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # its clock is its own

    async def lose_everything(self) -> None:
        await self.client.call("FLUSHALL")


@asynccontextmanager
async def on_redis(url: str) -> AsyncIterator[OnRedis]:
    """Connect to a server."""
    async with connect(url) as client:
        yield OnRedis(client)


def execution(number: int = 1, namespace: str = "default") -> ExecutionKey:
    return ExecutionKey(namespace, f"execution-{number}")


def command(partition: int = 7, number: int = 1) -> CommandEnvelope:
    done = CompleteTask(execution(number), "node", 1, Payload(b'{"n":%d}' % number), "worker", Micros(5))
    return CommandEnvelope(partition, done, reply_to="gateway", correlation_id=str(number))


def task(number: int = 1, handler: str = "resize", namespace: str = "default") -> QueuedTask:
    return QueuedTask(
        key=execution(number, namespace),
        node_id="node",
        attempt=1,
        handler=handler,
        input=Payload(b"[%d]" % number),
        start_to_close=Micros(600_000_000),
        heartbeat=None,
        workflow_name="thumbnails",
        scheduled_at=Micros(1_700_000_000_000_000),
    )
