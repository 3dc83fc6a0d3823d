"""The step of a task in its trace: begun with the assignment, ended with the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowmesh_core.application.worker_gateway.outcome import Completed, Failed, Outcome, TaskReport, Yielded
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.outbox import Reply
from tests.unit.application.worker_gateway.gateway_parts import Parts, queued, taken

if TYPE_CHECKING:
    from flowmesh_core.adapters.memory.telemetry import RecordedSpan

SUBMISSION = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def parts() -> Parts:
    return Parts()


def the_span(parts: Parts) -> RecordedSpan:
    (span,) = parts.telemetry.spans
    return span


def give(parts: Parts) -> TaskReport:
    """Hand out a traced task; return the report that it completed."""
    _, channel = parts.connect(credits=1)
    parts.hand_out(taken(queued(traceparent=SUBMISSION)))
    (assigned,) = channel.assigned
    assert assigned.task.traceparent == the_span(parts).traceparent
    return TaskReport(assigned.token, Completed(NULL), None)


def decide(parts: Parts, verdict: Verdict) -> None:
    """Let the owner answer what was sent; every command carries the step of its task."""
    for undecided in parts.sent():
        assert undecided.envelope.traceparent == the_span(parts).traceparent
        parts.reporting.resolve([Reply(undecided.envelope.correlation_id, verdict, None)])


def test_a_task_is_a_child_of_its_submission_until_its_outcome_is_decided(parts: Parts) -> None:
    report = give(parts)
    span = the_span(parts)
    assert (span.name, span.parent) == ("flowmesh.task", SUBMISSION)
    parts.pass_time(1)
    decide(parts, Verdict.ACCEPTED)  # that it runs
    parts.reporting.report(next(iter(parts.desk.sessions.values())), [report])
    assert not span.ended
    decide(parts, Verdict.ACCEPTED)
    assert (span.ended, span.problem) == (True, "")
    assert span.attributes == {
        "flowmesh.namespace": "default",
        "flowmesh.execution_id": "run",
        "flowmesh.node_id": "a",
        "flowmesh.attempt": 1,
        "flowmesh.handler": "work",
        "flowmesh.verdict": "ACCEPTED",
    }


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [(Failed(Failure("CardRefused", "hunter2")), "CardRefused"), (Yielded(), "")],
)
def test_a_failure_is_told_by_its_type_alone(parts: Parts, outcome: Outcome, problem: str) -> None:
    report = give(parts)
    parts.reporting.report(next(iter(parts.desk.sessions.values())), [report._replace(outcome=outcome)])
    decide(parts, Verdict.ACCEPTED)
    assert the_span(parts).problem == problem


def test_a_lost_task_is_a_failed_step(parts: Parts) -> None:
    give(parts)
    parts.pass_time(1)
    decide(parts, Verdict.ACCEPTED)
    parts.pass_time(30)
    decide(parts, Verdict.ACCEPTED)
    assert (the_span(parts).ended, the_span(parts).problem) == (True, "WORKER_LOST")


def test_a_task_that_nobody_wants_any_more_ends_its_step(parts: Parts) -> None:
    give(parts)
    parts.pass_time(1)
    decide(parts, Verdict.CLOSED)
    assert the_span(parts).attributes["flowmesh.verdict"] == "NONE"


def test_a_task_that_moves_or_stays_behind_ends_its_step(parts: Parts) -> None:
    give(parts)
    parts.attachments.release(list(parts.desk.held_tasks))
    assert the_span(parts).ended
    other = Parts()
    give(other)
    other.desk.end_spans()
    assert the_span(other).ended


def test_a_task_of_a_trace_that_is_not_recorded_keeps_its_context(parts: Parts) -> None:
    _, channel = parts.connect(credits=1)
    unsampled = f"{SUBMISSION[:-2]}00"
    parts.hand_out(taken(queued(traceparent=unsampled)))
    assert [each.task.traceparent for each in channel.assigned] == [unsampled]
    assert parts.telemetry.spans == []


def test_each_task_tells_how_long_it_waited(parts: Parts) -> None:
    parts.connect(credits=2)
    parts.clock.advance(3)
    now = parts.clock.now()
    parts.hand_out(taken(queued("a", scheduled_at=now), "1-0"), taken(queued("b"), "2-0"))
    first, second = parts.telemetry.measures["flowmesh.tasks.queue.duration"]
    assert second - first >= 3
    assert parts.telemetry.counts["flowmesh.tasks.taken"] == 2
