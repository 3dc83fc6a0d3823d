"""Requests written by hand: `buf curl`, which learns the schema from the server itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

BUF = Path(sys.executable).with_name("buf")
Curl = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def namespace() -> str:
    return f"hand-{uuid4().hex[:8]}"


def run(address: str, method: str, text: str) -> subprocess.CompletedProcess[str]:
    address = f"http://{address}/flowmesh.v1.{method}"
    options = ["--http2-prior-knowledge", "--protocol", "grpc"]
    return subprocess.run(
        [str(BUF), "curl", *options, address, "--data", text],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def curl(address: str, namespace: str) -> Curl:
    """Call a method that succeeds, and return the messages of its answer."""

    def call(method: str, **request: Any) -> list[dict[str, Any]]:
        if not method.endswith(("CompleteTask", "HeartbeatTasks")):
            request["namespace"] = namespace
        done = run(address, method, json.dumps(request))
        assert done.returncode == 0, done.stderr
        return list(documents(done.stdout))

    return call


def documents(text: str) -> list[dict[str, Any]]:
    """Split what `buf curl` printed for a stream."""
    found = []
    decoder = json.JSONDecoder()
    rest = text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].strip()
    return found


def refusal(address: str, text: str) -> tuple[str, str]:
    done = run(address, "SubmissionService/SubmitWorkflow", text)
    assert done.returncode != 0
    error = json.loads(done.stderr)
    return error["code"], error["message"]


GREETING = {
    "name": "greeting",
    "dag": {
        "nodes": [
            {"id": "greet", "handler": "greet", "config": {"to": "{{ input.name }}", "times": 3, "x": [1.5]}},
            {"id": "shout", "handler": "shout", "dependencies": ["greet"], "condition": "input.loud"},
        ]
    },
}


def test_a_workflow_from_submission_to_its_end(curl: Curl) -> None:
    given = {"name": "Ada", "loud": False}
    (submitted,) = curl(
        "SubmissionService/SubmitWorkflow", workflow=GREETING, input=given, labels={"by": "hand"}
    )
    execution_id = submitted["executionId"]
    (polled,) = curl("WorkerControlService/PollTasks", worker_id="me", handlers=["greet"], wait="20s")
    (task,) = polled["tasks"]
    token = task["taskToken"]
    assert (task["nodeId"], task["attempt"]) == ("greet", 1)

    (beaten,) = curl("WorkerControlService/HeartbeatTasks", heartbeats=[{"task_token": token}])
    assert beaten == {}, "neither lost nor cancelled"
    curl("WorkerControlService/CompleteTask", task_token=token, output={"json": {"said": "Hello, Ada"}})

    (shown,) = curl("OrchestrationService/GetExecution", execution_id=execution_id, include_nodes=True)
    assert shown["execution"]["state"] == "EXECUTION_STATE_COMPLETED"
    assert [node["state"] for node in shown["nodes"]] == ["NODE_STATE_COMPLETED", "NODE_STATE_SKIPPED"]
    (listed,) = curl("OrchestrationService/ListExecutions", labels={"by": "hand"})
    assert [each["executionId"] for each in listed["executions"]] == [execution_id]
    watched = curl("OrchestrationService/WatchExecution", execution_id=execution_id)
    assert ("snapshot" in watched[0], "end" in watched[-1]) == (True, True)
    (history,) = curl("OrchestrationService/ListEvents", execution_id=execution_id)
    assert history["events"][0]["type"] == "EVENT_TYPE_EXECUTION_STARTED"


def test_a_named_workflow(curl: Curl) -> None:
    (registered,) = curl("SubmissionService/RegisterWorkflow", workflow=GREETING)
    assert registered["workflowVersion"]["version"] == 1
    (submitted,) = curl(
        "SubmissionService/SubmitWorkflow",
        workflow_reference={"name": "greeting"},
        execution_id="mine",
        input={"name": "Ada", "loud": True},
    )
    assert submitted == {"executionId": "mine"}
    (cancelled,) = curl("OrchestrationService/CancelExecution", execution_id="mine", reason="by hand")
    assert cancelled["state"] == "EXECUTION_STATE_CANCELLED"


def node(**fields: Any) -> str:
    nodes = [{"id": "a", "handler": "h"} | fields]
    return json.dumps({"workflow": {"name": "w", "dag": {"nodes": nodes}}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (node(config={"to": "{{ input.name"}), "dag.nodes[0].config.to: unbalanced braces"),
        (node(config={"n": 2**53}), "dag.nodes[0].config.n: a number of 2^53 or more"),
        (node(id="../a"), "dag.nodes[0].id: 1 to 255 of"),
        (node(dependencies=["a"]), "dag.nodes[0].dependencies[0]: 'a' depends on itself"),
        ("{}", "workflow: is required"),
    ],
    ids=["braces", "number", "id", "self", "nothing"],
)
def test_what_is_wrong_is_said_in_words(address: str, text: str, said: str) -> None:
    code, message = refusal(address, text)
    assert code == "invalid_argument"
    assert message.startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        node(handlr="h"),
        node(id=1),
        node(dependencies="a"),
        '{"workflow": {"name": "a", "name": "b"}}',
        '{"workflow": {"name": NaN}}',
    ],
    ids=["cut off", "unknown field", "wrong type", "no list", "duplicate key", "NaN"],
)
def test_json_that_the_schema_refuses_never_leaves_the_tool(address: str, text: str) -> None:
    """Whoever reads the schema from the server sees the fault at once."""
    done = run(address, "SubmissionService/SubmitWorkflow", text)
    assert done.returncode != 0
    assert done.stderr.startswith("Failure: ")
