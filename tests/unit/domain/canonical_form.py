"""Reads the canonical form back, to show that it holds everything a workflow is."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from flowmesh_core.domain.json_text import json_text
from flowmesh_core.domain.payload import JSON, Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.workflow import Node, Workflow


def workflow_from_json(data: bytes) -> Workflow:
    """Return the workflow that `workflow_to_json` wrote."""
    document = json.loads(data)
    return Workflow(document["name"], tuple(map(_node, document["dag"]["nodes"])))


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
    return RetryPolicy(
        form["initial_interval_us"],
        form["backoff_coefficient"],
        form["maximum_interval_us"],
        form["maximum_attempts"],
        tuple(form["non_retryable_error_types"]),
        Jitter[form["jitter"]],
        form["maximum_lost"],
    )


def _timeouts(form: Mapping[str, Any]) -> Timeouts:
    return Timeouts(form["start_to_close_us"], form["heartbeat_us"])
