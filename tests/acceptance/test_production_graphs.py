"""Production graphs run to their end, and their histories show that every dependency was respected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowmesh import Client
from tests.acceptance.histories import assert_dependencies_respected
from tests.acceptance.processes import flowmesh
from tests.acceptance.wfformat import convert, instances

pytestmark = pytest.mark.usefixtures("dry_run_worker")
if not instances():
    pytest.skip("the production graphs are not beside this checkout", allow_module_level=True)

graphs = pytest.mark.parametrize("path", instances(), ids=lambda path: path.stem)


@graphs
def test_from_the_sdk(path: Path, address: str) -> None:
    workflow = convert(path)
    with Client(address) as client:
        handle = client.submit(workflow)
        handle.result(timeout=50)

        assert_dependencies_respected(workflow, client.events(handle.id, page_size=1000))
        nodes = {node.node_id: node for node in handle.describe(payloads=True).nodes}
    for node in workflow.nodes:
        output = nodes[node.id].output
        assert output is not None
        assert output.json()["from"].keys() == set(node.dependencies), "data flowed along every edge"


@graphs
def test_from_the_command_line(path: Path, address: str, tmp_path: Path) -> None:
    workflow = convert(path)
    file = tmp_path / "workflow.json"
    file.write_bytes(workflow.to_json().encode())

    submitted = flowmesh("submit", str(file), "--wait", "--address", address)
    assert submitted.code == 0, submitted.err
    execution_id = submitted.out.splitlines()[0]

    shown = flowmesh("get", execution_id, "--output", "json", "--address", address)
    document = json.loads(shown.out)
    assert document["state"] == "COMPLETED"
    assert document["node_counts"] == {"COMPLETED": len(workflow.nodes)}
    history = flowmesh("events", execution_id, "--output", "json", "--address", address)
    assert [event["sequence"] for event in json.loads(history.out)] == list(
        range(1, document["last_sequence"] + 1)
    )
