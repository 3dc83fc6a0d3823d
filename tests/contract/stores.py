"""The stores of one cluster, in memory or in PostgreSQL, and the things that tests put into them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmesh_core.adapters.memory.audit import MemoryAuditStore
from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.cluster_store import MemoryClusterStore
from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.execution_store import MemoryExecutionStore
from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.adapters.memory.membership import MemoryMembership
from flowmesh_core.adapters.memory.workflow_store import MemoryWorkflowStore
from flowmesh_core.adapters.postgres.audit import PostgresAuditStore
from flowmesh_core.adapters.postgres.cluster_store import PostgresClusterStore
from flowmesh_core.adapters.postgres.execution_store import PostgresExecutionStore
from flowmesh_core.adapters.postgres.history_store import PostgresHistoryStore
from flowmesh_core.adapters.postgres.membership import PostgresMembership
from flowmesh_core.adapters.postgres.migrate import migrate
from flowmesh_core.adapters.postgres.pool import open_pool
from flowmesh_core.adapters.postgres.workflow_store import PostgresWorkflowStore
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_core.ports.execution_store import NewExecution
from flowmesh_core.ports.history_store import HistoryBatch
from flowmesh_core.ports.membership import Member, PartitionLease, Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from flowmesh_core.domain.events import Event
    from flowmesh_core.ports.audit import AuditStore
    from flowmesh_core.ports.cluster_store import ClusterStore
    from flowmesh_core.ports.execution_store import ExecutionStore
    from flowmesh_core.ports.history_store import HistoryStore
    from flowmesh_core.ports.membership import Membership
    from flowmesh_core.ports.workflow_store import WorkflowStore

PARTITIONS = 8
NOW = Micros(1_700_000_000_000_000)
WORKFLOW = Workflow("wf", (Node("a", "h"), Node("b", "h", ("a",), Payload(b'{"x": 1}'), "a.y > 2")))


@dataclass(frozen=True, slots=True)
class Stores:
    """All stores of one cluster."""

    cluster: ClusterStore
    membership: Membership
    executions: ExecutionStore
    history: HistoryStore
    workflows: WorkflowStore
    audit: AuditStore

    async def member(self, member_id: str, ttl: float = 60.0) -> str:
        await self.membership.join(Member(member_id, frozenset({Role.ORCHESTRATION})), ttl)
        return member_id

    async def expire(self, member_id: str) -> None:
        assert await self.membership.renew(member_id, -1.0)

    async def owner(self, member_id: str = "owner") -> dict[int, PartitionLease]:
        """Open the cluster, and let a new member own all of it."""
        await self.cluster.open(PARTITIONS)
        leases = await self.membership.acquire(await self.member(member_id), PARTITIONS)
        return {lease.partition: lease for lease in leases}


def memory_stores() -> Stores:
    database = MemoryDatabase(VirtualClock())
    return Stores(
        MemoryClusterStore(database),
        MemoryMembership(database),
        MemoryExecutionStore(database),
        MemoryHistoryStore(database),
        MemoryWorkflowStore(database),
        MemoryAuditStore(database),
    )


@asynccontextmanager
async def postgres_stores(url: str) -> AsyncIterator[Stores]:
    await migrate(url)
    async with open_pool(url) as pool:
        yield Stores(
            PostgresClusterStore(pool),
            PostgresMembership(pool),
            PostgresExecutionStore(pool),
            PostgresHistoryStore(pool),
            PostgresWorkflowStore(pool),
            PostgresAuditStore(pool),
        )


def new_execution(
    execution_id: str,
    *,
    request_id: str = "",
    digest: str = "d1",
    workflow: Workflow | None = WORKFLOW,
    labels: Mapping[str, str] | None = None,
    created_at: int = NOW,
    namespace: str = "default",
) -> NewExecution:
    key = ExecutionKey(namespace, execution_id)
    return NewExecution(
        key=key,
        partition=partition_of(key, PARTITIONS),
        workflow=workflow,
        workflow_name=WORKFLOW.name if workflow is None else workflow.name,
        workflow_version=0,
        workflow_digest="w1",
        request_digest=digest,
        created_at=Micros(created_at),
        input=Payload(b"[1]", metadata=(("k", "v"),)),
        labels=labels or {},
        request_id=request_id,
        traceparent="00-ab-cd-01",
    )


def batch(key: ExecutionKey, *events: Event) -> HistoryBatch:
    return HistoryBatch(key, partition_of(key, PARTITIONS), events)
