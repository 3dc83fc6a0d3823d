"""Executions and their nodes to protobuf."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flowmesh.v1 import execution_pb2
from flowmesh_core.domain.states import BlockedOn, ExecutionStatus, NodeStatus, SkipReason
from flowmesh_services.wire.failure import failure_to_proto
from flowmesh_services.wire.payload import payload_to_proto
from flowmesh_services.wire.timestamp import timestamp_to_proto

if TYPE_CHECKING:
    from flowmesh_core.application.execution_reader import ExecutionSnapshot
    from flowmesh_core.domain.view import ExecutionView
    from flowmesh_core.ports.execution_store import ExecutionRecord

EXECUTION_STATES = {status: f"EXECUTION_STATE_{status.name}" for status in ExecutionStatus}
"""The names of the enum values, which messages take in place of numbers."""
NODE_STATES = {status: f"NODE_STATE_{status.name}" for status in NodeStatus}
SKIP_REASONS = {reason: f"SKIP_REASON_{reason.name}" for reason in SkipReason}
_BLOCKED_ON: dict[BlockedOn, str] = {
    reason: f"BLOCKED_ON_{reason.name}" for reason in BlockedOn if reason is not BlockedOn.NOTHING
}
_NODES_AT_ONCE = 1_000


def record_to_proto(record: ExecutionRecord) -> execution_pb2.Execution:
    """Return an execution as lists show it."""
    return execution_pb2.Execution(
        namespace=record.key.namespace,
        execution_id=record.key.execution_id,
        workflow_name=record.workflow_name,
        workflow_version=record.workflow_version,
        workflow_digest=record.workflow_digest,
        state=EXECUTION_STATES[record.status],
        labels=record.labels,
        create_time=timestamp_to_proto(record.created_at),
        start_time=timestamp_to_proto(record.started_at),
        close_time=timestamp_to_proto(record.closed_at),
        failure=None if record.failure is None else failure_to_proto(record.failure),
    )


def snapshot_to_proto(snapshot: ExecutionSnapshot) -> execution_pb2.Execution:
    """Return an execution with its node counts."""
    message = record_to_proto(snapshot.record)
    message.last_sequence = snapshot.view.last_sequence
    for status, count in snapshot.view.counts().items():
        message.node_counts.add(state=NODE_STATES[status], count=count)
    return message


async def nodes_to_proto(snapshot: ExecutionSnapshot, *, payloads: bool) -> list[execution_pb2.NodeExecution]:
    """Return every node of a frozen snapshot; others run while a large one is converted."""
    messages: list[execution_pb2.NodeExecution] = []
    for index in range(len(snapshot.view.nodes)):
        messages.append(_node(snapshot.view, index, snapshot.offered, payloads=payloads))
        if not len(messages) % _NODES_AT_ONCE:
            await asyncio.sleep(0)
    return messages


def results_to_proto(snapshot: ExecutionSnapshot, *, payloads: bool) -> list[execution_pb2.NodeExecution]:
    """Return the nodes of a closed execution that no other depends on."""
    view = snapshot.view
    sinks = (index for index, planned in enumerate(view.graph.nodes) if not planned.children)
    return [_node(view, index, snapshot.offered, payloads=payloads) for index in sinks]


def _node(
    view: ExecutionView, index: int, offered: frozenset[str], *, payloads: bool
) -> execution_pb2.NodeExecution:
    node, planned = view.nodes[index], view.graph.nodes[index]
    return execution_pb2.NodeExecution(
        node_id=planned.id,
        handler=planned.handler,
        state=NODE_STATES[node.status],
        attempt=node.attempt,
        blocked_on=_BLOCKED_ON.get(view.blocked_on(index, offered)),
        schedule_time=timestamp_to_proto(node.scheduled_at),
        start_time=timestamp_to_proto(node.started_at),
        close_time=timestamp_to_proto(node.closed_at),
        next_attempt_time=timestamp_to_proto(node.next_attempt_at),
        worker_id=node.worker_id,
        skip_reason=None if node.skip_reason is None else SKIP_REASONS[node.skip_reason],
        failure=None if node.failure is None else failure_to_proto(node.failure),
        output=payload_to_proto(node.output) if payloads and node.output is not None else None,
        dependencies=[view.graph.nodes[parent].id for parent in planned.parents],
    )
