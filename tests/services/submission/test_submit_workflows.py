from __future__ import annotations

import asyncio

import grpc
import pytest

from flowmesh.v1 import problem_pb2
from flowmesh.v1 import submission_service_pb2 as pb
from flowmesh_core.application.overload_guard import LoadLimits
from flowmesh_core.application.rate_limit import Rate, SubmissionRates
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_services.submission.role import SubmissionOptions
from tests.services.memory_cluster import PARTITIONS, MemoryCluster, Replica, refusal, replica
from tests.services.submission.requests import FETCH_AND_PARSE, by_hand, with_nodes


async def test_each_item_has_its_own_answer(cluster: MemoryCluster, one: Replica) -> None:
    items = [
        by_hand(workflow=FETCH_AND_PARSE, execution_id="a"),
        with_nodes({"dependencies": ["nobody"]}),
        by_hand(workflow_reference={"name": "missing"}),
        by_hand(workflow=FETCH_AND_PARSE, execution_id="a", input=1),
        by_hand(workflow=FETCH_AND_PARSE, execution_id="a"),
        by_hand(workflow=FETCH_AND_PARSE, labels={"": ""}),
        by_hand(workflow=FETCH_AND_PARSE, execution_id="b"),
    ]
    answer = await one.submission.SubmitWorkflows(pb.SubmitWorkflowsRequest(requests=items))
    told = [
        result.problem.reason or (result.response.execution_id, result.response.replayed)
        for result in answer.results
    ]
    assert told == [
        ("a", False),
        "INVALID_WORKFLOW",
        "WORKFLOW_NOT_FOUND",
        "EXECUTION_ALREADY_EXISTS",
        ("a", True),
        "INVALID_REQUEST",
        ("b", False),
    ]
    assert set(cluster.database.executions) == {ExecutionKey("default", "a"), ExecutionKey("default", "b")}


async def test_a_problem_is_what_the_unary_call_answers(one: Replica) -> None:
    item = with_nodes({"dependencies": ["nobody"]})
    answer = await one.submission.SubmitWorkflows(pb.SubmitWorkflowsRequest(requests=[item]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.submission.SubmitWorkflow(item)
    problem, refused = answer.results[0].problem, refusal(caught.value)
    assert (problem.code, problem.reason) == (refused.code.value[0], refused.reason)
    assert {each.field: each.reason for each in problem.field_violations} == refused.fields
    assert problem.message == caught.value.details()


@pytest.mark.parametrize("count", [0, 1_001])
async def test_no_or_too_many_items(one: Replica, count: int) -> None:
    items = [by_hand(workflow=FETCH_AND_PARSE)] * count
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.submission.SubmitWorkflows(pb.SubmitWorkflowsRequest(requests=items))
    refused = refusal(caught.value)
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert refused.fields == {"requests": "OUT_OF_RANGE"}


async def test_a_thousand_items_are_one_statement(cluster: MemoryCluster, one: Replica) -> None:
    items = [by_hand(workflow=FETCH_AND_PARSE, request_id=f"r{number}") for number in range(1_000)]
    answer = await one.submission.SubmitWorkflows(pb.SubmitWorkflowsRequest(requests=items))
    assert len({result.response.execution_id for result in answer.results}) == 1_000
    assert cluster.telemetry.measures["flowmesh.executions.per_insert"] == [1_000]
    await one.submission.SubmitWorkflows(pb.SubmitWorkflowsRequest(requests=items))
    assert cluster.telemetry.counts["flowmesh.executions.accepted"] == 1_000


async def test_items_count_against_the_rate(cluster: MemoryCluster) -> None:
    rates = SubmissionRates(per_namespace=Rate(0.01, burst=3), per_client=Rate(0, 0))
    async with replica(cluster, submission=SubmissionOptions(PARTITIONS, rates=rates)) as limited:
        three = pb.SubmitWorkflowsRequest(requests=[by_hand(workflow=FETCH_AND_PARSE)] * 3)
        await limited.submission.SubmitWorkflows(three)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await limited.submission.SubmitWorkflows(three)
    refused = refusal(caught.value)
    assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert refused.retry_after is not None
    assert 250 < refused.retry_after <= 300


async def test_items_over_the_load_are_refused_one_by_one(cluster: MemoryCluster) -> None:
    options = SubmissionOptions(PARTITIONS, load=LoadLimits(namespace_tasks=1, commands=2))
    async with replica(cluster, submission=options) as busy:
        two = pb.SubmitWorkflowsRequest(requests=[by_hand(workflow=FETCH_AND_PARSE)] * 2)
        refused: list[problem_pb2.Problem] = []
        async with asyncio.timeout(10):
            while not refused:  # until the replica has read the load
                answer = await busy.submission.SubmitWorkflows(two)
                refused = [each.problem for each in answer.results if each.HasField("problem")]
    assert {each.reason for each in refused} == {"OVERLOADED"}
    assert refused[0].code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert refused[0].retry_delay.ToMilliseconds() == 1_000


async def test_a_submission_over_the_load_says_when_to_come_back(cluster: MemoryCluster) -> None:
    options = SubmissionOptions(PARTITIONS, load=LoadLimits(commands=1))
    async with replica(cluster, submission=options) as busy, asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await submit_for_ever(busy)
    refused = refusal(caught.value)
    assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert refused.retry_after == 1.0


async def submit_for_ever(busy: Replica) -> None:
    while True:
        await busy.submission.SubmitWorkflow(by_hand(workflow=FETCH_AND_PARSE))
