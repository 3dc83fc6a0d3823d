"""Every invariant: what is right passes, and each planted violation is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowmesh_core.application.verify import Invariant, Report, VerifyOptions
from flowmesh_core.domain import events
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.states import FailureSource, LostCause, SkipReason
from flowmesh_core.ports.outbox import Outgoing
from tests.contract.stores import NOW
from tests.contract.transports import command, task
from tests.integration.verify.conftest import completed, key, scheduled, whole

if TYPE_CHECKING:
    from tests.integration.verify.conftest import Planted

FAILURE = Failure("E", "m", FailureSource.HANDLER)
STARTED = events.ExecutionStarted(1, NOW)
SETTLED = VerifyOptions(is_settled=True)


def fact(kind: str, execution_id: str = "e", **more: object) -> dict[str, object]:
    return {"fact": kind, "namespace": "default", "execution_id": execution_id, **more}


def reported(outcome: str, answer: str, node_id: str = "a", attempt: int = 1) -> dict[str, object]:
    return fact("reported", node_id=node_id, attempt=attempt, outcome=outcome, answer=answer)


def watched(item: str, sequence: int) -> dict[str, object]:
    return fact("watched", watcher="w", item=item, sequence=sequence)


def violated(report: Report) -> dict[Invariant, int]:
    return {tally.invariant: tally.violations for tally in report if tally.violations}


def only(report: Report, invariant: Invariant) -> str:
    """Check that nothing else is violated, and return what is said."""
    assert set(violated(report)) == {invariant}, violated(report)
    return "\n".join(report[invariant].samples)


async def test_what_is_right_passes(planted: Planted) -> None:
    await planted.execution("e", whole()[:3], whole()[3:], request_id="r")
    await planted.execution("waits")
    retried = (
        *(STARTED, scheduled(2, 0)),
        events.NodeAttemptFailed(3, NOW, 0, 1, FAILURE, "w", None, NOW),
        scheduled(4, 0, 2),
        events.NodeAttemptLost(5, NOW, 0, 2, LostCause.WORKER_LOST),
        scheduled(6, 0, 3),
        events.NodeFailed(7, NOW, 0, 3, FAILURE, "w", None),
        events.NodeUpstreamFailed(8, NOW, 1),
        events.ExecutionFailed(9, NOW, FAILURE),
    )
    await planted.execution("fails", retried)
    cancelled = (
        events.ExecutionCancelRequested(1, NOW, "", NOW),
        events.NodeCancelled(2, NOW, 0, 0),
        events.NodeCancelled(3, NOW, 1, 0),
        events.ExecutionCancelled(4, NOW, ""),
    )
    await planted.execution("cancelled", cancelled)

    report = await planted.verify(
        fact("submitted", request_id="r"),
        fact("submitted", "waits", request_id=""),
        fact("cancelled", "cancelled", state="CANCELLED"),
        fact("ran", node_id="a", attempt=1),
        fact("ran", "fails", node_id="a", attempt=1),
        fact("ran", "fails", node_id="a", attempt=2),
        fact("ran", "fails", node_id="a", attempt=3),
        reported("completed", "ACCEPTED"),
        reported("completed", "SUPERSEDED", attempt=2),
        *(watched("snapshot", 4), watched("event", 5), watched("event", 6), watched("end", 6)),
        {"fact": "torn"},
    )

    assert violated(report) == {}
    assert report[Invariant.ENDS].notes == {"open": 1}
    assert report[Invariant.HISTORY].notes == {"events": 19}
    assert report[Invariant.DUPLICATES].notes == {
        "runs": 4,
        "retries of failed attempts": 1,
        "duplicate runs": 1,
        "repeats of one attempt": 0,
    }
    assert report[Invariant.SUBMISSIONS].notes == {"unreadable lines": 1}


async def test_an_open_execution_is_told_by_its_age(planted: Planted) -> None:
    await planted.execution("e")
    planted_now = VerifyOptions(maximum_age=0.0)
    assert violated(await planted.verify(options=planted_now)) == {}
    await planted.session.execute("UPDATE flowmesh.execution SET created_at = created_at - 2000000")

    assert violated(await planted.verify(options=VerifyOptions(maximum_age=10.0))) == {}
    assert "PENDING after 2 s" in only(await planted.verify(options=planted_now), Invariant.ENDS)
    assert "PENDING" in only(await planted.verify(options=SETTLED), Invariant.ENDS)


BROKEN = {
    "gap": ((STARTED,), (scheduled(3, 0),), "sequences 2 to 2 are missing"),
    "fork": ((STARTED, scheduled(2, 0)), (completed(2, 0),), "the history forks"),
    "two ends of a node": (whole()[:3], (completed(4, 0),), "node a had ended"),
    "dependency": ((STARTED,), (scheduled(2, 1),), "before its dependency a"),
    "failed dependency": (
        (STARTED, scheduled(2, 0), events.NodeFailed(3, NOW, 0, 1, FAILURE, "w", None)),
        (scheduled(4, 1),),
        "before its dependency a",
    ),
    "skipped dependency": (
        (STARTED, events.NodeSkipped(2, NOW, 0, SkipReason.CONDITION_FALSE)),
        (scheduled(3, 1),),
        "none completed",
    ),
    "attempt jumps": ((STARTED,), (scheduled(2, 0, 2),), "attempt 2 of node a follows 0"),
    "attempt goes back": (
        (STARTED, scheduled(2, 0), events.NodeAttemptLost(3, NOW, 0, 1, LostCause.YIELDED)),
        (scheduled(4, 0, 1),),
        "attempt 1 of node a follows 1",
    ),
    "two live attempts": (whole()[:2], (scheduled(3, 0, 2),), "attempt 1 of node a had not ended"),
    "wrong attempt": (whole()[:2], (completed(3, 0, 2),), "attempt 2 of node a, not 1"),
    "never scheduled": ((STARTED,), (completed(2, 0),), "attempt 1 of node a, not 0"),
    "not started": ((), (scheduled(1, 0),), "had not started"),
    "started twice": ((STARTED,), (events.ExecutionStarted(2, NOW),), "had started"),
    "after the end": (whole(), (scheduled(7, 0, 2),), "after the end"),
    "ends early": (whole()[:3], (events.ExecutionCompleted(4, NOW),), "1 nodes had not ended"),
    "no such node": ((STARTED,), (scheduled(2, 5),), "there is no node 5"),
    "no failure": (whole()[:5], (events.ExecutionFailed(6, NOW, FAILURE),), "no node had failed"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_history_is_found(planted: Planted, name: str) -> None:
    first, second, problem = BROKEN[name]
    rows = [row for row in (first, second) if row]
    await planted.execution("e", *rows)

    report = await planted.verify()

    assert problem in "\n".join(report[Invariant.HISTORY].samples)
    assert set(violated(report)) <= {Invariant.HISTORY, Invariant.FOLD}


async def test_rows_that_lie_or_cannot_be_read_are_found(planted: Planted) -> None:
    await planted.execution("lies", whole())
    await planted.execution("unreadable", whole())
    update = "UPDATE flowmesh.history SET {} WHERE execution_id = $1"
    await planted.session.execute(update.format("last_sequence = 7"), "lies")
    await planted.session.execute(update.format("schema_version = 99"), "unreadable")

    said = only(await planted.verify(), Invariant.HISTORY)

    assert "does not hold what it says" in said
    assert "cannot be read" in said


async def test_a_record_that_differs_from_its_history_is_found(planted: Planted) -> None:
    await planted.execution("e", whole())
    await planted.session.execute("UPDATE flowmesh.execution SET status = 'FAILED'")
    assert "the record says FAILED, the history COMPLETED" in only(await planted.verify(), Invariant.FOLD)

    await planted.session.execute("UPDATE flowmesh.execution SET status = 'COMPLETED', closed_at = NULL")
    assert "close time" in only(await planted.verify(), Invariant.FOLD)


async def test_a_history_without_its_execution_or_definition_is_found(planted: Planted) -> None:
    await planted.append("stray", whole()[:2])
    await planted.execution("e", whole())
    await planted.session.execute("DELETE FROM flowmesh.definition")

    said = only(await planted.verify(), Invariant.FOLD)

    assert "does not exist" in said
    assert "definition" in said


async def test_a_mark_beyond_the_history_is_found(planted: Planted) -> None:
    await planted.execution("e", whole())
    outbox = planted.redis.process().outbox
    await outbox.flush(Outgoing(dispatched={0: {key("e"): 6}}))
    assert violated(await planted.verify()) == {}

    await outbox.flush(Outgoing(dispatched={0: {key("e"): 7}}))
    assert "marked at 7" in only(await planted.verify(), Invariant.FOLD)


async def test_lost_and_doubled_submissions_are_found(planted: Planted) -> None:
    await planted.execution("e", request_id="r")
    await planted.execution("twin")

    lost = await planted.verify(fact("submitted", "lost", request_id=""))
    assert "it is lost" in only(lost, Invariant.SUBMISSIONS)

    doubled = await planted.verify(fact("submitted", "twin", request_id="r"))
    assert "its request r stands for default/e" in only(doubled, Invariant.SUBMISSIONS)

    await planted.session.execute("DELETE FROM flowmesh.execution WHERE execution_id = 'e'")
    assert "stands for no execution" in only(await planted.verify(), Invariant.SUBMISSIONS)


async def test_acknowledged_reports_and_cancels_that_are_not_there_are_found(planted: Planted) -> None:
    await planted.execution("e", whole()[:2])

    report = await planted.verify(
        reported("completed", "ACCEPTED"),
        reported("failed", "ACCEPTED"),
        fact("cancelled", state="CANCELLING"),
    )

    assert violated(report) == {Invariant.COMPLETIONS: 3}


async def test_a_superseded_completion_that_counted_is_found(planted: Planted) -> None:
    await planted.execution("e", whole())

    said = only(await planted.verify(reported("completed", "SUPERSEDED")), Invariant.LATE_REPORTS)

    assert "completed of a, attempt 1, was answered SUPERSEDED" in said


async def test_leftovers_are_found_when_the_load_has_ended(planted: Planted) -> None:
    process = planted.redis.process()
    await process.command_log.send([command()])
    await process.outbox.flush(Outgoing(tasks=[task()]))

    assert violated(await planted.verify()) == {}
    report = await planted.verify(options=SETTLED)

    assert violated(report) == {Invariant.LEFTOVERS: 2}


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        ([("event", 1)], "it was at None"),
        ([("snapshot", 1), ("event", 3)], "it was at 1"),
        ([("snapshot", 1), ("event", 2), ("event", 2)], "it was at 2"),
        ([("snapshot", 2), ("snapshot", 1)], "it was at 2"),
        ([("snapshot", 5), ("end", 5)], "the history ends at 6"),
        ([("snapshot", 9)], "the history ends at 6"),
        ([("rumour", 1)], "nothing that a watch sees"),
    ],
)
async def test_a_watch_that_is_not_gapless_is_found(
    planted: Planted, seen: list[tuple[str, int]], problem: str
) -> None:
    await planted.execution("e", whole())

    report = await planted.verify(*(watched(item, sequence) for item, sequence in seen))

    assert problem in only(report, Invariant.WATCHERS)


async def test_runs_that_were_not_scheduled_or_repeat_too_often_are_found(planted: Planted) -> None:
    await planted.execution("e", whole())
    once = fact("ran", node_id="a", attempt=1)

    unscheduled = await planted.verify(fact("ran", node_id="a", attempt=2))
    assert "never scheduled" in only(unscheduled, Invariant.DUPLICATES)

    assert violated(await planted.verify(once, once, options=VerifyOptions(repeats=1))) == {}
    repeated = await planted.verify(once, once, once, options=VerifyOptions(repeats=1))
    assert "2, more than 1" in only(repeated, Invariant.DUPLICATES)


async def test_facts_of_unknown_executions_are_found(planted: Planted) -> None:
    report = await planted.verify(
        fact("ran", node_id="a", attempt=1), reported("completed", "ACCEPTED"), watched("snapshot", 0)
    )

    assert violated(report) == {
        Invariant.COMPLETIONS: 1,
        Invariant.WATCHERS: 1,
        Invariant.DUPLICATES: 1,
    }
