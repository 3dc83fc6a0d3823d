"""The loop of the reaper role."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import random

from flowmesh_core.application.outlived import outlived
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.telemetry import Telemetry

_MARGIN = 0.02
"""Seconds after a moment at which what ends then has ended for sure."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Something to do now and then.

    Attributes:
        name: What the log calls it.
        interval: Seconds from the end of one to the start of the next, less up to a fifth at
            random so that several reapers part.
        run: One bounded sweep, safe to repeat. It may return in how many seconds it has to be
            looked again, when that is sooner.
    """

    name: str
    interval: float
    run: Callable[[], Awaitable[float | None]]


class Reaper:
    """Runs sweeps, each at its own pace."""

    def __init__(self, sweeps: Sequence[Sweep], clock: Clock, telemetry: Telemetry) -> None:
        """Prepare; nothing happens before `run`."""
        self._sweeps = sweeps
        self._clock = clock
        self._telemetry = telemetry

    async def run(self) -> None:
        """Sweep until cancelled; a sweep that fails is tried again at its next time."""
        async with asyncio.TaskGroup() as tasks:
            for sweep in self._sweeps:
                tasks.create_task(self._repeat(sweep))

    async def _repeat(self, sweep: Sweep) -> None:
        due: float | None = None
        while True:
            pause = sweep.interval * (1 - random() / 5)  # noqa: S311 - spreads load, keeps no secret
            await self._clock.sleep(pause if due is None else min(pause, due + _MARGIN))
            due = None
            with outlived(_logger, self._telemetry, f"sweep {sweep.name}"):
                due = await sweep.run()
