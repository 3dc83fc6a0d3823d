from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import json_format

from flowmesh.v1 import execution_pb2 as states
from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh_core.application.cancel_execution import DecisionPatience
from flowmesh_core.domain.events import ExecutionCancelRequested
from flowmesh_core.domain.time import SECOND
from flowmesh_core.domain.workflow import Node
from tests.services.memory_cluster import MemoryCluster, Refusal, Replica, refusal, replica

if TYPE_CHECKING:
    from tests.services.orchestration.hand_owner import HandOwner

INVALID = grpc.StatusCode.INVALID_ARGUMENT
TWO = (Node("a", "h"), Node("b", "h", ("a",)))


async def _cancel(one: Replica, **fields: Any) -> int:
    request = json_format.ParseDict({"executionId": "e1"} | fields, pb.CancelExecutionRequest())
    return (await one.orchestration.CancelExecution(request)).state


async def _refused(one: Replica, **fields: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _cancel(one, **fields)
    return refusal(caught.value)


async def test_the_answer_is_the_decision(cluster: MemoryCluster, owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(*TWO)
    await owner.start(key, "a")
    async with owner.deciding():
        state = await _cancel(one, reason="enough", grace="5s")
    history = await cluster.histories.read(key, after=0, limit=100)
    (requested,) = (event for event in history if isinstance(event, ExecutionCancelRequested))
    assert state == states.EXECUTION_STATE_CANCELLING
    assert requested.reason == "enough"
    assert requested.deadline - requested.at == 5 * SECOND


async def test_an_execution_that_runs_nothing_is_cancelled_at_once(owner: HandOwner, one: Replica) -> None:
    await owner.begin(*TWO)
    async with owner.deciding():
        assert await _cancel(one) == states.EXECUTION_STATE_CANCELLED


async def test_an_execution_that_nobody_has_begun(owner: HandOwner, one: Replica) -> None:
    await owner.accept(*TWO)
    async with owner.deciding():
        assert await _cancel(one) == states.EXECUTION_STATE_CANCELLED


async def test_closed_and_cancelling_executions_need_no_owner(owner: HandOwner, one: Replica) -> None:
    done = await owner.begin(Node("a", "h"), execution_id="done")
    await owner.complete(done, "a")
    running = await owner.begin(*TWO, execution_id="running")
    await owner.start(running, "a")
    async with owner.deciding():
        await _cancel(one, executionId="running")
    assert await _cancel(one, executionId="done") == states.EXECUTION_STATE_COMPLETED
    assert await _cancel(one, executionId="running") == states.EXECUTION_STATE_CANCELLING


async def test_lost_commands_are_sent_again(owner: HandOwner, one: Replica) -> None:
    await owner.begin(*TWO)
    async with owner.deciding(ignored=2):
        assert await _cancel(one) == states.EXECUTION_STATE_CANCELLED


async def test_without_an_owner_it_is_pending(cluster: MemoryCluster, owner: HandOwner) -> None:
    await owner.begin(*TWO)
    async with replica(cluster, patience=DecisionPatience(total=0.1, resend=0.03)) as serving:
        refused = await _refused(serving)
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DECISION_PENDING")
    assert refused.retry_after == 1.0


async def test_without_a_transport_it_is_pending(cluster: MemoryCluster, owner: HandOwner) -> None:
    await owner.begin(*TWO)
    async with replica(cluster, patience=DecisionPatience(total=0.1, resend=0.03)) as serving:
        cluster.transport.available = False
        assert (await _refused(serving)).reason == "DECISION_PENDING"


async def test_a_repeat_is_the_same_request(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(*TWO)
    await owner.start(key, "a")
    async with owner.deciding():
        first = await _cancel(one, requestId="r", reason="x")
        assert await _cancel(one, requestId="r", reason="x") == first


@pytest.mark.parametrize("change", [{"reason": "other"}, {"grace": "1s"}, {"executionId": "e2"}])
async def test_a_request_id_with_other_content(
    owner: HandOwner, one: Replica, change: dict[str, str]
) -> None:
    await owner.begin(*TWO)
    await owner.begin(*TWO, execution_id="e2")
    async with owner.deciding():
        await _cancel(one, requestId="r", reason="x")
        refused = await _refused(one, **({"requestId": "r", "reason": "x"} | change))
    assert (refused.code, refused.reason) == (INVALID, "IDEMPOTENCY_MISMATCH")


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"grace": "3601s"}, "grace", "OUT_OF_RANGE"),
        ({"grace": "-1s"}, "grace", "OUT_OF_RANGE"),
        ({"reason": "x" * 1_001}, "reason", "TOO_LONG"),
        ({"reason": "\0"}, "reason", "MALFORMED"),
        ({"requestId": "x" * 256}, "request_id", "TOO_LONG"),
        ({"executionId": ""}, "execution_id", "MALFORMED"),
    ],
)
async def test_a_field_that_is_wrong(
    owner: HandOwner, one: Replica, fields: dict[str, str], field: str, reason: str
) -> None:
    await owner.begin(*TWO)
    refused = await _refused(one, **fields)
    assert (refused.code, refused.reason, refused.fields) == (INVALID, "INVALID_REQUEST", {field: reason})


async def test_an_execution_that_is_not_there(one: Replica) -> None:
    refused = await _refused(one)
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "EXECUTION_NOT_FOUND")
