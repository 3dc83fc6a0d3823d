"""An owner of every partition that decides when a test tells it to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from flowmesh_core.adapters.memory.cluster_store import MemoryClusterStore
from flowmesh_core.adapters.memory.membership import MemoryMembership
from flowmesh_core.domain.commands import Command, CompleteTask, FailTask, StartExecution, StartTask
from flowmesh_core.domain.definition import digest
from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.graph import plan_graph
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.domain.step import step
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_core.ports.execution_store import NewExecution
from flowmesh_core.ports.history_store import HistoryBatch
from flowmesh_core.ports.membership import Member, PartitionLease
from flowmesh_core.ports.outbox import Outgoing, Reply
from tests.services.memory_cluster import PARTITIONS, MemoryCluster, compile_expression

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from flowmesh_core.ports.command_log import DeliveredCommand

_WINDOW = 5_000


class HandOwner:
    """Decides with the engine's reducer, stores and tells."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self._states: dict[ExecutionKey, ExecutionState] = {}
        self._leases: dict[int, PartitionLease] = {}

    async def open(self) -> HandOwner:
        """Take every partition."""
        await MemoryClusterStore(self._cluster.database).open(PARTITIONS)
        membership = MemoryMembership(self._cluster.database)
        await membership.join(Member("owner", frozenset()), 3_600)
        leases = await membership.acquire("owner", PARTITIONS)
        self._leases = {lease.partition: lease for lease in leases}
        await self._cluster.commands.open(range(PARTITIONS))
        return self

    async def accept(
        self, *nodes: Node, execution_id: str = "e1", labels: Mapping[str, str] | None = None, name: str = "w"
    ) -> ExecutionKey:
        """Store an execution that nobody has begun."""
        key = ExecutionKey("default", execution_id)
        workflow = Workflow(name, nodes)
        new = NewExecution(
            key=key,
            partition=partition_of(key, PARTITIONS),
            workflow=workflow,
            workflow_name=name,
            workflow_version=0,
            workflow_digest=digest(workflow),
            request_digest=execution_id,
            created_at=self._cluster.clock.now(),
            labels=labels or {},
        )
        await self._cluster.executions.create([new])
        graph = plan_graph(workflow, new.workflow_digest, compile_expression)
        self._states[key] = ExecutionState(key, graph, NULL)
        return key

    async def begin(self, *nodes: Node, execution_id: str = "e1") -> ExecutionKey:
        """Store an execution and begin it."""
        key = await self.accept(*nodes, execution_id=execution_id)
        await self.decide(StartExecution(key))
        return key

    async def start(self, key: ExecutionKey, node_id: str) -> None:
        """Let a worker run a node."""
        now = self._cluster.clock.now()
        await self.decide(StartTask(key, node_id, 1, "worker", "gateway", now))

    async def complete(
        self, key: ExecutionKey, *node_ids: str, output: Payload = NULL, hint: bool = True
    ) -> None:
        """Let nodes return."""
        for node_id in node_ids:
            await self.decide(CompleteTask(key, node_id, 1, output, "worker", None), hint=hint)

    async def fail(self, key: ExecutionKey, node_id: str, attempt: int = 1) -> None:
        """Let an attempt fail."""
        await self.decide(FailTask(key, node_id, attempt, Failure("Boom", "it broke"), "worker", None))

    async def decide(
        self, command: Command, *, hint: bool = True, answer: DeliveredCommand | None = None
    ) -> None:
        """Decide, append, and tell watchers and the sender."""
        key, partition = command.key, partition_of(command.key, PARTITIONS)
        state = self._states[key]
        transition = step(state, command, self._cluster.clock.now(), _WINDOW)
        if transition.events:
            batch = HistoryBatch(key, partition, transition.events)
            await self._cluster.histories.append("owner", [self._leases[partition]], [batch])
        replies = {}
        if answer is not None:
            reply = Reply(answer.envelope.correlation_id, transition.verdict, state.status)
            replies[answer.envelope.reply_to] = [reply]
        changed = {partition: {key: state.last_sequence}} if hint and transition.events else {}
        await self._cluster.outbox.flush(Outgoing(changed=changed, replies=replies))

    @asynccontextmanager
    async def deciding(self, *, ignored: int = 0) -> AsyncIterator[None]:
        """Decide what is sent while the block runs, but for the first `ignored` commands."""
        loop = asyncio.ensure_future(self._decide_what_is_sent(ignored))
        try:
            yield
        finally:
            loop.cancel()
            await asyncio.wait([loop])

    async def _decide_what_is_sent(self, ignored: int) -> None:
        while True:
            for delivered in await self._cluster.commands.receive(range(PARTITIONS), limit=100, wait=10.0):
                ignored -= 1
                if ignored < 0:
                    await self.decide(delivered.envelope.command, answer=delivered)
