"""Protobuf messages to models."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Any, TypeVar

from flowmesh import _payload
from flowmesh._errors import FieldViolation
from flowmesh._models import (
    End,
    Event,
    Execution,
    Failure,
    Gap,
    NodeExecution,
    Snapshot,
    Validation,
    WatchItem,
    WorkerInfo,
    WorkflowVersion,
)
from flowmesh._states import BlockedOn, EventType, ExecutionState, FailureSource, NodeState, SkipReason
from flowmesh._workflow.builder import Workflow
from flowmesh.v1 import event_pb2, execution_pb2, failure_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from flowmesh.v1 import orchestration_service_pb2 as orchestration
    from flowmesh.v1 import payload_pb2, submission_service_pb2, worker_pb2, workflow_pb2

E = TypeVar("E", bound=enum.StrEnum)


def _words(kind: type[E], wire: Any, prefix: str) -> dict[int, E]:  # noqa: ANN401 - protobuf's enum wrapper
    """The members of an enum by their number on the wire."""
    names = {number: name.removeprefix(prefix) for name, number in wire.items()}
    return {number: kind(name) for number, name in names.items() if number and name in kind.__members__}


_EXECUTION_STATES = _words(ExecutionState, execution_pb2.ExecutionState, "EXECUTION_STATE_")
_NODE_STATES = _words(NodeState, execution_pb2.NodeState, "NODE_STATE_")
_BLOCKED_ON = _words(BlockedOn, execution_pb2.BlockedOn, "BLOCKED_ON_")
_SKIP_REASONS = _words(SkipReason, execution_pb2.SkipReason, "SKIP_REASON_")
_SOURCES = _words(FailureSource, failure_pb2.FailureSource, "FAILURE_SOURCE_")
_EVENT_TYPES = _words(EventType, event_pb2.EventType, "EVENT_TYPE_")
_EXECUTION_NUMBERS = {state: number for number, state in _EXECUTION_STATES.items()}


def execution_state(number: int) -> ExecutionState:
    """The state of a number on the wire."""
    return _EXECUTION_STATES.get(number, ExecutionState.UNKNOWN)


def execution_state_numbers(states: Iterable[ExecutionState | str]) -> list[int]:
    """The numbers of states on the wire.

    Raises:
        ValueError: One is not a state.
    """
    return [_EXECUTION_NUMBERS[ExecutionState(state)] for state in states]


def _time(message: Message, field: str) -> dt.datetime | None:
    if not message.HasField(field):
        return None
    value: Timestamp = getattr(message, field)
    return value.ToDatetime(tzinfo=dt.UTC)


def _payload_of(message: Message, field: str) -> _payload.Payload | None:
    if not message.HasField(field):
        return None
    value: payload_pb2.Payload = getattr(message, field)
    return _payload.from_proto(value)


def _failure_of(message: Message, field: str = "failure") -> Failure | None:
    if not message.HasField(field):
        return None
    value: failure_pb2.Failure = getattr(message, field)
    return Failure(
        error_type=value.error_type,
        message=value.message,
        details=_payload_of(value, "details"),
        source=_SOURCES.get(value.source, FailureSource.UNKNOWN) if value.source else None,
        node_id=value.node_id,
    )


def node(message: execution_pb2.NodeExecution) -> NodeExecution:
    """One node of an execution."""
    return NodeExecution(
        node_id=message.node_id,
        handler=message.handler,
        state=_NODE_STATES.get(message.state, NodeState.UNKNOWN),
        attempt=message.attempt,
        blocked_on=_BLOCKED_ON.get(message.blocked_on, BlockedOn.UNKNOWN) if message.blocked_on else None,
        schedule_time=_time(message, "schedule_time"),
        start_time=_time(message, "start_time"),
        close_time=_time(message, "close_time"),
        next_attempt_time=_time(message, "next_attempt_time"),
        worker_id=message.worker_id,
        skip_reason=_SKIP_REASONS.get(message.skip_reason, SkipReason.UNKNOWN)
        if message.skip_reason
        else None,
        failure=_failure_of(message),
        output=_payload_of(message, "output"),
        dependencies=tuple(message.dependencies),
    )


def execution(
    message: execution_pb2.Execution, nodes: Iterable[execution_pb2.NodeExecution] = ()
) -> Execution:
    """An execution and, where given, its nodes."""
    counts = {_NODE_STATES.get(item.state, NodeState.UNKNOWN): item.count for item in message.node_counts}
    return Execution(
        namespace=message.namespace,
        execution_id=message.execution_id,
        workflow_name=message.workflow_name,
        workflow_version=message.workflow_version,
        workflow_digest=message.workflow_digest,
        state=execution_state(message.state),
        labels=dict(message.labels),
        create_time=_time(message, "create_time"),
        start_time=_time(message, "start_time"),
        close_time=_time(message, "close_time"),
        failure=_failure_of(message),
        last_sequence=message.last_sequence,
        node_counts=counts,
        nodes=tuple(map(node, nodes)),
    )


def event(message: event_pb2.Event) -> Event:
    """One entry of a history."""
    return Event(
        sequence=message.sequence,
        event_time=_time(message, "event_time"),
        type=_EVENT_TYPES.get(message.type, EventType.UNKNOWN),
        node_id=message.node_id,
        attempt=message.attempt,
        worker_id=message.worker_id,
        start_time=_time(message, "start_time"),
        output=_payload_of(message, "output"),
        failure=_failure_of(message),
        next_attempt_time=_time(message, "next_attempt_time"),
        skip_reason=_SKIP_REASONS.get(message.skip_reason, SkipReason.UNKNOWN)
        if message.skip_reason
        else None,
        reason=message.reason,
    )


def watch_item(message: orchestration.WatchExecutionResponse) -> WatchItem | None:
    """What a message of a watch holds; None for bookmarks and for kinds of a newer server."""
    match message.WhichOneof("message"):
        case "snapshot":
            return Snapshot(execution(message.snapshot.execution, message.snapshot.nodes))
        case "event":
            return event(message.event)
        case "gap":
            return Gap(message.gap.oldest_sequence)
        case "end":
            return End(execution(message.end.execution, message.end.results))
        case _:
            return None


def workflow_version(message: workflow_pb2.WorkflowVersion) -> WorkflowVersion:
    """A registered version, with its workflow where the message has it."""
    return WorkflowVersion(
        namespace=message.namespace,
        name=message.name,
        version=message.version,
        digest=message.digest,
        create_time=_time(message, "create_time"),
        workflow=Workflow.from_proto(message.workflow) if message.HasField("workflow") else None,
    )


def validation(message: submission_service_pb2.ValidateWorkflowResponse) -> Validation:
    """The verdict on a workflow."""
    violations = tuple(FieldViolation(v.field, v.description, v.reason) for v in message.violations)
    return Validation(message.valid, violations, message.digest)


def worker(message: worker_pb2.Worker) -> WorkerInfo:
    """One connected worker."""
    return WorkerInfo(
        worker_id=message.worker_id,
        handlers=tuple(message.handlers),
        all_handlers=message.all_handlers,
        slots=message.slots,
        held_tasks=message.held_tasks,
        labels=dict(message.labels),
        connect_time=_time(message, "connect_time"),
        last_seen_time=_time(message, "last_seen_time"),
    )
