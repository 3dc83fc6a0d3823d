"""Every error the SDK raises.

FlowmeshError
├── WorkflowFileError        a workflow as JSON or dict that cannot be read
├── EncodingError            a value that is not JSON, or bytes that are not
├── TaskError                raised by a handler to say how its failure is treated
├── ResultTimeoutError       the execution did not end in the time given (also a TimeoutError)
├── ExecutionFailed          the execution ended as FAILED
├── ExecutionCancelled       the execution ended as CANCELLED
└── ServiceError             a service refused or did not answer
    ├── InvalidRequestError          INVALID_ARGUMENT
    │   ├── InvalidWorkflowError     INVALID_WORKFLOW, every problem in `violations`
    │   ├── IdempotencyMismatchError IDEMPOTENCY_MISMATCH
    │   └── InvalidResumeTokenError  INVALID_RESUME_TOKEN, RESUME_TOKEN_IN_FUTURE
    ├── NotFoundError                NOT_FOUND
    │   ├── WorkflowNotFoundError    WORKFLOW_NOT_FOUND
    │   └── ExecutionNotFoundError   EXECUTION_NOT_FOUND
    ├── AlreadyExistsError           ALREADY_EXISTS
    ├── AccessError                  UNAUTHENTICATED, PERMISSION_DENIED
    ├── RateLimitedError             RESOURCE_EXHAUSTED
    ├── UnavailableError             UNAVAILABLE
    └── DeadlineExceededError        DEADLINE_EXCEEDED (also a TimeoutError)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing that is wrong with a request or a file.

    Attributes:
        field: The path of the field, such as `dag.nodes[3].dependencies[1]`.
        description: What is wrong with it, for a person.
        reason: The stable reason, such as `CYCLE`.
    """

    field: str
    description: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


class FlowmeshError(Exception):
    """The root of all errors of the SDK."""


class EncodingError(FlowmeshError, ValueError):
    """A value cannot be written as JSON, or bytes cannot be read as JSON."""


class WorkflowFileError(FlowmeshError, ValueError):
    """A workflow cannot be read from JSON or a dict.

    Attributes:
        violations: Every problem found, each with the path of its field.
    """

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        super().__init__("; ".join(map(str, violations)))
        self.violations = tuple(violations)


class TaskError(FlowmeshError):
    """The failure of a handler, with a say in what happens next.

    Args:
        message: What a person should read.
        error_type: The stable name that retry policies match; the name of the class by default.
        retryable: False never tries again, whatever the retry policy says.
        next_retry_delay: Overrides the wait before the next attempt.
        details: A JSON value to keep with the failure.
    """

    def __init__(
        self,
        message: str,
        *,
        error_type: str = "",
        retryable: bool = True,
        next_retry_delay: timedelta | None = None,
        details: Any = None,  # noqa: ANN401 - any JSON value
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type or type(self).__name__
        self.retryable = retryable
        self.next_retry_delay = next_retry_delay
        self.details = details


class ResultTimeoutError(FlowmeshError, TimeoutError):
    """The execution did not end in the time given; it goes on."""


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What a service says about an error."""

    code: str
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    retry_after: float | None = None
    resource_type: str = ""
    resource_name: str = ""

    def __str__(self) -> str:
        text = f"{self.reason or self.code}: {self.message}" if self.message else self.reason or self.code
        told = [str(violation) for violation in self.violations]
        return "\n  ".join([text, *(told if told != [self.message] else [])])


class ServiceError(FlowmeshError):
    """A service refused a call or did not answer it.

    Attributes:
        code: The name of the gRPC status code, such as `NOT_FOUND`.
        reason: The stable reason, such as `EXECUTION_NOT_FOUND`; empty when the server gave none.
        message: What a person should read.
        metadata: Facts about the error by name.
        violations: What is wrong with which field.
        retry_after: Seconds to wait before trying again; None when that would not help.
        resource_type: The kind of thing the error is about; may be empty.
        resource_name: Its name; may be empty.
    """

    def __init__(self, facts: ErrorFacts) -> None:
        super().__init__(str(facts))
        self.code = facts.code
        self.reason = facts.reason
        self.message = facts.message
        self.metadata = dict(facts.metadata)
        self.violations = facts.violations
        self.retry_after = facts.retry_after
        self.resource_type = facts.resource_type
        self.resource_name = facts.resource_name


class InvalidRequestError(ServiceError):
    """The request is wrong; `violations` says where."""


class InvalidWorkflowError(InvalidRequestError):
    """The workflow is wrong; `violations` holds every problem."""


class IdempotencyMismatchError(InvalidRequestError):
    """The request id was used before with other content."""


class InvalidResumeTokenError(InvalidRequestError):
    """The token of a watch is malformed, of another execution or from the future."""


class NotFoundError(ServiceError):
    """What the call names does not exist."""


class WorkflowNotFoundError(NotFoundError):
    """No such workflow or version is registered."""


class ExecutionNotFoundError(NotFoundError):
    """The namespace has no such execution."""


class AlreadyExistsError(ServiceError):
    """The execution id is taken by other content."""


class AccessError(ServiceError):
    """The caller is unknown or may not do this."""


class RateLimitedError(ServiceError):
    """Too much at once; `retry_after` says when to come back, where that helps."""


class UnavailableError(ServiceError):
    """The service cannot be reached or cannot answer now."""


class DeadlineExceededError(ServiceError, TimeoutError):
    """The service did not answer in time; the call may still have happened."""


_BY_REASON: dict[str, type[ServiceError]] = {
    "INVALID_WORKFLOW": InvalidWorkflowError,
    "IDEMPOTENCY_MISMATCH": IdempotencyMismatchError,
    "INVALID_RESUME_TOKEN": InvalidResumeTokenError,
    "RESUME_TOKEN_IN_FUTURE": InvalidResumeTokenError,
    "WORKFLOW_NOT_FOUND": WorkflowNotFoundError,
    "EXECUTION_NOT_FOUND": ExecutionNotFoundError,
}
_BY_CODE: dict[str, type[ServiceError]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "UNAUTHENTICATED": AccessError,
    "PERMISSION_DENIED": AccessError,
    "RESOURCE_EXHAUSTED": RateLimitedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
}


def service_error(facts: ErrorFacts) -> ServiceError:
    """The error that stands for the facts: by reason where one is known, else by code."""
    kind = _BY_REASON.get(facts.reason) or _BY_CODE.get(facts.code, ServiceError)
    return kind(facts)
