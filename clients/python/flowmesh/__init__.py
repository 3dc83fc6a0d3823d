"""flowmesh: submit workflows, watch them, run their tasks.

Names are loaded when they are first used, so that importing the package, or
only the generated `flowmesh.v1`, costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowmesh._channel import TLS as TLS
    from flowmesh._client.asynchronous import AsyncClient as AsyncClient
    from flowmesh._client.asynchronous import AsyncExecutionHandle as AsyncExecutionHandle
    from flowmesh._client.calls import Submission as Submission
    from flowmesh._client.sync import Client as Client
    from flowmesh._client.sync import ExecutionHandle as ExecutionHandle
    from flowmesh._context import TaskContext as TaskContext
    from flowmesh._context import current_task as current_task
    from flowmesh._errors import AccessError as AccessError
    from flowmesh._errors import AlreadyExistsError as AlreadyExistsError
    from flowmesh._errors import DeadlineExceededError as DeadlineExceededError
    from flowmesh._errors import EncodingError as EncodingError
    from flowmesh._errors import ExecutionNotFoundError as ExecutionNotFoundError
    from flowmesh._errors import FieldViolation as FieldViolation
    from flowmesh._errors import FlowmeshError as FlowmeshError
    from flowmesh._errors import IdempotencyMismatchError as IdempotencyMismatchError
    from flowmesh._errors import InvalidRequestError as InvalidRequestError
    from flowmesh._errors import InvalidResumeTokenError as InvalidResumeTokenError
    from flowmesh._errors import InvalidWorkflowError as InvalidWorkflowError
    from flowmesh._errors import NotFoundError as NotFoundError
    from flowmesh._errors import RateLimitedError as RateLimitedError
    from flowmesh._errors import ResultTimeoutError as ResultTimeoutError
    from flowmesh._errors import ServiceError as ServiceError
    from flowmesh._errors import TaskError as TaskError
    from flowmesh._errors import UnavailableError as UnavailableError
    from flowmesh._errors import WorkflowFileError as WorkflowFileError
    from flowmesh._errors import WorkflowNotFoundError as WorkflowNotFoundError
    from flowmesh._models import End as End
    from flowmesh._models import Event as Event
    from flowmesh._models import Execution as Execution
    from flowmesh._models import Failure as Failure
    from flowmesh._models import Gap as Gap
    from flowmesh._models import NodeExecution as NodeExecution
    from flowmesh._models import Snapshot as Snapshot
    from flowmesh._models import Validation as Validation
    from flowmesh._models import WatchItem as WatchItem
    from flowmesh._models import WorkerInfo as WorkerInfo
    from flowmesh._models import WorkflowVersion as WorkflowVersion
    from flowmesh._outcomes import ExecutionCancelled as ExecutionCancelled
    from flowmesh._outcomes import ExecutionFailed as ExecutionFailed
    from flowmesh._payload import Payload as Payload
    from flowmesh._states import BlockedOn as BlockedOn
    from flowmesh._states import EventType as EventType
    from flowmesh._states import ExecutionState as ExecutionState
    from flowmesh._states import FailureSource as FailureSource
    from flowmesh._states import NodeState as NodeState
    from flowmesh._states import SkipReason as SkipReason
    from flowmesh._task import task as task
    from flowmesh._worker.worker import Worker as Worker
    from flowmesh._workflow.builder import NodeReference as NodeReference
    from flowmesh._workflow.builder import Workflow as Workflow
    from flowmesh._workflow.model import Node as Node
    from flowmesh._workflow.policy import Jitter as Jitter
    from flowmesh._workflow.policy import RetryPolicy as RetryPolicy
    from flowmesh._workflow.policy import Timeouts as Timeouts
    from flowmesh._workflow.references import Reference as Reference

_HOMES = {
    "_channel": "TLS",
    "_client.asynchronous": "AsyncClient AsyncExecutionHandle",
    "_client.calls": "Submission",
    "_client.sync": "Client ExecutionHandle",
    "_context": "TaskContext current_task",
    "_errors": "AccessError AlreadyExistsError DeadlineExceededError EncodingError "
    "ExecutionNotFoundError FieldViolation FlowmeshError IdempotencyMismatchError "
    "InvalidRequestError InvalidResumeTokenError InvalidWorkflowError NotFoundError RateLimitedError "
    "ResultTimeoutError ServiceError TaskError UnavailableError WorkflowFileError WorkflowNotFoundError",
    "_models": "End Event Execution Failure Gap NodeExecution Snapshot Validation WatchItem WorkerInfo "
    "WorkflowVersion",
    "_outcomes": "ExecutionCancelled ExecutionFailed",
    "_payload": "Payload",
    "_states": "BlockedOn EventType ExecutionState FailureSource NodeState SkipReason",
    "_task": "task",
    "_worker.worker": "Worker",
    "_workflow.builder": "NodeReference Workflow",
    "_workflow.model": "Node",
    "_workflow.policy": "Jitter RetryPolicy Timeouts",
    "_workflow.references": "Reference",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - a test holds it to the imports above


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOME_OF:
        raise AttributeError(f"module 'flowmesh' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"flowmesh.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
