"""Tasks, their reports and what became of them, from and to protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh.v1 import task_pb2
from flowmesh_core.application.worker_gateway.outcome import (
    Completed,
    Failed,
    Outcome,
    Stopped,
    TaskReport,
    Yielded,
)
from flowmesh_core.domain.errors import FieldViolation, InvalidRequest, OutputNotJson, OutputTooLarge
from flowmesh_core.domain.identity import idempotency_key
from flowmesh_core.domain.limits import Limits
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.transition import Verdict
from flowmesh_services.wire.failure import handler_failure
from flowmesh_services.wire.json_text import json_problem
from flowmesh_services.wire.payload import payload_from_proto, payload_to_proto
from flowmesh_services.wire.timestamp import (
    duration_from_proto,
    duration_to_proto,
    timestamp_from_proto,
    timestamp_to_proto,
)

if TYPE_CHECKING:
    from flowmesh.v1 import payload_pb2
    from flowmesh.v1.worker_control_service_pb2 import FailTaskRequest
    from flowmesh_core.application.worker_gateway.session import Assignment, ReportAnswer

_LONGEST_DELAY = Limits().retry_interval
"""A longer wait is cut rather than refused, so that the report stands."""
_STATUS = {
    Verdict.ACCEPTED: task_pb2.REPORT_STATUS_ACCEPTED,
    Verdict.SUPERSEDED: task_pb2.REPORT_STATUS_SUPERSEDED,
    Verdict.CLOSED: task_pb2.REPORT_STATUS_SUPERSEDED,
    Verdict.UNKNOWN: task_pb2.REPORT_STATUS_SUPERSEDED,
}
_WORDS = {
    Verdict.ACCEPTED: "",
    Verdict.SUPERSEDED: "the attempt is not the current one of its node, or ended otherwise",
    Verdict.CLOSED: "the execution had ended",
    Verdict.UNKNOWN: "the execution is gone",
}


def task_to_proto(assignment: Assignment) -> task_pb2.Task:
    """Return the message for a worker."""
    task = assignment.task
    return task_pb2.Task(
        task_token=assignment.token,
        namespace=task.key.namespace,
        execution_id=task.key.execution_id,
        node_id=task.node_id,
        handler=task.handler,
        attempt=task.attempt,
        idempotency_key=idempotency_key(task.key, task.node_id),
        input=payload_to_proto(task.input),
        deadline=timestamp_to_proto(assignment.deadline),
        heartbeat_timeout=None if task.heartbeat is None else duration_to_proto(task.heartbeat),
        traceparent=task.traceparent,
        workflow_name=task.workflow_name,
    )


def answer_to_proto(answer: ReportAnswer) -> task_pb2.ReportResult:
    """Return what became of a report."""
    if answer.refusal is not None or answer.verdict is None:
        return task_pb2.ReportResult(
            task_token=answer.token,
            status=task_pb2.REPORT_STATUS_REJECTED,
            reason=answer.refusal.reason if answer.refusal is not None else "",
            message=answer.refusal.message if answer.refusal is not None else "",
        )
    return task_pb2.ReportResult(
        task_token=answer.token, status=_STATUS[answer.verdict], message=_WORDS[answer.verdict]
    )


def report_from_proto(message: task_pb2.TaskReport, maximum_bytes: int) -> TaskReport:
    """Return a report with an output or details of at most `maximum_bytes`.

    Raises:
        OutputTooLarge: The output is over the limit.
        OutputNotJson: The output is declared as JSON and is not.
        InvalidRequest: Something else is wrong with it.
    """
    violations: list[FieldViolation] = []
    started_at: Micros | None = None
    if message.HasField("start_time"):
        started_at = timestamp_from_proto(message.start_time, "start_time", violations)
    if message.WhichOneof("outcome") == "completion":
        completion = message.completion
        outcome: Outcome = completed(
            completion.output if completion.HasField("output") else None, maximum_bytes
        )
    else:
        outcome = _unsuccessful(message, maximum_bytes, violations)
    _refuse(violations)
    return TaskReport(message.task_token, outcome, started_at)


def completed(output: payload_pb2.Payload | None, maximum_bytes: int) -> Completed:
    """Return a success; no output at all counts as JSON null.

    Raises:
        OutputTooLarge: The output is over the limit.
        OutputNotJson: The output is declared as JSON and is not.
    """
    if output is None:
        return Completed(NULL)
    violations: list[FieldViolation] = []
    payload = payload_from_proto(output, "output", violations)
    if violations:
        words = f"{violations[0].field}: {violations[0].description}"
        raise OutputNotJson(words, violations=violations)
    _refuse_large(payload, maximum_bytes)
    problem = json_problem(payload.data) if payload.is_json else ""
    if problem:
        raise OutputNotJson(f"the output is declared as JSON and is not: {problem}")
    return Completed(payload)


def unsuccessful_from_proto(message: FailTaskRequest, maximum_bytes: int) -> TaskReport:
    """Return what FailTask reports.

    Raises:
        InvalidRequest: Something is wrong with it.
    """
    violations: list[FieldViolation] = []
    outcome = _unsuccessful(message, maximum_bytes, violations)
    _refuse(violations)
    return TaskReport(message.task_token, outcome, None)


def _unsuccessful(
    message: task_pb2.TaskReport | FailTaskRequest, maximum_bytes: int, violations: list[FieldViolation]
) -> Outcome:
    match message.WhichOneof("outcome"):
        case "failure":
            return _failed(message.failure, maximum_bytes, violations)
        case "cancellation":
            return Stopped()
        case "yield":
            return Yielded()
        case _:
            violations.append(FieldViolation("outcome", "is required", "REQUIRED"))
            return Yielded()


def _failed(message: task_pb2.TaskFailure, maximum_bytes: int, violations: list[FieldViolation]) -> Failed:
    failure = handler_failure(message.failure, "failure.failure", violations)
    if failure.details is not None and failure.details.size > maximum_bytes:
        words = f"has {failure.details.size:,} bytes; at most {maximum_bytes:,} are allowed"
        violations.append(FieldViolation("failure.failure.details", words, "TOO_LONG"))
    delay: Micros | None = None
    if message.HasField("next_retry_delay"):
        field = "failure.next_retry_delay"
        delay = duration_from_proto(message.next_retry_delay, Micros(0), field, violations)
        delay = min(delay, _LONGEST_DELAY)
    return Failed(failure, message.non_retryable, delay)


def _refuse_large(payload: Payload, maximum_bytes: int) -> None:
    if payload.size > maximum_bytes:
        raise OutputTooLarge(
            f"the output has {payload.size:,} bytes; at most {maximum_bytes:,} are accepted",
            metadata={"bytes": str(payload.size), "maximum_bytes": str(maximum_bytes)},
        )


def _refuse(violations: list[FieldViolation]) -> None:
    if violations:
        raise InvalidRequest(f"{violations[0].field}: {violations[0].description}", violations=violations)
