"""Workflows from and to protobuf."""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from flowmesh.v1 import workflow_pb2
from flowmesh_core.application.workflow_checker import Draft, ReceivedWorkflow
from flowmesh_core.domain.errors import FieldViolation
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_services.wire.payload import payload_from_proto, payload_from_struct, payload_to_proto
from flowmesh_services.wire.policy import (
    retry_policy_from_proto,
    retry_policy_to_proto,
    timeouts_from_proto,
    timeouts_to_proto,
)
from flowmesh_services.wire.timestamp import timestamp_to_proto

if TYPE_CHECKING:
    from flowmesh_core.domain.payload import Payload
    from flowmesh_core.ports.workflow_store import RegisteredVersion


def received_workflow(message: workflow_pb2.Workflow) -> ReceivedWorkflow:
    """Return the workflow unread, under a fingerprint of its content."""
    data = message.SerializeToString(deterministic=True)
    fingerprint = blake2b(data, digest_size=16).digest()
    return ReceivedWorkflow(fingerprint, len(data), partial(workflow_from_proto, message))


def workflow_from_proto(message: workflow_pb2.Workflow) -> Draft:
    """Read a workflow; fields that cannot be read get their default and a violation."""
    violations: list[FieldViolation] = []
    nodes = tuple(
        _node_from_proto(node, f"dag.nodes[{index}]", violations)
        for index, node in enumerate(message.dag.nodes)
    )
    return Draft(Workflow(message.name, nodes), tuple(violations))


def workflow_to_proto(workflow: Workflow) -> workflow_pb2.Workflow:
    """Return the message, with every config in `config_payload`."""
    return workflow_pb2.Workflow(
        name=workflow.name, dag=workflow_pb2.Dag(nodes=map(_node_to_proto, workflow.nodes))
    )


def version_to_proto(version: RegisteredVersion, workflow: Workflow | None) -> workflow_pb2.WorkflowVersion:
    """Return the message, without the content when `workflow` is None."""
    return workflow_pb2.WorkflowVersion(
        namespace=version.namespace,
        name=version.name,
        version=version.version,
        digest=version.digest,
        create_time=timestamp_to_proto(version.created_at),
        workflow=None if workflow is None else workflow_to_proto(workflow),
    )


def _node_from_proto(message: workflow_pb2.Node, field: str, violations: list[FieldViolation]) -> Node:
    return Node(
        id=message.id,
        handler=message.handler,
        dependencies=tuple(message.dependencies),
        config=_config(message, field, violations),
        condition=message.condition,
        retry_policy=retry_policy_from_proto(message.retry_policy, f"{field}.retry_policy", violations),
        timeouts=timeouts_from_proto(message.timeouts, f"{field}.timeouts", violations),
    )


def _config(message: workflow_pb2.Node, field: str, violations: list[FieldViolation]) -> Payload | None:
    by_hand = message.HasField("config")
    if message.HasField("config_payload"):
        if by_hand:
            words = "`config` and `config_payload` exclude each other"
            violations.append(FieldViolation(f"{field}.config_payload", words, "AMBIGUOUS_PAYLOAD"))
        return payload_from_proto(message.config_payload, f"{field}.config_payload", violations)
    return payload_from_struct(message.config, f"{field}.config", violations) if by_hand else None


def _node_to_proto(node: Node) -> workflow_pb2.Node:
    return workflow_pb2.Node(
        id=node.id,
        handler=node.handler,
        dependencies=node.dependencies,
        config_payload=None if node.config is None else payload_to_proto(node.config),
        condition=node.condition,
        retry_policy=retry_policy_to_proto(node.retry_policy),
        timeouts=timeouts_to_proto(node.timeouts),
    )
