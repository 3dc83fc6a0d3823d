"""Those who submit and cancel."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random

from flowmesh_core.application.cancel_execution import CancelRequest
from flowmesh_core.domain.definition import digest
from flowmesh_core.domain.errors import FlowmeshError
from flowmesh_core.domain.identity import ExecutionKey, partition_of
from flowmesh_core.domain.payload import Payload
from flowmesh_core.domain.time import SECOND, Micros
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.execution_store import NewExecution
from tests.simulation.cluster import Cluster
from tests.simulation.loop import WORLD
from tests.simulation.network import Broken
from tests.simulation.processes import PARTITIONS
from tests.simulation.workflows import draw_workflow

_CANCELLED = 0.3


class Callers:
    """Submit a few executions, and cancel some; each call is repeated until it is answered.

    Attributes:
        waiting: How many calls are not answered yet.
    """

    def __init__(self, cluster: Cluster, rng: Random, executions: int, within: float) -> None:
        self.waiting = executions
        self._cluster = cluster
        self._rng = rng
        for number in range(executions):
            workflow = draw_workflow(rng, f"flow-{number}")
            cluster.loop.spawn(WORLD, self._submit(number, workflow, rng.random() * within))

    async def _submit(self, number: int, workflow: Workflow, at: float) -> None:
        await asyncio.sleep(at)
        key = ExecutionKey("default", f"e{number}")
        new = NewExecution(
            key=key,
            partition=partition_of(key, PARTITIONS),
            workflow=workflow,
            workflow_name=workflow.name,
            workflow_version=0,
            workflow_digest=digest(workflow),
            request_digest=str(key),
            created_at=self._cluster.backend.database_clock.now(),
            input=Payload(b"{}"),
            request_id=f"request-{number}",
        )
        while not await self._try(new):
            await asyncio.sleep(self._rng.random())
        self._cluster.backend.judge.accepted.add(key)
        self._cluster.trace("caller", f"{key} is accepted")
        if self._rng.random() < _CANCELLED:
            await asyncio.sleep(self._rng.random() * 4)
            await self._cancel(key)
        self.waiting -= 1

    async def _try(self, new: NewExecution) -> bool:
        api = self._cluster.api()
        try:
            await self._cluster.calls.call(api.process, lambda: api.submit(new))
        except (Broken, FlowmeshError):
            return False
        return True

    async def _cancel(self, key: ExecutionKey) -> None:
        request = CancelRequest(key, "simulated", Micros(2 * SECOND))
        while True:
            api = self._cluster.api()
            try:
                status = await self._cluster.calls.call(api.process, partial(api.cancel, request))
            except (Broken, FlowmeshError):
                await asyncio.sleep(self._rng.random())
                continue
            self._cluster.trace("caller", f"{key} is {status.name}")
            self._cluster.backend.judge.cancelled(key, status)
            return
