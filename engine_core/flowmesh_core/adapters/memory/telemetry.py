"""Telemetry that tests can read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from flowmesh_core.ports.telemetry import Span, is_sampled


class RecordedSpan:
    """The `Span` port; what was said about a step, to be read.

    Attributes:
        name: What the step is.
        parent: The trace context that it was begun under.
        traceparent: Its own.
        attributes: Those of its beginning and its end.
        ended: Whether it is over.
        problem: Why it failed; empty when it did not.
    """

    def __init__(self, name: str, parent: str, number: int, attributes: Mapping[str, str | int]) -> None:
        """Begin the step with this number in its trace."""
        self.name = name
        self.parent = parent
        self.traceparent = f"{parent[:36]}{number:016x}{parent[-3:]}"
        self.attributes = dict(attributes)
        self.ended = False
        self.problem = ""

    def end(self, attributes: Mapping[str, str] | None = None, *, problem: str = "") -> None:
        """See `Span.end`."""
        if not self.ended:
            self.ended = True
            self.problem = problem
            self.attributes.update(attributes or {})


class RecordedTelemetry:
    """The `Telemetry` port; keeps totals and the measures by name.

    Attributes:
        counts: The total of each counter, over all attributes.
        measures: The values of each histogram, in order.
        levels: The newest value of each level.
        spans: Every span, in the order of their beginnings.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.measures: defaultdict[str, list[float]] = defaultdict(list)
        self.levels: dict[str, int] = {}
        self.spans: list[RecordedSpan] = []

    def count(self, name: str, value: int = 1, attributes: Mapping[str, str] | None = None) -> None:  # noqa: ARG002
        """See `Telemetry.count`."""
        self.counts[name] += value

    def measure(self, name: str, value: float, attributes: Mapping[str, str] | None = None) -> None:  # noqa: ARG002
        """See `Telemetry.measure`."""
        self.measures[name].append(value)

    def level(self, name: str, value: int) -> None:
        """See `Telemetry.level`."""
        self.levels[name] = value

    def follows(self, traceparent: str) -> bool:
        """See `Telemetry.follows`."""
        return is_sampled(traceparent)

    def span(self, name: str, parent: str, attributes: Mapping[str, str | int]) -> Span:
        """See `Telemetry.span`."""
        span = RecordedSpan(name, parent, len(self.spans) + 1, attributes)
        self.spans.append(span)
        return span
