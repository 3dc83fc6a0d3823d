"""The read model: what callers see of an execution, folded from the same history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from flowmesh_core.domain.events import (
    AttemptEvent,
    Event,
    ExecutionCancelled,
    ExecutionCancelRequested,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    NodeAttemptFailed,
    NodeAttemptLost,
    NodeCancelled,
    NodeCompleted,
    NodeFailed,
    NodeScheduled,
    NodeSkipped,
    NodeStarted,
    NodeUpstreamFailed,
)
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.graph import Graph
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import BlockedOn, ExecutionStatus, FailureSource, NodeStatus, SkipReason
from flowmesh_core.domain.time import Micros


@dataclass(slots=True)
class NodeView:
    """What callers see of one node; see `NodeExecution` in execution.proto."""

    status: NodeStatus = NodeStatus.PENDING
    attempt: int = 0
    scheduled_at: Micros | None = None
    started_at: Micros | None = None
    closed_at: Micros | None = None
    next_attempt_at: Micros | None = None
    worker_id: str = ""
    skip_reason: SkipReason | None = None
    failure: Failure | None = None
    output: Payload | None = None


class ExecutionView:
    """What callers see of one execution.

    Attributes:
        graph: What it runs.
        status: Where it stands.
        last_sequence: The sequence of the newest event folded; 0 before the first.
        started_at: When an owner began it.
        closed_at: When it reached a terminal state.
        failure: Why it failed or was cancelled.
        nodes: One view per node, in the order of the graph.
    """

    def __init__(self, graph: Graph) -> None:
        """Start before the first event."""
        self.graph = graph
        self.status = ExecutionStatus.PENDING
        self.last_sequence = 0
        self.started_at: Micros | None = None
        self.closed_at: Micros | None = None
        self.failure: Failure | None = None
        self.nodes = [NodeView() for _ in graph.nodes]
        self._owned = bytearray(b"\1") * len(self.nodes)

    def counts(self) -> dict[NodeStatus, int]:
        """Return how many nodes are in each status, without zeros, by status."""
        return dict(sorted(Counter(node.status for node in self.nodes).items()))

    def copy(self) -> ExecutionView:
        """Return a view that further events on this one do not touch."""
        self._owned = bytearray(len(self.nodes))
        twin = ExecutionView.__new__(ExecutionView)
        twin.__dict__.update(self.__dict__, nodes=list(self.nodes), _owned=bytearray(self._owned))
        return twin

    def own(self, node: int) -> NodeView:
        """Return a node to change, first split from the copies that it was shared with."""
        if not self._owned[node]:
            self.nodes[node] = replace(self.nodes[node])
            self._owned[node] = 1
        return self.nodes[node]

    def blocked_on(self, node: int, offered_handlers: Collection[str]) -> BlockedOn:
        """Say what a live node waits for, given the handlers that connected workers offer."""
        view = self.nodes[node]
        if view.status is NodeStatus.PENDING:
            return self._pending_on(node)
        if view.status is not NodeStatus.SCHEDULED:
            return BlockedOn.NOTHING
        if view.next_attempt_at is not None:
            return BlockedOn.RETRY_BACKOFF
        is_offered = self.graph.nodes[node].handler in offered_handlers
        return BlockedOn.WORKER_SLOT if is_offered else BlockedOn.NO_WORKER

    def _pending_on(self, node: int) -> BlockedOn:
        if self.status is ExecutionStatus.PENDING:
            return BlockedOn.NOTHING
        parents = self.graph.nodes[node].parents
        ended = all(self.nodes[parent].status.is_terminal for parent in parents)
        return BlockedOn.DISPATCH_WINDOW if ended else BlockedOn.PARENTS


def apply(view: ExecutionView, event: Event) -> None:
    """Fold one event into `view`, in place."""
    view.last_sequence = event.sequence
    _APPLIES[type(event)](view, event)


def _started(view: ExecutionView, event: ExecutionStarted) -> None:
    view.status = ExecutionStatus.RUNNING
    view.started_at = event.at


def _cancel_requested(view: ExecutionView, _event: ExecutionCancelRequested) -> None:
    view.status = ExecutionStatus.CANCELLING


def _completed(view: ExecutionView, event: ExecutionCompleted) -> None:
    view.status, view.closed_at = ExecutionStatus.COMPLETED, event.at


def _failed(view: ExecutionView, event: ExecutionFailed) -> None:
    view.status, view.closed_at, view.failure = ExecutionStatus.FAILED, event.at, event.failure


def _cancelled(view: ExecutionView, event: ExecutionCancelled) -> None:
    view.status, view.closed_at = ExecutionStatus.CANCELLED, event.at
    view.failure = cancel_failure(event.reason)


def cancel_failure(reason: str) -> Failure:
    """Return the failure of an execution that was cancelled."""
    return Failure("Cancelled", reason, FailureSource.HANDLER)


def _node_scheduled(view: ExecutionView, event: NodeScheduled) -> None:
    node = view.own(event.node)
    node.status, node.attempt, node.scheduled_at = NodeStatus.SCHEDULED, event.attempt, event.at
    node.started_at = node.next_attempt_at = None
    node.worker_id = ""


def _node_started(view: ExecutionView, event: NodeStarted) -> None:
    node = view.own(event.node)
    node.status, node.worker_id, node.started_at = NodeStatus.RUNNING, event.worker_id, event.started_at


def _node_completed(view: ExecutionView, event: NodeCompleted) -> None:
    node = _end(view, event, NodeStatus.COMPLETED)
    node.output, node.failure = event.output, None
    node.worker_id, node.started_at = event.worker_id, event.started_at


def _node_attempt_failed(view: ExecutionView, event: NodeAttemptFailed) -> None:
    node = view.own(event.node)
    node.status, node.failure, node.next_attempt_at = (
        NodeStatus.SCHEDULED,
        event.failure,
        event.next_attempt_at,
    )
    node.worker_id, node.started_at = event.worker_id, event.started_at


def _node_attempt_lost(view: ExecutionView, event: NodeAttemptLost) -> None:
    view.own(event.node).status = NodeStatus.SCHEDULED


def _node_failed(view: ExecutionView, event: NodeFailed) -> None:
    node = _end(view, event, NodeStatus.FAILED)
    node.failure = event.failure
    if event.worker_id:
        node.worker_id, node.started_at = event.worker_id, event.started_at


def _node_skipped(view: ExecutionView, event: NodeSkipped) -> None:
    node = view.own(event.node)
    node.status, node.skip_reason, node.closed_at = NodeStatus.SKIPPED, event.reason, event.at


def _node_upstream_failed(view: ExecutionView, event: NodeUpstreamFailed) -> None:
    node = view.own(event.node)
    node.status, node.closed_at = NodeStatus.UPSTREAM_FAILED, event.at


def _node_cancelled(view: ExecutionView, event: NodeCancelled) -> None:
    _end(view, event, NodeStatus.CANCELLED)


def _end(view: ExecutionView, event: AttemptEvent, status: NodeStatus) -> NodeView:
    node = view.own(event.node)
    node.status, node.closed_at, node.next_attempt_at = status, event.at, None
    return node


# Each apply takes the event type that it is listed under.
_APPLIES: dict[type[Event], Callable[..., None]] = {
    ExecutionStarted: _started,
    ExecutionCancelRequested: _cancel_requested,
    ExecutionCompleted: _completed,
    ExecutionFailed: _failed,
    ExecutionCancelled: _cancelled,
    NodeScheduled: _node_scheduled,
    NodeStarted: _node_started,
    NodeCompleted: _node_completed,
    NodeAttemptFailed: _node_attempt_failed,
    NodeAttemptLost: _node_attempt_lost,
    NodeFailed: _node_failed,
    NodeSkipped: _node_skipped,
    NodeUpstreamFailed: _node_upstream_failed,
    NodeCancelled: _node_cancelled,
}
