"""The real clock and real ids."""

from __future__ import annotations

import asyncio
import time

import uuid_utils

from flowmesh_core.domain.time import Micros


class SystemClock:
    """The `Clock` port on the clocks of the operating system."""

    def now(self) -> Micros:
        """See `Clock.now`."""
        return Micros(time.time_ns() // 1000)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)


class Uuid7Ids:
    """The `IdSource` port: UUIDv7, which within one process also sort in the order of the calls."""

    def new_id(self) -> str:
        """See `IdSource.new_id`."""
        return str(uuid_utils.uuid7())
