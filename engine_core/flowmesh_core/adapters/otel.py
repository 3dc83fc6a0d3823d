"""Telemetry through OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter


class OpenTelemetry:
    """The `Telemetry` port on a meter; the names of instruments are few and fixed in the code."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def count(self, name: str, value: int = 1, attributes: Mapping[str, str] | None = None) -> None:
        """See `Telemetry.count`."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._meter.create_counter(name)
        counter.add(value, attributes)

    def measure(self, name: str, value: float, attributes: Mapping[str, str] | None = None) -> None:
        """See `Telemetry.measure`."""
        histogram = self._histograms.get(name)
        if histogram is None:
            unit = "s" if name.endswith(".duration") else ""
            histogram = self._histograms[name] = self._meter.create_histogram(name, unit)
        histogram.record(value, attributes)
