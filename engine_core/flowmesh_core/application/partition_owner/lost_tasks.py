"""Tasks that were queued and are in no queue any more.

A stream of tasks may be lost alone: deleted by hand, or missing from an older
copy. Its tasks were dispatched, as far as anybody noted, and no worker ever
gets them. So an owner looks now and then whether what waits for a worker still
lies in its queue.

It does not look for single entries. Queues are first in, first out, and give
entries up when their attempts end. So of the tasks that wait in a queue at one
moment it remembers the place of the newest entry, and later asks whether
anything up to that place is left. As long as there is, they may be among it;
when there is not and they still wait, they are gone. That costs one question
for each queue with waiting tasks, and errs only towards a second attempt.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from flowmesh_core.application.outlived import outlived
from flowmesh_core.application.partition_owner.lane import Lane, WaitingTask
from flowmesh_core.application.waiting import wait_for
from flowmesh_core.ports.clock import Clock
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.outbox import Outbox
from flowmesh_core.ports.telemetry import Telemetry

_logger = logging.getLogger(__name__)


class _Queue(NamedTuple):
    namespace: str
    handler: str


@dataclass(slots=True)
class _Cohort:
    """Tasks that waited together.

    Attributes:
        tasks: Those that still wait.
        place: The newest entry of the queue when all of them had been queued;
            None until the second look, because at the first their owner may
            not have sent them yet.
    """

    tasks: set[WaitingTask]
    place: str | None = None


class LostTasks:
    """Looks after the waiting tasks of one lane."""

    def __init__(self, lane: Lane, outbox: Outbox, telemetry: Telemetry) -> None:
        """Start knowing of none."""
        self._lane = lane
        self._outbox = outbox
        self._telemetry = telemetry
        self._cohorts: dict[_Queue, _Cohort] = {}

    async def run(self, stopping: asyncio.Event, clock: Clock, interval: float) -> None:
        """Look every `interval` seconds until `stopping`."""
        while not await wait_for(stopping, clock, interval):
            with outlived(_logger, self._telemetry, "look for lost tasks"):
                await self.look()

    async def look(self) -> None:
        """Compare what waits with what is queued, once.

        Raises:
            StoreUnavailable: The transport does not answer.
        """
        waiting = self._waiting()
        self._pass_on(waiting)
        await self._give_up_lost()
        await self._note_places()
        for queue, tasks in waiting.items():
            self._cohorts.setdefault(queue, _Cohort(tasks))

    def _waiting(self) -> Mapping[_Queue, set[WaitingTask]]:
        found: defaultdict[_Queue, set[WaitingTask]] = defaultdict(set)
        for task in self._lane.waiting_tasks():
            found[_Queue(task.key.namespace, task.handler)].add(task)
        return found

    def _pass_on(self, waiting: Mapping[_Queue, set[WaitingTask]]) -> None:
        """Forget what does not wait any more."""
        for queue, cohort in list(self._cohorts.items()):
            cohort.tasks &= waiting.get(queue, set())
            if not cohort.tasks:
                del self._cohorts[queue]

    async def _give_up_lost(self) -> None:
        placed = [(queue, cohort.place) for queue, cohort in self._cohorts.items() if cohort.place]
        if not placed:
            return
        held = await self._outbox.hold_up_to([QueueEntry(*queue, place) for queue, place in placed])
        for (queue, _), is_held in zip(placed, held, strict=True):
            if not is_held:
                self._lose(queue)

    def _lose(self, queue: _Queue) -> None:
        tasks = self._cohorts.pop(queue).tasks
        _logger.warning(
            "%d tasks of %s are gone from their queue: dispatching again", len(tasks), queue.handler
        )
        self._telemetry.count("flowmesh.tasks.vanished", len(tasks))
        self._lane.dispatch_again(tasks)

    async def _note_places(self) -> None:
        fresh = [(queue, cohort) for queue, cohort in self._cohorts.items() if cohort.place is None]
        if not fresh:
            return
        places = await self._outbox.newest([(queue.namespace, queue.handler) for queue, _ in fresh])
        for (queue, cohort), place in zip(fresh, places, strict=True):
            cohort.place = place
            if not place:
                self._lose(queue)
