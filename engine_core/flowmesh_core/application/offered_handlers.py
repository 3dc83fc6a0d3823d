"""Which handlers, among those that tasks wait for, workers offer."""

from __future__ import annotations

import asyncio

from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.states import NodeStatus
from flowmesh_core.domain.view import ExecutionView
from flowmesh_core.ports.telemetry import Telemetry
from flowmesh_core.ports.worker_registry import WorkerRegistry

_PATIENCE = 1.0


class OfferedHandlers:
    """Looks up the handlers of tasks that are ready for workers."""

    def __init__(self, workers: WorkerRegistry, telemetry: Telemetry) -> None:
        """Ask `workers`."""
        self._workers = workers
        self._telemetry = telemetry

    async def __call__(self, namespace: str, view: ExecutionView) -> frozenset[str]:
        """Return those that are offered; all of them when the registry does not answer."""
        wanted = {
            planned.handler
            for planned, node in zip(view.graph.nodes, view.nodes, strict=True)
            if node.status is NodeStatus.SCHEDULED
        }
        if not wanted:
            return frozenset()
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._workers.offered(namespace, wanted)
        except (StoreUnavailable, TimeoutError):  # the state is worth an answer without it
            self._telemetry.count("flowmesh.outages.worker_registry")
            return frozenset(wanted)
