"""Tasks that lie under the gateway's name though no worker of it holds them."""

from __future__ import annotations

import logging

from flowmesh_core.application.outlived import outlived
from flowmesh_core.application.worker_gateway.assigning import Assigning
from flowmesh_core.application.worker_gateway.desk import Desk
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.task_queue import TakenTask, TaskQueue

_log = logging.getLogger(__name__)

_LIMIT = 1_000


class Inventory:
    """Hands such tasks back to their owners, who know whether they are of any use.

    Redis that is older than it was brings them back, and so does a removal that
    failed. Nobody else would find them: the reaper looks at dead gateways only.
    """

    def __init__(self, desk: Desk, assigning: Assigning, queue: TaskQueue) -> None:
        """Look into `queue`."""
        self._desk = desk
        self._assigning = assigning
        self._queue = queue
        self._strays: frozenset[QueueEntry] = frozenset()

    async def run(self) -> None:
        """Take stock once per lease, until cancelled."""
        while True:
            await self._desk.clock.sleep(self._desk.settings.lease_ttl)
            with outlived(_log, self._desk.telemetry, "take stock"):
                await self.take_stock()

    async def take_stock(self) -> None:
        """Give up what nobody held at two looks in a row.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        pending = await self._queue.abandoned(self._desk.gateway_id, _LIMIT + len(self._desk.held_tasks))
        wanted: set[QueueEntry | None] = {held.claims.queue_entry for held in self._desk.held_tasks}
        wanted |= self._desk.decisions.queue_entries()
        strays = {taken.entry: taken for taken in pending if taken.entry not in wanted}
        for entry in self._strays & strays.keys():
            self._give_up(strays.pop(entry))
        self._strays = frozenset(strays)

    def _give_up(self, taken: TakenTask) -> None:
        task = taken.task
        _log.warning("nobody holds %s/%s, attempt %d: giving it back", task.key, task.node_id, task.attempt)
        if self._desk.find_attempt((task.key, task.node_id, task.attempt)) is not None:
            self._desk.errands.remove(taken.entry)  # a second entry of a task that is held
        else:
            self._assigning.give_back(taken)
