"""What the end of an execution means to the one who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowmesh._client.watch import WatchCursor
from flowmesh._models import Execution, Failure
from flowmesh._outcomes import ExecutionCancelled, ExecutionFailed
from flowmesh._states import ExecutionState, NodeState
from flowmesh.v1 import orchestration_service_pb2 as orchestration

if TYPE_CHECKING:
    from flowmesh._models import NodeExecution


def cursor(namespace: str, execution_id: str, timeout: float | None, connect_timeout: float) -> WatchCursor:
    """A watch for the end alone, which brings the outputs of the sinks."""
    return WatchCursor(
        namespace,
        execution_id,
        payloads=True,
        mode=orchestration.WATCH_MODE_TERMINAL_ONLY,
        timeout=timeout,
        connect_timeout=connect_timeout,
    )


def _check(execution: Execution) -> None:
    if execution.state is ExecutionState.CANCELLED:
        raise ExecutionCancelled(execution.execution_id)
    if execution.state is not ExecutionState.COMPLETED:
        raise ExecutionFailed(execution.execution_id, execution.failure or Failure())


def outputs(execution: Execution) -> dict[str, Any]:
    """What the sink nodes that completed returned, by id; the execution is one that ended, with its sinks.

    Raises:
        ExecutionFailed: It failed.
        ExecutionCancelled: It was cancelled.
    """
    _check(execution)
    return {node.node_id: _value(node) for node in execution.nodes if node.state is NodeState.COMPLETED}


def _value(node: NodeExecution) -> Any:  # noqa: ANN401 - any JSON value
    if node.output is None:
        return None
    return node.output.json() if node.output.is_json else node.output
