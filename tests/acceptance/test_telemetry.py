"""Traces from a client through the engine to a handler and back, and metrics, as a collector sees them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.acceptance.collector import CollectedSpan, Collector, collecting
from tests.acceptance.processes import STOP_SECONDS, background, dev, end, flowmesh, ready_address

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("traced_program.py")
SUBMIT = "flowmesh.v1.SubmissionService/SubmitWorkflow"
DEPLOY = Path(__file__).parents[2] / "deploy" / "README.md"


class Traced(NamedTuple):
    """What a run left with the collector."""

    collector: Collector
    spans: list[CollectedSpan]

    def of(self, execution_id: str) -> list[CollectedSpan]:
        """The spans of one submission's trace."""
        (submission,) = self._submissions(execution_id)
        return [span for span in self.spans if span.trace_id == submission.trace_id]

    def _submissions(self, execution_id: str) -> list[CollectedSpan]:
        return [
            span
            for span in self.spans
            if span.name == SUBMIT and span.attributes["flowmesh.execution_id"] == execution_id
        ]


@contextmanager
def program(role: str, address: str, endpoint: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), role, address],
        text=True,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
    )
    try:
        yield process
    finally:
        end(process)


@pytest.fixture(scope="module")
def traced() -> Iterator[Traced]:
    """Two executions on a system, a worker and a client that all export."""
    with collecting() as (collector, endpoint):
        exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        with (
            dev(environment=exporting) as address,
            program("worker", address, endpoint) as worker,
            program("client", address, endpoint) as client,
        ):
            assert client.wait(STOP_SECONDS) == 0
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(STOP_SECONDS) == 0
        yield Traced(collector, collector.spans)


def one(spans: list[CollectedSpan], name: str, **attributes: str) -> CollectedSpan:
    """The one span with this name and these attributes."""
    wanted = {f"flowmesh.{key}": value for key, value in attributes.items()}
    (found,) = [span for span in spans if span.name == name and wanted.items() <= span.attributes.items()]
    return found


def test_one_trace_goes_from_the_client_to_the_handler_and_back(traced: Traced) -> None:
    spans = traced.of("chain")
    call = one(spans, "flowmesh.v1/SubmitWorkflow")
    served = one(spans, SUBMIT)
    assert (call.service, call.parent) == ("client", "")
    assert (served.service, served.parent) == ("flowmesh", call.span_id)
    started = one(spans, "flowmesh.decide", command="StartExecution")
    assert started.parent == served.span_id
    for node_id in ("first", "second"):
        task = one(spans, "flowmesh.task", node_id=node_id)
        handler = one(spans, "double", node_id=node_id)
        decided = one(spans, "flowmesh.decide", command="CompleteTask", node_id=node_id)
        assert (task.service, task.parent) == ("flowmesh", served.span_id)
        assert (handler.service, handler.parent) == ("worker", task.span_id)
        assert (decided.service, decided.parent) == ("flowmesh", task.span_id)
    assert not any(span.is_error for span in spans)


def test_steps_say_what_they_are_about(traced: Traced) -> None:
    spans = traced.of("chain")
    about = {"flowmesh.namespace": "default", "flowmesh.execution_id": "chain", "flowmesh.node_id": "second"}
    task = about | {"flowmesh.attempt": 1, "flowmesh.handler": "double"}
    assert one(spans, "flowmesh.task", node_id="second").attributes == task | {"flowmesh.verdict": "ACCEPTED"}
    assert task.items() <= one(spans, "double", node_id="second").attributes.items()
    decided = one(spans, "flowmesh.decide", command="CompleteTask", node_id="second")
    assert decided.attributes == about | {
        "flowmesh.attempt": 1,
        "flowmesh.command": "CompleteTask",
        "flowmesh.verdict": "ACCEPTED",
    }


def test_a_failed_task_is_an_error_that_tells_no_data(traced: Traced) -> None:
    spans = traced.of("charge")
    assert {span.name for span in spans if span.is_error} == {"flowmesh.task", "refuse"}
    assert one(spans, "flowmesh.decide", command="FailTask").parent == one(spans, "flowmesh.task").span_id
    assert b"hunter2" not in traced.collector.received_from("flowmesh")


def test_metrics_arrive_with_their_units(traced: Traced) -> None:
    arrived = traced.collector.metrics
    documented = dict(re.findall(r"^\| `([a-z_.]+)` \| \w+ \| `(.+?)` \|", DEPLOY.read_text(), re.MULTILINE))
    assert arrived.items() <= documented.items()
    assert {
        "flowmesh.executions.accepted",
        "flowmesh.executions.closed",
        "flowmesh.executions.open",
        "flowmesh.tasks.dispatched",
        "flowmesh.tasks.completed",
        "flowmesh.tasks.failed",
        "flowmesh.tasks.queue.duration",
        "flowmesh.append.duration",
        "flowmesh.events.per_append",
        "flowmesh.partitions.owned",
        "flowmesh.workers.connected",
        "flowmesh.watchers.open",
        "rpc.server.call.duration",
    } <= arrived.keys()


def test_a_call_without_a_trace_begins_one_and_a_failed_one_tells_its_reason() -> None:
    with collecting() as (collector, endpoint):
        with dev(environment={"FLOWMESH_OTLP_ENDPOINT": endpoint}) as address:
            assert flowmesh("health", "--address", address).code == 0
            assert flowmesh("get", "nobody", "--address", address).code == 1
        spans = {span.name: span for span in collector.spans}
    check, get = spans["grpc.health.v1.Health/Check"], spans["flowmesh.v1.OrchestrationService/GetExecution"]
    assert (check.parent, check.is_error) == ("", False)
    assert check.attributes["rpc.system.name"] == "grpc"
    assert (get.parent, get.is_error, get.description) == ("", True, "EXECUTION_NOT_FOUND")
    assert get.attributes["rpc.response.status_code"] == "NOT_FOUND"


def test_an_absent_collector_does_not_hold_up_the_end() -> None:
    with background(
        "dev", "--listen", "127.0.0.1:0", environment={"FLOWMESH_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    ) as process:
        flowmesh("health", "--address", ready_address(process))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    assert time.monotonic() - began < 10
