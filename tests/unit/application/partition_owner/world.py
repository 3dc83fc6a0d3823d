"""A whole cluster in memory whose owners take one turn when they are told to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from flowmesh_core.adapters.memory.clock import VirtualClock
from flowmesh_core.adapters.memory.cluster_store import MemoryClusterStore
from flowmesh_core.adapters.memory.command_log import MemoryCommandLog
from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.execution_store import MemoryExecutionStore
from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.adapters.memory.id_source import SequentialIds
from flowmesh_core.adapters.memory.mailbox import MemoryMailbox
from flowmesh_core.adapters.memory.membership import MemoryMembership
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.adapters.memory.task_queue import MemoryTaskQueue
from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.memory.transport import MemoryTransport
from flowmesh_core.adapters.memory.workflow_store import MemoryWorkflowStore
from flowmesh_core.application.graph_cache import GraphCache
from flowmesh_core.application.member_session import MemberLease
from flowmesh_core.application.partition_owner import OwnerPorts, OwnerSettings, PartitionOwner
from flowmesh_core.domain.commands import Command, CompleteTask, FailTask, StartExecution, StartTask
from flowmesh_core.domain.definition import digest
from flowmesh_core.domain.events import Event
from flowmesh_core.domain.expressions import Evaluate
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.policy import Jitter, RetryPolicy
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import SECOND
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_core.ports.command_log import CommandEnvelope, DeliveredCommand, QueueEntry
from flowmesh_core.ports.execution_store import ExecutionStore, NewExecution
from flowmesh_core.ports.history_store import HistoryStore
from flowmesh_core.ports.membership import Member, Role
from flowmesh_core.ports.outbox import Outbox
from flowmesh_core.ports.task_queue import QueueName, TakenTask

PARTITIONS = 4
TTL = 6.0
STEADY = RetryPolicy(maximum_attempts=3, jitter=Jitter.NONE, initial_interval=SECOND)
HANDLERS = [QueueName("default", "work")]


def chain(*ids: str) -> list[Node]:
    """Nodes that follow one another."""
    parents = [(), *((each,) for each in ids)]
    return [node(each, *parent) for each, parent in zip(ids, parents, strict=False)]


def node(node_id: str, *parents: str) -> Node:
    """A node that works."""
    return Node(node_id, "work", parents, retry_policy=STEADY)


class World:
    """The stores, the transport and the clock that all owners share."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.database = MemoryDatabase(self.clock)
        self.membership = MemoryMembership(self.database)
        self.history = MemoryHistoryStore(self.database)
        self.executions = MemoryExecutionStore(self.database)
        self.workflows = MemoryWorkflowStore(self.database)
        self.transport = MemoryTransport(self.clock)
        self.queue = MemoryTaskQueue(self.transport)
        self.outbox = MemoryOutbox(self.transport)
        self.log = MemoryCommandLog(self.transport)
        self.mailbox = MemoryMailbox(self.transport)
        self.telemetry = RecordedTelemetry()
        self.ids = SequentialIds()
        self._numbers = itertools.count(1)

    async def open(self) -> World:
        """Create the cluster."""
        await MemoryClusterStore(self.database).open(PARTITIONS)
        return self

    async def submit(
        self, *nodes: Node, execution_id: str = "", start: bool = True, traceparent: str = ""
    ) -> ExecutionKey:
        """Accept an execution, and ask for its start."""
        key = ExecutionKey("default", execution_id or f"e{next(self._numbers)}")
        workflow = Workflow("wf", nodes)
        new = NewExecution(
            key=key,
            partition=partition_of(key, PARTITIONS),
            workflow=workflow,
            workflow_name="wf",
            workflow_version=0,
            workflow_digest=digest(workflow),
            request_digest=str(key),
            created_at=self.clock.now(),
            traceparent=traceparent,
        )
        await self.executions.create([new])
        if start:
            await self.send(StartExecution(key))
        return key

    async def send(self, command: Command, entry: QueueEntry | None = None, reply_to: str = "") -> None:
        """Send a command to the owner of its execution."""
        partition = partition_of(command.key, PARTITIONS)
        await self.log.send([CommandEnvelope(partition, command, reply_to, "id", entry)])

    async def take(self, gateway_id: str = "gateway") -> Sequence[TakenTask]:
        """Take every task that is queued."""
        return await self.queue.take(gateway_id, HANDLERS, 10_000)

    async def start(self, taken: TakenTask, gateway_id: str = "gateway") -> None:
        """Report that a worker runs a task."""
        task = taken.task
        now = self.clock.now()
        await self.send(
            StartTask(task.key, task.node_id, task.attempt, "worker", gateway_id, now), taken.entry
        )

    async def complete(self, taken: TakenTask, reply_to: str = "") -> None:
        """Report that a task succeeded."""
        await self.send(completion(taken), taken.entry, reply_to)

    async def fail(self, taken: TakenTask) -> None:
        """Report that a task failed."""
        task = taken.task
        failure = Failure("Boom", "it broke")
        await self.send(FailTask(task.key, task.node_id, task.attempt, failure, "worker", None), taken.entry)

    async def events(self, key: ExecutionKey) -> Sequence[Event]:
        """Return the history of an execution."""
        return await self.history.read(key, after=0, limit=1_000_000)

    async def kinds(self, key: ExecutionKey) -> list[str]:
        """Return the names of the events of an execution."""
        return [type(event).__name__ for event in await self.events(key)]

    async def status(self, key: ExecutionKey) -> ExecutionStatus:
        """Return where an execution stands."""
        record = await self.executions.get(key)
        assert record is not None
        return record.status


def completion(taken: TakenTask) -> CompleteTask:
    """Return the report that a task succeeded."""
    task = taken.task
    return CompleteTask(task.key, task.node_id, task.attempt, NULL, "worker", None)


class Owner:
    """One orchestrator process, moved by hand."""

    def __init__(
        self,
        world: World,
        member_id: str = "owner",
        *,
        outbox: Outbox | None = None,
        history: HistoryStore | None = None,
        executions: ExecutionStore | None = None,
        window: int = 5_000,
        receive_wait: float = 0.0,
        gateway_grace: float = 0.0,
    ) -> None:
        self.world = world
        self.log = MemoryCommandLog(world.transport)
        self.member = Member(member_id, frozenset({Role.ORCHESTRATION}))
        self.lease = MemberLease(self.member, world.clock, TTL, world.clock.monotonic())
        ports = OwnerPorts(
            membership=world.membership,
            command_logs=(self.log,),
            outbox=outbox or world.outbox,
            history=history or world.history,
            executions=executions or world.executions,
            graphs=GraphCache(world.workflows, explosive),
            clock=world.clock,
            telemetry=world.telemetry,
        )
        settings = OwnerSettings(
            PARTITIONS, window=window, receive_wait=receive_wait, gateway_grace=gateway_grace
        )
        self.owner = PartitionOwner(ports, settings)
        self.partitions, (self.lane,) = self.owner.assemble(self.lease)

    async def join(self) -> Owner:
        """Become a member and take partitions."""
        await self.world.membership.join(self.member, TTL)
        self.lease.extend(self.world.clock.monotonic())
        await self.partitions.look()
        return self

    async def renew(self) -> bool:
        """Renew the lease, as the member session does."""
        renewed = await self.world.membership.renew(self.member.member_id, TTL) is not None
        if renewed:
            self.lease.extend(self.world.clock.monotonic())
        return renewed

    async def work(self, turns: int = 8) -> None:
        """Take a few turns: enough for everything that was sent."""
        for _ in range(turns):
            await self.lane.turn()
            await self.partitions.load_waiting()

    async def decide(self, command: Command) -> None:
        """Decide a command that was received before."""
        envelope = CommandEnvelope(partition_of(command.key, PARTITIONS), command)
        await self.lane._decide([DeliveredCommand("", envelope)])

    async def owned(self) -> list[int]:
        """Return the partitions that the store says this owner has."""
        return sorted(lease.partition for lease in await self.world.membership.owned(self.member.member_id))


def explosive(_source: str, _variables: object) -> Evaluate:
    """Compile any expression to one that has a defect."""

    def evaluate(_values: object) -> object:
        raise ZeroDivisionError

    return evaluate
