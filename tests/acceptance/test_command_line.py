"""The command line against a running system."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import COMMAND, Finished, flowmesh

GREETING = {
    "name": "greeting",
    "dag": {
        "nodes": [
            {"id": "fetch", "handler": "fetch", "config": {"user": "{{ input.user }}", "big": 2**70}},
            {
                "id": "greet",
                "handler": "greet",
                "dependencies": ["fetch"],
                "config": {"text": "Hello, {{ fetch.user.name }}!", "big": "{{ fetch.output.big }}"},
            },
            {
                "id": "shout",
                "handler": "shout",
                "dependencies": ["greet"],
                "condition": "input.loud",
            },
        ]
    },
}


@pytest.fixture
def greeting(tmp_path: Path) -> str:
    return written(tmp_path, GREETING)


def written(folder: Path, workflow: object) -> str:
    file = folder / "workflow.json"
    file.write_text(json.dumps(workflow))
    return str(file)


def one_line(finished: Finished) -> str:
    assert "Traceback" not in finished.err
    (line,) = finished.err.splitlines()
    return line


@pytest.mark.usefixtures("dry_run_worker")
def test_a_workflow_from_submission_to_its_history(address: str, greeting: str) -> None:
    given = json.dumps({"user": {"name": "Ada"}, "loud": False})
    submitted = flowmesh("submit", greeting, "--input", given, "--wait", "--address", address)
    assert submitted.code == 0, submitted.err
    execution_id = submitted.out.splitlines()[0]

    document = shown(address, execution_id)
    nodes = {node["node_id"]: node for node in document["nodes"]}
    assert document["state"] == "COMPLETED"
    assert nodes["greet"]["output"] == {"text": "Hello, Ada!", "big": 2**70}
    assert nodes["shout"]["state"] == "SKIPPED"
    assert nodes["shout"]["skip_reason"] == "CONDITION_FALSE"

    assert "workflow_version" not in document, "it was submitted inline"

    history = json.loads(flowmesh("events", execution_id, "-o", "json", "--address", address).out)
    assert history[0]["type"] == "EXECUTION_STARTED"
    assert [event.get("attempt") for event in history[:2]] == [None, 1]
    assert history[-1]["type"] == "EXECUTION_COMPLETED"
    listed = flowmesh("list", "--workflow", "greeting", "--address", address).out
    assert execution_id in listed


def shown(address: str, execution_id: str) -> dict[str, Any]:
    finished = flowmesh("get", execution_id, "--payloads", "--output", "json", "--address", address)
    assert finished.code == 0, finished.err
    document = json.loads(finished.out)
    assert isinstance(document, dict)
    return document


@pytest.mark.usefixtures("dry_run_worker")
def test_a_watch_in_a_pipe_is_lines_and_as_json_one_document_a_line(address: str, greeting: str) -> None:
    given = json.dumps({"user": {"name": "Ada"}, "loud": True})
    execution_id = flowmesh("submit", greeting, "--input", given, "--address", address).out.strip()

    plain = flowmesh("watch", execution_id, "--address", address)
    assert plain.code == 0
    assert plain.out.splitlines()[-1].startswith(f"end: {execution_id}  COMPLETED")

    lines = flowmesh("watch", execution_id, "--output", "json", "--address", address).out.splitlines()
    documents = [json.loads(line) for line in lines]
    assert next(iter(documents[0])) == "snapshot"
    assert documents[-1]["end"]["state"] == "COMPLETED"


def test_an_invalid_workflow_is_told_whole_and_exits_1(address: str, tmp_path: Path) -> None:
    nodes = [
        {"id": "a", "handler": "h", "dependencies": ["c"]},
        {"id": "b", "handler": "h", "dependencies": ["a", "nowhere"]},
        {"id": "c", "handler": "h", "dependencies": ["b"]},
    ]
    file = written(tmp_path, {"name": "loop", "dag": {"nodes": nodes}})

    validated = flowmesh("validate", file, "--address", address)
    assert validated.code == 1
    assert "dag.nodes[1].dependencies[1]" in validated.out
    assert "→" in validated.out

    submitted = flowmesh("submit", file, "--address", address)
    assert submitted.code == 1
    assert "INVALID_WORKFLOW" in submitted.err
    assert "Traceback" not in submitted.err


def test_a_cancelled_execution_exits_1_for_who_waits(address: str, tmp_path: Path) -> None:
    file = written(tmp_path, {"name": "stuck", "dag": {"nodes": [{"id": "a", "handler": "x"}]}})
    execution_id = flowmesh(
        "submit", file, "--execution-id", "cli-cancelled", "--namespace", "elsewhere", "--address", address
    ).out.strip()

    cancelled = flowmesh(
        "cancel", execution_id, "--reason", "enough", "--namespace", "elsewhere", "--address", address
    )
    assert cancelled.out.strip() == "CANCELLED"
    watched = flowmesh("watch", execution_id, "--namespace", "elsewhere", "--address", address)
    assert watched.code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit"],
        ["frobnicate"],
        ["get", "a", "b"],
        ["worker"],
        ["submit", "f.json", "--label", "no-equals"],
        ["list", "--state", "NOWHERE"],
        ["list", "--state", "UNKNOWN"],
        ["list", "--limit", "0"],
        ["cancel", "x", "--grace", "inf"],
        ["cancel", "x", "--grace", "nan"],
        ["serve", "emperor"],
        ["get", "x", "--address", "http://127.0.0.1:7466"],
        ["health", "--address", "http://127.0.0.1:7466"],
        ["worker", "--dry-run", "--address", "https://127.0.0.1:7466"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exits_2(arguments: list[str]) -> None:
    finished = flowmesh(*arguments)

    assert finished.code == 2
    assert one_line(finished).startswith("flowmesh: ")


@pytest.mark.parametrize(
    "arguments",
    [["get", "\udcff"], ["submit", "-", "--execution-id", "\udcff"], ["list", "--label", "a=\udcff"]],
    ids=["id", "option", "label"],
)
def test_an_argument_that_is_not_utf_8_is_wrong_usage(address: str, arguments: list[str]) -> None:
    finished = flowmesh(*arguments, "--address", address, given=json.dumps(GREETING))

    assert finished.code == 2
    assert one_line(finished) == "flowmesh: an argument is not UTF-8"


@contextmanager
def watching(address: str, workflow: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Watch an execution that no worker runs; give its id, and the command once it has begun."""
    place = ("--namespace", "nobody-works", "--address", address)
    execution_id = flowmesh("submit", workflow, *place).out.strip()
    with subprocess.Popen(
        [*COMMAND, "watch", execution_id, *place], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("now: ")
        yield execution_id, process


def test_a_watch_that_is_interrupted_ends_without_a_word(address: str, greeting: str) -> None:
    with watching(address, greeting) as (_, process):
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_a_reader_that_goes_away_ends_a_watch_without_a_word(address: str, greeting: str) -> None:
    with watching(address, greeting) as (execution_id, process):
        assert process.stdout is not None
        process.stdout.close()
        flowmesh("cancel", execution_id, "--namespace", "nobody-works", "--address", address)
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get", "no-such-execution"], "EXECUTION_NOT_FOUND"),
        (["watch", "no-such-execution"], "EXECUTION_NOT_FOUND"),
        (["submit", "/no/such/file"], "cannot read /no/such/file"),
        (["get", "a/b"], "INVALID_REQUEST: execution_id: must be"),
        (["worker", "json"], "json: a worker needs at least one function with @task"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_one_line_and_exits_1(address: str, arguments: list[str], said: str) -> None:
    finished = flowmesh(*arguments, "--address", address)

    assert finished.code == 1
    assert said in one_line(finished)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"name": "a", "name": "b"}',
        '{"name": "x", "dag": {"nodes": [{"id": "a", "handler": "h", "nice": 1}]}}',
        "\x00",
        "[" * 100_000,
    ],
    ids=["cut off", "duplicate key", "unknown field", "control character", "deep"],
)
def test_a_file_that_is_no_workflow_is_told_without_a_traceback(address: str, text: str) -> None:
    finished = flowmesh("validate", "-", "--address", address, given=text)

    assert finished.code == 1
    assert finished.err.startswith("flowmesh: ")
    assert "Traceback" not in finished.err


@pytest.mark.parametrize("command", ["dev", "worker", "health", "verify", "migrate", "serve", "list"])
def test_every_command_prints_json_when_asked(command: str) -> None:
    assert "--output" in flowmesh(command, "--help").out


def test_health_as_json(address: str) -> None:
    finished = flowmesh("health", "--output", "json", "--address", address)
    assert json.loads(finished.out) == {"status": "SERVING"}


def test_a_server_that_is_not_there_is_told() -> None:
    finished = flowmesh("get", "x", "--address", "127.0.0.1:1")

    assert finished.code == 1
    assert "127.0.0.1:1" in one_line(finished)
