"""Reports that are wrong get the exact words, and the task they are about is not lost by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from flowmesh.v1 import failure_pb2, payload_pb2, task_pb2
from flowmesh.v1 import orchestration_service_pb2 as orchestration_pb
from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh.v1.execution_pb2 import EXECUTION_STATE_CANCELLED, EXECUTION_STATE_COMPLETED
from tests.acceptance.calls import Calls, Refused, calling, exact, node, refused, undisturbed, workflow

MIB = 1024 * 1024
UNKNOWN = Refused("INVALID_ARGUMENT", "INVALID_TASK_TOKEN")
NOT_JSON = Refused("INVALID_ARGUMENT", "OUTPUT_NOT_JSON")
TOO_LARGE = Refused("INVALID_ARGUMENT", "OUTPUT_TOO_LARGE")
CLOSED = Refused("FAILED_PRECONDITION", "EXECUTION_CLOSED")


@pytest.fixture(scope="module")
def calls(address: str) -> Iterator[Calls]:
    with calling(address) as connected, undisturbed(connected):
        yield connected


@pytest.fixture
def task(calls: Calls) -> Iterator[task_pb2.Task]:
    """A task that is held, and whose success still counts after the test."""
    execution_id = calls.submit(workflow(node()))
    held = calls.take()
    assert held.execution_id == execution_id
    yield held
    calls.complete(held.task_token)
    assert calls.execution(execution_id).state == EXECUTION_STATE_COMPLETED


def completed(calls: Calls, token: bytes, output: payload_pb2.Payload) -> Refused:
    request = pb.CompleteTaskRequest(task_token=token, output=output)
    return refused(calls.workers.CompleteTask, request)


@pytest.mark.parametrize(
    "forge",
    [
        lambda _token: b"forged",
        lambda _token: b"",
        lambda token: token[:-1] + bytes([token[-1] ^ 1]),
        lambda token: bytes([token[0] ^ 1]) + token[1:],
        lambda token: token[:20],
        lambda token: token + b"\0",
        lambda _token: b"x" * MIB,
    ],
    ids=["made up", "empty", "last byte", "first byte", "cut off", "longer", "endless"],
)
def test_a_forged_token(calls: Calls, task: task_pb2.Task, forge: Callable[[bytes], bytes]) -> None:
    token = forge(task.task_token)
    assert completed(calls, token, exact(b"1")) == UNKNOWN
    failure = pb.FailTaskRequest(task_token=token, failure=task_pb2.TaskFailure())
    assert refused(calls.workers.FailTask, failure) == UNKNOWN
    beats = pb.HeartbeatTasksRequest(heartbeats=[task_pb2.Heartbeat(task_token=token)])
    assert list(calls.workers.HeartbeatTasks(beats, timeout=20).lost_task_tokens) == [token]


@pytest.mark.parametrize(
    "output",
    [b'{"a":', b"", b"NaN", b'{"a": -Infinity}', b'"\xff"', b'"\\ud800"', b"1e999", b"{} x", b"[" * 100_000],
    ids=lambda data: repr(data[:16]),
)
def test_an_output_that_is_not_json(calls: Calls, task: task_pb2.Task, output: bytes) -> None:
    assert completed(calls, task.task_token, exact(output)) == NOT_JSON


@pytest.mark.parametrize(
    "output",
    [
        exact(b'"' + b"x" * (2 * MIB) + b'"'),
        exact(b'"' + b"x" * (100 * MIB) + b'"'),
        payload_pb2.Payload(data=b"1", metadata={str(n): "x" * MIB for n in range(3)}),
        payload_pb2.Payload(data=b"1", content_type="x" * (3 * MIB)),
    ],
    ids=["a little", "100 MB", "in its remarks", "in its content type"],
)
def test_an_output_over_the_limit(calls: Calls, task: task_pb2.Task, output: payload_pb2.Payload) -> None:
    assert completed(calls, task.task_token, output) == TOO_LARGE


def test_a_message_over_what_the_server_takes(calls: Calls, task: task_pb2.Task) -> None:
    request = pb.CompleteTaskRequest(task_token=task.task_token, output=exact(b"x" * (128 * MIB)))
    with pytest.raises(grpc.RpcError) as caught:
        calls.workers.CompleteTask(request, timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("outcome", "fields"),
    [
        ({}, {"outcome": "REQUIRED"}),
        (
            {"failure": task_pb2.TaskFailure(next_retry_delay=Duration(seconds=-1))},
            {"failure.next_retry_delay": "OUT_OF_RANGE"},
        ),
        (
            {"failure": task_pb2.TaskFailure(next_retry_delay=Duration(seconds=2**62))},
            {"failure.next_retry_delay": "OUT_OF_RANGE"},
        ),
        (
            {
                "failure": task_pb2.TaskFailure(
                    failure=failure_pb2.Failure(details=exact(b"x" * (3 * MIB))),
                )
            },
            {"failure.failure.details": "TOO_LONG"},
        ),
    ],
    ids=["none", "negative delay", "endless delay", "large details"],
)
def test_a_failure_that_is_malformed(
    calls: Calls, task: task_pb2.Task, outcome: dict[str, Any], fields: dict[str, str]
) -> None:
    request = pb.FailTaskRequest(task_token=task.task_token, **outcome)
    found = refused(calls.workers.FailTask, request)
    assert found == Refused("INVALID_ARGUMENT", "INVALID_REQUEST", fields)


def test_an_endless_failure_is_cut_and_counts(calls: Calls) -> None:
    execution_id = calls.submit(workflow(node()))
    failure = failure_pb2.Failure(error_type="e" * MIB, message="m" * 20 * MIB, source=99)  # type: ignore[arg-type]
    report = task_pb2.TaskFailure(failure=failure, non_retryable=True)
    calls.workers.FailTask(pb.FailTaskRequest(task_token=calls.take().task_token, failure=report), timeout=20)

    kept = calls.execution(execution_id).failure
    assert (len(kept.error_type), len(kept.message)) == (255, 65_536)
    assert kept.source == failure_pb2.FAILURE_SOURCE_HANDLER


def test_reports_for_what_has_ended(calls: Calls) -> None:
    execution_id = calls.submit(workflow(node()))
    token = calls.take().task_token
    calls.complete(token, b"1")
    calls.complete(token, b"1")  # the same report again is no error

    failure = pb.FailTaskRequest(task_token=token, failure=task_pb2.TaskFailure())
    assert refused(calls.workers.FailTask, failure) == CLOSED
    request = orchestration_pb.GetExecutionRequest(
        namespace=calls.namespace, execution_id=execution_id, include_payloads=True
    )
    (shown,) = calls.orchestration.GetExecution(request, timeout=20).nodes
    assert shown.output.data == b"1"


def test_a_report_for_a_cancelled_execution(calls: Calls) -> None:
    execution_id = calls.submit(workflow(node()))
    token = calls.take().task_token
    cancel = orchestration_pb.CancelExecutionRequest(
        namespace=calls.namespace, execution_id=execution_id, grace=Duration()
    )
    calls.orchestration.CancelExecution(cancel, timeout=20)

    assert calls.execution(execution_id).state == EXECUTION_STATE_CANCELLED
    assert completed(calls, token, exact(b"1")) == CLOSED


def test_a_report_for_an_attempt_that_was_handed_back(calls: Calls) -> None:
    execution_id = calls.submit(workflow(node()))
    first = calls.take().task_token
    handed_back = pb.FailTaskRequest(task_token=first)
    getattr(handed_back, "yield").SetInParent()
    calls.workers.FailTask(handed_back, timeout=20)
    second = calls.take()

    assert completed(calls, first, exact(b"1")) == Refused("FAILED_PRECONDITION", "TASK_SUPERSEDED")
    calls.complete(second.task_token)
    assert calls.execution(execution_id).state == EXECUTION_STATE_COMPLETED


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"worker_id": "REQUIRED", "handlers": "REQUIRED"}),
        (
            {"worker_id": "w" * 256, "handlers": ["ok", "no good"], "namespace": "../x"},
            {"worker_id": "TOO_LONG", "handlers[1]": "MALFORMED", "namespace": "MALFORMED"},
        ),
        (
            {"worker_id": "w", "all_handlers": True, "maximum_tasks": 1_001, "wait": Duration(seconds=61)},
            {"maximum_tasks": "OUT_OF_RANGE", "wait": "OUT_OF_RANGE"},
        ),
        (
            {"worker_id": "w", "all_handlers": True, "maximum_tasks": -1, "wait": Duration(seconds=-1)},
            {"maximum_tasks": "OUT_OF_RANGE", "wait": "OUT_OF_RANGE"},
        ),
    ],
    ids=["empty", "names", "too much", "negative"],
)
def test_polls(calls: Calls, fields: dict[str, Any], wrong: dict[str, str]) -> None:
    found = refused(calls.workers.PollTasks, pb.PollTasksRequest(**fields))
    assert found == Refused("INVALID_ARGUMENT", "INVALID_REQUEST", wrong)


def test_too_many_heartbeats(calls: Calls) -> None:
    request = pb.HeartbeatTasksRequest(heartbeats=[task_pb2.Heartbeat()] * 1_001)
    found = refused(calls.workers.HeartbeatTasks, request)
    assert found == Refused("INVALID_ARGUMENT", "INVALID_REQUEST", {"heartbeats": "TOO_MANY"})
