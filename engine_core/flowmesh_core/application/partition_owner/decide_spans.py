"""Decisions as steps in the traces of their executions."""

from __future__ import annotations

from flowmesh_core.application.partition_owner.owned_partition import LiveExecution
from flowmesh_core.domain.commands import TaskCommand
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.command_log import CommandEnvelope
from flowmesh_core.ports.telemetry import Span, Telemetry


class DecideSpans:
    """The steps of one batch; they last until the batch is durable and sent."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Start with none."""
        self._telemetry = telemetry
        self._open: list[tuple[Span, Verdict]] = []

    def begin(self, live: LiveExecution, envelope: CommandEnvelope, verdict: Verdict) -> None:
        """Begin the step of a command, under its sender's, unless its trace is not followed."""
        # What the owner tells itself, and what senders without a trace ask, belongs to the submission.
        parent = envelope.traceparent or live.traceparent
        if self._telemetry.follows(parent):
            span = self._telemetry.span("flowmesh.decide", parent, _attributes(envelope))
            self._open.append((span, verdict))

    def end(self) -> None:
        """End the steps of a batch that is sent."""
        for span, verdict in self._open:
            span.end({"flowmesh.verdict": verdict.name})

    def fail(self, problem: str) -> None:
        """End the steps of a batch that is void."""
        for span, _ in self._open:
            span.end(problem=problem)


def _attributes(envelope: CommandEnvelope) -> dict[str, str | int]:
    command = envelope.command
    attributes: dict[str, str | int] = {
        "flowmesh.namespace": command.key.namespace,
        "flowmesh.execution_id": command.key.execution_id,
        "flowmesh.command": type(command).__name__,
    }
    if isinstance(command, TaskCommand):
        attributes["flowmesh.node_id"] = command.node_id
        attributes["flowmesh.attempt"] = command.attempt
    return attributes
