"""Errors of the engine as gRPC statuses.

The reason of an error is its class, the code follows from its category, and
every status carries an ErrorInfo of the domain `flowmesh`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from flowmesh_core.domain.errors import (
    ErrorCategory,
    ExecutionAlreadyExists,
    ExecutionNotFound,
    WorkflowNotFound,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from flowmesh_core.domain.errors import FieldViolation, FlowmeshError

DOMAIN = "flowmesh"
# What an error is about: the type, and where its metadata has the name.
_RESOURCES = {
    WorkflowNotFound.reason: ("flowmesh.v1.WorkflowVersion", "name"),
    ExecutionNotFound.reason: ("flowmesh.v1.Execution", "execution_id"),
    ExecutionAlreadyExists.reason: ("flowmesh.v1.Execution", "execution_id"),
}
# gRPC puts a status into headers, of which clients take 8 KiB in all. What does not fit is counted instead.
_VIOLATIONS_BYTES = 5 * 1024
_MESSAGE_BYTES = 1024


def status_of(error: FlowmeshError) -> Status:
    """Return the status that tells a caller about an error."""
    shown = list(_fitting(error.violations))
    metadata = dict(error.metadata)
    if len(shown) < len(error.violations):
        metadata |= {"violations_total": str(len(error.violations)), "violations_shown": str(len(shown))}
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    ]
    if shown:
        details.append(error_details_pb2.BadRequest(field_violations=shown))
    if error.retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after)))
    details.extend(_about(error))
    return _status(Code.Value(error.category.value), error.message, details)


def internal_status(incident: str) -> Status:
    """Return the status of an unexpected failure: nothing but the id under which it was logged."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"incident": incident})
    return _status(Code.INTERNAL, f"internal error, logged as incident {incident}", [info])


def _fitting(
    violations: tuple[FieldViolation, ...],
) -> Iterator[error_details_pb2.BadRequest.FieldViolation]:
    left = _VIOLATIONS_BYTES
    for violation in violations:
        message = error_details_pb2.BadRequest.FieldViolation(
            field=violation.field, description=violation.description, reason=violation.reason
        )
        left -= message.ByteSize()
        if left < 0:
            return
        yield message


def _about(error: FlowmeshError) -> Iterator[Message]:
    """Yield what names the thing that is missing or taken, or the condition that does not hold."""
    kind, key = _RESOURCES.get(error.reason, ("", ""))
    if key in error.metadata:
        yield error_details_pb2.ResourceInfo(resource_type=kind, resource_name=error.metadata[key])
    if error.category is ErrorCategory.FAILED_PRECONDITION:
        violation = error_details_pb2.PreconditionFailure.Violation(
            type=error.reason, description=_cut(error.message)
        )
        yield error_details_pb2.PreconditionFailure(violations=[violation])


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1_000_000))
    return duration


def _status(code: int, message: str, details: list[Message]) -> Status:
    status = Status(code=code, message=_cut(message))
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _cut(message: str) -> str:
    """Shorten a message to what its percent-encoded form may take."""
    while len(quote(message)) > _MESSAGE_BYTES:
        message = message[: len(message) * 3 // 4] + "…"
    return message
