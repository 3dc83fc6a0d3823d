"""Failures from and to protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh.v1 import failure_pb2
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.states import FailureSource
from flowmesh_services.wire.payload import payload_from_proto, payload_to_proto

if TYPE_CHECKING:
    from flowmesh_core.domain.errors import FieldViolation

UNNAMED_ERROR = "Error"
"""The error type of a worker that names none."""
_LONGEST_TYPE = 255
_LONGEST_MESSAGE = 65_536


def handler_failure(message: failure_pb2.Failure, field: str, violations: list[FieldViolation]) -> Failure:
    """Return what a worker reported; its word on `source` and `node_id` does not count.

    Endless names and messages are cut rather than refused, so that the report stands.
    """
    details = None
    if message.HasField("details"):
        details = payload_from_proto(message.details, f"{field}.details", violations)
    error_type = message.error_type[:_LONGEST_TYPE] or UNNAMED_ERROR
    return Failure(error_type, message.message[:_LONGEST_MESSAGE], FailureSource.HANDLER, details)


def failure_to_proto(failure: Failure) -> failure_pb2.Failure:
    """Return the message."""
    return failure_pb2.Failure(
        error_type=failure.error_type,
        message=failure.message,
        details=None if failure.details is None else payload_to_proto(failure.details),
        source=f"FAILURE_SOURCE_{failure.source.name}",
        node_id=failure.node_id,
    )
