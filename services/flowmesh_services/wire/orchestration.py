"""Requests about executions from protobuf, and what watchers see to protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh_core.application.cancel_execution import DEFAULT_GRACE, CancelRequest
from flowmesh_core.application.watch_execution import (
    Began,
    Ended,
    Happened,
    NothingNew,
    Resulted,
    WatchMessage,
)
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.identity import DEFAULT_NAMESPACE, ExecutionKey
from flowmesh_core.domain.states import ExecutionStatus
from flowmesh_core.ports.execution_store import ExecutionFilter
from flowmesh_services.wire.event import event_to_proto
from flowmesh_services.wire.execution import nodes_to_proto, results_to_proto, snapshot_to_proto
from flowmesh_services.wire.timestamp import duration_from_proto, timestamp_from_proto

if TYPE_CHECKING:
    from typing import Literal

    from flowmesh_core.domain.time import Micros


def filter_from_proto(message: pb.ListExecutionsRequest) -> tuple[ExecutionFilter, list[FieldViolation]]:
    """Return the filter of a list, and what could not be read of it."""
    violations: list[FieldViolation] = []
    query = ExecutionFilter(
        namespace=message.namespace or DEFAULT_NAMESPACE,
        workflow_name=message.workflow_name,
        statuses=_statuses(message, violations),
        labels=dict(message.labels),
        created_after=_moment(message, "created_after", violations),
        created_before=_moment(message, "created_before", violations),
    )
    return query, violations


def cancel_from_proto(
    key: ExecutionKey, message: pb.CancelExecutionRequest, traceparent: str
) -> CancelRequest:
    """Return a cancel; what could not be read is among its violations."""
    violations: list[FieldViolation] = []
    grace = DEFAULT_GRACE
    if message.HasField("grace"):
        grace = duration_from_proto(message.grace, DEFAULT_GRACE, "grace", violations)
    return CancelRequest(key, message.reason, grace, message.request_id, traceparent, tuple(violations))


async def watch_to_proto(message: WatchMessage, *, payloads: bool) -> pb.WatchExecutionResponse:
    """Return the message; outputs only when `payloads` are wanted."""
    response = pb.WatchExecutionResponse(resume_token=message.resume_token)
    match message:
        case Began(snapshot=snapshot):
            response.snapshot.execution.CopyFrom(snapshot_to_proto(snapshot))
            response.snapshot.nodes.extend(await nodes_to_proto(snapshot, payloads=payloads))
        case Happened(event=event, graph=graph):
            response.event.CopyFrom(event_to_proto(event, graph, payloads=payloads))
        case NothingNew():
            response.bookmark.SetInParent()
        case Ended(snapshot=snapshot):
            response.end.execution.CopyFrom(snapshot_to_proto(snapshot))
        case Resulted(snapshot=snapshot):
            response.end.execution.CopyFrom(snapshot_to_proto(snapshot))
            response.end.results.extend(results_to_proto(snapshot, payloads=payloads))
    return response


def _statuses(
    message: pb.ListExecutionsRequest, violations: list[FieldViolation]
) -> frozenset[ExecutionStatus]:
    """Return the states to list; UNSPECIFIED among them means any."""
    if 0 in message.states:
        return frozenset()
    statuses = set()
    for index, state in enumerate(message.states):
        try:
            statuses.add(ExecutionStatus(state))
        except ValueError:
            words = f"{state} is not an ExecutionState"
            violations.append(FieldViolation(f"states[{index}]", words, "UNKNOWN_ENUM"))
    return frozenset(statuses)


def _moment(
    message: pb.ListExecutionsRequest,
    field: Literal["created_after", "created_before"],
    violations: list[FieldViolation],
) -> Micros | None:
    if not message.HasField(field):
        return None
    return timestamp_from_proto(getattr(message, field), field, violations)
