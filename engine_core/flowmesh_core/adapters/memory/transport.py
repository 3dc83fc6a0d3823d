"""What Redis is to the other adapters: the state that the transport twins of a cluster share.

Every process of a simulated cluster has twins of its own on one
`MemoryTransport`. Tests move its clock and make it fail: `available = False`
is an outage, `lose_everything()` a FLUSHALL, `interrupt()` a broken connection
of those who listen.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flowmesh_core.adapters.memory.channels import Channels
from flowmesh_core.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from flowmesh_core.domain.identity import ExecutionKey
    from flowmesh_core.domain.time import Micros
    from flowmesh_core.ports.clock import Clock
    from flowmesh_core.ports.command_log import CommandEnvelope
    from flowmesh_core.ports.mailbox import MailboxMessage
    from flowmesh_core.ports.outbox import QueuedTask
    from flowmesh_core.ports.task_queue import QueueName
    from flowmesh_core.ports.worker_registry import ConnectedWorker

_CAPACITY = 1_000


@dataclass(slots=True)
class Log:
    """The unacknowledged commands of a partition by number, and who reads them from where."""

    entries: dict[int, CommandEnvelope] = field(default_factory=dict)
    reader: object = None
    place: int = 0


@dataclass(slots=True)
class Queue:
    """The tasks of a handler, in order: those nobody took, and those that are pending under a gateway."""

    added_at: float
    newest: str = ""
    waiting: dict[str, QueuedTask] = field(default_factory=dict)
    pending: dict[str, tuple[str, QueuedTask]] = field(default_factory=dict)


class MemoryTransport:
    """The shared state; see the module."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.available = True
        self.mail: Channels[Sequence[MailboxMessage]] = Channels(_CAPACITY)
        self.hints: Channels[Mapping[ExecutionKey, int]] = Channels(_CAPACITY)
        self.closings: Channels[Collection[ExecutionKey]] = Channels(_CAPACITY)
        self.arrivals: Channels[QueueName] = Channels(_CAPACITY)
        self.opened: set[int] = set()
        """Partitions whose logs were ever opened: with no reader now, they were lost."""
        self._last_entry = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._empty()

    def _empty(self) -> None:
        self.logs: defaultdict[int, Log] = defaultdict(Log)
        self.queues: dict[QueueName, Queue] = {}
        self.dispatched: defaultdict[int, dict[ExecutionKey, int]] = defaultdict(dict)
        self.gateways: set[str] = set()
        self.workers: dict[str, tuple[float, Sequence[ConnectedWorker]]] = {}
        self.buckets: dict[str, tuple[float, Micros]] = {}

    def require(self) -> None:
        """Stand for a round trip.

        Raises:
            StoreUnavailable: There is an outage.
        """
        if not self.available:
            raise StoreUnavailable("the transport does not answer")

    def lose_everything(self) -> None:
        """Forget all data, as FLUSHALL does; readers of logs notice."""
        self._empty()
        self.wake()

    def interrupt(self) -> None:
        """Break the connections of those who listen to channels; they connect again at once."""
        for channels in (self.mail, self.hints, self.closings, self.arrivals):
            channels.interrupt()

    def next_entry(self) -> int:
        """Return the number of a new entry; it never goes back."""
        self._last_entry += 1
        return self._last_entry

    def wake(self) -> None:
        """Let readers look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def changed(self, timeout: float) -> None:  # noqa: ASYNC109 - on the clock of the transport
        """Return after the next `wake`, or `timeout` seconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = asyncio.ensure_future(self.clock.sleep(timeout))
        self._waiters.add(waiter)
        try:
            await asyncio.wait({waiter, sleeper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.discard(waiter)
            sleeper.cancel()
            await asyncio.wait({sleeper})
