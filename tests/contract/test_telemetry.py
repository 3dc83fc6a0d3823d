"""The contract of Telemetry, through OpenTelemetry and in memory."""

from __future__ import annotations

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint

from flowmesh_core.adapters.memory.telemetry import RecordedTelemetry
from flowmesh_core.adapters.otel import OpenTelemetry


def test_numbers_reach_opentelemetry() -> None:
    reader = InMemoryMetricReader()
    telemetry = OpenTelemetry(MeterProvider([reader]).get_meter("test"))
    telemetry.count("flowmesh.commands")
    telemetry.count("flowmesh.commands", 2, {"kind": "x"})
    telemetry.measure("flowmesh.append.duration", 0.25)
    telemetry.measure("flowmesh.append.duration", 0.5)
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    metrics = {metric.name: metric for metric in scope.metrics}
    points = metrics["flowmesh.commands"].data.data_points
    counted = {tuple((each.attributes or {}).items()): each for each in points}
    plain, kind = counted[()], counted[("kind", "x"),]
    assert isinstance(plain, NumberDataPoint)
    assert isinstance(kind, NumberDataPoint)
    assert (plain.value, kind.value) == (1, 2)
    (durations,) = metrics["flowmesh.append.duration"].data.data_points
    assert isinstance(durations, HistogramDataPoint)
    assert (durations.count, durations.sum) == (2, 0.75)
    assert metrics["flowmesh.append.duration"].unit == "s"


def test_numbers_are_recorded_in_memory() -> None:
    telemetry = RecordedTelemetry()
    telemetry.count("a")
    telemetry.count("a", 2, {"kind": "x"})
    telemetry.measure("b", 0.25)
    assert telemetry.counts == {"a": 3}
    assert telemetry.measures == {"b": [0.25]}
