"""Taking a partition over: everything that its owner has to know, from the stores."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from flowmesh_core.application.partition_owner.load_executions import LoadExecutions
from flowmesh_core.application.partition_owner.owned_partition import LiveExecution, OwnedPartition
from flowmesh_core.domain.commands import RedispatchTasks
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.ports.command_log import CommandEnvelope, CommandLog, DeliveredCommand
from flowmesh_core.ports.execution_store import ExecutionStore
from flowmesh_core.ports.membership import PartitionLease
from flowmesh_core.ports.outbox import Outbox, Outgoing

T = TypeVar("T")
_CONCURRENT_READS = 16


class TakeOver:
    """Loads leased partitions.

    It begins after the lease was taken: from then on no other owner can append,
    so the histories it reads are complete.
    """

    def __init__(
        self,
        command_log: CommandLog,
        outbox: Outbox,
        executions: ExecutionStore,
        loader: LoadExecutions,
        chunk: int,
    ) -> None:
        """Read `chunk` histories per query."""
        self._log = command_log
        self._outbox = outbox
        self._executions = executions
        self._loader = loader
        self._chunk = chunk

    async def take(self, leases: Sequence[PartitionLease], *, transport_lost: bool) -> list[OwnedPartition]:
        """Return the partitions, folded, with what their last owner left undone as their backlog.

        Args:
            leases: Partitions of this member.
            transport_lost: Whether what was dispatched may be gone, so that all
                of it is dispatched again.

        Raises:
            StoreUnavailable: A store does not answer.
            TransportLost: The transport lost data while this ran.
        """
        owned = {lease.partition: OwnedPartition(lease) for lease in leases}
        await self._log.open(list(owned))
        dispatched = await _each(list(owned), self._outbox.dispatched)
        still_open = await self._fold(owned)
        await self._forget_closed(dispatched, still_open)
        for partition, commands in (await _each(list(owned), self._log.claim)).items():
            owned[partition].backlog.extend(commands)
        for taken in owned.values():
            # Behind the claimed reports: one of them may end an attempt that is in doubt.
            taken.backlog.extend(_redispatches(taken, {} if transport_lost else dispatched[taken.partition]))
        return list(owned.values())

    async def _fold(self, owned: Mapping[int, OwnedPartition]) -> frozenset[ExecutionKey]:
        """Load what is open; return all of it, also what cannot be loaded."""
        keys = await self._executions.open_keys(list(owned))
        for start in range(0, len(keys), self._chunk):
            loaded = await self._loader.load(keys[start : start + self._chunk])
            for live in loaded.executions.values():
                owned[live.partition].add(live)
        return frozenset(keys)

    async def _forget_closed(
        self, dispatched: Mapping[int, Mapping[ExecutionKey, int]], still_open: AbstractSet[ExecutionKey]
    ) -> None:
        """Remove what is noted of executions that are over: their last owner may have died before it did."""
        closed = {
            partition: gone
            for partition, sequences in dispatched.items()
            if (gone := [key for key in sequences if key not in still_open])
        }
        if closed:
            await self._outbox.flush(Outgoing(closed=closed))


def _redispatches(
    taken: OwnedPartition, dispatched: Mapping[ExecutionKey, int]
) -> Iterator[DeliveredCommand]:
    for key, live in taken.executions.items():
        sequence = dispatched.get(key, 0)
        if _has_undispatched(live, sequence):
            envelope = CommandEnvelope(taken.partition, RedispatchTasks(key, sequence))
            yield DeliveredCommand("", envelope)


def _has_undispatched(live: LiveExecution, dispatched: int) -> bool:
    return any(sequence > dispatched for sequence in live.state.scheduled_sequence.values())


async def _each(partitions: Sequence[int], read: Callable[[int], Awaitable[T]]) -> dict[int, T]:
    """Read something of every partition, a few at a time; raises the first error."""
    found: dict[int, T] = {}
    errors: list[Exception] = []

    async def read_one(partition: int) -> None:
        # It must not fail: a group that is cancelled while a child fails forgets the cancellation.
        try:
            found[partition] = await read(partition)
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    for start in range(0, len(partitions), _CONCURRENT_READS):
        async with asyncio.TaskGroup() as tasks:
            for partition in partitions[start : start + _CONCURRENT_READS]:
                tasks.create_task(read_one(partition))
        if errors:
            raise errors[0]
    return found
