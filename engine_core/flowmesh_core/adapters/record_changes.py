"""What events change in the record of their execution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowmesh_core.domain import events
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.domain.time import Micros
from flowmesh_core.ports.history_store import HistoryBatch

_STATUS: dict[type[events.Event], ExecutionStatus] = {
    events.ExecutionStarted: ExecutionStatus.RUNNING,
    events.ExecutionCancelRequested: ExecutionStatus.CANCELLING,
    events.ExecutionCompleted: ExecutionStatus.COMPLETED,
    events.ExecutionFailed: ExecutionStatus.FAILED,
    events.ExecutionCancelled: ExecutionStatus.CANCELLED,
}


@dataclass(slots=True)
class RecordChange:
    """New values of a record; None leaves what is there."""

    status: ExecutionStatus
    started_at: Micros | None = None
    closed_at: Micros | None = None
    failure: Failure | None = None

    def apply(self, event: events.Event, status: ExecutionStatus) -> None:
        """Take over what an event that leads to `status` says."""
        self.status = status
        if isinstance(event, events.ExecutionStarted):
            self.started_at = event.at
        if isinstance(event, events.ExecutionFailed):
            self.failure = event.failure
        if status.is_terminal:
            self.closed_at = event.at


def record_changes(batches: Iterable[HistoryBatch]) -> dict[ExecutionKey, RecordChange]:
    """Return what the batches, taken together and in order, change in each record."""
    changes: dict[ExecutionKey, RecordChange] = {}
    for batch in batches:
        for event in batch.events:
            status = _STATUS.get(type(event))
            if status is not None:
                changes.setdefault(batch.key, RecordChange(status)).apply(event, status)
    return changes
