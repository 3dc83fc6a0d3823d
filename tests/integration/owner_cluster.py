"""Owners on real servers, with a gateway that completes whatever it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.postgres.cluster_store import PostgresClusterStore
from flowmesh_core.adapters.postgres.execution_store import PostgresExecutionStore
from flowmesh_core.adapters.postgres.history_store import PostgresHistoryStore
from flowmesh_core.adapters.postgres.membership import PostgresMembership
from flowmesh_core.adapters.postgres.migrate import migrate
from flowmesh_core.adapters.postgres.pool import open_pool
from flowmesh_core.adapters.postgres.workflow_store import PostgresWorkflowStore
from flowmesh_core.adapters.redis.beats import Beats
from flowmesh_core.adapters.redis.command_log import RedisCommandLog
from flowmesh_core.adapters.redis.connection import RedisClient, connect
from flowmesh_core.adapters.redis.outbox import RedisOutbox
from flowmesh_core.adapters.redis.task_queue import RedisTaskQueue
from flowmesh_core.adapters.system import SystemClock, Uuid7Ids
from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.member_session import MemberSession, MemberSettings
from flowmesh_core.application.partition_owner import OwnerPorts, OwnerSettings, PartitionOwner
from flowmesh_core.application.reap_executions import StartOrphans
from flowmesh_core.domain.commands import CompleteTask, StartExecution
from flowmesh_core.domain.definition import digest
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.expressions import Evaluate, ExpressionError
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_core.ports.command_log import CommandEnvelope
from flowmesh_core.ports.execution_store import NewExecution
from flowmesh_core.ports.membership import Member, Role
from flowmesh_core.ports.task_queue import QueueName, TakenTask
from flowmesh_services.reaper import Reaper, Sweep

if TYPE_CHECKING:
    from flowmesh_core.adapters.postgres.pool import Pool

PARTITIONS = 16
TTL = 1.0
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class OwnerCluster:
    """The stores and the transport of a cluster."""

    pool: Pool
    redis: RedisClient
    clock: SystemClock
    telemetry: RecordedTelemetry

    @property
    def executions(self) -> PostgresExecutionStore:
        """The executions."""
        return PostgresExecutionStore(self.pool)

    @property
    def membership(self) -> PostgresMembership:
        """The members."""
        return PostgresMembership(self.pool)

    def log(self) -> RedisCommandLog:
        """Return a command log that only sends."""
        return RedisCommandLog(self.redis, Beats(), self.telemetry)

    def owner(self, lanes: int = 1, partitions: int = PARTITIONS) -> PartitionOwner:
        """Return the owner of another process."""
        beats = Beats()
        ports = OwnerPorts(
            membership=self.membership,
            command_logs=tuple(RedisCommandLog(self.redis, beats, self.telemetry) for _ in range(lanes)),
            outbox=RedisOutbox(self.redis, beats),
            history=PostgresHistoryStore(self.pool),
            executions=self.executions,
            graphs=GraphCache(PostgresWorkflowStore(self.pool), _no_expressions),
            clock=self.clock,
            telemetry=self.telemetry,
        )
        return PartitionOwner(ports, OwnerSettings(partitions))

    def session(self) -> MemberSession:
        """Return the membership of another process."""
        settings = MemberSettings(frozenset({Role.ORCHESTRATION}), ttl=TTL)
        return MemberSession(self.membership, self.clock, Uuid7Ids(), self.telemetry, settings)

    def reaper(self) -> Reaper:
        """Return a reaper that starts orphans."""
        orphans = StartOrphans(self.executions, self.log(), self.clock, self.telemetry, age=Micros(500_000))
        return Reaper([Sweep("orphans", 0.2, orphans.sweep)], self.clock, self.telemetry)

    async def submit(
        self, workflow: Workflow, count: int, partitions: int = PARTITIONS
    ) -> list[ExecutionKey]:
        """Accept and start executions of a workflow."""
        ids = Uuid7Ids()
        keys = [ExecutionKey("default", ids.new_id()) for _ in range(count)]
        await self.executions.create([self._new(key, workflow, partitions) for key in keys])
        starts = [CommandEnvelope(partition_of(key, partitions), StartExecution(key)) for key in keys]
        await self.log().send(starts)
        return keys

    async def work(self, handlers: Collection[str], partitions: int = PARTITIONS) -> None:
        """Be a gateway whose workers complete everything at once; until cancelled."""
        queue = RedisTaskQueue(self.redis, self.telemetry)
        log = self.log()
        names = [QueueName("default", handler) for handler in handlers]
        await self.membership.join(Member(GATEWAY, frozenset({Role.WORKER_CONTROL})), 3600.0)
        while True:
            with suppress(StoreUnavailable):
                taken = await queue.take(GATEWAY, names, 1_000)
                await log.send([_completion(each, partitions) for each in taken])
            await self.clock.sleep(0.002)

    async def closed(self, keys: Sequence[ExecutionKey]) -> None:
        """Return when all of these have ended."""
        open_keys = set(keys)
        while open_keys:
            records = await self.executions.get_many(open_keys)
            open_keys -= {record.key for record in records if record.status.is_terminal}
            await self.clock.sleep(0.02)

    def _new(self, key: ExecutionKey, workflow: Workflow, partitions: int) -> NewExecution:
        return NewExecution(
            key=key,
            partition=partition_of(key, partitions),
            workflow=workflow,
            workflow_name=workflow.name,
            workflow_version=0,
            workflow_digest=digest(workflow),
            request_digest=str(key),
            created_at=self.clock.now(),
        )


@asynccontextmanager
async def owner_cluster(
    database_url: str, redis_url: str, partitions: int = PARTITIONS
) -> AsyncIterator[OwnerCluster]:
    """Create a cluster on empty servers."""
    await migrate(database_url)
    async with open_pool(database_url) as pool, connect(redis_url) as redis:
        await PostgresClusterStore(pool).open(partitions)
        yield OwnerCluster(pool, redis, SystemClock(), RecordedTelemetry())


def diamond(width: int) -> Workflow:
    """One node, then `width` beside each other, then one."""
    middle = tuple(Node(f"m{number}", "work", ("first",)) for number in range(width))
    last = Node("last", "work", tuple(node.id for node in middle))
    return Workflow("diamond", (Node("first", "work"), *middle, last))


def chain(length: int) -> Workflow:
    """Nodes that follow one another."""
    parents = [(), *((f"n{number}",) for number in range(length - 1))]
    return Workflow("chain", tuple(Node(f"n{n}", "work", parents[n]) for n in range(length)))


def _completion(taken: TakenTask, partitions: int) -> CommandEnvelope:
    task = taken.task
    command = CompleteTask(task.key, task.node_id, task.attempt, NULL, "worker", None)
    return CommandEnvelope(partition_of(task.key, partitions), command, GATEWAY, "id", taken.entry)


def _no_expressions(source: str, _variables: object) -> Evaluate:
    raise ExpressionError(f"no expressions here: {source}")
