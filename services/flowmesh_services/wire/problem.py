"""Errors as messages, where they are part of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.rpc.code_pb2 import Code

from flowmesh.v1 import problem_pb2
from flowmesh_core.domain.time import micros
from flowmesh_services.wire.timestamp import duration_to_proto

if TYPE_CHECKING:
    from flowmesh_core.domain.errors import FieldViolation, FlowmeshError


def problem_to_proto(error: FlowmeshError) -> problem_pb2.Problem:
    """Return what the unary call would have put into its status."""
    return problem_pb2.Problem(
        code=Code.Value(error.category.value),
        reason=error.reason,
        message=error.message,
        metadata=error.metadata,
        field_violations=[violation_to_proto(violation) for violation in error.violations],
        retry_delay=None if error.retry_after is None else duration_to_proto(micros(error.retry_after)),
    )


def violation_to_proto(violation: FieldViolation) -> problem_pb2.FieldViolation:
    """Return the message."""
    return problem_pb2.FieldViolation(
        field=violation.field, description=violation.description, reason=violation.reason
    )
