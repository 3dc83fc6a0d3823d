"""Time, made explicit."""

from __future__ import annotations

from typing import Protocol

from flowmesh_core.domain.time import Micros


class Clock(Protocol):
    """The only source of time; its twin is a virtual clock that tests move."""

    def now(self) -> Micros:
        """Return the wall-clock moment; it may jump either way."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back, for waits and leases."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` on the monotonic clock."""
