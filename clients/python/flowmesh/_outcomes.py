"""The errors that tell how an execution ended; see the tree in `_errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh._errors import FlowmeshError

if TYPE_CHECKING:
    from flowmesh._models import Failure


class ExecutionFailed(FlowmeshError):
    """The execution ended as FAILED.

    Attributes:
        execution_id: The execution.
        failure: Why it failed.
        error_type: The kind of error, such as `ValueError`.
        message: What a person should read.
        node_id: The node that made it fail; may be empty.
    """

    def __init__(self, execution_id: str, failure: Failure) -> None:
        where = f" at node {failure.node_id}" if failure.node_id else ""
        super().__init__(f"execution {execution_id} failed{where}: {failure.error_type}: {failure.message}")
        self.execution_id = execution_id
        self.failure = failure
        self.error_type = failure.error_type
        self.message = failure.message
        self.node_id = failure.node_id


class ExecutionCancelled(FlowmeshError):
    """The execution ended as CANCELLED.

    Attributes:
        execution_id: The execution.
    """

    def __init__(self, execution_id: str) -> None:
        super().__init__(f"execution {execution_id} was cancelled")
        self.execution_id = execution_id
