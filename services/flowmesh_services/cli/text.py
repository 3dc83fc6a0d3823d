"""The plain text that commands print: one line a thing, made to be read and cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from flowmesh import Event, Execution, Failure, NodeExecution, WorkerInfo
from flowmesh_services.cli.documents import document


def execution_line(execution: Execution) -> str:
    """Return an execution in one line, for lists."""
    return "  ".join(
        [
            execution.execution_id,
            f"{execution.state:<10}",
            clock(execution.create_time),
            f"{duration(execution.start_time, execution.close_time):>9}",
            execution.workflow_name
            + (f"@{execution.workflow_version}" if execution.workflow_version else ""),
        ]
    )


def execution_lines(execution: Execution) -> Iterator[str]:
    """Yield an execution with its nodes, for `get`."""
    yield execution_line(execution)
    if execution.failure is not None:
        yield f"  failure: {failure_line(execution.failure)}"
    if execution.labels:
        yield "  labels: " + " ".join(f"{key}={value}" for key, value in execution.labels.items())
    width = max((len(node.node_id) for node in execution.nodes), default=0)
    for node in execution.nodes:
        yield node_line(node, width)


def node_line(node: NodeExecution, width: int) -> str:
    """Return a node in one line."""
    took = duration(node.start_time, node.close_time)
    parts = [f"  {node.node_id:<{width}}  {node.state:<15}  {took:>9}"]
    if node.attempt > 1:
        parts.append(f"attempt {node.attempt}")
    if node.blocked_on is not None:
        parts.append(f"blocked on {node.blocked_on}")
    if node.skip_reason is not None:
        parts.append(node.skip_reason)
    if node.failure is not None:
        parts.append(failure_line(node.failure))
    if node.output is not None:
        parts.append(shortened(json.dumps(document(node.output), ensure_ascii=False)))
    return "  ".join(parts).rstrip()


def event_line(event: Event) -> str:
    """Return an event in one line."""
    parts = [f"{event.sequence:>6}  {clock(event.event_time)}  {event.type:<26}", event.node_id]
    if event.attempt > 1:
        parts.append(f"attempt {event.attempt}")
    if event.worker_id:
        parts.append(f"on {event.worker_id}")
    if event.failure is not None:
        parts.append(failure_line(event.failure))
    parts.extend(word for word in (event.skip_reason, event.reason) if word)
    return "  ".join(part for part in parts if part).rstrip()


def worker_line(worker: WorkerInfo) -> str:
    """Return a worker in one line."""
    handlers = "every handler" if worker.all_handlers else " ".join(worker.handlers)
    return f"{worker.worker_id}  {worker.held_tasks}/{worker.slots} slots  {shortened(handlers)}"


def failure_line(failure: Failure) -> str:
    """Return a failure in one line."""
    where = f" (node {failure.node_id})" if failure.node_id else ""
    return f"{failure.error_type}: {shortened(failure.message)}{where}"


def clock(moment: datetime | None) -> str:
    """Return a moment in UTC to the millisecond."""
    if moment is None:
        return "-" * 24
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def duration(start: datetime | None, end: datetime | None) -> str:
    """Return the seconds from a start to its end, or to now before that; a dash before the start."""
    if start is None:
        return "-"
    return f"{max(0.0, ((end or datetime.now(UTC)) - start).total_seconds()):.3f}s"


def shortened(text: str, limit: int = 200) -> str:
    """Return text on one line, cut at `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
