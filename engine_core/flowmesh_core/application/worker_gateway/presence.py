"""Telling the cluster which workers are connected here."""

from __future__ import annotations

import logging

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.application.outlived import outlived
from flowmesh_core.application.waiting import wait_for
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.application.worker_gateway.session import WorkerSession
from flowmesh_core.ports.worker_registry import ConnectedWorker, WorkerRegistry

_log = logging.getLogger(__name__)


class Presence:
    """Publishes the workers when one came or went, and now and then so that the list stays valid."""

    def __init__(self, desk: Desk, registry: WorkerRegistry) -> None:
        """Publish to `registry`."""
        self._desk = desk
        self._registry = registry
        self._published = False

    async def run(self) -> None:
        """Publish until cancelled; say nothing while there are no workers."""
        clock, settings = self._desk.clock, self._desk.settings
        changed = self._desk.workers_changed
        backoff = Backoff(clock)
        while True:
            if await wait_for(changed, clock, settings.presence_interval):
                await clock.sleep(settings.presence_delay)
            changed.clear()
            with outlived(_log, self._desk.telemetry, "publish the connected workers") as publishing:
                await self._publish()
            if publishing.failure is None:
                backoff.reset()
            else:
                changed.set()
                await backoff.wait()

    async def _publish(self) -> None:
        workers = [_shown(session) for session in self._desk.sessions.values() if _is_connected(session)]
        if workers or self._published:
            ttl = self._desk.settings.presence_ttl
            await self._registry.publish(self._desk.gateway_id, workers, ttl)
            self._published = bool(workers)
            self._desk.telemetry.level("flowmesh.workers.connected", len(workers))


def _is_connected(session: WorkerSession) -> bool:
    return session.is_polled or session.channel is not None


def _shown(session: WorkerSession) -> ConnectedWorker:
    return ConnectedWorker(
        namespace=session.namespace,
        worker_id=session.worker_id,
        handlers=tuple(sorted(session.offer.handlers or ())),
        all_handlers=session.offer.handlers is None,
        slots=session.slots,
        held_tasks=len(session.held),
        connected_at=session.connected_at,
        last_seen_at=session.last_seen_at,
        labels=session.labels,
    )
