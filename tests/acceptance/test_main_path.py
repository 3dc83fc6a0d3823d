"""The promises of the main path, through the Python SDK on a running system."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from flowmesh import (
    AlreadyExistsError,
    BlockedOn,
    Client,
    EventType,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionState,
    IdempotencyMismatchError,
    Jitter,
    NodeState,
    RetryPolicy,
    TaskError,
    Workflow,
    current_task,
    task,
)
from tests.acceptance.working import watch_until, working

QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=20), jitter=Jitter.NONE, maximum_attempts=3)


@pytest.fixture
def namespace() -> str:
    """A namespace of this test's own, so that no other worker takes its tasks."""
    return f"test-{uuid4().hex[:8]}"


@pytest.fixture
def client(address: str, namespace: str) -> Iterator[Client]:
    with Client(address, namespace=namespace) as connected:
        yield connected


@task
def double(value: int) -> int:
    return 2 * value


@task
async def add(values: list[int]) -> int:
    return sum(values)


@task
def echo(**config: object) -> object:
    return config


def test_data_flows_with_its_types(address: str, namespace: str, client: Client) -> None:
    workflow = Workflow("sums")
    doubled = [workflow.node(double, id=f"double_{n}", value=workflow.input["numbers"][n]) for n in range(3)]
    workflow.node(add, id="total", values=[node.output for node in doubled])

    with working(address, namespace, double, add):
        handle = client.submit(workflow, {"numbers": [1, 2**80, -3]})
        assert handle.result(timeout=20) == {"total": 2 * (1 + 2**80 - 3)}


def test_values_survive_the_trip_unchanged(address: str, namespace: str, client: Client) -> None:
    value = {"z": 1, "a": [None, True, 1.5, 1e300, -0.0, 10**40, "ü\u2028𝄞 {{ not a template"], "": {}}
    workflow = Workflow("echo")
    workflow.node(echo, id="echo", value=workflow.input)

    with working(address, namespace, echo):
        output = client.submit(workflow, value).result(timeout=20)["echo"]
    assert json.dumps(output["value"]) == json.dumps(value), "types, order and digits"


def test_a_failed_attempt_is_tried_again_after_its_back_off(
    address: str, namespace: str, client: Client
) -> None:
    @task
    def flaky() -> int:
        attempt = current_task().attempt
        if attempt < 3:
            raise RuntimeError("not yet")
        return attempt

    workflow = Workflow("flaky")
    workflow.node(flaky, id="flaky", retry=QUICK)
    with working(address, namespace, flaky):
        handle = client.submit(workflow)
        assert handle.result(timeout=20) == {"flaky": 3}

    failed = [e for e in client.events(handle.id) if e.type is EventType.NODE_ATTEMPT_FAILED]
    assert [event.attempt for event in failed] == [1, 2]
    assert failed[0].failure is not None
    assert failed[0].failure.error_type == "RuntimeError"


def test_a_failure_for_good_fails_the_execution_and_what_is_below(
    address: str, namespace: str, client: Client
) -> None:
    @task
    def broken() -> None:
        raise TaskError("out of paper", error_type="OutOfPaper", retryable=False)

    workflow = Workflow("broken")
    first = workflow.node(broken, id="broken", retry=QUICK)
    workflow.node(echo, id="below", after=[first])
    with working(address, namespace, broken, echo):
        handle = client.submit(workflow)
        with pytest.raises(ExecutionFailed, match="out of paper") as caught:
            handle.result(timeout=20)
    assert caught.value.error_type == "OutOfPaper"
    assert caught.value.node_id == "broken"
    states = {node.node_id: node.state for node in handle.describe().nodes}
    assert states == {"broken": NodeState.FAILED, "below": NodeState.UPSTREAM_FAILED}


def test_a_task_that_nobody_offers_waits_and_says_so(address: str, namespace: str, client: Client) -> None:
    workflow = Workflow("lonely")
    workflow.node(double, id="double", value=21)
    handle = client.submit(workflow)
    watch_until(handle, NodeState.SCHEDULED, EventType.NODE_SCHEDULED)

    (node,) = handle.describe().nodes
    assert (node.state, node.blocked_on) == (NodeState.SCHEDULED, BlockedOn.NO_WORKER)

    with working(address, namespace, double):
        assert handle.result(timeout=20) == {"double": 42}


def test_a_cancel_reaches_the_running_task(address: str, namespace: str, client: Client) -> None:
    stopped = threading.Event()

    @task
    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise

    workflow = Workflow("endless")
    workflow.node(endless, id="endless")
    with working(address, namespace, endless):
        handle = client.submit(workflow)
        watch_until(handle, NodeState.RUNNING, EventType.NODE_STARTED)
        assert handle.cancel("enough") is ExecutionState.CANCELLING
        assert stopped.wait(10)
        with pytest.raises(ExecutionCancelled):
            handle.result(timeout=20)


def test_an_attempt_that_runs_too_long_times_out(address: str, namespace: str, client: Client) -> None:
    @task
    async def slow() -> int:
        if current_task().attempt == 1:
            await asyncio.Event().wait()
        return current_task().attempt

    workflow = Workflow("slow")
    workflow.node(slow, id="slow", timeout=timedelta(milliseconds=300), retry=QUICK)
    with working(address, namespace, slow):
        handle = client.submit(workflow)
        assert handle.result(timeout=20) == {"slow": 2}
    (failed,) = [e for e in client.events(handle.id) if e.type is EventType.NODE_ATTEMPT_FAILED]
    assert failed.failure is not None
    assert failed.failure.error_type == "StartToCloseTimeout"


def test_a_handler_that_stops_beating_times_out(address: str, namespace: str, client: Client) -> None:
    @task
    async def silent() -> int:
        if current_task().attempt == 1:
            await asyncio.Event().wait()
        return current_task().attempt

    workflow = Workflow("silent")
    workflow.node(silent, id="silent", heartbeat_timeout=timedelta(milliseconds=300), retry=QUICK)
    with working(address, namespace, silent):
        handle = client.submit(workflow)
        assert handle.result(timeout=20) == {"silent": 2}


WORKER_THAT_HANGS = """
import sys, time
from flowmesh import Worker, task

@task
def survive():
    print("began", flush=True)
    time.sleep(600)

Worker(sys.argv[1], tasks=[survive], namespace=sys.argv[2]).run_forever()
"""


def test_a_killed_worker_is_replaced_by_the_next_attempt(tmp_path: Path, namespace: str) -> None:
    from tests.acceptance.processes import dev

    @task
    def survive() -> int:
        return current_task().attempt

    impatient = {"FLOWMESH_WORKER_LEASE_SECONDS": "1.5", "FLOWMESH_WORKER_BEAT_SECONDS": "0.5"}
    script = tmp_path / "worker.py"
    script.write_text(WORKER_THAT_HANGS)
    with dev(environment=impatient) as address, Client(address, namespace=namespace) as client:
        doomed = subprocess.Popen(
            [sys.executable, str(script), address, namespace], stdout=subprocess.PIPE, text=True
        )
        workflow = Workflow("survivor")
        workflow.node(survive, id="survive")
        handle = client.submit(workflow)
        assert doomed.stdout is not None
        assert doomed.stdout.readline() == "began\n"
        doomed.send_signal(signal.SIGKILL)
        doomed.wait()
        doomed.stdout.close()

        began = time.monotonic()
        with working(address, namespace, survive):
            assert handle.result(timeout=20) == {"survive": 2}
        assert time.monotonic() - began < 10
        lost = [e for e in client.events(handle.id) if e.type is EventType.NODE_ATTEMPT_LOST]
        assert len(lost) == 1


class TestIdempotency:
    workflow = Workflow("idempotent")
    workflow.node("nobody", id="a")

    def test_a_repeated_request_is_the_same_execution(self, client: Client) -> None:
        first = client.submit(self.workflow, {"n": 1}, request_id="r1")
        again = client.submit(self.workflow, {"n": 1}, request_id="r1")

        assert first.id == again.id
        with pytest.raises(IdempotencyMismatchError):
            client.submit(self.workflow, {"n": 2}, request_id="r1")

    def test_an_execution_id_is_taken_once(self, client: Client) -> None:
        first = client.submit(self.workflow, 1, execution_id="mine")
        again = client.submit(self.workflow, 1, execution_id="mine")

        assert first.id == again.id == "mine"
        with pytest.raises(AlreadyExistsError):
            client.submit(self.workflow, 2, execution_id="mine")

    def test_the_same_content_is_the_same_version(self, client: Client) -> None:
        changed = Workflow("idempotent")
        changed.node("somebody", id="a")

        versions = [client.register(w).version for w in (self.workflow, self.workflow, changed)]
        assert versions == [1, 1, 2]
        assert client.get_workflow("idempotent", 1).workflow is not None
