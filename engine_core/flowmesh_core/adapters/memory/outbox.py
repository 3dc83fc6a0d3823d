"""The twin of the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowmesh_core.adapters.memory.transport import Queue
from flowmesh_core.ports.command_log import QueueEntry, TransportLost
from flowmesh_core.ports.task_queue import QueueName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from flowmesh_core.adapters.memory.transport import MemoryTransport
    from flowmesh_core.domain.identity import ExecutionKey
    from flowmesh_core.ports.mailbox import MailboxMessage
    from flowmesh_core.ports.outbox import Outgoing, QueuedTask


class MemoryOutbox:
    """An `Outbox`. It sends all or nothing."""

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport

    async def flush(self, outgoing: Outgoing) -> Sequence[QueueEntry]:
        """Send everything; return the queue entry of each task.

        Raises:
            TransportLost: Nobody has opened these logs since they were lost.
        """
        self._transport.require()
        entries = [self._queue(task) for task in outgoing.tasks]
        lost = [partition for partition in outgoing.dispatched if self._is_lost(partition)]
        self._mark(outgoing, lost)
        self._tell(outgoing)
        remove_entries(self._transport, outgoing.withdrawn)
        for partition, entry_ids in outgoing.acknowledged.items():
            for entry_id in entry_ids:
                self._transport.logs[partition].entries.pop(int(entry_id.partition("-")[0]), None)
        if lost:
            raise TransportLost("the transport is not what it was", lost)
        return entries

    async def dispatched(self, partition: int) -> Mapping[ExecutionKey, int]:
        """Return the dispatched sequences of a partition."""
        self._transport.require()
        return dict(self._transport.dispatched[partition])

    async def newest(self, queues: Sequence[tuple[str, str]]) -> Sequence[str]:
        """Return the newest entry that each queue ever got."""
        self._transport.require()
        found = [self._transport.queues.get(QueueName(*name)) for name in queues]
        return ["" if queue is None else queue.newest for queue in found]

    async def hold_up_to(self, entries: Sequence[QueueEntry]) -> Sequence[bool]:
        """Say whether the queues hold these entries or older ones."""
        self._transport.require()
        return [self._holds_up_to(each) for each in entries]

    def _holds_up_to(self, entry: QueueEntry) -> bool:
        queue = self._transport.queues.get(QueueName(entry.namespace, entry.handler))
        if queue is None or not entry.entry_id:
            return False
        return any(_number(each) <= _number(entry.entry_id) for each in (*queue.waiting, *queue.pending))

    def _queue(self, task: QueuedTask) -> QueueEntry:
        name = QueueName(task.key.namespace, task.handler)
        queue = self._transport.queues.setdefault(name, Queue(0.0))
        entry = QueueEntry(name.namespace, name.handler, f"{self._transport.next_entry()}-0")
        queue.waiting[entry.entry_id] = task
        queue.newest = entry.entry_id
        queue.added_at = self._transport.clock.monotonic()
        return entry

    def _is_lost(self, partition: int) -> bool:
        return partition in self._transport.opened and self._transport.logs[partition].reader is None

    def _mark(self, outgoing: Outgoing, lost: Collection[int]) -> None:
        """Note what was dispatched, unless what went before it may be gone."""
        for partition, sequences in outgoing.dispatched.items():
            if partition not in lost:
                self._transport.dispatched[partition].update(sequences)
        for partition, closed in outgoing.closed.items():
            for key in closed:
                self._transport.dispatched[partition].pop(key, None)

    def _tell(self, outgoing: Outgoing) -> None:
        for partition, changed in outgoing.changed.items():
            self._transport.hints.publish(str(partition), dict(changed))
        closed = [key for keys in outgoing.closed.values() for key in keys]
        if closed:
            self._transport.closings.publish("", closed)
        for member_id in dict.fromkeys((*outgoing.replies, *outgoing.cancels)):
            messages: list[MailboxMessage] = [*outgoing.replies.get(member_id, ())]
            messages += outgoing.cancels.get(member_id, ())
            self._transport.mail.publish(member_id, messages)
        for name in dict.fromkeys(QueueName(task.key.namespace, task.handler) for task in outgoing.tasks):
            self._transport.arrivals.publish(name.namespace, name)


def remove_entries(transport: MemoryTransport, entries: Iterable[QueueEntry]) -> None:
    """Remove tasks from their queues for good."""
    for entry in entries:
        queue = transport.queues.get(QueueName(entry.namespace, entry.handler))
        if queue is not None:
            queue.waiting.pop(entry.entry_id, None)
            queue.pending.pop(entry.entry_id, None)


def _number(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])
