"""What a worker holds and owes, frame by frame, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

from flowmesh._worker import reports
from flowmesh._worker.session import HeldTask, Session
from flowmesh.v1 import task_pb2
from flowmesh.v1 import worker_control_service_pb2 as wire


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def connected(session: Session, **welcome: Any) -> None:
    session.open_stream(wire.Hello())
    answer = wire.Welcome(session_id="s", maximum_output_bytes=1_000, **welcome)
    answer.beat_interval.seconds = 5
    session.welcomed(answer)


def frames(session: Session) -> list[wire.ConnectRequest]:
    found = []
    with session.changed:
        while (frame := session.next_frame()) is not None:
            found.append(frame)
    return found


def kinds(session: Session) -> list[str | None]:
    return [frame.WhichOneof("frame") for frame in frames(session)]


def tasks(*tokens: bytes) -> list[task_pb2.Task]:
    return [task_pb2.Task(task_token=token, handler="h") for token in tokens]


def end(session: Session, held: HeldTask, output: object = None) -> None:
    assert session.start(held)
    report = reports.completion(output, session.maximum_output_bytes)
    session.finish(held, reports.stamped(report, held.token, 0.0))


def answer(session: Session, *tokens: bytes, status: int = 1, reason: str = "") -> None:
    session.acknowledged(
        task_pb2.ReportResult(task_token=token, status=status, reason=reason)  # type: ignore[arg-type]
        for token in tokens
    )


def test_credits_come_in_batches_of_a_quarter() -> None:
    session = Session(8, Clock())
    connected(session)
    assert frames(session)[0].credit_grant.credits == 8
    first, second, third = session.assigned(tasks(b"1", b"2", b"3"))
    assert frames(session) == []
    end(session, first)
    assert kinds(session) == ["reports"]
    end(session, second)
    end(session, third)
    assert [frame.credit_grant.credits for frame in frames(session)] == [0, 3]


def test_the_last_slot_is_granted_at_once() -> None:
    session = Session(8, Clock())
    connected(session)
    frames(session)
    held = session.assigned(tasks(*[b"%d" % n for n in range(8)]))
    end(session, held[0])
    assert kinds(session) == ["reports", "credit_grant"]


def test_no_credit_while_a_thousand_reports_wait() -> None:
    session = Session(400, Clock())
    connected(session)
    for batch in range(3):
        granted = sum(frame.credit_grant.credits for frame in frames(session))
        for held in session.assigned(tasks(*[b"%d-%d" % (batch, n) for n in range(granted)])):
            end(session, held)
    assert sum(len(frame.reports.reports) for frame in frames(session)) == 200
    assert kinds(session) == []
    answer(session, *[b"0-%d" % n for n in range(400)])
    assert frames(session)[0].credit_grant.credits == 400


def test_no_credit_while_too_many_bytes_wait() -> None:
    session = Session(100, Clock())
    connected(session)
    session.maximum_output_bytes = 0
    frames(session)
    for held in session.assigned(tasks(*[b"%d" % n for n in range(70)])):
        end(session, held, "x" * 1_000_000)
    sent = frames(session)
    assert {frame.WhichOneof("frame") for frame in sent} == {"reports"}
    assert max(frame.ByteSize() for frame in sent) < 3_500_000
    answer(session, *[b"%d" % n for n in range(10)])
    assert kinds(session) == ["credit_grant"]


def test_beats_name_everything_held_and_come_before_anything_else() -> None:
    clock = Clock()
    session = Session(2, clock)
    connected(session)
    frames(session)
    running, ended = session.assigned(tasks(b"1", b"2"))
    session.start(running)
    end(session, ended)
    clock.now += 5
    beat, *rest = frames(session)
    assert list(beat.beat.held_task_tokens) == [b"1", b"2"]
    assert [frame.WhichOneof("frame") for frame in rest] == ["reports", "credit_grant"]
    with session.changed:
        assert session.until_beat() == 5


def test_heartbeats_are_throttled_to_a_part_of_their_timeout() -> None:
    clock = Clock()
    session = Session(1, clock)
    connected(session)
    message = tasks(b"1")[0]
    message.heartbeat_timeout.seconds = 10
    clock.now += 5
    assert kinds(session) == ["beat", "credit_grant"]
    (held,) = session.assigned([message])
    session.start(held)
    held.context.heartbeat({"n": 1})
    held.context.heartbeat({"n": 2})
    clock.now += 3.9
    assert kinds(session) == []
    clock.now += 0.2
    (beat,) = frames(session)
    assert [heartbeat.progress.data for heartbeat in beat.beat.heartbeats] == [b'{"n":2}']


def test_heartbeats_that_were_not_answered_are_sent_again_at_once() -> None:
    clock = Clock()
    session = Session(1, clock)
    connected(session)
    (held,) = session.assigned(tasks(b"1"))
    session.start(held)
    held.context.heartbeat(1)
    clock.now += 5
    assert kinds(session) == ["beat"]
    connected(session)
    (beat,) = frames(session)
    assert [heartbeat.progress.data for heartbeat in beat.beat.heartbeats] == [b"1"]
    session.beat_answered(wire.BeatReply())
    connected(session)
    assert kinds(session) == []


def test_a_lost_task_fills_its_slot_until_its_handler_ends() -> None:
    session = Session(1, Clock())
    connected(session)
    frames(session)
    (held,) = session.assigned(tasks(b"1"))
    assert session.start(held)
    session.lose([b"1"])
    assert held.context.is_cancelled
    assert kinds(session) == []
    session.finish(held, reports.handed_back(b"1"))
    assert kinds(session) == ["credit_grant"]


def test_what_is_owed_is_sent_again_on_a_new_stream_and_only_once() -> None:
    session = Session(2, Clock())
    connected(session)
    held = session.assigned(tasks(b"1", b"2"))
    for one in held:
        end(session, one)
    assert "reports" in kinds(session)
    answer(session, b"1")
    hello = wire.Hello()
    session.open_stream(hello)
    assert (hello.session_id, list(hello.held_task_tokens)) == ("s", [b"2"])
    connected(session)
    sent = [report.task_token for frame in frames(session) for report in frame.reports.reports]
    assert sent == [b"2"]
    answer(session, b"2", status=task_pb2.REPORT_STATUS_SUPERSEDED)
    connected(session)
    assert "reports" not in kinds(session)


def test_an_assignment_that_comes_twice_is_run_once() -> None:
    session = Session(2, Clock())
    connected(session)
    (held,) = session.assigned(tasks(b"1"))
    assert session.assigned(tasks(b"1")) == []
    end(session, held)
    assert session.assigned(tasks(b"1")) == []


def test_a_rejected_failure_is_not_sent_for_ever() -> None:
    session = Session(1, Clock())
    connected(session)
    (held,) = session.assigned(tasks(b"1"))
    end(session, held)
    frames(session)
    answer(session, b"1", status=task_pb2.REPORT_STATUS_REJECTED, reason="SOMETHING_NEW")
    (report,) = frames(session)[0].reports.reports
    assert report.failure.failure.error_type == "ReportRejected"
    answer(session, b"1", status=task_pb2.REPORT_STATUS_REJECTED, reason="SOMETHING_NEW")
    assert "reports" not in kinds(session)


def test_a_forged_token_is_forgotten() -> None:
    session = Session(1, Clock())
    connected(session)
    (held,) = session.assigned(tasks(b"1"))
    end(session, held)
    frames(session)
    answer(session, b"1", status=task_pb2.REPORT_STATUS_REJECTED, reason="INVALID_TASK_TOKEN")
    assert kinds(session) == []


def test_a_task_cancelled_before_it_began_never_begins() -> None:
    session = Session(1, Clock())
    connected(session)
    (held,) = session.assigned(tasks(b"1"))
    session.cancel([b"1"])
    assert not session.start(held)
    (report,) = frames(session)[0].reports.reports
    assert report.HasField("cancellation")


def test_a_drain_is_over_when_a_later_beat_was_answered() -> None:
    session = Session(4, Clock())
    connected(session)
    frames(session)
    idle: list[bool] = []
    session.drain(lambda: idle.append(True))
    assert kinds(session) == ["drain", "beat"]
    assert session.assigned(tasks(b"late")) == []
    assert kinds(session) == ["reports"]
    session.beat_answered(wire.BeatReply())
    assert not idle
    answer(session, b"late")
    assert idle


def test_a_drain_without_a_connection_waits_for_nothing() -> None:
    session = Session(4, Clock())
    idle: list[bool] = []
    session.drain(lambda: idle.append(True))
    assert idle
