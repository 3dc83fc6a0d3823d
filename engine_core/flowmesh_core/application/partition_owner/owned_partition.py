"""What an owner keeps in memory. All of it can be dropped at any time and folded again."""

from __future__ import annotations

from collections import deque

from flowmesh_core.domain.execution import ExecutionState
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.command_log import DeliveredCommand, QueueEntry
from flowmesh_core.ports.membership import PartitionLease


class LiveExecution:
    """An execution in memory.

    Attributes:
        state: The fold of its history.
        partition: Where it lives.
        traceparent: W3C trace context of its submission.
        entries: Per node with an attempt in flight, its place in the task queue,
            as far as this owner queued it.
    """

    __slots__ = ("__weakref__", "entries", "partition", "state", "traceparent")

    def __init__(self, state: ExecutionState, partition: int, traceparent: str) -> None:
        """Start with no place in the queue known."""
        self.state = state
        self.partition = partition
        self.traceparent = traceparent
        self.entries: dict[int, QueueEntry] = {}

    def take_entry(self, node: int) -> QueueEntry | None:
        """Return the place of a node in the task queue, and forget it."""
        entry = self.entries.pop(node, None)
        if not self.entries:
            # A dict keeps its room until it is cleared, and many executions wait for long.
            self.entries.clear()
        return entry


class OwnedPartition:
    """A loaded partition.

    Attributes:
        lease: The right to write it.
        executions: Its open executions.
        backlog: Commands to decide before any new one, and those the owner gives itself.
        gateways: The gateways that run, or ran, tasks of it.
    """

    __slots__ = ("backlog", "executions", "gateways", "lease")

    def __init__(self, lease: PartitionLease) -> None:
        """Start empty."""
        self.lease = lease
        self.executions: dict[ExecutionKey, LiveExecution] = {}
        self.backlog: deque[DeliveredCommand] = deque()
        self.gateways: set[str] = set()

    @property
    def partition(self) -> int:
        """Its number."""
        return self.lease.partition

    def add(self, live: LiveExecution) -> None:
        """Keep an execution."""
        self.executions[live.state.key] = live
        self.gateways.update(live.state.gateways.values())
