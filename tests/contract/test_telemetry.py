"""The contract of Telemetry, through OpenTelemetry and in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.otel import OpenTelemetry

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric

    from flowmesh_core.ports.telemetry import Telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
SUBMISSION = f"00-{TRACE}-b7ad6b7169203331-01"


@dataclass(frozen=True)
class Seen:
    """A span that ended."""

    name: str
    traceparent: str
    parent: str
    attributes: dict[str, object]
    problem: str


@dataclass
class Recorded:
    """The twin, and what it was told."""

    telemetry: RecordedTelemetry = field(default_factory=RecordedTelemetry)

    def spans(self) -> list[Seen]:
        return [
            Seen(each.name, each.traceparent, each.parent[36:52], dict(each.attributes), each.problem)
            for each in self.telemetry.spans
            if each.ended
        ]


class Exported:
    """OpenTelemetry, and what it exports."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self._reader = InMemoryMetricReader()
        meter = MeterProvider([self._reader], shutdown_on_exit=False).get_meter("test")
        self.telemetry = OpenTelemetry(meter, provider.get_tracer("test"))

    def spans(self) -> list[Seen]:
        return [
            Seen(
                each.name,
                f"00-{each.context.trace_id:032x}-{each.context.span_id:016x}-{each.context.trace_flags:02x}",
                f"{each.parent.span_id:016x}",
                dict(each.attributes or {}),
                each.status.description or "",
            )
            for each in self._spans.get_finished_spans()
            if each.context is not None and each.parent is not None
        ]

    def metrics(self) -> dict[str, Metric]:
        data = self._reader.get_metrics_data()
        assert data is not None
        (scope,) = data.resource_metrics[0].scope_metrics
        return {metric.name: metric for metric in scope.metrics}


@pytest.fixture
def exported() -> Exported:
    return Exported()


@pytest.fixture(params=["memory", "opentelemetry"])
def world(request: pytest.FixtureRequest, exported: Exported) -> Recorded | Exported:
    return exported if request.param == "opentelemetry" else Recorded()


def test_steps_are_children_of_what_they_were_begun_under(world: Recorded | Exported) -> None:
    task = world.telemetry.span("flowmesh.task", SUBMISSION, {"flowmesh.attempt": 2})
    decision = world.telemetry.span("flowmesh.decide", task.traceparent, {})
    decision.end({"flowmesh.verdict": "ACCEPTED"})
    task.end()
    spans = {each.name: each for each in world.spans()}
    assert {each.traceparent[3:35] for each in spans.values()} == {TRACE}
    assert spans["flowmesh.task"].parent == "b7ad6b7169203331"
    assert spans["flowmesh.task"].traceparent == task.traceparent
    assert spans["flowmesh.decide"].parent == task.traceparent[36:52]
    assert spans["flowmesh.task"].attributes == {"flowmesh.attempt": 2}
    assert spans["flowmesh.decide"].attributes == {"flowmesh.verdict": "ACCEPTED"}


def test_a_step_ends_once(world: Recorded | Exported) -> None:
    span = world.telemetry.span("flowmesh.task", SUBMISSION, {})
    assert world.spans() == []
    span.end(problem="CardRefused")
    span.end({"flowmesh.verdict": "ACCEPTED"})
    (seen,) = world.spans()
    assert (seen.problem, seen.attributes) == ("CardRefused", {})


@pytest.mark.parametrize(
    ("traceparent", "followed"),
    [(SUBMISSION, True), ("", False), ("00-trace", False), (f"{SUBMISSION[:-2]}00", False)],
)
def test_only_sampled_traces_are_followed(
    world: Recorded | Exported, traceparent: str, *, followed: bool
) -> None:
    assert world.telemetry.follows(traceparent) is followed


def test_without_a_tracer_no_trace_is_followed() -> None:
    telemetry: Telemetry = OpenTelemetry(MeterProvider(shutdown_on_exit=False).get_meter("test"))
    assert not telemetry.follows(SUBMISSION)


def test_numbers_reach_opentelemetry(exported: Exported) -> None:
    telemetry = exported.telemetry
    telemetry.count("flowmesh.commands.decided")
    telemetry.count("flowmesh.commands.decided", 2, {"kind": "x"})
    telemetry.measure("flowmesh.append.duration", 0.25)
    telemetry.measure("flowmesh.append.duration", 0.5)
    metrics = exported.metrics()
    points = metrics["flowmesh.commands.decided"].data.data_points
    counted = {tuple((each.attributes or {}).items()): each for each in points}
    plain, kind = counted[()], counted[("kind", "x"),]
    assert isinstance(plain, NumberDataPoint)
    assert isinstance(kind, NumberDataPoint)
    assert (plain.value, kind.value) == (1, 2)
    (durations,) = metrics["flowmesh.append.duration"].data.data_points
    assert isinstance(durations, HistogramDataPoint)
    assert (durations.count, durations.sum) == (2, 0.75)
    assert max(durations.explicit_bounds) == 300
    assert metrics["flowmesh.append.duration"].unit == "s"
    assert metrics["flowmesh.commands.decided"].unit == "{command}"


def test_a_level_is_told_at_every_export(exported: Exported) -> None:
    exported.telemetry.level("flowmesh.workers.connected", 3)
    exported.telemetry.level("flowmesh.workers.connected", 2)
    for _ in range(2):
        (point,) = exported.metrics()["flowmesh.workers.connected"].data.data_points
        assert isinstance(point, NumberDataPoint)
        assert point.value == 2


def test_numbers_are_recorded_in_memory() -> None:
    telemetry = RecordedTelemetry()
    telemetry.count("a")
    telemetry.count("a", 2, {"kind": "x"})
    telemetry.measure("b", 0.25)
    telemetry.level("c", 3)
    assert telemetry.counts == {"a": 3}
    assert telemetry.measures == {"b": [0.25]}
    assert telemetry.levels == {"c": 3}
