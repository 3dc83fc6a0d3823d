from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import json_format

from flowmesh.v1 import event_pb2
from flowmesh.v1 import execution_pb2 as states
from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh_core.domain.commands import FailTask
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.workflow import Node
from tests.services.memory_cluster import MemoryCluster, Refusal, Replica, refusal

if TYPE_CHECKING:
    from tests.services.orchestration.hand_owner import HandOwner

INVALID = grpc.StatusCode.INVALID_ARGUMENT
ONE = Node("a", "h")


async def _list(one: Replica, **fields: Any) -> pb.ListExecutionsResponse:
    request = json_format.ParseDict(fields, pb.ListExecutionsRequest())
    return await one.orchestration.ListExecutions(request)


async def _ids(one: Replica, **fields: Any) -> list[str]:
    return [each.execution_id for each in (await _list(one, **fields)).executions]


async def _refused(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


async def test_filters(owner: HandOwner, one: Replica) -> None:
    await owner.accept(ONE, execution_id="e1", labels={"a": "1", "b": "2"})
    await owner.accept(ONE, execution_id="e2", name="other")
    done = await owner.begin(ONE, execution_id="e3")
    await owner.complete(done, "a")
    middle = (await _list(one)).executions[1].create_time.ToJsonString()
    assert await _ids(one) == ["e3", "e2", "e1"]
    assert await _ids(one, labels={"a": "1"}) == ["e1"]
    assert await _ids(one, labels={"a": "2"}) == []
    assert await _ids(one, workflowName="other") == ["e2"]
    assert await _ids(one, states=["EXECUTION_STATE_COMPLETED", "EXECUTION_STATE_FAILED"]) == ["e3"]
    assert await _ids(one, states=["EXECUTION_STATE_UNSPECIFIED"]) == ["e3", "e2", "e1"]
    assert await _ids(one, createdAfter=middle) == ["e3", "e2"]
    assert await _ids(one, createdBefore=middle) == ["e1"]
    assert await _ids(one, namespace="other") == []


async def test_lists_have_no_node_counts(owner: HandOwner, one: Replica) -> None:
    done = await owner.begin(ONE)
    await owner.complete(done, "a")
    (execution,) = (await _list(one)).executions
    assert execution.state == states.EXECUTION_STATE_COMPLETED
    assert execution.HasField("close_time")
    assert not execution.node_counts


async def test_pages_stay_stable_while_executions_come(owner: HandOwner, one: Replica) -> None:
    for number in range(5):
        await owner.accept(ONE, execution_id=f"e{number}")
    found: list[str] = []
    token = ""
    for number in range(3):
        page = await _list(one, pageSize=2, pageToken=token)
        found += [each.execution_id for each in page.executions]
        token = page.next_page_token
        await owner.accept(ONE, execution_id=f"new{number}")
    assert (found, token) == (["e4", "e3", "e2", "e1", "e0"], "")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"pageSize": -1}, "page_size"),
        ({"pageToken": "x"}, "page_token"),
        ({"states": [99]}, "states[0]"),
        ({"labels": {"": "x"}}, "labels['']"),
        ({"workflowName": "a b"}, "workflow_name"),
        ({"namespace": "a/b"}, "namespace"),
    ],
)
async def test_lists_that_make_no_sense(one: Replica, fields: dict[str, Any], field: str) -> None:
    refused = await _refused(_list(one, **fields))
    assert (refused.code, refused.reason) == (INVALID, "INVALID_REQUEST")
    assert set(refused.fields) == {field}


async def test_a_token_for_other_filters_is_refused(owner: HandOwner, one: Replica) -> None:
    await owner.accept(ONE, execution_id="e1")
    await owner.accept(ONE, execution_id="e2")
    token = (await _list(one, pageSize=1)).next_page_token
    refused = await _refused(_list(one, pageSize=1, pageToken=token, workflowName="w"))
    assert refused.fields == {"page_token": "INVALID_PAGE_TOKEN"}


async def test_the_history_in_pages(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(*(Node(f"n{number}", "h") for number in range(5)))
    await owner.complete(key, *(f"n{number}" for number in range(5)), output=Payload(b"1"))
    found: list[event_pb2.Event] = []
    token = ""
    while token or not found:
        page = await one.orchestration.ListEvents(
            pb.ListEventsRequest(execution_id="e1", page_size=3, page_token=token)
        )
        assert len(page.events) <= 3
        found += page.events
        token = page.next_page_token
    assert [event.sequence for event in found] == list(range(1, 13))
    assert found[-1].type == event_pb2.EVENT_TYPE_EXECUTION_COMPLETED
    assert not any(event.HasField("output") for event in found)


async def test_a_page_of_large_outputs_fits_a_message(owner: HandOwner, one: Replica) -> None:
    ids = [f"n{number}" for number in range(20)]
    key = await owner.begin(*(Node(each, "h") for each in ids))
    await owner.complete(key, *ids, output=Payload(b'"' + b"x" * 500_000 + b'"'))
    found: list[int] = []
    token = ""
    while token or not found:
        page = await one.orchestration.ListEvents(
            pb.ListEventsRequest(execution_id="e1", include_payloads=True, page_size=1_000, page_token=token)
        )
        assert page.ByteSize() < 4 * 1024 * 1024
        found += [event.sequence for event in page.events]
        token = page.next_page_token
    assert found == list(range(1, 43))


async def test_a_page_of_large_failures_fits_a_message(owner: HandOwner, one: Replica) -> None:
    large = Failure("Boom", "it broke", details=Payload(b'"' + b"x" * 500_000 + b'"'))
    ids = [f"e{number}" for number in range(20)]
    for each in ids:
        key = await owner.begin(ONE, execution_id=each)
        await owner.decide(FailTask(key, "a", 1, large, "worker", None, non_retryable=True))
    found: list[str] = []
    token = ""
    while token or not found:
        page = await _list(one, pageSize=1_000, pageToken=token)
        assert page.ByteSize() < 4 * 1024 * 1024
        found += [each.execution_id for each in page.executions]
        token = page.next_page_token
    assert found == ids[::-1]


async def test_a_page_of_events_with_large_failures_fits_a_message(owner: HandOwner, one: Replica) -> None:
    nodes = [Node(f"n{number}", "h") for number in range(20)]
    large = Failure("Boom", "it broke", details=Payload(b'"' + b"x" * 500_000 + b'"'))
    key = await owner.begin(*nodes)
    for node in nodes:
        await owner.decide(FailTask(key, node.id, 1, large, "worker", None))
    found: list[int] = []
    token = ""
    while token or not found:
        page = await one.orchestration.ListEvents(
            pb.ListEventsRequest(execution_id="e1", page_size=1_000, page_token=token)
        )
        assert page.ByteSize() < 4 * 1024 * 1024
        found += [event.sequence for event in page.events]
        token = page.next_page_token
    assert found == list(range(1, 42))


async def test_outputs_of_the_history_on_request(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(ONE)
    await owner.complete(key, "a", output=Payload(b"1"))
    answer = await one.orchestration.ListEvents(
        pb.ListEventsRequest(execution_id="e1", include_payloads=True)
    )
    assert [event.output.data for event in answer.events if event.HasField("output")] == [b"1"]


async def test_the_history_of_an_execution_that_nobody_has_begun(owner: HandOwner, one: Replica) -> None:
    await owner.accept(ONE)
    answer = await one.orchestration.ListEvents(pb.ListEventsRequest(execution_id="e1"))
    assert not answer.events


async def test_histories_that_are_not_there(cluster: MemoryCluster, owner: HandOwner, one: Replica) -> None:
    del cluster
    missing = await _refused(one.orchestration.ListEvents(pb.ListEventsRequest(execution_id="e1")))
    await owner.begin(ONE)
    await owner.begin(ONE, execution_id="e2")
    page = await one.orchestration.ListEvents(pb.ListEventsRequest(execution_id="e1", page_size=1))
    request = pb.ListEventsRequest(execution_id="e2", page_token=page.next_page_token)
    other = await _refused(one.orchestration.ListEvents(request))
    assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "EXECUTION_NOT_FOUND")
    assert other.fields == {"page_token": "INVALID_PAGE_TOKEN"}
