"""Moments at which an owner has something to decide by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from heapq import heapify, heappop, heappush
from itertools import count

from flowmesh_core.application.partition_owner.owned_partition import LiveExecution
from flowmesh_core.domain.commands import Command, ExpireCancelGrace, RetryTask
from flowmesh_core.domain.events import Event, ExecutionCancelRequested, NodeAttemptFailed
from flowmesh_core.domain.time import Micros

_Entry = tuple[Micros, int, LiveExecution, Command]


class TimerHeap:
    """The timers of open executions; the truth about each is in the history.

    A timer whose execution has moved on is not taken out: the reducer finds
    that there is nothing to do.
    """

    def __init__(self) -> None:
        """Start without timers."""
        self._heap: list[_Entry] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: Micros, live: LiveExecution, command: Command) -> None:
        """Have `command` decided at `due`."""
        heappush(self._heap, (due, next(self._order), live, command))

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
            _, _, live, command = heappop(self._heap)
            yield live, command

    def forget(self, partitions: Collection[int]) -> None:
        """Take out every timer of these partitions."""
        self._heap = [entry for entry in self._heap if entry[2].partition not in partitions]
        heapify(self._heap)
