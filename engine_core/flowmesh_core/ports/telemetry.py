"""Counts and measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Telemetry(Protocol):
    """Takes numbers about the engine; names and units follow OpenTelemetry's conventions."""

    def count(self, name: str, value: int = 1, attributes: Mapping[str, str] | None = None) -> None:
        """Add to a counter, such as `flowmesh.commands`."""

    def measure(self, name: str, value: float, attributes: Mapping[str, str] | None = None) -> None:
        """Add to a histogram, such as `flowmesh.append.duration` in seconds."""
