"""Submissions from protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.application.submission import Submission, WorkflowReference
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.identity import DEFAULT_NAMESPACE
from flowmesh_core.domain.json_text import JsonError, read_json
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_services.wire.payload import json_from_value, payload_from_proto
from flowmesh_services.wire.workflow import received_workflow

if TYPE_CHECKING:
    from flowmesh.v1 import submission_service_pb2
    from flowmesh_core.application.workflow_checker import ReceivedWorkflow


def submission_from_proto(
    message: submission_service_pb2.SubmitWorkflowRequest, traceparent: str, maximum_input_bytes: int
) -> Submission:
    """Return what a caller asks for; what cannot be read is among its violations.

    An input of more than `maximum_input_bytes` is not read.
    """
    violations: list[FieldViolation] = []
    return Submission(
        namespace=message.namespace or DEFAULT_NAMESPACE,
        source=_source(message),
        input=_input(message, maximum_input_bytes, violations),
        execution_id=message.execution_id,
        request_id=message.request_id,
        labels=dict(message.labels),
        traceparent=traceparent,
        violations=tuple(violations),
    )


def _source(
    message: submission_service_pb2.SubmitWorkflowRequest,
) -> ReceivedWorkflow | WorkflowReference | None:
    match message.WhichOneof("source"):
        case "workflow":
            return received_workflow(message.workflow)
        case "workflow_reference":
            return WorkflowReference(message.workflow_reference.name, message.workflow_reference.version)
    return None


def _input(
    message: submission_service_pb2.SubmitWorkflowRequest, maximum: int, violations: list[FieldViolation]
) -> Payload:
    by_hand = message.HasField("input")
    if message.HasField("input_payload"):
        if by_hand:
            words = "`input` and `input_payload` exclude each other"
            violations.append(FieldViolation("input_payload", words, "AMBIGUOUS_PAYLOAD"))
        payload = payload_from_proto(message.input_payload, "input_payload", violations)
        if _is_small("input_payload", payload.size, maximum, violations):
            _check_json(payload, violations)
        return payload
    if not by_hand or not _is_small("input", message.input.ByteSize(), maximum, violations):
        return NULL
    return Payload(json_from_value(message.input, "input", violations))


def _is_small(field: str, size: int, maximum: int, violations: list[FieldViolation]) -> bool:
    if size > maximum:
        words = f"{size:,} bytes, and at most {maximum:,} are allowed"
        violations.append(FieldViolation(field, words, "LIMIT_EXCEEDED"))
    return size <= maximum


def _check_json(payload: Payload, violations: list[FieldViolation]) -> None:
    if payload.is_json:
        try:
            read_json(payload.data)
        except JsonError as error:
            violations.extend(
                FieldViolation(f"input_payload{_joined(fault.path)}", fault.message, "BAD_JSON")
                for fault in error.faults
            )


def _joined(path: str) -> str:
    return f".{path}" if path and not path.startswith("[") else path
