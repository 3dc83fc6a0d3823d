"""Large graphs are accepted and run, and nobody else waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh.v1 import submission_service_pb2 as submission_pb
from flowmesh.v1 import workflow_pb2
from flowmesh.v1.execution_pb2 import EXECUTION_STATE_COMPLETED
from tests.acceptance.calls import Calls, calling, exact, node, workflow
from tests.acceptance.processes import background

NEIGHBOURS_WAIT_AT_MOST = 1.0
"""Seconds for a small call; some tens of milliseconds when the machine is idle."""


def fan_out(count: int) -> workflow_pb2.Workflow:
    middle = [
        node(f"m{number}", dependencies=["first"], config_payload=exact(b'{"v":"{{ first.v }}"}'))
        for number in range(count - 2)
    ]
    first = node("first", config_payload=exact(b'{"v":1}'))
    return workflow(first, *middle, node("last", dependencies=[each.id for each in middle]))


def chain(count: int) -> workflow_pb2.Workflow:
    nodes = [node(f"n{number}") for number in range(count)]
    for before, after in pairwise(nodes):
        after.dependencies.append(before.id)
    return workflow(*nodes)


def layers(width: int, depth: int) -> workflow_pb2.Workflow:
    """Every node of a layer depends on every node of the layer before."""
    nodes = []
    for layer in range(depth):
        above = [f"n{layer - 1}_{place}" for place in range(width)] if layer else []
        nodes += [node(f"n{layer}_{place}", dependencies=above) for place in range(width)]
    return workflow(*nodes)


def dense(count: int) -> workflow_pb2.Workflow:
    """Ten dependencies a node."""
    return workflow(
        *(
            node(f"n{number}", dependencies=[f"n{parent}" for parent in range(max(0, number - 10), number)])
            for number in range(count)
        )
    )


@pytest.fixture(scope="module")
def calls(address: str) -> Iterator[Calls]:
    with calling(address) as connected:
        arguments = ("worker", "--dry-run", "--slots", "500", "--address", address)
        with background(*arguments, "--namespace", connected.namespace):
            yield connected


@pytest.mark.parametrize(
    "graph",
    [lambda: fan_out(5_000), lambda: chain(500), lambda: layers(100, 20)],
    ids=["fan-out of 5,000", "chain of 500", "190,000 edges"],
)
def test_it_runs_to_its_end(calls: Calls, graph: Callable[[], workflow_pb2.Workflow]) -> None:
    execution_id = calls.submit(graph())
    request = pb.WatchExecutionRequest(namespace=calls.namespace, execution_id=execution_id)
    *_, last = calls.orchestration.WatchExecution(request, timeout=40)
    assert last.end.execution.state == EXECUTION_STATE_COMPLETED


def test_neighbours_are_served_while_the_largest_graph_is_checked(calls: Calls) -> None:
    """100,000 nodes and almost 1,000,000 edges."""
    graph = dense(100_000)
    waits = []
    done = threading.Event()

    def call_often() -> None:
        request = pb.ListExecutionsRequest(namespace="neighbour")
        while not done.is_set():
            began = time.monotonic()
            calls.orchestration.ListExecutions(request, timeout=20)
            waits.append(time.monotonic() - began)

    neighbour = threading.Thread(target=call_often)
    neighbour.start()
    try:
        request = submission_pb.ValidateWorkflowRequest(namespace=calls.namespace, workflow=graph)
        answer = calls.submission.ValidateWorkflow(request, timeout=40)
    finally:
        done.set()
        neighbour.join()
    assert answer.valid, answer.violations
    assert max(waits) < NEIGHBOURS_WAIT_AT_MOST
    assert len(waits) > 20


@pytest.mark.parametrize(
    "graph",
    [lambda: workflow(*(node(f"n{number}") for number in range(100_001))), lambda: layers(708, 3)],
    ids=["nodes", "dependencies"],
)
def test_one_too_many_is_refused(calls: Calls, graph: Callable[[], workflow_pb2.Workflow]) -> None:
    request = submission_pb.ValidateWorkflowRequest(namespace=calls.namespace, workflow=graph())
    violations = calls.submission.ValidateWorkflow(request, timeout=40).violations
    assert [(each.field, each.reason) for each in violations] == [("dag.nodes", "LIMIT_EXCEEDED")]


@pytest.mark.benchmark
@pytest.mark.timeout(120)
def test_100_000_parallel_nodes_run_to_their_end(calls: Calls) -> None:
    execution_id = calls.submit(workflow(*(node(f"n{number}") for number in range(100_000))))
    began = time.monotonic()
    request = pb.WatchExecutionRequest(namespace=calls.namespace, execution_id=execution_id)
    *_, last = calls.orchestration.WatchExecution(request, timeout=100)
    assert last.end.execution.state == EXECUTION_STATE_COMPLETED
    assert time.monotonic() - began < 60
