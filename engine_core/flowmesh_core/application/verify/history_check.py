"""The rules of a history, checked without the code that writes it."""

from __future__ import annotations

from collections.abc import Iterator

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
    NodeEvent,
    NodeFailed,
    NodeScheduled,
    NodeSkipped,
    NodeStarted,
    NodeUpstreamFailed,
)
from flowmesh_core.domain.graph import Graph
from flowmesh_core.ports.audit import AuditedRow

_ENDS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)
_NODE_ENDS = (NodeCompleted, NodeFailed, NodeCancelled, NodeSkipped, NodeUpstreamFailed)
_FAILURES = (NodeFailed, NodeCancelled, NodeUpstreamFailed)
_OF_LIVE_ATTEMPTS = (NodeStarted, NodeCompleted, NodeAttemptFailed, NodeAttemptLost)


class HistoryCheck:
    """Takes the rows of one execution in order, and names what is wrong with each.

    Attributes:
        last_sequence: The last sequence seen.
        ended: Whether the end of the execution was seen.
    """

    def __init__(self, graph: Graph) -> None:
        """Start before the first row."""
        self.last_sequence = 0
        self.ended = False
        self._graph = graph
        self._started = False
        self._node_ends: dict[int, type[Event]] = {}
        self._attempts: dict[int, int] = {}
        self._live: set[int] = set()

    def row(self, row: AuditedRow) -> Iterator[str]:
        """Take the next row."""
        if row.problem:
            yield f"the row at sequence {row.first_sequence} cannot be read: {row.problem}"
        elif len(row.events) != row.last_sequence - row.first_sequence + 1:
            yield f"the row at sequence {row.first_sequence} does not hold what it says"
        if row.first_sequence <= self.last_sequence:
            yield f"two rows hold sequence {row.first_sequence}: the history forks"
        elif row.first_sequence > self.last_sequence + 1:
            yield f"sequences {self.last_sequence + 1} to {row.first_sequence - 1} are missing"
        self.last_sequence = max(self.last_sequence, row.last_sequence)
        for event in row.events:
            for problem in self._event(event):
                yield f"sequence {event.sequence}, {type(event).__name__}: {problem}"

    def _event(self, event: Event) -> Iterator[str]:
        if self.ended:
            yield "it comes after the end of the execution"
        if isinstance(event, NodeEvent):
            yield from self._node_event(event)
        elif isinstance(event, _ENDS):
            yield from self._end(event)
        elif isinstance(event, ExecutionStarted):
            if self._started:
                yield "the execution had started"
            self._started = True
        elif not isinstance(event, ExecutionCancelRequested):
            yield "an event of no known type"

    def _end(self, event: Event) -> Iterator[str]:
        self.ended = True
        missing = len(self._graph.nodes) - len(self._node_ends)
        if missing:
            yield f"{missing} nodes had not ended"
        if isinstance(event, ExecutionCompleted) and not self._kinds().isdisjoint(_FAILURES):
            yield "a node had failed or was cancelled"
        if isinstance(event, ExecutionFailed) and NodeFailed not in self._kinds():
            yield "no node had failed"

    def _kinds(self) -> set[type[Event]]:
        return set(self._node_ends.values())

    def _node_event(self, event: NodeEvent) -> Iterator[str]:
        node = event.node
        if not 0 <= node < len(self._graph.nodes):
            yield f"there is no node {node}"
            return
        if node in self._node_ends:
            yield f"node {self._name(node)} had ended"
        for rule in (self._scheduled, self._of_attempt, self._without_attempt):
            yield from rule(event)
        self._take(event)

    def _scheduled(self, event: NodeEvent) -> Iterator[str]:
        if not isinstance(event, NodeScheduled):
            return
        node = event.node
        if not self._started:
            yield "the execution had not started"
        if node in self._live:
            yield f"attempt {self._attempts[node]} of node {self._name(node)} had not ended"
        if event.attempt != self._attempts.get(node, 0) + 1:
            yield f"attempt {event.attempt} of node {self._name(node)} follows {self._attempts.get(node, 0)}"
        yield from self._parents(node)

    def _parents(self, node: int) -> Iterator[str]:
        parents = self._graph.nodes[node].parents
        ends = [self._node_ends.get(parent) for parent in parents]
        for parent, end in zip(parents, ends, strict=True):
            if end is None or end in _FAILURES:
                yield f"node {self._name(node)} before its dependency {self._name(parent)} ended well"
        if parents and NodeCompleted not in ends:
            yield f"node {self._name(node)}, of whose dependencies none completed"

    def _of_attempt(self, event: NodeEvent) -> Iterator[str]:
        if not isinstance(event, AttemptEvent) or isinstance(event, NodeScheduled):
            return
        node = event.node
        if event.attempt != self._attempts.get(node, 0):
            yield f"attempt {event.attempt} of node {self._name(node)}, not {self._attempts.get(node, 0)}"
        if isinstance(event, _OF_LIVE_ATTEMPTS) and node not in self._live:
            yield f"attempt {event.attempt} of node {self._name(node)} had ended"

    def _without_attempt(self, event: NodeEvent) -> Iterator[str]:
        if isinstance(event, NodeSkipped | NodeUpstreamFailed) and event.node in self._attempts:
            yield f"node {self._name(event.node)} had been scheduled"

    def _take(self, event: NodeEvent) -> None:
        node = event.node
        if isinstance(event, NodeScheduled):
            self._attempts[node] = max(event.attempt, self._attempts.get(node, 0))
            self._live.add(node)
        elif isinstance(event, NodeAttemptFailed | NodeAttemptLost):
            self._live.discard(node)
        elif isinstance(event, _NODE_ENDS):
            self._live.discard(node)
            self._node_ends.setdefault(node, type(event))

    def _name(self, node: int) -> str:
        return self._graph.nodes[node].id
