"""Telemetry that tests can read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping


class RecordedTelemetry:
    """The `Telemetry` port; keeps totals and the last measures by name.

    Attributes:
        counts: The total of each counter, over all attributes.
        measures: The values of each histogram, in order.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.measures: defaultdict[str, list[float]] = defaultdict(list)

    def count(self, name: str, value: int = 1, attributes: Mapping[str, str] | None = None) -> None:  # noqa: ARG002
        """See `Telemetry.count`."""
        self.counts[name] += value

    def measure(self, name: str, value: float, attributes: Mapping[str, str] | None = None) -> None:  # noqa: ARG002
        """See `Telemetry.measure`."""
        self.measures[name].append(value)
