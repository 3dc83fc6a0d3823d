"""Requests as clients write them."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from flowmesh.v1 import submission_service_pb2 as pb

FETCH_AND_PARSE = {
    "name": "report",
    "dag": {
        "nodes": [
            {"id": "fetch", "handler": "http.get", "config": {"url": "{{ input.url }}", "retries": 3}},
            {"id": "parse", "handler": "parse", "dependencies": ["fetch"]},
        ]
    },
}


def by_hand(**fields: Any) -> pb.SubmitWorkflowRequest:
    """Return a request as it is written in JSON."""
    return json_format.ParseDict(fields, pb.SubmitWorkflowRequest())


def with_nodes(*nodes: dict[str, Any]) -> pb.SubmitWorkflowRequest:
    """Return a request for a workflow of these nodes."""
    named = [{"id": f"n{index}", "handler": "h"} | node for index, node in enumerate(nodes)]
    return by_hand(workflow={"name": "w", "dag": {"nodes": named}})
