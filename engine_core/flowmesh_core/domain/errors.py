"""The error tree of the engine.

```
FlowmeshError
├── InvalidRequest                INVALID_ARGUMENT     INVALID_REQUEST
│   ├── InvalidWorkflow                                INVALID_WORKFLOW
│   ├── IdempotencyMismatch                            IDEMPOTENCY_MISMATCH
│   ├── InvalidResumeToken                             INVALID_RESUME_TOKEN
│   ├── InvalidTaskToken                               INVALID_TASK_TOKEN
│   ├── OutputNotJson                                  OUTPUT_NOT_JSON
│   └── OutputTooLarge                                 OUTPUT_TOO_LARGE
├── WorkflowNotFound              NOT_FOUND            WORKFLOW_NOT_FOUND
├── ExecutionNotFound             NOT_FOUND            EXECUTION_NOT_FOUND
├── ExecutionAlreadyExists        ALREADY_EXISTS       EXECUTION_ALREADY_EXISTS
├── TaskSuperseded                FAILED_PRECONDITION  TASK_SUPERSEDED
├── ExecutionClosed               FAILED_PRECONDITION  EXECUTION_CLOSED
├── UnsupportedProtocol           FAILED_PRECONDITION  UNSUPPORTED_PROTOCOL
├── ClusterMismatch               FAILED_PRECONDITION  CLUSTER_MISMATCH
├── ResumeTokenInFuture           OUT_OF_RANGE         RESUME_TOKEN_IN_FUTURE
├── RateLimited                   RESOURCE_EXHAUSTED   RATE_LIMITED
├── Overloaded                    RESOURCE_EXHAUSTED   OVERLOADED
├── TooManyWatchers               RESOURCE_EXHAUSTED   TOO_MANY_WATCHERS
├── WorkerReplaced                ABORTED              WORKER_REPLACED
├── WorkerSilent                  DEADLINE_EXCEEDED    WORKER_SILENT
├── DecisionPending               UNAVAILABLE          DECISION_PENDING
└── StoreUnavailable              UNAVAILABLE          STORE_UNAVAILABLE
```

Each class has a stable `reason` for programs; the message is for people. The
category says which gRPC status the edge answers with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import ClassVar


class ErrorCategory(Enum):
    """What kind of answer an error is; the names are those of google.rpc.Code."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    ABORTED = "ABORTED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing that is wrong with a request.

    Attributes:
        field: The path of the field, such as `dag.nodes[3].dependencies[1]`.
        description: What is wrong with it, for people.
        reason: The stable name of the rule it breaks, such as `CYCLE`.
    """

    field: str
    description: str
    reason: str


class FlowmeshError(Exception):
    """The root of every error that callers may see."""

    reason: ClassVar[str]
    category: ClassVar[ErrorCategory]

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
    ) -> None:
        """Keep the message for people and the facts for programs; `retry_after` is in seconds."""
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata or {}))
        self.violations = tuple(violations)
        self.retry_after = retry_after


class InvalidRequest(FlowmeshError):
    """A field of the request is missing, malformed or over a limit."""

    reason = "INVALID_REQUEST"
    category = ErrorCategory.INVALID_ARGUMENT


class InvalidWorkflow(InvalidRequest):
    """The workflow breaks rules; `violations` has all of them."""

    reason = "INVALID_WORKFLOW"


class IdempotencyMismatch(InvalidRequest):
    """The request id was used before with other content."""

    reason = "IDEMPOTENCY_MISMATCH"


class InvalidResumeToken(InvalidRequest):
    """The token is malformed or belongs to another execution."""

    reason = "INVALID_RESUME_TOKEN"


class InvalidTaskToken(InvalidRequest):
    """The token was not made by this cluster or was altered."""

    reason = "INVALID_TASK_TOKEN"


class OutputNotJson(InvalidRequest):
    """An output declared as JSON does not parse."""

    reason = "OUTPUT_NOT_JSON"


class OutputTooLarge(InvalidRequest):
    """An output is over the limit."""

    reason = "OUTPUT_TOO_LARGE"


class WorkflowNotFound(FlowmeshError):
    """No such name or version in the namespace."""

    reason = "WORKFLOW_NOT_FOUND"
    category = ErrorCategory.NOT_FOUND


class ExecutionNotFound(FlowmeshError):
    """No such execution in the namespace."""

    reason = "EXECUTION_NOT_FOUND"
    category = ErrorCategory.NOT_FOUND


class ExecutionAlreadyExists(FlowmeshError):
    """The execution id is taken by other content."""

    reason = "EXECUTION_ALREADY_EXISTS"
    category = ErrorCategory.ALREADY_EXISTS


class TaskSuperseded(FlowmeshError):
    """The attempt is no longer the current one of its node."""

    reason = "TASK_SUPERSEDED"
    category = ErrorCategory.FAILED_PRECONDITION


class ExecutionClosed(FlowmeshError):
    """The execution reached a terminal state before."""

    reason = "EXECUTION_CLOSED"
    category = ErrorCategory.FAILED_PRECONDITION


class UnsupportedProtocol(FlowmeshError):
    """The protocol versions of worker and server do not overlap."""

    reason = "UNSUPPORTED_PROTOCOL"
    category = ErrorCategory.FAILED_PRECONDITION


class ClusterMismatch(FlowmeshError):
    """The settings of this process disagree with what the cluster was created with."""

    reason = "CLUSTER_MISMATCH"
    category = ErrorCategory.FAILED_PRECONDITION


class ResumeTokenInFuture(FlowmeshError):
    """The token is beyond the newest event."""

    reason = "RESUME_TOKEN_IN_FUTURE"
    category = ErrorCategory.OUT_OF_RANGE


class RateLimited(FlowmeshError):
    """The caller or its namespace used up its rate."""

    reason = "RATE_LIMITED"
    category = ErrorCategory.RESOURCE_EXHAUSTED


class Overloaded(FlowmeshError):
    """What was accepted before has to be worked off first."""

    reason = "OVERLOADED"
    category = ErrorCategory.RESOURCE_EXHAUSTED


class TooManyWatchers(FlowmeshError):
    """This replica serves as many watchers as it may."""

    reason = "TOO_MANY_WATCHERS"
    category = ErrorCategory.RESOURCE_EXHAUSTED


class WorkerReplaced(FlowmeshError):
    """A newer stream of the same worker took over."""

    reason = "WORKER_REPLACED"
    category = ErrorCategory.ABORTED


class WorkerSilent(FlowmeshError):
    """The worker sent nothing for longer than its lease."""

    reason = "WORKER_SILENT"
    category = ErrorCategory.DEADLINE_EXCEEDED


class DecisionPending(FlowmeshError):
    """No orchestrator decided in time; the request may still take effect."""

    reason = "DECISION_PENDING"
    category = ErrorCategory.UNAVAILABLE


class StoreUnavailable(FlowmeshError):
    """PostgreSQL or Redis does not answer."""

    reason = "STORE_UNAVAILABLE"
    category = ErrorCategory.UNAVAILABLE
