"""When calls and watches are tried again, on a clock of the test's own."""

from __future__ import annotations

import pytest

import flowmesh
from flowmesh._client import bulk
from flowmesh._client.retry import Attempts, Backoff
from flowmesh._client.watch import WatchCursor
from flowmesh._errors import ErrorFacts, service_error
from flowmesh.v1 import orchestration_service_pb2 as orchestration
from flowmesh.v1 import submission_service_pb2 as submission


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def error(code: str = "UNAVAILABLE", retry_after: float | None = None) -> flowmesh.ServiceError:
    return service_error(ErrorFacts(code=code, message="", retry_after=retry_after))


def test_waits_double_up_to_a_bound_and_are_spread() -> None:
    backoff = Backoff(1.0, 4.0)
    for bound in (1, 2, 4, 4):
        assert bound / 2 <= backoff.next() <= bound
    backoff.reset()
    assert backoff.next() <= 1


def test_a_call_waits_as_long_as_it_was_asked_to() -> None:
    attempts = Attempts(30, Clock())
    assert 3 < attempts.delay_or_raise(error(retry_after=3)) < 3.1


def test_a_call_ends_with_its_deadline() -> None:
    clock = Clock()
    attempts = Attempts(30, clock)
    attempts.delay_or_raise(error())
    with pytest.raises(flowmesh.UnavailableError):
        attempts.delay_or_raise(error(retry_after=30))
    clock.now = 29
    assert attempts.remaining() == 1
    # What the last try ran into says less than why there was another one.
    with pytest.raises(flowmesh.UnavailableError):
        attempts.delay_or_raise(error("DEADLINE_EXCEEDED"))


@pytest.mark.parametrize("code", ["INTERNAL", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "ABORTED"])
def test_other_errors_are_not_tried_again(code: str) -> None:
    with pytest.raises(flowmesh.ServiceError):
        Attempts(30, Clock()).delay_or_raise(error(code))


def test_a_watch_that_never_began_gives_up_early_and_a_live_one_late() -> None:
    clock = Clock()
    cursor = WatchCursor("default", "e1", connect_timeout=30, clock=clock)
    assert cursor.delay_or_raise(error()) < 30
    clock.now = 31
    with pytest.raises(flowmesh.UnavailableError):
        cursor.delay_or_raise(error())
    cursor.accept(orchestration.WatchExecutionResponse(resume_token="t"))
    clock.now = 500
    cursor.delay_or_raise(error("INTERNAL"))
    clock.now = 700
    with pytest.raises(flowmesh.ServiceError):
        cursor.delay_or_raise(error("INTERNAL"))


def test_a_watch_keeps_to_its_time() -> None:
    clock = Clock()
    cursor = WatchCursor("default", "e1", timeout=200, clock=clock)
    assert cursor.stream_seconds() == 120
    clock.now = 150
    assert cursor.stream_seconds() == 50
    clock.now = 200
    with pytest.raises(flowmesh.ResultTimeoutError):
        cursor.stream_seconds()
    with pytest.raises(flowmesh.ResultTimeoutError, match="UNAVAILABLE"):
        cursor.delay_or_raise(error())


def test_bulk_calls_are_bounded_in_items_and_bytes() -> None:
    small = [flowmesh.Submission("w")] * 2_500
    assert [len(chunk) for chunk in bulk.chunks("default", small)] == [1_000, 1_000, 500]
    large = [flowmesh.Submission("w", "x" * 2_000_000)] * 3
    assert [len(chunk) for chunk in bulk.chunks("default", large)] == [1, 1, 1]


def test_only_what_was_refused_for_now_is_sent_again() -> None:
    full = error("RESOURCE_EXHAUSTED", retry_after=1.0)
    batch = bulk.Batch([submission.SubmitWorkflowRequest(execution_id=name) for name in "abcd"], 20, Clock())
    taken = error("ALREADY_EXISTS")
    delay = batch.take(["a", full, taken, error("RESOURCE_EXHAUSTED", retry_after=3.0)])
    assert delay is not None
    assert 3 <= delay <= 4
    assert [item.execution_id for item in batch.call.request.requests] == ["b", "d"]
    assert batch.take(["b", full]) is not None
    assert [item.execution_id for item in batch.call.request.requests] == ["d"]
    assert batch.take(["d"]) is None
    assert batch.outcomes == ["a", "b", taken, "d"]


def test_a_refusal_that_outlasts_the_time_is_the_answer() -> None:
    clock = Clock()
    batch = bulk.Batch([submission.SubmitWorkflowRequest()], 5, clock)
    refused = error("RESOURCE_EXHAUSTED", retry_after=1.0)
    assert batch.take([refused]) is not None
    clock.now = 4.5
    assert batch.take([refused]) is None
    assert batch.outcomes == [refused]
