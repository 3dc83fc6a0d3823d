"""What the history says, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from flowmesh_core.domain.events import (
    Event,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    NodeAttemptFailed,
    NodeAttemptLost,
    NodeCompleted,
    NodeFailed,
    NodeScheduled,
)
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.ports.history_store import HistoryBatch
from flowmesh_core.ports.telemetry import Telemetry

_CLOSING: dict[type[Event], ExecutionStatus] = {
    ExecutionCompleted: ExecutionStatus.COMPLETED,
    ExecutionFailed: ExecutionStatus.FAILED,
    ExecutionCancelled: ExecutionStatus.CANCELLED,
}
_UNHAPPY = frozenset({NodeAttemptFailed, NodeFailed, NodeAttemptLost})


def count_events(telemetry: Telemetry, batches: Sequence[HistoryBatch]) -> None:
    """Count what one append made durable."""
    events = list(chain.from_iterable(batch.events for batch in batches))
    kinds = Counter(map(type, events))
    telemetry.measure("flowmesh.events.per_append", len(events))
    if scheduled := kinds[NodeScheduled]:
        telemetry.count("flowmesh.tasks.dispatched", scheduled)
    if completed := kinds[NodeCompleted]:
        telemetry.count("flowmesh.tasks.completed", completed)
    for kind, status in _CLOSING.items():
        if closed := kinds[kind]:
            telemetry.count("flowmesh.executions.closed", closed, {"flowmesh.state": status.name})
    if not _UNHAPPY.isdisjoint(kinds):
        _count_unhappy(telemetry, events)


def _count_unhappy(telemetry: Telemetry, events: Sequence[Event]) -> None:
    for event in events:
        match event:
            case NodeAttemptLost(cause=cause):
                telemetry.count("flowmesh.tasks.lost", 1, {"flowmesh.cause": cause.name})
            case NodeAttemptFailed():
                telemetry.count("flowmesh.tasks.failed", 1, {"flowmesh.final": "false"})
            case NodeFailed(attempt=attempt) if attempt:
                telemetry.count("flowmesh.tasks.failed", 1, {"flowmesh.final": "true"})
