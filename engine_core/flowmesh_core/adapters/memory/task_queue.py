"""The twin of the task queue."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING

from flowmesh_core.adapters.memory.outbox import remove_entries
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.task_queue import QueueName, TakenTask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence

    from flowmesh_core.adapters.feed import Feed
    from flowmesh_core.adapters.memory.transport import MemoryTransport

QUEUES_PER_TAKE = 64


class MemoryTaskQueue:
    """A `TaskQueue`."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    async def take(self, gateway_id: str, queues: Sequence[QueueName], limit: int) -> Sequence[TakenTask]:
        """Take tasks, the oldest of each queue."""
        self._transport.require()
        self._transport.gateways.add(gateway_id)
        taken = list(islice(self._waiting(queues[:QUEUES_PER_TAKE]), limit))
        for each in taken:
            queue = self._transport.queues[QueueName(each.entry.namespace, each.entry.handler)]
            queue.pending[each.entry.entry_id] = (gateway_id, queue.waiting.pop(each.entry.entry_id))
        return taken

    @asynccontextmanager
    async def arrivals(self, namespaces: Collection[str]) -> AsyncIterator[AsyncIterator[QueueName]]:
        """Open a stream of names of queues that got tasks."""
        self._transport.require()
        with self._transport.arrivals.listen(namespaces) as feed:
            yield _arrived(feed)

    async def queue_names(self, namespace: str) -> Sequence[QueueName]:
        """Return every queue of a namespace that may hold tasks, by name."""
        self._transport.require()
        names = (name for name in self._transport.queues if name.namespace == namespace)
        return sorted(names, key=lambda name: name.handler)

    async def remove_idle(self, idle: float) -> int:
        """Drop queues that have been empty for a while."""
        self._transport.require()
        before = self._transport.clock.monotonic() - idle
        idle_names = [
            name
            for name, queue in self._transport.queues.items()
            if not queue.waiting and not queue.pending and queue.added_at <= before
        ]
        for name in idle_names:
            del self._transport.queues[name]
        return len(idle_names)

    async def transfer(self, entries: Collection[QueueEntry], gateway_id: str) -> None:
        """Put pending entries under another gateway's name."""
        self._transport.require()
        self._transport.gateways.add(gateway_id)
        for entry in entries:
            queue = self._transport.queues.get(QueueName(entry.namespace, entry.handler))
            if queue is not None and entry.entry_id in queue.pending:
                queue.pending[entry.entry_id] = (gateway_id, queue.pending[entry.entry_id][1])

    async def gateways(self) -> Collection[str]:
        """Return the ids under which tasks are pending or have been."""
        self._transport.require()
        return frozenset(self._transport.gateways)

    async def abandoned(
        self, gateway_id: str, limit: int, after: QueueEntry | None = None
    ) -> Sequence[TakenTask]:
        """Return tasks that are pending under a gateway."""
        self._transport.require()
        found = sorted(self._pending(gateway_id), key=lambda taken: _place(taken.entry))
        if after is not None:
            found = [taken for taken in found if _place(taken.entry) > _place(after)]
        return found[:limit]

    async def remove(self, entries: Collection[QueueEntry]) -> None:
        """Remove entries for good."""
        self._transport.require()
        remove_entries(self._transport, entries)

    async def forget_gateway(self, gateway_id: str) -> None:
        """Drop a gateway's name, unless something is still pending under it."""
        self._transport.require()
        if not any(self._pending(gateway_id)):
            self._transport.gateways.discard(gateway_id)

    def _waiting(self, names: Sequence[QueueName]) -> Iterator[TakenTask]:
        for name in names:
            if (queue := self._transport.queues.get(name)) is not None:
                for entry_id, task in queue.waiting.items():
                    yield TakenTask(QueueEntry(name.namespace, name.handler, entry_id), task)

    def _pending(self, gateway_id: str) -> Iterator[TakenTask]:
        for name, queue in self._transport.queues.items():
            for entry_id, (holder, task) in queue.pending.items():
                if holder == gateway_id:
                    yield TakenTask(QueueEntry(name.namespace, name.handler, entry_id), task)


def _place(entry: QueueEntry) -> tuple[str, str, int]:
    return entry.namespace, entry.handler, int(entry.entry_id.partition("-")[0])


async def _arrived(feed: Feed[QueueName]) -> AsyncIterator[QueueName]:
    while True:
        if (name := await feed.get()) is not None:
            yield name
