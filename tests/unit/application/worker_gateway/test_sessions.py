from __future__ import annotations

import pytest

from flowmesh_core.application.worker_gateway.outcome import Completed, TaskReport
from flowmesh_core.domain.commands import Command, FailTask, LoseTask, StartTask
from flowmesh_core.domain.errors import WorkerReplaced, WorkerSilent
from flowmesh_core.domain.payload import NULL
from flowmesh_core.domain.states import LostCause
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.transition import Verdict
from flowmesh_core.ports.mailbox import TasksMoved
from flowmesh_core.ports.outbox import Reply
from tests.unit.application.worker_gateway.gateway_parts import Parts, RecordedChannel, queued, taken


def lost(node_id: str, cause: LostCause) -> Command:
    return LoseTask(queued().key, node_id, 1, cause)


@pytest.fixture
def parts() -> Parts:
    return Parts()


def give(parts: Parts, channel: RecordedChannel, *nodes: str) -> list[bytes]:
    parts.hand_out(*(taken(queued(node), node) for node in nodes))
    return [each.token for each in channel.assigned[-len(nodes) :]]


def test_a_lost_stream_keeps_its_tasks_for_the_time_of_the_lease(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    give(parts, channel, "a")
    parts.pass_time(29)
    parts.attachments.detach(connection)
    parts.commands()
    parts.pass_time(29)
    assert parts.commands() == []
    parts.pass_time(1)
    assert parts.commands() == [lost("a", LostCause.WORKER_LOST)]
    assert not parts.desk.sessions


def test_any_word_of_a_worker_is_a_sign_of_life(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    give(parts, channel, "a")
    for _ in range(10):
        parts.pass_time(20)
        parts.desk.touch(connection.session)
        parts.commands()
    assert channel.closed_with == []
    parts.pass_time(30)
    assert [type(error) for error in channel.closed_with] == [WorkerSilent]
    assert not parts.desk.held_tasks


def test_a_task_that_two_beats_do_not_name_counts_as_lost(parts: Parts) -> None:
    connection, channel = parts.connect(credits=2)
    kept, _ = give(parts, channel, "a", "b")
    parts.clock.advance(5)
    for expected in ([], [lost("b", LostCause.WORKER_LOST)]):
        parts.beating.beat(connection.session, [kept], [])
        assert parts.commands() == expected


def test_a_task_that_is_on_its_way_may_be_missing_in_any_number_of_beats(parts: Parts) -> None:
    connection, channel = parts.connect(credits=2)
    give(parts, channel, "a")
    for _ in range(10):
        parts.beating.beat(connection.session, [], [])
    channel.leaves_at_once = False
    parts.desk.drop(next(iter(parts.desk.held_tasks)))
    give(parts, channel, "b")
    parts.clock.advance(20)
    for _ in range(10):
        parts.beating.beat(connection.session, [], [])
    assert parts.commands() == []


def test_a_beat_that_names_the_task_again_starts_the_count_anew(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    parts.clock.advance(5)
    for named in ([], [token], [], [token], []):
        parts.beating.beat(connection.session, named, [])
    assert parts.commands() == []


def test_a_reported_task_cannot_be_lost_or_time_out(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    parts.reporting.report(connection.session, [TaskReport(token, Completed(NULL), None)])
    parts.commands()
    parts.attachments.detach(connection)
    parts.pass_time(3600)
    assert parts.commands() == []
    [held] = parts.desk.held_tasks
    [undecided] = [parts.desk.decisions.report_on(token)]
    assert undecided is not None
    parts.reporting.resolve([Reply(undecided.envelope.correlation_id, Verdict.ACCEPTED, None)])
    assert held.ended
    assert not parts.desk.held_tasks


def test_tasks_that_never_left_go_back_at_once(parts: Parts) -> None:
    connection, channel = parts.connect(credits=2)
    give(parts, channel, "a")
    channel.leaves_at_once = False
    give(parts, channel, "b")
    parts.attachments.detach(connection)
    assert parts.commands() == [lost("b", LostCause.YIELDED)]


def test_a_second_worker_of_the_same_name_replaces_the_first(parts: Parts) -> None:
    first, channel = parts.connect(credits=1)
    give(parts, channel, "a")
    second, _ = parts.connect()
    assert [type(error) for error in channel.closed_with] == [WorkerReplaced]
    assert second.session is not first.session
    assert len(first.session.held) == 1, "it may still come back for its task"


def test_workers_of_one_name_in_two_namespaces_are_two(parts: Parts) -> None:
    _, channel = parts.connect("w1")
    parts.connect("w1", namespace="other")
    assert channel.closed_with == []
    assert len(parts.attachments.connections) == 2


def test_another_workers_tokens_are_lost_tokens(parts: Parts) -> None:
    _, channel = parts.connect("w1", credits=1)
    [token] = give(parts, channel, "a")
    thief, _ = parts.connect("w2", held=[token])
    assert thief.lost_tokens == (token,)


def test_a_task_comes_along_from_another_gateway_and_is_reported_at_once(parts: Parts) -> None:
    _, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    parts.pass_time(20)
    other = Parts("gateway-2")
    other.clock.advance(20)
    connection, _ = other.connect(held=[token], session_id="gateway-1/1")
    assert connection.lost_tokens == ()
    _, mail = other.desk.errands.take_all()
    assert mail == {"gateway-1": [TasksMoved((token,))]}
    other.pass_time(0)
    [start] = other.commands()
    assert isinstance(start, StartTask)
    assert (start.gateway_id, start.worker_id) == ("gateway-2", "w1")
    other.desk.touch(connection.session)
    other.pass_time(40)
    [timeout] = [command for command in other.commands() if isinstance(command, FailTask)]
    assert timeout.failure.error_type == "StartToCloseTimeout", "the deadline moved with it"


def test_a_worker_that_went_on_twice_is_followed_to_the_gateway_before(parts: Parts) -> None:
    _, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    third = Parts("gateway-3")
    third.connect(held=[token], session_id="gateway-2/5")
    _, mail = third.desk.errands.take_all()
    assert set(mail) == {"gateway-1", "gateway-2"}


def test_a_worker_that_comes_back_brings_its_task_back(parts: Parts) -> None:
    _, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    [held] = parts.desk.held_tasks
    parts.attachments.release([held])
    connection, _ = parts.connect(held=[token], session_id="gateway-2/5")
    assert connection.lost_tokens == ()
    assert token in connection.session.held


@pytest.mark.parametrize("verdict", [Verdict.SUPERSEDED, Verdict.CLOSED, Verdict.UNKNOWN])
def test_a_task_whose_start_is_refused_is_stopped_and_taken_off_its_queue(
    parts: Parts, verdict: Verdict
) -> None:
    _, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    parts.pass_time(0.1)
    [start] = parts.sent()
    parts.reporting.resolve([Reply(start.envelope.correlation_id, verdict, None)])
    assert channel.cancelled == [token]
    assert not parts.desk.held_tasks
    assert [entry.entry_id for entry in parts.desk.errands.take_all()[0]] == ["a"]


def test_a_short_task_is_never_reported_as_running(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    parts.pass_time(0.09)
    parts.reporting.report(connection.session, [TaskReport(token, Completed(NULL), None)])
    parts.pass_time(1)
    assert [type(command).__name__ for command in parts.commands()] == ["CompleteTask"]


def test_a_report_overtakes_the_undecided_start(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    parts.pass_time(0.1)
    parts.reporting.report(connection.session, [TaskReport(token, Completed(NULL), None)])
    assert [type(command).__name__ for command in parts.commands()] == ["CompleteTask"]


def test_what_is_not_answered_is_sent_again_until_it_is(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    parts.reporting.report(connection.session, [TaskReport(token, Completed(NULL), None)])
    first = parts.sent()
    for _ in range(3):
        parts.clock.advance(2)
        parts.desk.decisions.resend(parts.clock.monotonic() - 2, 500)
        assert parts.sent() == first
    parts.reporting.resolve([Reply(first[0].envelope.correlation_id, Verdict.ACCEPTED, None)])
    parts.clock.advance(2)
    parts.desk.decisions.resend(parts.clock.monotonic() - 2, 500)
    assert parts.sent() == []
    assert len(channel.answers) == 1


def test_resends_are_bounded_per_round(parts: Parts) -> None:
    connection, channel = parts.connect(credits=100)
    tokens = give(parts, channel, *(f"n{n}" for n in range(100)))
    parts.reporting.report(connection.session, [TaskReport(t, Completed(NULL), None) for t in tokens])
    parts.sent()
    parts.clock.advance(5)
    seen: set[str] = set()
    for _ in range(10):
        parts.desk.decisions.resend(parts.clock.monotonic() - 2, 10)
        batch = parts.sent()
        assert len(batch) == 10
        seen |= {undecided.envelope.correlation_id for undecided in batch}
    assert len(seen) == 100


def test_an_answer_that_nobody_waits_for_is_given_up(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    parts.reporting.cancel([])
    [held] = parts.desk.held_tasks
    parts.attachments.release([held])
    parts.reporting.report(connection.session, [TaskReport(token, Completed(NULL), None)])
    parts.sent()
    parts.attachments.detach(connection)
    parts.clock.advance(5)
    parts.desk.decisions.resend(parts.clock.monotonic() - 2, 10)
    assert len(parts.desk.decisions) == 0


def test_a_heartbeat_moves_the_heartbeat_deadline_alone(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    parts.hand_out(taken(queued(heartbeat=Micros(5 * SECOND)), "1-0"))
    token = channel.assigned[0].token
    for _ in range(14):
        parts.pass_time(4)
        parts.beating.beat(connection.session, [token], [token])
        parts.desk.touch(connection.session)
    assert channel.cancelled == []
    parts.pass_time(4)
    timeouts = [command for command in parts.commands() if isinstance(command, FailTask)]
    assert [timeout.failure.error_type for timeout in timeouts] == ["StartToCloseTimeout"]
    assert channel.cancelled == [token]


def test_a_beat_of_the_worker_is_no_heartbeat_of_the_handler(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    parts.hand_out(taken(queued(heartbeat=Micros(5 * SECOND)), "1-0"))
    parts.pass_time(4)
    parts.beating.beat(connection.session, [channel.assigned[0].token], [])
    parts.pass_time(1)
    timeouts = [command for command in parts.commands() if isinstance(command, FailTask)]
    assert [timeout.failure.error_type for timeout in timeouts] == ["HeartbeatTimeout"]


def test_a_report_sent_twice_before_its_decision_is_answered_once(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    report = TaskReport(give(parts, channel, "a")[0], Completed(NULL), None)
    assert parts.reporting.report(connection.session, [report, report]) == []
    assert parts.reporting.report(connection.session, [report]) == []
    [undecided] = parts.sent()
    parts.reporting.resolve([Reply(undecided.envelope.correlation_id, Verdict.ACCEPTED, None)])
    assert len(channel.answers) == 1


def test_a_task_whose_report_is_on_its_way_is_not_called_lost(parts: Parts) -> None:
    connection, channel = parts.connect(credits=1)
    [token] = give(parts, channel, "a")
    [held] = parts.desk.held_tasks
    parts.attachments.release([held])
    parts.reporting.report(connection.session, [TaskReport(token, Completed(NULL), None)])
    assert parts.beating.beat(connection.session, [token], []).lost == []
