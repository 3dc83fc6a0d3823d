"""What the end of an execution means to the one who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowmesh._models import Execution, Failure
from flowmesh._outcomes import ExecutionCancelled, ExecutionFailed
from flowmesh._states import ExecutionState, NodeState

if TYPE_CHECKING:
    from flowmesh._models import NodeExecution


def check(execution: Execution) -> None:
    """Pass only a completed execution.

    Raises:
        ExecutionFailed: It failed.
        ExecutionCancelled: It was cancelled.
    """
    if execution.state is ExecutionState.CANCELLED:
        raise ExecutionCancelled(execution.execution_id)
    if execution.state is not ExecutionState.COMPLETED:
        raise ExecutionFailed(execution.execution_id, execution.failure or Failure())


def outputs(execution: Execution) -> dict[str, Any]:
    """What the sink nodes that completed returned: nodes that no other depends on, by id."""
    inner = {parent for node in execution.nodes for parent in node.dependencies}
    ended = [node for node in execution.nodes if node.state is NodeState.COMPLETED]
    return {node.node_id: _value(node) for node in ended if node.node_id not in inner}


def _value(node: NodeExecution) -> Any:  # noqa: ANN401 - any JSON value
    if node.output is None:
        return None
    return node.output.json() if node.output.is_json else node.output
