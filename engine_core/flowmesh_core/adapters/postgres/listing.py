"""The query behind `ListExecutions`."""

from __future__ import annotations

from collections.abc import Sequence

from flowmesh_core.ports.execution_store import ExecutionFilter, ListPosition

_SELECT = """
SELECT namespace, execution_id, partition, status, workflow_name, workflow_version, workflow_digest,
    labels, NULL::bytea AS input, traceparent, created_at, started_at, closed_at, failure
FROM flowmesh.execution
WHERE {conditions}
ORDER BY created_at DESC, execution_id DESC
LIMIT ${limit}
"""


def listing(query: ExecutionFilter, after: ListPosition | None, limit: int) -> tuple[str, Sequence[object]]:
    """Return the statement for a filter, and its arguments.

    Only the conditions in use are in the text, so that each combination gets
    a plan, and thereby an index, of its own.
    """
    conditions: list[str] = []
    arguments: list[object] = []

    def require(condition: str, *values: object) -> None:
        arguments.extend(values)
        first = len(arguments) - len(values) + 1
        conditions.append(condition.format(*(f"${first + offset}" for offset in range(len(values)))))

    require("namespace || '' = {}", query.namespace)
    if query.workflow_name:
        require("workflow_name = {}", query.workflow_name)
    if query.statuses:
        # Spelt out, because only then an index over one status can be used.
        words = ", ".join(f"'{status.name}'" for status in sorted(query.statuses))
        require(f"status IN ({words})")
    if query.labels:
        require("labels @> {}::jsonb AND labels <> '{{}}'", dict(query.labels))
    if query.created_after is not None:
        require("created_at >= {}", query.created_after)
    if query.created_before is not None:
        require("created_at < {}", query.created_before)
    if after is not None:
        require("(created_at, execution_id) < ({}, {})", after.created_at, after.execution_id)
    text = _SELECT.format(conditions=" AND ".join(conditions), limit=len(arguments) + 1)
    return text, (*arguments, limit)
