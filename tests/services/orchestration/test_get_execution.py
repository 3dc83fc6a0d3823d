from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from flowmesh.v1 import execution_pb2 as states
from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.workflow import Node
from flowmesh_core.ports.worker_registry import ConnectedWorker
from tests.services.memory_cluster import MemoryCluster, Replica, refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from flowmesh_core.domain.events import Event
    from flowmesh_core.domain.identity import ExecutionKey
    from tests.services.orchestration.hand_owner import HandOwner

DIAMOND = (
    Node("a", "left"),
    Node("b", "left", ("a",)),
    Node("c", "right", ("a",)),
    Node("d", "right", ("b", "c")),
)


async def _get(one: Replica, *, nodes: bool = True, payloads: bool = False) -> pb.GetExecutionResponse:
    return await one.orchestration.GetExecution(
        pb.GetExecutionRequest(execution_id="e1", include_nodes=nodes, include_payloads=payloads)
    )


def _states(answer: pb.GetExecutionResponse) -> dict[str, str]:
    return {
        node.node_id: states.NodeState.Name(node.state).removeprefix("NODE_STATE_") for node in answer.nodes
    }


async def test_an_execution_that_nobody_has_begun(owner: HandOwner, one: Replica) -> None:
    await owner.accept(*DIAMOND, labels={"team": "x"})
    answer = await _get(one)
    assert answer.execution.state == states.EXECUTION_STATE_PENDING
    assert dict(answer.execution.labels) == {"team": "x"}
    assert not answer.execution.HasField("start_time")
    assert _states(answer) == dict.fromkeys("abcd", "PENDING")
    assert {node.blocked_on for node in answer.nodes} == {states.BLOCKED_ON_UNSPECIFIED}


async def test_it_follows_the_history(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(*DIAMOND)
    before = await _get(one)
    await owner.start(key, "a")
    await owner.complete(key, "a", output=Payload(b'{"n":1}'))
    after = await _get(one, payloads=True)
    assert _states(before) == {"a": "SCHEDULED", "b": "PENDING", "c": "PENDING", "d": "PENDING"}
    assert _states(after) == {"a": "COMPLETED", "b": "SCHEDULED", "c": "SCHEDULED", "d": "PENDING"}
    assert after.execution.last_sequence > before.execution.last_sequence
    assert {each.state: each.count for each in after.execution.node_counts} == {
        states.NODE_STATE_COMPLETED: 1,
        states.NODE_STATE_SCHEDULED: 2,
        states.NODE_STATE_PENDING: 1,
    }
    assert after.nodes[0].output.data == b'{"n":1}'
    assert after.nodes[0].worker_id == "worker"
    assert list(after.nodes[3].dependencies) == ["b", "c"]


async def test_a_repeat_reads_only_what_is_new(
    cluster: MemoryCluster, owner: HandOwner, one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    read, read_many = cluster.histories.read, cluster.histories.read_many

    async def recorded(key: ExecutionKey, *, after: int, limit: int) -> Sequence[Event]:
        begun.append(after)
        return await read(key, after=after, limit=limit)

    async def recorded_whole(keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, Sequence[Event]]:
        begun.extend(0 for _ in keys)
        return await read_many(keys)

    monkeypatch.setattr(cluster.histories, "read", recorded)
    monkeypatch.setattr(cluster.histories, "read_many", recorded_whole)
    key = await owner.begin(Node("a", "h"))
    for _ in range(2):
        await _get(one)
    await owner.complete(key, "a")
    for _ in range(3):
        assert (await _get(one)).execution.state == states.EXECUTION_STATE_COMPLETED
    assert begun == [0, 2, 2]


async def test_payloads_and_nodes_only_on_request(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(*DIAMOND)
    await owner.complete(key, "a", output=Payload(b"1"))
    assert not (await _get(one, nodes=False)).nodes
    assert not (await _get(one)).nodes[0].HasField("output")
    assert (await _get(one, nodes=False, payloads=True)).nodes[0].output.data == b"1"


async def test_what_live_nodes_wait_for(cluster: MemoryCluster, owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(*DIAMOND)
    await owner.complete(key, "a")
    now = cluster.clock.now()
    worker = ConnectedWorker("default", "w", ("right",), False, 1, 0, now, now)
    await cluster.workers.publish("gateway", [worker], 3_600)
    waits = {node.node_id: node.blocked_on for node in (await _get(one)).nodes}
    assert waits == {
        "a": states.BLOCKED_ON_UNSPECIFIED,
        "b": states.BLOCKED_ON_NO_WORKER,
        "c": states.BLOCKED_ON_WORKER_SLOT,
        "d": states.BLOCKED_ON_PARENTS,
    }


async def test_a_node_that_waits_for_its_next_attempt(owner: HandOwner, one: Replica) -> None:
    policy = RetryPolicy(initial_interval=Micros(60 * SECOND), jitter=Jitter.NONE)
    key = await owner.begin(Node("a", "h", retry_policy=policy))
    await owner.fail(key, "a")
    (node,) = (await _get(one)).nodes
    assert (node.state, node.blocked_on) == (states.NODE_STATE_SCHEDULED, states.BLOCKED_ON_RETRY_BACKOFF)
    assert (node.failure.error_type, node.failure.message) == ("Boom", "it broke")
    assert node.HasField("next_attempt_time")


async def test_a_failed_execution_says_why(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(
        Node("a", "h", retry_policy=RetryPolicy(maximum_attempts=1)), Node("b", "h", ("a",))
    )
    await owner.fail(key, "a")
    answer = await _get(one)
    assert answer.execution.state == states.EXECUTION_STATE_FAILED
    assert (answer.execution.failure.error_type, answer.execution.failure.node_id) == ("Boom", "a")
    assert answer.execution.HasField("close_time")
    assert _states(answer) == {"a": "FAILED", "b": "UPSTREAM_FAILED"}


async def test_the_state_is_told_while_the_registry_is_down(
    cluster: MemoryCluster, owner: HandOwner, one: Replica
) -> None:
    await owner.begin(Node("a", "h"))
    cluster.transport.available = False
    assert _states(await _get(one)) == {"a": "SCHEDULED"}
    assert cluster.telemetry.counts["flowmesh.outages.worker_registry"] == 1


@pytest.mark.parametrize(
    "fields", [{"execution_id": "missing"}, {"execution_id": "e1", "namespace": "other"}]
)
async def test_an_execution_that_is_not_there(owner: HandOwner, one: Replica, fields: dict[str, Any]) -> None:
    await owner.begin(Node("a", "h"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.orchestration.GetExecution(pb.GetExecutionRequest(**fields))
    refused = refusal(caught.value)
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "EXECUTION_NOT_FOUND")
    assert refused.metadata == {"namespace": "default"} | fields


@pytest.mark.parametrize("execution_id", ["", "../e1", "e" * 256])
async def test_an_id_that_no_execution_can_have(one: Replica, execution_id: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one.orchestration.GetExecution(pb.GetExecutionRequest(execution_id=execution_id))
    refused = refusal(caught.value)
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert refused.fields == {"execution_id": "MALFORMED"}
