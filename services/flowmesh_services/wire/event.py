"""Events to protobuf."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from flowmesh.v1 import event_pb2
from flowmesh_core.domain import events
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.states import FailureSource, LostCause
from flowmesh_core.domain.view import cancel_failure
from flowmesh_services.wire.execution import SKIP_REASONS
from flowmesh_services.wire.failure import failure_to_proto
from flowmesh_services.wire.payload import payload_to_proto
from flowmesh_services.wire.timestamp import timestamp_to_proto

if TYPE_CHECKING:
    from flowmesh.v1 import failure_pb2
    from flowmesh_core.domain.graph import Graph

_LOST = {
    LostCause.WORKER_LOST: "the worker or its connection is gone",
    LostCause.YIELDED: "the worker handed the task back",
    LostCause.REDISPATCHED: "a new orchestrator dispatched the task again",
}


def event_to_proto(event: events.Event, graph: Graph, *, payloads: bool) -> event_pb2.Event:
    """Return the message; outputs only when `payloads` are wanted."""
    return event_pb2.Event(
        sequence=event.sequence,
        event_time=timestamp_to_proto(event.at),
        type=_type_name(type(event).__name__),
        node_id=graph.nodes[event.node].id if isinstance(event, events.NodeEvent) else "",
        attempt=event.attempt if isinstance(event, events.AttemptEvent) else 0,
        worker_id=getattr(event, "worker_id", ""),
        start_time=timestamp_to_proto(getattr(event, "started_at", None)),
        output=payload_to_proto(event.output)
        if payloads and isinstance(event, events.NodeCompleted)
        else None,
        failure=_failure(event),
        next_attempt_time=timestamp_to_proto(getattr(event, "next_attempt_at", None)),
        skip_reason=SKIP_REASONS[event.reason] if isinstance(event, events.NodeSkipped) else None,
        reason=event.reason if isinstance(event, events.ExecutionCancelRequested) else "",
    )


@cache
def _type_name(event: str) -> str:
    """Return the name of the enum value: `NodeAttemptFailed` is EVENT_TYPE_NODE_ATTEMPT_FAILED."""
    return "EVENT_TYPE_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", event).upper()


def _failure(event: events.Event) -> failure_pb2.Failure | None:
    match event:
        case events.ExecutionFailed() | events.NodeAttemptFailed() | events.NodeFailed():
            return failure_to_proto(event.failure)
        case events.ExecutionCancelled():
            return failure_to_proto(cancel_failure(event.reason))
        case events.NodeAttemptLost():
            return failure_to_proto(Failure("WorkerLost", _LOST[event.cause], FailureSource.WORKER_LOST))
    return None
