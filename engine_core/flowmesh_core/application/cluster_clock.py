"""One wall clock for the whole cluster: that of the database."""

from __future__ import annotations

from flowmesh_core.domain.time import Micros, micros
from flowmesh_core.ports.clock import Clock


class ClusterClock:
    """The `Clock` port of a member: its wall clock is that of the database.

    Moments that one process writes down are waited for by another, so what the
    machine of either believes must not matter. Until the database has been
    heard of, and between two times that it was, the monotonic clock of the
    machine counts on; its wall clock is asked once, at the start.
    """

    def __init__(self, local: Clock) -> None:
        """Begin with the wall clock of the machine."""
        self._local = local
        self._offset = local.now() - micros(local.monotonic())

    def now(self) -> Micros:
        """See `Clock.now`."""
        return Micros(micros(self._local.monotonic()) + self._offset)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._local.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await self._local.sleep(seconds)

    def hear(self, now: Micros, asked_at: float) -> None:
        """Take in what the clock of the database showed between `asked_at`, on the monotonic clock, and now.

        Within that time nobody knows when, so a time that may be right is kept,
        and another moves no further than to where it may be right.
        """
        earliest = now - micros(self._local.monotonic())
        latest = now - micros(asked_at)
        self._offset = min(max(self._offset, earliest), latest)
