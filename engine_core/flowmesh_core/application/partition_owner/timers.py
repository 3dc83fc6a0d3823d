"""Moments at which an owner has something to decide by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from weakref import ReferenceType, ref

from flowmesh_core.application.partition_owner.owned_partition import LiveExecution
from flowmesh_core.domain.commands import Command, ExpireCancelGrace, RetryTask
from flowmesh_core.domain.events import Event, ExecutionCancelRequested, NodeAttemptFailed
from flowmesh_core.domain.time import Micros

_Entry = tuple[Micros, int, ReferenceType[LiveExecution], Command]

_FEW = 64
"""Timers that are not worth looking through."""


class TimerHeap:
    """The timers of open executions; the truth about each is in the history.

    A timer whose execution has moved on is not taken out: the reducer finds
    that there is nothing to do. It does not keep an execution that ended in
    memory, and goes itself when half of all timers may be such.
    """

    def __init__(self) -> None:
        """Start without timers, none of which was kept by the last look through all."""
        self._heap: list[_Entry] = []
        self._order = count()
        self._swept = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: Micros, live: LiveExecution, command: Command) -> None:
        """Have `command` decided at `due`."""
        if len(self._heap) > 2 * self._swept + _FEW:
            self._keep(lambda _: True)
        heappush(self._heap, (due, next(self._order), ref(live), command))

    def add_all(self, live: LiveExecution) -> None:
        """Add what an execution that was folded waits for."""
        for due, command in live.state.pending_timers():
            self.add(due, live, command)

    def follow(self, live: LiveExecution, events: Collection[Event]) -> None:
        """Add what new events of an execution wait for."""
        for event in events:
            if isinstance(event, NodeAttemptFailed):
                node_id = live.state.graph.nodes[event.node].id
                self.add(event.next_attempt_at, live, RetryTask(live.state.key, node_id, event.attempt))
            elif isinstance(event, ExecutionCancelRequested):
                self.add(event.deadline, live, ExpireCancelGrace(live.state.key))

    def next_due(self) -> Micros | None:
        """Return when the next timer is due, or None when there is none."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: Micros, limit: int) -> Iterator[tuple[LiveExecution, Command]]:
        """Take out at most `limit` timers that are due."""
        for _ in range(limit):
            if not self._heap or self._heap[0][0] > now:
                return
            _, _, weak, command = heappop(self._heap)
            self._swept = min(self._swept, len(self._heap))
            if (live := weak()) is not None:
                yield live, command

    def forget(self, partitions: Collection[int]) -> None:
        """Take out every timer of these partitions."""
        self._keep(lambda live: live.partition not in partitions)

    def _keep(self, wanted: Callable[[LiveExecution], bool]) -> None:
        self._heap = [entry for entry in self._heap if (live := entry[2]()) is not None and wanted(live)]
        heapify(self._heap)
        self._swept = len(self._heap)
