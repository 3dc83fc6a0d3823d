from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import flowmesh

from .scripted_server import task
from .working import PATIENCE, double, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowmesh.v1 import task_pb2

    from .scripted_server import ScriptedServer


@flowmesh.task
async def greet(name: str) -> dict[str, str]:
    await asyncio.sleep(0)
    return {"hello": name}


def run_one(
    server: ScriptedServer, function: Callable[..., Any], config: bytes = b"{}", **welcome: Any
) -> task_pb2.TaskReport:
    """The report of one task that a worker runs."""
    with working(server, function):
        stream = server.welcome(**welcome)
        stream.assign(task(b"t1", function.__name__, config))
        report = stream.report()
        stream.answer(b"t1")
        return report


def test_hello_says_what_the_worker_offers(server: ScriptedServer) -> None:
    with working(server, double, greet, slots=3, labels={"zone": "a"}):
        hello = server.accept().expect("hello")
        assert (hello.worker_id, hello.namespace, hello.slots) == ("w1", "default", 3)
        assert list(hello.handlers) == ["double", "greet"]
        assert list(hello.protocol_versions) == [1]
        assert dict(hello.labels) == {"zone": "a"}


@pytest.mark.parametrize(
    ("function", "config", "output"),
    [
        (double, b'{"n": 1180591620717411303424}', b"2361183241434822606848"),
        (greet, b'{"name": "\xc3\xa4"}', b'{"hello":"\xc3\xa4"}'),
    ],
)
def test_tasks_run_and_report(
    server: ScriptedServer, function: Callable[..., Any], config: bytes, output: bytes
) -> None:
    report = run_one(server, function, config)
    assert report.completion.output.data == output
    assert report.HasField("start_time")


@flowmesh.task
def raises_plainly() -> None:
    raise ValueError("bad\ud800")


@flowmesh.task
async def raises_with_a_say() -> None:
    raise flowmesh.TaskError(
        "later", error_type="Busy", next_retry_delay=timedelta(seconds=7), details={"code": 1}
    )


@flowmesh.task
def returns_nan() -> float:
    return float("nan")


@flowmesh.task
def returns_much() -> str:
    return "x" * 100


@flowmesh.task
def exits() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("function", "kind", "retryable"),
    [
        (raises_plainly, "ValueError", True),
        (raises_with_a_say, "Busy", True),
        (returns_nan, "OutputNotJson", False),
        (returns_much, "OutputTooLarge", False),
        (double, "InvalidArguments", False),
        (exits, "SystemExit", True),
    ],
)
def test_failures_are_typed(
    server: ScriptedServer, function: Callable[..., Any], kind: str, retryable: bool
) -> None:
    report = run_one(server, function, output_bytes=50)
    assert report.failure.failure.error_type == kind
    assert report.failure.non_retryable is not retryable
    if kind == "Busy":
        assert report.failure.next_retry_delay.seconds == 7
        assert report.failure.failure.details.data == b'{"code":1}'


def test_payloads_pass_unchanged(server: ScriptedServer) -> None:
    @flowmesh.task
    def picture() -> flowmesh.Payload:
        return flowmesh.Payload(b"\x89PNG", "image/png", {"width": "1"})

    output = run_one(server, picture).completion.output
    assert (output.data, output.content_type, dict(output.metadata)) == (
        b"\x89PNG",
        "image/png",
        {"width": "1"},
    )


@pytest.mark.parametrize("awaited", [False, True])
def test_the_current_task_is_known_in_threads_and_coroutines(server: ScriptedServer, awaited: bool) -> None:
    def describe() -> list[Any]:
        current = flowmesh.current_task()
        return [current.execution_id, current.node_id, current.attempt, current.idempotency_key]

    @flowmesh.task(name="who")
    def plain() -> list[Any]:
        return describe()

    @flowmesh.task(name="who")
    async def coroutine() -> list[Any]:
        return await asyncio.to_thread(describe)

    with working(server, coroutine if awaited else plain):
        stream = server.welcome()
        stream.assign(task(b"t1", "who", attempt=4))
        assert stream.report().completion.output.data == b'["e1","n1",4,"key"]'
        stream.answer(b"t1")
    with pytest.raises(RuntimeError):
        flowmesh.current_task()


def test_credits_never_exceed_the_slots(server: ScriptedServer) -> None:
    gate = threading.Event()

    @flowmesh.task
    def wait() -> None:
        gate.wait(PATIENCE)

    with working(server, wait, slots=4):
        stream = server.welcome()
        assert stream.expect("credit_grant").credits == 4
        stream.assign(*[task(b"%d" % n, "wait") for n in range(4)])
        gate.set()
        reported, granted = 0, 0
        while granted < 4:
            frame = stream.receive()
            assert frame is not None
            for report in frame.reports.reports:
                reported += 1
                stream.answer(report.task_token)
            granted += frame.credit_grant.credits
            assert granted <= reported


def test_many_reports_travel_in_few_frames(server: ScriptedServer) -> None:
    with working(server, double, slots=500):
        stream = server.welcome()
        assert stream.expect("credit_grant").credits == 500
        stream.assign(*[task(b"%d" % n, "double", b'{"n":1}') for n in range(500)])
        tokens: set[bytes] = set()
        frames = 0
        while len(tokens) < 500:
            frames += 1
            tokens |= {report.task_token for report in stream.expect("reports").reports}
        stream.answer(*tokens)
        assert frames < 500
