"""From the task queue to workers: one taker for streams and polls alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial

from flowmesh_core.application.backoff import Backoff
from flowmesh_core.application.outlived import outlived
from flowmesh_core.application.pace import rest_after
from flowmesh_core.application.waiting import wait_for
from flowmesh_core.application.worker_gateway.assigning import Assigning
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.ports.task_queue import TakenTask, TaskQueue

_log = logging.getLogger(__name__)

_TAKE_BYTES = 8 * 1024 * 1024
_LONGEST_REST = 0.002
_FIRST_TAKE = 50
"""While nobody knows how large tasks are."""


class Dispatcher:
    """Takes as many tasks as workers have room for, as soon as there are any."""

    def __init__(self, desk: Desk, assigning: Assigning, queue: TaskQueue) -> None:
        """Take from `queue`."""
        self._desk = desk
        self._demands = desk.demands
        self._assigning = assigning
        self._queue = queue
        self._outlived = partial(outlived, _log, desk.telemetry)
        self._limit = min(_FIRST_TAKE, desk.settings.take_limit)

    async def run(self) -> None:
        """Dispatch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hand_out())
            group.create_task(self._listen())
            group.create_task(self._look())

    async def _hand_out(self) -> None:
        backoff = Backoff(self._desk.clock)
        while True:
            await self._demands.wake.wait()
            self._demands.wake.clear()
            while take := self._demands.next_take(self._limit):
                began = self._desk.clock.monotonic()
                with self._outlived("take tasks") as taking:
                    taken = await self._queue.take(self._desk.gateway_id, take.queues, take.limit)
                if taking.failure is not None:
                    self._demands.unsettle(take)
                    await backoff.wait()
                else:
                    self._assigning.assign(take, taken)
                    self._adapt(taken)
                    backoff.reset()
                    if len(taken) < take.limit:
                        await self._rest(len(taken), self._desk.clock.monotonic() - began)

    async def _rest(self, taken: int, took: float) -> None:
        if rest := rest_after(taken, took, _LONGEST_REST):
            await self._desk.clock.sleep(rest)

    def _adapt(self, taken: Sequence[TakenTask]) -> None:
        """Take fewer at once while tasks are large, so that memory holds few of them."""
        if taken:
            average = sum(each.task.input.size for each in taken) // len(taken)
            self._limit = max(1, min(self._desk.settings.take_limit, _TAKE_BYTES // (average + 1)))

    async def _listen(self) -> None:
        """Hear of tasks that arrive, in the namespaces that workers are connected for."""
        changed = self._demands.namespaces_changed
        while True:
            changed.clear()
            namespaces = self._demands.namespaces()
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(self._keep_hearing(namespaces)) if namespaces else None
                await changed.wait()
                if listening is not None:
                    listening.cancel()

    async def _keep_hearing(self, namespaces: Collection[str]) -> None:
        # It must not fail: a group that is cancelled while a child fails forgets the cancellation.
        backoff = Backoff(self._desk.clock)
        while True:
            with self._outlived("hear of arriving tasks"):
                await self._hear(namespaces)
            await backoff.wait()

    async def _hear(self, namespaces: Collection[str]) -> None:
        async with self._queue.arrivals(namespaces) as queues:
            self._demands.group_added.set()  # what came before is found by looking
            async for queue in queues:
                self._demands.arrived((queue,))
        raise StoreUnavailable("the stream of arrivals ended")

    async def _look(self) -> None:
        """Look for tasks that nobody announced."""
        added = self._demands.group_added
        while True:
            is_new = await wait_for(added, self._desk.clock, self._desk.settings.look_interval)
            added.clear()
            wanted = self._demands.namespaces() if is_new else self._demands.hungry_namespaces()
            for namespace in wanted:
                with self._outlived(f"look for tasks of {namespace}") as looking:
                    self._demands.arrived(await self._queue.queue_names(namespace))
                if looking.met_outage:
                    break
