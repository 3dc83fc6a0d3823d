"""What was done a short while ago and need not be done again yet."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from flowmesh_core.ports.clock import Clock

T = TypeVar("T", bound=Hashable)


class Recently(Generic[T]):
    """Holds back repetitions, so that a sweep does not pile up what nobody has got round to yet."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        """Let the same item through once every `seconds`."""
        self._clock = clock
        self._seconds = seconds
        self._since: dict[T, float] = {}

    def fresh(self, items: Sequence[T]) -> list[T]:
        """Return those of `items` that were not let through a short while ago, and note them."""
        self._expire()
        fresh = [item for item in dict.fromkeys(items) if item not in self._since]
        self._since.update(dict.fromkeys(fresh, self._clock.monotonic()))
        return fresh

    def _expire(self) -> None:
        """Entries are in the order of their age."""
        limit = self._clock.monotonic() - self._seconds
        while self._since and (oldest := next(iter(self._since.items())))[1] <= limit:
            del self._since[oldest[0]]
