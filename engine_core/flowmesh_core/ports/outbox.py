"""What goes out after a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.record import record
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.command_log import QueueEntry


@record(frozen=True, slots=True)
class QueuedTask:
    """An attempt that is ready for a worker, with all that a worker needs.

    Attributes:
        key: The execution.
        node_id: The node.
        attempt: The attempt, from 1.
        handler: Decides the queue it goes to.
        input: The config with its templates resolved.
        start_to_close: How long the attempt may run.
        heartbeat: The longest silence of the handler; None for no limit.
        workflow_name: For logs.
        scheduled_at: When the owner made it ready.
        traceparent: W3C trace context of the execution.
    """

    key: ExecutionKey
    node_id: str
    attempt: int
    handler: str
    input: Payload
    start_to_close: Micros
    heartbeat: Micros | None
    workflow_name: str
    scheduled_at: Micros
    traceparent: str = ""


@record(frozen=True, slots=True)
class Reply:
    """The decision on one command, for who asked."""

    correlation_id: str
    verdict: Verdict
    status: ExecutionStatus | None


@record(frozen=True, slots=True)
class CancelNotice:
    """Tells a gateway to stop a task that it holds."""

    key: ExecutionKey
    node_id: str
    attempt: int


@record(frozen=True, slots=True)
class Outgoing:
    """Everything that one committed batch sends out.

    Attributes:
        tasks: Attempts to queue.
        dispatched: Per execution, the sequence up to which everything is dispatched.
        closed: Executions whose `dispatched` entry is not needed any more.
        changed: Per partition, the executions that have new events and their last sequence.
        replies: Per mailbox, decisions.
        cancels: Per mailbox, tasks to stop.
        withdrawn: Queue entries to remove.
        acknowledged: Per partition, the entry ids of commands that are done.
    """

    tasks: Sequence[QueuedTask] = ()
    dispatched: Mapping[int, Mapping[ExecutionKey, int]] = field(default_factory=dict)
    closed: Mapping[int, Sequence[ExecutionKey]] = field(default_factory=dict)
    changed: Mapping[int, Mapping[ExecutionKey, int]] = field(default_factory=dict)
    replies: Mapping[str, Sequence[Reply]] = field(default_factory=dict)
    cancels: Mapping[str, Sequence[CancelNotice]] = field(default_factory=dict)
    withdrawn: Sequence[QueueEntry] = ()
    acknowledged: Mapping[int, Sequence[str]] = field(default_factory=dict)


class Outbox(Protocol):
    """Sends out what a commit decided, in one round trip."""

    async def flush(self, outgoing: Outgoing) -> Sequence[QueueEntry]:
        """Send everything, the acknowledgements last; return the queue entry of each task, in order.

        Raises:
            StoreUnavailable: Part of it may have been sent. Sending it again is
                safe but may queue tasks twice.
            TransportLost: It was sent, but what was sent before may be gone.
        """

    async def dispatched(self, partition: int) -> Mapping[ExecutionKey, int]:
        """Return the dispatched sequences of a partition; what is missing counts as 0."""

    async def newest(self, queues: Sequence[tuple[str, str]]) -> Sequence[str]:
        """Return the newest entry that each queue (namespace, handler) ever got; "" when it is gone."""

    async def hold_up_to(self, entries: Sequence[QueueEntry]) -> Sequence[bool]:
        """Say for each entry whether its queue holds it or any older one, taken by a gateway or not."""
