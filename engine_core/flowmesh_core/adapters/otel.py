"""Telemetry through OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.metrics import Observation
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from flowmesh_core.ports.telemetry import Span, is_sampled

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
_PROPAGATOR = TraceContextTextMapPropagator()


class OpenTelemetry:
    """The `Telemetry` port on a meter and a tracer; instruments are few and fixed in the code."""

    def __init__(self, meter: Meter, tracer: trace.Tracer | None = None) -> None:
        """Record numbers with `meter`, and traces when there is a `tracer`."""
        self._meter = meter
        self._tracer = tracer
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._levels: dict[str, int] = {}

    def count(self, name: str, value: int = 1, attributes: Mapping[str, str] | None = None) -> None:
        """See `Telemetry.count`."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._meter.create_counter(name, unit_of(name))
        counter.add(value, attributes)

    def measure(self, name: str, value: float, attributes: Mapping[str, str] | None = None) -> None:
        """See `Telemetry.measure`."""
        histogram = self._histograms.get(name)
        if histogram is None:
            unit = unit_of(name)
            histogram = self._histograms[name] = self._meter.create_histogram(
                name, unit, explicit_bucket_boundaries_advisory=_SECONDS if unit == "s" else _SIZES
            )
        histogram.record(value, attributes)

    def level(self, name: str, value: int) -> None:
        """See `Telemetry.level`."""
        is_new = name not in self._levels
        self._levels[name] = value
        if is_new:
            # Read at each export, so that it is also told while it does not change.
            def observe(_options: CallbackOptions) -> Iterable[Observation]:
                return [Observation(self._levels[name])]

            self._meter.create_observable_up_down_counter(name, [observe], unit_of(name))

    def follows(self, traceparent: str) -> bool:
        """See `Telemetry.follows`."""
        return self._tracer is not None and is_sampled(traceparent)

    def span(self, name: str, parent: str, attributes: Mapping[str, str | int]) -> Span:
        """See `Telemetry.span`."""
        tracer = self._tracer or trace.NoOpTracer()
        context = _PROPAGATOR.extract({"traceparent": parent})
        return _Recorded(tracer.start_span(name, context, attributes=attributes))


class _Recorded:
    """The `Span` port on a span of OpenTelemetry."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, attributes: Mapping[str, str] | None = None, *, problem: str = "") -> None:
        if not self._span.is_recording():
            return
        if attributes:
            self._span.set_attributes(attributes)
        if problem:
            self._span.set_status(trace.StatusCode.ERROR, problem)
        self._span.end()


def unit_of(name: str) -> str:
    """Return the unit of an instrument: seconds for durations, else what its second word counts.

    The second word is a plural, as in `flowmesh.tasks.lost`, which counts `{task}`.
    """
    words = name.split(".")
    return "s" if words[-1] == "duration" else "{" + words[1].removesuffix("s") + "}"
