"""Frames of a worker's stream that are wrong end that stream, with the exact words, and nothing else."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest

from flowmesh.v1 import task_pb2
from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh.v1.execution_pb2 import EXECUTION_STATE_COMPLETED
from tests.acceptance.calls import Calls, Refused, calling, exact, explained, node, undisturbed, workflow


@pytest.fixture(scope="module")
def calls(address: str) -> Iterator[Calls]:
    with calling(address) as connected, undisturbed(connected):
        yield connected


def hello(**fields: Any) -> pb.ConnectRequest:
    namespace = f"frames-{uuid4().hex[:8]}"
    usual: dict[str, Any] = {
        "namespace": namespace,
        "worker_id": "w",
        "handlers": ["h"],
        "slots": 1,
        "protocol_versions": [1],
    }
    return pb.ConnectRequest(hello=pb.Hello(**(usual | fields)))


class Stream:
    """A worker's end of a stream."""

    def __init__(self, calls: Calls, *frames: pb.ConnectRequest) -> None:
        self._frames: queue.SimpleQueue[pb.ConnectRequest] = queue.SimpleQueue()
        self._answers = calls.workers.Connect(iter(self._frames.get, None), timeout=20)
        for frame in frames:
            self.send(frame)

    def send(self, frame: pb.ConnectRequest) -> None:
        self._frames.put(frame)

    def next(self, kind: str) -> Any:
        """Return the next frame of a kind; others are passed over."""
        while True:
            frame = next(self._answers)
            if frame.WhichOneof("frame") == kind:
                return getattr(frame, kind)

    def refusal(self) -> Refused:
        """Read until the server ends the stream."""
        try:
            for _ in self._answers:
                pass
        except grpc.RpcError as error:
            return explained(error)
        raise AssertionError("the stream was not refused")

    def close(self) -> None:
        self._answers.cancel()


@pytest.mark.parametrize(
    ("frames", "fields"),
    [
        ([pb.ConnectRequest(beat=pb.Beat())], {"frame": "REQUIRED"}),
        ([pb.ConnectRequest()], {"frame": "REQUIRED"}),
        ([hello(), pb.ConnectRequest()], {"frame": "REQUIRED"}),
        ([hello(), hello()], {"frame": "MALFORMED"}),
        (
            [hello(), pb.ConnectRequest(credit_grant=pb.CreditGrant())],
            {"credit_grant.credits": "OUT_OF_RANGE"},
        ),
        (
            [hello(), pb.ConnectRequest(credit_grant=pb.CreditGrant(credits=-1))],
            {"credit_grant.credits": "OUT_OF_RANGE"},
        ),
        (
            [
                hello(),
                pb.ConnectRequest(reports=pb.TaskReports(reports=[task_pb2.TaskReport()] * 1_001)),
            ],
            {"reports.reports": "TOO_MANY"},
        ),
        ([hello(worker_id="")], {"worker_id": "REQUIRED"}),
        ([hello(worker_id="w" * 256, slots=0)], {"worker_id": "TOO_LONG", "slots": "OUT_OF_RANGE"}),
        ([hello(namespace="../x", handlers=[])], {"namespace": "MALFORMED", "handlers": "REQUIRED"}),
        ([hello(handlers=["h"] * 10_001)], {"handlers": "TOO_MANY"}),
        ([hello(labels={"k" * 64: "v"})], {f"labels['{'k' * 64}']": "TOO_LONG"}),
    ],
    ids=[
        "no Hello first",
        "nothing first",
        "nothing later",
        "Hello twice",
        "no credits",
        "negative credits",
        "1,001 reports",
        "no name",
        "long name",
        "no handlers",
        "too many handlers",
        "labels",
    ],
)
def test_a_frame(calls: Calls, frames: list[pb.ConnectRequest], fields: dict[str, str]) -> None:
    assert Stream(calls, *frames).refusal() == Refused("INVALID_ARGUMENT", "INVALID_REQUEST", fields)


@pytest.mark.parametrize("versions", [[], [2, 2**31 - 1]])
def test_a_protocol_that_nobody_speaks(calls: Calls, versions: list[int]) -> None:
    found = Stream(calls, hello(protocol_versions=versions)).refusal()
    assert found == Refused("FAILED_PRECONDITION", "UNSUPPORTED_PROTOCOL")


def test_a_worker_that_takes_the_name_of_another(calls: Calls) -> None:
    first = hello()
    stream = Stream(calls, first)
    stream.next("welcome")
    second = Stream(calls, first)
    second.next("welcome")

    assert stream.refusal() == Refused("ABORTED", "WORKER_REPLACED")
    second.close()


def test_wrong_reports_do_not_touch_the_right_ones_beside_them(calls: Calls) -> None:
    """All credits there are, tasks that were never held, and a Hello with tokens that are nobody's."""
    namespace = f"frames-{uuid4().hex[:8]}"
    stream = Stream(calls, hello(namespace=namespace, session_id="\0lost", held_task_tokens=[b"x", b"y"]))
    assert sorted(stream.next("welcome").lost_task_tokens) == [b"x", b"y"]
    for _ in range(2):
        stream.send(pb.ConnectRequest(credit_grant=pb.CreditGrant(credits=2**31 - 1)))
    stream.send(pb.ConnectRequest(beat=pb.Beat(held_task_tokens=[b"z"])))
    assert list(stream.next("beat_reply").lost_task_tokens) == [b"z"]

    execution_id = calls.submit(workflow(node()), namespace=namespace)
    (task,) = stream.next("assignments").tasks
    wrong = [
        task_pb2.TaskReport(task_token=b"forged", completion=completion(b"1")),
        task_pb2.TaskReport(task_token=b"empty"),
        task_pb2.TaskReport(task_token=b"text", completion=completion(b"{")),
        task_pb2.TaskReport(task_token=b"large", completion=completion(b"1" * 3_000_000)),
    ]
    right = task_pb2.TaskReport(task_token=task.task_token, completion=completion(b"1"))
    stream.send(pb.ConnectRequest(reports=pb.TaskReports(reports=[*wrong[:2], right, *wrong[2:]])))

    found: dict[bytes, tuple[int, str]] = {}
    while len(found) < 5:
        for result in stream.next("report_results").results:
            found[result.task_token] = (result.status, result.reason)
    rejected = task_pb2.REPORT_STATUS_REJECTED
    assert found == {
        b"forged": (rejected, "INVALID_TASK_TOKEN"),
        b"empty": (rejected, "INVALID_REQUEST"),
        b"text": (rejected, "OUTPUT_NOT_JSON"),
        b"large": (rejected, "OUTPUT_TOO_LARGE"),
        task.task_token: (task_pb2.REPORT_STATUS_ACCEPTED, ""),
    }
    stream.close()
    calls_there = Calls(calls.channel)
    calls_there.namespace = namespace
    assert calls_there.execution(execution_id).state == EXECUTION_STATE_COMPLETED


def completion(output: bytes) -> task_pb2.TaskCompletion:
    return task_pb2.TaskCompletion(output=exact(output))
