"""A workflow and its nodes, and their forms as dict and protobuf."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flowmesh import _json
from flowmesh._workflow import policy
from flowmesh._workflow.policy import RetryPolicy, Timeouts
from flowmesh.v1 import payload_pb2, workflow_pb2

if TYPE_CHECKING:
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Node:
    """One task of a graph.

    Attributes:
        id: Unique within the workflow.
        handler: The name of the handler that runs it.
        dependencies: The ids of the nodes that end first.
        config: What the handler receives; strings in it may hold templates.
        condition: A CEL expression that decides whether it runs; empty means it does.
        retry: How failed attempts are tried again.
        timeouts: The time limits of an attempt.
    """

    id: str
    handler: str
    dependencies: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    condition: str = ""
    retry: RetryPolicy = RetryPolicy()
    timeouts: Timeouts = Timeouts()


def node_to_dict(node: Node) -> dict[str, Any]:
    """The node as JSON writes it; what has its default is left out."""
    optional = {
        "dependencies": list(node.dependencies),
        "config": node.config,
        "condition": node.condition,
        "retry_policy": _retry_to_dict(node.retry),
        "timeouts": _spans_to_dict(
            start_to_close=node.timeouts.start_to_close, heartbeat=node.timeouts.heartbeat
        ),
    }
    return {"id": node.id, "handler": node.handler} | {key: value for key, value in optional.items() if value}


def _spans_to_dict(**spans: timedelta | None) -> dict[str, Any]:
    return {name: policy.span_text(span) for name, span in spans.items() if span is not None}


def _retry_to_dict(retry: RetryPolicy) -> dict[str, Any]:
    plain = {
        "backoff_coefficient": retry.backoff_coefficient,
        "maximum_attempts": retry.maximum_attempts,
        "non_retryable_error_types": list(retry.non_retryable_error_types) or None,
        "jitter": None if retry.jitter is None else f"JITTER_{retry.jitter}",
        "maximum_lost": retry.maximum_lost,
    }
    spans = _spans_to_dict(initial_interval=retry.initial_interval, maximum_interval=retry.maximum_interval)
    return spans | {name: value for name, value in plain.items() if value is not None}


def node_to_proto(node: Node) -> workflow_pb2.Node:
    """The node as a message, its config as exact bytes.

    Raises:
        EncodingError: The config is not JSON.
    """
    return workflow_pb2.Node(
        id=node.id,
        handler=node.handler,
        dependencies=node.dependencies,
        config_payload=payload_pb2.Payload(data=_json.encode(node.config)) if node.config else None,
        condition=node.condition,
        retry_policy=None if node.retry == RetryPolicy() else policy.retry_to_proto(node.retry),
        timeouts=None if node.timeouts == Timeouts() else policy.timeouts_to_proto(node.timeouts),
    )


def node_from_proto(message: workflow_pb2.Node) -> Node:
    """The node of a message that has its config as bytes, as the server sends it."""
    data = message.config_payload.data
    return Node(
        id=message.id,
        handler=message.handler,
        dependencies=tuple(message.dependencies),
        config=_json.decode(data) if data else {},
        condition=message.condition,
        retry=policy.retry_from_proto(message.retry_policy),
        timeouts=policy.timeouts_from_proto(message.timeouts),
    )
