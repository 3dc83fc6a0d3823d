from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from flowmesh.v1 import event_pb2, execution_pb2
from flowmesh.v1 import orchestration_service_pb2 as pb
from flowmesh_core.application.resume_token import ResumeTokens
from flowmesh_core.application.watch_hub import WatchSettings
from flowmesh_core.domain.commands import StartExecution
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.workflow import Node
from tests.services.memory_cluster import MemoryCluster, Replica, refusal, replica

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.services.orchestration.hand_owner import HandOwner

    Call = grpc.aio.UnaryStreamCall[pb.WatchExecutionRequest, pb.WatchExecutionResponse]

NEVER = WatchSettings(poll=3_600)
"""Hints alone wake."""


@asynccontextmanager
async def _watching(one: Replica, **fields: Any) -> AsyncIterator[Call]:
    call = one.orchestration.WatchExecution(pb.WatchExecutionRequest(**({"execution_id": "e1"} | fields)))
    try:
        yield call
    finally:
        call.cancel()


async def _next(call: Call) -> pb.WatchExecutionResponse:
    message = await call.read()
    assert isinstance(message, pb.WatchExecutionResponse), "the stream ended"
    return message


async def _take(call: Call, count: int) -> list[pb.WatchExecutionResponse]:
    return [await _next(call) for _ in range(count)]


async def _rest(call: Call) -> list[pb.WatchExecutionResponse]:
    messages = []
    while isinstance(message := await call.read(), pb.WatchExecutionResponse):
        messages.append(message)
    return messages


def _kinds(messages: list[pb.WatchExecutionResponse]) -> list[str]:
    return [
        event_pb2.EventType.Name(message.event.type).removeprefix("EVENT_TYPE_")
        if message.HasField("event")
        else str(message.WhichOneof("message"))
        for message in messages
    ]


async def _refused(one: Replica, **fields: Any) -> Any:
    async with _watching(one, **fields) as call:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _rest(call)
    return refusal(caught.value)


async def test_from_before_it_began_to_its_end(owner: HandOwner, one: Replica) -> None:
    key = await owner.accept(Node("a", "h"), Node("b", "h", ("a",)))
    async with _watching(one) as call:
        snapshot = (await _next(call)).snapshot
        await owner.decide(StartExecution(key))
        await owner.start(key, "a")
        await owner.complete(key, "a", "b")
        rest = await _rest(call)
    assert snapshot.execution.state == execution_pb2.EXECUTION_STATE_PENDING
    assert {node.state for node in snapshot.nodes} == {execution_pb2.NODE_STATE_PENDING}
    assert _kinds(rest) == [
        "EXECUTION_STARTED",
        "NODE_SCHEDULED",
        "NODE_STARTED",
        "NODE_COMPLETED",
        "NODE_SCHEDULED",
        "NODE_COMPLETED",
        "EXECUTION_COMPLETED",
        "end",
    ]
    assert [message.event.sequence for message in rest[:-1]] == [1, 2, 3, 4, 5, 6, 7]
    assert rest[-1].end.execution.state == execution_pb2.EXECUTION_STATE_COMPLETED
    assert rest[-1].end.execution.last_sequence == 7


async def test_a_snapshot_and_what_follows_it(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(Node("a", "h"), Node("b", "h", ("a",)))
    async with _watching(one) as call:
        snapshot = (await _next(call)).snapshot
        await owner.complete(key, "a")
        first = await _next(call)
    assert snapshot.nodes[0].blocked_on == execution_pb2.BLOCKED_ON_NO_WORKER
    assert first.event.sequence == snapshot.execution.last_sequence + 1
    assert (first.event.type, first.event.node_id) == (event_pb2.EVENT_TYPE_NODE_COMPLETED, "a")


async def test_a_closed_execution_is_told_and_ended(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(Node("a", "h"))
    await owner.complete(key, "a")
    async with _watching(one) as call:
        assert _kinds(await _rest(call)) == ["snapshot", "end"]


async def test_any_replica_goes_on_after_any_message(
    cluster: MemoryCluster, owner: HandOwner, one: Replica
) -> None:
    key = await owner.accept(Node("a", "h"), Node("b", "h", ("a",)))
    async with _watching(one) as call:
        first = await _next(call)
        await owner.decide(StartExecution(key))
        await owner.complete(key, "a", "b")
        whole = [first, *await _rest(call)]
    async with replica(cluster, name="two") as other:
        for index, message in enumerate(whole):
            async with _watching(other, resume_token=message.resume_token) as call:
                rest = await _rest(call)
            assert rest == (whole[index + 1 :] or [message])  # after the end there is the end


async def test_outputs_only_on_request(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(Node("a", "h"))
    start = ResumeTokens(key).encode(0)
    await owner.complete(key, "a", output=Payload(b"1"))
    for wanted in (True, False):
        async with _watching(one, resume_token=start, include_payloads=wanted) as call:
            completed = (await _take(call, 3))[2].event
        assert completed.type == event_pb2.EVENT_TYPE_NODE_COMPLETED
        assert completed.HasField("output") is wanted


async def test_a_hint_wakes(cluster: MemoryCluster, owner: HandOwner) -> None:
    async with replica(cluster, watch=NEVER) as serving:
        key = await owner.begin(Node("a", "h"))
        async with _watching(serving) as call:
            await _next(call)
            await owner.complete(key, "a")
            assert _kinds(await _rest(call)) == ["NODE_COMPLETED", "EXECUTION_COMPLETED", "end"]


async def test_polling_finds_what_no_hint_told(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(Node("a", "h"))
    async with _watching(one) as call:
        await _next(call)
        await owner.complete(key, "a", hint=False)
        assert _kinds(await _rest(call)) == ["NODE_COMPLETED", "EXECUTION_COMPLETED", "end"]


async def test_a_broken_subscription_makes_it_look(cluster: MemoryCluster, owner: HandOwner) -> None:
    async with replica(cluster, watch=NEVER) as serving:
        key = await owner.begin(Node("a", "h"))
        async with _watching(serving) as call:
            await _next(call)
            await owner.complete(key, "a", hint=False)
            cluster.transport.interrupt()
            assert _kinds(await _rest(call)) == ["NODE_COMPLETED", "EXECUTION_COMPLETED", "end"]


async def test_bookmarks_while_nothing_happens(cluster: MemoryCluster, owner: HandOwner) -> None:
    key = await owner.begin(Node("a", "h"))
    async with replica(cluster, watch=WatchSettings(bookmark=0.05)) as serving:
        async with _watching(serving) as call:
            messages = await _take(call, 3)
        assert _kinds(messages) == ["snapshot", "bookmark", "bookmark"]
        await owner.complete(key, "a")
        async with _watching(serving, resume_token=messages[-1].resume_token) as call:
            assert _kinds(await _rest(call)) == ["NODE_COMPLETED", "EXECUTION_COMPLETED", "end"]


async def test_a_stream_ends_with_its_age(cluster: MemoryCluster, owner: HandOwner) -> None:
    key = await owner.begin(Node("a", "h"))
    async with replica(cluster, watch=WatchSettings(lifetime=0.05)) as serving:
        async with _watching(serving) as call:
            old = await _rest(call)
            assert await call.code() is grpc.StatusCode.OK
        assert "end" not in _kinds(old)
        await owner.complete(key, "a")
        async with _watching(serving, resume_token=old[-1].resume_token) as call:
            assert _kinds(await _rest(call))[-1] == "end"


async def test_a_replica_that_shuts_down_lets_go(cluster: MemoryCluster, owner: HandOwner) -> None:
    await owner.begin(Node("a", "h"))
    async with replica(cluster, watch=NEVER) as serving, _watching(serving) as call:
        await _next(call)
        await serving.drain()
        assert "end" not in _kinds(await _rest(call))
        assert await call.code() is grpc.StatusCode.OK


async def test_a_slow_reader_holds_nobody_up(owner: HandOwner, one: Replica) -> None:
    heavy = Payload(b'"' + b"x" * 50_000 + b'"')
    ids = [f"n{number}" for number in range(400)]
    key = await owner.begin(*(Node(each, "h") for each in ids))
    async with _watching(one, include_payloads=True) as slow, _watching(one) as quick:
        await _next(slow)
        await _next(quick)
        await owner.complete(key, *ids, output=heavy)
        assert _kinds(await _rest(quick))[-1] == "end"
        late = await _rest(slow)
    assert [message.event.sequence for message in late[:-1]] == list(range(402, 803))
    assert _kinds(late)[-1] == "end"


async def test_many_watchers_share_their_reads(
    cluster: MemoryCluster, owner: HandOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await owner.begin(Node("a", "h"))
    async with replica(cluster, watch=NEVER) as serving:
        calls = [
            serving.orchestration.WatchExecution(pb.WatchExecutionRequest(execution_id="e1"))
            for _ in range(20)
        ]
        await asyncio.gather(*map(_next, calls))
        reads = 0
        read = cluster.histories.read

        async def counted(key: ExecutionKey, *, after: int, limit: int) -> Any:
            nonlocal reads
            reads += 1
            return await read(key, after=after, limit=limit)

        monkeypatch.setattr(cluster.histories, "read", counted)
        await owner.complete(key, "a")
        ends = await asyncio.gather(*map(_rest, calls))
    assert all(_kinds(end)[-1] == "end" for end in ends)
    assert reads <= 4  # one for the events, and one fold of the view that all ends show


async def test_an_unknown_execution(one: Replica) -> None:
    refused = await _refused(one, execution_id="missing")
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "EXECUTION_NOT_FOUND")


async def test_a_token_from_the_future(owner: HandOwner, one: Replica) -> None:
    key = await owner.begin(Node("a", "h"))
    refused = await _refused(one, resume_token=ResumeTokens(key).encode(99))
    assert (refused.code, refused.reason) == (grpc.StatusCode.OUT_OF_RANGE, "RESUME_TOKEN_IN_FUTURE")
    assert refused.metadata == {"last_sequence": "2"}


@pytest.mark.parametrize(
    "token", ["x", "é", "AAAA", ResumeTokens(ExecutionKey("default", "other")).encode(1), "A" * 10_000]
)
async def test_a_token_that_is_not_of_this_execution(owner: HandOwner, one: Replica, token: str) -> None:
    await owner.begin(Node("a", "h"))
    refused = await _refused(one, resume_token=token)
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RESUME_TOKEN")


async def test_more_watchers_than_a_replica_serves(cluster: MemoryCluster, owner: HandOwner) -> None:
    await owner.begin(Node("a", "h"))
    async with replica(cluster, watch=WatchSettings(maximum_watchers=1)) as serving:
        async with _watching(serving) as call:
            await _next(call)
            refused = await _refused(serving)
            assert cluster.telemetry.levels["flowmesh.watchers.open"] == 1
        assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS")
        assert refused.retry_after == 1.0


async def test_watching_works_without_the_transport(
    cluster: MemoryCluster, owner: HandOwner, one: Replica
) -> None:
    key = await owner.begin(Node("a", "h"))
    await owner.complete(key, "a")
    cluster.transport.available = False
    async with _watching(one) as call:
        assert _kinds(await _rest(call)) == ["snapshot", "end"]
