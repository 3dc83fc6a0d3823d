"""Expressions that compile and cannot be evaluated fail their node at once, and hold nobody up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from flowmesh.v1 import failure_pb2, workflow_pb2
from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh.v1.execution_pb2 import NODE_STATE_COMPLETED, NODE_STATE_FAILED
from tests.acceptance.calls import Calls, calling, exact, node, undisturbed, workflow


@pytest.fixture(scope="module")
def calls(address: str) -> Iterator[Calls]:
    with calling(address) as connected, undisturbed(connected):
        yield connected


def failure(calls: Calls, given: object, broken: workflow_pb2.Node) -> failure_pb2.Failure:
    """Run a node that fails before any worker hears of it."""
    execution_id = calls.submit(workflow(broken), input_payload=exact(json.dumps(given).encode()))
    request = pb.WatchExecutionRequest(namespace=calls.namespace, execution_id=execution_id)
    *_, last = calls.orchestration.WatchExecution(request, timeout=20)
    shown = pb.GetExecutionRequest(
        namespace=calls.namespace, execution_id=last.end.execution.execution_id, include_nodes=True
    )
    (found,) = calls.orchestration.GetExecution(shown, timeout=20).nodes
    assert found.state == NODE_STATE_FAILED
    assert found.failure.error_type == "ExpressionError"
    assert found.failure.source == failure_pb2.FAILURE_SOURCE_EXPRESSION
    return found.failure  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("condition", "given", "said"),
    [
        ("input.n.all(a, input.n.all(b, a + b >= 0))", {"n": list(range(100_000))}, "list"),
        ("input.n.map(a, input.n.map(b, input.n)).size() > 0", {"n": list(range(900))}, "budget"),
        ("input.s.matches('(a+)+$')", {"s": "a" * 500_000}, "262,144 bytes"),
        ("input.x", {"x": 1}, "not true or false"),
        ("input.y", {"x": 1}, "there is no 'y' in input"),
        ("input.n[0] + 1 > 0", {"n": ["a"]}, "No matching overloads"),
    ],
    ids=["nested loops", "a list of lists of lists", "much text", "a number", "missing", "types"],
)
def test_a_condition(calls: Calls, condition: str, given: dict[str, Any], said: str) -> None:
    assert said in failure(calls, given, node(condition=condition)).message


@pytest.mark.parametrize(
    ("template", "given", "said"),
    [
        ("{{ input.s }}" * 1_000, {"s": "x" * 100_000}, "over 1,048,576 bytes"),
        ("{{ input.s }}", {"s": "x" * 1_500_000}, "over 1,048,576 bytes"),
        ("{{ input.n.map(a, input.n.map(b, input.n)) }}", {"n": list(range(200))}, "config.v: "),
        ("{{ input.a.b }}", {"a": 1}, "there is no 'b' in input.a"),
        ("{{ input.a[7] }}", {"a": [1]}, "there is no item 7 in input.a"),
    ],
    ids=["a hundred million characters", "one large value", "a list of lists of lists", "missing", "short"],
)
def test_a_template(calls: Calls, template: str, given: dict[str, Any], said: str) -> None:
    config = exact(json.dumps({"v": template}).encode())
    assert said in failure(calls, given, node(config_payload=config)).message


def test_an_output_that_children_cannot_use_fails_the_child_alone(calls: Calls) -> None:
    parent = node("parent")
    child = node("child", dependencies=["parent"], config_payload=exact(b'{"v": "{{ parent.v }}"}'))
    execution_id = calls.submit(workflow(parent, child))
    task = calls.take()
    calls.complete(task.task_token, b"[1]")

    request = pb.GetExecutionRequest(namespace=calls.namespace, execution_id=execution_id, include_nodes=True)
    first, second = calls.orchestration.GetExecution(request, timeout=20).nodes
    assert (first.state, second.state) == (NODE_STATE_COMPLETED, NODE_STATE_FAILED)
    assert "parent" in second.failure.message
