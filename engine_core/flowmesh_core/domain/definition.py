"""The canonical form of a workflow: what its digest is taken of.

One JSON text per content: the fields in a fixed order with every default
written out, so that an explicit default equals an omitted one and later changes
of defaults do not change digests. Configs are compact and keep the
order of their keys; the order of nodes is content too.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256

from flowmesh_core.domain.json_text import json_text, read_json
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import RetryPolicy, Timeouts
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
