from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from flowmesh.v1 import payload_pb2, task_pb2
from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh_core.domain.commands import AcknowledgeTaskCancel, CompleteTask, FailTask, LoseTask
from flowmesh_core.domain.payload import NULL, Payload
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.transition import Verdict
from tests.services.memory_cluster import refusal
from tests.services.worker_control.worker_control_world import gateway_server, task

if TYPE_CHECKING:
    from tests.services.worker_control.worker_control_world import Server, World

SOON = Duration(nanos=1)


def poll(**fields: Any) -> pb.PollTasksRequest:
    return pb.PollTasksRequest(worker_id="p1", handlers=["work"], **fields)


async def polled(server: Server) -> task_pb2.Task:
    response = await server.stub.PollTasks(poll())
    [found] = response.tasks
    return found


async def test_a_poll_gets_what_is_there_up_to_its_maximum(world: World, server: Server) -> None:
    await world.queue(*(task(f"n{number}") for number in range(5)))
    response = await server.stub.PollTasks(poll(maximum_tasks=3))
    assert [each.node_id for each in response.tasks] == ["n0", "n1", "n2"]
    assert response.lease_ttl.seconds == 30
    assert len((await server.stub.PollTasks(poll())).tasks) == 1
    assert world.waiting == 1


async def test_a_poll_waits_for_the_first_task(world: World, server: Server) -> None:
    waiting = asyncio.ensure_future(server.stub.PollTasks(poll(maximum_tasks=10)))
    await (await server.connect().hello(worker_id="other", handlers=["elsewhere"])).beat()
    await world.queue(task())
    assert [each.node_id for each in (await waiting).tasks] == ["a"]


async def test_a_poll_ends_empty(server: Server) -> None:
    assert not (await server.stub.PollTasks(poll(wait=SOON))).tasks


async def test_streams_and_polls_drain_one_queue_in_one_order(world: World, server: Server) -> None:
    await world.queue(task("a"), task("b"))
    worker = await server.connect().hello(credits=1)
    [first] = await worker.tasks(1)
    second = await polled(server)
    assert (first.node_id, second.node_id) == ("a", "b")


async def test_an_abandoned_poll_holds_nothing(world: World, server: Server) -> None:
    waiting = server.stub.PollTasks(poll(maximum_tasks=10))
    worker = await server.connect().hello(worker_id="other", handlers=["elsewhere"])
    await worker.beat()
    waiting.cancel()
    await worker.beat()
    await worker.beat()
    await world.queue(task())
    assert (await polled(server)).node_id == "a"


async def test_a_completion_returns_after_the_decision(world: World, server: Server) -> None:
    await world.queue(task("a"), task("b"))
    token = (await polled(server)).task_token
    output = payload_pb2.Payload()
    output.json.struct_value["n"] = 3
    await server.stub.CompleteTask(pb.CompleteTaskRequest(task_token=token, output=output))
    command = await world.command(CompleteTask)
    assert isinstance(command, CompleteTask)
    assert (command.output, command.worker_id) == (Payload(b'{"n":3}'), "p1")
    await server.stub.CompleteTask(pb.CompleteTaskRequest(task_token=(await polled(server)).task_token))
    command = await world.command(CompleteTask, 2)
    assert isinstance(command, CompleteTask)
    assert command.output == NULL
    assert world.pending == {}


async def test_every_other_outcome_becomes_its_command(world: World, server: Server) -> None:
    await world.queue(task("a"), task("b"), task("c"))
    tokens = [each.task_token for each in (await server.stub.PollTasks(poll(maximum_tasks=3))).tasks]
    failure = task_pb2.TaskFailure()
    failure.failure.error_type = "Boom"
    await server.stub.FailTask(pb.FailTaskRequest(task_token=tokens[0], failure=failure))
    cancellation = task_pb2.TaskCancellation()
    await server.stub.FailTask(pb.FailTaskRequest(task_token=tokens[1], cancellation=cancellation))
    returned = pb.FailTaskRequest(task_token=tokens[2])
    getattr(returned, "yield").SetInParent()
    await server.stub.FailTask(returned)
    assert [type(c) for c in world.commands] == [FailTask, AcknowledgeTaskCancel, LoseTask]


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.SUPERSEDED, "TASK_SUPERSEDED"),
        (Verdict.CLOSED, "EXECUTION_CLOSED"),
        (Verdict.UNKNOWN, "EXECUTION_CLOSED"),
    ],
)
async def test_what_the_owner_refuses_is_an_error(
    world: World, server: Server, verdict: Verdict, reason: str
) -> None:
    world.decide = lambda _command: verdict
    await world.queue(task())
    token = (await polled(server)).task_token
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.stub.CompleteTask(pb.CompleteTaskRequest(task_token=token))
    found = refusal(raised.value)
    assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)


async def test_without_a_decision_the_caller_is_asked_to_repeat(world: World) -> None:
    world.decide = lambda _command: None
    async with gateway_server(world, decision_wait=0.05) as server:
        await world.queue(task())
        token = (await polled(server)).task_token
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await server.stub.CompleteTask(pb.CompleteTaskRequest(task_token=token))
        found = refusal(raised.value)
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "DECISION_PENDING")
        assert found.retry_after == 1.0


async def test_any_gateway_takes_a_report(world: World) -> None:
    async with (
        gateway_server(world, "gateway-1", lease_ttl=0.5) as one,
        gateway_server(world, "gateway-2") as two,
    ):
        await world.queue(task())
        token = (await polled(one)).task_token
        await two.stub.CompleteTask(pb.CompleteTaskRequest(task_token=token))
        assert world.pending == {}
        lost = (await one.stub.HeartbeatTasks(beats(token))).lost_task_tokens
        assert list(lost) == [token], "the gateway that handed it out let go of it"
        assert world.envelopes[-1].queue_entry is not None


def beats(*tokens: bytes) -> pb.HeartbeatTasksRequest:
    return pb.HeartbeatTasksRequest(heartbeats=[task_pb2.Heartbeat(task_token=token) for token in tokens])


async def test_heartbeats_tell_what_became_of_tasks(world: World, server: Server) -> None:
    await world.queue(task("a"), task("b"))
    kept, cancelled = [t.task_token for t in (await server.stub.PollTasks(poll(maximum_tasks=2))).tasks]
    await world.cancel("gateway-1", task("b"))
    answer = await server.stub.HeartbeatTasks(beats(kept, cancelled, b"forged"))
    assert list(answer.lost_task_tokens) == [b"forged"]
    assert list(answer.cancelled_task_tokens) == [cancelled]


async def test_heartbeats_find_the_gateway_that_holds_the_task(world: World) -> None:
    async with gateway_server(world, "gateway-1") as one, gateway_server(world, "gateway-2") as two:
        await world.queue(task("a"), task("b"), task("c"))
        tokens = [t.task_token for t in (await one.stub.PollTasks(poll(maximum_tasks=3))).tasks]
        await one.stub.CompleteTask(pb.CompleteTaskRequest(task_token=tokens[2]))
        await world.cancel("gateway-1", task("b"))
        answer = await two.stub.HeartbeatTasks(beats(*tokens))
        assert list(answer.cancelled_task_tokens) == [tokens[1]]
        assert list(answer.lost_task_tokens) == [tokens[2]]


async def test_a_gateway_that_does_not_answer_is_no_reason_to_stop(world: World) -> None:
    async with gateway_server(world, "gateway-1") as one:
        await world.queue(task())
        token = (await polled(one)).task_token
    async with gateway_server(world, "gateway-2", forward_wait=0.05) as two:
        answer = await two.stub.HeartbeatTasks(beats(token))
        assert not answer.lost_task_tokens
        assert not answer.cancelled_task_tokens


async def test_a_polled_task_is_lost_without_another_call_about_it(world: World) -> None:
    async with gateway_server(world, lease_ttl=0.6) as server:
        await world.queue(task("a"), task("b"))
        kept, _ = [t.task_token for t in (await server.stub.PollTasks(poll(maximum_tasks=2))).tasks]
        lost = asyncio.ensure_future(world.command(LoseTask))
        while not lost.done():
            assert not (await server.stub.HeartbeatTasks(beats(kept))).lost_task_tokens
            await asyncio.wait({lost}, timeout=0.1)
        assert await lost == LoseTask(task().key, "b", 1, LostCause.WORKER_LOST)


async def test_a_handler_that_stops_beating_times_out(world: World, server: Server) -> None:
    await world.queue(task(heartbeat=Micros(SECOND // 4)))
    found = await polled(server)
    assert found.heartbeat_timeout.ToMilliseconds() == 250
    command = await world.command(FailTask)
    assert isinstance(command, FailTask)
    assert command.failure.error_type == "HeartbeatTimeout"


async def test_connected_workers_are_listed_page_by_page(server: Server) -> None:
    for name in ("w3", "w1", "w2"):
        await server.connect().hello(worker_id=name, labels={"host": name}, slots=7)
    await server.stub.PollTasks(poll(wait=SOON))
    async with asyncio.timeout(10):
        while len((await server.stub.ListWorkers(pb.ListWorkersRequest())).workers) < 4:
            pass
    first = await server.stub.ListWorkers(pb.ListWorkersRequest(page_size=3))
    assert [worker.worker_id for worker in first.workers] == ["p1", "w1", "w2"]
    assert dict(first.workers[1].labels) == {"host": "w1"}
    assert (first.workers[1].slots, list(first.workers[1].handlers)) == (7, ["work"])
    second = await server.stub.ListWorkers(
        pb.ListWorkersRequest(page_size=3, page_token=first.next_page_token)
    )
    assert [worker.worker_id for worker in second.workers] == ["w3"]
    assert second.next_page_token == ""
    assert not (await server.stub.ListWorkers(pb.ListWorkersRequest(namespace="other"))).workers
