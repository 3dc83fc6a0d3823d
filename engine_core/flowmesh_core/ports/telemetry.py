"""Counts, measures and traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

_TRACEPARENT_LENGTH = 55
_ODD_DIGITS = frozenset("13579bdf")


class Span(Protocol):
    """One step of a trace, from its making to its end."""

    @property
    def traceparent(self) -> str:
        """W3C trace context that makes other steps children of this one."""

    def end(self, attributes: Mapping[str, str] | None = None, *, problem: str = "") -> None:
        """Finish the step, as failed when there is a `problem`. Only the first call counts."""


class Telemetry(Protocol):
    """Takes what the engine tells about itself; names and units follow OpenTelemetry's conventions.

    deploy/README.md lists the names. Attributes of spans and of numbers never
    hold payloads, messages of users or secrets.
    """

    def count(self, name: str, value: int = 1, attributes: Mapping[str, str] | None = None) -> None:
        """Add to a counter, such as `flowmesh.commands.decided`."""

    def measure(self, name: str, value: float, attributes: Mapping[str, str] | None = None) -> None:
        """Add to a histogram, such as `flowmesh.append.duration` in seconds."""

    def level(self, name: str, value: int) -> None:
        """Set how many of something this process has now, such as `flowmesh.partitions.owned`."""

    def follows(self, traceparent: str) -> bool:
        """Say whether steps of this trace are recorded.

        Ask before making a span or its attributes: the answer costs next to
        nothing, and it is no without a recorder and for traces that are not sampled.
        """

    def span(self, name: str, parent: str, attributes: Mapping[str, str | int]) -> Span:
        """Begin a step under `parent`, a trace context that is followed."""


def is_sampled(traceparent: str) -> bool:
    """Say whether a W3C trace context is of a trace that its beginning chose to record."""
    return len(traceparent) == _TRACEPARENT_LENGTH and traceparent[-1] in _ODD_DIGITS
