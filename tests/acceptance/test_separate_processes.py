"""`flowmesh serve` as production runs it: two processes of each role, killed and restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from flowmesh import Client, EventType, NodeState, ResultTimeoutError, Workflow, current_task, task
from tests.acceptance.histories import assert_dependencies_respected
from tests.acceptance.processes import COMMAND, end, flowmesh, free_ports, ready_address
from tests.acceptance.working import watch_until, working

ROLES = ("submission", "orchestration", "worker-control", "reaper")
EXECUTIONS = 40
PATIENT = {"FLOWMESH_GATEWAY_LEASE_SECONDS": "8", "FLOWMESH_WORKER_LEASE_SECONDS": "8"}
"""Longer than the 5 s that a worker may take to try again at a gateway that was away."""
LOSSES_ARE_NOTICED_IN = 11.0
"""Seconds: those leases, and the time between two looks of a reaper."""


@dataclass
class Cluster:
    """Processes by role and number, each on a port that it keeps over restarts."""

    environment: dict[str, str]
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Start each `ROLE-NUMBER`, all at once, and wait until they serve."""
        for name in names:
            role, _, _number = name.rpartition("-")
            arguments = [*COMMAND, "serve", role, "--listen", self.address(name)]
            self.processes[name] = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, text=True, env=self.environment
            )
        for name in names:
            assert ready_address(self.processes[name]) == self.address(name)

    def start_worker(self, number: int) -> None:
        """Start a worker that takes every handler, connected to one of the gateways."""
        gateway = self.address(f"worker-control-{number}")
        arguments = [*COMMAND, "worker", "--dry-run", "--address", gateway]
        self.processes[f"worker-{number}"] = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, text=True, env=self.environment
        )

    def kill(self, name: str) -> None:
        """End a process as a crash does."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def ask_to_end(self, name: str) -> int:
        """End a process gracefully and return its exit code."""
        process = self.processes.pop(name)
        end(process)
        return process.returncode

    def stop(self) -> None:
        """End everything gracefully; a process that does not end fails the test."""
        with ExitStack() as stack:
            for process in self.processes.values():
                process.send_signal(signal.SIGTERM)
                stack.callback(end, process)

    def address(self, name: str) -> str:
        """Return where a process listens."""
        return f"127.0.0.1:{self.ports[name]}"


@pytest.fixture
def cluster(request: pytest.FixtureRequest, database_url: str, redis_url: str) -> Iterator[Cluster]:
    environment = {
        **os.environ,
        "FLOWMESH_POSTGRES_URL": database_url,
        "FLOWMESH_REDIS_URL": redis_url,
        "FLOWMESH_LOG_LEVEL": "error",
        "FLOWMESH_PARTITIONS": "32",
        "FLOWMESH_LEASE_SECONDS": "1",
        "FLOWMESH_GATEWAY_LEASE_SECONDS": "2",
        "FLOWMESH_WORKER_LEASE_SECONDS": "3",
        "FLOWMESH_WORKER_BEAT_SECONDS": "0.5",
        **getattr(request, "param", {}),
    }
    migrated = subprocess.run(
        [*COMMAND, "migrate"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert migrated.returncode == 0, migrated.stderr
    names = [f"{role}-{number}" for role in ROLES for number in (1, 2)]
    made = Cluster(environment, free_ports(names))
    try:
        made.start(*names)
        made.start_worker(1)
        made.start_worker(2)
        yield made
    finally:
        made.stop()


def branching() -> Workflow:
    workflow = Workflow("branching")
    root = workflow.node("root", id="root", n=workflow.input["n"])
    branches = [workflow.node(f"branch-{i}", id=f"b{i}", n=root.output["n"]) for i in range(4)]
    workflow.node("join", id="join", of=[branch.output["n"] for branch in branches])
    return workflow


@pytest.mark.timeout(120)
def test_every_role_may_die_and_every_accepted_execution_completes(cluster: Cluster) -> None:
    workflow = branching()
    ids: list[str] = []
    for victim in ROLES:
        for submitter in ("submission-1", "submission-2"):
            with Client(cluster.address(submitter)) as client:
                ids += [client.submit(workflow, {"n": n}).id for n in range(EXECUTIONS // 8)]
        cluster.kill(f"{victim}-1")
        with Client(cluster.address("orchestration-2")) as client:
            ids += submit_through(cluster, workflow)
            for execution_id in ids:
                assert client.handle(execution_id).result(timeout=40)["join"]["of"][0] is not None
        cluster.start(f"{victim}-1")

    with Client(cluster.address("orchestration-1")) as client:
        for execution_id in ids:
            assert_dependencies_respected(workflow, client.events(execution_id, page_size=1000))


def submit_through(cluster: Cluster, workflow: Workflow) -> list[str]:
    """Submit through the replica that no test kills."""
    with Client(cluster.address("submission-2")) as client:
        return [client.submit(workflow, {"n": n}).id for n in range(5)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cluster", [PATIENT], indirect=True, ids=["patient"])
def test_every_role_that_is_asked_to_end_hands_over_what_it_has(cluster: Cluster) -> None:
    may_end = threading.Event()

    @task
    def long() -> int:
        assert may_end.wait(60)
        return current_task().attempt

    workflow = Workflow("long")
    workflow.node(long, id="long")
    gateways = f"ipv4:{cluster.address('worker-control-1')},{cluster.address('worker-control-2')}"
    ids: list[str] = []
    with (
        working(gateways, "slow", long),
        Client(cluster.address("submission-2"), namespace="slow") as submission,
        Client(cluster.address("orchestration-2"), namespace="slow") as orchestration,
        Client(cluster.address("orchestration-2")) as others,
    ):
        handle = orchestration.handle(submission.submit(workflow).id)
        watch_until(handle, NodeState.RUNNING, EventType.NODE_STARTED)
        for name in (*(f"{role}-1" for role in ROLES), "worker-control-2"):
            ids += submit_through(cluster, branching())
            assert cluster.ask_to_end(name) == 0, name
            ids += submit_through(cluster, branching())
            cluster.start(name)  # so the worker has to move from one gateway to the other at least once
        with pytest.raises(ResultTimeoutError):
            handle.result(timeout=LOSSES_ARE_NOTICED_IN)
        (node,) = handle.describe().nodes
        assert (node.state, node.attempt) == (NodeState.RUNNING, 1)
        may_end.set()
        assert handle.result(timeout=40) == {"long": 1}
        for execution_id in ids:
            others.handle(execution_id).result(timeout=40)
            assert_dependencies_respected(branching(), others.events(execution_id, page_size=1000))


def test_a_process_that_disagrees_is_refused_and_the_others_are_healthy(cluster: Cluster) -> None:
    odd = {**cluster.environment, "FLOWMESH_PARTITIONS": "64"}
    refused = subprocess.run(
        [*COMMAND, "serve", "reaper", "--listen", "127.0.0.1:0"],
        env=odd,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "32" in line
    assert "64" in line

    address = cluster.address("submission-1")
    service = "flowmesh.v1.SubmissionService"

    assert flowmesh("health", "--address", address, "--service", service).out.strip() == "SERVING"
    assert flowmesh("health", "--address", "127.0.0.1:1").code == 1
