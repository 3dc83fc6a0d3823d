from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc

from flowmesh.v1 import task_pb2
from flowmesh.v1 import worker_control_service_pb2 as pb
from flowmesh_core.domain.commands import AcknowledgeTaskCancel, CompleteTask, FailTask, LoseTask, StartTask
from flowmesh_core.domain.failure import Failure
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.states import FailureSource, LostCause
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.transition import Verdict
from tests.services.memory_cluster import refusal
from tests.services.worker_control.worker_control_world import gateway_server, task

if TYPE_CHECKING:
    from tests.services.worker_control.worker_control_world import Server, World

ACCEPTED = task_pb2.REPORT_STATUS_ACCEPTED
SUPERSEDED = task_pb2.REPORT_STATUS_SUPERSEDED


async def test_a_task_goes_out_and_its_report_is_acknowledged_after_the_decision(
    world: World, server: Server
) -> None:
    await world.queue(task())
    worker = await server.connect().hello(credits=5)
    [assigned] = await worker.tasks(1)
    assert (assigned.namespace, assigned.execution_id, assigned.node_id) == ("default", "run", "a")
    assert (assigned.handler, assigned.attempt, assigned.workflow_name) == ("work", 1, "flow")
    assert assigned.idempotency_key == "default/run/a"
    assert assigned.input.data == b'{"x":1}'
    assert assigned.traceparent == "00-trace"
    assert not assigned.HasField("heartbeat_timeout")
    await worker.complete(assigned.task_token, data=b'{"y": 12345678901234567890123}')
    results = await worker.results(1)
    assert results[assigned.task_token].status == ACCEPTED
    command = await world.command(CompleteTask)
    assert isinstance(command, CompleteTask)
    assert command.output == Payload(b'{"y": 12345678901234567890123}')
    assert command.worker_id == "w1"
    assert world.pending == {}


async def test_tasks_that_arrive_later_are_pushed(world: World, server: Server) -> None:
    worker = await server.connect().hello(credits=2)
    await world.queue(task("a"))
    await worker.tasks(1)
    await world.queue(task("b"))
    [second] = await worker.tasks(1)
    assert second.node_id == "b"


async def test_credits_bind_and_grants_add_up(world: World, server: Server) -> None:
    await world.queue(*(task(f"n{number}") for number in range(10)))
    worker = await server.connect().hello(credits=2)
    first = await worker.tasks(2)
    assert world.waiting == 8
    await worker.complete(*(each.task_token for each in first))
    await worker.results(2)
    assert world.waiting == 8, "an accepted report is no credit"
    await worker.send(credit_grant=pb.CreditGrant(credits=3))
    await worker.send(credit_grant=pb.CreditGrant(credits=1))
    await worker.tasks(4)
    await worker.beat()
    assert world.waiting == 4


async def test_a_worker_gets_only_what_it_offers(world: World, server: Server) -> None:
    await world.queue(task("a", "other"), task("b", "work"))
    worker = await server.connect().hello(credits=5)
    [assigned] = await worker.tasks(1)
    assert assigned.node_id == "b"
    wildcard = await server.connect().hello(worker_id="w2", all_handlers=True, credits=5)
    [assigned] = await wildcard.tasks(1)
    assert assigned.node_id == "a"


async def test_many_tasks_are_one_frame_and_many_results_too(world: World, server: Server) -> None:
    await world.queue(*(task(f"n{number}") for number in range(300)))
    worker = await server.connect().hello(credits=300)
    frame = await worker.read("assignments")
    assert len(frame.assignments.tasks) == 300
    await worker.complete(*(each.task_token for each in frame.assignments.tasks))
    assert len(await worker.results(300)) == 300
    assert len(world.commands) == 300


async def test_frames_of_large_tasks_stay_small(world: World, server: Server) -> None:
    big = Payload(b'"' + b"x" * 400_000 + b'"')
    await world.queue(*(task(f"n{number}", input=big) for number in range(30)))
    worker = await server.connect().hello(credits=30)
    found = 0
    while found < 30:
        tasks = (await worker.read("assignments")).assignments.tasks
        assert 1 <= len(tasks) <= 3
        found += len(tasks)


async def test_every_outcome_becomes_its_command(world: World, server: Server) -> None:
    await world.queue(task("a"), task("b"), task("c"))
    worker = await server.connect().hello(credits=3)
    tokens = {each.node_id: each.task_token for each in await worker.tasks(3)}
    failed = task_pb2.TaskReport(task_token=tokens["a"])
    failed.start_time.FromSeconds(1_700_000_000)
    failed.failure.failure.error_type = "ValueError"
    failed.failure.failure.message = "no"
    failed.failure.non_retryable = True
    failed.failure.next_retry_delay.FromSeconds(7)
    stopped = task_pb2.TaskReport(task_token=tokens["b"], cancellation=task_pb2.TaskCancellation())
    returned = task_pb2.TaskReport(task_token=tokens["c"])
    getattr(returned, "yield").SetInParent()
    await worker.send(reports=pb.TaskReports(reports=[failed, stopped, returned]))
    await worker.results(3)
    assert await world.command(FailTask) == FailTask(
        task("a").key,
        "a",
        1,
        Failure("ValueError", "no", FailureSource.HANDLER),
        "w1",
        Micros(1_700_000_000 * SECOND),
        non_retryable=True,
        next_retry_delay=Micros(7 * SECOND),
    )
    assert await world.command(AcknowledgeTaskCancel) == AcknowledgeTaskCancel(task("b").key, "b", 1)
    assert await world.command(LoseTask) == LoseTask(task("c").key, "c", 1, LostCause.YIELDED)


async def test_a_task_that_is_still_held_is_reported_as_running(world: World, server: Server) -> None:
    await world.queue(task())
    worker = await server.connect().hello(credits=1)
    await worker.tasks(1)
    command = await world.command(StartTask)
    assert isinstance(command, StartTask)
    assert (command.worker_id, command.gateway_id) == ("w1", "gateway-1")
    assert world.pending == {"a": "gateway-1"}


async def test_a_task_that_is_not_wanted_any_more_is_cancelled_and_lost(world: World, server: Server) -> None:
    world.decide = lambda command: Verdict.SUPERSEDED if isinstance(command, StartTask) else Verdict.ACCEPTED
    await world.queue(task())
    worker = await server.connect().hello(credits=1)
    [assigned] = await worker.tasks(1)
    frame = await worker.read("cancel_tasks")
    assert list(frame.cancel_tasks.task_tokens) == [assigned.task_token]
    reply = await worker.beat(assigned.task_token)
    assert list(reply.lost_task_tokens) == [assigned.task_token]
    assert world.pending == {}


async def test_a_cancel_is_pushed_and_repeated_in_beats(world: World, server: Server) -> None:
    await world.queue(task())
    worker = await server.connect().hello(credits=1)
    [assigned] = await worker.tasks(1)
    await world.cancel("gateway-1", task())
    frame = await worker.read("cancel_tasks")
    assert list(frame.cancel_tasks.task_tokens) == [assigned.task_token]
    reply = await worker.beat(assigned.task_token)
    assert list(reply.cancelled_task_tokens) == [assigned.task_token]
    assert not reply.lost_task_tokens


async def test_a_drained_worker_gets_nothing_more(world: World, server: Server) -> None:
    worker = await server.connect().hello(credits=5)
    await worker.send(drain=pb.Drain())
    await worker.beat()
    await world.queue(task())
    await worker.beat()
    assert world.waiting == 1


async def test_a_drained_worker_offers_nothing(server: Server) -> None:
    worker = await server.connect().hello(credits=5)
    async with asyncio.timeout(10):
        while not await offered(server):
            pass
        await worker.send(drain=pb.Drain())
        while await offered(server):
            pass


async def offered(server: Server) -> list[str]:
    workers = (await server.stub.ListWorkers(pb.ListWorkersRequest())).workers
    return [handler for worker in workers for handler in worker.handlers]


async def test_a_superseded_report_is_answered_so(world: World, server: Server) -> None:
    world.decide = lambda _command: Verdict.CLOSED
    await world.queue(task())
    worker = await server.connect().hello(credits=1)
    [assigned] = await worker.tasks(1)
    await worker.complete(assigned.task_token)
    result = (await worker.results(1))[assigned.task_token]
    assert (result.status, result.message) == (SUPERSEDED, "the execution had ended")


async def test_a_report_may_be_sent_any_number_of_times(world: World, server: Server) -> None:
    await world.queue(task())
    worker = await server.connect().hello(credits=1)
    [assigned] = await worker.tasks(1)
    for _ in range(3):
        await worker.complete(assigned.task_token)
        assert (await worker.results(1))[assigned.task_token].status == ACCEPTED


async def test_held_tasks_survive_the_stream(world: World, server: Server) -> None:
    await world.queue(task("a"), task("b"))
    first = await server.connect().hello(credits=2)
    tokens = [each.task_token for each in await first.tasks(2)]
    first.call.cancel()
    second = await server.connect().hello(
        session_id=first.welcome.session_id, held_task_tokens=tokens, credits=1
    )
    assert not second.welcome.lost_task_tokens
    await second.complete(*tokens)
    assert {result.status for result in (await second.results(2)).values()} == {ACCEPTED}
    assert not [command for command in world.commands if isinstance(command, LoseTask)]


async def test_what_a_reconnected_worker_does_not_name_goes_back(world: World, server: Server) -> None:
    await world.queue(task("a"), task("b"))
    first = await server.connect().hello(credits=2)
    kept, _ = [each.task_token for each in await first.tasks(2)]
    first.call.cancel()
    await server.connect().hello(session_id=first.welcome.session_id, held_task_tokens=[kept])
    command = await world.command(LoseTask)
    assert command == LoseTask(task().key, "b", 1, LostCause.YIELDED)


async def test_a_newer_stream_of_the_same_worker_takes_over(world: World, server: Server) -> None:
    await world.queue(task())
    first = await server.connect().hello(credits=1)
    [assigned] = await first.tasks(1)
    second = await server.connect().hello(
        session_id=first.welcome.session_id, held_task_tokens=[assigned.task_token]
    )
    error = await first.end()
    assert error is not None
    found = refusal(error)
    assert (found.code, found.reason) == (grpc.StatusCode.ABORTED, "WORKER_REPLACED")
    await second.complete(assigned.task_token)
    assert (await second.results(1))[assigned.task_token].status == ACCEPTED


async def test_tasks_move_with_their_worker_to_another_gateway(world: World) -> None:
    async with gateway_server(world, "gateway-1") as one, gateway_server(world, "gateway-2") as two:
        await world.queue(task())
        first = await one.connect().hello(credits=1)
        [assigned] = await first.tasks(1)
        token = assigned.task_token
        await world.command(StartTask)
        first.call.cancel()
        second = await two.connect().hello(session_id=first.welcome.session_id, held_task_tokens=[token])
        assert not second.welcome.lost_task_tokens
        moved = await world.command(StartTask, 2)
        assert isinstance(moved, StartTask)
        assert moved.gateway_id == "gateway-2"
        assert world.pending == {"a": "gateway-2"}
        again = await one.connect().hello(session_id=first.welcome.session_id, held_task_tokens=[token])
        assert list(again.welcome.lost_task_tokens) == [token], "the old gateway let go of it"
        await second.complete(token)
        assert (await second.results(1))[token].status == ACCEPTED
        assert not [command for command in world.commands if isinstance(command, LoseTask)]


async def test_a_worker_that_never_comes_back_loses_its_tasks(world: World) -> None:
    async with gateway_server(world, lease_ttl=0.3) as server:
        await world.queue(task())
        worker = await server.connect().hello(credits=1)
        await worker.tasks(1)
        worker.call.cancel()
        assert await world.command(LoseTask) == LoseTask(task().key, "a", 1, LostCause.WORKER_LOST)


async def test_a_silent_worker_is_cut_off(world: World) -> None:
    async with gateway_server(world, lease_ttl=0.3) as server:
        await world.queue(task())
        worker = await server.connect().hello(credits=1)
        await worker.tasks(1)
        error = await worker.end()
        assert error is not None
        found = refusal(error)
        assert (found.code, found.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "WORKER_SILENT")
        assert await world.command(LoseTask) == LoseTask(task().key, "a", 1, LostCause.WORKER_LOST)


async def test_reports_that_wait_for_too_long_end_the_stream_and_are_taken_on_the_next(world: World) -> None:
    world.decide = lambda command: None if isinstance(command, CompleteTask) else Verdict.ACCEPTED
    async with gateway_server(
        world, maximum_undecided=1, decision_wait=0.05, resend_after=0.1, start_report_delay=60.0
    ) as server:
        await world.queue(task("a"), task("b"))
        worker = await server.connect().hello(credits=2)
        taken, refused = (each.task_token for each in await worker.tasks(2))
        await worker.complete(taken)
        await worker.complete(refused)
        error = await worker.end()
        assert error is not None
        found = refusal(error)
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "DECISION_PENDING")
        assert found.retry_after == 1.0
        session = worker.welcome.session_id
        worker = await server.connect().hello(session_id=session, held_task_tokens=[taken, refused])
        assert list(worker.welcome.lost_task_tokens) == []
        world.decide = lambda _command: Verdict.ACCEPTED
        assert {token: each.status for token, each in (await worker.results(1)).items()} == {taken: ACCEPTED}
        await worker.complete(refused)
        assert (await worker.results(1))[refused].status == ACCEPTED


async def test_an_attempt_that_runs_too_long_times_out(world: World, server: Server) -> None:
    await world.queue(task(start_to_close=Micros(SECOND // 5)))
    worker = await server.connect().hello(credits=1)
    [assigned] = await worker.tasks(1)
    frame = await worker.read("cancel_tasks")
    assert list(frame.cancel_tasks.task_tokens) == [assigned.task_token]
    command = await world.command(FailTask)
    assert isinstance(command, FailTask)
    assert command.failure.error_type == "StartToCloseTimeout"
    assert command.failure.source is FailureSource.TIMEOUT


async def test_a_stopping_server_sends_its_workers_elsewhere(world: World) -> None:
    async with gateway_server(world, "gateway-1") as one, gateway_server(world, "gateway-2") as two:
        await world.queue(task())
        first = await one.connect().hello(credits=5)
        [assigned] = await first.tasks(1)
        draining = asyncio.create_task(one.drain())
        frame = await first.read("go_away")
        assert frame.go_away.reconnect_within.ToMilliseconds() == 1_000
        await world.queue(task("late"))
        second = await two.connect().hello(
            session_id=first.welcome.session_id, held_task_tokens=[assigned.task_token], credits=1
        )
        [late] = await second.tasks(1)
        assert late.node_id == "late"
        first.call.cancel()
        async with asyncio.timeout(5):
            await draining
        await second.complete(assigned.task_token)
        assert (await second.results(1))[assigned.task_token].status == ACCEPTED


async def test_a_worker_that_does_not_read_is_cut_off_and_what_never_left_goes_back(world: World) -> None:
    async with gateway_server(world, lease_ttl=1.0, take_limit=5) as server:
        large = Payload(b"x" * 1_000_000)
        await world.queue(*(task(f"n{number}", input=large) for number in range(60)))
        worker = await server.connect().hello(credits=60)

        heard = asyncio.Event()

        async def talk_but_do_not_read() -> None:
            while not heard.is_set():
                await worker.send(credit_grant=pb.CreditGrant(credits=1))
                await asyncio.wait({heard_of}, timeout=0.2)

        heard_of = asyncio.create_task(heard.wait())
        talking = asyncio.create_task(talk_but_do_not_read())
        lost = await world.command(LoseTask)
        heard.set()  # cancelling it in the midst of a write would cancel the stream
        await asyncio.wait({talking, heard_of})
        assert isinstance(lost, LoseTask)
        assert lost.cause is LostCause.YIELDED
        assert world.waiting > 30, "little was taken for a worker that does not read"
        error = await worker.end()
        assert error is not None
        assert refusal(error).reason == "WORKER_SILENT"
