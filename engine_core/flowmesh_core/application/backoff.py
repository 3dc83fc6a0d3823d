"""Waits between attempts to reach something that does not answer."""

from __future__ import annotations

from collections.abc import Callable
from random import random

from flowmesh_core.ports.clock import Clock


class Backoff:
    """Waits that double up to a bound, each spread over its upper half so that processes part."""

    def __init__(
        self,
        clock: Clock,
        *,
        first: float = 0.05,
        longest: float = 2.0,
        spread: Callable[[], float] = random,
    ) -> None:
        """Begin with waits of `first` seconds; `spread` returns a number from 0 to 1."""
        self._clock = clock
        self._first = first
        self._longest = longest
        self._spread = spread
        self._next = first

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._next = self._first

    async def wait(self) -> None:
        """Wait, and wait longer the next time."""
        seconds = self._next * (0.5 + self._spread() / 2)
        self._next = min(self._longest, self._next * 2)
        await self._clock.sleep(seconds)
