"""The step that a task is in the trace of its execution: from its assignment to its decision."""

from __future__ import annotations

from flowmesh_core.domain.commands import Command, FailTask, LoseTask
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.outbox import QueuedTask
from flowmesh_core.ports.telemetry import Span, Telemetry


def begin_task(telemetry: Telemetry, task: QueuedTask) -> Span | None:
    """Begin the step, unless the trace of the execution is not followed."""
    if not telemetry.follows(task.traceparent):
        return None
    attributes: dict[str, str | int] = {
        "flowmesh.namespace": task.key.namespace,
        "flowmesh.execution_id": task.key.execution_id,
        "flowmesh.node_id": task.node_id,
        "flowmesh.attempt": task.attempt,
        "flowmesh.handler": task.handler,
    }
    return telemetry.span("flowmesh.task", task.traceparent, attributes)


def end_decided(span: Span, command: Command, verdict: Verdict) -> None:
    """End the step with what its owner decided on how it ended."""
    span.end({"flowmesh.verdict": verdict.name}, problem=_problem(command))


def end_given_up(span: Span) -> None:
    """End the step of a task that this gateway let go of without a decision on how it ended."""
    span.end({"flowmesh.verdict": "NONE"})


def _problem(command: Command) -> str:
    """Name why an attempt failed, without the handler's words, which may tell secrets."""
    match command:
        case FailTask(failure=failure):
            return failure.error_type
        case LoseTask(cause=cause) if cause is not LostCause.YIELDED:
            return cause.name
    return ""
