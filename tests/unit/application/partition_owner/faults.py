"""Stores that fail as often as they are told to; otherwise they are the twins they wrap."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from flowmesh_core.adapters.memory.database import MemoryDatabase
from flowmesh_core.adapters.memory.execution_store import MemoryExecutionStore
from flowmesh_core.adapters.memory.history_store import MemoryHistoryStore
from flowmesh_core.adapters.memory.membership import MemoryMembership
from flowmesh_core.adapters.memory.outbox import MemoryOutbox
from flowmesh_core.adapters.memory.workflow_store import MemoryWorkflowStore
from flowmesh_core.domain.errors import StoreUnavailable
from flowmesh_core.domain.identity import ExecutionKey
from flowmesh_core.domain.workflow import Workflow
from flowmesh_core.ports.command_log import QueueEntry
from flowmesh_core.ports.execution_store import ExecutionRecord
from flowmesh_core.ports.history_store import AppendOutcomeUnknown, HistoryBatch
from flowmesh_core.ports.membership import Member, PartitionLease
from flowmesh_core.ports.outbox import Outgoing


class _Failing:
    failures = 0

    def _fails(self) -> bool:
        fails = self.failures > 0
        self.failures -= fails
        return fails


class SilentMembership(_Failing, MemoryMembership):
    """Does not say who is alive."""

    async def live_members(self) -> Sequence[Member]:
        if self._fails():
            raise StoreUnavailable("the connection broke")
        return await super().live_members()

    async def leases(self) -> Mapping[str, float]:
        if self._fails():
            raise StoreUnavailable("the connection broke")
        return await super().leases()


class DefectiveMembership(_Failing, MemoryMembership):
    """Fails in a way that nobody expected when it is asked what a member owns."""

    async def owned(self, member_id: str) -> Sequence[PartitionLease]:
        if self._fails():
            raise ZeroDivisionError
        return await super().owned(member_id)


class DefectiveOutbox(_Failing, MemoryOutbox):
    """Fails in a way that nobody expected."""

    async def flush(self, outgoing: Outgoing) -> Sequence[QueueEntry]:
        if self._fails():
            raise ZeroDivisionError
        return await super().flush(outgoing)


class BreakingOutbox(_Failing, MemoryOutbox):
    """Loses its connection before anything is sent."""

    async def flush(self, outgoing: Outgoing) -> Sequence[QueueEntry]:
        if self._fails():
            raise StoreUnavailable("the connection broke")
        return await super().flush(outgoing)


class ForgetfulHistory(_Failing, MemoryHistoryStore):
    """Does not run an append."""

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        if self._fails():
            raise StoreUnavailable("the server is gone")
        await super().append(member_id, leases, batches)


class NarrowHistory(MemoryHistoryStore):
    """Gives up on an append of more than `maximum` batches."""

    maximum = 20

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.widths: list[int] = []

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        if len(batches) > self.maximum:
            raise AppendOutcomeUnknown
        await super().append(member_id, leases, batches)
        self.widths.append(len(batches))


class ChokingHistory(MemoryHistoryStore):
    """Has a defect that shows with one execution."""

    refused: ExecutionKey | None = None

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        if any(batch.key == self.refused for batch in batches):
            raise ValueError
        await super().append(member_id, leases, batches)


class UncertainHistory(_Failing, MemoryHistoryStore):
    """Commits an append and loses the answer."""

    async def append(
        self, member_id: str, leases: Collection[PartitionLease], batches: Sequence[HistoryBatch]
    ) -> None:
        await super().append(member_id, leases, batches)
        if self._fails():
            raise AppendOutcomeUnknown


class UnreadableExecutions(_Failing, MemoryExecutionStore):
    """Cannot say what is open; counts its reads."""

    reads = 0

    async def open_keys(self, partitions: Collection[int]) -> Sequence[ExecutionKey]:
        self.reads += 1
        if self._fails():
            raise StoreUnavailable("the server is gone")
        return await super().open_keys(partitions)

    async def get_many(self, keys: Collection[ExecutionKey]) -> Sequence[ExecutionRecord]:
        self.reads += 1
        return await super().get_many(keys)


class SlowWorkflows(MemoryWorkflowStore):
    """Takes its time over one definition."""

    def __init__(self, database: MemoryDatabase, slow: str) -> None:
        super().__init__(database)
        self._slow = slow
        self.gate = asyncio.Event()

    async def definitions(self, wanted: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Workflow]:
        if any(digest == self._slow for _, digest in wanted):
            await self.gate.wait()
        return await super().definitions(wanted)
