"""Workers to protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh.v1 import worker_pb2
from flowmesh_services.wire.timestamp import timestamp_to_proto

if TYPE_CHECKING:
    from flowmesh_core.ports.worker_registry import ConnectedWorker


def worker_to_proto(worker: ConnectedWorker) -> worker_pb2.Worker:
    """Return the message."""
    return worker_pb2.Worker(
        worker_id=worker.worker_id,
        handlers=worker.handlers,
        all_handlers=worker.all_handlers,
        slots=worker.slots,
        held_tasks=worker.held_tasks,
        labels=dict(worker.labels),
        connect_time=timestamp_to_proto(worker.connected_at),
        last_seen_time=timestamp_to_proto(worker.last_seen_at),
    )
