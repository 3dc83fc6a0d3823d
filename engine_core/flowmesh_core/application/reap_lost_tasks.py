"""Tasks that dead gateways took come back."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flowmesh_core.application.recently import Recently
from flowmesh_core.domain.commands import LoseTask
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.identity import partition_of
from flowmesh_core.domain.states import LostCause
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.command_log import CommandEnvelope, CommandLog, QueueEntry
from flowmesh_core.ports.membership import Membership
from flowmesh_core.ports.task_queue import TakenTask, TaskQueue
from flowmesh_core.ports.telemetry import Telemetry

_logger = logging.getLogger(__name__)

_REPEAT_AFTER = 10.0
"""Seconds for the owner of an execution to decide on a lost task before it is told again."""


class ReapLostTasks:
    """Tells owners of tasks that died with their gateway.

    The owner removes the task from the queue together with its decision, so
    nothing is lost when this stops half-way, and several may do it at once.
    """

    def __init__(
        self,
        membership: Membership,
        queue: TaskQueue,
        command_log: CommandLog,
        clock: Clock,
        telemetry: Telemetry,
        *,
        partitions: int,
        limit: int = 1_000,
        grace: float = 0.0,
    ) -> None:
        """Report at most `limit` tasks of each gateway per sweep, and those behind them in the next.

        For `grace` seconds from the start, and after an outage of the
        membership, no gateway is taken for dead: all members come back under
        new ids, and workers bring their tasks along.
        """
        self._membership = membership
        self._queue = queue
        self._log = command_log
        self._telemetry = telemetry
        self._partitions = partitions
        self._limit = limit
        self._reported: Recently[QueueEntry] = Recently(clock, _REPEAT_AFTER)
        self._places: dict[str, QueueEntry] = {}
        self._clock = clock
        self._grace = grace
        self._judges_from = clock.monotonic() + grace

    async def sweep(self) -> float | None:
        """Report the tasks of gateways whose lease ended, and forget gateways without tasks.

        The lease was the time for their workers to come back by another gateway
        and bring their tasks along.

        Returns in how many seconds the next lease of a gateway ends, unless it
        is renewed; None when there is no gateway.

        Raises:
            StoreUnavailable: A store does not answer.
        """
        # In this order: a gateway is a member before it takes its first task.
        gateways = set(await self._queue.gateways())
        self._places = {each: place for each, place in self._places.items() if each in gateways}
        if not gateways:
            return None
        leases = await self._leases()
        if self._clock.monotonic() >= self._judges_from:
            for gateway_id in sorted(gateways - leases.keys()):
                await self._reap(gateway_id)
        return min((leases[each] for each in gateways & leases.keys()), default=None)

    async def _leases(self) -> Mapping[str, float]:
        try:
            return await self._membership.leases()
        except StoreUnavailable:
            self._judges_from = self._clock.monotonic() + self._grace
            raise

    async def _reap(self, gateway_id: str) -> None:
        place = self._places.get(gateway_id)
        abandoned = await self._queue.abandoned(gateway_id, self._limit, place)
        if not abandoned and place is None:
            await self._queue.forget_gateway(gateway_id)
            return
        # What no owner can load stays where it is, and must not hide the others.
        if len(abandoned) == self._limit:
            self._places[gateway_id] = abandoned[-1].entry
        else:
            self._places.pop(gateway_id, None)
        fresh = set(self._reported.fresh([taken.entry for taken in abandoned]))
        lost = [self._lose(taken) for taken in abandoned if taken.entry in fresh]
        if lost:
            _logger.warning("gateway %s is gone: giving up %d of its tasks", gateway_id, len(lost))
            await self._log.send(lost)
            self._telemetry.count("flowmesh.tasks.abandoned", len(lost))

    def _lose(self, taken: TakenTask) -> CommandEnvelope:
        task = taken.task
        return CommandEnvelope(
            partition_of(task.key, self._partitions),
            LoseTask(task.key, task.node_id, task.attempt, LostCause.WORKER_LOST),
            queue_entry=taken.entry,
            traceparent=task.traceparent,
        )
