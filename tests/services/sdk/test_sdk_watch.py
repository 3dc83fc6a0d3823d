from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import grpc
import pytest

import flowmesh
from flowmesh.v1 import event_pb2, execution_pb2, failure_pb2
from flowmesh.v1 import orchestration_service_pb2 as orchestration

from .scripted_server import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .scripted_server import ScriptedServer

AWAY = Refusal(grpc.StatusCode.UNAVAILABLE, "away")
DONE = execution_pb2.EXECUTION_STATE_COMPLETED


@pytest.fixture
def handle(server: ScriptedServer) -> Iterator[flowmesh.ExecutionHandle]:
    with flowmesh.Client(server.address, timeout=5) as client:
        yield client.handle("e1")


def execution(
    state: execution_pb2.ExecutionState, last: int = 0, failure: failure_pb2.Failure | None = None
) -> execution_pb2.Execution:
    return execution_pb2.Execution(execution_id="e1", state=state, last_sequence=last, failure=failure)


def snapshot(last: int) -> orchestration.WatchExecutionResponse:
    held = orchestration.Snapshot(execution=execution(execution_pb2.EXECUTION_STATE_RUNNING, last))
    return orchestration.WatchExecutionResponse(resume_token=f"t{last}", snapshot=held)


def event(
    sequence: int, kind: int = event_pb2.EVENT_TYPE_NODE_SCHEDULED
) -> orchestration.WatchExecutionResponse:
    held = event_pb2.Event(sequence=sequence, type=kind)  # type: ignore[arg-type]
    return orchestration.WatchExecutionResponse(resume_token=f"t{sequence}", event=held)


def end(
    state: execution_pb2.ExecutionState = DONE, failure: failure_pb2.Failure | None = None
) -> orchestration.WatchExecutionResponse:
    closed = orchestration.End(execution=execution(state, failure=failure))
    return orchestration.WatchExecutionResponse(resume_token="end", end=closed)


BOOKMARK = orchestration.WatchExecutionResponse(resume_token="mark", bookmark=orchestration.Bookmark())


def test_a_watch_goes_on_over_disconnects_without_gap_or_repeat(
    server: ScriptedServer, handle: flowmesh.ExecutionHandle
) -> None:
    server.script(
        "WatchExecution",
        AWAY,
        [snapshot(2), event(3), BOOKMARK, AWAY],
        [event(3), event(4)],  # ends with OK and without an end
        [event(5), end()],
    )
    items = list(handle.watch())
    tokens = [call.request.resume_token for call in server.received["WatchExecution"]]
    assert isinstance(items[0], flowmesh.Snapshot)
    assert [item.sequence for item in items if isinstance(item, flowmesh.Event)] == [3, 4, 5]
    assert isinstance(items[-1], flowmesh.End)
    assert tokens == ["", "", "mark", "t4"]


def test_unknown_kinds_of_events_are_passed_over(
    server: ScriptedServer, handle: flowmesh.ExecutionHandle
) -> None:
    server.script("WatchExecution", [snapshot(0), event(1, 999), event(2), end()])
    assert [i.sequence for i in handle.watch() if isinstance(i, flowmesh.Event)] == [2]


def test_a_gap_is_shown_and_its_snapshot_counts(
    server: ScriptedServer, handle: flowmesh.ExecutionHandle
) -> None:
    gap = orchestration.WatchExecutionResponse(resume_token="g", gap=orchestration.Gap(oldest_sequence=9))
    server.script("WatchExecution", [gap, snapshot(10), event(10), event(11), end()])
    gone, whole, new, _ = handle.watch()
    assert gone == flowmesh.Gap(9)
    assert isinstance(whole, flowmesh.Snapshot)
    assert isinstance(new, flowmesh.Event)
    assert new.sequence == 11


def test_a_watch_on_an_unknown_execution_is_an_error(
    server: ScriptedServer, handle: flowmesh.ExecutionHandle
) -> None:
    server.script("WatchExecution", Refusal(grpc.StatusCode.NOT_FOUND, "no such execution"))
    with pytest.raises(flowmesh.NotFoundError):
        next(handle.watch())


def test_a_watch_has_a_timeout(server: ScriptedServer, handle: flowmesh.ExecutionHandle) -> None:
    never = threading.Event()
    server.script("WatchExecution", [snapshot(0), never])
    with pytest.raises(flowmesh.ResultTimeoutError) as caught:
        list(handle.watch(timeout=0.2))
    never.set()
    assert isinstance(caught.value, TimeoutError)


def test_leaving_a_watch_early_ends_its_stream(
    server: ScriptedServer, handle: flowmesh.ExecutionHandle
) -> None:
    never = threading.Event()
    server.script("WatchExecution", [snapshot(0), never])
    for _ in handle.watch():
        break
    never.set()
    assert len(server.received["WatchExecution"]) == 1


def result() -> orchestration.WatchExecutionResponse:
    response = end()
    made = execution_pb2.NODE_STATE_COMPLETED
    response.end.results.add(node_id="b", state=made, dependencies=["a"]).output.data = b'{"n":[1]}'
    raw = response.end.results.add(node_id="c", state=made, dependencies=["a"])
    raw.output.data, raw.output.content_type = b"\x00", "application/octet-stream"
    response.end.results.add(node_id="d", state=execution_pb2.NODE_STATE_SKIPPED, dependencies=["a"])
    return response


def test_result_is_what_the_sinks_returned(server: ScriptedServer, handle: flowmesh.ExecutionHandle) -> None:
    server.script("WatchExecution", [BOOKMARK, AWAY], [result()])
    assert handle.result() == {"b": {"n": [1]}, "c": flowmesh.Payload(b"\x00", "application/octet-stream")}
    request = server.received["WatchExecution"][0].request
    assert request.mode == orchestration.WATCH_MODE_TERMINAL_ONLY
    assert request.include_payloads


def test_a_failed_execution_raises_its_failure(
    server: ScriptedServer, handle: flowmesh.ExecutionHandle
) -> None:
    failure = failure_pb2.Failure(
        error_type="ValueError", message="bad", node_id="n1", source=failure_pb2.FAILURE_SOURCE_HANDLER
    )
    server.script("WatchExecution", [end(execution_pb2.EXECUTION_STATE_FAILED, failure=failure)])
    with pytest.raises(flowmesh.ExecutionFailed, match="e1 failed at node n1: ValueError: bad") as caught:
        handle.result()
    assert caught.value.error_type == "ValueError"
    assert caught.value.failure.source is flowmesh.FailureSource.HANDLER


def test_a_cancelled_execution_raises(server: ScriptedServer, handle: flowmesh.ExecutionHandle) -> None:
    server.script("WatchExecution", [end(execution_pb2.EXECUTION_STATE_CANCELLED)])
    with pytest.raises(flowmesh.ExecutionCancelled):
        handle.result()


async def test_the_async_watch_does_the_same(server: ScriptedServer) -> None:
    server.script("WatchExecution", [snapshot(2), event(3), AWAY], [event(3), event(4), end()], [result()])
    async with flowmesh.AsyncClient(server.address, timeout=5) as client:
        handle = client.handle("e1")
        items = [item async for item in handle.watch()]
        assert [item.sequence for item in items if isinstance(item, flowmesh.Event)] == [3, 4]
        assert set(await handle.result(timeout=5)) == {"b", "c"}
