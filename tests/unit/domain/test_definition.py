from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.domain.definition import digest, workflow_to_json
from flowmesh_core.domain.json_text import JsonError
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy, Timeouts
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.workflow import Node, Workflow
from tests.unit.domain.canonical_form import workflow_from_json
from tests.unit.domain.json_values import JSON_VALUES

FULL = Node(
    id="a",
    handler="http.get",
    dependencies=("b", "c"),
    config=Payload(b'{"z":1,"a":{"n":123456789012345678901234567890,"f":0.1,"e":null,"u":"\xc3\xa9"}}'),
    condition='input.x == "\N{EURO SIGN}"',
    retry_policy=RetryPolicy(Micros(5), 1.5, Micros(9), 7, ("A", "B"), Jitter.NONE, 0),
    timeouts=Timeouts(Micros(3 * SECOND), Micros(SECOND)),
)


def of(*nodes: Node) -> Workflow:
    return Workflow("flow", nodes)


def config_of(data: bytes) -> Workflow:
    return of(Node("a", "h", config=Payload(data)))


def test_everything_survives_the_trip() -> None:
    assert workflow_from_json(workflow_to_json(of(FULL, Node("b", "h")))) == of(
        FULL, Node("b", "h", config=Payload(b"{}"))
    )


def test_the_form_is_the_one_users_write_with_all_defaults() -> None:
    assert json.loads(workflow_to_json(of(Node("a", "h")))) == {
        "name": "flow",
        "dag": {
            "nodes": [
                {
                    "id": "a",
                    "handler": "h",
                    "dependencies": [],
                    "config": {},
                    "condition": "",
                    "retry_policy": {
                        "initial_interval_us": 1_000_000,
                        "backoff_coefficient": 2.0,
                        "maximum_interval_us": 60_000_000,
                        "maximum_attempts": 3,
                        "non_retryable_error_types": [],
                        "jitter": "FULL",
                        "maximum_lost": 5,
                    },
                    "timeouts": {"start_to_close_us": 600_000_000, "heartbeat_us": None},
                }
            ]
        },
    }


def test_the_digest_of_known_content_never_changes() -> None:
    assert digest(of(FULL)) == "c594778abea26f7b95ba54b9ece58727469fd8a218d6ca3ef4f50bb3ebd52cc7"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of(Node("a", "h")), config_of(b"{}")),
        (config_of(b'{ "a" :\n[1 , 2] }'), config_of(b'{"a":[1,2]}')),
        (config_of(b'{"a":"\\u00e9"}'), config_of('{"a":"é"}'.encode())),
        (of(Node("a", "h", retry_policy=RetryPolicy(backoff_coefficient=2))), of(Node("a", "h"))),
    ],
)
def test_the_same_content_has_the_same_digest(one: Workflow, other: Workflow) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    "changed",
    [
        replace(FULL, id="x"),
        replace(FULL, handler="x"),
        replace(FULL, dependencies=("c", "b")),
        replace(FULL, config=None),
        replace(FULL, config=Payload(b'{"a":{},"z":1}')),
        replace(FULL, condition=""),
        replace(FULL, retry_policy=RetryPolicy()),
        replace(FULL, retry_policy=replace(FULL.retry_policy, jitter=Jitter.FULL)),
        replace(FULL, timeouts=Timeouts()),
    ],
)
def test_other_content_has_another_digest(changed: Node) -> None:
    assert digest(of(changed)) != digest(of(FULL))
    assert workflow_from_json(workflow_to_json(of(changed))).nodes[0].condition == changed.condition


def test_the_order_of_nodes_and_keys_is_content() -> None:
    a, b = Node("a", "h"), Node("b", "h")

    assert digest(of(a, b)) != digest(of(b, a))
    assert digest(config_of(b'{"a":1,"b":2}')) != digest(config_of(b'{"b":2,"a":1}'))


@pytest.mark.parametrize(
    "config",
    [
        Payload(b"\x00\xff not json", "application/octet-stream"),
        Payload(b"text", "text/plain", (("a", "b"), ("c", "d"))),
        Payload(b'{"b":1,"a":2}', metadata=(("encoding", "x"),)),
    ],
)
def test_payloads_that_are_not_plain_json_survive_too(config: Payload) -> None:
    workflow = of(Node("a", "h", config=config))

    assert workflow_from_json(workflow_to_json(workflow)) == workflow


@given(JSON_VALUES, st.text())
def test_any_json_config_survives(value: object, name: str) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    workflow = Workflow(name, (Node("a", "h", config=Payload(text.encode())),))

    assert workflow_from_json(workflow_to_json(workflow)) == workflow


def test_a_config_that_is_not_json_has_no_canonical_form() -> None:
    with pytest.raises(JsonError):
        digest(config_of(b"{"))
