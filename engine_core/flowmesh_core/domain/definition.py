"""The canonical form of a workflow: what is stored, and what its digest is taken of.

One JSON text per content: the fields in a fixed order with every default
written out, so that an explicit default equals an omitted one and later changes
of defaults do not change stored workflows. Configs are compact and keep the
order of their keys; the order of nodes is content too.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from flowmesh_core.domain.json_text import json_text, read_json
from flowmesh_core.domain.payload import JSON, Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.time import Micros
from flowmesh_core.domain.workflow import Node, Workflow


def digest(workflow: Workflow) -> str:
    """Return the SHA-256 of the canonical form of a valid workflow, in lower-case hex."""
    return sha256(workflow_to_json(workflow)).hexdigest()


def workflow_to_json(workflow: Workflow) -> bytes:
    """Return the canonical form of a valid workflow.

    Raises:
        JsonError: A config that says it is JSON is not.
    """
    nodes = ",".join(map(_node_text, workflow.nodes))
    return f'{{"name":{json_text(workflow.name)},"dag":{{"nodes":[{nodes}]}}}}'.encode()


def workflow_from_json(data: bytes) -> Workflow:
    """Return the workflow that `workflow_to_json` wrote."""
    document = json.loads(data)
    return Workflow(document["name"], tuple(map(_node, document["dag"]["nodes"])))


def _node_text(node: Node) -> str:
    return (
        f'{{"id":{json_text(node.id)},"handler":{json_text(node.handler)},'
        f'"dependencies":{json_text(node.dependencies)},{_config_text(node.config)},'
        f'"condition":{json_text(node.condition)},{_policy_text(node.retry_policy, node.timeouts)}}}'
    )


def _config_text(config: Payload | None) -> str:
    if config is None:
        return '"config":{}'
    if config.is_json and not config.metadata:
        return f'"config":{json_text(read_json(config.data))}'
    is_json = config.is_json
    form = {
        "content_type": config.content_type,
        "metadata": dict(config.metadata),
        "data": json_text(read_json(config.data)) if is_json else b64encode(config.data).decode(),
    }
    return f'"config_payload":{json_text(form)}'


@lru_cache(maxsize=256)
def _policy_text(policy: RetryPolicy, timeouts: Timeouts) -> str:
    retry = {
        "initial_interval_us": policy.initial_interval,
        "backoff_coefficient": float(policy.backoff_coefficient),
        "maximum_interval_us": policy.maximum_interval,
        "maximum_attempts": policy.maximum_attempts,
        "non_retryable_error_types": policy.non_retryable_error_types,
        "jitter": policy.jitter.name,
        "maximum_lost": policy.maximum_lost,
    }
    limits = {"start_to_close_us": timeouts.start_to_close, "heartbeat_us": timeouts.heartbeat}
    return f'"retry_policy":{json_text(retry)},"timeouts":{json_text(limits)}'


def _node(form: Mapping[str, Any]) -> Node:
    return Node(
        id=form["id"],
        handler=form["handler"],
        dependencies=tuple(form["dependencies"]),
        config=_config(form),
        condition=form["condition"],
        retry_policy=_retry_policy(form["retry_policy"]),
        timeouts=_timeouts(form["timeouts"]),
    )


def _config(form: Mapping[str, Any]) -> Payload:
    payload = form.get("config_payload")
    if payload is None:
        return Payload(json_text(form["config"]).encode())
    text: str = payload["data"]
    data = text.encode() if payload["content_type"] == JSON else b64decode(text)
    return Payload(data, payload["content_type"], tuple(payload["metadata"].items()))


def _retry_policy(form: Mapping[str, Any]) -> RetryPolicy:
    return _shared_policy(
        form["initial_interval_us"],
        form["backoff_coefficient"],
        form["maximum_interval_us"],
        form["maximum_attempts"],
        tuple(form["non_retryable_error_types"]),
        form["jitter"],
        form["maximum_lost"],
    )


@lru_cache(maxsize=256)
def _shared_policy(
    initial: Micros,
    coefficient: float,
    maximum: Micros,
    attempts: int,
    final: tuple[str, ...],
    jitter: str,
    lost: int,
) -> RetryPolicy:
    return RetryPolicy(initial, coefficient, maximum, attempts, final, Jitter[jitter], lost)


def _timeouts(form: Mapping[str, Any]) -> Timeouts:
    return _shared_timeouts(form["start_to_close_us"], form["heartbeat_us"])


@lru_cache(maxsize=256)
def _shared_timeouts(start_to_close: Micros, heartbeat: Micros | None) -> Timeouts:
    return Timeouts(start_to_close, heartbeat)
