"""Executions that nobody started, and those that nobody needs any more."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flowmesh_core.application.recently import Recently
from flowmesh_core.domain.commands import StartExecution
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.command_log import CommandEnvelope, CommandLog
from flowmesh_core.ports.execution_store import ExecutionStore, PendingKey
from flowmesh_core.ports.membership import Membership
from flowmesh_core.ports.telemetry import Telemetry

_logger = logging.getLogger(__name__)

_ORPHAN_AGE = Micros(2 * SECOND)
_REPEAT_AFTER = 10.0
"""Seconds for the owner to begin an execution before it is told again."""


class StartOrphans:
    """Starts executions whose start command was lost after they had been accepted."""

    def __init__(
        self,
        executions: ExecutionStore,
        command_log: CommandLog,
        clock: Clock,
        telemetry: Telemetry,
        *,
        age: Micros = _ORPHAN_AGE,
        limit: int = 1_000,
    ) -> None:
        """Start those that have been PENDING for `age`, the oldest first.

        At most `limit` per sweep, and those behind them in the next.
        """
        self._executions = executions
        self._log = command_log
        self._clock = clock
        self._telemetry = telemetry
        self._age = age
        self._limit = limit
        self._started: Recently[ExecutionKey] = Recently(clock, _REPEAT_AFTER)
        self._place: PendingKey | None = None

    async def sweep(self) -> None:
        """Send their start commands again.

        Raises:
            StoreUnavailable: A store does not answer.
        """
        created_before = Micros(self._clock.now() - self._age)
        pending = await self._executions.pending_keys(created_before, self._limit, self._place)
        # What was told and does not begin, such as what cannot be loaded, must not hide what is newer.
        self._place = pending[-1] if len(pending) == self._limit else None
        fresh = set(self._started.fresh([each.key for each in pending]))
        orphans = [each for each in pending if each.key in fresh]
        if not orphans:
            return
        _logger.info("starting %d executions that were accepted but not begun", len(orphans))
        await self._log.send([CommandEnvelope(each.partition, StartExecution(each.key)) for each in orphans])
        self._telemetry.count("flowmesh.executions.orphaned", len(orphans))


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long what has ended is kept.

    Attributes:
        executions: How long a closed execution can still be read.
        members: How many seconds a dead process stays in the list of members.
        batch: How many executions one statement deletes.
        batches: How many statements one sweep runs at most.
    """

    executions: Micros = Micros(7 * 24 * 3600 * SECOND)
    members: float = 3600.0
    batch: int = 500
    batches: int = 20


class Retention:
    """Deletes what has been over for long enough."""

    def __init__(
        self,
        executions: ExecutionStore,
        membership: Membership,
        clock: Clock,
        telemetry: Telemetry,
        settings: RetentionSettings,
    ) -> None:
        """Delete by `settings`."""
        self._executions = executions
        self._membership = membership
        self._clock = clock
        self._telemetry = telemetry
        self._settings = settings

    async def sweep(self) -> None:
        """Delete old executions in small batches, and members that have been dead for long.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        settings = self._settings
        closed_before = Micros(self._clock.now() - settings.executions)
        for _ in range(settings.batches):
            deleted = await self._executions.delete_closed(closed_before, settings.batch)
            self._telemetry.count("flowmesh.executions.deleted", deleted)
            if deleted < settings.batch:
                break
        await self._membership.remove_expired(settings.members)
