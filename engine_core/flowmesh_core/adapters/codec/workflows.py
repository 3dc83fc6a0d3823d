"""Definitions of workflows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flowmesh_core.adapters.codec.shapes import Conversion, Packed, Schema, Shape, pack_bytes, unpack_bytes
from flowmesh_core.adapters.codec.values import PAYLOAD, enumeration, optional, record
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.workflow import Node, Workflow

_TUPLE = Conversion(list, tuple)


def _shared(shape: Shape[Any]) -> Conversion:
    # Nearly all nodes of a graph have the same policies: each distinct one is
    # packed and unpacked once, and the nodes of a large graph share it.
    pack = lru_cache(1024)(lambda value: pack_bytes(shape.pack(value)))
    unpack = lru_cache(1024)(lambda packed: shape.unpack((), unpack_bytes(packed)))
    return Conversion(pack, unpack)


_RETRY_POLICY = Shape(
    RetryPolicy,
    *("initial_interval", "backoff_coefficient", "maximum_interval", "maximum_attempts"),
    *("non_retryable_error_types", "jitter", "maximum_lost"),
    non_retryable_error_types=_TUPLE,
    jitter=enumeration(Jitter),
)

_NODE = record(
    Shape(
        Node,
        *("id", "handler", "dependencies", "config", "condition", "retry_policy", "timeouts"),
        dependencies=_TUPLE,
        config=optional(PAYLOAD),
        retry_policy=_shared(_RETRY_POLICY),
        timeouts=_shared(Shape(Timeouts, "start_to_close", "heartbeat")),
    )
)


def _pack_nodes(nodes: tuple[Node, ...]) -> Packed:
    return [_NODE.pack(node) for node in nodes]


def _unpack_nodes(packed: Packed) -> tuple[Node, ...]:
    return tuple(_NODE.unpack(node) for node in packed)


_WORKFLOW = Shape(Workflow, "name", "nodes", nodes=Conversion(_pack_nodes, _unpack_nodes))

WORKFLOWS: Schema[Workflow] = Schema(1, {1: _WORKFLOW})


def encode_workflow(workflow: Workflow) -> bytes:
    """Return `[version, type, name, [node, …]]`."""
    return pack_bytes((WORKFLOWS.version, 1, *_WORKFLOW.pack(workflow)))


def decode_workflow(data: bytes) -> Workflow:
    """Return the workflow.

    Raises:
        UnknownSchemaVersion: Newer code stored it.
        Undecodable: It is not a workflow.
    """
    return WORKFLOWS.read(unpack_bytes(data))
