from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from flowmesh.v1 import submission_service_pb2 as pb
from flowmesh_core.domain.identity import ExecutionKey
from tests.services.memory_cluster import MemoryCluster, Replica, refusal
from tests.services.submission.requests import FETCH_AND_PARSE, by_hand, with_nodes

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def _register(name: str = "report", **fields: Any) -> pb.RegisterWorkflowRequest:
    return json_format.ParseDict(
        {"workflow": FETCH_AND_PARSE | {"name": name}, **fields}, pb.RegisterWorkflowRequest()
    )


def _changed() -> pb.RegisterWorkflowRequest:
    request = _register()
    request.workflow.dag.nodes[0].config["retries"] = 4
    return request


async def test_versions_are_numbered_by_content(one: Replica) -> None:
    first = await one.submission.RegisterWorkflow(_register())
    same = await one.submission.RegisterWorkflow(_register())
    second = await one.submission.RegisterWorkflow(_changed())
    assert [each.workflow_version.version for each in (first, same, second)] == [1, 1, 2]
    assert [each.existed for each in (first, same, second)] == [False, True, False]
    assert not first.workflow_version.HasField("workflow")


async def test_a_version_comes_back_whole(one: Replica) -> None:
    registered = await one.submission.RegisterWorkflow(_register())
    newest = await one.submission.GetWorkflow(pb.GetWorkflowRequest(name="report"))
    node = newest.workflow_version.workflow.dag.nodes[0]
    assert node.config_payload.data == b'{"retries":3,"url":"{{ input.url }}"}'
    assert not node.HasField("config")
    again = await one.submission.RegisterWorkflow(
        pb.RegisterWorkflowRequest(workflow=newest.workflow_version.workflow)
    )
    assert again.existed
    assert again.workflow_version == registered.workflow_version


async def test_a_repeat_with_other_content_is_refused(one: Replica) -> None:
    await one.submission.RegisterWorkflow(_register(requestId="r"))
    changed = _changed()
    changed.request_id = "r"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.submission.RegisterWorkflow(changed)
    assert (refusal(caught.value).code, refusal(caught.value).reason) == (INVALID, "IDEMPOTENCY_MISMATCH")


async def test_an_execution_of_a_registered_workflow(cluster: MemoryCluster, one: Replica) -> None:
    await one.submission.RegisterWorkflow(_register())
    await one.submission.RegisterWorkflow(_changed())
    newest = await one.submission.SubmitWorkflow(by_hand(workflow_reference={"name": "report"}))
    first = await one.submission.SubmitWorkflow(by_hand(workflow_reference={"name": "report", "version": 1}))
    records = [
        await cluster.executions.get(ExecutionKey("default", each.execution_id)) for each in (newest, first)
    ]
    assert [record.workflow_version for record in records if record is not None] == [2, 1]


async def test_a_repeat_after_a_new_version_answers_the_first_execution(one: Replica) -> None:
    request = by_hand(workflow_reference={"name": "report"}, request_id="r")
    await one.submission.RegisterWorkflow(_register())
    first = await one.submission.SubmitWorkflow(request)
    await one.submission.RegisterWorkflow(_changed())
    again = await one.submission.SubmitWorkflow(request)
    assert (again.execution_id, again.replayed) == (first.execution_id, True)


async def test_workflows_that_are_not_there(one: Replica) -> None:
    await one.submission.RegisterWorkflow(_register())
    for call in (
        one.submission.GetWorkflow(pb.GetWorkflowRequest(name="report", version=2)),
        one.submission.GetWorkflow(pb.GetWorkflowRequest(namespace="other", name="report")),
        one.submission.SubmitWorkflow(by_hand(workflow_reference={"name": "missing"})),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        refused = refusal(caught.value)
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "WORKFLOW_NOT_FOUND")


async def test_pages_follow_each_other(one: Replica) -> None:
    names = [f"w{number}" for number in range(5)]
    for name in names:
        await one.submission.RegisterWorkflow(_register(name))
    found: list[str] = []
    token = ""
    for _ in range(3):
        page = await one.submission.ListWorkflows(pb.ListWorkflowsRequest(page_size=2, page_token=token))
        found += [version.name for version in page.workflow_versions]
        token = page.next_page_token
    assert (found, token) == (names, "")


@pytest.mark.parametrize(
    "fields",
    [{"page_size": -1}, {"page_token": "nonsense"}, {"page_token": "é"}, {"name": "a b"}, {"namespace": "/"}],
)
async def test_lists_that_make_no_sense(one: Replica, fields: dict[str, Any]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.submission.ListWorkflows(pb.ListWorkflowsRequest(**fields))
    refused = refusal(caught.value)
    assert (refused.code, refused.reason) == (INVALID, "INVALID_REQUEST")
    assert set(refused.fields) == set(fields)


async def test_a_token_of_another_list_is_refused(one: Replica) -> None:
    for name in ("a", "b"):
        await one.submission.RegisterWorkflow(_register(name))
    page = await one.submission.ListWorkflows(pb.ListWorkflowsRequest(page_size=1))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.submission.ListWorkflows(pb.ListWorkflowsRequest(name="b", page_token=page.next_page_token))
    assert refusal(caught.value).fields == {"page_token": "INVALID_PAGE_TOKEN"}


async def test_a_good_workflow_is_valid_and_has_a_digest(one: Replica) -> None:
    registered = await one.submission.RegisterWorkflow(_register())
    answer = await one.submission.ValidateWorkflow(pb.ValidateWorkflowRequest(workflow=_register().workflow))
    assert (answer.valid, list(answer.violations)) == (True, [])
    assert answer.digest == registered.workflow_version.digest


async def test_a_bad_workflow_is_an_answer(one: Replica) -> None:
    cycle = with_nodes(
        {"id": "a", "dependencies": ["c"]},
        {"id": "b", "dependencies": ["a"]},
        {"id": "c", "dependencies": ["b"]},
    )
    answer = await one.submission.ValidateWorkflow(pb.ValidateWorkflowRequest(workflow=cycle.workflow))
    (violation,) = answer.violations
    assert (answer.valid, answer.digest) == (False, "")
    assert (violation.field, violation.reason) == ("dag.nodes[0].dependencies[0]", "CYCLE")


async def test_nothing_is_a_bad_workflow(one: Replica) -> None:
    answer = await one.submission.ValidateWorkflow(pb.ValidateWorkflowRequest())
    assert {each.field: each.reason for each in answer.violations} == {
        "name": "REQUIRED",
        "dag.nodes": "EMPTY_GRAPH",
    }


async def test_registering_nothing(one: Replica) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.submission.RegisterWorkflow(pb.RegisterWorkflowRequest())
    assert (refusal(caught.value).code, refusal(caught.value).fields) == (INVALID, {"workflow": "REQUIRED"})
