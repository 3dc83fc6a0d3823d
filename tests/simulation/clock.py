"""The clocks of a simulated cluster: one monotonic time, and wall clocks that jump."""

from __future__ import annotations

import asyncio

from flowmesh_core.domain.time import SECOND, Micros, micros

_SOME_DAY = 1_700_000_000 * SECOND


class SimulatedClock:
    """The `Clock` port on the time of the simulated loop.

    Attributes:
        offset: By how much the wall clock of this machine is ahead.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.offset = Micros(0)

    def now(self) -> Micros:
        return Micros(_SOME_DAY + micros(self._loop.time()) + self.offset)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
