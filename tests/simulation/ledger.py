"""What a history may say: the rules of one execution, written again from the events alone."""

from __future__ import annotations

from collections.abc import Callable

from flowmesh_core.domain.events import (
    AttemptEvent,
    Event,
    ExecutionCancelled,
    ExecutionCancelRequested,
    ExecutionCompleted,
    ExecutionFailed,
    NodeAttemptFailed,
    NodeAttemptLost,
    NodeCancelled,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeScheduled,
    NodeSkipped,
    NodeStarted,
    NodeUpstreamFailed,
)
from flowmesh_core.domain.workflow import Workflow

_OF_LIVE_ATTEMPTS = (NodeStarted, NodeCompleted, NodeAttemptFailed, NodeAttemptLost)
_ENDS_OF_NODES = (NodeCompleted, NodeFailed, NodeCancelled, NodeSkipped, NodeUpstreamFailed)
_ENDS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)


class Ledger:
    """Follows one execution and objects to what must not happen.

    Attributes:
        sequence: The sequence of the newest event.
        ended: The nodes that have ended.
        scheduled: The attempts that were ever scheduled.
        completed: The attempts that completed.
        failed: The attempts that failed.
        cancelling: Whether a cancel was accepted.
        closed: Whether the execution has ended.
    """

    def __init__(self, workflow: Workflow, object_to: Callable[[str], None]) -> None:
        index = {node.id: number for number, node in enumerate(workflow.nodes)}
        self.sequence = 0
        self.ended: set[int] = set()
        self.scheduled: set[tuple[int, int]] = set()
        self.completed: set[tuple[int, int]] = set()
        self.failed: set[tuple[int, int]] = set()
        self.cancelling = False
        self.closed = False
        self._parents = [[index[each] for each in node.dependencies] for node in workflow.nodes]
        self._attempts = [0] * len(workflow.nodes)
        self._live: set[int] = set()
        self._any_failed = False
        self._object_to = object_to

    def follow(self, event: Event) -> None:
        """Take in the next event."""
        self._require(event.sequence == self.sequence + 1, event, f"follows {self.sequence}: not dense")
        self._require(not self.closed, event, "comes after the end")
        self.sequence = event.sequence
        if isinstance(event, NodeScheduled):
            self._schedule(event)
        elif isinstance(event, NodeEvent):
            self._follow_node(event)
        elif isinstance(event, ExecutionCancelRequested):
            self.cancelling = True
        elif isinstance(event, _ENDS):
            self._close(event)

    def _schedule(self, event: NodeScheduled) -> None:
        node = event.node
        self._require(event.attempt == self._attempts[node] + 1, event, "does not raise the attempt")
        self._require(node not in self._live, event, "is scheduled while an attempt is live")
        self._require(node not in self.ended, event, "is scheduled after its end")
        self._require(self.ended.issuperset(self._parents[node]), event, "runs before its dependencies")
        self._require(not (self._any_failed or self.cancelling), event, "is scheduled while winding down")
        self._attempts[node] = event.attempt
        self._live.add(node)
        self.scheduled.add((node, event.attempt))

    def _follow_node(self, event: NodeEvent) -> None:
        node = event.node
        if isinstance(event, AttemptEvent):
            self._require(event.attempt == self._attempts[node], event, "is about another attempt")
        if isinstance(event, _OF_LIVE_ATTEMPTS):
            self._require(node in self._live, event, "is about an attempt that has ended")
        if isinstance(event, NodeStarted):
            return
        self._live.discard(node)
        if isinstance(event, NodeCompleted):
            self.completed.add((node, event.attempt))
        if isinstance(event, NodeAttemptFailed | NodeFailed):
            self.failed.add((node, event.attempt))
        if isinstance(event, _ENDS_OF_NODES):
            self._require(node not in self.ended, event, "ends a node twice")
            self._any_failed |= isinstance(event, NodeFailed)
            self.ended.add(node)

    def _close(self, event: Event) -> None:
        self._require(len(self.ended) == len(self._parents), event, "comes before the end of every node")
        expected = ExecutionFailed if self._any_failed else ExecutionCompleted
        expected_type = ExecutionCancelled if self.cancelling else expected
        self._require(isinstance(event, expected_type), event, f"should be {expected_type.__name__}")
        self.closed = True

    def _require(self, holds: bool, event: Event, complaint: str) -> None:
        if not holds:
            self._object_to(f"{event}: {complaint}")
