"""Payloads from and to protobuf."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import orjson

from flowmesh.v1 import payload_pb2
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.payload import JSON, Payload
from flowmesh_services.wire.json_text import MAXIMUM_DEPTH

if TYPE_CHECKING:
    from google.protobuf import struct_pb2

_EXACT_BELOW = 2.0**53
"""From here on a double no longer tells neighbouring integers apart."""


def payload_from_proto(message: payload_pb2.Payload, field: str, violations: list[FieldViolation]) -> Payload:
    """Return the payload of a message that is set; what is wrong is added to `violations`.

    Whether `data` is JSON is not looked at here: see `json_problem`.
    """
    metadata = tuple(sorted(message.metadata.items())) if message.metadata else ()
    content_type = message.content_type or JSON
    if not message.HasField("json"):
        return Payload(message.data, content_type, metadata)
    if message.data:
        violations.append(_violation(field, "`data` and `json` exclude each other", "AMBIGUOUS_PAYLOAD"))
    if content_type != JSON:
        violations.append(_violation(f"{field}.content_type", f"`json` is {JSON}", "AMBIGUOUS_PAYLOAD"))
    return Payload(json_from_value(message.json, f"{field}.json", violations), JSON, metadata)


def payload_from_struct(message: struct_pb2.Struct, field: str, violations: list[FieldViolation]) -> Payload:
    """Return a struct as JSON; what is wrong is added to `violations`."""
    return Payload(_dump(_plain_struct(message, field, violations, MAXIMUM_DEPTH)))


def json_from_value(message: struct_pb2.Value, field: str, violations: list[FieldViolation]) -> bytes:
    """Return a value as JSON with sorted keys; what is wrong is added to `violations`.

    Doubles without a fraction become integers. Those that stand for several
    integers, and those that JSON has no form for, are violations.
    """
    return _dump(_plain(message, field, violations, MAXIMUM_DEPTH))


def payload_to_proto(payload: Payload) -> payload_pb2.Payload:
    """Return the message, always with `data`."""
    message = payload_pb2.Payload(data=payload.data, content_type=payload.content_type)
    if payload.metadata:
        message.metadata.update(payload.metadata)
    return message


def _dump(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _plain(message: struct_pb2.Value, field: str, violations: list[FieldViolation], levels: int) -> object:
    match message.WhichOneof("kind"):
        case "struct_value":
            return _plain_struct(message.struct_value, field, violations, levels)
        case "list_value":
            return _plain_list(message.list_value, field, violations, levels)
        case "number_value":
            return _plain_number(message.number_value, field, violations)
        case "string_value":
            return message.string_value
        case "bool_value":
            return message.bool_value
        case None:
            violations.append(_violation(field, "a value of no kind; null is a kind", "MISSING_VALUE"))
    return None


def _plain_struct(
    message: struct_pb2.Struct, field: str, violations: list[FieldViolation], levels: int
) -> dict[str, object] | None:
    if _is_too_deep(field, violations, levels):
        return None
    return {
        key: _plain(value, f"{field}.{key}", violations, levels - 1) for key, value in message.fields.items()
    }


def _plain_list(
    message: struct_pb2.ListValue, field: str, violations: list[FieldViolation], levels: int
) -> list[object] | None:
    if _is_too_deep(field, violations, levels):
        return None
    return [
        _plain(value, f"{field}[{index}]", violations, levels - 1)
        for index, value in enumerate(message.values)
    ]


def _plain_number(number: float, field: str, violations: list[FieldViolation]) -> object:
    if not math.isfinite(number):
        violations.append(_violation(field, f"{number} is not JSON", "NUMBER_NOT_FINITE"))
        return None
    if abs(number) >= _EXACT_BELOW:
        words = "a number of 2^53 or more is not exact in this form; send it as JSON bytes"
        violations.append(_violation(field, words, "NUMBER_NOT_EXACT"))
        return None
    return int(number) if number.is_integer() else number


def _is_too_deep(field: str, violations: list[FieldViolation], levels: int) -> bool:
    if levels <= 0:
        words = f"nested deeper than {MAXIMUM_DEPTH} levels"
        violations.append(_violation(field, words, "NESTING_TOO_DEEP"))
    return levels <= 0


def _violation(field: str, description: str, reason: str) -> FieldViolation:
    return FieldViolation(field, description, reason)
