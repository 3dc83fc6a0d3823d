from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

import flowmesh
from flowmesh.v1 import task_pb2
from flowmesh.v1 import worker_control_service_pb2 as wire

from .scripted_server import Refusal, task
from .working import PATIENCE, double, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scripted_server import ScriptedServer, WorkerStream


def watchdogs() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "flowmesh-watchdog"]


def times_asleep(thread: threading.Thread) -> int:
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def test_results_are_sent_again_until_they_are_acknowledged(server: ScriptedServer) -> None:
    with working(server, double):
        first = server.welcome()
        first.assign(task(b"t1", "double", b'{"n":1}'))
        sent = first.report()
        first.end(Refusal(grpc.StatusCode.UNAVAILABLE))
        second = server.accept()
        hello = second.expect("hello")
        assert hello.session_id == "session"
        assert list(hello.held_task_tokens) == [b"t1"]
        second.welcome()
        assert second.report() == sent
        second.answer(b"t1")
        second.end()
        third = server.accept()
        assert not third.expect("hello").held_task_tokens


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c is not grpc.StatusCode.OK])
def test_the_worker_comes_back_after_every_status(server: ScriptedServer, code: grpc.StatusCode) -> None:
    with working(server, double):
        server.welcome().end(Refusal(code))
        server.welcome()


def test_the_worker_comes_back_to_a_restarted_server(server: ScriptedServer) -> None:
    with working(server, double):
        server.welcome()
        server.restart()
        stream = server.welcome()
        stream.assign(task(b"t1", "double", b'{"n":1}'))
        assert stream.report().completion.output.data == b"2"
        stream.answer(b"t1")


def test_a_silent_server_is_left(server: ScriptedServer) -> None:
    with working(server, double) as worker:
        silent = server.accept()
        silent.answers_beats = False
        silent.welcome(beat=0.1)
        silent.expect("beat")
        server.accept()  # the worker gave up on the silent one
        assert not worker.healthy


def test_a_worker_tries_often_enough_for_its_lease(server: ScriptedServer) -> None:
    with working(server, double):
        server.welcome(lease=1.0).end(Refusal(grpc.StatusCode.UNAVAILABLE))
        began = time.monotonic()
        for _ in range(8):
            server.accept().end(Refusal(grpc.StatusCode.UNAVAILABLE))
        assert time.monotonic() - began < 4.0
        server.welcome()


def test_a_server_that_hangs_is_not_waited_for_when_another_takes_its_place(server: ScriptedServer) -> None:
    with working(server, double):
        server.welcome(lease=3.0)
        server.stop()
        host, port = server.address.split(":")
        with socket.create_server((host, int(port))) as hanging:
            hanging.settimeout(PATIENCE)
            connection, _ = hanging.accept()
        with connection:  # what was accepted stays open, and silent
            began = time.monotonic()
            server.start()
            server.welcome()
        assert time.monotonic() - began < 3.0


def test_a_server_that_does_not_welcome_is_left_within_the_lease(server: ScriptedServer) -> None:
    with working(server, double):
        server.welcome(lease=3.0).end()
        server.accept()
        began = time.monotonic()
        server.welcome()
        assert time.monotonic() - began < 3.0


def test_a_silent_server_is_left_before_the_lease_ends_however_rarely_it_wants_beats(
    server: ScriptedServer,
) -> None:
    with working(server, double):
        silent = server.accept()
        silent.answers_beats = False
        silent.welcome(beat=2.0, lease=4.0)
        began = time.monotonic()
        server.accept()
        assert time.monotonic() - began < 4.0


def test_the_watch_over_an_idle_stream_sleeps_until_there_can_be_silence(server: ScriptedServer) -> None:
    with working(server, double):
        stream = server.welcome(beat=2.0)
        stream.expect("credit_grant")
        (watchdog,) = watchdogs()
        before = times_asleep(watchdog)
        stream.expect("beat")
        assert times_asleep(watchdog) - before < 5, "five times a second would be ten"
    assert not watchdogs(), "it ends with the worker"


def test_beats_go_on_while_user_code_blocks_the_loop(server: ScriptedServer) -> None:
    gate = threading.Event()

    @flowmesh.task
    async def block() -> None:
        gate.wait(PATIENCE)

    with working(server, block) as worker:
        stream = server.welcome(beat=0.1)
        stream.assign(task(b"t1", "block"))
        held: list[list[bytes]] = []
        while len(held) < 3:
            beat = stream.expect("beat")
            held += [list(beat.held_task_tokens)] * (b"t1" in beat.held_task_tokens)
        assert worker.healthy
        gate.set()
        stream.report()
        stream.answer(b"t1")


def test_heartbeats_of_handlers_travel_in_time(server: ScriptedServer) -> None:
    gate = threading.Event()

    @flowmesh.task
    def work() -> None:
        flowmesh.current_task().heartbeat({"done": 1})
        gate.wait(PATIENCE)

    with working(server, work):
        stream = server.welcome(beat=60)  # far too slow for the handler's timeout
        stream.assign(task(b"t1", "work", heartbeat_timeout=Duration(nanos=200_000_000)))
        (heartbeat,) = stream.expect("beat").heartbeats
        assert (heartbeat.task_token, heartbeat.progress.data) == (b"t1", b'{"done":1}')
        gate.set()
        stream.report()
        stream.answer(b"t1")


@flowmesh.task(name="wait")
def wait_in_thread() -> str:
    current = flowmesh.current_task()
    current.wait_cancelled(PATIENCE)
    current.raise_if_cancelled()
    return "was never told"


@flowmesh.task(name="wait")
async def wait_on_loop() -> None:
    await asyncio.sleep(PATIENCE)


@pytest.mark.parametrize("function", [wait_in_thread, wait_on_loop])
def test_a_cancel_that_is_pushed_stops_the_handler(
    server: ScriptedServer, function: Callable[..., Any]
) -> None:
    with working(server, function):
        stream = server.welcome()
        stream.assign(task(b"t1", "wait"))
        stream.send(cancel_tasks=wire.CancelTasks(task_tokens=[b"t1", b"unknown"]))
        assert stream.report().WhichOneof("outcome") == "cancellation"
        stream.answer(b"t1")


@pytest.mark.parametrize("function", [wait_in_thread, wait_on_loop])
def test_a_lost_task_is_stopped_and_not_reported(
    server: ScriptedServer, function: Callable[..., Any]
) -> None:
    with working(server, function, double, slots=1):
        stream = server.welcome(beat=0.1)
        stream.assign(task(b"t1", "wait"))
        while b"t1" not in stream.expect("beat").held_task_tokens:
            pass
        stream.send(beat_reply=wire.BeatReply(lost_task_tokens=[b"t1"]))
        stream.assign(task(b"t2", "double", b'{"n":1}'))
        assert stream.report().task_token == b"t2"
        stream.answer(b"t2")


def test_a_cancel_in_a_beat_reply_counts_too(server: ScriptedServer) -> None:
    with working(server, wait_on_loop):
        stream = server.welcome(beat=0.1)
        stream.assign(task(b"t1", "wait"))
        stream.expect("beat")
        stream.send(beat_reply=wire.BeatReply(cancelled_task_tokens=[b"t1"]))
        assert stream.report().HasField("cancellation")
        stream.answer(b"t1")


def test_a_rejected_output_is_reported_as_a_failure(server: ScriptedServer) -> None:
    with working(server, double):
        stream = server.welcome()
        stream.assign(task(b"t1", "double", b'{"n":1}'))
        stream.report()
        stream.answer(b"t1", status=task_pb2.REPORT_STATUS_REJECTED, reason="OUTPUT_TOO_LARGE")
        again = stream.report()
        assert again.failure.failure.error_type == "OutputTooLarge"
        assert again.failure.non_retryable
        stream.answer(b"t1")


def test_go_away_moves_the_worker_and_keeps_its_tasks(server: ScriptedServer) -> None:
    gate = threading.Event()

    @flowmesh.task
    def work() -> str:
        gate.wait(PATIENCE)
        return "done"

    with working(server, work):
        first = server.welcome()
        first.assign(task(b"t1", "work"))
        first.send(go_away=wire.GoAway(reconnect_within=Duration(nanos=1)))
        second = server.accept()
        assert list(second.expect("hello").held_task_tokens) == [b"t1"]
        second.welcome()
        gate.set()
        assert second.report().completion.output.data == b'"done"'
        second.answer(b"t1")


def test_tasks_lost_over_a_reconnect_are_stopped(server: ScriptedServer) -> None:
    began = threading.Event()

    @flowmesh.task
    def wait() -> None:
        began.set()
        flowmesh.current_task().wait_cancelled(PATIENCE)

    with working(server, wait, double, slots=1):
        first = server.welcome()
        first.assign(task(b"t1", "wait"))
        assert began.wait(PATIENCE)
        first.end()
        second = server.accept()
        assert list(second.expect("hello").held_task_tokens) == [b"t1"]
        second.welcome(lost=[b"t1"])
        second.assign(task(b"t2", "double", b'{"n":1}'))
        assert second.report().task_token == b"t2"
        second.answer(b"t2")


def test_draining_finishes_what_runs_and_hands_back_the_rest(server: ScriptedServer) -> None:
    begun, gate = threading.Event(), threading.Event()

    @flowmesh.task
    def work() -> str:
        begun.set()
        gate.wait(PATIENCE)
        return "done"

    with working(server, work) as worker:
        stream = server.welcome()
        stream.assign(task(b"t1", "work"))
        begun.wait(PATIENCE)
        worker.stop()
        stream.expect("drain")
        stream.assign(task(b"t2", "work"))
        handed_back = stream.report()
        assert (handed_back.task_token, handed_back.WhichOneof("outcome")) == (b"t2", "yield")
        gate.set()
        assert stream.report().completion.output.data == b'"done"'
        stream.answer(b"t1", b"t2")
        assert stream.receive() is None


def test_a_handler_that_outlives_the_grace_is_stopped_and_reported(server: ScriptedServer) -> None:
    began = threading.Event()

    @flowmesh.task
    async def outlive() -> None:
        began.set()
        await asyncio.sleep(PATIENCE)

    with working(server, outlive) as worker:
        stream = server.welcome()
        stream.assign(task(b"t1", "outlive"))
        assert began.wait(PATIENCE)
        worker.stop()
        stream.expect("drain")
        worker.stop()  # the second one skips the grace
        assert stream.report().failure.failure.error_type == "WorkerStopped"
        stream.answer(b"t1")


def test_a_dry_run_takes_all_handlers_and_returns_the_config(server: ScriptedServer) -> None:
    with working(server, dry_run=True):
        stream = server.accept()
        assert stream.expect("hello").all_handlers
        stream.welcome()
        stream.assign(task(b"t1", "anything", b'{"a": 1.50}'))
        assert stream.report().completion.output.data == b'{"a": 1.50}'
        stream.answer(b"t1")


async def test_run_shares_the_loop_of_its_caller(server: ScriptedServer) -> None:
    loops: queue.SimpleQueue[asyncio.AbstractEventLoop] = queue.SimpleQueue()

    @flowmesh.task
    async def which() -> None:
        loops.put(asyncio.get_running_loop())

    def serve() -> WorkerStream:
        stream = server.welcome()
        stream.assign(task(b"t1", "which"))
        stream.report()
        stream.answer(b"t1")
        return stream

    worker = flowmesh.Worker(server.address, tasks=[which])
    running = asyncio.create_task(worker.run())
    stream = await asyncio.to_thread(serve)
    worker.stop()
    await asyncio.wait_for(running, PATIENCE)
    assert loops.get(timeout=PATIENCE) is asyncio.get_running_loop()
    stream.expect("drain")


async def test_cancelling_run_stops_the_handlers(server: ScriptedServer) -> None:
    begun, stopped = threading.Event(), threading.Event()

    @flowmesh.task
    async def wait() -> None:
        begun.set()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            stopped.set()

    worker = flowmesh.Worker(server.address, tasks=[wait])
    running = asyncio.create_task(worker.run())
    stream = await asyncio.to_thread(server.welcome)
    stream.assign(task(b"t1", "wait"))
    await asyncio.to_thread(begun.wait, PATIENCE)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()
    assert stream.report().failure.failure.error_type == "WorkerStopped"
