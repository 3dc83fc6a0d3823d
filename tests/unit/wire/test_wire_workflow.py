from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from flowmesh.v1 import workflow_pb2
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.workflow import Node, Workflow
from flowmesh_services.wire.workflow import received_workflow, workflow_from_proto, workflow_to_proto

FULL = Workflow(
    "w",
    (
        Node("a", "h"),
        Node(
            "b",
            "h",
            ("a",),
            Payload(b'{"z": 1, "a": 12345678901234567890}'),
            "a.output.ok",
            RetryPolicy(SECOND, 1.5, Micros(9 * SECOND), 7, ("Fatal",), Jitter.NONE, 2),
            Timeouts(Micros(1), Micros(2)),
        ),
    ),
)


def _message(**node: Any) -> workflow_pb2.Workflow:
    nodes = [{"id": "a", "handler": "h"} | node]
    return json_format.ParseDict({"name": "w", "dag": {"nodes": nodes}}, workflow_pb2.Workflow())


def _only(message: workflow_pb2.Workflow) -> Node:
    (node,) = workflow_from_proto(message).workflow.nodes
    return node


def test_a_workflow_survives_the_trip() -> None:
    draft = workflow_from_proto(workflow_to_proto(FULL))
    assert (draft.workflow, draft.violations) == (FULL, ())


def test_what_is_unset_has_its_default() -> None:
    node = _only(_message(retry_policy={"maximum_attempts": 9}, timeouts={"heartbeat": "2s"}))
    assert node.retry_policy == RetryPolicy(maximum_attempts=9)
    assert node.timeouts == Timeouts(heartbeat=Micros(2 * SECOND))
    assert node.config is None


def test_a_wait_of_zero_is_not_the_default() -> None:
    assert _only(_message(retry_policy={"initial_interval": "0s"})).retry_policy.initial_interval == 0


@pytest.mark.parametrize(
    ("node", "field", "reason"),
    [
        ({"retry_policy": {"initial_interval": "-1s"}}, "retry_policy.initial_interval", "OUT_OF_RANGE"),
        ({"retry_policy": {"maximum_interval": "-1s"}}, "retry_policy.maximum_interval", "OUT_OF_RANGE"),
        ({"retry_policy": {"jitter": 9}}, "retry_policy.jitter", "UNKNOWN_ENUM"),
        ({"timeouts": {"start_to_close": "-1s"}}, "timeouts.start_to_close", "OUT_OF_RANGE"),
        ({"timeouts": {"heartbeat": "-1s"}}, "timeouts.heartbeat", "OUT_OF_RANGE"),
        ({"config": {"a": [2**53]}}, "config.a[0]", "NUMBER_NOT_EXACT"),
        ({"config": {}, "config_payload": {"json": {}}}, "config_payload", "AMBIGUOUS_PAYLOAD"),
    ],
)
def test_what_cannot_be_read(node: dict[str, Any], field: str, reason: str) -> None:
    draft = workflow_from_proto(_message(**node))
    assert [(each.field, each.reason) for each in draft.violations] == [(f"dag.nodes[0].{field}", reason)]


def test_equal_content_has_one_fingerprint() -> None:
    one = received_workflow(_message(config={"a": 1, "b": 2}))
    same = received_workflow(_message(config={"b": 2, "a": 1}))
    other = received_workflow(_message(config={"a": 1, "b": 3}))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.read() == same.read()
