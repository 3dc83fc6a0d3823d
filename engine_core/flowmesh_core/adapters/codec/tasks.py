"""Tasks on their way to a gateway."""

from __future__ import annotations

from flowmesh_core.adapters.codec.shapes import Schema, Shape, pack_bytes, unpack_bytes
from flowmesh_core.adapters.codec.values import PAYLOAD
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.outbox import QueuedTask
from flowmesh_core.ports.undecodable import Undecodable

_SHAPE = Shape(
    QueuedTask,
    *("node_id", "attempt", "handler", "input", "start_to_close", "heartbeat"),
    *("workflow_name", "scheduled_at", "traceparent"),
    input=PAYLOAD,
)

TASKS: Schema[QueuedTask] = Schema(1, {1: _SHAPE})


def encode_task(task: QueuedTask, version: int = TASKS.version, schema: Schema[QueuedTask] = TASKS) -> bytes:
    """Return `[version, type, namespace, execution id, field, …]`."""
    number, fields = schema.written(version, 1, _SHAPE.pack(task))
    return pack_bytes((version, number, task.key.namespace, task.key.execution_id, *fields))


def decode_task(data: bytes, schema: Schema[QueuedTask] = TASKS) -> QueuedTask:
    """Return the task.

    Raises:
        UnknownSchemaVersion: Newer code sent it.
        Undecodable: It is not a task.
    """
    match unpack_bytes(data):
        case [int() as version, int() as number, str() as namespace, str() as execution_id, *fields]:
            return schema.unpack(version, number, (ExecutionKey(namespace, execution_id),), fields)
        case _:
            raise Undecodable("not a task")
