"""Telling owners of new executions, without making anyone wait for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from flowmesh_core.domain.commands import StartExecution
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.command_log import CommandEnvelope, CommandLog
from flowmesh_core.ports.execution_store import NewExecution
from flowmesh_core.ports.telemetry import Telemetry

_QUEUE = 50_000
_BATCH = 1_000
_PATIENCE = 5.0


class StartSender:
    """Sends `StartExecution` for stored executions, as best it can.

    The execution is accepted whatever becomes of the command: the reaper sends
    it again for those that stay PENDING.
    """

    def __init__(self, commands: CommandLog, telemetry: Telemetry) -> None:
        """Send to `commands`."""
        self._commands = commands
        self._telemetry = telemetry
        self._waiting: deque[CommandEnvelope] = deque()
        self._arrived = asyncio.Event()

    def offer(self, accepted: Iterable[NewExecution]) -> None:
        """Queue starts; what finds no room is left to the reaper."""
        for execution in accepted:
            if len(self._waiting) >= _QUEUE:
                self._telemetry.count("flowmesh.starts.lost")
                continue
            start = StartExecution(execution.key)
            self._waiting.append(
                CommandEnvelope(execution.partition, start, traceparent=execution.traceparent)
            )
            self._arrived.set()

    async def run(self) -> None:
        """Send what is queued, until cancelled."""
        while True:
            await self._arrived.wait()
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            if not self._waiting:
                self._arrived.clear()
            await self._send(batch)

    async def _send(self, batch: list[CommandEnvelope]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._commands.send(batch)
        except (StoreUnavailable, TimeoutError):
            self._telemetry.count("flowmesh.starts.lost", len(batch))
