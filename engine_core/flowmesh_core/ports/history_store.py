"""History: the truth about every execution."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from flowmesh_core.domain.events import Event
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.record import record
from flowmesh_core.ports.membership import PartitionLease


@record(frozen=True, slots=True)
class HistoryBatch:
    """What one command made of one execution: one row of history.

    Attributes:
        key: The execution.
        partition: Where it lives.
        events: At least one, with dense sequences. The store reads from them what
            changes in the record: status, start and close time, failure.
    """

    key: ExecutionKey
    partition: int
    events: tuple[Event, ...]


class OwnershipLost(Exception):
    """The append wrote nothing, because these partitions have another owner or epoch now."""

    def __init__(self, partitions: Collection[int]) -> None:
        """Name the partitions that were lost."""
        super().__init__(f"partitions {sorted(partitions)} have another owner")
        self.partitions = frozenset(partitions)


class HistoryConflict(Exception):
    """The append wrote nothing, because a sequence is already taken: another owner was faster."""


class AppendOutcomeUnknown(Exception):
    """The append may or may not have been committed; never repeat it, fold again."""


class HistoryStore(Protocol):
    """Appends and reads histories. Reads may raise `StoreUnavailable`, and `Undecodable` for unknown rows."""

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        """Write all batches, or nothing, in one statement that also checks every lease.

        `leases` has exactly the partitions of `batches`. Two batches may be of
        the same execution when their sequences follow on.

        Raises:
            OwnershipLost: At least one lease is not the member's any more.
            HistoryConflict: A sequence is taken.
            AppendOutcomeUnknown: The connection broke while it ran.
            StoreUnavailable: The statement was certainly not run.
        """

    async def read(self, key: ExecutionKey, *, after: int, limit: int) -> Sequence[Event]:
        """Return events with a sequence over `after`, in order: at least `limit` of them if there are.

        Whole rows are read, so it may return more than `limit`, by less than one row.
        """

    async def newest(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, int]:
        """Return the sequence of the newest event of each; those without a history are left out."""

    async def read_many(self, keys: Collection[ExecutionKey]) -> Mapping[ExecutionKey, Sequence[Event]]:
        """Return the whole histories in one round trip; an execution without events is left out."""

    async def read_new(
        self, positions: Mapping[ExecutionKey, int], *, limit: int
    ) -> Mapping[ExecutionKey, Sequence[Event]]:
        """Return for each execution what `read` returns after its position, all in one round trip.

        An execution without such events is left out.
        """
