"""Time that tests move."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from flowmesh_core.domain.time import SECOND, Micros, micros

_SOME_DAY = Micros(1_700_000_000 * SECOND)


class VirtualClock:
    """The `Clock` port, standing still until `advance` is called."""

    def __init__(self, now: Micros = _SOME_DAY) -> None:
        """Begin at `now`, with the monotonic clock at 0."""
        self._start = now
        self._elapsed = Micros(0)
        self._sleepers: list[tuple[Micros, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> Micros:
        """See `Clock.now`."""
        return Micros(self._start + self._elapsed)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._elapsed / SECOND

    async def sleep(self, seconds: float) -> None:
        """Return when `advance` has moved the time that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        # At least one step: who waits out a rest below it would wait for ever.
        due = Micros(self._elapsed + max(1, micros(seconds)))
        heapq.heappush(self._sleepers, (due, next(self._order), woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Move the time on and wake who is due, in the order of their moments."""
        self._elapsed = Micros(self._elapsed + micros(seconds))
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)

    def next_wake(self) -> float | None:
        """Return the seconds until the first sleeper is due, or None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return None
        return (self._sleepers[0][0] - self._elapsed) / SECOND
