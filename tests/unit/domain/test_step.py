from __future__ import annotations

import pytest

from flowmesh_core.domain.commands import (
    AcknowledgeTaskCancel,
    CancelExecution,
    ExpireCancelGrace,
    RedispatchTasks,
    RetryTask,
)
from flowmesh_core.domain.events import NodeAttemptFailed, NodeScheduled, NodeStarted
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.policy import Jitter, RetryPolicy
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.step import WINDOW_BYTES
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.transition import Verdict
from tests.unit.domain.reducer import KEY, Stage, graph

CHAIN = {"a": [], "b": ["a"], "c": ["b"]}
DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
GRACE = Micros(30 * SECOND)


def started(plan: dict[str, list[str]], **options: object) -> Stage:
    window = options.pop("window", 1000)
    assert isinstance(window, int)
    stage = Stage(graph(plan, **options), window)  # type: ignore[arg-type]
    stage.start()
    return stage


def test_a_start_hands_out_every_root_once() -> None:
    stage = Stage(graph({"a": [], "b": [], "c": ["a"]}))

    assert stage.dispatched(stage.start()) == ["a", "b"]
    assert stage.dispatched(stage.start()) == []


def test_a_chain_runs_in_order_to_its_end() -> None:
    stage = started(CHAIN)

    assert stage.dispatched(stage.complete("a")) == ["b"]
    assert stage.dispatched(stage.complete("b")) == ["c"]
    stage.complete("c")

    assert stage.standing == "COMPLETED"


def test_a_fan_in_is_decided_once_by_the_last_parent() -> None:
    stage = started(DIAMOND)
    stage.complete("a")

    assert stage.dispatched(stage.complete("c")) == []
    assert stage.dispatched(stage.complete("b")) == ["d"]


@pytest.mark.parametrize("repeat", range(1, 4))
def test_a_repeated_completion_is_accepted_and_changes_nothing(repeat: int) -> None:
    stage = started(CHAIN)
    stage.complete("a")
    before = len(stage.history)

    verdicts = [stage.complete("a", output=b"2").verdict for _ in range(repeat)]

    assert verdicts == [Verdict.ACCEPTED] * repeat
    assert len(stage.history) == before
    assert stage.state.outputs[0].data == b"1"


def test_a_report_of_an_older_attempt_is_superseded() -> None:
    stage = started(CHAIN)
    stage.lose("a")

    assert stage.complete("a", attempt=1).verdict is Verdict.SUPERSEDED
    assert stage.complete("a", attempt=2).verdict is Verdict.ACCEPTED


def test_a_report_about_a_closed_execution_says_so_unless_it_repeats_the_deciding_one() -> None:
    stage = started({"a": []})
    stage.complete("a")

    assert stage.complete("a").verdict is Verdict.ACCEPTED
    assert stage.fail("a").verdict is Verdict.CLOSED
    assert stage.do(CancelExecution(KEY, "late", GRACE)).verdict is Verdict.CLOSED


def test_a_report_about_an_unknown_node_is_unknown() -> None:
    assert started(CHAIN).complete("nowhere").verdict is Verdict.UNKNOWN


def test_a_start_report_is_kept_once_per_gateway() -> None:
    stage = started(CHAIN)

    assert [type(event) for event in stage.run("a").events] == [NodeStarted]
    assert stage.run("a").events == ()
    assert [type(event) for event in stage.run("a", gateway="g2").events] == [NodeStarted]
    assert stage.statuses()["a"] == "RUNNING"


class TestSkipping:
    def test_a_false_condition_skips_the_node_and_a_chain_below_it(self) -> None:
        stage = started(CHAIN, skipped=["b"])
        stage.complete("a")

        assert stage.statuses() == {"a": "COMPLETED", "b": "SKIPPED", "c": "SKIPPED"}
        assert stage.standing == "COMPLETED"

    def test_a_join_runs_when_one_branch_was_taken(self) -> None:
        stage = started(DIAMOND, skipped=["b"])
        stage.complete("a")

        assert stage.dispatched(stage.complete("c")) == ["d"]

    def test_a_join_of_skipped_branches_is_skipped(self) -> None:
        stage = started(DIAMOND, skipped=["b", "c"])
        stage.complete("a")

        assert stage.statuses()["d"] == "SKIPPED"

    def test_a_join_is_not_skipped_while_a_parent_is_undecided(self) -> None:
        stage = started({"a": [], "b": [], "c": ["a", "b"]}, skipped=["a"])

        assert stage.statuses() == {"a": "SKIPPED", "b": "SCHEDULED", "c": "PENDING"}


class TestRetries:
    def test_a_failed_attempt_waits_for_its_back_off_and_runs_again(self) -> None:
        stage = started(CHAIN)
        (event,) = stage.fail("a").events
        assert isinstance(event, NodeAttemptFailed)
        assert event.next_attempt_at == stage.now + SECOND

        assert stage.do(RetryTask(KEY, "a", 1)).dispatches == ()
        stage.wait(1)
        assert stage.dispatched(stage.do(RetryTask(KEY, "a", 1))) == ["a"]
        assert stage.dispatched(stage.complete("a", attempt=2)) == ["b"]

    def test_waits_grow_by_the_coefficient_up_to_the_maximum(self) -> None:
        policy = RetryPolicy(
            initial_interval=SECOND,
            backoff_coefficient=3.0,
            maximum_interval=Micros(5 * SECOND),
            jitter=Jitter.NONE,
        )

        assert [policy.delay(n, "") // SECOND for n in (1, 2, 3, 10_000)] == [1, 3, 5, 5]

    def test_full_jitter_stays_under_the_bound_and_is_the_same_each_time(self) -> None:
        policy = RetryPolicy()
        waits = [policy.delay(1, f"node-{n}") for n in range(200)]

        assert all(0 <= wait < SECOND for wait in waits)
        assert len(set(waits)) > 150
        assert waits == [policy.delay(1, f"node-{n}") for n in range(200)]

    def test_the_last_attempt_fails_the_node(self) -> None:
        stage = started(CHAIN)
        for attempt in (1, 2, 3):
            stage.fail("a", attempt)
            stage.wait(60)
            stage.do(RetryTask(KEY, "a", attempt))

        assert stage.statuses() == {"a": "FAILED", "b": "UPSTREAM_FAILED", "c": "UPSTREAM_FAILED"}
        assert stage.standing == "FAILED"

    def test_an_error_type_can_rule_retries_out(self) -> None:
        stage = started(CHAIN, policy=RetryPolicy(non_retryable_error_types=("Fatal",)))
        stage.fail("a", error_type="Fatal")

        assert stage.statuses()["a"] == "FAILED"

    def test_lost_attempts_do_not_use_up_attempts_but_have_a_limit(self) -> None:
        stage = started(CHAIN)
        stage.lose("a", 1)
        stage.lose("a", 2)
        assert stage.statuses()["a"] == "SCHEDULED"

        stage.lose("a", 3)

        assert stage.state.first_failure is not None
        assert stage.state.first_failure.error_type == "WorkerLost"

    def test_a_yielded_attempt_costs_nothing(self) -> None:
        stage = started(CHAIN)
        for attempt in range(1, 20):
            assert stage.dispatched(stage.lose("a", attempt, LostCause.YIELDED)) == ["a"]


class TestFailing:
    def test_a_failure_ends_what_has_not_begun_and_lets_the_rest_finish(self) -> None:
        plan = {"a": [], "b": [], "below_a": ["a"], "below_b": ["b"]}
        stage = started(plan, policy=RetryPolicy(maximum_attempts=1))
        stage.fail("a")

        assert stage.statuses() == {
            "a": "FAILED",
            "b": "SCHEDULED",
            "below_a": "UPSTREAM_FAILED",
            "below_b": "CANCELLED",
        }
        assert stage.standing == "RUNNING"

        stage.complete("b")
        assert stage.standing == "FAILED"

    def test_no_retry_follows_a_failure(self) -> None:
        stage = started({"a": [], "b": [], "c": []})
        stage.fail("b")
        for attempt in (1, 2, 3):
            stage.fail("a", attempt)
            stage.wait(60)
            stage.do(RetryTask(KEY, "a", attempt))
        stage.lose("c")

        assert stage.statuses() == {"a": "FAILED", "b": "CANCELLED", "c": "CANCELLED"}
        assert stage.standing == "FAILED"


class TestCancelling:
    def test_what_does_not_run_is_cancelled_at_once_and_the_rest_is_told(self) -> None:
        stage = started({"a": [], "b": [], "c": ["a"]})
        stage.run("a")
        transition = stage.do(CancelExecution(KEY, "enough", GRACE))

        assert stage.statuses() == {"a": "RUNNING", "b": "CANCELLED", "c": "CANCELLED"}
        assert {(w.node, w.gateway_id) for w in transition.withdrawals} == {(0, "g1"), (1, "")}
        assert stage.standing == "CANCELLING"

    def test_an_acknowledged_cancel_ends_the_execution(self) -> None:
        stage = started({"a": []})
        stage.run("a")
        stage.do(CancelExecution(KEY, "enough", GRACE))
        stage.do(AcknowledgeTaskCancel(KEY, "a", 1))

        assert stage.standing == "CANCELLED"

    def test_a_completion_that_arrives_first_stands(self) -> None:
        stage = started({"a": []})
        stage.run("a")
        stage.do(CancelExecution(KEY, "enough", GRACE))
        stage.complete("a")

        assert stage.statuses() == {"a": "COMPLETED"}
        assert stage.standing == "CANCELLED"

    def test_the_end_of_the_grace_cancels_what_still_runs(self) -> None:
        stage = started({"a": []})
        stage.run("a")
        stage.do(CancelExecution(KEY, "enough", GRACE))
        stage.do(ExpireCancelGrace(KEY))
        assert stage.standing == "CANCELLING"

        stage.wait(30)
        stage.do(ExpireCancelGrace(KEY))
        assert stage.standing == "CANCELLED"
        assert stage.complete("a").verdict is Verdict.CLOSED

    def test_a_second_cancel_changes_nothing(self) -> None:
        stage = started({"a": []})
        stage.run("a")
        stage.do(CancelExecution(KEY, "enough", GRACE))

        assert stage.do(CancelExecution(KEY, "again", GRACE)).events == ()

    def test_an_execution_can_be_cancelled_before_it_starts(self) -> None:
        stage = Stage(graph(CHAIN))
        stage.do(CancelExecution(KEY, "never mind", GRACE))

        assert stage.standing == "CANCELLED"
        assert stage.start().verdict is Verdict.CLOSED


class TestDispatching:
    def test_the_window_bounds_attempts_in_flight(self) -> None:
        stage = started({name: [] for name in "abcd"}, window=2)

        assert stage.state.in_flight == 2
        assert stage.dispatched(stage.complete("a")) == ["c"]

    def test_large_inputs_in_flight_are_bounded_by_their_bytes(self) -> None:
        large = Payload(bytes(WINDOW_BYTES // 2 - 1))
        stage = Stage(graph({"root": [], **{name: ["root"] for name in "abcde"}}, inputs=large))
        stage.start()

        assert stage.dispatched(stage.complete("root")) == ["a", "b", "c"]
        assert stage.dispatched(stage.lose("c")) == ["c"], "what was begun goes on"
        assert stage.dispatched(stage.complete("a")) == ["d"]
        assert stage.dispatched(stage.complete("b")) == ["e"]
        for node in "de":
            stage.complete(node)
        assert stage.dispatched(stage.complete("c", attempt=2)) == []
        assert stage.standing == "COMPLETED"

    def test_a_takeover_sends_again_only_what_may_not_have_been_sent(self) -> None:
        stage = started({"a": [], "b": []})
        first, second = (event for event in stage.history if isinstance(event, NodeScheduled))

        again = stage.do(RedispatchTasks(KEY, dispatched_sequence=first.sequence))

        assert stage.dispatched(again) == ["b"]
        assert [dispatch.attempt for dispatch in again.dispatches] == [2]
        assert second.sequence > first.sequence

    def test_a_takeover_leaves_running_attempts_alone(self) -> None:
        stage = started({"a": []})
        stage.run("a")

        assert stage.do(RedispatchTasks(KEY, 0)).events == ()

    def test_timers_of_a_fold_are_those_of_the_history(self) -> None:
        stage = started({"a": [], "b": []})
        stage.fail("a")
        due = stage.now + SECOND

        assert list(stage.state.pending_timers()) == [(due, RetryTask(KEY, "a", 1))]
