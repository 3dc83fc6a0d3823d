"""Rows of history: the events that one command made, in one body."""

from __future__ import annotations

from typing import Any

from flowmesh_core.adapters.codec.shapes import Schema, Shape, pack_bytes, unpack_bytes
from flowmesh_core.adapters.codec.values import FAILURE, PAYLOAD, enumeration
from flowmesh_core.domain import events
from flowmesh_core.domain.states import LostCause, SkipReason
from flowmesh_core.ports.undecodable import Undecodable

_SHAPES: dict[type[events.Event], tuple[int, Shape[Any]]] = {
    events.ExecutionStarted: (1, Shape(events.ExecutionStarted)),
    events.ExecutionCancelRequested: (2, Shape(events.ExecutionCancelRequested, "reason", "deadline")),
    events.ExecutionCompleted: (3, Shape(events.ExecutionCompleted)),
    events.ExecutionFailed: (4, Shape(events.ExecutionFailed, "failure", failure=FAILURE)),
    events.ExecutionCancelled: (5, Shape(events.ExecutionCancelled, "reason")),
    events.NodeScheduled: (6, Shape(events.NodeScheduled, "node", "attempt")),
    events.NodeStarted: (
        7,
        Shape(events.NodeStarted, "node", "attempt", "worker_id", "gateway_id", "started_at"),
    ),
    events.NodeCompleted: (
        8,
        Shape(events.NodeCompleted, "node", "attempt", "output", "worker_id", "started_at", output=PAYLOAD),
    ),
    events.NodeAttemptFailed: (
        9,
        Shape(
            events.NodeAttemptFailed,
            *("node", "attempt", "failure", "worker_id", "started_at", "next_attempt_at"),
            failure=FAILURE,
        ),
    ),
    events.NodeAttemptLost: (
        10,
        Shape(events.NodeAttemptLost, "node", "attempt", "cause", cause=enumeration(LostCause)),
    ),
    events.NodeFailed: (
        11,
        Shape(events.NodeFailed, "node", "attempt", "failure", "worker_id", "started_at", failure=FAILURE),
    ),
    events.NodeSkipped: (
        12,
        Shape(events.NodeSkipped, "node", "reason", reason=enumeration(SkipReason)),
    ),
    events.NodeUpstreamFailed: (13, Shape(events.NodeUpstreamFailed, "node")),
    events.NodeCancelled: (14, Shape(events.NodeCancelled, "node", "attempt")),
}
"""The numbers are those of `EventType` in event.proto."""

EVENTS: Schema[events.Event] = Schema(1, dict(_SHAPES.values()))


def encode_events(
    row: tuple[events.Event, ...], version: int = EVENTS.version, schema: Schema[events.Event] = EVENTS
) -> bytes:
    """Return the body of a row in a version: `[time, [type, time after that, field, …], …]`.

    The sequences are not in it: they follow from the first, which is a column.
    """
    start = row[0].at
    body: list[object] = [start]
    for event in row:
        number, shape = _SHAPES[type(event)]
        number, fields = schema.written(version, number, shape.pack(event))
        body.append([number, event.at - start, *fields])
    return pack_bytes(body)


def decode_events(
    version: int, first_sequence: int, body: bytes, schema: Schema[events.Event] = EVENTS
) -> list[events.Event]:
    """Return the events of a row that was written in `version`.

    Raises:
        UnknownSchemaVersion: Newer code wrote it.
        Undecodable: It is not such a body.
    """
    match unpack_bytes(body):
        case [int() as start, *packed]:
            return [
                _decode(version, first_sequence + offset, start, each, schema)
                for offset, each in enumerate(packed)
            ]
        case _:
            raise Undecodable("the time of the row is missing")


def _decode(
    version: int, sequence: int, start: int, packed: object, schema: Schema[events.Event]
) -> events.Event:
    match packed:
        case [int() as number, int() as elapsed, *fields]:
            return schema.unpack(version, number, (sequence, start + elapsed), fields)
        case _:
            raise Undecodable(f"event {sequence} has no type and time")
