from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from flowmesh.v1 import payload_pb2, task_pb2
from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh_core.domain.commands import CompleteTask
from tests.services.memory_cluster import refusal
from tests.services.worker_control.worker_control_world import completion, gateway_server, task

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.services.worker_control.worker_control_world import Server, World

REJECTED = task_pb2.REPORT_STATUS_REJECTED
HELLO: dict[str, Any] = {"worker_id": "w1", "handlers": ["work"], "slots": 1, "protocol_versions": [1]}


async def stream_refusal(server: Server, *frames: pb.ConnectRequest) -> tuple[str, str, dict[str, str]]:
    worker = server.connect()
    for frame in frames:
        await worker.call.write(frame)
    error = await worker.end()
    assert error is not None
    found = refusal(error)
    return found.code.name, found.reason, dict(found.fields)


@pytest.mark.parametrize(
    ("fields", "violations"),
    [
        ({"worker_id": ""}, {"worker_id": "REQUIRED"}),
        ({"worker_id": "x" * 256}, {"worker_id": "TOO_LONG"}),
        ({"worker_id": "a\0b"}, {"worker_id": "MALFORMED"}),
        ({"namespace": "../etc"}, {"namespace": "MALFORMED"}),
        ({"handlers": []}, {"handlers": "REQUIRED"}),
        ({"handlers": ["ok", "no good"]}, {"handlers[1]": "MALFORMED"}),
        ({"handlers": ["h"] * 10_001}, {"handlers": "TOO_MANY"}),
        ({"slots": 0}, {"slots": "OUT_OF_RANGE"}),
        ({"labels": {"": "x"}}, {"labels['']": "REQUIRED"}),
        ({"slots": -1, "worker_id": ""}, {"slots": "OUT_OF_RANGE", "worker_id": "REQUIRED"}),
    ],
)
async def test_a_malformed_hello(server: Server, fields: dict[str, Any], violations: dict[str, str]) -> None:
    frame = pb.ConnectRequest(hello=pb.Hello(**(HELLO | fields)))
    assert await stream_refusal(server, frame) == ("INVALID_ARGUMENT", "INVALID_REQUEST", violations)


@pytest.mark.parametrize("versions", [[], [2, 3]])
async def test_a_protocol_that_nobody_speaks(server: Server, versions: list[int]) -> None:
    frame = pb.ConnectRequest(hello=pb.Hello(**(HELLO | {"protocol_versions": versions})))
    assert await stream_refusal(server, frame) == ("FAILED_PRECONDITION", "UNSUPPORTED_PROTOCOL", {})


async def test_a_stream_that_does_not_begin_with_hello(server: Server) -> None:
    frame = pb.ConnectRequest(beat=pb.Beat())
    assert await stream_refusal(server, frame) == (
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        {"frame": "REQUIRED"},
    )


async def test_a_stream_that_says_nothing(world: World) -> None:
    async with gateway_server(world, lease_ttl=0.05) as server:
        assert await stream_refusal(server) == ("DEADLINE_EXCEEDED", "WORKER_SILENT", {})


@pytest.mark.parametrize(
    ("frame", "violations"),
    [
        (pb.ConnectRequest(hello=pb.Hello(**HELLO)), {"frame": "MALFORMED"}),
        (pb.ConnectRequest(), {"frame": "REQUIRED"}),
        (pb.ConnectRequest(credit_grant=pb.CreditGrant()), {"credit_grant.credits": "OUT_OF_RANGE"}),
        (
            pb.ConnectRequest(reports=pb.TaskReports(reports=[completion(b"x")] * 1_001)),
            {"reports.reports": "TOO_MANY"},
        ),
    ],
)
async def test_a_malformed_frame(
    server: Server, frame: pb.ConnectRequest, violations: dict[str, str]
) -> None:
    found = await stream_refusal(server, pb.ConnectRequest(hello=pb.Hello(**HELLO)), frame)
    assert found == ("INVALID_ARGUMENT", "INVALID_REQUEST", violations)


def nan() -> payload_pb2.Payload:
    payload = payload_pb2.Payload()
    payload.json.number_value = math.nan
    return payload


BAD_OUTPUTS = [
    (payload_pb2.Payload(data=b"{'a': 1}"), "OUTPUT_NOT_JSON"),
    (payload_pb2.Payload(data=b""), "OUTPUT_NOT_JSON"),
    (payload_pb2.Payload(data=b"NaN"), "OUTPUT_NOT_JSON"),
    (payload_pb2.Payload(data=b"\xff\xfe"), "OUTPUT_NOT_JSON"),
    (payload_pb2.Payload(data=b"[" * 500 + b"]" * 500), "OUTPUT_NOT_JSON"),
    (nan(), "OUTPUT_NOT_JSON"),
    (payload_pb2.Payload(data=b"1" * 1025), "OUTPUT_TOO_LARGE"),
    (payload_pb2.Payload(data=b"x" * 1025, content_type="image/png"), "OUTPUT_TOO_LARGE"),
]


@pytest.mark.parametrize(("output", "reason"), BAD_OUTPUTS)
async def test_a_wrong_output_is_rejected_and_the_task_stays_held(
    world: World, output: payload_pb2.Payload, reason: str
) -> None:
    async with gateway_server(world, maximum_output_bytes=1024) as server:
        await world.queue(task())
        worker = await server.connect().hello(credits=1)
        assert worker.welcome.maximum_output_bytes == 1024
        [assigned] = await worker.tasks(1)
        report = task_pb2.TaskReport(
            task_token=assigned.task_token, completion=task_pb2.TaskCompletion(output=output)
        )
        await worker.send(reports=pb.TaskReports(reports=[report]))
        result = (await worker.results(1))[assigned.task_token]
        assert (result.status, result.reason) == (REJECTED, reason)
        assert result.message
        assert not (await worker.beat(assigned.task_token)).lost_task_tokens
        assert not [command for command in world.commands if isinstance(command, CompleteTask)]
        await worker.complete(assigned.task_token)
        assert (await worker.results(1))[assigned.task_token].status == task_pb2.REPORT_STATUS_ACCEPTED


@pytest.mark.parametrize(("output", "reason"), BAD_OUTPUTS)
async def test_a_wrong_output_of_a_unary_completion(
    world: World, output: payload_pb2.Payload, reason: str
) -> None:
    async with gateway_server(world, maximum_output_bytes=1024) as server:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await server.stub.CompleteTask(pb.CompleteTaskRequest(task_token=b"x", output=output))
        found = refusal(raised.value)
        assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


async def test_reports_about_tasks_that_never_were(server: Server) -> None:
    worker = await server.connect().hello()
    await worker.complete(b"", b"forged")
    results = await worker.results(2)
    assert {(r.status, r.reason) for r in results.values()} == {(REJECTED, "INVALID_TASK_TOKEN")}
    assert list((await worker.beat(b"forged")).lost_task_tokens) == [b"forged"]


async def test_a_report_without_an_outcome_is_rejected(world: World, server: Server) -> None:
    await world.queue(task())
    worker = await server.connect().hello(credits=1)
    [assigned] = await worker.tasks(1)
    await worker.send(reports=pb.TaskReports(reports=[task_pb2.TaskReport(task_token=assigned.task_token)]))
    result = (await worker.results(1))[assigned.task_token]
    assert (result.status, result.reason) == (REJECTED, "INVALID_REQUEST")
    assert not (await worker.beat(assigned.task_token)).lost_task_tokens


async def test_a_token_of_another_cluster_or_altered_is_invalid(world: World, server: Server) -> None:
    await world.queue(task())
    worker = await server.connect().hello(credits=1)
    token = (await worker.tasks(1))[0].task_token
    for forged in (token[:-1], token[:-1] + b"x", b"\x02" + token[1:], token + b"\0", b"\x01"):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await server.stub.CompleteTask(pb.CompleteTaskRequest(task_token=forged))
        found = refusal(raised.value)
        assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TASK_TOKEN")


UNARY: list[tuple[str, Message, dict[str, str]]] = [
    ("PollTasks", pb.PollTasksRequest(handlers=["h"]), {"worker_id": "REQUIRED"}),
    ("PollTasks", pb.PollTasksRequest(worker_id="p"), {"handlers": "REQUIRED"}),
    (
        "PollTasks",
        pb.PollTasksRequest(worker_id="p", all_handlers=True, maximum_tasks=1_001),
        {"maximum_tasks": "OUT_OF_RANGE"},
    ),
    (
        "PollTasks",
        pb.PollTasksRequest(worker_id="p", all_handlers=True, wait={"seconds": 61}),
        {"wait": "OUT_OF_RANGE"},
    ),
    ("FailTask", pb.FailTaskRequest(task_token=b"x"), {"outcome": "REQUIRED"}),
    (
        "HeartbeatTasks",
        pb.HeartbeatTasksRequest(heartbeats=[task_pb2.Heartbeat()] * 1_001),
        {"heartbeats": "TOO_MANY"},
    ),
    ("ListWorkers", pb.ListWorkersRequest(page_size=-1), {"page_size": "OUT_OF_RANGE"}),
    ("ListWorkers", pb.ListWorkersRequest(page_token="x"), {"page_token": "INVALID_PAGE_TOKEN"}),
    ("ListWorkers", pb.ListWorkersRequest(namespace="a/b"), {"namespace": "MALFORMED"}),
]


@pytest.mark.parametrize(("method", "request_", "violations"), UNARY)
async def test_a_malformed_unary_request(
    server: Server, method: str, request_: Message, violations: dict[str, str]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await getattr(server.stub, method)(request_)
    found = refusal(raised.value)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert dict(found.fields) == violations


async def test_a_negative_retry_delay_is_refused(server: Server) -> None:
    failure = task_pb2.TaskFailure()
    failure.next_retry_delay.FromSeconds(-1)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.stub.FailTask(pb.FailTaskRequest(task_token=b"x", failure=failure))
    assert dict(refusal(raised.value).fields) == {"failure.next_retry_delay": "OUT_OF_RANGE"}
