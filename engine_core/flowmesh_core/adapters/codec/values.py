"""The stored form of values that many messages hold."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from flowmesh_core.adapters.codec.shapes import Conversion, Packed, Schema, Shape, pack_bytes, unpack_bytes
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.payload import JSON, Payload
from flowmesh_core.domain.states import FailureSource
from flowmesh_core.ports.command_log import QueueEntry


def optional(conversion: Conversion) -> Conversion:
    """Let None stand for itself."""
    return Conversion(
        lambda value: None if value is None else conversion.pack(value),
        lambda packed: None if packed is None else conversion.unpack(packed),
    )


def enumeration(kind: type[IntEnum]) -> Conversion:
    """Store the number of an enum's member."""
    return Conversion(int, kind)


def record(shape: Shape[Any]) -> Conversion:
    """Store a nested value as an array of its own."""
    return Conversion(shape.pack, lambda packed: shape.unpack((), packed))


def text_pairs(packed: list[list[str]]) -> tuple[tuple[str, str], ...]:
    """Return what was stored as a tuple of pairs."""
    return tuple((key, value) for key, value in packed)


def _pack_payload(payload: Payload) -> bytes | Packed:
    # Nearly every payload is plain JSON, which then costs its bytes alone.
    if payload.content_type == JSON and not payload.metadata:
        return payload.data
    return [payload.data, payload.content_type, payload.metadata]


def _unpack_payload(packed: bytes | Packed) -> Payload:
    if isinstance(packed, bytes):
        return Payload(packed)
    data, content_type, metadata = packed
    return Payload(data, content_type, text_pairs(metadata))


def _the_payload(payload: Payload) -> Payload:
    return payload


PAYLOAD = Conversion(_pack_payload, _unpack_payload)

_FAILURE_SHAPE = Shape(
    Failure,
    "error_type",
    "message",
    "source",
    "details",
    "node_id",
    source=enumeration(FailureSource),
    details=optional(PAYLOAD),
)
FAILURE = record(_FAILURE_SHAPE)
QUEUE_ENTRY = record(Shape(QueueEntry, "namespace", "handler", "entry_id"))

_PAYLOADS = Schema(1, {1: Shape(_the_payload, "payload", payload=PAYLOAD)})
_FAILURES = Schema(1, {1: _FAILURE_SHAPE})


def encode_payload(payload: Payload) -> bytes:
    """Return the stored form of a payload by itself."""
    return pack_bytes((_PAYLOADS.version, 1, _pack_payload(payload)))


def decode_payload(data: bytes) -> Payload:
    """Return the payload; raises `Undecodable`."""
    return _PAYLOADS.read(unpack_bytes(data))


def encode_failure(failure: Failure) -> bytes:
    """Return the stored form of a failure by itself."""
    return pack_bytes((_FAILURES.version, 1, *_FAILURE_SHAPE.pack(failure)))


def decode_failure(data: bytes) -> Failure:
    """Return the failure; raises `Undecodable`."""
    return _FAILURES.read(unpack_bytes(data))
