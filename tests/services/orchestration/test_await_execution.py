from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from flowmesh.v1 import execution_pb2
from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh_core.application.watch_hub import WatchSettings
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.workflow import Node
from tests.services.memory_cluster import MemoryCluster, Replica, refusal, replica

if TYPE_CHECKING:
    from tests.services.orchestration.hand_owner import HandOwner

    Call = grpc.aio.UnaryStreamCall[pb.WatchExecutionRequest, pb.WatchExecutionResponse]

HINTS_ALONE = WatchSettings(poll=3_600)
RESTLESS = WatchSettings(poll=0.01, bookmark=0.01)


def _await(one: Replica, **fields: Any) -> Call:
    request: dict[str, Any] = {"execution_id": "e1", "mode": pb.WATCH_MODE_TERMINAL_ONLY}
    return one.orchestration.WatchExecution(pb.WatchExecutionRequest(**(request | fields)))


async def _rest(call: Call) -> list[pb.WatchExecutionResponse]:
    messages = []
    while isinstance(message := await call.read(), pb.WatchExecutionResponse):
        messages.append(message)
    return messages


@pytest.mark.parametrize("settings", [HINTS_ALONE, RESTLESS], ids=["hints", "polling"])
async def test_the_end_comes_with_what_the_sinks_returned(
    cluster: MemoryCluster, owner: HandOwner, settings: WatchSettings
) -> None:
    key = await owner.begin(Node("a", "h"), Node("b", "h", ("a",)), Node("c", "h"))
    async with replica(cluster, name="two", watch=settings) as one:
        call = _await(one, include_payloads=True)
        await owner.complete(key, "a", "b", "c", output=Payload(b"1"))
        *before, last = await _rest(call)
    assert {message.WhichOneof("message") for message in before} <= {"bookmark"}
    assert last.end.execution.state == execution_pb2.EXECUTION_STATE_COMPLETED
    assert last.end.execution.last_sequence == 8
    assert [(node.node_id, node.output.data) for node in last.end.results] == [("b", b"1"), ("c", b"1")]


async def test_a_waiting_stream_shows_signs_of_life(cluster: MemoryCluster, owner: HandOwner) -> None:
    await owner.begin(Node("a", "h"))
    async with replica(cluster, name="two", watch=RESTLESS) as one:
        call = _await(one)
        message = await call.read()
        call.cancel()
    assert isinstance(message, pb.WatchExecutionResponse)
    assert message.WhichOneof("message") == "bookmark"
    assert message.resume_token == ""


async def test_a_closed_execution_ends_at_once(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(Node("a", "h"))
    await owner.complete(key, "a")
    (message,) = await _rest(_await(one))
    assert [node.node_id for node in message.end.results] == ["a"]
    assert not message.end.results[0].HasField("output")


async def test_a_draining_replica_ends_the_stream(cluster: MemoryCluster, owner: HandOwner) -> None:
    await owner.begin(Node("a", "h"))
    async with replica(cluster, name="two", watch=WatchSettings(poll=0.01, bookmark=0.2)) as one:
        call = _await(one)
        assert isinstance(await call.read(), pb.WatchExecutionResponse)
        await one.drain()
        assert {message.WhichOneof("message") for message in await _rest(call)} <= {"bookmark"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"execution_id": "none"}, "EXECUTION_NOT_FOUND"), ({"mode": 99}, "INVALID_REQUEST")],
    ids=["unknown execution", "unknown mode"],
)
async def test_what_cannot_be_awaited_is_refused(one: Replica, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _rest(_await(one, **fields))
    assert refusal(caught.value).reason == reason
