"""Commands on their way to an owner, with their envelopes."""

from __future__ import annotations

from typing import Any

from flowmesh_core.adapters.codec.shapes import Schema, Shape, pack_bytes, unpack_bytes
from flowmesh_core.adapters.codec.values import FAILURE, PAYLOAD, QUEUE_ENTRY, enumeration, optional
from flowmesh_core.domain import commands
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.states import LostCause
from flowmesh_core.ports.command_log import CommandEnvelope
from flowmesh_core.ports.undecodable import Undecodable

_SHAPES: dict[type[commands.Command], tuple[int, Shape[Any]]] = {
    commands.StartExecution: (1, Shape(commands.StartExecution)),
    commands.CancelExecution: (2, Shape(commands.CancelExecution, "reason", "grace")),
    commands.ExpireCancelGrace: (3, Shape(commands.ExpireCancelGrace)),
    commands.StartTask: (
        4,
        Shape(commands.StartTask, "node_id", "attempt", "worker_id", "gateway_id", "started_at"),
    ),
    commands.CompleteTask: (
        5,
        Shape(
            commands.CompleteTask,
            *("node_id", "attempt", "output", "worker_id", "started_at"),
            output=PAYLOAD,
        ),
    ),
    commands.FailTask: (
        6,
        Shape(
            commands.FailTask,
            *("node_id", "attempt", "failure", "worker_id", "started_at"),
            *("non_retryable", "next_retry_delay"),
            failure=FAILURE,
        ),
    ),
    commands.LoseTask: (
        7,
        Shape(commands.LoseTask, "node_id", "attempt", "cause", cause=enumeration(LostCause)),
    ),
    commands.AcknowledgeTaskCancel: (8, Shape(commands.AcknowledgeTaskCancel, "node_id", "attempt")),
    commands.RetryTask: (9, Shape(commands.RetryTask, "node_id", "attempt")),
    commands.RedispatchTasks: (10, Shape(commands.RedispatchTasks, "dispatched_sequence")),
}

COMMANDS: Schema[commands.Command] = Schema(1, dict(_SHAPES.values()))

_ENVELOPE = Shape(
    CommandEnvelope,
    *("reply_to", "correlation_id", "queue_entry", "traceparent"),
    queue_entry=optional(QUEUE_ENTRY),
)


def encode_command(
    envelope: CommandEnvelope, version: int = COMMANDS.version, schema: Schema[commands.Command] = COMMANDS
) -> bytes:
    """Return `[version, type, partition, [envelope field, …], namespace, execution id, [field, …]]`."""
    command = envelope.command
    number, shape = _SHAPES[type(command)]
    number, fields = schema.written(version, number, shape.pack(command))
    return pack_bytes(
        (
            *(version, number, envelope.partition, _ENVELOPE.pack(envelope)),
            *(command.key.namespace, command.key.execution_id, fields),
        )
    )


def decode_command(data: bytes, schema: Schema[commands.Command] = COMMANDS) -> CommandEnvelope:
    """Return the command with its envelope.

    Raises:
        UnknownSchemaVersion: Newer code sent it.
        Undecodable: It is not a command.
    """
    match unpack_bytes(data):
        case [int() as version, int() as number, int() as partition, list() as envelope,
              str() as namespace, str() as execution_id, list() as fields, *_]:  # fmt: skip
            key = ExecutionKey(namespace, execution_id)
            command = schema.unpack(version, number, (key,), fields)
            return _ENVELOPE.unpack((partition, command), envelope)
        case _:
            raise Undecodable("not a command")
