"""Tasks on their way to a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from flowmesh_core.domain.record import record
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.outbox import QueuedTask


@record(frozen=True, slots=True)
class TakenTask:
    """A task that a gateway took, and where it lies until its attempt has ended."""

    entry: QueueEntry
    task: QueuedTask


@record(frozen=True, slots=True)
class QueueName:
    """One queue: a handler of a namespace."""

    namespace: str
    handler: str


class TaskQueue(Protocol):
    """A queue per (namespace, handler), first in first out. May raise `StoreUnavailable`.

    A taken task stays in the queue's pending list under the gateway's name
    until the owner's outbox removes its entry, so a dead gateway's tasks can
    be found.
    """

    async def take(self, gateway_id: str, queues: Sequence[QueueName], limit: int) -> Sequence[TakenTask]:
        """Take up to `limit` tasks in all, going through the queues in order; does not wait.

        At most 64 queues are looked at. An entry that cannot be decoded is
        parked and reported, and not returned. A queue that does not exist is
        an empty one; one that cannot be read is reported and passed over.
        """

    def arrivals(self, namespaces: Collection[str]) -> AbstractAsyncContextManager[AsyncIterator[QueueName]]:
        """Open a stream of names of queues that got tasks in these namespaces.

        It is a hint: it may repeat and it may miss, so a taker also looks by
        itself now and then. After a broken connection it goes on by itself.
        """

    async def queue_names(self, namespace: str) -> Sequence[QueueName]:
        """Return every queue of a namespace that may hold tasks."""

    async def remove_idle(self, idle: float) -> int:
        """Drop the queues that are empty and got no task for `idle` seconds; return how many.

        They come back with the next task. For a reaper to call now and then, as
        a namespace may go through thousands of handler names.
        """

    async def transfer(self, entries: Collection[QueueEntry], gateway_id: str) -> None:
        """Put pending entries under another gateway's name; those that are gone are passed over."""

    async def gateways(self) -> Collection[str]:
        """Return the ids under which tasks are pending or have been."""

    async def abandoned(
        self, gateway_id: str, limit: int, after: QueueEntry | None = None
    ) -> Sequence[TakenTask]:
        """Return tasks that are pending under a gateway, at most `limit`, without moving them.

        They come by namespace, by handler, and the oldest first. With `after`,
        only those beyond that place, where nothing needs to lie any more.
        """

    async def remove(self, entries: Collection[QueueEntry]) -> None:
        """Remove entries for good."""

    async def forget_gateway(self, gateway_id: str) -> None:
        """Drop a gateway's name; what is still pending under it must have been removed before."""
